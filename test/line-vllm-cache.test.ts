/** vLLM says what came from its cache only when it was started so: what it says is believed, and what it does not is estimated, or unknown. */
import { afterEach, describe, expect, test } from "vitest";
import { startSandbox, type RunningSandbox } from "../bench/sandbox/index.ts";
import type { JsonValue } from "../src/chat.ts";
import { json, startFakeUpstream, type FakeUpstream } from "./fake-upstream.ts";
import { startGateway, until, type RunningGateway } from "./running.ts";
import { words } from "./sandbox-call.ts";

let gateway: RunningGateway | undefined;
let sandbox: RunningSandbox | undefined;
let fake: FakeUpstream | undefined;

afterEach(async () => {
  await gateway?.close();
  await sandbox?.close();
  await fake?.close();
  sandbox = undefined;
  fake = undefined;
});

const MODEL = "Qwen/Qwen3-8B";
/** As a machine by the hour has it: what comes from its cache costs nothing. */
const PRICED = (baseUrl: string) => `
providers:
  vllm:
    baseUrl: "${baseUrl}"
    models:
      ${MODEL}: { price: { input: 1, output: 2, cacheRead: 0 } }`;

const answerOf = (details: JsonValue | undefined) => ({
  id: "chatcmpl-1",
  object: "chat.completion",
  created: 1,
  model: MODEL,
  choices: [{ index: 0, message: { role: "assistant", content: "Hi." }, finish_reason: "stop" }],
  usage: {
    prompt_tokens: 100,
    completion_tokens: 2,
    total_tokens: 102,
    ...(details === undefined ? {} : { prompt_tokens_details: details }),
  },
});

async function ask(text: string, stream = false) {
  const answer = await fetch(`${gateway?.url ?? ""}/v1/chat/completions`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ model: `vllm/${MODEL}`, stream, messages: [{ role: "user", content: text }] }),
  });
  expect(answer.status).toBe(200);
  const body = await answer.text();
  const [row] = (await gateway?.attempts(answer.headers.get("x-sluice-exchange"))) ?? [];
  if (row === undefined) throw new Error("no row");
  return { row, body, said: answer.headers.get("x-sluice-cache") };
}

describe("what the answer says of it", () => {
  test.each([
    ["a count", { cached_tokens: 96 }, 96, 4],
    ["nothing cached", { cached_tokens: 0 }, 0, 100],
    ["no details", null, null, 100],
    ["details without it", { audio_tokens: null }, null, 100],
    ["null", { cached_tokens: null }, null, 100],
    ["silence", undefined, null, 100],
  ])("%s", async (_what, details, cacheRead, uncached) => {
    fake = await startFakeUpstream(json(answerOf(details)));
    gateway = await startGateway({ environment: {}, yaml: PRICED(`${fake.url}/v1`) });
    const { row } = await ask("Hi");
    expect(row).toMatchObject({
      usage: { cache_read: cacheRead, input_uncached: uncached },
      usage_basis: "reported",
      // Of what was read, nobody said whether it was at the full rate.
      cost_basis: cacheRead === null ? "estimated" : "reported",
    });
  });

  test("silence is a zero once the server has told of its cache, whoever's call that was", async () => {
    let details: JsonValue | undefined;
    fake = await startFakeUpstream((...asked) => json(answerOf(details))(...asked));
    gateway = await startGateway({
      environment: {},
      yaml: PRICED(`${fake.url}/v1`),
      sluice: { countersEveryMs: 1_000 },
    });
    expect((await ask("Hi")).row).toMatchObject({ usage: { cache_read: null }, cost_basis: "estimated" });
    details = { cached_tokens: 96 };
    expect((await ask("Hi")).row).toMatchObject({ usage: { cache_read: 96 }, cost_basis: "reported" });
    details = undefined;
    expect((await ask("Hi")).row).toMatchObject({
      usage: { cache_read: 0, input_uncached: 100 },
      usage_basis: "reported",
      cost_basis: "reported",
    });
  });

  test.each([
    ["no rate of its own", PRICED("").replace(", cacheRead: 0", "")],
    ["the full rate", PRICED("").replace("cacheRead: 0", "cacheRead: 1")],
  ])("does not matter to the cost where what is read has %s", async (_what, yaml) => {
    fake = await startFakeUpstream(json(answerOf(undefined)));
    gateway = await startGateway({ environment: {}, yaml: yaml.replace('""', `"${fake.url}/v1"`) });
    expect((await ask("Hi")).row).toMatchObject({ usage: { cache_read: null }, cost_basis: "reported" });
  });
});

describe("a server that does not say", () => {
  test.each([false, true])(
    "is asked for its counters, and the row has what they say, marked (stream: %s)",
    async (stream) => {
      // As long as an answer takes: the counters are read while it runs.
      const server = await startSandbox({ pace: { firstTokenMs: 30, tokensPerSecond: 200 } });
      sandbox = server;
      gateway = await startGateway({
        environment: {},
        yaml: PRICED(`${server.url}/vllm/v1`),
        sluice: { countersEveryMs: 1 },
      });
      const text = words(400);
      const first = await ask(text, stream);
      expect(first.row).toMatchObject({
        usage: { cache_read: null },
        usage_basis: "reported",
        cost_basis: "estimated",
      });
      let asked = await ask(text, stream);
      // The next one's window begins when the last one's reading has come, and nobody tells when that is.
      await until(async () => {
        asked = await ask(text, stream);
        return asked.row.usage_basis === "estimated";
      });
      asked = await ask(text, stream);
      const billed = server.invoice.lines.at(-1)?.tokens;
      expect(billed?.cacheRead).toBeGreaterThan(350);
      const { row, body } = asked;
      expect(row).toMatchObject({
        outcome: "complete",
        usage: { cache_read: billed?.cacheRead, input_uncached: billed?.uncached },
        usage_basis: "estimated",
        cost_basis: "estimated",
      });
      expect(row.cost_usd).toBeCloseTo(((billed?.uncached ?? 0) + 2 * (row.usage.output ?? 0)) / 1e6, 12);
      // The client is told what the server said: nothing.
      expect(body).not.toContain("cached_tokens");
      expect(asked.said).toMatch(/^predicted_read=\d+$/);
    },
  );

  test("and whose price has no rate for what comes from its cache costs the whole prompt at the full one", async () => {
    const server = await startSandbox({ pace: { firstTokenMs: 30, tokensPerSecond: 200 } });
    sandbox = server;
    gateway = await startGateway({
      environment: {},
      yaml: PRICED(`${server.url}/vllm/v1`).replace(", cacheRead: 0", ""),
      sluice: { countersEveryMs: 1 },
    });
    const text = words(400);
    let { row } = await ask(text, true);
    await until(async () => {
      ({ row } = await ask(text, true));
      return row.usage_basis === "estimated";
    });
    const { cache_read: cacheRead, input_uncached: uncached, output } = row.usage;
    expect(cacheRead).toBeGreaterThan(0);
    expect(row.cost_usd).toBeCloseTo(((uncached ?? 0) + (cacheRead ?? 0) + 2 * (output ?? 0)) / 1e6, 12);
    expect(row.cost_basis).toBe("estimated");
  });

  test("whose counters cannot be had leaves it unknown, and is not asked again", async () => {
    fake = await startFakeUpstream((outgoing, arrived, number) => {
      if (arrived.method === "POST") return json(answerOf(null))(outgoing, arrived, number);
      outgoing.writeHead(404).end();
      return undefined;
    });
    gateway = await startGateway({ environment: {}, yaml: PRICED(`${fake.url}/v1`), sluice: { countersEveryMs: 1 } });
    for (let call = 0; call < 4; call += 1) {
      const { row } = await ask("Hi");
      expect(row).toMatchObject({ usage: { cache_read: null }, usage_basis: "reported" });
      await until(() => fake?.open === 0);
    }
    expect(fake.requests.filter(({ path }) => path === "/metrics")).toHaveLength(1);
  });
});
