/** What a prompt cost, and what it would have cost otherwise. */
import type { PicoUsd, Rates, Usage } from "../usage.ts";
import type { CacheRules } from "./rules.ts";

export interface CacheMoney {
  /** Of the target for a prompt of this length; `undefined`: it has no price. */
  readonly rates: Rates | undefined;
  /** Of the target's cache. */
  readonly rules: CacheRules;
}

export const NO_MONEY: PicoUsd = 0n;

const INPUT_BUCKETS = ["inputUncached", "cacheRead", "cacheWrite5m", "cacheWrite1h", "cacheWriteOther"] as const;

/** @returns `undefined`: a bucket that holds tokens has no rate. */
export function inputCost(usage: Usage, rates: Rates | undefined): PicoUsd | undefined {
  let cost = NO_MONEY;
  for (const bucket of INPUT_BUCKETS) {
    const tokens = usage[bucket] ?? 0;
    const rate = rates?.[bucket];
    if (tokens === 0) continue;
    if (rate === undefined) return undefined;
    cost += BigInt(tokens) * rate;
  }
  return cost;
}

export function uncachedCost(tokens: number, rates: Rates | undefined): PicoUsd | undefined {
  const rate = rates?.inputUncached;
  return rate === undefined ? undefined : BigInt(tokens) * rate;
}

/** With one mark of the shortest lifetime at the end. @returns `undefined`: such a mark is not set, or has no price. */
export function endMarkedCost(whole: number, read: number, { rates, rules }: CacheMoney): PicoUsd | undefined {
  const uncached = rates?.inputUncached;
  const readRate = rates?.cacheRead;
  const [shortest] = rules.classes;
  if (rules.kind !== "marks" || uncached === undefined || readRate === undefined || shortest === undefined)
    return undefined;
  if (whole < rules.minTokens) return BigInt(whole) * uncached;
  // Prices of writes are known as shares of the uncached one; a share has few decimals.
  const writeRate = (uncached * BigInt(Math.round(shortest.writePrice * 1_000_000))) / 1_000_000n;
  const ended = Math.min(read, whole);
  return BigInt(ended) * readRate + BigInt(whole - ended) * writeRate;
}
