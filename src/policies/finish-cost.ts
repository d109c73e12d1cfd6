/** What it is expected to cost to finish a task at a target, from the turn at hand on: arithmetic only. */
import type { ModelRecord } from "../model.ts";
import type { Candidate } from "../target.ts";
import type { TurnsAhead } from "../tasks/estimates-turns.ts";
import { ratesFor, type BilledBucket, type Price, type Rates } from "../usage.ts";
import type { Billed } from "./considered.ts";

/** Of the turns that are to come; tokens are the target's own. */
export interface Expected {
  readonly ahead: readonly TurnsAhead[];
  /** How many of those turns it takes, relative to the class. */
  readonly furtherTimes: number;
  readonly growthTokens: number;
  readonly outputTokens: number;
  readonly readShare: number;
}

/** Picodollars as numbers: estimates, rounded only where they are told. */
export interface FinishCost {
  readonly turns: number;
  readonly tokens: Billed<number>;
  readonly cost: Billed<number> & { readonly sum: number };
  /** What the turn at hand costs more than if all of its history were warm. */
  readonly coldExtra: number;
  /** What it costs less for what is warm. */
  readonly warmSaving: number;
}

/** Prices per token, of prompts up to each threshold: `bigint` arithmetic would take most of a decision's time. */
export interface FloatRates {
  readonly cliffs: readonly { readonly above: number; readonly rates: TokenRates }[];
}

interface TokenRates {
  readonly input: number;
  readonly read: number;
  /** Whether reads have a price of their own. */
  readonly isRead: boolean;
  /** What is new in a prompt, where it is written to the cache. */
  readonly write: number;
  readonly output: number;
}

/** A write pays when the prefix comes back: its premium of a quarter, against nine tenths saved (0.25 / (0.9 + 0.25)). */
const WRITTEN_FROM = 0.217;

/** @returns `undefined` for a price without a rate for input or output: what it would cost is not known. */
export function floatRates(price: Price, record: ModelRecord | undefined): FloatRates | undefined {
  const above = [...new Set([-1, ...(price.over ?? []).map(({ promptTokens }) => promptTokens)])].sort((a, b) => b - a);
  const cliffs = above.map((threshold) => ({
    above: threshold,
    rates: tokenRates(ratesFor(price, threshold + 1), record),
  }));
  return cliffs.every(({ rates }) => Number.isFinite(rates.input) && Number.isFinite(rates.output))
    ? { cliffs }
    : undefined;
}

function tokenRates(rates: Rates, record: ModelRecord | undefined): TokenRates {
  const rate = (bucket: BilledBucket) => (rates[bucket] === undefined ? undefined : Number(rates[bucket]));
  const input = rate("inputUncached") ?? Number.NaN;
  const cache = record?.cache;
  const seconds = cache?.kind === "marks" ? Math.min(...cache.ttlSeconds) : undefined;
  const written = seconds === undefined ? undefined : rate(WRITE_BUCKETS.get(seconds) ?? "cacheWriteOther");
  const read = rate("cacheRead");
  return {
    input,
    read: read ?? input,
    write: written ?? input,
    isRead: read !== undefined,
    output: rate("output") ?? Number.NaN,
  };
}

const WRITE_BUCKETS: ReadonlyMap<number, BilledBucket> = new Map([
  [300, "cacheWrite5m"],
  [3600, "cacheWrite1h"],
]);

/**
 * Each turn sends the history again, which has grown: what of it is in the cache is read, the rest is new. A prompt that has grown
 * beyond a cliff is paid at the rates that hold there.
 *
 * @param rates `undefined`: unpriced; then only turns and tokens are told.
 */
export function finishCost(
  { promptTokens, warmTokens, target: { record } }: Pick<Candidate, "promptTokens" | "warmTokens" | "target">,
  expected: Expected,
  rates: FloatRates | undefined,
): FinishCost {
  const { ahead, furtherTimes, growthTokens, outputTokens } = expected;
  const least = cachedFrom(record);
  const isMarked = record?.cache.kind === "marks";
  const sum = new Sum(rates);
  const further = ahead.reduce((turns, { expected }) => turns + expected, 0) * furtherTimes;
  // The chance of one more turn is not above the number of turns to come.
  const isWritten = isMarked && promptTokens >= least && Math.min(further, nextTurn(ahead)) > WRITTEN_FROM;
  const warm = Math.min(warmTokens, promptTokens);
  const first = sum.add(1, promptTokens, warm, isWritten, outputTokens);
  for (const { offset, expected: turns } of ahead) {
    const distance = Math.max(1, offset * furtherTimes);
    const prompt = promptTokens + distance * growthTokens;
    const history = prompt - growthTokens;
    const read = history >= least ? history * expected.readShare : 0;
    sum.add(turns * furtherTimes, prompt, read, isMarked && prompt >= least, outputTokens);
  }
  return { turns: 1 + further, ...sum.told(), ...first };
}

/** No shorter prompt is cached. */
function cachedFrom(record: ModelRecord | undefined): number {
  const cache = record?.cache;
  if (cache === undefined || cache.kind === "none") return Number.POSITIVE_INFINITY;
  return cache.kind === "local" ? cache.stepTokens : cache.minTokens;
}

function nextTurn(ahead: readonly TurnsAhead[]): number {
  const next = ahead[0];
  return next === undefined ? 0 : Math.min(1, next.expected);
}

const NO_RATES: TokenRates = { input: 0, read: 0, write: 0, isRead: true, output: 0 };

class Sum {
  readonly #rates: FloatRates | undefined;
  readonly #tokens = { inputUncached: 0, cacheRead: 0, cacheWrite: 0, output: 0 };
  readonly #cost = { inputUncached: 0, cacheRead: 0, cacheWrite: 0, output: 0 };

  constructor(rates: FloatRates | undefined) {
    this.#rates = rates;
  }

  /** So many turns with such a prompt. */
  add(
    turns: number,
    prompt: number,
    cached: number,
    isWritten: boolean,
    output: number,
  ): Pick<FinishCost, "coldExtra" | "warmSaving"> {
    const rates = this.#at(prompt);
    // What is warm but has no price of its own is paid like the rest.
    const read = rates.isRead ? cached : 0;
    const fresh = prompt - read;
    const [tokens, cost] = [this.#tokens, this.#cost];
    const freshRate = isWritten ? rates.write : rates.input;
    if (isWritten) {
      tokens.cacheWrite += turns * fresh;
      cost.cacheWrite += turns * fresh * freshRate;
    } else {
      tokens.inputUncached += turns * fresh;
      cost.inputUncached += turns * fresh * freshRate;
    }
    tokens.cacheRead += turns * read;
    cost.cacheRead += turns * read * rates.read;
    tokens.output += turns * output;
    cost.output += turns * output * rates.output;
    const dearer = Math.max(0, freshRate - rates.read);
    return { coldExtra: fresh * dearer, warmSaving: read * dearer };
  }

  told(): Pick<FinishCost, "tokens" | "cost"> {
    const cost = this.#cost;
    return {
      tokens: this.#tokens,
      cost: { ...cost, sum: cost.inputUncached + cost.cacheRead + cost.cacheWrite + cost.output },
    };
  }

  #at(prompt: number): TokenRates {
    const cliffs = this.#rates?.cliffs ?? [];
    for (const { above, rates } of cliffs) if (prompt > above) return rates;
    return NO_RATES;
  }
}
