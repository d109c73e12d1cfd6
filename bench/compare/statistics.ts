/**
 * How sure a figure is: paired bootstrap over tasks, seeded, at 95 %. Figures are ratios of sums (cost by runs, cost by successes), so their
 * resamples are studentized on a logarithmic scale, which keeps its word where a plain percentile interval of forty skewed costs is too narrow. Shares
 * get a few made-up tasks of either kind (Agresti and Coull; for differences Bonett and Price), as from twelve of twelve no resample
 * would say anything but "all".
 */
import { seeded } from "../trace/random.ts";

export type Interval = readonly [low: number | null, high: number | null];

/** Sums of each task: what is divided, and by what. */
export interface Ratios {
  readonly over: readonly number[];
  readonly under: readonly number[];
}

export interface Drawn {
  readonly resamples: number;
  readonly seed: number;
}

/** Fewer tell too little to say how sure they are. */
export const TASKS_LEAST = 5;
/** More are summed in groups of neighbours: their resamples say the same, and take no minutes. */
const GROUPS_MAX = 500;
const TAIL = 0.025;

/** Of `Σ over / Σ under`, a positive figure. `undefined`: too few tasks. */
export function ratioInterval(ratios: Ratios, drawn: Drawn): Interval | undefined {
  return logInterval([grouped(ratios)], drawn);
}

/** Of the one's ratio by the other's, task by task the same ones. */
export function pairedRatioInterval(one: Ratios, other: Ratios, drawn: Drawn): Interval | undefined {
  return logInterval([grouped(one), grouped(other)], drawn);
}

/** Of a share: passes by what was judged. */
export function shareInterval({ over, under }: Ratios, drawn: Drawn): Interval | undefined {
  if (over.length < TASKS_LEAST) return undefined;
  const each = mean(under);
  const pseudo = grouped({ over, under });
  return percentiles(
    { over: [...pseudo.over, each, each, 0, 0], under: [...pseudo.under, each, each, each, each] },
    (sums) => sums[0] / sums[1],
    drawn,
    [0, 1],
  );
}

/** Of the one's share less the other's, by each task's own difference. */
export function pairedDifferenceInterval(differences: readonly number[], drawn: Drawn): Interval | undefined {
  if (differences.length < TASKS_LEAST) return undefined;
  const group = grouped({ over: differences, under: differences.map(() => 1) });
  return percentiles(
    { over: [...group.over, 1, -1], under: [...group.under, 1, 1] },
    (sums) => sums[0] / sums[1],
    drawn,
    [-1, 1],
  );
}

function percentiles(
  { over, under }: Ratios,
  figure: (sums: readonly [number, number]) => number,
  { resamples, seed }: Drawn,
  [least, most]: readonly [number, number],
): Interval {
  const chance = seeded(seed);
  const count = over.length;
  const figures: number[] = [];
  for (let round = 0; round < resamples; round += 1) {
    let [above, below] = [0, 0];
    for (let at = 0; at < count; at += 1) {
      const picked = Math.floor(chance() * count);
      above += over[picked] as number;
      below += under[picked] as number;
    }
    if (below > 0) figures.push(figure([above, below]));
  }
  const [low, high] = widened(figures, sortedQuantile(figures, 0.5), count);
  return [Math.max(least, low), Math.min(most, high)];
}

/** One ratio, or the first by the second. */
function logInterval(sides: readonly Ratios[], { resamples, seed }: Drawn): Interval | undefined {
  const count = sides[0]?.over.length ?? 0;
  if (count < TASKS_LEAST) return undefined;
  const whole = logFigure(sides, undefined);
  if (whole === undefined) return undefined;
  if (whole.error === 0) return [Math.exp(whole.value), Math.exp(whole.value)];
  const chance = seeded(seed);
  const picked = new Int32Array(count);
  const values: number[] = [];
  const studentized: number[] = [];
  for (let round = 0; round < resamples; round += 1) {
    for (let at = 0; at < count; at += 1) picked[at] = Math.floor(chance() * count);
    const drawn = logFigure(sides, picked);
    if (drawn === undefined) continue;
    values.push(drawn.value);
    if (drawn.error > whole.error * ERROR_LEAST) studentized.push((drawn.value - whole.value) / drawn.error);
  }
  if (values.length === 0) return undefined;
  // Without a success there is no cost of one.
  const isUnbounded = values.length < resamples * (1 - TAIL);
  const [low, high] =
    studentized.length >= values.length * (1 - TAIL)
      ? [
          whole.value - sortedQuantile(studentized, 1 - TAIL) * whole.error,
          whole.value - sortedQuantile(studentized, TAIL) * whole.error,
        ]
      : widened(values, whole.value, count);
  return [Math.exp(low), isUnbounded ? null : Math.exp(high)];
}

/** A resample that is all of one kind, as of costs that are the same but for one, knows no error to be measured by. */
const ERROR_LEAST = 1e-6;

/** A resample of n values varies by (n - 1) / n of what the next n would. */
function widened(values: readonly number[], middle: number, count: number): readonly [low: number, high: number] {
  const factor = Math.sqrt(count / (count - 1));
  const end = (share: number) => middle + (sortedQuantile(values, share) - middle) * factor;
  return [end(TAIL), end(1 - TAIL)];
}

function sortedQuantile(values: readonly number[], share: number): number {
  return quantile(
    values.toSorted((one, other) => one - other),
    share,
  );
}

/** The figure's logarithm, and its standard error by linearization. `undefined`: a sum is not above 0. */
function logFigure(
  sides: readonly Ratios[],
  picked: Int32Array | undefined,
): { readonly value: number; readonly error: number } | undefined {
  const count = picked?.length ?? sides[0]?.over.length ?? 0;
  const sums: { readonly above: number; readonly below: number }[] = [];
  for (const { over, under } of sides) {
    let [above, below] = [0, 0];
    for (let at = 0; at < count; at += 1) {
      const index = picked === undefined ? at : (picked[at] as number);
      above += over[index] as number;
      below += under[index] as number;
    }
    if (!(above > 0) || !(below > 0)) return undefined;
    sums.push({ above, below });
  }
  let squares = 0;
  for (let at = 0; at < count; at += 1) {
    const index = picked === undefined ? at : (picked[at] as number);
    let rest = 0;
    for (const [side, { over, under }] of sides.entries()) {
      const { above, below } = sums[side] as { readonly above: number; readonly below: number };
      const own = (over[index] as number) / above - (under[index] as number) / below;
      rest += side === 0 ? own : -own;
    }
    squares += rest * rest;
  }
  const [first, second] = sums;
  const log = ({ above, below }: { readonly above: number; readonly below: number }) => Math.log(above / below);
  const value = log(first as { above: number; below: number }) - (second === undefined ? 0 : log(second));
  return { value, error: Math.sqrt((squares * count) / (count - 1)) };
}

function grouped(ratios: Ratios): Ratios {
  const count = ratios.over.length;
  if (count <= GROUPS_MAX) return ratios;
  const over = Array.from({ length: GROUPS_MAX }, () => 0);
  const under = Array.from({ length: GROUPS_MAX }, () => 0);
  for (let at = 0; at < count; at += 1) {
    const group = Math.floor((at * GROUPS_MAX) / count);
    over[group] = (over[group] as number) + (ratios.over[at] as number);
    under[group] = (under[group] as number) + (ratios.under[at] as number);
  }
  return { over, under };
}

/** Of sorted values, between the two that are nearest. */
export function quantile(sorted: readonly number[], share: number): number {
  if (sorted.length === 0) return Number.NaN;
  const place = share * (sorted.length - 1);
  const below = Math.floor(place);
  const [low, high] = [sorted[below] as number, sorted[Math.ceil(place)] as number];
  return low + (high - low) * (place - below);
}

function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}
