/**
 * What a policy's placement of cache marks costs on a trace, in virtual time, beside what no policy can beat.
 * `npm run bench -- trace --help` lists the flags.
 */
import { closeSync, openSync, writeFileSync, writeSync } from "node:fs";
import { type AutomaticRules, keyPolicies, oneMachine, replayKeys, uncached } from "./automatic.ts";
import { billedOutcome } from "./billed.ts";
import { type Rules, RULES_NAMES, rulesOfModel } from "./chosen-rules.ts";
import { decisionLine, readDecisions } from "./decisions.ts";
import { generate } from "./generate.ts";
import { goalsJson, goalsText, isMet, measureGoals, readGoalTraces } from "./goals.ts";
import { type LedgerTrace, readLedger } from "./ledger.ts";
import { boundsOf, marksPolicies, warmed } from "./marks-run.ts";
import { type Options, readOptions, wrongFor } from "./options.ts";
import { pictureOf } from "./picture.ts";
import type { MakePolicy } from "./policy.ts";
import { type Outcome, rebill, replay, type Sending } from "./replay.ts";
import { keysReport, marksReport, type Report, reportJson, reportText, routingReport } from "./report.ts";
import { routers } from "./routers.ts";
import { type Fleet, route } from "./routing.ts";
import type { MarkRules } from "./rules.ts";
import { readTrace, type Trace, TraceError } from "./trace.ts";

async function main(): Promise<void> {
  const options = readOptions();
  if (typeof options === "string") return fail(options);
  try {
    await (options.goals === undefined ? traceRun(options) : goalsRun(options.goals, options));
  } catch (error) {
    if (!(error instanceof TraceError || error instanceof UsageError || isSystemError(error))) throw error;
    fail(error.message);
  }
}

/** Not 1, which says that a goal is missed. */
function fail(message: string): void {
  process.stderr.write(`${message}\n`);
  process.exitCode = 2;
}

class UsageError extends Error {}

/** Of a file that cannot be opened, read or written; its message names it. */
function isSystemError(error: unknown): error is Error {
  return error instanceof Error && "syscall" in error;
}

async function traceRun(options: Options): Promise<void> {
  const { trace, rules, ledger } = await chosenTrace(options);
  if (trace.requests.length === 0) throw new TraceError(`${options.file ?? trace.name}: there are no requests in it`);
  checkWritable(options.svg);
  const report = reportOf(trace, rules, options, ledger);
  const promptTokens = trace.requests.reduce((sum, request) => sum + request.promptTokens, 0);
  print(`${trace.name}: ${trace.requests.length} requests, ${promptTokens} prompt tokens\n`);
  for (const note of ledger?.notes ?? []) print(`${note}\n`);
  print(`\n${reportText(report)}`);
  if (options.svg !== undefined) writeFileSync(options.svg, pictureOf([{ name: trace.name, report }]));
  if (options.json) print(`${reportJson(report)}\n`);
}

/** All goals at once. A missed one is an error for whoever called. */
async function goalsRun(folder: string, { svg, json }: Options): Promise<void> {
  const traces = await readGoalTraces(folder);
  checkWritable(svg);
  const { goals, reports } = measureGoals(traces, (text) => void process.stderr.write(`${text}\n`));
  print(goalsText(goals));
  if (svg !== undefined) writeFileSync(svg, pictureOf(reports));
  if (json) print(`${goalsJson(goals)}\n`);
  if (!goals.every(isMet)) process.exitCode = 1;
}

/** Before a replay, not after it; what the file holds stays. */
function checkWritable(file: string | undefined): void {
  if (file !== undefined) closeSync(openSync(file, "a"));
}

interface Chosen {
  readonly trace: Trace;
  readonly rules: Rules;
  readonly ledger?: LedgerTrace;
}

async function chosenTrace({ file, load, seed, ledger, rules, ...options }: Options): Promise<Chosen> {
  if (ledger === undefined) {
    const trace = load === undefined ? await readTrace(file ?? "") : generate(load, seed);
    return { trace, rules: rules as Rules };
  }
  const trace = readLedger(ledger.file, ledger.choice);
  const chosen = rules ?? rulesOfModel(trace.model, trace.lastMs, options.isGenerous);
  if (chosen === undefined)
    throw new UsageError(`the model table does not say how ${trace.name} caches: pass --rules ${RULES_NAMES}`);
  const wrong = wrongFor(chosen, options);
  if (wrong !== undefined) throw new UsageError(wrong);
  return { trace, rules: chosen, ledger: trace };
}

function reportOf(trace: Trace, rules: Rules, options: Options, ledger: LedgerTrace | undefined): Report {
  switch (rules.kind) {
    case "marks":
      return marksRun(trace, rules.rules, options, ledger);
    case "keys":
      return keysRun(trace, rules.rules, options);
    case "fleet":
      return fleetRun(trace, rules.fleet, options);
  }
}

function marksRun(trace: Trace, rules: MarkRules, options: Options, ledger: LedgerTrace | undefined): Report {
  if (options.check !== undefined) {
    const outcome = rebill(trace, rules, readDecisions(options.check, trace, rules));
    const outcomes = new Map([["decisions", { ...outcome, microsecondsPerDecision: 0 }]]);
    return marksReport(outcomes, boundsOf(trace, rules), rules);
  }
  const policies = marksPolicies(trace, rules);
  const chosen = chosenOf([...policies.keys()], options);
  if (options.decisions !== undefined && !chosen.includes(options.of))
    throw new UsageError(`--of must be one of ${chosen.join("; ")}`);
  const opened = options.decisions === undefined ? undefined : openSync(options.decisions, "w");
  const outcomes = new Map<string, Outcome>();
  const billed = ledger === undefined ? undefined : billedOutcome(ledger, rules);
  if (billed !== undefined) outcomes.set("billed", billed);
  try {
    for (const name of chosen) {
      const make = policies.get(name) as MakePolicy;
      const isWritten = opened !== undefined && name === options.of;
      const write = isWritten ? (sending: Sending) => writeSync(opened, decisionLine(sending)) : undefined;
      outcomes.set(
        name,
        warmed(trace, rules, make, () => replay(trace, rules, make, write)),
      );
    }
  } finally {
    if (opened !== undefined) closeSync(opened);
  }
  return marksReport(outcomes, boundsOf(trace, rules), rules);
}

function keysRun(trace: Trace, rules: AutomaticRules, options: Options): Report {
  const made = new Map(keyPolicies(trace).map((make) => [make().name, make]));
  const outcomes = new Map(
    chosenOf(["none", ...made.keys()], options).map((name) => {
      const make = made.get(name);
      return [name, make === undefined ? uncached(trace) : replayKeys(trace, rules, make)];
    }),
  );
  return keysReport(outcomes, oneMachine(trace, rules));
}

function fleetRun(trace: Trace, fleet: Fleet, options: Options): Report {
  const outcomes = new Map(
    chosenOf([...routers.keys()], options).map((name) => [name, route(trace, fleet, routers.get(name) as never)]),
  );
  const infinite = { ...fleet, replicas: 1, capacityTokens: Number.POSITIVE_INFINITY };
  const { hit } = route(trace, infinite, () => ({ name: "one", choose: () => 0 }));
  return routingReport(outcomes, hit);
}

/** Those that `--only` names, or all. */
function chosenOf(names: readonly string[], { only }: Options): readonly string[] {
  const unknown = only?.find((name) => !names.includes(name));
  if (unknown !== undefined) throw new UsageError(`there is no policy ${unknown}; there are ${names.join("; ")}`);
  return names.filter((name) => only?.includes(name) ?? true);
}

function print(text: string): void {
  process.stdout.write(text);
}

await main();
