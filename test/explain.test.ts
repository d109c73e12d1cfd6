/** `sluice explain` and a gateway that decides the same request in the same state say the same, to the last figure. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { startFakeUpstream, type FakeUpstream } from "./fake-upstream.ts";
import { explained, explainedJson, type ExplainGiven } from "./explain-given.ts";
import { answers } from "./line-setup.ts";
import { wires } from "./line-wires.ts";
import { startGateway, until, type RunningGateway } from "./running.ts";

const NOW_MS = Date.UTC(2026, 10, 22, 9);
const now = () => NOW_MS;
const DEAR = "dear/gpt-6-luna";
const CHEAP = "cheap/claude-haiku-4-5";
const ENVIRONMENT = {
  DEAR_KEY: "sk-dear-0123456789",
  CHEAP_KEY: "sk-cheap-0123456789",
  ANN: "ann-0123456789",
  BEN: "ben-0123456789",
};
const ANN = { authorization: `Bearer ${ENVIRONMENT.ANN}` };
const BEN = { authorization: `Bearer ${ENVIRONMENT.BEN}` };

interface Dialect {
  readonly name: string;
  readonly path: string;
  readonly body: (text: string) => Record<string, unknown>;
}

const said = (content: string) => [{ role: "user", content }];
const DIALECTS: readonly Dialect[] = [
  { name: "openai-chat", path: "/v1/chat/completions", body: (text) => ({ messages: said(text), max_tokens: 300 }) },
  { name: "openai-responses", path: "/v1/responses", body: (text) => ({ input: text, store: false }) },
  {
    name: "anthropic-messages",
    path: "/v1/messages",
    body: (text) => ({ system: "Be brief.", messages: said(text), max_tokens: 100 }),
  },
  {
    name: "mistral-chat",
    path: "/mistral/v1/chat/completions",
    body: (text) => ({ messages: said(text), random_seed: 7 }),
  },
  {
    name: "ollama-chat",
    path: "/api/chat",
    body: (text) => ({ messages: said(text), stream: false, options: { num_predict: 50 } }),
  },
];

let dear: FakeUpstream;
let cheap: FakeUpstream;
let gateway: RunningGateway;
let data: string;
let yaml: string;

beforeAll(async () => {
  const [openai, anthropic] = [wires[0], wires[1]];
  if (openai === undefined || anthropic === undefined) throw new Error("there are no wires");
  dear = await startFakeUpstream(answers(openai));
  cheap = await startFakeUpstream(answers(anthropic));
  data = mkdtempSync(join(tmpdir(), "sluice-explain-"));
  yaml = `
keys: [{ name: ann, keyEnv: ANN }, { name: ben, keyEnv: BEN, deny: [dear] }]
providers:
  dear: { kind: openai, baseUrl: "${dear.url}/v1", apiKeyEnv: DEAR_KEY }
  cheap: { kind: anthropic, baseUrl: "${cheap.url}/v1", apiKeyEnv: CHEAP_KEY }
models:
  gpt-6-luna: { price: { input: 1, cacheRead: 0.1, output: 5 } }
  claude-haiku-4-5: { price: { input: 0.1, cacheRead: 0.01, cacheWrite: 0.125, output: 0.5 } }
aliases: { both: [${DEAR}, ${CHEAP}] }
policy: { targets: [${DEAR}, ${CHEAP}] }
cache: { isolate: strict, move: { steady: { rules: [timestamps] } } }
classes:
  triage: { successLeast: 0.6, failureUsd: 0.001 }
  steady: { failureUsd: 0.001 }
  nowhere: { deny: [dear, cheap] }
`;
  const first = await started();
  for (const [index, outcome] of ["success", "failure", "success", "failure", "failure"].entries()) {
    for (const model of [DEAR, CHEAP]) {
      const task = `${model.replace(/\W/g, ".")}-${index}`;
      await ask(first, DIALECTS[0], "Hello", {
        model,
        headers: { "x-sluice-task": task, "x-sluice-task-class": "triage" },
      });
      const told = model === DEAR ? "success" : outcome;
      const path = `/sluice/v1/tasks/${task}/outcome`;
      const answer = await first.app.request(path, {
        method: "POST",
        headers: ANN,
        body: JSON.stringify({ outcome: told }),
      });
      expect(answer.status).toBe(200);
    }
  }
  await first.close();
  gateway = await started();
});

afterAll(async () => {
  await gateway.close();
  await dear.close();
  await cheap.close();
  rmSync(data, { recursive: true, force: true });
});

function started(): Promise<RunningGateway> {
  return startGateway({ environment: ENVIRONMENT, yaml, data, now });
}

interface Asking {
  readonly model?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly key?: Readonly<Record<string, string>>;
}

/** @returns the body, and what the endpoint says of its exchange. */
async function ask(
  { app, sluice }: RunningGateway,
  dialect: Dialect | undefined,
  text: string,
  { model = "auto", headers = {}, key = ANN }: Asking = {},
): Promise<{ readonly body: string; readonly decision: Record<string, unknown> }> {
  const { path, body } = dialect as Dialect;
  const request = JSON.stringify({ model, ...body(text) });
  const answer = await app.request(path, {
    method: "POST",
    headers: { "content-type": "application/json", ...key, ...headers },
    body: request,
  });
  await answer.arrayBuffer();
  await until(() => sluice.admission.inFlight === 0);
  const exchange = answer.headers.get("x-sluice-exchange") ?? "";
  const read = await app.request(`/sluice/v1/decisions/${exchange}`, { headers: key });
  expect(read.status).toBe(200);
  return { body: request, decision: (await read.json()) as Record<string, unknown> };
}

const offline = (body: string, ...flags: readonly string[]): Promise<Record<string, unknown>> =>
  explainedJson(given(body), "--data", data, ...flags, "request.json");

function given(body: string): ExplainGiven {
  return { yaml, environment: ENVIRONMENT, files: body, now };
}

/** What a call has and a request that nobody sent has not. */
const OF_A_CALL = ["exchange", "task", "decided_at", "tried", "outcome"];

function decided(decision: Record<string, unknown>): Record<string, unknown> {
  return Object.fromEntries(Object.entries(decision).filter(([name]) => !OF_A_CALL.includes(name)));
}

/** As the endpoint says it, and with the same names throughout. */
function expectSame(explained: Record<string, unknown>, decision: Record<string, unknown>): void {
  expect(decided(explained)).toEqual(decided(decision));
  expect(Object.keys(explained)).toEqual(Object.keys(decision));
}

describe("as the gateway decides", () => {
  test.each(DIALECTS)("a request of $name, by what was learned of its class", async (dialect) => {
    const headers = { "x-sluice-task-class": "triage", "x-sluice-task": `new-${dialect.name}` };
    const { body, decision } = await ask(gateway, dialect, `Sort it, ${dialect.name}.`, { headers });
    const explained = await offline(body, "--key", "ann", "--class", "triage", "--dialect", dialect.name);
    expectSame(explained, decision);
    const [one, other] = explained["candidates"] as { success: { source: string; tasks: number }; total_usd: number }[];
    expect(one?.success).toMatchObject({ source: "class statistics" });
    expect(other?.total_usd).toBeGreaterThan(0);
  });

  test.each(DIALECTS)("a request of $name that says nothing of its class", async (dialect) => {
    const { body, decision } = await ask(gateway, dialect, `What is new, ${dialect.name}?`);
    expectSame(await offline(body, "--key", "ann", "--dialect", dialect.name), decision);
    expect(decision["class"]).toMatch(/^c-/);
  });

  test("a later turn of a task", async () => {
    const headers = { "x-sluice-task-class": "triage", "x-sluice-task": "goes-on" };
    const first = await ask(gateway, DIALECTS[0], "The first.", { headers });
    const [incumbent = ""] = first.decision["tried"] as string[];
    const { body, decision } = await ask(gateway, DIALECTS[0], "The second.", { headers });
    expect(decision).toMatchObject({ turns_so_far: 1, incumbent });
    expectSame(
      await offline(body, "--key", "ann", "--class", "triage", "--turns", "1", "--incumbent", incumbent),
      decision,
    );
  });

  test("a key's own data rules, and statistics of its own tenant only", async () => {
    const headers = { "x-sluice-task-class": "triage" };
    const { body, decision } = await ask(gateway, DIALECTS[0], "For Ben.", { headers, key: BEN });
    const explained = await offline(body, "--key", "ben", "--class", "triage");
    expectSame(explained, decision);
    expect(explained["excluded"]).toEqual([{ target: DEAR, why: "denied (dear)" }]);
    expect(JSON.stringify(explained["candidates"])).not.toContain("class statistics");
  });

  test.each([
    ["a model that is named", DEAR],
    ["an alias of several", "both"],
    ["another policy", "auto:ordered"],
  ])("%s", async (_, model) => {
    const { body, decision } = await ask(gateway, DIALECTS[0], `Of ${model}`, { model });
    expectSame(await offline(body, "--key", "ann"), decision);
  });

  test("a prompt whose lines are moved to its end, in front of which its tenant's line stands", async () => {
    const system = `Be brief.\nThe current time is 2026-11-22 09:00:00.\n${"Say what is true. ".repeat(40)}`;
    const dialect = {
      name: "openai-chat",
      path: "/v1/chat/completions",
      body: (text: string) => ({ messages: [{ role: "system", content: system }, ...said(text)] }),
    };
    const { body, decision } = await ask(gateway, dialect, "Now?", { headers: { "x-sluice-task-class": "steady" } });
    expectSame(await offline(body, "--key", "ann", "--class", "steady"), decision);
  });

  test("a refusal is what would be, and is explained", async () => {
    const { body, decision } = await ask(gateway, DIALECTS[0], "No.", {
      headers: { "x-sluice-task-class": "nowhere" },
    });
    const explained = await offline(body, "--key", "ann", "--class", "nowhere");
    expectSame(explained, decision);
    expect(explained).toMatchObject({ policy: "none", outcome: "rejected", candidates: [] });
  });

  test("a decision of the ledger, while the gateway writes it", async () => {
    const { decision } = await ask(gateway, DIALECTS[2], "Written down.");
    const flags = ["--exchange", String(decision["exchange"]), "--data", data];
    await expect(explainedJson({}, ...flags)).resolves.toEqual(decision);
    const { output } = await explained({}, ...flags);
    expect(output).toContain(
      `\`auto\` went to ${(decision["tried"] as string[]).join()}, by the policy cheapest-task: complete`,
    );
    expect(output).toContain(`exchange ${String(decision["exchange"])}, 2026-11-22T09:00:00.000Z`);
    expect(output).toContain(String(decision["reason"]).split(" ").at(-1));
  });

  test("nothing is sent, and nothing changes in the ledger", async () => {
    const sent = dear.requests.length + cheap.requests.length;
    const rows = await gateway.allAttempts();
    const before = await offline(JSON.stringify({ model: "auto", messages: said("Hello") }), "--key", "ann");
    expect(await offline(JSON.stringify({ model: "auto", messages: said("Hello") }), "--key", "ann")).toEqual(before);
    expect(dear.requests.length + cheap.requests.length).toBe(sent);
    expect(await gateway.allAttempts()).toEqual(rows);
  });
});
