/** Medians over rounds, and what they say about the goals. Values in, values out. */
import type { Goal, Sample } from "./scenario.ts";

/** NaN when there is none. */
export function median(values: readonly number[]): number {
  const sorted = values.toSorted((one, other) => one - other);
  const middle = sorted.length / 2;
  const upper = sorted[Math.floor(middle)] ?? Number.NaN;
  return Number.isInteger(middle) ? (upper + (sorted[middle - 1] ?? Number.NaN)) / 2 : upper;
}

/** What is known of one contender in one scenario. */
export interface Summary {
  readonly contender: string;
  readonly value: number;
  readonly least: number;
  readonly most: number;
  readonly others: Readonly<Record<string, number>>;
  readonly errors: number;
  readonly problem: string | undefined;
  readonly rounds: readonly Sample[];
}

export function summaryOf(contender: string, rounds: readonly Sample[]): Summary {
  const values = rounds.map((round) => round.value);
  const names = Object.keys(rounds[0]?.others ?? {});
  return {
    contender,
    value: median(values),
    least: Math.min(...values),
    most: Math.max(...values),
    others: Object.fromEntries(
      names.map((name) => [name, median(rounds.map((round) => round.others[name] ?? Number.NaN))]),
    ),
    errors: rounds.reduce((sum, round) => sum + round.errors, 0),
    problem: rounds.find((round) => round.problem !== undefined)?.problem,
    rounds,
  };
}

export interface Verdict {
  readonly goal: Goal;
  /** `undefined` when it cannot be said, and then why. */
  readonly measured: number | undefined;
  readonly why: string | undefined;
  readonly meetsMust: boolean;
  readonly meetsAim: boolean;
}

/** @param own The name of the contender whose goals these are. */
export function verdictOf(goal: Goal, own: string, summaries: readonly Summary[]): Verdict {
  const unknown = (why: string): Verdict => ({ goal, measured: undefined, why, meetsMust: false, meetsAim: false });
  const values: number[] = [];
  for (const name of [own, ...(goal.peer === undefined ? [] : [goal.peer])]) {
    const summary = summaries.find((each) => each.contender === name);
    if (summary === undefined || summary.rounds.length === 0) return unknown(`${name} was not measured`);
    // A contender that fails is often fast.
    if (summary.errors > 0) return unknown(`${name} had errors`);
    if (Number.isNaN(summary.value)) return unknown(`${name} has no value`);
    values.push(summary.value);
  }
  const [ownValue = Number.NaN, peerValue = Number.NaN] = values;
  switch (goal.compare) {
    case "peer / own":
      return judged(goal, peerValue / ownValue, (measured, bound) => measured >= bound);
    case "own / peer":
      return judged(goal, ownValue / peerValue, (measured, bound) => measured <= bound);
    case "own":
      return judged(goal, ownValue, (measured, bound) => measured <= bound);
  }
}

function judged(goal: Goal, measured: number, meets: (measured: number, bound: number) => boolean): Verdict {
  return {
    goal,
    measured,
    why: undefined,
    meetsMust: meets(measured, goal.must),
    meetsAim: meets(measured, goal.aim),
  };
}
