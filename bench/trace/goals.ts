/** What the planner has to reach on the shared traces and on the loads that are made here, and what it reaches. */
import { existsSync } from "node:fs";
import { join } from "node:path";
import { generate, loads } from "./generate.ts";
import { allOutcomes, boundsOf } from "./marks-run.ts";
import { aligned, marksReport, type Report } from "./report.ts";
import { routers } from "./routers.ts";
import { route } from "./routing.ts";
import { ANTHROPIC, type MarkRules, OPENAI_5_6 } from "./rules.ts";
import { readTrace, type Trace, TraceError } from "./trace.ts";

export interface Goal {
  readonly what: string;
  readonly measured: number;
  readonly limit: number;
  /** Whether the limit is the least; otherwise it is the most. */
  readonly isLeast: boolean;
}

/** One replayed trace. */
export interface NamedReport {
  readonly name: string;
  readonly report: Report;
}

export interface Measured {
  readonly goals: readonly Goal[];
  /** Of the shared traces under Anthropic's rules. */
  readonly reports: readonly NamedReport[];
}

type TraceName = "kvt-iso-dev" | "mooncake-conv" | "lmc-miniswe";
export type GoalTraces = ReadonlyMap<TraceName, Trace>;

/** By trace: the most that the learned policy may cost, over the bound, under Anthropic's rules and those of OpenAI's 5.6. */
const TRACES: Readonly<Record<TraceName, { readonly anthropic: number; readonly openai?: number }>> = {
  "kvt-iso-dev": { anthropic: 1.15, openai: 1.05 },
  "mooncake-conv": { anthropic: 1.2 },
  "lmc-miniswe": { anthropic: 1.01 },
};
/** Over the best of the usual policies, chosen in hindsight. */
const OVER_USUAL_MAX = 1.01;
const MICROSECONDS_MAX = 10;
const FLEET = { replicas: 8, capacityTokens: 2_000_000, prefillShare: 1 };

/** @param folder Where the shared traces are. @throws TraceError where one of them is not. */
export async function readGoalTraces(folder: string): Promise<GoalTraces> {
  const names = Object.keys(TRACES) as TraceName[];
  const missing = names.find((name) => !existsSync(fileOf(folder, name)));
  if (missing !== undefined)
    throw new TraceError(`${fileOf(folder, missing)} is not there; name the folder of ${names.join(", ")} (.jsonl.gz)`);
  const traces = new Map<TraceName, Trace>();
  for (const name of names) traces.set(name, await readTrace(fileOf(folder, name)));
  return traces;
}

function fileOf(folder: string, name: TraceName): string {
  return join(folder, `${name}.jsonl.gz`);
}

/** @param tell Of what is done next. */
export function measureGoals(traces: GoalTraces, tell: (text: string) => void): Measured {
  const goals: Goal[] = [];
  const reports: NamedReport[] = [];
  const most = (what: string, measured: number, limit: number) =>
    void goals.push({ what, measured, limit, isLeast: false });
  const replayed = (trace: Trace, rules: MarkRules): Report => {
    tell(`${trace.name}, ${rules.name}`);
    const report = marksReport(allOutcomes(trace, rules), boundsOf(trace, rules), rules);
    const learned = figures(report, "learned");
    const where = `${trace.name}, ${rules.name}`;
    most(`${where}: over the best usual policy`, learned("cost") / (report.bounds["best_usual"] ?? 0), OVER_USUAL_MAX);
    most(`${where}: µs a decision`, learned("us_per_decision"), MICROSECONDS_MAX);
    return report;
  };
  for (const [name, trace] of traces) {
    const { anthropic, openai } = TRACES[name];
    const report = replayed(trace, ANTHROPIC);
    reports.push({ name, report });
    most(`${name}, anthropic: over the bound`, figures(report, "learned")("over_bound"), anthropic);
    const overBound = figures(replayed(trace, OPENAI_5_6), "learned")("over_bound");
    if (openai !== undefined) most(`${name}, openai-5.6: over the bound`, overBound, openai);
  }
  for (const load of loads) {
    const report = replayed(generate(load, 1), ANTHROPIC);
    const learned = figures(report, "learned");
    if (load === "unique") most("unique: over no caching", learned("cost"), 1.01);
    if (load !== "fanout-cold-8") continue;
    most("fanout-cold-8: over the bound with holding", learned("over_hold_bound"), 1.05);
    const unheld = figures(report, "none")("ttft_p95_s");
    most("fanout-cold-8: first token (p95), over no caching", learned("ttft_p95_s") / unheld, 1.01);
  }
  tell("mooncake-conv, vllm:8,2M");
  const routed = route(traces.get("mooncake-conv") as Trace, FLEET, routers.get("affinity") as never);
  goals.push({ what: "mooncake-conv, vllm:8,2M: hits", measured: routed.hit, limit: 0.31, isLeast: true });
  most("mooncake-conv, vllm:8,2M: busiest over the mean", routed.imbalance, 1.1);
  most("mooncake-conv, vllm:8,2M: µs a decision", routed.microsecondsPerDecision, MICROSECONDS_MAX);
  return { goals, reports };
}

export function isMet({ measured, limit, isLeast }: Goal): boolean {
  return isLeast ? measured >= limit : measured <= limit;
}

export function goalsText(goals: readonly Goal[]): string {
  const rows = goals.map((goal) => [
    goal.what,
    `${goal.isLeast ? ">=" : "<="} ${goal.limit.toFixed(2)}`,
    Number.isFinite(goal.measured) ? goal.measured.toFixed(4) : "–",
    isMet(goal) ? "met" : "MISSED",
  ]);
  return aligned([["", "goal", "measured", ""], ...rows]);
}

/** A figure that is none is `null`, and not met. */
export function goalsJson(goals: readonly Goal[]): string {
  return JSON.stringify({ goals: goals.map((goal) => ({ ...goal, met: isMet(goal) })) });
}

function figures(report: Report, policy: string): (name: string) => number {
  return (name) => report.policies[policy]?.[name] ?? Number.NaN;
}
