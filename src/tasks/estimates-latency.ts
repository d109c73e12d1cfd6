/** Quantiles of how long a target takes, from a histogram of steps that grow, which forgets. */

/** Of one kind of time of one target. */
export interface Quantiles {
  readonly p50Ms: number;
  readonly p95Ms: number;
  /** Answers that it is known from; older ones count in part. */
  readonly n: number;
}

/** From 10 ms to an hour and more, each step a fifth above the one before: what is told is off by a tenth at most. */
const SHORTEST_MS = 10;
const STEP = 1.2;
export const LATENCY_LENGTH = 72;
/** Answers after which all that is known is halved, so that a target that became slow is known for it after some hundred. */
const HALVED_AT = 400;

export function emptyLatency(): Float32Array {
  return new Float32Array(LATENCY_LENGTH);
}

/** What is no time says nothing. */
export function countLatency(counts: Float32Array, ms: number): void {
  if (!(ms >= 0) || !Number.isFinite(ms)) return;
  const step = ms <= SHORTEST_MS ? 0 : Math.ceil(Math.log(ms / SHORTEST_MS) / Math.log(STEP));
  const at = Math.min(LATENCY_LENGTH - 1, step);
  counts[at] = (counts[at] as number) + 1;
  if (sumOf(counts) < HALVED_AT) return;
  for (let index = 0; index < counts.length; index += 1) counts[index] = (counts[index] as number) / 2;
}

/** `undefined`: nothing is known. */
export function quantilesOf(counts: Float32Array): Quantiles | undefined {
  const n = sumOf(counts);
  return n === 0 ? undefined : { p50Ms: quantile(counts, 0.5 * n), p95Ms: quantile(counts, 0.95 * n), n };
}

function sumOf(counts: Float32Array): number {
  let sum = 0;
  for (let index = 0; index < counts.length; index += 1) sum += counts[index] as number;
  return sum;
}

/** The middle of the step in which so many are reached. */
function quantile(counts: Float32Array, wanted: number): number {
  let sum = 0;
  let at = 0;
  while (at < counts.length - 1) {
    sum += counts[at] as number;
    if (sum >= wanted) break;
    at += 1;
  }
  return SHORTEST_MS * STEP ** (at - 0.5);
}
