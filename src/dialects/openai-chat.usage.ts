/**
 * Usage as Chat Completions counts it, to and from disjoint buckets: `prompt_tokens` holds what the cache gave and took.
 */
import type { JsonObject, JsonValue } from "../chat.ts";
import type { Usage } from "../usage.ts";
import { isObject } from "./openai-chat.words.ts";

/**
 * Reads the usage objects of one answer. They are cumulative: for each count the last value that was given stands.
 *
 * A cached-token count that is absent stays unknown: what that means is the provider's to say.
 */
export class UsageReader {
  #prompt: number | undefined;
  #cached: number | undefined;
  #written: number | undefined;
  #output: number | undefined;
  #reasoning: number | undefined;

  read(usage: JsonObject): Usage {
    this.#prompt = count(usage["prompt_tokens"]) ?? this.#prompt;
    this.#cached = cachedIn(usage) ?? this.#cached;
    this.#written = detail(usage, "prompt_tokens_details", "cache_write_tokens") ?? this.#written;
    this.#output = count(usage["completion_tokens"]) ?? this.#output;
    this.#reasoning = detail(usage, "completion_tokens_details", "reasoning_tokens") ?? this.#reasoning;
    // Some servers count more from the cache than the prompt has: the parts are kept within the whole, which is what is billed.
    const prompt = this.#prompt ?? Number.POSITIVE_INFINITY;
    const read = this.#cached === undefined ? undefined : Math.min(this.#cached, prompt);
    const written = this.#written === undefined ? undefined : Math.min(this.#written, prompt - (read ?? 0));
    return {
      inputUncached: this.#prompt === undefined ? undefined : this.#prompt - (read ?? 0) - (written ?? 0),
      cacheRead: read,
      cacheWrite5m: undefined,
      cacheWrite1h: undefined,
      cacheWriteOther: written,
      output: this.#output,
      reasoning: this.#reasoning,
    };
  }
}

/** Mistral's two other places are in its published schema; DeepSeek's is older than the details. */
function cachedIn(usage: JsonObject): number | undefined {
  return (
    count(usage["num_cached_tokens"]) ??
    detail(usage, "prompt_tokens_details", "cached_tokens") ??
    detail(usage, "prompt_token_details", "cached_tokens") ??
    count(usage["prompt_cache_hit_tokens"])
  );
}

/** Tiers that have a price of their own; others ("default", Groq's "on_demand") are the standard one. */
const PRICED_TIERS: ReadonlySet<string> = new Set(["flex", "priority", "fast", "ultrafast", "scale", "batch"]);

/** How the answer was served, as the answer says it: what the request asked for need not be what it got. */
export function tierIn(answer: JsonObject): { readonly tier?: string } {
  const tier = answer["service_tier"];
  return typeof tier === "string" && PRICED_TIERS.has(tier) ? { tier } : {};
}

/** Where a chunk or an answer says what was used; Groq says it beside, too. */
export function usageIn(holder: JsonObject): JsonObject | undefined {
  if (isObject(holder["usage"])) return holder["usage"];
  const groq = holder["x_groq"];
  return isObject(groq) && isObject(groq["usage"]) ? groq["usage"] : undefined;
}

function detail(usage: JsonObject, group: string, key: string): number | undefined {
  const details = usage[group];
  return isObject(details) ? count(details[key]) : undefined;
}

function count(value: JsonValue | undefined): number | undefined {
  return typeof value === "number" && Number.isSafeInteger(value) && value >= 0 ? value : undefined;
}

/** Usage for a client. The three totals are numbers in every client's types: 0 stands in when nobody counted. */
export function writeUsage(usage: Usage): JsonObject {
  const written = sum([usage.cacheWrite5m, usage.cacheWrite1h, usage.cacheWriteOther]);
  const prompt = (usage.inputUncached ?? 0) + (usage.cacheRead ?? 0) + (written ?? 0);
  const output = usage.output ?? 0;
  const details = {
    ...(usage.cacheRead === undefined ? {} : { cached_tokens: usage.cacheRead }),
    ...(written === undefined ? {} : { cache_write_tokens: written }),
  };
  return {
    prompt_tokens: prompt,
    completion_tokens: output,
    total_tokens: prompt + output,
    ...(Object.keys(details).length === 0 ? {} : { prompt_tokens_details: details }),
    ...(usage.reasoning === undefined ? {} : { completion_tokens_details: { reasoning_tokens: usage.reasoning } }),
  };
}

function sum(counts: readonly (number | undefined)[]): number | undefined {
  const known = counts.filter((one) => one !== undefined);
  return known.length === 0 ? undefined : known.reduce((total, one) => total + one, 0);
}
