/** What the runs cost over the best choice, and whether that is little enough. */
import { aligned } from "../trace/report.ts";
import type { Goal } from "../trace/goals.ts";
import type { Played } from "./run.ts";

/** Several seeds of one way to choose. */
export interface Way {
  readonly name: string;
  readonly played: readonly Played[];
}

/** Over the best fixed choice of a class, once so many tasks of it were seen. */
export const OVER_BEST_MAX = 1.05;
const LEARNED_AFTER = 200;
const RECOVERED_AFTER = 100;
export const MICROSECONDS_MAX = 30;
/** While its request is on its way. */
export const WRITTEN_MICROSECONDS_MAX = 50;
export const MEGABYTES_MAX = 16;

/** Tasks of a class in a phase, once it had time: from nothing on, or since something changed. */
export function settled({ index, phase }: Played, tasksPerPhase: number): boolean {
  return index % tasksPerPhase >= (phase === "start" ? LEARNED_AFTER : RECOVERED_AFTER);
}

export function goalsOf(learned: Way, tasksPerPhase: number): readonly Goal[] {
  const groups = new Map<string, Played[]>();
  for (const one of learned.played) {
    if (!settled(one, tasksPerPhase)) continue;
    const after =
      one.phase === "start" ? `after ${LEARNED_AFTER} tasks` : `${RECOVERED_AFTER} tasks after the ${one.phase}`;
    const what = `${one.className}, ${after}: over the best choice`;
    groups.set(what, [...(groups.get(what) ?? []), one]);
  }
  return [...groups].map(([what, played]) => ({
    what,
    measured: overBest(played),
    limit: OVER_BEST_MAX,
    isLeast: false,
  }));
}

/** What the choices cost in truth, as a multiple of what the best ones do. */
export function overBest(played: readonly Played[]): number {
  const sum = (of: (one: Played) => number) => played.reduce((total, one) => total + of(one), 0);
  return sum(({ expected }) => expected) / sum(({ best }) => best);
}

/** By the way to choose and by phase: the mean of the classes, so that one with dear tasks does not hide the others. */
export function waysText(ways: readonly Way[], tasksPerPhase: number): string {
  const phases = [...new Set(ways[0]?.played.map(({ phase }) => phase))];
  const heads = phases.flatMap((phase) => [`${phase}, first`, `${phase}, then`]);
  const rows = ways.map(({ name, played }) => [
    name,
    ...phases.flatMap((phase) =>
      [false, true].map((isSettled) =>
        meanOfClasses(played.filter((one) => one.phase === phase && settled(one, tasksPerPhase) === isSettled)).toFixed(
          3,
        ),
      ),
    ),
    (played.reduce((sum, { paid }) => sum + paid, 0) / played.reduce((sum, { best }) => sum + best, 0)).toFixed(3),
  ]);
  return aligned([["over the best choice", ...heads, "paid in all"], ...rows]);
}

export function meanOfClasses(played: readonly Played[]): number {
  const classes = [...new Set(played.map(({ className }) => className))];
  const ratios = classes.map((name) => overBest(played.filter(({ className }) => className === name)));
  return ratios.reduce((sum, ratio) => sum + ratio, 0) / ratios.length;
}

/** By task: the mean of classes and seeds, smoothed, over the best choice of the time. */
export function curveOf({ played }: Way, window: number): readonly number[] {
  const sums: { ratio: number; n: number }[] = [];
  for (const { index, expected, best } of played) {
    const at = (sums[index] ??= { ratio: 0, n: 0 });
    at.ratio += expected / best;
    at.n += 1;
  }
  const means = sums.map(({ ratio, n }) => ratio / n);
  return means.map((_, index) => {
    const near = means.slice(Math.max(0, index - window + 1), index + 1);
    return near.reduce((sum, mean) => sum + mean, 0) / near.length;
  });
}
