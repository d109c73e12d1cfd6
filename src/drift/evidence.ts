/**
 * Evidence that a mean has left its bound, task by task, as it comes: a Shiryaev-Roberts sum of bets.
 *
 * A bet of the share λ multiplies what is staked by 1 + λ (x / bound - 1). While the mean of x is not above the bound, that is 1 on average
 * at most, whatever x is distributed as. Each task stakes one more: M ← (M + 1) × factor; the mean over several λ is what counts. Then M
 * less the number of tasks never grows on average, so that within N tasks it comes to A with a chance of N / A at most (Doob), however
 * often it is looked at. When the mean leaves the bound, M grows from whichever task on it did.
 */

/** What it takes. See `ALARM_CHANCE`. */
export const EVIDENCE_LEAST = 600_000;

/** Series of a class at a target: tokens and cost both ways, the two shares upwards. */
const SERIES = 6;
/**
 * Of a false alarm within a thousand tasks of a class at a target, all its measures together: at most, where the bounds hold the truth.
 */
export const ALARM_CHANCE: number = (SERIES * 1_000) / EVIDENCE_LEAST;

/** From nearly as expected to far from it. Downwards, a task of four times the mean must not cost more than is staked. */
const SHARES_UP = [0.03, 0.08, 0.2, 0.45, 0.9] as const;
const SHARES_DOWN = [0.02, 0.05, 0.1, 0.2, 0.3] as const;

/** A value counts downwards for so many times the mean at most; upwards for so many. */
export const CUT_DOWN = 4;
export const CUT_UP = 10;

/** A stake that has grown beyond counting. */
const MOST = 1e15;

export type Stakes = readonly number[];

export const NO_STAKES: Stakes = [0, 0, 0, 0, 0];

/** @param bound Above 0; a mean above it is to be found. */
export function stakedUp(stakes: Stakes, value: number, bound: number): Stakes {
  const times = value / bound;
  return SHARES_UP.map((share, at) => grown(stakes[at], 1 + share * (times - 1)));
}

/** @param bound Above 0; a mean below it is to be found, of values of at most four times it. */
export function stakedDown(stakes: Stakes, value: number, bound: number): Stakes {
  const times = Math.min(value / bound, CUT_DOWN);
  return SHARES_DOWN.map((share, at) => grown(stakes[at], 1 + share * (1 - times)));
}

function grown(stake: number | undefined, factor: number): number {
  return Math.min(MOST, ((stake ?? 0) + 1) * factor);
}

export function evidenceOf(stakes: Stakes): number {
  return stakes.reduce((sum, stake) => sum + stake, 0) / stakes.length;
}
