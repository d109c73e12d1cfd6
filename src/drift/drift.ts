/** The words of the drift watch: what is expected of a class of tasks at a target, and what is told when it does not hold. Types only. */

/**
 * `tokens` and `cost` (picodollars) are of a task that was answered; `refusals` the share of tasks with a refused answer, `schema-failures`
 * that of tasks with an answer or a call that is not what was asked for, of those where anything was.
 */
export const MEASURES = ["tokens", "cost", "refusals", "schema-failures"] as const;
export type Measure = (typeof MEASURES)[number];

export type Direction = "up" | "down";

/** What a report leaves to be expected of a measure, with the bounds of chance and tolerance. */
export interface ExpectedMeasure {
  readonly mean: number;
  /** A mean above it has risen. */
  readonly high: number;
  /** A mean below it, of values cut at {@link cut}, has fallen; absent: that is nothing to be told of. */
  readonly low?: number;
  /** What one task counts for at most. */
  readonly cut: number;
}

/** One class at one target. */
export interface Expectation {
  /** As live tasks have it: an id, or what an operator calls it. */
  readonly className: string;
  /** `provider/model`. */
  readonly target: string;
  /** The file that it is from, as the config has it. */
  readonly report: string;
  /** Its run's id. */
  readonly run: string;
  /** Tasks of the report that it is made of. */
  readonly tasks: number;
  /** Absent: the report does not tell. */
  readonly measures: Readonly<Partial<Record<Measure, ExpectedMeasure>>>;
}

/** A task of a class at a target, as far as it is known. */
export interface LiveTask {
  readonly className: string;
  readonly target: string;
  /** Absent: nobody told. */
  readonly values: Readonly<Partial<Record<Measure, number>>>;
}

export interface Drift {
  /** The same for the same departure, also after a restart. */
  readonly id: string;
  readonly className: string;
  readonly target: string;
  readonly measure: Measure;
  readonly direction: Direction;
  readonly expected: ExpectedMeasure;
  /** The mean of the newest tasks when it was told. */
  readonly live: number;
  /** So many of them. */
  readonly tasks: number;
  readonly report: string;
  readonly firedAtMs: number;
  readonly resolvedAtMs: number | undefined;
}

/** Of a drift `fired` once, and `resolved` once after it. */
export interface DriftEvent {
  /** An idempotency key: after a crash the same event may be told again with the same one. */
  readonly id: string;
  readonly kind: "fired" | "resolved";
  readonly drift: Drift;
  /** In a sentence: names and numbers, never a prompt or a key. */
  readonly text: string;
  readonly atMs: number;
}

/** `few`: too few live tasks to tell; `as-expected`; `drifted`. */
export type WatchedState = "few" | "as-expected" | "drifted";

/** A measure as it stands. */
export interface MeasureState {
  readonly measure: Measure;
  readonly expected: ExpectedMeasure;
  /** Of the newest 50 to 100 tasks, which tell; `undefined`: there is none. */
  readonly live: number | undefined;
  /** So many of them. */
  readonly liveTasks: number;
  /** Live tasks in all that told it. */
  readonly tasks: number;
  readonly state: WatchedState;
  /** How near it is to being told, from 0 to 1: the logarithm of the evidence by that of what it takes. */
  readonly evidence: number;
  readonly drift: Drift | undefined;
}

export interface ExpectationState {
  readonly expectation: Expectation;
  readonly measures: readonly MeasureState[];
}
