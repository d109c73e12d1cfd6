/**
 * How many turns a task still has, by how many it had: the share of tasks that end at each turn, in buckets that double.
 *
 * A mean would not do: half of a class' tasks may end at once, and who is at turn ten is then far from its end.
 */
import { TURN_BUCKETS } from "./estimates-priors.ts";

/** Turns that lie ahead: about `expected` of them, `offset` turns from the one at hand on. */
export interface TurnsAhead {
  readonly offset: number;
  readonly expected: number;
}

const BUCKETS = TURN_BUCKETS.length;
/** Two numbers a bucket: how many ended in it, and how many turns of it there were. */
export const ENDINGS_LENGTH: number = 2 * BUCKETS;

/** Turns of evidence that the endings before them weigh, in each bucket. */
const PRIOR_TURNS = 5;
/** No task is taken to go on for longer than this on average. */
const ENDING_LEAST = 0.002;

/** @param counts Of {@link ENDINGS_LENGTH}, changed in place. @param kept What of the older evidence still counts. */
export function countEnding(counts: Float64Array, turns: number, kept: number): void {
  let before = 0;
  for (let bucket = 0; bucket < BUCKETS; bucket += 1) {
    const end = TURN_BUCKETS[bucket] as number;
    const ended = bucket * 2;
    counts[ended] = (counts[ended] as number) * kept + (turns > before && turns <= end ? 1 : 0);
    counts[ended + 1] = (counts[ended + 1] as number) * kept + Math.max(0, Math.min(turns, end) - before);
    before = end;
  }
}

/** A task that was counted at one number of turns went on to another. */
export function recountEnding(counts: Float64Array, turnsThen: number, turns: number): void {
  const [then, now] = [emptyEndings(), emptyEndings()];
  countEnding(then, turnsThen, 1);
  countEnding(now, turns, 1);
  for (let at = 0; at < counts.length; at += 1) {
    counts[at] = Math.max(0, (counts[at] as number) + (now[at] as number) - (then[at] as number));
  }
}

function emptyEndings(): Float64Array {
  return new Float64Array(ENDINGS_LENGTH);
}

/** The share that ends at a turn, by bucket: what was counted, and what was believed before. */
export function endings(counts: Float64Array | undefined, prior: readonly number[]): readonly number[] {
  if (counts === undefined) return prior;
  return prior.map((share, bucket) => {
    const [ended, turns] = [counts[bucket * 2] as number, counts[bucket * 2 + 1] as number];
    return (ended + PRIOR_TURNS * share) / (turns + PRIOR_TURNS);
  });
}

/**
 * The turns that are expected after the one at hand, nearest first; a turn of a run stands for all of its bucket.
 *
 * @param turnsSoFar Before the one at hand.
 */
export function turnsAhead(shares: readonly number[], turnsSoFar: number): readonly TurnsAhead[] {
  const ahead: TurnsAhead[] = [];
  let surviving = 1;
  let turn = turnsSoFar + 1;
  let offset = 0;
  for (let bucket = bucketOf(turn); bucket < BUCKETS; bucket += 1) {
    const goesOn = 1 - Math.min(1, Math.max(ENDING_LEAST, shares[bucket] as number));
    const run = runOf(goesOn, (TURN_BUCKETS[bucket] as number) - turn + 1);
    if (run.sum > 0) ahead.push({ offset: offset + run.mean, expected: surviving * run.sum });
    surviving *= run.surviving;
    if (surviving < SURVIVING_LEAST) break;
    offset += run.length;
    turn += run.length;
  }
  return ahead;
}

/** So few tasks go on that what they would cost shows nowhere. */
const SURVIVING_LEAST = 1e-6;

function bucketOf(turn: number): number {
  return TURN_BUCKETS.findIndex((end) => turn <= end);
}

/** Of turns 1 to `length`, each of which is there as often as the one before it times `goesOn`: how many, and where on average. */
function runOf(
  goesOn: number,
  length: number,
): { readonly sum: number; readonly mean: number; readonly surviving: number; readonly length: number } {
  if (goesOn <= 0) return { sum: 0, mean: 1, surviving: 0, length };
  const ends = 1 - goesOn;
  if (!Number.isFinite(length)) return { sum: goesOn / ends, mean: 1 / ends, surviving: 0, length };
  const surviving = goesOn ** length;
  const sum = (goesOn * (1 - surviving)) / ends;
  const mean = 1 / ends - (length * surviving) / (1 - surviving);
  return { sum, mean, surviving, length };
}
