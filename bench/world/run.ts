/** Tasks of all classes in turn, with production's own policy and estimates, from knowing nothing on. */
import type { ChatRequest } from "../../src/chat.ts";
import { createCheapestTask } from "../../src/policies/cheapest-task.ts";
import type { Policy } from "../../src/policies/policy.ts";
import type { Candidate } from "../../src/target.ts";
import { createEstimates, type Estimates } from "../../src/tasks/estimates.ts";
import { costOf, UNKNOWN_USAGE } from "../../src/usage.ts";
import type { Truth } from "./clairvoyant.ts";
import { type Draws, drawsOf, RunningTask } from "./task.ts";
import { TARGET_NAMES, type Phase, type TargetName, type WorldClass } from "./truth.ts";

export interface RunOptions {
  readonly seed: number;
  readonly phases: readonly Phase[];
  /** Of each class, in each phase. */
  readonly tasksPerPhase: number;
  readonly truths: Truths;
  /** Of what a class' tasks cost on a day at the start, at the target that is best for it then; 0: nothing is tried. */
  readonly trialShare: number;
}

/** By the phase's and the class' name. */
export type Truths = ReadonlyMap<string, Truth>;

export function truthKey(phase: Phase, ofClass: WorldClass): string {
  return `${phase.name}/${ofClass.name}`;
}

/** One task as it came out. */
export interface Played {
  readonly phase: string;
  readonly className: string;
  /** Of its class, from the start of the run. */
  readonly index: number;
  readonly chosen: TargetName;
  readonly isTrial: boolean;
  /** What the choice costs in truth, and the best one, until the task has succeeded. */
  readonly expected: number;
  readonly best: number;
  /** What this task did cost, with its escalation where it failed. */
  readonly paid: number;
}

/** Of each class; a day is when money to try with comes anew. */
const TASKS_PER_DAY = 100;

/** The policy, learning. */
export function play(options: RunOptions): readonly Played[] {
  const estimates = createEstimates({ tokenRatio: (target) => ratioOf(options.phases, target) });
  const policy = createCheapestTask({ estimates });
  const played: Played[] = [];
  const purses = new Map<string, { day: number; left: bigint }>();
  eachTask(options, (phase, ofClass, index) => {
    const truth = truthIn(options, phase, ofClass);
    const purse = purseOf(purses, ofClass, index, dailyOf(options, ofClass));
    const attempts: Attempt[] = [];
    const failed = new Set<TargetName>();
    // A task that failed is done again, by whomever the policy then chooses of the others.
    while (attempts.at(-1)?.isSuccess !== true && failed.size < TARGET_NAMES.length) {
      const draws = drawsOf(options.seed, ofClass.name, index + attempts.length * RETRY_DRAWS);
      const trialsLeft = attempts.length === 0 ? purse.left : 0n;
      const attempt = attemptOf(draws, { policy, phase, ofClass, index, seed: options.seed, trialsLeft, failed });
      purse.left -= attempt.trialCost;
      learn(estimates, ofClass, index, attempt);
      attempts.push(attempt);
      failed.add(attempt.first);
    }
    const [first] = attempts as [Attempt];
    played.push({
      phase: phase.name,
      className: ofClass.name,
      index,
      chosen: first.first,
      isTrial: first.trialCost > 0n,
      expected: truth.finished[first.first],
      best: truth.finished[truth.best],
      paid: attempts.reduce((sum, { task }) => sum + Number(task.cost), 0),
    });
  });
  return played;
}

/** A choice that does not learn, in the same world with the same chance. */
export function playFixed(
  options: RunOptions,
  choose: (phase: Phase, ofClass: WorldClass) => TargetName,
): readonly Played[] {
  const played: Played[] = [];
  eachTask(options, (phase, ofClass, index) => {
    const truth = truthIn(options, phase, ofClass);
    const chosen = choose(phase, ofClass);
    const draws = drawsOf(options.seed, ofClass.name, index);
    const task = new RunningTask(ofClass, draws);
    while (!task.isDone) task.turn(chosen, phase);
    const best = truth.finished[truth.best];
    const failed = truth.finished[chosen] - truth.cost[chosen];
    const lost = ofClass.behaviours[chosen].success;
    played.push({
      phase: phase.name,
      className: ofClass.name,
      index,
      chosen,
      isTrial: false,
      expected: truth.finished[chosen],
      best,
      paid: Number(task.cost) + (draws.luck < lost ? 0 : failed / (1 - lost)),
    });
  });
  return played;
}

/** By the first call alone: its prompt, and an answer of the usual length. */
export function cheapestCall(phase: Phase, { firstPromptTokens }: WorldClass): TargetName {
  const cost = (name: TargetName) => {
    const { price, record } = phase.targets[name];
    const tokens = Math.round(firstPromptTokens * (record?.tokenRatio ?? 1));
    const usage = { ...UNKNOWN_USAGE, inputUncached: tokens, output: 500 };
    return (price && costOf(usage, price)) ?? 0n;
  };
  return TARGET_NAMES.reduce((cheapest, name) => (cost(name) < cost(cheapest) ? name : cheapest));
}

function eachTask(
  { phases, tasksPerPhase }: RunOptions,
  visit: (phase: Phase, ofClass: WorldClass, index: number) => void,
): void {
  phases.forEach((phase, at) => {
    for (let task = 0; task < tasksPerPhase; task += 1) {
      for (const ofClass of phase.classes) visit(phase, ofClass, at * tasksPerPhase + task);
    }
  });
}

function truthIn({ truths }: RunOptions, phase: Phase, ofClass: WorldClass): Truth {
  const truth = truths.get(truthKey(phase, ofClass));
  if (truth === undefined) throw new Error(`no truth of ${truthKey(phase, ofClass)}`);
  return truth;
}

function ratioOf(phases: readonly Phase[], target: string): number {
  const name = TARGET_NAMES.find((name) => name === target);
  return name === undefined ? 1 : (phases[0]?.targets[name].record?.tokenRatio ?? 1);
}

/** An operator sets an amount once, and knows what the tasks cost at the time. */
function dailyOf(options: RunOptions, ofClass: WorldClass): bigint {
  const [start] = options.phases;
  if (start === undefined) return 0n;
  const { finished, best } = truthIn(options, start, ofClass);
  return BigInt(Math.round(finished[best] * options.trialShare * TASKS_PER_DAY));
}

function purseOf(
  purses: Map<string, { day: number; left: bigint }>,
  ofClass: WorldClass,
  index: number,
  daily: bigint,
): { day: number; left: bigint } {
  const day = Math.floor(index / TASKS_PER_DAY);
  const known = purses.get(ofClass.name);
  if (known !== undefined && known.day === day) return known;
  const purse = { day, left: daily };
  purses.set(ofClass.name, purse);
  return purse;
}

interface Running {
  readonly policy: Policy;
  readonly phase: Phase;
  readonly ofClass: WorldClass;
  readonly index: number;
  readonly seed: number;
  readonly trialsLeft: bigint;
  readonly failed: ReadonlySet<TargetName>;
}

interface Attempt {
  readonly task: RunningTask;
  readonly first: TargetName;
  readonly trialCost: bigint;
  readonly isSuccess: boolean;
}

/** What another attempt at a task draws is not what the next tasks draw. */
const RETRY_DRAWS = 1_000_000;

/** Turn by turn; each is decided anew. */
function attemptOf(draws: Draws, running: Running): Attempt {
  const { policy, phase, ofClass, index, seed, trialsLeft, failed } = running;
  const task = new RunningTask(ofClass, draws);
  const request = requestOf(ofClass);
  const about = { id: `${ofClass.name}-${index}`, className: ofClass.name, source: "header" } as const;
  const names = TARGET_NAMES.filter((name) => !failed.has(name));
  let first: TargetName | undefined;
  let trialCost = 0n;
  while (!task.isDone) {
    const candidates = names.map((name) => candidateOf(name, task, phase));
    const decision = policy.choose(request, about, candidates, {
      exchange: `${seed}-${ofClass.name}-${index}-${task.turns}`,
      turnsSoFar: task.turns,
      ...(task.incumbent === undefined ? { trialsLeft } : { incumbent: task.incumbent, isTrial: trialCost > 0n }),
    });
    const chosen = named(decision.order[0]?.target.name);
    first ??= chosen;
    if (decision.trial !== undefined) trialCost = decision.trial.cost;
    task.turn(chosen, phase);
  }
  if (first === undefined) throw new Error("a task without a turn");
  return { task, first, trialCost, isSuccess: draws.luck < task.success };
}

function named(name: string | undefined): TargetName {
  const found = TARGET_NAMES.find((known) => known === name);
  if (found === undefined) throw new Error(`the policy chose ${name}, which is not there`);
  return found;
}

export function candidateOf(name: TargetName, task: RunningTask, phase: Phase): Candidate {
  return {
    target: phase.targets[name],
    dialect: "openai-chat",
    ...task.prompt(name, phase),
    outputTokens: 500,
    expectedCost: undefined,
    named: false,
    bound: false,
    resting: false,
  };
}

export function requestOf(ofClass: WorldClass): ChatRequest {
  return {
    dialect: "openai-chat",
    model: "auto",
    stream: false,
    wantsStreamUsage: false,
    messages: [],
    tools: ofClass.hasTools ? [{ kind: "function", name: "search" } as ChatRequest["tools"][number]] : [],
    extra: {},
  };
}

function learn(estimates: Estimates, ofClass: WorldClass, index: number, { task, isSuccess }: Attempt): void {
  estimates.observe({
    id: `${ofClass.name}-${index}`,
    tenant: "",
    className: ofClass.name,
    parent: undefined,
    startedAtMs: index,
    endedAtMs: index,
    legs: task.legs,
    outcome: { success: isSuccess ? 1 : 0, source: "told" },
  });
}
