/**
 * Counts as Ollama gives them, to and from disjoint buckets: `prompt_eval_count` holds what came from the cache.
 */
import type { JsonObject, JsonValue } from "../chat.ts";
import { promptTokens, UNKNOWN_USAGE, type Usage } from "../usage.ts";
import { LOAD_REASONS, textOf } from "./ollama-chat.words.ts";

/** @param line The line that ends the answer. @returns `undefined` when nobody counted. */
export function usageIn(line: JsonObject): Usage | undefined {
  const prompt = count(line["prompt_eval_count"]);
  const output = count(line["eval_count"]);
  const isLoad = LOAD_REASONS.has(textOf(line["done_reason"]) ?? "");
  if (prompt === undefined && output === undefined && !isLoad) return undefined;
  // The server leaves a count of zero out, but for the cached one: that is absent where the version does not know it.
  const cached = count(line["prompt_eval_cached_count"]);
  const read = cached === undefined ? undefined : Math.min(cached, prompt ?? 0);
  return {
    ...UNKNOWN_USAGE,
    inputUncached: (prompt ?? 0) - (read ?? 0),
    cacheRead: read,
    output: output ?? 0,
  };
}

function count(value: JsonValue | undefined): number | undefined {
  return typeof value === "number" && Number.isSafeInteger(value) && value >= 0 ? value : undefined;
}

export interface Counts {
  readonly prompt: number;
  /** `undefined`: not known, which is not said. */
  readonly cached: number | undefined;
  readonly output: number;
}

/** Counts for a client. The two totals are numbers in every client's types: 0 stands in when nobody counted. */
export function countsOf(usage: Usage): Counts {
  const known = { ...usage, inputUncached: usage.inputUncached ?? 0 };
  return { prompt: promptTokens(known) ?? 0, cached: usage.cacheRead, output: usage.output ?? 0 };
}
