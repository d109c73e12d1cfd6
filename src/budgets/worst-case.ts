/**
 * What a call may cost at most, before it is sent: what is reserved for it.
 *
 * The prompt: no tokenizer makes more tokens of a text than it has bytes, so that the body's bytes bound it; so does the model's window,
 * and only that where the body does not hold what is read (pictures, documents, what a provider keeps or looks up). The answer: the cap
 * that the request sets, else what the model gives at most, for each of the answers that are asked for. Each token at the highest rate
 * that it may be billed by (not cached, or written to a cache; beyond a long prompt's cliff where it may lie).
 *
 * Not in it: what is not billed by tokens (a search by the provider's tool), and surcharges of other service tiers than the price's.
 */
import type { ChatRequest, JsonObject, JsonValue, Part } from "../chat.ts";
import type { ModelRecord } from "../model.ts";
import type { PicoUsd, Price, Rates } from "../usage.ts";

export interface WorstCase {
  readonly promptTokens: number;
  readonly outputTokens: number;
  /** `undefined`: the model has no price. */
  readonly cost: PicoUsd | undefined;
}

/** What is sent, and to whom. */
export interface SentCall {
  readonly request: ChatRequest;
  readonly record: ModelRecord | undefined;
  readonly price: Price | undefined;
  /** As the client sent it: of what only its dialect can say, the reading does not tell all. */
  readonly body: JsonObject;
  readonly bodyBytes: number;
  /** Whether the body was written anew: then the cap may be raised for what the model thinks. */
  readonly isTranslated: boolean;
}

/** What providers put around a conversation besides what its JSON's own marks would make; around tools Anthropic says up to 700 tokens. */
const ENVELOPE_TOKENS = 64;
const TOOLS_TOKENS = 1_024;
/** Of models whose window or longest answer nobody knows. */
const WINDOW_TOKENS = 1_048_576;
const OUTPUT_TOKENS = 131_072;

export function worstCase(call: SentCall): WorstCase {
  const { request, record, price, bodyBytes } = call;
  const window = record?.contextTokens ?? WINDOW_TOKENS;
  const most = Math.min(record?.maxInputTokens ?? window, window);
  const around = request.tools.length === 0 ? ENVELOPE_TOKENS : TOOLS_TOKENS;
  const promptTokens = isAllSaid(request) ? Math.min(bodyBytes + around, most) : most;
  const outputTokens = request.embedding === undefined ? outputMost(call) * answersOf(call) : 0;
  return {
    promptTokens,
    outputTokens,
    cost: price === undefined ? undefined : dearest(price, promptTokens, outputTokens),
  };
}

/** Whether the body holds all that the model is to read, as text. */
function isAllSaid({ continues = [], tools, messages }: ChatRequest): boolean {
  return (
    continues.length === 0 &&
    tools.every(({ type }) => type === "function") &&
    messages.every(({ parts }: { readonly parts: readonly Part[] }) => parts.every(isText))
  );
}

function isText(part: Part): boolean {
  switch (part.type) {
    case "text":
    case "reasoning":
    case "refusal":
    case "tool-call":
      return true;
    case "tool-result":
      return part.content.every(isText);
    case "document":
      return part.source.type === "text";
    case "image":
    case "audio":
    case "opaque":
      return false;
  }
}

function outputMost({ request, record, isTranslated }: SentCall): number {
  const most = record?.maxOutputTokens ?? record?.contextTokens ?? OUTPUT_TOKENS;
  const mayBeRaised = isTranslated && request.reasoning !== undefined;
  if (request.maxOutputTokens === undefined || mayBeRaised) return most;
  // A provider refuses a cap beyond the model's own, or keeps to that.
  return Math.min(request.maxOutputTokens, Math.max(most, 1));
}

/** How many answers are generated, told or not (`best_of`); each prompt of a list has its own. */
function answersOf({ request: { choices = 1 }, body }: SentCall): number {
  const { n, best_of: best, prompt } = body;
  const prompts = Array.isArray(prompt) && prompt.some((one: JsonValue) => typeof one !== "number") ? prompt.length : 1;
  const asked = [n, best].filter((count) => typeof count === "number");
  return Math.max(choices, ...asked) * Math.max(prompts, 1);
}

const PROMPT_BUCKETS = ["inputUncached", "cacheRead", "cacheWrite5m", "cacheWrite1h", "cacheWriteOther"] as const;

function dearest(price: Price, promptTokens: number, outputTokens: number): PicoUsd {
  const rates = [
    price.rates,
    ...(price.over ?? []).filter((tier) => promptTokens > tier.promptTokens).map((one) => one.rates),
  ];
  const highest = (rateOf: (rates: Rates) => readonly (PicoUsd | undefined)[]) =>
    rates.flatMap(rateOf).reduce<PicoUsd>((most, rate) => (rate !== undefined && rate > most ? rate : most), 0n);
  const input = highest((one) => PROMPT_BUCKETS.map((bucket) => one[bucket]));
  const output = highest((one) => [one.output]);
  return BigInt(promptTokens) * input + BigInt(Math.ceil(outputTokens)) * output;
}
