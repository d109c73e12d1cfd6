/**
 * Usage as Responses counts it, to and from disjoint buckets: `input_tokens` holds what the cache gave and took.
 */
import type { JsonObject, JsonValue } from "../chat.ts";
import type { Usage } from "../usage.ts";
import { isObject } from "./openai-chat.words.ts";

/**
 * Reads an answer's usage, which comes once and whole. Writes of any lifetime (30 minutes, 12 hours) are one bucket, as the price
 * table has one rate for them. A cached-token count that is absent stays unknown: what that means is the provider's to say.
 */
export function readUsage(usage: JsonObject): Usage {
  const input = count(usage["input_tokens"]);
  // The parts are kept within the whole, which is what is billed.
  const whole = input ?? Number.POSITIVE_INFINITY;
  const read = atMost(detail(usage, "input_tokens_details", "cached_tokens"), whole);
  const written = atMost(writtenIn(usage), whole - (read ?? 0));
  return {
    inputUncached: input === undefined ? undefined : input - (read ?? 0) - (written ?? 0),
    cacheRead: read,
    cacheWrite5m: undefined,
    cacheWrite1h: undefined,
    cacheWriteOther: written,
    output: count(usage["output_tokens"]),
    reasoning: detail(usage, "output_tokens_details", "reasoning_tokens"),
  };
}

/** The total, or what its lifetimes add up to. */
function writtenIn(usage: JsonObject): number | undefined {
  const total = detail(usage, "input_tokens_details", "cache_write_tokens");
  const details = usage["input_tokens_details"];
  const split = isObject(details) ? details["cache_write_tokens_details"] : undefined;
  if (total !== undefined || !isObject(split)) return total;
  const parts = [count(split["ttl_30m_tokens"]), count(split["ttl_12h_tokens"])].filter((part) => part !== undefined);
  return parts.length === 0 ? undefined : parts.reduce((sum, part) => sum + part, 0);
}

function atMost(value: number | undefined, limit: number): number | undefined {
  return value === undefined ? undefined : Math.min(value, limit);
}

function detail(usage: JsonObject, group: string, key: string): number | undefined {
  const details = usage[group];
  return isObject(details) ? count(details[key]) : undefined;
}

function count(value: JsonValue | undefined): number | undefined {
  return typeof value === "number" && Number.isSafeInteger(value) && value >= 0 ? value : undefined;
}

/** Usage for a client, whose types have numbers everywhere: 0 stands in when nobody counted. */
export function writeUsage(usage: Usage): JsonObject {
  const written = [usage.cacheWrite5m, usage.cacheWrite1h, usage.cacheWriteOther].filter((one) => one !== undefined);
  const writtenTotal = written.reduce((sum, one) => sum + one, 0);
  const input = (usage.inputUncached ?? 0) + (usage.cacheRead ?? 0) + writtenTotal;
  const output = usage.output ?? 0;
  return {
    input_tokens: input,
    input_tokens_details: {
      cached_tokens: usage.cacheRead ?? 0,
      ...(written.length === 0 ? {} : { cache_write_tokens: writtenTotal }),
    },
    output_tokens: output,
    output_tokens_details: { reasoning_tokens: usage.reasoning ?? 0 },
    total_tokens: input + output,
  };
}
