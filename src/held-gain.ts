/** What waiting gained a call that waited for another one to write what both begin with. */
import type { HeldGain } from "./ledger.ts";
import { promptTokens, ratesFor, type PicoUsd, type Price, type Rates, type Usage } from "./usage.ts";

/**
 * @param unheldRead What it would have read had it not waited, by what was known when it arrived.
 * @param price `undefined`: it is not known what it is billed at.
 * @returns `undefined`: nobody said what it read.
 */
export function heldGain(usage: Usage, unheldRead: number, price: Price | undefined): HeldGain | undefined {
  const whole = promptTokens(usage);
  if (usage.cacheRead === undefined || whole === undefined) return undefined;
  const tokens = Math.max(0, usage.cacheRead - unheldRead);
  return { tokens, saved: price === undefined ? undefined : rewriteCost(tokens, ratesFor(price, whole)) };
}

/** What these would have cost more, written once more, or where nothing is written, sent uncached. */
function rewriteCost(tokens: number, rates: Rates): PicoUsd | undefined {
  const rate = rates.cacheWrite5m ?? rates.cacheWriteOther ?? rates.inputUncached;
  if (rates.cacheRead === undefined || rate === undefined) return undefined;
  return rate > rates.cacheRead ? BigInt(tokens) * (rate - rates.cacheRead) : 0n;
}
