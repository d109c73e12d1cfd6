/**
 * Whether `cheapest-task` finds the best choice of a world whose truth is known. A simulation: nothing in it was measured of a model.
 *
 *     node bench/world/main.ts [--runs N] [--tasks N] [--trials share] [--svg out.svg] [--json] [--check]
 */
import { writeFileSync } from "node:fs";
import { parseArgs } from "node:util";
import { goalsText, isMet, type Goal } from "../trace/goals.ts";
import { truthOf } from "./clairvoyant.ts";
import { pictureOf } from "./picture.ts";
import {
  curveOf,
  goalsOf,
  MEGABYTES_MAX,
  MICROSECONDS_MAX,
  waysText,
  WRITTEN_MICROSECONDS_MAX,
  type Way,
} from "./report.ts";
import { cheapestCall, play, playFixed, truthKey, type RunOptions, type Truths } from "./run.ts";
import { decisionTimes, megabytesWhenFull } from "./speed.ts";
import { phases, type Phase } from "./truth.ts";

const FLAGS = {
  runs: { type: "string", default: "8" },
  tasks: { type: "string", default: "400" },
  trials: { type: "string", default: "0.05" },
  svg: { type: "string" },
  json: { type: "boolean", default: false },
  check: { type: "boolean", default: false },
} as const;

interface Options {
  readonly runs: number;
  readonly tasksPerPhase: number;
  readonly trialShare: number;
  readonly svg: string | undefined;
  readonly json: boolean;
  readonly check: boolean;
}

function main(): void {
  const options = readOptions();
  if (typeof options === "string") {
    process.stderr.write(`${options}\n`);
    process.exitCode = 2;
    return;
  }
  const world = phases();
  const truths: Truths = new Map(
    world.flatMap((phase) =>
      phase.classes.map((ofClass) => [truthKey(phase, ofClass), truthOf(ofClass, phase)] as const),
    ),
  );
  print("A simulation: classes, targets and what they do are made up; policy, estimates and bills are production's.\n");
  print(`${world.map((phase) => bestText(phase, truths)).join("\n")}\n\n`);
  const ways = waysOf(world, truths, options);
  const [learned] = ways as readonly [Way, ...Way[]];
  print(waysText(ways, options.tasksPerPhase));
  const goals = [...goalsOf(learned, options.tasksPerPhase), ...machineGoals()];
  print(`\n${goalsText(goals)}`);
  if (options.svg !== undefined) writeFileSync(options.svg, picture(ways, world, options.tasksPerPhase));
  if (options.json) print(`${JSON.stringify({ goals: goals.map((goal) => ({ ...goal, met: isMet(goal) })) })}\n`);
  if (options.check && !goals.every(isMet)) process.exitCode = 1;
}

/** @returns what is wrong with them, as text. */
function readOptions(): Options | string {
  let values;
  try {
    values = parseArgs({ options: FLAGS }).values;
  } catch (error) {
    return (error as Error).message;
  }
  const [runs, tasksPerPhase, trialShare] = [Number(values.runs), Number(values.tasks), Number(values.trials)];
  if (!Number.isSafeInteger(runs) || runs < 1) return "--runs must be a whole number from 1";
  if (!Number.isSafeInteger(tasksPerPhase) || tasksPerPhase <= 200) return "--tasks must be a whole number above 200";
  if (!(trialShare >= 0 && trialShare <= 1)) return "--trials must be from 0 to 1";
  const { svg, json, check } = values;
  return { runs, tasksPerPhase, trialShare, svg, json, check };
}

function bestText(phase: Phase, truths: Truths): string {
  const best = phase.classes.map((ofClass) => `${ofClass.name} ${truths.get(truthKey(phase, ofClass))?.best}`);
  return `${phase.name}: best are ${best.join(", ")}`;
}

function waysOf(world: readonly Phase[], truths: Truths, options: Options): readonly Way[] {
  const each = (name: string, run: (given: RunOptions) => ReturnType<typeof play>, trialShare: number): Way => {
    const { tasksPerPhase } = options;
    const seeds = Array.from({ length: options.runs }, (_, index) => index + 1);
    return {
      name,
      played: seeds.flatMap((seed) => [...run({ seed, phases: world, tasksPerPhase, truths, trialShare })]),
    };
  };
  const [start] = world;
  return [
    each("cheapest-task, with trials", play, options.trialShare),
    each("cheapest-task, without", play, 0),
    each(
      "best at the start, for good",
      (given) => playFixed(given, (_, ofClass) => given.truths.get(truthKey(start as Phase, ofClass))?.best ?? "large"),
      0,
    ),
    each("always large", (given) => playFixed(given, () => "large"), 0),
    each("cheapest call", (given) => playFixed(given, cheapestCall), 0),
  ];
}

function machineGoals(): readonly Goal[] {
  const { chosen, written } = decisionTimes();
  return [
    { what: "µs a decision among 20 candidates", measured: chosen, limit: MICROSECONDS_MAX, isLeast: false },
    { what: "µs to write it down", measured: written, limit: WRITTEN_MICROSECONDS_MAX, isLeast: false },
    { what: "MB of estimates that are full", measured: megabytesWhenFull(), limit: MEGABYTES_MAX, isLeast: false },
  ];
}

/** Tasks that a point of a curve is the mean of. */
const WINDOW = 20;

function picture(ways: readonly Way[], world: readonly Phase[], tasksPerPhase: number): string {
  const kinds = ["learned", "untried", "usual"] as const;
  const curves = kinds.flatMap((kind, index) => {
    const way = ways[index];
    return way === undefined ? [] : [{ name: way.name, kind, values: curveOf(way, WINDOW) }];
  });
  const changes: Readonly<Record<string, string>> = { drift: "behaviour drifts", price: "a price changes" };
  const events = world.flatMap(({ name }, index) => {
    const change = changes[name];
    return change === undefined ? [] : [{ index: index * tasksPerPhase, name: change }];
  });
  return pictureOf(curves, events);
}

function print(text: string): void {
  process.stdout.write(text);
}

main();
