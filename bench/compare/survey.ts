/**
 * All tasks once before anything is spent: whether every line can be read, how many there are, and what they will cost at about. The
 * estimate knows no cache and takes every tool to be called once; real bills are mostly lower.
 */
import { createHash } from "node:crypto";
import { estimateTokens } from "../../src/tokens.ts";
import { costOf, type Price } from "../../src/usage.ts";
import type { Suite } from "./suite.ts";
import type { ComparedTarget } from "./targets.ts";
import type { Task } from "./task.ts";

export interface Survey {
  readonly suites: readonly {
    readonly name: string;
    readonly source: string;
    readonly sha256: string;
    readonly tasks: number;
  }[];
  readonly tasks: number;
  readonly tasksByClass: ReadonlyMap<string, number>;
  /** The first of each class. */
  readonly firstOfClass: readonly Task[];
  readonly hasJudged: boolean;
  readonly sha256: string;
  readonly size: Size;
}

/** Tokens of o200k_base of one run of each task. */
export interface Size {
  readonly calls: number;
  readonly prompt: number;
  readonly output: number;
}

/** Answers are mostly shorter than they may be. */
const OUTPUT_TOKENS = 200;
/** A class' first tasks are kept for warming up. */
const CLASSES_MAX = 100;

export async function surveyed(suites: readonly Suite[]): Promise<Survey> {
  const tasksByClass = new Map<string, number>();
  const firstOfClass: Task[] = [];
  const whole = createHash("sha256");
  const read: Survey["suites"][number][] = [];
  let size: Size = { calls: 0, prompt: 0, output: 0 };
  let hasJudged = false;
  for (const suite of suites) {
    const own = createHash("sha256");
    let tasks = 0;
    for await (const task of suite.tasks()) {
      tasks += 1;
      own.update(JSON.stringify(task));
      const known = tasksByClass.get(task.class) ?? 0;
      if (known === 0 && firstOfClass.length < CLASSES_MAX) firstOfClass.push(task);
      tasksByClass.set(task.class, known + 1);
      hasJudged ||= task.checks.some(({ kind }) => kind === "judge");
      const one = sizeOf(task);
      size = { calls: size.calls + one.calls, prompt: size.prompt + one.prompt, output: size.output + one.output };
    }
    const sha256 = own.digest("hex");
    whole.update(`${suite.name} ${sha256}\n`);
    read.push({ name: suite.name, source: suite.source, sha256, tasks });
  }
  return {
    suites: read,
    tasks: read.reduce((sum, { tasks }) => sum + tasks, 0),
    tasksByClass,
    firstOfClass,
    hasJudged,
    sha256: whole.digest("hex"),
    size,
  };
}

export function sizeOf(task: Task): Size {
  const scripted = task.tools.filter(({ results }) => results.length > 0);
  const calls = 1 + task.next.length + (task.simulated?.calls.length ?? scripted.length);
  const output = Math.min(task.maxTokens, OUTPUT_TOKENS);
  const fixed = [task.system ?? "", ...task.tools.map(({ results: _, ...tool }) => JSON.stringify(tool))];
  const first =
    estimateTokens(fixed.join("\n")) + task.messages.reduce((sum, { content }) => sum + estimateTokens(content), 0);
  const results = scripted.reduce(
    (sum, { results: [one] }) => sum + estimateTokens(JSON.stringify(one?.result ?? "")),
    0,
  );
  const later = task.next.reduce((sum, text) => sum + estimateTokens(text), 0) + results;
  const grown = calls === 1 ? 0 : later / (calls - 1) + output;
  return { calls, prompt: calls * first + (grown * calls * (calls - 1)) / 2, output: calls * output };
}

/** Dollars; `undefined` without a price. */
export function usdOf({ target }: ComparedTarget, size: Size): number | undefined {
  const price: Price | undefined = target.price;
  if (price === undefined) return undefined;
  const ratio = target.record?.tokenRatio ?? 1;
  const usage = {
    inputUncached: Math.round(size.prompt * ratio),
    cacheRead: 0,
    cacheWrite5m: 0,
    cacheWrite1h: 0,
    cacheWriteOther: 0,
    output: Math.round(size.output * ratio),
    reasoning: 0,
  };
  // A sum over calls is no one prompt that passes a mark for long ones.
  const cost = costOf(usage, { version: price.version, rates: price.rates });
  return cost === undefined ? undefined : Number(cost) / 1e12;
}
