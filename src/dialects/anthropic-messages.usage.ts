/**
 * Usage as Anthropic counts it, to and from disjoint buckets. `input_tokens` leaves out what the cache gave or took.
 */
import type { JsonObject, JsonValue } from "../chat.ts";
import { UNKNOWN_USAGE, type Usage } from "../usage.ts";
import { isArray, isObject } from "./anthropic-messages.words.ts";

/** Reads the usage objects of one answer. They are cumulative: for each field the last value that was given stands. */
export class UsageReader {
  #said: Usage = UNKNOWN_USAGE;
  #writeTotal: number | undefined;
  #split: { readonly fiveMinutes: number; readonly oneHour: number } | undefined;
  #compaction: Counts = NOTHING;

  read(usage: JsonObject): Usage {
    const counts = countsOf(usage);
    this.#said = {
      ...this.#said,
      inputUncached: counts.input ?? this.#said.inputUncached,
      cacheRead: counts.read ?? this.#said.cacheRead,
      output: counts.output ?? this.#said.output,
      reasoning: detail(usage, "output_tokens_details", "thinking_tokens") ?? this.#said.reasoning,
    };
    this.#writeTotal = counts.writeTotal ?? this.#writeTotal;
    this.#split = counts.split ?? this.#split;
    if (isArray(usage["iterations"])) this.#compaction = compactionIn(usage["iterations"]);
    return this.#usage();
  }

  #usage(): Usage {
    const { inputUncached, cacheRead, output, reasoning } = this.#said;
    const written = writes(this.#writeTotal, this.#split);
    const extra = this.#compaction;
    const extraWritten = writes(extra.writeTotal, extra.split);
    return {
      inputUncached: sum(inputUncached, extra.input),
      cacheRead: sum(cacheRead, extra.read),
      cacheWrite5m: sum(written?.fiveMinutes, extraWritten?.fiveMinutes),
      cacheWrite1h: sum(written?.oneHour, extraWritten?.oneHour),
      cacheWriteOther: undefined,
      output: sum(output, extra.output),
      reasoning,
    };
  }
}

/** How it was served, where that has another price than the standard one. */
export function tierIn(usage: JsonObject): { readonly tier?: string } {
  const said = [usage["service_tier"], usage["speed"], usage["inference_geo"]];
  const tier = said.find((word) => typeof word === "string" && PRICED_TIERS.has(word));
  return typeof tier === "string" ? { tier } : {};
}

const PRICED_TIERS: ReadonlySet<JsonValue> = new Set(["priority", "batch", "fast", "us"]);

interface Split {
  readonly fiveMinutes: number;
  readonly oneHour: number;
}

interface Counts {
  readonly input: number | undefined;
  readonly read: number | undefined;
  readonly writeTotal: number | undefined;
  readonly split: Split | undefined;
  readonly output: number | undefined;
}

const NOTHING: Counts = {
  input: undefined,
  read: undefined,
  writeTotal: undefined,
  split: undefined,
  output: undefined,
};

function countsOf(usage: JsonObject): Counts {
  const fiveMinutes = detail(usage, "cache_creation", "ephemeral_5m_input_tokens");
  const oneHour = detail(usage, "cache_creation", "ephemeral_1h_input_tokens");
  return {
    input: count(usage["input_tokens"]),
    read: count(usage["cache_read_input_tokens"]),
    writeTotal: count(usage["cache_creation_input_tokens"]),
    split:
      fiveMinutes === undefined && oneHour === undefined
        ? undefined
        : { fiveMinutes: fiveMinutes ?? 0, oneHour: oneHour ?? 0 },
    output: count(usage["output_tokens"]),
  };
}

/** The total of a stream's end has no split: what it grew by is five-minute writes, which server tools make. */
function writes(total: number | undefined, split: Split | undefined): Split | undefined {
  if (total === undefined) return split;
  const oneHour = Math.min(split?.oneHour ?? 0, total);
  return { fiveMinutes: total - oneHour, oneHour };
}

/**
 * What compacting the conversation cost: billed, and not in the top-level counts. An advisor's own iterations are billed at
 * its model's price and stay out of this model's row.
 */
function compactionIn(iterations: readonly JsonValue[]): Counts {
  let all = NOTHING;
  for (const iteration of iterations) {
    if (!isObject(iteration) || iteration["type"] !== "compaction") continue;
    const counts = countsOf(iteration);
    const written = writes(counts.writeTotal, counts.split);
    all = {
      input: sum(all.input, counts.input),
      read: sum(all.read, counts.read),
      writeTotal: sum(all.writeTotal, written === undefined ? undefined : written.fiveMinutes + written.oneHour),
      split: {
        fiveMinutes: (all.split?.fiveMinutes ?? 0) + (written?.fiveMinutes ?? 0),
        oneHour: (all.split?.oneHour ?? 0) + (written?.oneHour ?? 0),
      },
      output: sum(all.output, counts.output),
    };
  }
  return all;
}

function sum(left: number | undefined, right: number | undefined): number | undefined {
  if (left === undefined) return right;
  return right === undefined ? left : left + right;
}

function detail(usage: JsonObject, group: string, key: string): number | undefined {
  const details = usage[group];
  return isObject(details) ? count(details[key]) : undefined;
}

function count(value: JsonValue | undefined): number | undefined {
  return typeof value === "number" && Number.isSafeInteger(value) && value >= 0 ? value : undefined;
}

/** Usage at an answer's end. `output_tokens` is a number in every client's types: 0 stands in when nobody counted. */
export function writeUsage(usage: Usage): JsonObject {
  const written = sum(sum(usage.cacheWrite5m, usage.cacheWrite1h), usage.cacheWriteOther);
  const split = usage.cacheWrite5m !== undefined || usage.cacheWrite1h !== undefined;
  return {
    ...(usage.inputUncached === undefined ? {} : { input_tokens: usage.inputUncached }),
    ...(written === undefined ? {} : { cache_creation_input_tokens: written }),
    ...(usage.cacheRead === undefined ? {} : { cache_read_input_tokens: usage.cacheRead }),
    ...(split
      ? {
          cache_creation: {
            ephemeral_5m_input_tokens: usage.cacheWrite5m ?? 0,
            ephemeral_1h_input_tokens: usage.cacheWrite1h ?? 0,
          },
        }
      : {}),
    output_tokens: usage.output ?? 0,
    ...(usage.reasoning === undefined ? {} : { output_tokens_details: { thinking_tokens: usage.reasoning } }),
  };
}
