/**
 * One number, four witnesses: what the SDK is told, the ledger's row, `/metrics` and the simulator's invoice agree on every call, on
 * tokens and on money. What a provider does not say is unknown, and never none.
 */
import type Anthropic from "@anthropic-ai/sdk";
import type OpenAI from "openai";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { InvoiceLine } from "../../bench/sandbox/invoice.ts";
import type { AttemptRow } from "../../src/ledger-query.ts";
import { present, PROVIDERS, startSimulation, TARGETS, type SimulatedTarget, type Simulation } from "./simulated.ts";

let simulation: Simulation;
beforeAll(async () => {
  simulation = await startSimulation();
});
afterAll(() => simulation.close());

/** What an SDK was told, in disjoint parts; `undefined` where it was told nothing. */
interface Told {
  readonly uncached: number;
  readonly cacheRead: number | undefined;
  /** What nobody spoke of was not written. */
  readonly written: number;
  readonly output: number;
  readonly reasoning: number | undefined;
}

interface Asked {
  readonly told: Told;
  readonly headers: Headers;
}

const MORE_MODELS: Readonly<Record<string, readonly string[]>> = {
  openai: ["gpt-6-luna"],
  anthropic: ["claude-haiku-4-5", "claude-sonnet-5-5"],
};

/** Long enough for every provider's cache. */
const LONG = "The house rules are long and do not change from call to call. ".repeat(400);

/** The ways in which each SDK asks. All of a way's calls share a prefix, and each is made twice: the second may read from cache. */
const WAYS: Readonly<Record<string, (target: SimulatedTarget, way: string) => Promise<Asked>>> = {
  "OpenAI's SDK, whole": async ({ name: model }, way) => {
    const { data, response } = await simulation.openai.chat.completions.create({ model, ...chat(way) }).withResponse();
    return { told: toldByOpenai(data.usage), headers: response.headers };
  },
  "OpenAI's SDK, streamed": async ({ name: model }, way) => {
    const { data, response } = await simulation.openai.chat.completions
      .create({ model, ...chat(way), stream: true, stream_options: { include_usage: true } })
      .withResponse();
    let usage: OpenAI.CompletionUsage | null | undefined;
    for await (const chunk of data) usage = chunk.usage ?? usage;
    return { told: toldByOpenai(usage), headers: response.headers };
  },
  "OpenAI's SDK, thinking": async ({ name: model }, way) => {
    const { data, response } = await simulation.openai.chat.completions
      .create({ model, reasoning_effort: "high", ...chat(way) })
      .withResponse();
    return { told: toldByOpenai(data.usage), headers: response.headers };
  },
  "Anthropic's SDK, whole": async ({ name: model }, way) => {
    const { data, response } = await simulation.anthropic.messages.create({ model, ...message(way) }).withResponse();
    return { told: toldByAnthropic(data.usage), headers: response.headers };
  },
  "Anthropic's SDK, streamed": async ({ name: model }, way) => {
    const stream = simulation.anthropic.messages.stream({ model, ...message(way) });
    const { response } = await stream.withResponse();
    return { told: toldByAnthropic((await stream.finalMessage()).usage), headers: response.headers };
  },
};

function chat(way: string) {
  return {
    prompt_cache_key: way,
    messages: [
      { role: "system" as const, content: `${way}. ${LONG}` },
      { role: "user" as const, content: "Hello there." },
    ],
  };
}

function message(way: string) {
  return {
    max_tokens: 1_000,
    system: [
      {
        type: "text" as const,
        text: `${way}. ${LONG}`,
        cache_control: { type: "ephemeral" as const, ttl: "1h" as const },
      },
    ],
    messages: [
      {
        role: "user" as const,
        content: [{ type: "text" as const, text: "Hello there.", cache_control: { type: "ephemeral" as const } }],
      },
    ],
  };
}

/** Beside the usual ones, models with other cache contracts and other prices: writes of a class of their own, a budget to think. */
const MODELS: readonly SimulatedTarget[] = [
  ...TARGETS,
  ...PROVIDERS.flatMap((provider) =>
    (MORE_MODELS[provider.kind] ?? []).map((model) => ({
      ...provider,
      model,
      name: `${provider.kind}/${model}`,
      provider: provider.kind,
    })),
  ),
];

describe.each(MODELS)("$name", (target) => {
  test.each(Object.keys(WAYS))("%s: the client, the ledger, the metrics and the invoice agree", async (way) => {
    const ask = present(WAYS[way], "the way of asking");
    for (const turn of ["first", "second"]) {
      const billedBefore = simulation.sandbox.invoice.lines.length;
      const countedBefore = await counted(target);
      const { told, headers } = await ask(target, way);
      const rows = await simulation.gateway.attempts(headers.get("x-sluice-exchange"));
      const lines = simulation.sandbox.invoice.lines.slice(billedBefore);
      expect([rows.length, lines.length], turn).toEqual([1, 1]);
      const row = present(rows[0], "the row");
      const line = present(lines[0], "the invoice's line");
      expect(line.ending).toBe("complete");
      expect(row).toMatchObject({ outcome: "complete", usage_basis: "reported" });
      agreesWithInvoice(row, line, target);
      expect(told, `${turn}: the client was told what the row says`).toEqual(toldByRow(row));
      expect(difference(await counted(target), countedBefore), turn).toEqual(countedByRow(row));
    }
  });
});

/** Each bucket that is known is the invoice's. One that is not hides in the uncached count, and only there. */
function agreesWithInvoice({ usage, cost_pico_usd }: AttemptRow, line: InvoiceLine, target: SimulatedTarget): void {
  const { tokens } = line;
  expect(usage.cache_read === null).toBe(!target.tellsCacheRead);
  expect({
    input: usage.input_uncached,
    read: usage.cache_read ?? 0,
    written5m: usage.cache_write_5m ?? 0,
    written1h: usage.cache_write_1h ?? 0,
    writtenOther: usage.cache_write_other ?? 0,
    output: usage.output,
  }).toEqual({
    input: tokens.uncached + (target.tellsCacheRead ? 0 : tokens.cacheRead),
    read: target.tellsCacheRead ? tokens.cacheRead : 0,
    written5m: tokens.cacheWrite5m,
    written1h: tokens.cacheWrite1h,
    writtenOther: tokens.cacheWriteOther,
    output: tokens.output,
  });
  if (usage.reasoning !== null) expect(usage.reasoning).toBe(tokens.reasoning);
  expect(cost_pico_usd).toBe(line.costPicoUsd === undefined ? null : String(line.costPicoUsd));
  expect(line.costPicoUsd !== undefined).toBe(target.isPriced);
}

function toldByRow({ usage }: AttemptRow): Told {
  return {
    uncached: usage.input_uncached ?? Number.NaN,
    cacheRead: usage.cache_read ?? undefined,
    written: (usage.cache_write_5m ?? 0) + (usage.cache_write_1h ?? 0) + (usage.cache_write_other ?? 0),
    output: usage.output ?? Number.NaN,
    reasoning: usage.reasoning ?? undefined,
  };
}

function toldByOpenai(usage: OpenAI.CompletionUsage | null | undefined): Told {
  const { prompt_tokens, completion_tokens, prompt_tokens_details, completion_tokens_details } = present(
    usage,
    "usage",
  );
  const cacheRead = prompt_tokens_details?.cached_tokens ?? undefined;
  const written = (prompt_tokens_details as { cache_write_tokens?: number } | null | undefined)?.cache_write_tokens;
  return {
    uncached: prompt_tokens - (cacheRead ?? 0) - (written ?? 0),
    cacheRead,
    written: written ?? 0,
    output: completion_tokens,
    reasoning: completion_tokens_details?.reasoning_tokens,
  };
}

function toldByAnthropic(usage: Anthropic.Usage): Told {
  return {
    uncached: usage.input_tokens,
    cacheRead: usage.cache_read_input_tokens ?? undefined,
    written: usage.cache_creation_input_tokens ?? 0,
    output: usage.output_tokens,
    reasoning: usage.output_tokens_details?.thinking_tokens,
  };
}

// ---- /metrics

/** The token counters of the target, bucket by bucket, and how often one was not known. */
async function counted({ provider, model }: SimulatedTarget): Promise<Readonly<Record<string, number>>> {
  const text = await (await fetch(`${simulation.gateway.url}/metrics`)).text();
  const found: Record<string, number> = {};
  const sample = /^sluice_(tokens|tokens_unknown)_total\{provider="(.*?)",model="(.*?)",bucket="(.*?)"\} (\S+)$/gm;
  for (const [, counter, ofProvider, ofModel, bucket, value] of text.matchAll(sample)) {
    if (ofProvider === provider && ofModel === model) found[`${counter} ${bucket}`] = Number(value);
  }
  return found;
}

function difference(
  after: Readonly<Record<string, number>>,
  before: Readonly<Record<string, number>>,
): Readonly<Record<string, number>> {
  return Object.fromEntries(
    Object.entries(after)
      .map(([name, value]) => [name, value - (before[name] ?? 0)] as const)
      .filter(([, value]) => value !== 0),
  );
}

function countedByRow({ usage }: AttemptRow): Readonly<Record<string, number>> {
  return Object.fromEntries(
    Object.entries(usage)
      .map(([bucket, tokens]) =>
        tokens === null ? ([`tokens_unknown ${bucket}`, 1] as const) : ([`tokens ${bucket}`, tokens] as const),
      )
      .filter(([, value]) => value !== 0),
  );
}

test("at the end the sums agree, too: the ledger's spend and the invoice's total", async () => {
  const { total } = await simulation.gateway.sluice.ledger.spend({});
  expect(total.cost_pico_usd).toBe(String(simulation.sandbox.invoice.costPicoUsd));
  expect(total.outcomes.complete).toBe(simulation.sandbox.invoice.lines.length);
  expect(total.cost_usd).toBeGreaterThan(0);
});

test("there was something to agree on: reads, writes of each class, thoughts", () => {
  const sums = simulation.sandbox.invoice.totals.map(({ tokens }) => tokens);
  const most = (part: keyof InvoiceLine["tokens"]) => Math.max(...sums.map((tokens) => tokens[part]));
  expect(sums.every((tokens) => tokens.cacheRead > 0)).toBe(true);
  for (const part of ["cacheWrite5m", "cacheWrite1h", "cacheWriteOther", "reasoning"] as const)
    expect(most(part), part).toBeGreaterThan(0);
});
