import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { call } from "./line-client.ts";
import { answers, startLine, type Line } from "./line-setup.ts";
import { lanes, SAID, wires, type Said, type Wire } from "./line-wires.ts";

let line: Line;
beforeAll(async () => {
  line = await startLine({ yaml: "models: { no-price-a: { provider: openai }, no-price-b: { provider: anthropic } }" });
});
afterAll(() => line.close());

const threaded = wires.find((wire) => wire.dialect === "anthropic-messages") as Wire;

describe.each(lanes)("$name", ({ client, upstream }) => {
  const serve = async (stream: boolean, body: object = {}) => {
    const answer = await call(line.url, client.path, {
      body: { ...client.request({ model: upstream.model, stream }), ...body },
    });
    return { answer, rows: await line.gateway.attempts(answer.headers["x-sluice-exchange"] as string) };
  };

  test.each<[string, Said]>([
    ["nothing cached", { ...SAID, input: 1_000, cacheRead: 0 }],
    ["most of it cached", { ...SAID, input: 100_000, cacheRead: 99_000 }],
    ["no output", { ...SAID, output: 0 }],
  ])(
    "with %s, whole or streamed: what was read from cache is priced as that, and nothing is counted twice",
    async (_name, said) => {
      line.upstream(upstream.kind).answer(answers(upstream, said));
      const picoUsd =
        BigInt(said.input - said.cacheRead) * 100_000n +
        BigInt(said.cacheRead) * 10_000n +
        BigInt(said.output) * 500_000n;
      for (const stream of [false, true]) {
        const { rows } = await serve(stream);
        expect(rows).toMatchObject([
          {
            usage: { input_uncached: said.input - said.cacheRead, cache_read: said.cacheRead, output: said.output },
            usage_basis: "reported",
            cost_pico_usd: String(picoUsd),
            cost_basis: "reported",
          },
        ]);
      }
    },
  );

  test("the counts that the client reads are the ledger's, in its own dialect's way of counting", async () => {
    line.upstream(upstream.kind).answer(answers(upstream));
    const whole = JSON.parse((await serve(false)).answer.text) as { usage: Record<string, number> };
    const streamed = usageIn((await serve(true)).answer.text);
    for (const usage of [whole.usage, streamed]) {
      // One dialect counts cached tokens within the prompt, the other beside it.
      const prompt = usage["prompt_tokens"] ?? (usage["input_tokens"] ?? 0) + (usage["cache_read_input_tokens"] ?? 0);
      expect(prompt).toBe(SAID.input);
      expect(usage["completion_tokens"] ?? usage["output_tokens"]).toBe(SAID.output);
    }
  });

  test("counts that are no counts are unknown, and the cost an estimate: never nothing", async () => {
    const whole = upstream.whole(SAID);
    for (const usage of [
      null,
      "many",
      {},
      { input_tokens: -1, prompt_tokens: 1.5, output_tokens: "7", completion_tokens: 1e30 },
    ]) {
      line.upstream(upstream.kind).answer((outgoing) => {
        outgoing.writeHead(200, { "content-type": "application/json" });
        outgoing.end(JSON.stringify({ ...whole, usage }));
      });
      const { answer, rows } = await serve(false);
      expect(answer.status).toBe(200);
      expect(rows).toMatchObject([{ outcome: "complete", cost_basis: "estimated" }]);
      expect(rows[0]?.cost_usd).toBeGreaterThan(0);
    }
  });

  test("a model without a price is unpriced: not free, and the answer has no cost", async () => {
    line.upstream(upstream.kind).answer(answers(upstream));
    const model = upstream.kind === "openai" ? "no-price-a" : "no-price-b";
    const { answer, rows } = await serve(false, { model });
    expect(answer.status).toBe(200);
    expect(answer.headers["x-sluice-cost-usd"]).toBeUndefined();
    expect(rows).toMatchObject([{ cost_usd: null, cost_basis: "unpriced", usage: { output: SAID.output } }]);
  });
});

test.each(wires)("$dialect: cache writes are counted once, though a stream tells them twice", async (client) => {
  const usage = {
    input_tokens: 10,
    cache_creation_input_tokens: 3_000,
    cache_read_input_tokens: 2_000,
    cache_creation: { ephemeral_5m_input_tokens: 1_000, ephemeral_1h_input_tokens: 2_000 },
  };
  const stream = threaded
    .events(SAID)
    .map((event) =>
      event.includes('"message_start"')
        ? event.replace(/"usage":\{[^}]*\}/, `"usage":${JSON.stringify({ ...usage, output_tokens: 1 })}`)
        : event.replace(/"usage":\{[^}]*\}/, `"usage":${JSON.stringify({ ...usage, output_tokens: 7 })}`),
    );
  line.upstream(threaded.kind).answer((outgoing) => {
    outgoing.writeHead(200, { "content-type": "text/event-stream" });
    outgoing.end(stream.join(""));
  });
  const answer = await call(line.url, client.path, { body: client.request({ model: threaded.model, stream: true }) });
  const picoUsd = 10n * 100_000n + 2_000n * 10_000n + 1_000n * 125_000n + 2_000n * 200_000n + 7n * 500_000n;
  expect(await line.gateway.attempts(answer.headers["x-sluice-exchange"] as string)).toMatchObject([
    {
      usage: { input_uncached: 10, cache_read: 2_000, cache_write_5m: 1_000, cache_write_1h: 2_000, output: 7 },
      cost_pico_usd: String(picoUsd),
    },
  ]);
});

/** The counts of a stream: for each the last that was told. */
function usageIn(stream: string): Record<string, number> {
  const told: Record<string, number> = {};
  for (const [, data] of stream.matchAll(/^data: (\{.*\})$/gm)) {
    const event = JSON.parse(data ?? "{}") as {
      usage?: Record<string, number>;
      message?: { usage?: Record<string, number> };
      response?: { usage?: Record<string, number> };
    };
    for (const [name, count] of Object.entries(event.usage ?? (event.message ?? event.response)?.usage ?? {})) {
      if (typeof count === "number") told[name] = count;
    }
  }
  return told;
}
