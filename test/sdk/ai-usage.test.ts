/** What the `ai` package is told of tokens is the ledger's row and the simulator's invoice, cached ones and thoughts included. */
import { generateText, streamText, type LanguageModelUsage } from "ai";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { InvoiceLine } from "../../bench/sandbox/invoice.ts";
import type { AttemptRow } from "../../src/ledger-query.ts";
import { AI_PROVIDERS, type AiProvider } from "./ai.ts";
import { present, type Simulation, type SimulatedTarget, startSimulation, TARGETS } from "./simulated.ts";

let simulation: Simulation;
beforeAll(async () => {
  simulation = await startSimulation();
});
afterAll(() => simulation.close());

/** Long enough for every provider's cache. */
const LONG = "The house rules are long and do not change from call to call. ".repeat(400);

/** One more than the usual: writes of a class of their own, which are billed. */
const MORE: readonly SimulatedTarget[] = TARGETS.filter(({ name }) => name === "openai/gpt-5.4-nano").map((target) => ({
  ...target,
  model: "gpt-6-luna",
  name: "openai/gpt-6-luna",
}));

describe.each(AI_PROVIDERS)("$name", (client) => {
  const { name: way, paths, model: modelAt } = client;
  describe.each([...TARGETS, ...MORE])("with $name", (target) => {
    test.each([false, true])("the client, the ledger and the invoice agree (stream: %s)", async (stream) => {
      const asked = {
        model: modelAt(`${simulation.gateway.url}${paths[0]}`, target.name),
        maxRetries: 0,
        ...prompt(`${way} ${stream}`),
      };
      for (const turn of ["first", "second"]) {
        const billedBefore = simulation.sandbox.invoice.lines.length;
        const { usage, headers } = stream ? await streamed(asked) : await whole(asked);
        const rows = await simulation.gateway.attempts(headers.get("x-sluice-exchange"));
        const lines = simulation.sandbox.invoice.lines.slice(billedBefore);
        expect([rows.length, lines.length], turn).toEqual([1, 1]);
        const row = present(rows[0], "the row");
        expect(row).toMatchObject({ outcome: "complete", usage_basis: "reported" });
        agrees(row, present(lines[0], "the invoice's line"), turn);
        expect(toldTo(usage, client), turn).toEqual(toldByRow(row, client));
      }
    });
  });

  test("a prefix that was read from the cache is told as such, where it is marked or keyed", async () => {
    for (const id of ["openai/gpt-5.4-nano", "anthropic/claude-haiku-5-5", "mistral/mistral-small-2603"]) {
      // A mark is Anthropic's word and a key is the others': what a dialect cannot say its client cannot ask for.
      if (!client.marks && id.startsWith("anthropic/")) continue;
      if (client.marks && id.startsWith("mistral/")) continue;
      const asked = {
        model: modelAt(`${simulation.gateway.url}${paths[0]}`, id),
        maxRetries: 0,
        ...prompt(`cached ${way}`),
      };
      await generateText(asked);
      const { usage } = await generateText(asked);
      expect(usage.inputTokenDetails.cacheReadTokens, id).toBeGreaterThan(1_000);
    }
  });
});

/** The words for a cache of every provider: each reads its own. */
function prompt(key: string) {
  const providerOptions = {
    openai: { promptCacheKey: key },
    sluice: { prompt_cache_key: key },
    mistral: { promptCacheKey: key },
  };
  return {
    providerOptions,
    instructions: {
      role: "system" as const,
      content: `${key}. ${LONG}`,
      providerOptions: { anthropic: { cacheControl: { type: "ephemeral" } } },
    },
    prompt: "Hello there.",
  };
}

type Asked = ReturnType<typeof prompt> & {
  readonly model: ReturnType<AiProvider["model"]>;
  readonly maxRetries: number;
};

interface Answered {
  readonly usage: LanguageModelUsage;
  readonly headers: Headers;
}

async function whole(asked: Asked): Promise<Answered> {
  const { usage, response } = await generateText(asked);
  return { usage, headers: new Headers(response.headers) };
}

async function streamed(asked: Asked): Promise<Answered> {
  const result = streamText(asked);
  await result.consumeStream();
  return { usage: await result.usage, headers: new Headers((await result.response).headers) };
}

/** In disjoint parts. This package takes what a provider does not tell for none. */
function toldTo(
  { inputTokens, inputTokenDetails: input, outputTokens, outputTokenDetails: output }: LanguageModelUsage,
  client: AiProvider,
) {
  const [read, written] = [input.cacheReadTokens ?? 0, input.cacheWriteTokens ?? 0];
  return {
    input: inputTokens,
    uncached: input.noCacheTokens,
    read,
    written,
    output: outputTokens,
    ...(client.tellsReasoning ? { reasoning: output.reasoningTokens ?? 0 } : {}),
  };
}

function toldByRow({ usage }: AttemptRow, client: AiProvider) {
  const written = (usage.cache_write_5m ?? 0) + (usage.cache_write_1h ?? 0) + (usage.cache_write_other ?? 0);
  const uncached = usage.input_uncached ?? Number.NaN;
  const read = usage.cache_read ?? 0;
  return {
    input: uncached + read + written,
    // Where it has no word for writes, they are a part of what was not cached.
    uncached: client.tellsCacheWrite ? uncached : uncached + written,
    read,
    written: client.tellsCacheWrite ? written : 0,
    output: usage.output,
    ...(client.tellsReasoning ? { reasoning: usage.reasoning ?? 0 } : {}),
  };
}

function agrees({ usage, cost_pico_usd }: AttemptRow, { tokens, costPicoUsd }: InvoiceLine, turn: string): void {
  expect(
    {
      input: (usage.input_uncached ?? 0) + (usage.cache_read ?? 0),
      writes: [usage.cache_write_5m ?? 0, usage.cache_write_1h ?? 0, usage.cache_write_other ?? 0],
      output: usage.output,
      cost: cost_pico_usd,
    },
    turn,
  ).toEqual({
    input: tokens.uncached + tokens.cacheRead,
    writes: [tokens.cacheWrite5m, tokens.cacheWrite1h, tokens.cacheWriteOther],
    output: tokens.output,
    cost: costPicoUsd === undefined ? null : String(costPicoUsd),
  });
}

test("what the package hands on as a provider's own is there, too", async () => {
  const [responses, , , anthropic] = AI_PROVIDERS;
  const url = simulation.gateway.url;
  for (const target of TARGETS) {
    const ofResponses = await generateText({
      model: present(responses, "Responses").model(`${url}/v1`, target.name),
      maxRetries: 0,
      prompt: "Hello there.",
    });
    expect(ofResponses.providerMetadata?.["openai"]?.["responseId"], target.name).toMatch(/^resp_/);
    const ofAnthropic = await generateText({
      model: present(anthropic, "Anthropic").model(`${url}/v1`, target.name),
      maxRetries: 0,
      prompt: "Hello there.",
    });
    expect(ofAnthropic.response.id, target.name).toMatch(/^msg_/);
    expect(ofAnthropic.providerMetadata?.["anthropic"]?.["usage"], target.name).toMatchObject({
      input_tokens: ofAnthropic.usage.inputTokenDetails.noCacheTokens,
      output_tokens: ofAnthropic.usage.outputTokens,
    });
  }
});

test("at the end the sums agree: the ledger's spend and the invoice's total", async () => {
  const { total } = await simulation.gateway.sluice.ledger.spend({});
  expect(total.cost_pico_usd).toBe(String(simulation.sandbox.invoice.costPicoUsd));
  expect(total.outcomes.complete).toBe(simulation.sandbox.invoice.lines.length);
});
