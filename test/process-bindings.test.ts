/** What answers bind stays known when the process is killed in the middle of its work. */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { clients, type BindingClient } from "./binding-clients.ts";
import { json, startFakeUpstream, type FakeUpstream } from "./fake-upstream.ts";
import { processFolder, type ProcessFolder, type ProcessGateway } from "./process-gateway.ts";
import { until } from "./running.ts";

const LUNA = "gpt-6-luna";
const HAIKU = "claude-haiku-5-5";
const SEAL = "c2VhbC1vZi10aGUtc2Vjb25k";

let folder: ProcessFolder;
const upstreams: FakeUpstream[] = [];

beforeEach(async () => {
  folder = processFolder();
  const content = [
    { type: "thinking", thinking: "Hm.", signature: SEAL },
    { type: "tool_use", id: "toolu_told", name: "look", input: {} },
  ];
  const usage = { input_tokens: 9, output_tokens: 5 };
  const message = { id: "msg_1", type: "message", role: "assistant", content, stop_reason: "tool_use", usage };
  const kept = {
    id: "resp_told",
    object: "response",
    status: "completed",
    model: LUNA,
    store: true,
    output: [],
    usage,
  };
  for (const answer of [kept, kept, message, message]) upstreams.push(await startFakeUpstream(json(answer)));
  configure(["a", "b", "c", "d"]);
});
afterEach(async () => {
  await folder.remove();
  await Promise.all(upstreams.splice(0).map((upstream) => upstream.close()));
});

/** a and b speak Responses, c and d Anthropic. */
function configure(names: readonly string[]): void {
  const all = ["a", "b", "c", "d"].map((name, at) => ({
    name,
    isOpenai: at < 2,
    yaml: `  ${name}: { kind: ${at < 2 ? "openai" : "anthropic"}, baseUrl: "${upstreams[at]?.url ?? ""}${at < 2 ? "/v1" : ""}", apiKeyEnv: IT_KEY }`,
  }));
  const there = all.filter(({ name }) => names.includes(name));
  const targets = there.map(({ name, isOpenai }) => `${name}/${isOpenai ? LUNA : HAIKU}`);
  folder.configure(
    [
      `policy: { default: ordered, targets: [${targets.join(", ")}] }`,
      "providers:",
      ...there.map(({ yaml }) => yaml),
    ].join("\n"),
  );
}

const ENVIRONMENT = { IT_KEY: "sk-provider-0123456789", LOG_LEVEL: "warn", SLUICE_API_KEYS: "alice-key-0123456789" };

async function killed(gateway: ProcessGateway): Promise<void> {
  gateway.process.kill("SIGKILL");
  expect(await gateway.ended).toBe("SIGKILL");
}

function clientOf(dialect: string): BindingClient {
  const found = clients.find(({ name }) => name === dialect);
  if (found === undefined) throw new Error(`no client of ${dialect}`);
  return found;
}

/** Once its row can be read, what was written with it and before it is committed. */
async function settled(gateway: ProcessGateway, rows: number): Promise<void> {
  await until(async () => {
    const answer = await fetch(`${gateway.url}/sluice/v1/attempts`, {
      headers: { authorization: "Bearer alice-key-0123456789" },
    });
    const { data } = (await answer.json()) as { data: readonly { outcome: string }[] };
    return data.filter(({ outcome }) => outcome === "complete").length === rows;
  });
}

test(
  "kill -9: a response and a signature are followed to their issuer by the next process",
  { timeout: 60_000 },
  async () => {
    const responses = clientOf("openai-responses");
    const anthropic = clientOf("anthropic-messages");
    const first = await folder.start(ENVIRONMENT);
    await responses.send(first.url, { model: `b/${LUNA}`, input: "Hello" });
    const thought = await anthropic.send(first.url, anthropic.first(`d/${HAIKU}`));
    expect(thought.status).toBe(200);
    await settled(first, 2);
    await killed(first);

    const second = await folder.start(ENVIRONMENT);
    const followed = await responses.send(second.url, {
      model: "auto",
      input: "Go on.",
      previous_response_id: "resp_told",
    });
    expect([followed.status, followed.target]).toEqual([200, `b/${LUNA}`]);
    const results = anthropic.results("auto", thought.body);
    const resumed = await anthropic.send(second.url, results);
    expect([resumed.status, resumed.target]).toEqual([200, `d/${HAIKU}`]);
    const unknown = { model: "auto", input: "Go on.", previous_response_id: "resp_never" };
    expect((await responses.send(second.url, unknown)).status).toBe(400);

    await killed(second);
    for (const file of readdirSync(join(folder.path, ".sluice"))) {
      const bytes = readFileSync(join(folder.path, ".sluice", file));
      for (const secret of ["resp_told", "toolu_told", SEAL]) expect(bytes.includes(secret)).toBe(false);
    }

    // The issuers are taken out of the config: nobody else is asked.
    configure(["a", "c"]);
    const third = await folder.start(ENVIRONMENT);
    const sent = () => (upstreams[0]?.requests.length ?? 0) + (upstreams[2]?.requests.length ?? 0);
    const lost = await responses.send(third.url, { model: "auto", input: "Go on.", previous_response_id: "resp_told" });
    expect(lost.status).toBe(409);
    expect(responses.message(lost.body)).toBe(
      "`previous_response_id` names what is kept at b, and b is not configured here any more: send the whole conversation",
    );
    const got = await fetch(`${third.url}/v1/responses/resp_told`, {
      headers: { authorization: "Bearer alice-key-0123456789" },
    });
    expect(got.status).toBe(409);
    const open = await anthropic.send(third.url, results);
    expect(open.status).toBe(409);
    expect(anthropic.message(open.body)).toBe(
      `\`messages[1].content[0].signature\` is reasoning of d/${HAIKU} in a tool loop that is still open, which nobody else can read, and d is not configured here any more: leave the loop's reasoning out, or begin the turn anew`,
    );
    expect(sent()).toBe(0);
  },
);
