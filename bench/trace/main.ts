/**
 * What a policy's placement of cache marks costs on a trace, in virtual time, beside what no policy can beat.
 *
 *     node bench/trace/main.ts <file.jsonl[.gz]> | --generate <load> [--seed N] | --ledger <ledger.sqlite>
 *       [--target provider/model] [--since time] [--until time] [--class name]
 *       [--rules anthropic | openai-5.6 | openai-legacy | vllm:N,C] [--generous] [--only name;name]
 *       [--decisions out.jsonl [--of name] | --check decisions.jsonl] [--prefill share] [--svg out.svg] [--json]
 *     node bench/trace/main.ts --goals <folder> [--svg out.svg]
 */
import { closeSync, openSync, writeFileSync, writeSync } from "node:fs";
import { parseArgs } from "node:util";
import { type AutomaticRules, keyPolicies, oneMachine, replayKeys } from "./automatic.ts";
import { billedOutcome } from "./billed.ts";
import { readRules, type Rules, RULES_NAMES, rulesOfModel } from "./chosen-rules.ts";
import { decisionLine, readDecisions } from "./decisions.ts";
import { generate, loads, type Load } from "./generate.ts";
import { goalsText, isMet, measureGoals } from "./goals.ts";
import { type LedgerChoice, type LedgerTrace, readLedger } from "./ledger.ts";
import { boundsOf, marksPolicies, warmed } from "./marks-run.ts";
import { pictureOf } from "./picture.ts";
import type { MakePolicy } from "./policy.ts";
import { rebill, replay, type Outcome } from "./replay.ts";
import { keysReport, marksReport, type Report, reportJson, reportText, routingReport } from "./report.ts";
import { routers } from "./routers.ts";
import { type Fleet, route } from "./routing.ts";
import type { MarkRules } from "./rules.ts";
import { readTrace, type Trace, TraceError } from "./trace.ts";

interface Options {
  readonly file: string | undefined;
  readonly load: Load | undefined;
  readonly seed: number;
  readonly ledger: { readonly file: string; readonly choice: LedgerChoice } | undefined;
  /** `undefined`: those of the ledger's target. */
  readonly rules: Rules | undefined;
  readonly isGenerous: boolean;
  readonly only: readonly string[] | undefined;
  readonly decisions: string | undefined;
  /** Whose decisions. */
  readonly of: string;
  readonly check: string | undefined;
  /** The folder of the shared traces. */
  readonly goals: string | undefined;
  readonly svg: string | undefined;
  readonly json: boolean;
}

async function main(): Promise<void> {
  const options = readOptions();
  if (typeof options === "string") {
    process.stderr.write(`${options}\n`);
    process.exitCode = 2;
    return;
  }
  try {
    if (options.goals !== undefined) return await goalsRun(options.goals, options.svg);
    const { trace, rules, ledger } = await chosenTrace(options);
    const promptTokens = trace.requests.reduce((sum, request) => sum + request.promptTokens, 0);
    print(`${trace.name}: ${trace.requests.length} requests, ${promptTokens} prompt tokens\n`);
    for (const note of ledger?.notes ?? []) print(`${note}\n`);
    print("\n");
    const report = reportOf(trace, rules, options, ledger);
    print(reportText(report));
    if (options.svg !== undefined) writeFileSync(options.svg, pictureOf([{ name: trace.name, report }]));
    if (options.json) print(`${reportJson(report)}\n`);
  } catch (error) {
    if (!(error instanceof TraceError || error instanceof UsageError)) throw error;
    process.stderr.write(`${error.message}\n`);
    process.exitCode = error instanceof UsageError ? 2 : 1;
  }
}

class UsageError extends Error {}

const FLAGS = {
  ledger: { type: "string" },
  target: { type: "string" },
  since: { type: "string" },
  until: { type: "string" },
  class: { type: "string" },
  rules: { type: "string" },
  generous: { type: "boolean", default: false },
  generate: { type: "string" },
  seed: { type: "string", default: "1" },
  only: { type: "string" },
  decisions: { type: "string" },
  of: { type: "string", default: "learned" },
  check: { type: "string" },
  prefill: { type: "string", default: "1" },
  goals: { type: "string" },
  svg: { type: "string" },
  json: { type: "boolean", default: false },
} as const;

/** @returns what is wrong with them, as text. */
function readOptions(): Options | string {
  let parsed;
  try {
    parsed = parseArgs({ options: FLAGS, allowPositionals: true });
  } catch (error) {
    return (error as Error).message;
  }
  const { values, positionals } = parsed;
  const load = loads.find((name) => name === values.generate);
  if (values.generate !== undefined && load === undefined) return `--generate must be one of ${loads.join(", ")}`;
  const sources = [...positionals, load, values.goals, values.ledger].filter((source) => source !== undefined);
  if (sources.length !== 1) return "give one trace file, or --generate, or --ledger, or --goals";
  const seed = Number(values.seed);
  if (!Number.isSafeInteger(seed) || seed < 0) return "--seed must be a whole number";
  const choice = readChoice(values);
  if (typeof choice === "string") return choice;
  const ledger = values.ledger === undefined ? undefined : { file: values.ledger, choice };
  if (ledger === undefined && (values.target ?? values.since ?? values.until ?? values.class) !== undefined)
    return "--target, --since, --until and --class choose from a --ledger";
  const name = values.rules ?? (ledger === undefined ? "anthropic" : undefined);
  const rules = name === undefined ? undefined : readRules(name, values.generous, Number(values.prefill));
  if (typeof rules === "string") return rules;
  const wrong = rules === undefined ? undefined : wrongFor(rules, values);
  if (wrong !== undefined) return wrong;
  if (values.decisions !== undefined && values.check !== undefined) return "either --decisions or --check";
  return {
    file: positionals[0],
    load,
    seed,
    ledger,
    rules,
    isGenerous: values.generous,
    only: values.only?.split(";").map((name) => name.trim()),
    decisions: values.decisions,
    of: values.of,
    check: values.check,
    goals: values.goals,
    svg: values.svg,
    json: values.json,
  };
}

type ChoiceFlags = Readonly<Partial<Record<"target" | "since" | "until" | "class", string>>>;

/** @returns what is wrong with them, as text. */
function readChoice({ target, since, until, class: taskClass }: ChoiceFlags): LedgerChoice | string {
  const sinceMs = since === undefined ? undefined : Date.parse(since);
  const untilMs = until === undefined ? undefined : Date.parse(until);
  if (Number.isNaN(sinceMs) || Number.isNaN(untilMs))
    return "--since and --until must be dates or times as in 2026-11-25T04:00:00Z";
  return { target, sinceMs, untilMs, taskClass };
}

/** What asks for marks where there are none, as text. */
function wrongFor(
  rules: Rules,
  { decisions, check, svg }: Partial<Pick<Options, "decisions" | "check" | "svg">>,
): string | undefined {
  if (rules.kind !== "marks" && (decisions ?? check) !== undefined)
    return "--decisions and --check are about marks: they need --rules anthropic or openai-5.6";
  if (svg !== undefined && (rules.kind !== "marks" || check !== undefined))
    return "--svg draws policies of marks: it needs --rules anthropic or openai-5.6, and no --check";
  return undefined;
}

/** All goals at once. A missed one is an error for whoever called. */
async function goalsRun(folder: string, svg: string | undefined): Promise<void> {
  const { goals, reports } = await measureGoals(folder, (text) => void process.stderr.write(`${text}\n`));
  print(goalsText(goals));
  if (svg !== undefined) writeFileSync(svg, pictureOf(reports));
  if (!goals.every(isMet)) process.exitCode = 1;
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
  const bounds = boundsOf(trace, rules);
  if (options.check !== undefined) {
    const outcome = rebill(trace, rules, readDecisions(options.check, trace, rules));
    return marksReport(new Map([["decisions", { ...outcome, microsecondsPerDecision: 0 }]]), bounds, rules);
  }
  const policies = marksPolicies(trace, rules);
  const chosen = chosenOf([...policies.keys()], options);
  if (options.decisions !== undefined && !chosen.includes(options.of))
    throw new UsageError(`--of must be one of ${chosen.join("; ")}`);
  const outcomes = new Map<string, Outcome>();
  const billed = ledger === undefined ? undefined : billedOutcome(ledger, rules);
  if (billed !== undefined) outcomes.set("billed", billed);
  for (const name of chosen) {
    const make = policies.get(name) as MakePolicy;
    const written = name === options.of ? options.decisions : undefined;
    const run = () => (written === undefined ? replay(trace, rules, make) : writing(trace, rules, make, written));
    outcomes.set(name, warmed(trace, rules, make, run));
  }
  return marksReport(outcomes, bounds, rules);
}

function writing(trace: Trace, rules: MarkRules, make: MakePolicy, file: string): Outcome {
  const opened = openSync(file, "w");
  try {
    return replay(trace, rules, make, (sending) => writeSync(opened, decisionLine(sending)));
  } finally {
    closeSync(opened);
  }
}

function keysRun(trace: Trace, rules: AutomaticRules, options: Options): Report {
  const made = new Map(keyPolicies.map((make) => [make().name, make]));
  const outcomes = new Map(
    chosenOf([...made.keys()], options).map((name) => [
      name,
      replayKeys(trace, rules, made.get(name) as (typeof keyPolicies)[number]),
    ]),
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
