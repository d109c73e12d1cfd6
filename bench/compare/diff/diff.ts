/** Two reports of the same tasks: what each target cost and passed then and now, task by task, each its own control. Values in, values out. */
import type { Report, ReportRow } from "../report.ts";
import {
  type Drawn,
  type Interval,
  pairedDifferenceInterval,
  pairedRatioInterval,
  type Ratios,
} from "../statistics.ts";

/** `undefined`: it cannot be said. */
export interface Change {
  readonly was: number | undefined;
  readonly is: number | undefined;
  /** Of a cost `is / was - 1`, of a share `is - was`. */
  readonly change: number | undefined;
  /** Of the change, at 95 %. `undefined`: too few tasks. */
  readonly interval: Interval | undefined;
  /** Whether the interval leaves out that nothing changed. */
  readonly isSignificant: boolean;
}

export interface Difference {
  readonly target: string;
  /** `undefined`: over all classes. */
  readonly taskClass: string | undefined;
  /** That both have run. */
  readonly tasks: number;
  /** Dollars of a run. */
  readonly cost: Change;
  readonly costPerSuccess: Change;
  readonly passRate: Change;
  /** Runs that left nothing to judge, of all. */
  readonly errors: readonly [was: number, is: number];
}

export interface ReportDiff {
  /** By target: over all, then by class in the order of the suites. */
  readonly differences: readonly Difference[];
  /** Targets of the old one that the new one lacks, and the other way round. */
  readonly gone: readonly string[];
  readonly added: readonly string[];
  /** Whether one was simulated and the other was not. */
  readonly isApart: boolean;
  /** What else is not the same, for people. */
  readonly notes: readonly string[];
}

/** @param only These targets; `undefined`: all. */
export function diffOf(old: Report, now: Report, only: readonly string[] | undefined): ReportDiff {
  const isAsked = (name: string): boolean => only === undefined || only.includes(name);
  const before = old.targets.map(({ name }) => name).filter(isAsked);
  const after = now.targets.map(({ name }) => name).filter(isAsked);
  const shared = before.filter((name) => after.includes(name));
  const drawn: Drawn = { resamples: RESAMPLES, seed: now.settings.seed };
  return {
    differences: shared.flatMap((target) => differencesOf(target, old, now, drawn)),
    gone: before.filter((name) => !after.includes(name)),
    added: after.filter((name) => !before.includes(name)),
    isApart: old.is_sandbox !== now.is_sandbox,
    notes: notesOf(old, now, shared),
  };
}

const RESAMPLES = 2000;

type Pair = readonly [was: ReportRow, is: ReportRow];

function differencesOf(target: string, old: Report, now: Report, drawn: Drawn): readonly Difference[] {
  const before = new Map(old.rows.filter((row) => row.target === target).map((row) => [keyOf(row), row]));
  const byClass = new Map<string, Pair[]>();
  const all: Pair[] = [];
  for (const is of now.rows) {
    if (is.target !== target || is.runs === 0) continue;
    const was = before.get(keyOf(is));
    if (was === undefined || was.runs === 0) continue;
    all.push([was, is]);
    const ofClass = byClass.get(is.class);
    if (ofClass === undefined) byClass.set(is.class, [[was, is]]);
    else ofClass.push([was, is]);
  }
  const whole = differenceOf(target, undefined, all, drawn);
  // A single class says the same once more.
  if (byClass.size < 2) return [whole];
  return [whole, ...[...byClass].map(([name, pairs]) => differenceOf(target, name, pairs, drawn))];
}

function keyOf({ suite, task }: ReportRow): string {
  return JSON.stringify([suite, task]);
}

function differenceOf(target: string, taskClass: string | undefined, pairs: readonly Pair[], drawn: Drawn): Difference {
  const priced = pairs.filter((pair) => pair.every(({ cost_pico_usd: cost }) => cost !== null));
  const cost = (row: ReportRow): number => Number(row.cost_pico_usd) / 1e12;
  return {
    target,
    taskClass,
    tasks: pairs.length,
    cost: ratioChange(priced, cost, (row) => row.runs, drawn),
    costPerSuccess: ratioChange(priced, cost, (row) => row.passed, drawn),
    passRate: shareChange(pairs, drawn),
    errors: [sum(pairs.map(([was]) => was.errors)), sum(pairs.map(([, is]) => is.errors))],
  };
}

function ratioChange(
  pairs: readonly Pair[],
  over: (row: ReportRow) => number,
  under: (row: ReportRow) => number,
  drawn: Drawn,
): Change {
  const [was, is] = [0, 1].map((side): Ratios => {
    const rows = pairs.map((pair) => pair[side] as ReportRow);
    return { over: rows.map(over), under: rows.map(under) };
  }) as [Ratios, Ratios];
  const [before, after] = [quotient(was), quotient(is)];
  if (before === undefined || after === undefined || before === 0) {
    // What was free and is free has not changed; what was free and is not has no ratio.
    const change = before === 0 && after === 0 ? 0 : undefined;
    return { was: before, is: after, change, interval: undefined, isSignificant: false };
  }
  const [low, high] = pairedRatioInterval(is, was, drawn) ?? [];
  const interval = low === undefined || high === undefined ? undefined : ([less(low), less(high)] as const);
  return { was: before, is: after, change: after / before - 1, interval, isSignificant: leavesOutZero(interval) };
}

function quotient({ over, under }: Ratios): number | undefined {
  const parts = sum(under);
  return parts === 0 ? undefined : sum(over) / parts;
}

function less(ratio: number | null): number | null {
  return ratio === null ? null : ratio - 1;
}

/** Mean of the tasks' own shares: a task that ran more often counts no more. */
function shareChange(pairs: readonly Pair[], drawn: Drawn): Change {
  const shares = pairs.flatMap(([was, is]) => {
    const judged = [was.passed + was.failed, is.passed + is.failed] as const;
    return judged[0] === 0 || judged[1] === 0 ? [] : [[was.passed / judged[0], is.passed / judged[1]] as const];
  });
  if (shares.length === 0)
    return { was: undefined, is: undefined, change: undefined, interval: undefined, isSignificant: false };
  const was = sum(shares.map(([one]) => one)) / shares.length;
  const is = sum(shares.map(([, one]) => one)) / shares.length;
  const interval = pairedDifferenceInterval(
    shares.map(([one, other]) => other - one),
    drawn,
  );
  return { was, is, change: is - was, interval, isSignificant: leavesOutZero(interval) };
}

function leavesOutZero(interval: Interval | undefined): boolean {
  if (interval === undefined) return false;
  const [low, high] = interval;
  return (low !== null && low > 0) || (high !== null && high < 0);
}

function sum(values: readonly number[]): number {
  return values.reduce((all, value) => all + value, 0);
}

function notesOf(old: Report, now: Report, shared: readonly string[]): readonly string[] {
  const notes: string[] = [];
  if (old.is_sandbox !== now.is_sandbox)
    notes.push(
      `the ${old.is_sandbox ? "old" : "new"} report is of the sandbox and the other is not: what differs says nothing of a model`,
    );
  for (const [word, report] of [
    ["old", old],
    ["new", now],
  ] as const) {
    if (report.state === "partial")
      notes.push(`the ${word} report is not whole: only tasks that both have are compared`);
    if (report.rows_omitted > 0)
      notes.push(
        `the ${word} report has no rows of ${report.rows_omitted} more tasks at targets: they are not compared`,
      );
  }
  for (const name of shared) {
    const [was, is] = [old, now].map((report) => report.targets.find((target) => target.name === name)?.model);
    if (was !== is) notes.push(`${name} was ${was} and is ${is}`);
  }
  const suites = new Map(old.settings.suites.map((suite) => [suite.name, suite.sha256]));
  for (const { name, sha256 } of now.settings.suites) {
    const was = suites.get(name);
    if (was !== undefined && was !== null && sha256 !== null && was !== sha256)
      notes.push(`the suite ${name} has changed: tasks of the same name are taken for the same`);
  }
  for (const key of ["repeats", "cache", "judge", "concurrency"] as const) {
    const [was, is] = [old.settings[key], now.settings[key]];
    if (was !== is) notes.push(`${key} was ${was ?? "none"} and is ${is ?? "none"}`);
  }
  return notes;
}
