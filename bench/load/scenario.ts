/**
 * What a measurement is: one number for one contender in one round, and what it is to be held against.
 */
import type { Contender } from "./contender.ts";
import type { Hole } from "./hole.ts";
import type { RunningUpstream } from "./upstream-process.ts";

export interface Scenario {
  readonly name: string;
  readonly title: string;
  /** What the value is. Less is better. */
  readonly unit: string;
  readonly goals: readonly Goal[];
  /** Measured on a process that was started for this alone. */
  readonly fresh: boolean;
  measure(contender: Contender, bench: Bench): Promise<Sample>;
}

export interface Bench {
  readonly upstream: RunningUpstream;
  /** Only with a process that was started for the measurement. */
  readonly hole: Hole | undefined;
  /** Load that is not measured, before the window. */
  readonly warmMs: number;
  readonly windowMs: number;
}

export interface Sample {
  readonly value: number;
  /** Further figures of the same measurement. */
  readonly others: Readonly<Record<string, number>>;
  /** Answers that were not what they should be. One is enough to keep the value out of every comparison. */
  readonly errors: number;
  /** What the first of them was. */
  readonly problem: string | undefined;
}

export interface Goal {
  readonly text: string;
  /** Sluice's value against this contender's; `undefined`: Sluice's own. */
  readonly peer: string | undefined;
  /** What is compared with the bounds: `peer / own` is to be large, `own / peer` and `own` small. */
  readonly compare: "peer / own" | "own / peer" | "own";
  readonly must: number;
  readonly aim: number;
}

/** Counts what went wrong, and keeps the first reason. */
export class Errors {
  count = 0;
  first: string | undefined;

  add(reason: string): void {
    this.count += 1;
    this.first ??= reason;
  }
}
