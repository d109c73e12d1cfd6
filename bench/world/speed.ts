/** What a decision costs in time, and the estimates in memory when they are as full as they get. */
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { createCheapestTask } from "../../src/policies/cheapest-task.ts";
import { writeDecision } from "../../src/policies/decision-record.ts";
import type { Candidate } from "../../src/target.ts";
import type { EndedTask } from "../../src/tasks/ended-task.ts";
import { createEstimates, type Estimates } from "../../src/tasks/estimates.ts";
import { CLASSES_MAX, TARGETS_MAX, TARGETS_OF_CLASS_MAX } from "../../src/tasks/estimates-known.ts";
import { UNKNOWN_USAGE } from "../../src/usage.ts";
import { Timings } from "../trace/timings.ts";
import { candidateOf, requestOf } from "./run.ts";
import { drawsOf, RunningTask } from "./task.ts";
import { phases, TARGET_NAMES } from "./truth.ts";

const CANDIDATES = 20;
const WARMING = 4_000;
const DECISIONS = 20_000;

export interface DecisionTimes {
  /** To choose. */
  readonly chosen: number;
  /** To write down for the ledger what was weighed. */
  readonly written: number;
}

/** In microseconds, on average, of a class that is known at each of the candidates, in the middle of a task. */
export function decisionTimes(): DecisionTimes {
  const [phase] = phases();
  const ofClass = phase?.classes[2];
  if (phase === undefined || ofClass === undefined) throw new Error("the world is empty");
  const task = new RunningTask(ofClass, drawsOf(1, ofClass.name, 0));
  const all = Array.from({ length: CANDIDATES }, (_, index): Candidate => {
    const one = candidateOf(TARGET_NAMES[index % TARGET_NAMES.length] ?? "small", task, phase);
    return { ...one, target: { ...one.target, name: `provider-${index}/model` } };
  });
  const estimates = createEstimates();
  for (let round = 0; round < 20; round += 1) {
    for (const { target } of all.slice(0, TARGETS_OF_CLASS_MAX))
      estimates.observe(taskAt(ofClass.name, target.name, round));
  }
  const policy = createCheapestTask({ estimates });
  const about = { id: "t", className: ofClass.name, source: "header" } as const;
  const request = requestOf(ofClass);
  const [choosing, writing] = [new Timings(), new Timings()];
  for (let round = 0; round < WARMING + DECISIONS; round += 1) {
    const turnsSoFar = round % 12;
    const context = { exchange: String(round), turnsSoFar, trialsLeft: 10n ** 12n };
    const startedAt = performance.now();
    const decision = policy.choose(request, about, all, context);
    const chosenAt = performance.now();
    writeDecision(decision, { turnsSoFar, incumbent: undefined, isTrial: false, excluded: [] });
    if (round < WARMING) continue;
    choosing.add(chosenAt - startedAt);
    writing.add(performance.now() - chosenAt);
  }
  return { chosen: choosing.microseconds, written: writing.microseconds };
}

/** Of estimates with as many classes and targets as are kept, and more that were not. */
export function megabytesWhenFull(): number {
  setFlagsFromString("--expose-gc");
  const collect = runInNewContext("gc") as () => void;
  const used = () => {
    collect();
    const { heapUsed, arrayBuffers } = process.memoryUsage();
    return heapUsed + arrayBuffers;
  };
  const before = used();
  const estimates = full();
  const bytes = used() - before;
  // Kept until here: what nobody needs any more would be collected before it is measured.
  estimates.snapshot();
  return bytes / 1e6;
}

function full(): Estimates {
  const estimates = createEstimates();
  const longest = "n".repeat(100);
  for (let target = 0; target < TARGETS_MAX; target += 1) {
    estimates.timed(`${longest}/${target}`, { firstTokenMs: 200, totalMs: 2_000 });
  }
  for (let index = 0; index < 1.2 * CLASSES_MAX; index += 1) {
    for (let target = 0; target < TARGETS_OF_CLASS_MAX + 2; target += 1) {
      estimates.observe(taskAt(`${longest}-${index}`, `${longest}/${target}`, index));
    }
  }
  return estimates;
}

function taskAt(className: string, target: string, index: number): EndedTask {
  return {
    id: String(index),
    tenant: "",
    className,
    parent: undefined,
    startedAtMs: 0,
    endedAtMs: 0,
    legs: [
      {
        target,
        turns: 1 + (index % 12),
        usage: { ...UNKNOWN_USAGE, inputUncached: 9_000, cacheRead: 40_000, output: 3_000 },
        cost: 12_000_000n,
        firstPromptTokens: 4_000,
        lastPromptTokens: 9_000,
        retries: 0,
      },
    ],
    outcome: { success: index % 5 === 0 ? 0 : 1, source: "told" },
  };
}
