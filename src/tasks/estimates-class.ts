/** What is expected of the tasks of one class, at each target: what was seen, drawn towards what is known of others. */
import { CLASS_KEPT, type Known, type KnownClass } from "./estimates-known.ts";
import {
  priorEndings,
  priorReadShare,
  priorSuccess,
  PRIOR_TOKENS,
  type TargetFacts,
  type TaskShape,
} from "./estimates-priors.ts";
import { evidence, SEEN_AT, shrunk, type Statistic } from "./estimates-statistics.ts";
import { endings, turnsAhead, type TurnsAhead } from "./estimates-turns.ts";

/**
 * The nearest that a figure is known from. `class`: this class at this target. `class-elsewhere`: this class at other targets.
 * `target`: this target in other classes. `all`: all tasks. `prior`: none.
 */
export type Source = "class" | "class-elsewhere" | "target" | "all" | "prior";

export interface Estimate {
  readonly value: number;
  readonly source: Source;
  /** Tasks that the source has; older ones count in part. */
  readonly n: number;
}

/** The chance to succeed, as a Beta distribution. */
export interface Success {
  readonly mean: number;
  /** With 95 % of certainty it is not below this. */
  readonly low: number;
  /** What the chance is known from: what was seen, less what of it is long ago, and what was believed before. */
  readonly successes: number;
  readonly failures: number;
  readonly source: Source;
  readonly n: number;
}

export interface ClassEstimates {
  /** After the turn at hand, nearest first; a target may take more or fewer ({@link TargetEstimates.furtherTimes}). */
  ahead(turnsSoFar: number): readonly TurnsAhead[];
  at(target: TargetFacts): TargetEstimates;
}

/** Tokens are the target's own. */
export interface TargetEstimates {
  /** Of a whole task. */
  readonly turns: Estimate;
  /** How many turns after the first it takes, relative to the class. */
  readonly furtherTimes: number;
  readonly firstPromptTokens: Estimate;
  readonly growthTokens: Estimate;
  /** Of a turn. */
  readonly outputTokens: Estimate;
  /** Of the history that is sent again, what is read from the cache. */
  readonly readShare: Estimate;
  readonly success: Success;
  /** Picodollars; `undefined` where no whole task of the class was seen there. For people: prices may have changed since. */
  readonly costPerTask: Estimate | undefined;
  readonly costPerSuccess: Estimate | undefined;
}

/** Tasks that what is known of others weighs as much as: of a class at a target, a class, a target, all. */
const CELL_PRIOR = 4;
const CLASS_PRIOR = 4;
const TARGET_PRIOR = 10;
const ALL_PRIOR = 20;
/** Between what is believed of all and what is nearly certain, an outcome always stays possible. */
const SUCCESS_LEAST = 0.02;
/** A one-sided 95 % of a normal distribution. */
const LOW_DEVIATIONS = 1.645;

export class ClassReader implements ClassEstimates {
  readonly #known: Known;
  readonly #class: KnownClass | undefined;
  readonly #endings: readonly number[];
  /** Turns after the first, of this class. */
  readonly #further: number;
  readonly #growth: number;
  readonly #output: number;
  readonly #firstPrompt: number;

  constructor(known: Known, ofClass: KnownClass | undefined, shape: TaskShape) {
    this.#known = known;
    this.#class = ofClass;
    const assumed = priorEndings(shape);
    // What all tasks do tells little of one with other means: it may only halve what the request itself says.
    const prior = shape.isOneShot ? assumed : halfway(endings(known.endings, assumed), assumed);
    this.#endings = shape.isOneShot ? assumed : endings(ofClass?.endings, prior);
    this.#further = turnsAhead(this.#endings, 0).reduce((sum, { expected }) => sum + expected, 0);
    this.#growth = this.#ofClass("growth");
    this.#output = shape.isOneShot ? 0 : this.#ofClass("output");
    this.#firstPrompt = this.#ofClass("firstPrompt");
  }

  ahead(turnsSoFar: number): readonly TurnsAhead[] {
    return turnsAhead(this.#endings, turnsSoFar);
  }

  at(facts: TargetFacts): TargetEstimates {
    const cell = this.#class?.cells.get(facts.name);
    const ofTarget = this.#known.targets.get(facts.name)?.all;
    const ratio = facts.record?.tokenRatio ?? 1;
    const estimate = (name: Statistic, value: number): Estimate => {
      const { source, n } = this.#sourceOf(name, cell, ofTarget);
      return { value, source, n };
    };
    const drawn = (name: "further" | "growth" | "output", ofClass: number): number =>
      shrunk(cell, name, ofClass * shrunk(ofTarget, name, 1, TARGET_PRIOR), CELL_PRIOR);
    const further = this.#further === 0 ? 0 : drawn("further", this.#further);
    const readShare = shrunk(
      cell,
      "readShare",
      shrunk(ofTarget, "readShare", priorReadShare(facts), TARGET_PRIOR),
      CELL_PRIOR,
    );
    return {
      turns: estimate("further", 1 + further),
      furtherTimes: this.#further === 0 ? 1 : further / this.#further,
      firstPromptTokens: estimate("firstPrompt", this.#firstPrompt * ratio),
      growthTokens: estimate("growth", drawn("growth", this.#growth) * ratio),
      outputTokens: estimate("output", this.#output === 0 ? 0 : drawn("output", this.#output) * ratio),
      readShare: estimate("readShare", readShare),
      success: this.#success(facts, cell, ofTarget),
      costPerTask: observed(cell, "cost"),
      costPerSuccess: observed(cell, "costPerSuccess"),
    };
  }

  #ofClass(name: "growth" | "output" | "firstPrompt"): number {
    const ofAll = shrunk(this.#known.all, name, PRIOR_TOKENS[name], ALL_PRIOR);
    return shrunk(this.#class?.all, name, ofAll, CLASS_PRIOR);
  }

  #success(facts: TargetFacts, cell: Float64Array | undefined, ofTarget: Float64Array | undefined): Success {
    const usual = shrunk(ofTarget, "success", priorSuccess(facts), CELL_PRIOR);
    const harder = shrunk(this.#class?.all, "success", 0, TARGET_PRIOR);
    const prior = Math.max(SUCCESS_LEAST, Math.min(1 - SUCCESS_LEAST, usual + harder));
    const mean = shrunk(cell, "success", prior, CELL_PRIOR);
    const since = cell === undefined || this.#class === undefined ? 0 : this.#class.seen - (cell[SEEN_AT] as number);
    const weight = evidence(cell, "success") * CLASS_KEPT ** Math.max(0, since) + CELL_PRIOR;
    return {
      mean,
      low: lowerBound(mean, weight),
      successes: mean * weight,
      failures: (1 - mean) * weight,
      ...this.#sourceOf("success", cell, ofTarget),
    };
  }

  #sourceOf(
    name: Statistic,
    cell: Float64Array | undefined,
    ofTarget: Float64Array | undefined,
  ): { readonly source: Source; readonly n: number } {
    const here = evidence(cell, name);
    if (here > 0) return { source: "class", n: here };
    const elsewhere = evidence(this.#class?.all, name);
    if (elsewhere > 0) return { source: "class-elsewhere", n: elsewhere };
    const there = evidence(ofTarget, name);
    if (there > 0) return { source: "target", n: there };
    const everywhere = evidence(this.#known.all, name);
    return everywhere > 0 ? { source: "all", n: everywhere } : { source: "prior", n: 0 };
  }
}

function halfway(one: readonly number[], other: readonly number[]): readonly number[] {
  return one.map((value, index) => (value + (other[index] as number)) / 2);
}

function observed(cell: Float64Array | undefined, name: "cost" | "costPerSuccess"): Estimate | undefined {
  const n = evidence(cell, name);
  return n === 0 ? undefined : { value: shrunk(cell, name, 0, 0), source: "class", n };
}

/** Wilson's interval, with what was believed before as tasks of its own. */
function lowerBound(mean: number, n: number): number {
  const square = LOW_DEVIATIONS ** 2;
  const spread = LOW_DEVIATIONS * Math.sqrt((mean * (1 - mean)) / n + square / (4 * n * n));
  return Math.max(0, (mean + square / (2 * n) - spread) / (1 + square / n));
}
