/**
 * A server of one's own: how busy the tasks would keep it, how many of it their busiest hour takes, and at how many tasks a day it costs
 * as much as what is paid now. It is paid by the hour, busy or not.
 */
import { chanceOf } from "../../src/policies/trial.ts";
import { intervalOf, type Interval } from "./draws.ts";
import type { Hardware } from "./price-rules.ts";
import type { Work } from "./projection.ts";
import { CLASSES_MAX, OTHER_CLASSES } from "./sums.ts";

/** Samples of the tasks, drawn with repetition, by which it shows how much a mean depends on single ones. */
export const SAMPLES = 200;

const HOUR_MS = 3_600_000;
const DAY_SECONDS = 86_400;

/** Tasks of one class that go to the server. */
class Load {
  tasks = 0;
  /** Picodollars, for what they cost now. */
  present = 0;
  seconds = 0;
  /** Of those that are projected. */
  projectedSeconds = 0;
  readonly samples = {
    tasks: new Float64Array(SAMPLES),
    present: new Float64Array(SAMPLES),
    seconds: new Float64Array(SAMPLES),
  };

  add(present: number, seconds: number, seen: boolean, word: string): void {
    this.tasks += 1;
    this.present += present;
    this.seconds += seconds;
    if (!seen) this.projectedSeconds += seconds;
    const chance = chanceOf(word);
    for (let sample = 0; sample < SAMPLES; sample += 1) {
      const times = poisson(chance());
      if (times === 0) continue;
      this.samples.tasks[sample] = (this.samples.tasks[sample] as number) + times;
      this.samples.present[sample] = (this.samples.present[sample] as number) + times * present;
      this.samples.seconds[sample] = (this.samples.seconds[sample] as number) + times * seconds;
    }
  }
}

/** How often a task is in a sample that is drawn with repetition: of mean 1. */
function poisson(chance: number): number {
  let share = Math.exp(-1);
  let times = 0;
  for (let left = chance - share; left > 0 && times < 10; left -= share) {
    times += 1;
    share /= times;
  }
  return times;
}

export class ServerLoad {
  readonly hardware: Hardware;
  readonly #seed: string;
  readonly #classes = new Map<string, Load>();
  /** Busy seconds by the hour since 1970. */
  readonly #hours = new Map<number, number>();
  readonly #hoursOfDay = new Float64Array(24);

  constructor(hardware: Hardware, seed: string) {
    this.hardware = hardware;
    this.#seed = seed;
  }

  /** @param present What the task costs now; `undefined`: not known, then it is no reason for or against a server. */
  add(className: string, task: string, work: readonly Work[], seen: boolean, present: number | undefined): void {
    let seconds = 0;
    for (const step of work) {
      const busy = step.fresh / this.hardware.prefill + step.output / this.hardware.decode;
      const hour = Math.floor(step.atMs / HOUR_MS);
      this.#hours.set(hour, (this.#hours.get(hour) ?? 0) + busy);
      this.#hoursOfDay[hour % 24] = (this.#hoursOfDay[hour % 24] as number) + busy;
      seconds += busy;
    }
    if (present === undefined) return;
    const key = this.#classes.has(className) || this.#classes.size < CLASSES_MAX ? className : OTHER_CLASSES;
    let load = this.#classes.get(key);
    if (load === undefined) this.#classes.set(key, (load = new Load()));
    load.add(present, seconds, seen, `${this.#seed} ${task}`);
  }

  get busySeconds(): number {
    return [...this.#hours.values()].reduce((sum, seconds) => sum + seconds, 0);
  }

  get classes(): readonly string[] {
    return [...this.#classes.keys()];
  }

  secondsOf(className: string): number {
    return this.#classes.get(className)?.seconds ?? 0;
  }

  /** For the busiest hour. @param times As much work as there was. */
  servers(times = 1): number {
    const busiest = [...this.#hours.values()].reduce((most, seconds) => Math.max(most, seconds), 0);
    return Math.max(1, Math.ceil((busiest * times) / (3_600 * this.hardware.busyMost)));
  }

  /** Dollars for so many hours. */
  paid(hours: number, times = 1): number {
    return this.servers(times) * hours * this.hardware.usdPerHour;
  }

  /** The busiest hour of a day over the mean one, all days together. @param hours Of which there are records. */
  busiestOverMean(hours: number): number {
    const sum = this.#hoursOfDay.reduce((all, seconds) => all + seconds, 0);
    const most = this.#hoursOfDay.reduce((all, seconds) => Math.max(all, seconds), 0);
    return sum === 0 ? 1 : (most * Math.min(24, Math.max(1, Math.ceil(hours)))) / sum;
  }

  /**
   * @param classNames Whose tasks are to go there.
   * @param factorOf By what a class' projected seconds are to be multiplied, by the sample.
   */
  breakEven(
    classNames: readonly string[],
    hours: number,
    factorOf: (className: string, sample: number) => number,
  ): BreakEven | undefined {
    const loads = classNames.flatMap((name) => {
      const load = this.#classes.get(name);
      return load === undefined ? [] : [{ name, load }];
    });
    const sum = (of: (load: Load) => number) => loads.reduce((all, { load }) => all + of(load), 0);
    const tasks = sum((load) => load.tasks);
    if (tasks === 0) return undefined;
    const peak = this.busiestOverMean(hours);
    const figures = this.#figures(
      tasks,
      sum((load) => load.present),
      sum((load) => load.seconds),
      peak,
    );
    const sampled = Array.from({ length: SAMPLES }, (_, sample) => {
      const at = (name: keyof Load["samples"]) => sum((load) => load.samples[name][sample] as number);
      const seconds = loads.reduce((all, { name, load }) => {
        const projected = load.seconds === 0 ? 0 : load.projectedSeconds / load.seconds;
        const factor = 1 - projected + projected * factorOf(name, sample);
        return all + (load.samples.seconds[sample] as number) * factor;
      }, 0);
      return this.#figures(at("tasks"), at("present"), seconds, peak);
    }).filter(({ tasksPerDay }) => Number.isFinite(tasksPerDay));
    const interval = (of: (figures: Figures) => number): Interval | undefined =>
      sampled.length === 0 ? undefined : intervalOf(sampled.map(of));
    return {
      ...figures,
      tasks,
      tasksPerDayNow: tasks / (hours / 24),
      busiestOverMean: peak,
      tasksPerDayInterval: tasks < 2 ? undefined : interval(({ tasksPerDay }) => tasksPerDay),
      busyInterval: tasks < 2 ? undefined : interval(({ busy }) => busy),
      verdict:
        figures.busy > 1
          ? "never"
          : figures.busy * peak > this.hardware.busyMost
            ? "not in the busiest hour"
            : "one server",
    };
  }

  #figures(tasks: number, present: number, seconds: number, peak: number): Figures {
    const { usdPerHour, busyMost } = this.hardware;
    const presentUsd = present / 1e12 / tasks;
    const tasksPerDay = presentUsd > 0 ? (24 * usdPerHour) / presentUsd : Number.POSITIVE_INFINITY;
    return {
      tasksPerDay,
      presentUsdPerTask: presentUsd,
      secondsPerTask: seconds / tasks,
      busyUsdPerTask: (usdPerHour / 3_600) * (seconds / tasks),
      busy: (tasksPerDay * seconds) / tasks / DAY_SECONDS,
      serverTasksPerDay: seconds > 0 ? (busyMost * DAY_SECONDS) / ((seconds / tasks) * peak) : Number.POSITIVE_INFINITY,
    };
  }
}

interface Figures {
  /** At which a server costs what is paid now. */
  readonly tasksPerDay: number;
  readonly presentUsdPerTask: number;
  readonly secondsPerTask: number;
  /** What a task costs on a server that is never idle: no volume makes it cheaper. */
  readonly busyUsdPerTask: number;
  /** Share of the day that the server is busy at the break-even. */
  readonly busy: number;
  /** As many as one server does, with the day's pattern as it was. */
  readonly serverTasksPerDay: number;
}

export interface BreakEven extends Figures {
  readonly tasks: number;
  readonly tasksPerDayNow: number;
  readonly busiestOverMean: number;
  /** `undefined`: too few tasks to say so. */
  readonly tasksPerDayInterval: Interval | undefined;
  readonly busyInterval: Interval | undefined;
  /**
   * `one server` can serve that many. `never`: even a server that is never idle costs more. `not in the busiest hour`: for that more would
   * have to be paid, which takes more tasks, and so on: as the day is, it does not pay.
   */
  readonly verdict: "one server" | "never" | "not in the busiest hour";
}
