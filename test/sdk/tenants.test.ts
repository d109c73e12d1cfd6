/** Two tenants with the same prompts at the same providers, end to end: what of the one can the other see, by entry, key, header, time or report? */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, describe, expect, test } from "vitest";
import { startSandbox } from "../../bench/sandbox/index.ts";
import type { JsonObject } from "../../src/chat.ts";
import type { AttemptRow } from "../../src/ledger-query.ts";
import { startGateway, type RunningGateway } from "../running.ts";
import { PROVIDERS, present, QUICK_RETRIES, startSimulation, TARGETS, type Simulation } from "./simulated.ts";

const ANN = "sk-tenant-ann-0123456789";
const BEN = "sk-tenant-ben-0123456789";
const OPERATOR = "sk-operator-0123456789";
const ENVIRONMENT = { ANN, BEN, OPERATOR };
const KEYS = `
keys:
  - { name: ann, keyEnv: ANN }
  - { name: ben, keyEnv: BEN }
  - { name: operator, keyEnv: OPERATOR, reads: all }
`;
const isolate = (mode: "keys" | "strict" | "off") => `${QUICK_RETRIES}cache: { isolate: ${mode} }\n${KEYS}`;

/** About 4,000 tokens by every simulated tokenizer. */
const LONG = "Every tool has its place in the shop, and every question its tool. ".repeat(260);

let simulation: Simulation;
afterEach(() => simulation.close());

async function start(yaml: string): Promise<void> {
  simulation = await startSimulation({ yaml, environment: ENVIRONMENT });
}

interface Told {
  readonly row: AttemptRow;
  readonly headers: Headers;
}

/** The same prompt in each dialect. */
const WAYS: Readonly<Record<string, { readonly path: string; readonly body: JsonObject }>> = {
  "openai-chat": {
    path: "/v1/chat/completions",
    body: {
      messages: [
        { role: "system", content: LONG },
        { role: "user", content: "One." },
      ],
    },
  },
  "openai-responses": { path: "/v1/responses", body: { instructions: LONG, input: "One." } },
  "anthropic-messages": {
    path: "/v1/messages",
    body: {
      max_tokens: 50,
      system: [{ type: "text", text: LONG, cache_control: { type: "ephemeral" } }],
      messages: [{ role: "user", content: "One." }],
    },
  },
  "ollama-chat": {
    path: "/api/chat",
    body: {
      stream: false,
      messages: [
        { role: "system", content: LONG },
        { role: "user", content: "One." },
      ],
    },
  },
};

async function ask(way: string, key: string, model: string, more: JsonObject = {}): Promise<Told> {
  const asked = present(WAYS[way], way);
  const answer = await fetch(simulation.gateway.url + asked.path, {
    method: "POST",
    headers: { "content-type": "application/json", authorization: `Bearer ${key}` },
    body: JSON.stringify({ model, ...asked.body, ...more }),
  });
  expect(answer.status, await answer.text()).toBe(200);
  const [row] = await simulation.gateway.attempts(answer.headers.get("x-sluice-exchange"));
  return { row: present(row, "the row"), headers: answer.headers };
}

const readBy = ({ row }: Told): number | null => row.usage.cache_read;
const sent = (): readonly JsonObject[] =>
  simulation.sandbox.requests.filter(({ method }) => method === "POST").map(({ body }) => body as JsonObject);
const textOf = (at: number): string => JSON.stringify(sent()[at]);

describe("cache keys", () => {
  const OPENAI = ["openai/gpt-5.4-nano", "openai/gpt-5.6-luna"];
  const cases = OPENAI.flatMap((model) => ["openai-chat", "openai-responses"].map((way) => [way, model] as const));

  test.each(cases)("%s to %s: a prompt without one is sent with its tenant's", async (way, model) => {
    await start(isolate("keys"));
    for (const key of [ANN, BEN, ANN]) await ask(way, key, model);
    const [ann, ben, again] = sent().map((body) => body["prompt_cache_key"]);
    for (const key of [ann, ben]) expect(key).toMatch(/^[\w-]{20,64}$/);
    expect(ben).not.toBe(ann);
    expect(again).toBe(ann);
  });

  test.each(cases)("%s to %s: one that both say is two", async (way, model) => {
    await start(isolate("keys"));
    for (const key of [ANN, BEN, ANN]) await ask(way, key, model, { prompt_cache_key: "shared" });
    const [ann, ben, again] = sent().map((body) => body["prompt_cache_key"]);
    for (const key of [ann, ben]) expect(key).toMatch(/^[\w-]{20,64}$/);
    expect(ben).not.toBe(ann);
    expect(again).toBe(ann);
    // Nor does saying another's lead there.
    await ask(way, BEN, model, { prompt_cache_key: String(ann) });
    expect(sent().at(-1)?.["prompt_cache_key"]).not.toBe(ann);
  });

  test("a provider that parts its cache by keys reads nothing across tenants, and predictions know", async () => {
    await start(isolate("keys"));
    const model = "mistral/mistral-small-2603";
    for (const key of [ANN, BEN]) expect(readBy(await ask("openai-chat", key, model))).toBe(0);
    for (const key of [ANN, BEN]) {
      const { row } = await ask("openai-chat", key, model);
      expect(row.usage.cache_read).toBeGreaterThan(2_000);
      expect(row.predicted_read).toBe(row.usage.cache_read);
    }
  });

  test("are set with `cache.mode: off` where a prompt is found without one, and not where a key is what begins to cache", async () => {
    await start(`${QUICK_RETRIES}cache: { mode: "off" }\n${KEYS}`);
    await ask("openai-chat", ANN, "openai/gpt-5.4-nano");
    await ask("openai-chat", ANN, "mistral/mistral-small-2603");
    const [openai, mistral] = sent().map((body) => body["prompt_cache_key"]);
    expect(openai).toMatch(/^[\w-]{20,64}$/);
    expect(mistral).toBeUndefined();
  });

  test("are the same for all keys of a team", async () => {
    await start(`${QUICK_RETRIES}
keys:
  - { name: ann, keyEnv: ANN, team: red }
  - { name: ben, keyEnv: BEN, team: red }
  - { name: operator, keyEnv: OPERATOR }
`);
    for (const more of [{}, { prompt_cache_key: "shared" }]) {
      for (const key of [ANN, BEN, OPERATOR]) await ask("openai-chat", key, "openai/gpt-5.4-nano", more);
      const [ann, ben, other] = sent()
        .slice(-3)
        .map((body) => body["prompt_cache_key"]);
      expect(ben).toBe(ann);
      expect(other).not.toBe(ann);
    }
  });

  test.each([
    ["where `cache.isolate` is off", isolate("off"), ANN],
    ["of a single tenant", QUICK_RETRIES, "any"],
  ])("%s stay as they were said, or were not", async (_, yaml, key) => {
    await start(yaml);
    for (const more of [{}, { prompt_cache_key: "mine" }]) await ask("openai-chat", key, "openai/gpt-5.4-nano", more);
    expect(sent().map((body) => body["prompt_cache_key"])).toEqual([undefined, "mine"]);
  });
});

describe("entries", () => {
  /** Without what tells nothing of its cache. */
  const targets = TARGETS.filter(({ provider, tellsCacheRead }) => provider !== "sandbox" && tellsCacheRead);
  const ways = Object.keys(WAYS).flatMap((way) => targets.map(({ name }) => [way, name] as const));

  test.each(ways)("%s to %s: none is read across tenants with `strict`, and each reads its own", async (way, model) => {
    await start(isolate("strict"));
    const first = await ask(way, ANN, model);
    const guess = await ask(way, BEN, model);
    // The simulated Ollama has room for one prompt: Ben's stands there now.
    await ask(way, ANN, model);
    const again = await ask(way, ANN, model);
    expect(readBy(first)).toBe(0);
    // Ollama counts what stands before every prompt, of whoever's it is.
    expect(readBy(guess)).toBeLessThan(16);
    expect(guess.row.predicted_read).toBe(0);
    expect(readBy(again)).toBeGreaterThan(2_000);
    // Of a prompt that is there as a whole, Ollama reads the last token all the same.
    expect(Math.abs((again.row.predicted_read ?? 0) - (readBy(again) ?? 0))).toBeLessThanOrEqual(1);
    const texts = [textOf(0), textOf(1), textOf(2)];
    const [ofAnn, ofBen, same] = texts.map((text) => /<!-- [\w-]{16} -->\\n/.exec(text)?.[0]);
    expect(ofAnn).toBe(same);
    expect(ofBen).not.toBe(ofAnn);
    for (const text of texts) expect(text).not.toMatch(/\bann\b|\bben\b|sk-tenant/);
  });

  test("that a provider keeps for the whole account are read across tenants without it: as the documentation says", async () => {
    await start(isolate("keys"));
    const model = "anthropic/claude-haiku-5-5";
    await ask("anthropic-messages", ANN, model);
    const guess = await ask("anthropic-messages", BEN, model);
    expect(readBy(guess)).toBeGreaterThan(2_000);
    // What the gateway itself knows of the one does not reach the other.
    expect(guess.row.predicted_read).toBe(0);
  });

  test("of tools, which come before the system text, are as little read with `strict`", async () => {
    await start(isolate("strict"));
    const tools = [
      {
        name: "search",
        description: LONG,
        input_schema: { type: "object", properties: {} },
        cache_control: { type: "ephemeral" },
      },
    ];
    const model = "anthropic/claude-haiku-5-5";
    await ask("anthropic-messages", ANN, model, { tools, system: "Help." });
    expect(readBy(await ask("anthropic-messages", BEN, model, { tools, system: "Help." }))).toBe(0);
    expect(readBy(await ask("anthropic-messages", ANN, model, { tools, system: "Help." }))).toBeGreaterThan(2_000);
  });

  test("are each tenant's own where each has a provider instance, and may go nowhere else", async () => {
    const sandbox = await startSandbox({ host: "127.0.0.1", port: 0 });
    try {
      const instance = (name: string) => `{ kind: anthropic, apiKeyEnv: ${name}, baseUrl: "${sandbox.url}/anthropic" }`;
      await start(`
keys:
  - { name: ann, keyEnv: ANN, allow: ["claude-ann/*"] }
  - { name: ben, keyEnv: BEN, allow: ["claude-ben/*"] }
providers:
  claude-ann: ${instance("OPERATOR")}
  claude-ben: ${instance("BEN")}
`);
      const model = "claude-haiku-5-5";
      await ask("anthropic-messages", ANN, `claude-ann/${model}`);
      expect(readBy(await ask("anthropic-messages", BEN, `claude-ben/${model}`))).toBe(0);
      expect(readBy(await ask("anthropic-messages", ANN, `claude-ann/${model}`))).toBeGreaterThan(2_000);
      const before = sandbox.requests.length;
      const stranger = await fetch(`${simulation.gateway.url}/v1/messages`, {
        method: "POST",
        headers: { "x-api-key": BEN },
        body: JSON.stringify({ model: `claude-ann/${model}`, ...WAYS["anthropic-messages"]?.body }),
      });
      expect(stranger.status).toBeGreaterThanOrEqual(400);
      expect(sandbox.requests).toHaveLength(before);
    } finally {
      await sandbox.close();
    }
  });

  test("change no task's class: what a call is for is told from what its client said", async () => {
    const classes: (string | null)[] = [];
    for (const mode of ["keys", "strict"] as const) {
      await start(isolate(mode));
      for (const way of ["openai-chat", "anthropic-messages"])
        classes.push((await ask(way, ANN, "anthropic/claude-haiku-5-5")).row.task_class);
      if (mode === "keys") await simulation.close();
    }
    expect(new Set(classes).size).toBe(1);
    expect(classes[0]).toMatch(/^c-/);
  });

  test.each(["keys", "strict"] as const)("at vLLM have each tenant's salt with `%s`", async (mode) => {
    await start(isolate(mode));
    for (const key of [ANN, BEN, ANN]) await ask("openai-chat", key, "vllm/mistralai/Mistral-Small-4-119B-2603");
    const [ann, ben, again] = sent().map((body) => body["cache_salt"]);
    for (const salt of [ann, ben]) expect(salt).toMatch(/^[\w-]{43}$/);
    expect(ben).not.toBe(ann);
    expect(again).toBe(ann);
  });

  test("with `strict`, what no line can stand in front of is refused, and nobody is called", async () => {
    await start(isolate("strict"));
    const answer = await fetch(`${simulation.gateway.url}/api/generate`, {
      method: "POST",
      headers: { "content-type": "application/json", authorization: `Bearer ${ANN}` },
      body: JSON.stringify({ model: "ollama/llama3.1:latest", prompt: "[INST] Hi [/INST]", raw: true }),
    });
    expect(answer.status).toBe(400);
    expect(await answer.text()).toContain("cache.isolate: strict");
    expect(sent()).toEqual([]);
  });
});

describe("time and headers", () => {
  /** Both at once, as siblings of one prompt: the later one is held where both are one tenant's. */
  async function both(keys: readonly [string, string], model: string): Promise<readonly Told[]> {
    return Promise.all(keys.map((key) => ask("openai-chat", key, model)));
  }
  const MODELS = PROVIDERS.filter(({ kind }) => kind !== "ollama").map(({ kind, model }) => `${kind}/${model}`);

  test.each(MODELS)("%s: no call waits for another tenant's, though it would for its own tenant's", async (model) => {
    await start(isolate("keys"));
    const apart = await both([ANN, BEN], model);
    expect(apart.map(({ row }) => row.held_ms)).toEqual([null, null]);
    expect(apart.map(({ headers }) => headers.get("x-sluice-held-ms"))).toEqual([null, null]);
    await simulation.close();
    await start(isolate("keys"));
    const together = await both([ANN, ANN], model);
    expect(together.filter(({ row }) => row.held_ms !== null)).toHaveLength(1);
  });

  test.each(MODELS)("%s: what is expected to be read is nothing of another tenant's", async (model) => {
    await start(isolate("keys"));
    for (let turn = 0; turn < 3; turn += 1) await ask("openai-chat", ANN, model);
    const { row, headers } = await ask("openai-chat", BEN, model);
    expect(row.predicted_read).toBe(0);
    expect(headers.get("x-sluice-cache")).not.toMatch(/predicted_read=[1-9]/);
    // By the task, the reason or anything else they are strangers, too.
    const ofAnn = await ask("openai-chat", ANN, model);
    expect(headers.get("x-sluice-task")).not.toBe(ofAnn.headers.get("x-sluice-task"));
  });
});

describe("the gateway's own records", () => {
  const get = async (key: string, path: string) => {
    const headers = { authorization: `Bearer ${key}` };
    const answer = await simulation.gateway.app.request(path, { headers });
    return { status: answer.status, text: await answer.text() };
  };
  const json = async (key: string, path: string) => JSON.parse((await get(key, path)).text) as JsonObject;

  /** Ann has two calls of one task and class, Ben one; of each of them there is a word that only it said. */
  async function called(): Promise<readonly string[]> {
    await start(isolate("keys"));
    const exchanges: string[] = [];
    for (const [key, task] of [
      [ANN, "annstask"],
      [ANN, "annstask"],
      [BEN, "benstask"],
    ] as const) {
      const answer = await simulation.openai
        .withOptions({ apiKey: key })
        .chat.completions.create(
          { model: "anthropic/claude-haiku-5-5", messages: [{ role: "user", content: LONG }] },
          { headers: { "x-sluice-task": task, "x-sluice-task-class": `${task}class` } },
        )
        .withResponse();
      exchanges.push(present(answer.response.headers.get("x-sluice-exchange"), "its name"));
    }
    for (const exchange of exchanges) await simulation.gateway.attempts(exchange);
    return exchanges;
  }

  const PATHS = ["attempts", "spend?group_by=task,task_class,caller", "tasks", "task-classes", "cache"];

  test.each(PATHS)("/sluice/v1/%s shows a key its own tenant's, and an operator's everybody's", async (path) => {
    await called();
    const own = async (key: string) => (await get(key, `/sluice/v1/${path}`)).text;
    const [ann, ben, all] = [await own(ANN), await own(BEN), await own(OPERATOR)];
    expect([ann.includes("annstask"), ann.includes("benstask")]).toEqual([true, false]);
    expect([ben.includes("annstask"), ben.includes("benstask")]).toEqual([false, true]);
    expect([all.includes("annstask"), all.includes("benstask")]).toEqual([true, true]);
    expect(ann).not.toMatch(/\bben\b/);
    expect(ben).not.toMatch(/\bann\b/);
  });

  test("no parameter leads to another's, and sums have none of it", async () => {
    const [exchange] = await called();
    expect(await json(BEN, `/sluice/v1/attempts?exchange=${exchange}`)).toMatchObject({ data: [] });
    expect(await json(BEN, "/sluice/v1/attempts?caller=ann")).toMatchObject({ data: [] });
    expect(await json(BEN, "/sluice/v1/tasks?caller=ann")).toMatchObject({ data: [] });
    expect(await json(BEN, "/sluice/v1/task-classes?class=annstaskclass")).toMatchObject({ data: [] });
    expect(await json(BEN, "/sluice/v1/cache?class=annstaskclass")).toMatchObject({ classes: [] });
    expect((await get(BEN, `/sluice/v1/decisions/${exchange}`)).status).toBe(404);
    expect((await get(ANN, `/sluice/v1/decisions/${exchange}`)).status).toBe(200);
    expect(await json(BEN, "/sluice/v1/spend")).toMatchObject({ total: { attempts: 1 } });
    expect(await json(OPERATOR, "/sluice/v1/spend")).toMatchObject({ total: { attempts: 3 } });
    const told = await get(BEN, "/sluice/v1/tasks/annstask");
    expect(told.status).toBe(404);
    expect(told.text.replace("annstask", "never")).toBe((await get(BEN, "/sluice/v1/tasks/never")).text);
    expect(await json(OPERATOR, "/sluice/v1/tasks/annstask")).toMatchObject({ task: "annstask", exchanges: 2 });
  });

  test("an operator is told whose each class is", async () => {
    await called();
    const { classes } = await json(OPERATOR, "/sluice/v1/cache");
    expect(classes).toMatchObject([
      { class: "annstaskclass", tenant: "ann", calls: 2 },
      { class: "benstaskclass", tenant: "ben", calls: 1 },
    ]);
  });

  test("what is not told apart is for who reads all: metrics, and the names of classes", async () => {
    await called();
    for (const key of [ANN, BEN]) expect((await get(key, "/metrics")).status).toBe(403);
    expect((await get(OPERATOR, "/metrics")).text).toContain("sluice_");
    const name = (key: string) =>
      simulation.gateway.app.request("/sluice/v1/task-classes/c-1", {
        method: "PUT",
        headers: { authorization: `Bearer ${key}` },
        body: JSON.stringify({ name: "triage" }),
      });
    expect((await name(BEN)).status).toBe(403);
    expect((await name(OPERATOR)).status).toBe(200);
  });
});

describe("over a restart", () => {
  let gateway: RunningGateway;
  let data: string;
  afterEach(async () => {
    await gateway.close();
    rmSync(data, { recursive: true });
  });

  test("each still sees its own classes, and not the other's", { timeout: 60_000 }, async () => {
    await start(QUICK_RETRIES);
    data = mkdtempSync(join(tmpdir(), "sluice-tenants-"));
    const started = () =>
      startGateway({
        data,
        yaml: isolate("keys"),
        environment: {
          ...ENVIRONMENT,
          ANTHROPIC_API_KEY: "sk-1",
          ANTHROPIC_BASE_URL: `${simulation.sandbox.url}/anthropic`,
        },
      });
    gateway = await started();
    for (const [key, className] of [
      [ANN, "of-ann"],
      [BEN, "of-ben"],
    ] as const) {
      const answer = await fetch(`${gateway.url}/v1/messages`, {
        method: "POST",
        headers: { "x-api-key": key, "x-sluice-task-class": className },
        body: JSON.stringify({ model: "claude-haiku-5-5", max_tokens: 9, messages: [{ role: "user", content: LONG }] }),
      });
      await gateway.attempts(answer.headers.get("x-sluice-exchange"));
    }
    await gateway.close();
    gateway = await started();
    const classesOf = async (key: string) => {
      const answer = await gateway.app.request("/sluice/v1/cache", { headers: { "x-api-key": key } });
      return ((await answer.json()) as { classes: { class: string }[] }).classes.map((one) => one.class);
    };
    expect(await classesOf(ANN)).toEqual(["of-ann"]);
    expect(await classesOf(BEN)).toEqual(["of-ben"]);
    expect((await classesOf(OPERATOR)).toSorted()).toEqual(["of-ann", "of-ben"]);
  });
});
