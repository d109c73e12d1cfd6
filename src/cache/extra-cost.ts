/** What tokens that were not read cost more than their reading would have. */
import type { PicoUsd, Rates, Usage } from "../usage.ts";

/**
 * Billed at the average of what was not read, less what reading costs. `undefined`: there is no price.
 */
export function extraCost(tokens: number, usage: Usage, rates: Rates | undefined): PicoUsd | undefined {
  const readRate = rates?.cacheRead;
  if (rates === undefined || readRate === undefined) return undefined;
  let cost = 0n;
  let unread = 0;
  for (const bucket of ["inputUncached", "cacheWrite5m", "cacheWrite1h", "cacheWriteOther"] as const) {
    const count = usage[bucket] ?? 0;
    const rate = rates[bucket];
    if (count === 0) continue;
    if (rate === undefined) return undefined;
    cost += BigInt(count) * rate;
    unread += count;
  }
  if (unread === 0) return 0n;
  const lost = BigInt(Math.min(Math.round(tokens), unread));
  const extra = (cost * lost) / BigInt(unread) - lost * readRate;
  return extra > 0n ? extra : 0n;
}
