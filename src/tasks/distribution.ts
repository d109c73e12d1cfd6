/** Samples in a few numbers, each with the interval in which it lies with 95 % of certainty, where so much can be said. */

/** `null`: too few are known to say so. */
export type Interval = readonly [low: number, high: number] | null;

export interface Estimate {
  readonly n: number;
  readonly mean: number | null;
  readonly mean_ci95: Interval;
}

export interface Distribution extends Estimate {
  readonly p50: number | null;
  readonly p50_ci95: Interval;
  readonly p90: number | null;
  readonly p90_ci95: Interval;
}

export function distribution(values: readonly number[]): Distribution {
  const sorted = values.toSorted((one, other) => one - other);
  return {
    ...meanOf(sorted),
    p50: quantile(sorted, 0.5),
    p50_ci95: quantileInterval(sorted, 0.5),
    p90: quantile(sorted, 0.9),
    p90_ci95: quantileInterval(sorted, 0.9),
  };
}

export function meanOf(values: readonly number[]): Estimate {
  const n = values.length;
  if (n === 0) return { n, mean: null, mean_ci95: null };
  const mean = values.reduce((sum, value) => sum + value, 0) / n;
  if (n === 1) return { n, mean, mean_ci95: null };
  const variance = values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / (n - 1);
  const margin = student(n - 1) * Math.sqrt(variance / n);
  return { n, mean, mean_ci95: [mean - margin, mean + margin] };
}

/** The sum of the first by the sum of the second of each pair, with the interval of a ratio estimator. */
export function ratioOf(pairs: readonly (readonly [number, number])[]): Estimate {
  const n = pairs.length;
  const below = pairs.reduce((sum, [, value]) => sum + value, 0);
  if (below <= 0) return { n, mean: null, mean_ci95: null };
  const mean = pairs.reduce((sum, [value]) => sum + value, 0) / below;
  if (n < 2) return { n, mean, mean_ci95: null };
  const spread = pairs.reduce((sum, [above, value]) => sum + (above - mean * value) ** 2, 0) / (n - 1);
  const margin = (student(n - 1) * Math.sqrt(n * spread)) / below;
  return { n, mean, mean_ci95: [Math.max(0, mean - margin), mean + margin] };
}

/** The smallest value that such a share of all is not above. */
function quantile(sorted: readonly number[], share: number): number | null {
  return sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)] ?? null;
}

/** By ranks: of no matter which distribution. */
function quantileInterval(sorted: readonly number[], share: number): Interval {
  const n = sorted.length;
  const margin = 1.96 * Math.sqrt(n * share * (1 - share));
  const low = sorted[Math.floor(share * n - margin) - 1];
  const high = sorted[Math.ceil(share * n + margin)];
  return low === undefined || high === undefined ? null : [low, high];
}

/** Student's t at 97.5 %, by degrees of freedom. */
const STUDENT = [12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228];

function student(freedom: number): number {
  return STUDENT[freedom - 1] ?? 1.96 + 2.7 / freedom;
}
