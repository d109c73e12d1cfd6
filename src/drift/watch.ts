/**
 * The drift watch: whether live tasks of a class at a target are still as a report said, told when they are not and when they are again.
 *
 * Pure: a task and a time in, events out. Bounded by the expectations there are; a series is five numbers for each direction, and two
 * windows of sums.
 */
import { z } from "zod";
import type {
  Direction,
  Drift,
  DriftEvent,
  Expectation,
  ExpectationState,
  ExpectedMeasure,
  LiveTask,
  Measure,
  MeasureState,
} from "./drift.ts";
import { evidenceOf, EVIDENCE_LEAST, NO_STAKES, stakedDown, stakedUp, type Stakes } from "./evidence.ts";
import { driftText } from "./text.ts";

export interface DriftWatch {
  /** From now on these are expected. What is the same as before goes on; what is not begins anew, and what fires of it is over. */
  expect(expectations: readonly Expectation[], atMs: number): readonly DriftEvent[];
  /** A task that has ended. */
  observe(task: LiveTask, atMs: number): readonly DriftEvent[];
  states(): readonly ExpectationState[];
  snapshot(): unknown;
  /** To be called before {@link expect}. @throws Error where it is not what was kept. */
  restore(kept: unknown): void;
  revision(): number;
}

/** The name that the state is kept by. */
export const DRIFT_STATE = "drift";

/** Nothing is told of fewer tasks. */
export const TASKS_LEAST = 20;
/** Tasks of a window; a drift is over when two whole ones in a row are as expected. */
export const WINDOW_TASKS = 50;
const CALM_WINDOWS = 2;

/** @param nameOf What an operator calls a class whose id is derived. */
export function createDriftWatch(nameOf: (className: string) => string | undefined): DriftWatch {
  return new Watch(nameOf);
}

class Watch implements DriftWatch {
  readonly #nameOf: (className: string) => string | undefined;
  #pairs = new Map<string, Pair>();
  /** Kept by an earlier process, of expectations that are not there yet, by their identity. */
  #kept = new Map<string, KeptSeries>();
  #revision = 0;

  constructor(nameOf: (className: string) => string | undefined) {
    this.#nameOf = nameOf;
  }

  expect(expectations: readonly Expectation[], atMs: number): readonly DriftEvent[] {
    const before = new Map(
      [...this.#pairs.values()].flatMap(({ series }) => series.map((one) => [one.identity, one] as const)),
    );
    this.#pairs = new Map(
      expectations.map((expectation) => {
        const made = Object.entries(expectation.measures).map(([measure, expected]) => {
          const series = new Series(expectation, measure as Measure, expected);
          const same = before.get(series.identity);
          const kept = this.#kept.get(series.identity) ?? same?.kept();
          if (kept !== undefined) series.recall(kept);
          before.delete(series.identity);
          this.#kept.delete(series.identity);
          return series;
        });
        return [keyOf(expectation.className, expectation.target), { expectation, series: made }] as const;
      }),
    );
    this.#revision += 1;
    const open = [
      ...[...before.values()].flatMap(({ drift }) => drift ?? []),
      ...[...this.#kept.values()].flatMap(({ drift }) => drift ?? []),
    ];
    this.#kept.clear();
    // Nobody would ever say of them that they are over.
    return open.map((drift) => eventOf("resolved", drift, atMs));
  }

  observe({ className, target, values }: LiveTask, atMs: number): readonly DriftEvent[] {
    const name = this.#nameOf(className);
    const pair =
      this.#pairs.get(keyOf(className, target)) ??
      (name === undefined ? undefined : this.#pairs.get(keyOf(name, target)));
    if (pair === undefined) return [];
    this.#revision += 1;
    return pair.series.flatMap((series) => {
      const value = values[series.measure];
      return value === undefined || !Number.isFinite(value) ? [] : series.observe(value, atMs);
    });
  }

  states(): readonly ExpectationState[] {
    return [...this.#pairs.values()].map(({ expectation, series }) => ({
      expectation,
      measures: series.map((one) => one.state()),
    }));
  }

  snapshot(): unknown {
    const series = [...this.#pairs.values()].flatMap((pair) => pair.series);
    return { version: VERSION, series: series.map((one) => ({ identity: one.identity, ...one.kept() })) };
  }

  restore(kept: unknown): void {
    const { series } = keptSchema.parse(kept);
    this.#kept = new Map(series.map(({ identity, ...one }) => [identity, one]));
  }

  revision(): number {
    return this.#revision;
  }
}

interface Pair {
  readonly expectation: Expectation;
  readonly series: readonly Series[];
}

function keyOf(className: string, target: string): string {
  return `${className}\u0000${target}`;
}

interface Sum {
  readonly tasks: number;
  readonly sum: number;
}

const NOTHING: Sum = { tasks: 0, sum: 0 };

/** One measure of one class at one target. */
class Series {
  readonly expectation: Expectation;
  readonly measure: Measure;
  readonly expected: ExpectedMeasure;
  readonly identity: string;
  #up: Stakes = NO_STAKES;
  #down: Stakes = NO_STAKES;
  #tasks = 0;
  /** The window under way, and the whole one before it. */
  #window: Sum = NOTHING;
  #last: Sum = NOTHING;
  #calm = 0;
  #drift: Drift | undefined;

  constructor(expectation: Expectation, measure: Measure, expected: ExpectedMeasure) {
    const { className, target } = expectation;
    this.expectation = expectation;
    this.measure = measure;
    this.expected = expected;
    // Another report, or another bound, is another question.
    this.identity = JSON.stringify([className, target, measure, expected.mean, expected.high, expected.low ?? null]);
  }

  get drift(): Drift | undefined {
    return this.#drift;
  }

  observe(given: number, atMs: number): readonly DriftEvent[] {
    const { high, low, cut } = this.expected;
    const value = Math.min(given, cut);
    this.#tasks += 1;
    this.#window = { tasks: this.#window.tasks + 1, sum: this.#window.sum + value };
    const isWhole = this.#window.tasks >= WINDOW_TASKS;
    const events = this.#drift === undefined ? this.#bet(value, atMs) : isWhole ? this.#calmed(high, low, atMs) : [];
    if (isWhole) [this.#last, this.#window] = [this.#window, NOTHING];
    return events;
  }

  state(): MeasureState {
    const live = this.#live();
    const most = Math.max(evidenceOf(this.#up), evidenceOf(this.#down));
    return {
      measure: this.measure,
      expected: this.expected,
      live: live.tasks === 0 ? undefined : live.sum / live.tasks,
      liveTasks: live.tasks,
      tasks: this.#tasks,
      state: this.#drift !== undefined ? "drifted" : this.#tasks < TASKS_LEAST ? "few" : "as-expected",
      evidence: this.#drift !== undefined ? 1 : Math.min(1, Math.max(0, Math.log(most) / Math.log(EVIDENCE_LEAST))),
      drift: this.#drift,
    };
  }

  kept(): KeptSeries {
    return {
      up: [...this.#up],
      down: [...this.#down],
      tasks: this.#tasks,
      window: this.#window,
      last: this.#last,
      calm: this.#calm,
      ...(this.#drift === undefined ? {} : { drift: this.#drift }),
    };
  }

  recall({ up, down, tasks, window, last, calm, drift }: KeptSeries): void {
    this.#up = up;
    this.#down = down;
    this.#tasks = tasks;
    this.#window = window;
    this.#last = last;
    this.#calm = calm;
    this.#drift = drift === undefined ? undefined : { ...drift, resolvedAtMs: drift.resolvedAtMs };
  }

  #bet(value: number, atMs: number): readonly DriftEvent[] {
    const { high, low } = this.expected;
    this.#up = stakedUp(this.#up, value, high);
    if (low !== undefined) this.#down = stakedDown(this.#down, value, low);
    if (this.#tasks < TASKS_LEAST) return [];
    if (evidenceOf(this.#up) >= EVIDENCE_LEAST) return [this.#fired("up", atMs)];
    return evidenceOf(this.#down) >= EVIDENCE_LEAST ? [this.#fired("down", atMs)] : [];
  }

  #fired(direction: Direction, atMs: number): DriftEvent {
    const { expectation, measure, expected } = this;
    const { className, target, report } = expectation;
    const live = this.#live();
    this.#drift = {
      id: `drift|${className}|${target}|${measure}|${direction}|${Math.round(atMs)}`,
      className,
      target,
      measure,
      direction,
      expected,
      live: live.sum / live.tasks,
      tasks: live.tasks,
      report,
      firedAtMs: atMs,
      resolvedAtMs: undefined,
    };
    this.#calm = 0;
    // What is over is judged by windows that began after it.
    [this.#last, this.#window] = [live, NOTHING];
    return eventOf("fired", this.#drift, atMs);
  }

  /** A whole window of a drift has passed. */
  #calmed(high: number, low: number | undefined, atMs: number): readonly DriftEvent[] {
    const mean = this.#window.sum / this.#window.tasks;
    const isCalm = mean <= high && mean >= (low ?? 0);
    this.#calm = isCalm ? this.#calm + 1 : 0;
    if (this.#drift === undefined || this.#calm < CALM_WINDOWS) return [];
    const both = { tasks: this.#last.tasks + this.#window.tasks, sum: this.#last.sum + this.#window.sum };
    const over = { ...this.#drift, live: both.sum / both.tasks, tasks: both.tasks };
    this.#drift = undefined;
    this.#calm = 0;
    this.#up = NO_STAKES;
    this.#down = NO_STAKES;
    return [eventOf("resolved", over, atMs)];
  }

  #live(): Sum {
    return { tasks: this.#last.tasks + this.#window.tasks, sum: this.#last.sum + this.#window.sum };
  }
}

function eventOf(kind: DriftEvent["kind"], drift: Drift, atMs: number): DriftEvent {
  const told = kind === "fired" ? drift : { ...drift, resolvedAtMs: atMs };
  return { id: `${drift.id}/${kind}`, kind, drift: told, text: driftText(kind, told), atMs };
}

const VERSION = 1;
const number = z.number();
const sum = z.object({ tasks: number, sum: number });
const expectedMeasure = z.object({ mean: number, high: number, low: number.exactOptional(), cut: number });
const keptDrift = z.object({
  id: z.string(),
  className: z.string(),
  target: z.string(),
  measure: z.enum(["tokens", "cost", "refusals", "schema-failures"]),
  direction: z.enum(["up", "down"]),
  expected: expectedMeasure,
  live: number,
  tasks: number,
  report: z.string(),
  firedAtMs: number,
  // JSON leaves out what is not there.
  resolvedAtMs: number.optional(),
});
const keptSeries = z.object({
  up: z.array(number),
  down: z.array(number),
  tasks: number,
  window: sum,
  last: sum,
  calm: number,
  drift: keptDrift.exactOptional(),
});
type KeptSeries = Omit<z.infer<typeof keptSeries>, "drift"> & { readonly drift?: Drift };
const keptSchema = z
  .object({ version: z.literal(VERSION), series: z.array(keptSeries.extend({ identity: z.string() })) })
  .transform(({ series }) => ({
    series: series.map(({ drift, ...one }): KeptSeries & { readonly identity: string } => ({
      ...one,
      ...(drift === undefined ? {} : { drift: { ...drift, resolvedAtMs: drift.resolvedAtMs } }),
    })),
  }));
