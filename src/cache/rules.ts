/** A provider's cache economics, from the model's record and its price: what the planner knows of a provider, and all it knows. */
import type { CachePrices } from "./economics.ts";
import type { CacheContract } from "../model.ts";
import type { Rates } from "../usage.ts";

export interface CacheRules {
  /** `marks`: written up to marked places only. `automatic`: every prompt is, free of charge. `none`: nothing is. */
  readonly kind: "none" | "marks" | "automatic";
  /** What a read token costs, in units of an uncached input token. */
  readonly readPrice: number;
  /** Lifetimes, shortest first; the planner weighs the first against the last. Refreshed by every use. */
  readonly classes: readonly CacheClass[];
  /** No shorter prefix is cached; in the target's tokens. */
  readonly minTokens: number;
  /** Reads are multiples of this (1: exact). */
  readonly stepTokens: number;
  /** Most marks a request may carry. */
  readonly marksMax: number;
  /** How many content blocks before a mark an entry is still found. */
  readonly lookback: number;
  /** Whether tokens live no longer than the class they were paid in, even behind an entry of a longer one. */
  readonly isStrict: boolean;
  /** Whether it is a server's own memory, of which nobody says how much there is; absent: no. */
  readonly isLocal?: boolean;
}

export interface CacheClass {
  readonly ttlSeconds: number;
  /** What a written token costs, in units of an uncached input token. */
  readonly writePrice: number;
}

export const NO_CACHE: CacheRules = {
  kind: "none",
  readPrice: 1,
  classes: [],
  minTokens: 0,
  stepTokens: 1,
  marksMax: 0,
  lookback: 0,
  isStrict: true,
};

/** What a server's own cache is assumed to keep, as nothing tells: it lasts until memory is needed. */
const LOCAL_CACHE_SECONDS = 600;
/** The bucket that each lifetime is billed in; every other lifetime is billed as `cacheWriteOther`. */
const BUCKETS: ReadonlyMap<number, "cacheWrite5m" | "cacheWrite1h"> = new Map([
  [300, "cacheWrite5m"],
  [3600, "cacheWrite1h"],
]);

/**
 * @param rates Of the model at its provider; without them a read is taken for a tenth, a write for its class's usual premium.
 * @example
 * cacheRules(target.record.cache, price === undefined ? undefined : ratesFor(price, promptTokens))
 */
export function cacheRules(cache: CacheContract, rates?: Rates): CacheRules {
  const readPrice = relative(rates, "cacheRead") ?? 0.1;
  switch (cache.kind) {
    case "none":
      return NO_CACHE;
    case "marks":
      return {
        kind: "marks",
        readPrice,
        classes: cache.ttlSeconds
          .map((ttlSeconds) => ({ ttlSeconds, writePrice: writePrice(rates, ttlSeconds) }))
          .sort((one, other) => one.ttlSeconds - other.ttlSeconds),
        minTokens: cache.minTokens,
        stepTokens: 1,
        marksMax: cache.maxMarks,
        lookback: cache.lookback,
        isStrict: true,
      };
    case "automatic":
    case "keyed":
      return automatic(readPrice, cache.idleSeconds, cache.minTokens, cache.stepTokens);
    case "local":
      // Not billed, but what is in memory need not be computed again.
      return { ...automatic(0, LOCAL_CACHE_SECONDS, cache.stepTokens, cache.stepTokens), isLocal: true };
  }
}

function automatic(readPrice: number, ttlSeconds: number, minTokens: number, stepTokens: number): CacheRules {
  const classes = [{ ttlSeconds, writePrice: 1 }];
  return { ...NO_CACHE, kind: "automatic", readPrice, classes, minTokens, stepTokens };
}

function writePrice(rates: Rates | undefined, ttlSeconds: number): number {
  const usual = ttlSeconds >= 3600 ? 2 : 1.25;
  return relative(rates, BUCKETS.get(ttlSeconds) ?? "cacheWriteOther") ?? usual;
}

/** `undefined`: the price does not say. A model that costs nothing has no relative price either. */
function relative(rates: Rates | undefined, bucket: keyof Rates): number | undefined {
  const base = rates?.inputUncached;
  const rate = rates?.[bucket];
  return base === undefined || rate === undefined || base === 0n ? undefined : Number(rate) / Number(base);
}

/** As the formulae want them: the shortest lifetime against the longest. */
export function pricesOf(rules: CacheRules): CachePrices {
  const short = rules.classes[0]?.writePrice ?? 1;
  const long = rules.classes.length > 1 ? rules.classes.at(-1)?.writePrice : undefined;
  return {
    saving: 1 - rules.readPrice,
    shortPremium: short - 1,
    longPremium: long === undefined ? undefined : long - 1,
  };
}

export function shortMs(rules: CacheRules): number {
  return (rules.classes[0]?.ttlSeconds ?? 0) * 1000;
}

export function longMs(rules: CacheRules): number {
  return (rules.classes.at(-1)?.ttlSeconds ?? 0) * 1000;
}
