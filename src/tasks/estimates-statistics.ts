/**
 * Means that forget: for each statistic how much evidence there is and its sum, in one flat array, with what notices that they no
 * longer hold.
 */

/** In units of a task; tokens are counted as if each model had o200k_base's tokenizer. */
const STATISTICS = [
  /** Outcomes, 0 to 1. */
  "success",
  /** Turns after the first. */
  "further",
  "firstPrompt",
  /** Of the prompt, from one turn to the next. */
  "growth",
  /** A turn's output. */
  "output",
  /** Of the history that was sent again, what the cache had. */
  "readShare",
  /** Picodollars of a task. */
  "cost",
  /** Picodollars of tasks whose outcome is known; the evidence is their success. */
  "costPerSuccess",
] as const;
export type Statistic = (typeof STATISTICS)[number];

const OFFSETS = Object.fromEntries(STATISTICS.map((name, index) => [name, index * 2])) as Record<Statistic, number>;
/** Sums by which a change shows: of the outcomes and of the size of tasks, upwards and downwards. */
const CHANGE = { success: 2 * STATISTICS.length, size: 2 * STATISTICS.length + 2 } as const;
/** Mean and square of the logarithm of a task's tokens, with the evidence. */
const SIZE = CHANGE.size + 2;
/** Of a class at a target: how many tasks of the class there had been when it was last told an outcome of this target. */
export const SEEN_AT: number = SIZE + 3;
export const STATISTICS_LENGTH: number = SEEN_AT + 1;

export function emptyStatistics(): Float64Array {
  return new Float64Array(STATISTICS_LENGTH);
}

/** @param kept What of the older evidence still counts: 1 - 1/n remembers about n tasks. */
export function add(all: Float64Array, name: Statistic, value: number, kept: number, weight = 1): void {
  const at = OFFSETS[name];
  all[at] = (all[at] as number) * kept + weight;
  all[at + 1] = (all[at + 1] as number) * kept + weight * value;
}

/** For a relation of two sums: the evidence is the lower one. */
export function addRelation(all: Float64Array, name: Statistic, upper: number, lower: number, kept: number): void {
  const at = OFFSETS[name];
  all[at] = (all[at] as number) * kept + lower;
  all[at + 1] = (all[at + 1] as number) * kept + upper;
}

/**
 * Of what was counted before, another value has turned out to be true: evidence and sum change by so much.
 *
 * @param least Of the mean, as what was counted counts for less since. @param most The same.
 */
export function correct(
  all: Float64Array,
  name: Statistic,
  change: { readonly weight: number; readonly sum: number },
  least: number,
  most: number,
): void {
  const at = OFFSETS[name];
  const weight = Math.max(0, (all[at] as number) + change.weight);
  all[at] = weight;
  all[at + 1] = Math.max(least * weight, Math.min(most * weight, (all[at + 1] as number) + change.sum));
}

/** The same of a sum alone, of which something was counted. */
export function correctSum(all: Float64Array, name: Statistic, by: number): void {
  const at = OFFSETS[name];
  if ((all[at] as number) > 0 || name === "costPerSuccess") all[at + 1] = Math.max(0, (all[at + 1] as number) + by);
}

/** The same of a relation, of whose upper sum nothing changes. */
export function correctRelation(all: Float64Array, name: Statistic, lower: number): void {
  const at = OFFSETS[name];
  all[at] = Math.max(0, (all[at] as number) + lower);
}

/** How many tasks (recent ones whole, older ones in part) a statistic is known from. */
export function evidence(all: Float64Array | undefined, name: Statistic): number {
  return all === undefined ? 0 : (all[OFFSETS[name]] as number);
}

/** The mean as far as there is evidence, and what was believed before for the rest, which weighs `priorWeight` tasks. */
export function shrunk(all: Float64Array | undefined, name: Statistic, prior: number, priorWeight: number): number {
  if (all === undefined) return prior;
  const at = OFFSETS[name];
  return ((all[at + 1] as number) + priorWeight * prior) / ((all[at] as number) + priorWeight);
}

/** Keeps the mean, and lets it weigh no more than so much: what comes next counts for more. */
export function doubt(all: Float64Array, names: readonly Statistic[], weightMost: number): void {
  for (const name of names) {
    const at = OFFSETS[name];
    const weight = all[at] as number;
    if (weight <= weightMost) continue;
    all[at] = weightMost;
    all[at + 1] = ((all[at + 1] as number) * weightMost) / weight;
  }
}

/** Takes out what cannot have been counted. @param isDifference Outcomes are differences from others, which may be below zero. */
export function keepPossible(all: Float64Array, isDifference: boolean): void {
  for (const name of STATISTICS) {
    const at = OFFSETS[name];
    const [weight, sum] = [all[at] as number, all[at + 1] as number];
    const isShare = name === "success" || name === "readShare";
    const least = name === "success" && isDifference ? -weight : 0;
    const most = isShare ? weight * (1 + ROUNDED) : Number.POSITIVE_INFINITY;
    const isPossible = weight >= 0 && weight <= EVIDENCE_MOST && sum >= least * (1 + ROUNDED) && sum <= most;
    if (isPossible && (weight > 0 || sum === 0 || name === "costPerSuccess")) continue;
    all[at] = 0;
    all[at + 1] = 0;
  }
  for (let index = CHANGE.success; index < all.length; index += 1) {
    if ((all[index] as number) < 0) all[index] = 0;
  }
}

/** More is never kept of anything, however many tasks there were. */
const EVIDENCE_MOST = 1_000;
/** What was written with few digits may be so much beyond its bounds. */
const ROUNDED = 1e-4;

/**
 * Whether outcomes have changed (a cumulative sum of what they differ by from the mean, in standard deviations).
 *
 * @param expected Before this outcome was counted.
 */
export function outcomeChanged(all: Float64Array, outcome: number, expected: number): boolean {
  const deviation = Math.sqrt(Math.max(0.05, expected * (1 - expected)));
  return changed(all, CHANGE.success, (outcome - expected) / deviation);
}

/** The same of how many tokens tasks take. To be told of each task once. */
export function sizeChanged(all: Float64Array, tokens: number, kept: number): boolean {
  const size = Math.log(1 + tokens);
  const weight = all[SIZE] as number;
  const mean = weight === 0 ? size : (all[SIZE + 1] as number) / weight;
  const variance = weight === 0 ? 0 : Math.max(0, (all[SIZE + 2] as number) / weight - mean * mean);
  const isChanged =
    weight >= SIZE_EVIDENCE_LEAST &&
    changed(all, CHANGE.size, (size - mean) / Math.max(SIZE_DEVIATION_LEAST, Math.sqrt(variance)));
  const older = isChanged ? Math.min(kept, AFTER_CHANGE / weight) : kept;
  all[SIZE] = weight * older + 1;
  all[SIZE + 1] = (all[SIZE + 1] as number) * older + size;
  all[SIZE + 2] = (all[SIZE + 2] as number) * older + size * size;
  return isChanged;
}

/** How much the evidence before a change may still weigh. */
export const AFTER_CHANGE = 4;
const SIZE_EVIDENCE_LEAST = 8;
/** Of a logarithm: tasks of one class that differ by less than a tenth do not make a twentieth suspicious. */
const SIZE_DEVIATION_LEAST = 0.1;
/** Deviations that are expected of chance, per task; no single task counts for more than the limit. */
const SLACK = 0.5;
const DEVIATION_MOST = 2;
/** So many deviations beyond chance are a change: four failures in a row of what succeeds nine times of ten. */
const CHANGE_FROM = 6;

function changed(all: Float64Array, at: number, deviation: number): boolean {
  const limited = Math.max(-DEVIATION_MOST, Math.min(DEVIATION_MOST, deviation));
  const up = Math.max(0, (all[at] as number) + limited - SLACK);
  const down = Math.max(0, (all[at + 1] as number) - limited - SLACK);
  const isChanged = up > CHANGE_FROM || down > CHANGE_FROM;
  all[at] = isChanged ? 0 : up;
  all[at + 1] = isChanged ? 0 : down;
  return isChanged;
}
