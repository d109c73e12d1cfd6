/** What each choice costs in truth, and the best of them: what no policy that has to learn can know. */
import { drawsOf, RunningTask } from "./task.ts";
import { TARGET_NAMES, type Phase, type TargetName, type WorldClass } from "./truth.ts";

/** Of a class in a phase. Picodollars of a task until it has succeeded. */
export interface Truth {
  /** To do a task at one target, whether it succeeds or not. */
  readonly cost: Readonly<Record<TargetName, number>>;
  /** The same, and what a failure costs: the task is then done elsewhere, where that costs least among targets that can be relied on. */
  readonly finished: Readonly<Record<TargetName, number>>;
  readonly best: TargetName;
}

const SUCCESS_LEAST = 0.5;
/** As the policy has it: where a failed task may be sent. */
const RELIABLE_FROM = 0.7;
const TASKS = 600;

export function truthOf(ofClass: WorldClass, phase: Phase): Truth {
  const entries = (value: (name: TargetName) => number) =>
    Object.fromEntries(TARGET_NAMES.map((name) => [name, value(name)])) as Record<TargetName, number>;
  const success = (name: TargetName) => ofClass.behaviours[name].success;
  const cost = entries((name) => meanCost(ofClass, phase, name));
  const finished = entries((name) => {
    const elsewhere = TARGET_NAMES.filter((other) => other !== name && success(other) >= RELIABLE_FROM);
    const escalated = Math.min(...elsewhere.map((other) => cost[other] / success(other)));
    return elsewhere.length === 0 ? cost[name] / success(name) : cost[name] + (1 - success(name)) * escalated;
  });
  // By the rule that holds for the policy, too: what fails more often than not is no choice.
  const choices = TARGET_NAMES.filter((name) => success(name) >= SUCCESS_LEAST);
  const best = choices.reduce((best, name) => (finished[name] < finished[best] ? name : best));
  return { cost, finished, best };
}

function meanCost(ofClass: WorldClass, phase: Phase, name: TargetName): number {
  let sum = 0n;
  for (let index = 0; index < TASKS; index += 1) {
    const task = new RunningTask(ofClass, drawsOf(TRUTH_SEED, ofClass.name, index));
    while (!task.isDone) task.turn(name, phase);
    sum += task.cost;
  }
  return Number(sum) / TASKS;
}

/** No run has it: the truth is not what a run has drawn. */
const TRUTH_SEED = 0;
