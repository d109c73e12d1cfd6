/**
 * What a window will have cost at its end, at least: with a stated confidence, as far as spend is as uneven as it was.
 *
 * What is left of the window costs what it usually does, times how the days of late compare with their baseline (few data: little), and
 * what the last quarters of an hour were over that goes on for some hours more. Both are lower bounds: spend comes in pieces, and few
 * pieces say little.
 */
import { median } from "./learned.ts";

export interface Standing {
  /** Of the window. All amounts in picodollars. */
  readonly spent: number;
  /** What days of late cost, and what is usual for them: the median of them says how the level is. */
  readonly days: readonly { readonly spent: number; readonly expected: number }[];
  /** What is usual for what is left of the window. */
  readonly rest: number;
  readonly restHours: number;
  /** Of the last quarters of an hour, and what is usual for them. */
  readonly recent: number;
  readonly recentExpected: number;
  readonly recentHours: number;
  readonly dispersion: number;
  readonly daySpread: number;
  /** What the last quarters of an hour may be over without meaning anything. */
  readonly swing: number;
}

/** What runs away is taken to run so long: until somebody looks. */
const GOES_ON_HOURS = 8;

/** @param confidence From 0.5 to below 1. */
export function projectedAtLeast(standing: Standing, confidence: number): number {
  const { spent, days, rest, restHours, recent, recentExpected, recentHours } = standing;
  const z = normalQuantile(confidence);
  // Never 0: money that always comes evenly still comes in some pieces.
  const piece = Math.max(standing.dispersion, 1);
  const prior = 1 / standing.daySpread ** 2;
  const levels = days.map((day) => [prior + day.spent / piece, prior + day.expected / piece] as const);
  const multiple = median(levels.map(([shape, rate]) => gammaQuantile(shape, z) / rate));
  const mean = median(levels.map(([shape, rate]) => shape / rate));
  const recentAtLeast = gammaQuantile(recent / piece, z) * piece;
  const over = Math.max(0, recentAtLeast - recentExpected * Math.max(1, mean));
  if (over === 0 || recentHours <= 0) return spent + rest * multiple;
  const isUnusual = Math.min(1, Math.max(0, over / Math.max(standing.swing, 1) - SWINGS_LEAST));
  return spent + rest * multiple + (over / recentHours) * isUnusual * Math.min(restHours, GOES_ON_HOURS);
}

/** What is over by so many swings is taken to begin to be more than chance, and by one more to be so altogether. */
const SWINGS_LEAST = 2.5;

/** The lower quantile of a gamma distribution of scale 1, after Wilson and Hilferty. */
function gammaQuantile(shape: number, z: number): number {
  if (shape <= 0) return 0;
  const root = 1 - 1 / (9 * shape) - z / (3 * Math.sqrt(shape));
  return root <= 0 ? 0 : shape * root ** 3;
}

/** Where so large a share of a normal distribution is below (Abramowitz and Stegun 26.2.23: off by at most 0.00045). */
export function normalQuantile(share: number): number {
  const t = Math.sqrt(-2 * Math.log(1 - Math.min(Math.max(share, 0.5), 0.999_999)));
  return t - (2.515517 + 0.802853 * t + 0.010328 * t ** 2) / (1 + 1.432788 * t + 0.189269 * t ** 2 + 0.001308 * t ** 3);
}
