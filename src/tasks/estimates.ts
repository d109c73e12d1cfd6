/**
 * What tasks of a class take at a target: turns, tokens, success, money, time. Learned from tasks that have ended.
 *
 * Nothing is known well of a class at a target that was hardly tried. So each figure is drawn towards what is known of the class at
 * other targets and of the target in other classes, and both towards what is known of all tasks, and that to what is assumed
 * (`estimates-priors.ts`). Older tasks count for less, and for little once a change is noticed.
 *
 * Bounded: 1,000 classes of 16 targets at 0.5 kB, and 500 targets at 1.3 kB, are 12 MB at most. A class of a tenant is its own: what
 * one tenant says of outcomes reaches others only by what is known of the target, which the first tasks of a class outweigh.
 *
 * Values in, values out: no clock. Times of tasks are not looked at, so a clock that jumps changes nothing.
 */
import type { EndedTask, TaskLeg, TaskOutcome } from "./ended-task.ts";
import { ClassReader, type ClassEstimates } from "./estimates-class.ts";
import { countLatency, quantilesOf, type Quantiles } from "./estimates-latency.ts";
import type { TaskShape } from "./estimates-priors.ts";
import { readSnapshot, writeSnapshot, type EstimatesSnapshot } from "./estimates-snapshot.ts";
import {
  add,
  addRelation,
  AFTER_CHANGE,
  correct,
  correctRelation,
  correctSum,
  doubt,
  evidence,
  outcomeChanged,
  SEEN_AT,
  shrunk,
  sizeChanged,
  type Statistic,
} from "./estimates-statistics.ts";
import { CLASS_KEPT, Known, type KnownClass } from "./estimates-known.ts";
import { countEnding, recountEnding } from "./estimates-turns.ts";
import { promptTokens, type Usage } from "../usage.ts";

export interface Estimates extends EstimatesReader {
  /** To be told of each task when it has ended. Of one that ends again only what is news is counted. */
  observe(task: EndedTask): void;
  /** To be told of each answer; what is `undefined` was not measured. */
  timed(target: string, times: AnswerTimes): void;
  /** As JSON: what a restart would lose. */
  snapshot(): EstimatesSnapshot;
  /** Takes over what {@link snapshot} gave; anything that it did not give is ignored. */
  restore(snapshot: unknown): void;
  /** Rises with all that is learned. */
  revision(): number;
}

/** What a policy asks. */
export interface EstimatesReader {
  /** @param className `undefined`: of no class, of which nothing was learned. */
  of(tenant: string, className: string | undefined, shape: TaskShape): ClassEstimates;
  latency(target: string): Latency;
}

export interface AnswerTimes {
  readonly firstTokenMs: number | undefined;
  readonly totalMs: number | undefined;
}

export interface Latency {
  readonly firstToken: Quantiles | undefined;
  readonly total: Quantiles | undefined;
}

export interface EstimatesOptions {
  /** A target's tokens per token of o200k_base, so that what one target shows of a class tells of others. Absent: 1 for all. */
  readonly tokenRatio?: (target: string) => number;
}

/** Tasks that are remembered of a target in all classes, and of all; of a class see `CLASS_KEPT`. */
const TARGET_KEPT = 1 - 1 / 200;
const ALL_KEPT = 1 - 1 / 400;
/** How much an outcome counts that nobody told, but the answers showed. Assumed. */
const SIGNAL_WEIGHT = 0.5;
/** Of a class, before what a target does in it tells how it differs from others. */
const CLASS_EVIDENCE_LEAST = 3;
/** No task moves a mean as if it were more than so many times of it. */
const OUTLIER = 20;

/**
 * @example
 * const estimates = createEstimates();
 * estimates.observe(endedTask);
 * estimates.of("", "triage", { hasTools: false, isOneShot: false }).at(target).success.mean;
 */
export function createEstimates(options: EstimatesOptions = {}): Estimates {
  const known = new Known();
  const tokenRatio = options.tokenRatio ?? (() => 1);
  let revision = 0;
  return {
    observe(task) {
      revision += 1;
      observe(task, known, tokenRatio);
    },
    timed(target, times) {
      revision += 1;
      const { firstToken, total } = known.target(target);
      if (times.firstTokenMs !== undefined) countLatency(firstToken, times.firstTokenMs);
      if (times.totalMs !== undefined) countLatency(total, times.totalMs);
    },
    of: (tenant, className, shape) => new ClassReader(known, known.lookAt(tenant, className), shape),
    latency(target) {
      const times = known.targets.get(target);
      return {
        firstToken: times && quantilesOf(times.firstToken),
        total: times && quantilesOf(times.total),
      };
    },
    snapshot: () => writeSnapshot(known),
    restore: (snapshot) => readSnapshot(snapshot, known),
    revision: () => revision,
  };
}

function observe(task: EndedTask, known: Known, tokenRatio: (target: string) => number): void {
  const legs = task.legs.filter(({ turns }) => turns >= 1);
  const last = legs.at(-1);
  const ofClass = last === undefined ? undefined : known.class(task.tenant, task.className);
  if (last === undefined || ofClass === undefined) return;
  if (task.before !== undefined) {
    if (task.before.legs !== undefined) observeGrowth(task.before, legs, ofClass, known);
    observeNews(task, task.before.outcome, ofClass, known);
    return;
  }
  ofClass.seen += 1;
  const turns = turnsOf(legs);
  countEnding(ofClass.endings, turns, CLASS_KEPT);
  countEnding(known.endings, turns, ALL_KEPT);
  for (const leg of legs) observeTokens(leg, ofClass, known, ratioOf(leg, tokenRatio));
  const first = legs[0]?.firstPromptTokens;
  // The prompt is the class', whoever is asked; only the tokenizer is the target's.
  if (first !== undefined) {
    const size = first / ratioOf(legs[0] as TaskLeg, tokenRatio);
    for (const [all, kept] of [[ofClass.all, CLASS_KEPT] as const, [known.all, ALL_KEPT] as const]) {
      add(all, "firstPrompt", limited(size, all, "firstPrompt"), kept);
    }
  }
  // A task that went from one target to another tells of neither how many turns, or how much money, it would have taken.
  if (legs.length === 1) observeWhole(last, ofClass, known);
  for (const leg of legs) {
    if (leg.escalated === true) observeOutcome(leg, 0, 1, ofClass, known);
  }
  if (task.outcome !== undefined) observeEnd(legs, task.outcome, ofClass, known);
}

/** What became of it is what its last target made of it. */
function observeEnd(legs: readonly TaskLeg[], outcome: TaskOutcome, ofClass: KnownClass, known: Known): void {
  const last = legs.at(-1);
  if (last === undefined || last.escalated === true) return;
  observeOutcome(last, outcome.success, weightOf(outcome, legs), ofClass, known);
  if (legs.length > 1 || last.cost === undefined) return;
  // The cost of what failed is divided by what succeeded: it is added whatever the outcome was.
  const cell = ofClass.cell(last.target);
  addRelation(cell, "costPerSuccess", Number(last.cost), outcome.success, CLASS_KEPT);
}

function weightOf(outcome: TaskOutcome, legs: readonly TaskLeg[]): number {
  const turns = turnsOf(legs);
  return (outcome.source === "told" ? 1 : SIGNAL_WEIGHT) * ((legs.at(-1)?.turns ?? 0) / turns);
}

/** A task that was counted when it ended before, and went on: it has more turns, and cost more. */
function observeGrowth(
  { outcome, legs: then = [] }: NonNullable<EndedTask["before"]>,
  now: readonly TaskLeg[],
  ofClass: KnownClass,
  known: Known,
): void {
  const [turnsThen, turns] = [turnsOf(then), turnsOf(now)];
  if (turns === turnsThen || turnsThen === 0) return;
  for (const endings of [ofClass.endings, known.endings]) recountEnding(endings, turnsThen, turns);
  const [one, other] = [then[0], now[0]];
  if (then.length !== 1 || now.length !== 1 || one?.target !== other?.target) return;
  const cell = ofClass.cell(other?.target ?? "");
  for (const all of [cell, ofClass.all, known.all]) correctSum(all, "further", turns - turnsThen);
  if (one?.cost === undefined || other?.cost === undefined) return;
  const more = Number(other.cost - one.cost);
  correctSum(cell, "cost", more);
  if (outcome !== undefined) correctSum(cell, "costPerSuccess", more);
}

function turnsOf(legs: readonly TaskLeg[]): number {
  return legs.reduce((sum, { turns }) => sum + turns, 0);
}

/** A task that was counted when it ended before: its tokens stand; what is said to have become of it, now holds. */
function observeNews(task: EndedTask, before: TaskOutcome | undefined, ofClass: KnownClass, known: Known): void {
  const { outcome } = task;
  const legs = task.legs.filter(({ turns }) => turns >= 1);
  const last = legs.at(-1);
  if (outcome === undefined || last === undefined || last.escalated === true) return;
  if (before === undefined) {
    observeEnd(legs, outcome, ofClass, known);
    return;
  }
  if (before.success === outcome.success && before.source === outcome.source) return;
  const cell = ofClass.cell(last.target);
  const ofTarget = known.target(last.target).all;
  const [now, then] = [weightOf(outcome, legs), weightOf(before, legs)];
  const change = { weight: now - then, sum: now * outcome.success - then * before.success };
  const usual = () => (evidence(ofTarget, "success") > 0 ? shrunk(ofTarget, "success", 0, 0) : outcome.success);
  const usualThen = usual();
  correct(ofTarget, "success", change, 0, 1);
  correct(cell, "success", change, 0, 1);
  // What the target usually reaches has moved with it.
  const differs = now * (outcome.success - usual()) - then * (before.success - usualThen);
  correct(ofClass.all, "success", { weight: change.weight, sum: differs }, -1, 1);
  if (legs.length > 1 || last.cost === undefined) return;
  correctRelation(cell, "costPerSuccess", outcome.success - before.success);
}

function ratioOf(leg: TaskLeg, tokenRatio: (target: string) => number): number {
  const ratio = tokenRatio(leg.target);
  return ratio > 0 && Number.isFinite(ratio) ? ratio : 1;
}

/** What each turn takes, of which a part of a task tells as much as a whole one. */
function observeTokens(leg: TaskLeg, ofClass: KnownClass, known: Known, ratio: number): void {
  const { usage, turns, firstPromptTokens, lastPromptTokens } = leg;
  if (usage.output !== undefined) learn(leg, "output", usage.output / turns / ratio, ofClass, known);
  if (turns < 2 || firstPromptTokens === undefined || lastPromptTokens === undefined) return;
  const growth = Math.max(0, lastPromptTokens - firstPromptTokens) / (turns - 1);
  learn(leg, "growth", growth / ratio, ofClass, known);
  const sentAgain = (promptTokens(usage) ?? 0) - lastPromptTokens;
  if (usage.cacheRead === undefined || sentAgain <= 0) return;
  const share = Math.min(1, usage.cacheRead / sentAgain);
  add(ofClass.cell(leg.target), "readShare", share, CLASS_KEPT);
  add(known.target(leg.target).all, "readShare", share, TARGET_KEPT);
}

/** A task that one target did alone. */
function observeWhole(leg: TaskLeg, ofClass: KnownClass, known: Known): void {
  const cell = ofClass.cell(leg.target);
  if (sizeChanged(cell, tokensOf(leg.usage), CLASS_KEPT)) {
    doubt(cell, ["further", "growth", "output", "readShare", "cost", "costPerSuccess"], AFTER_CHANGE);
    doubt(ofClass.all, ["further", "growth", "output"], AFTER_CHANGE);
    // The shares of tasks that end stay as they are, and weigh a fifth.
    for (let index = 0; index < ofClass.endings.length; index += 1) {
      ofClass.endings[index] = (ofClass.endings[index] as number) / 5;
    }
  }
  learn(leg, "further", leg.turns - 1, ofClass, known);
  if (leg.cost !== undefined) add(cell, "cost", limited(Number(leg.cost), cell, "cost"), CLASS_KEPT);
}

function tokensOf(usage: Usage): number {
  return (promptTokens(usage) ?? 0) + (usage.output ?? 0);
}

/** Where a figure differs by target and by class: how it is of the class, here, of all, and how the target differs from others. */
function learn(
  leg: TaskLeg,
  name: "further" | "growth" | "output",
  value: number,
  ofClass: KnownClass,
  known: Known,
): void {
  const cell = ofClass.cell(leg.target);
  add(cell, name, limited(value, cell, name), CLASS_KEPT);
  add(known.all, name, limited(value, known.all, name), ALL_KEPT);
  if (evidence(ofClass.all, name) >= CLASS_EVIDENCE_LEAST) {
    const usual = shrunk(ofClass.all, name, 0, 0) + HARDLY[name];
    const relative = Math.max(0.1, Math.min(10, (value + HARDLY[name]) / usual));
    add(known.target(leg.target).all, name, relative, TARGET_KEPT);
  }
  add(ofClass.all, name, limited(value, ofClass.all, name), CLASS_KEPT);
}

/** What is too little for a relation to say anything. */
const HARDLY = { further: 0.5, growth: 50, output: 25 } as const;

function observeOutcome(leg: TaskLeg, success: number, weight: number, ofClass: KnownClass, known: Known): void {
  if (!(success >= 0 && success <= 1)) return;
  const cell = ofClass.cell(leg.target);
  const ofTarget = known.target(leg.target).all;
  const seen = evidence(cell, "success");
  if (seen > 0) {
    // Outcomes are forgotten by the tasks of the class: who was left alone for a while is seen anew.
    doubt(cell, ["success"], seen * CLASS_KEPT ** Math.max(0, ofClass.seen - (cell[SEEN_AT] as number) - 1));
    const expected = shrunk(cell, "success", success, 1);
    if (outcomeChanged(cell, success, expected)) doubt(cell, ["success", "costPerSuccess"], AFTER_CHANGE);
  }
  cell[SEEN_AT] = ofClass.seen;
  // How hard the class is: what its tasks differ by from what the target usually reaches, once that is known at all.
  const usual = evidence(ofTarget, "success") > 0 ? shrunk(ofTarget, "success", 0, 0) : success;
  add(ofClass.all, "success", success - usual, CLASS_KEPT, weight);
  add(ofTarget, "success", success, TARGET_KEPT, weight);
  add(cell, "success", success, CLASS_KEPT, weight);
}

function limited(value: number, all: Float64Array, name: Statistic): number {
  const n = evidence(all, name);
  const mean = n < 1 ? 0 : shrunk(all, name, 0, 0);
  return mean === 0 ? value : Math.min(value, OUTLIER * mean);
}
