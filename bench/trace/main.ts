/**
 * What a policy's placement of cache marks costs on a trace, in virtual time, beside what no policy can beat.
 *
 *     node bench/trace/main.ts <file.jsonl[.gz]> | --generate <load> [--seed N]
 *       [--rules anthropic | openai-5.6 | openai-legacy | vllm:N,C] [--generous] [--only name;name]
 *       [--decisions out.jsonl [--of name] | --check decisions.jsonl] [--prefill share] [--svg out.svg] [--json]
 *     node bench/trace/main.ts --goals <folder> [--svg out.svg]
 */
import { closeSync, openSync, writeFileSync, writeSync } from "node:fs";
import { parseArgs } from "node:util";
import { keyPolicies, oneMachine, OPENAI_LEGACY, replayKeys } from "./automatic.ts";
import { decisionLine, readDecisions } from "./decisions.ts";
import { generate, loads, type Load } from "./generate.ts";
import { goalsText, isMet, measureGoals } from "./goals.ts";
import { boundsOf, marksPolicies, warmed } from "./marks-run.ts";
import { pictureOf } from "./picture.ts";
import type { MakePolicy } from "./policy.ts";
import { rebill, replay, type Outcome } from "./replay.ts";
import { keysReport, marksReport, type Report, reportJson, reportText, routingReport } from "./report.ts";
import { routers } from "./routers.ts";
import { type Fleet, route } from "./routing.ts";
import { ANTHROPIC, type MarkRules, OPENAI_5_6 } from "./rules.ts";
import { readTrace, type Trace, TraceError } from "./trace.ts";

interface Options {
  readonly file: string | undefined;
  readonly load: Load | undefined;
  readonly seed: number;
  readonly rules: Rules;
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

type Rules =
  | { readonly kind: "marks"; readonly rules: MarkRules }
  | { readonly kind: "keys" }
  | { readonly kind: "fleet"; readonly fleet: Fleet };

async function main(): Promise<void> {
  const options = readOptions();
  if (typeof options === "string") {
    process.stderr.write(`${options}\n`);
    process.exitCode = 2;
    return;
  }
  try {
    if (options.goals !== undefined) return await goalsRun(options.goals, options.svg);
    const trace = await chosenTrace(options);
    const promptTokens = trace.requests.reduce((sum, request) => sum + request.promptTokens, 0);
    print(`${trace.name}: ${trace.requests.length} requests, ${promptTokens} prompt tokens\n\n`);
    const report = reportOf(trace, options);
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
  rules: { type: "string", default: "anthropic" },
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
  const chosen = positionals.length + (load === undefined ? 0 : 1) + (values.goals === undefined ? 0 : 1);
  if (chosen !== 1) return "give one trace file, or --generate, or --goals";
  const seed = Number(values.seed);
  if (!Number.isSafeInteger(seed) || seed < 0) return "--seed must be a whole number";
  const rules = readRules(values.rules, values.generous, Number(values.prefill));
  if (typeof rules === "string") return rules;
  if (rules.kind !== "marks" && (values.decisions ?? values.check) !== undefined) {
    return "--decisions and --check are about marks: they need --rules anthropic or openai-5.6";
  }
  if (values.decisions !== undefined && values.check !== undefined) return "either --decisions or --check";
  if (values.svg !== undefined && (rules.kind !== "marks" || values.check !== undefined)) {
    return "--svg draws policies of marks: it needs --rules anthropic or openai-5.6, and no --check";
  }
  return {
    file: positionals[0],
    load,
    seed,
    rules,
    only: values.only?.split(";").map((name) => name.trim()),
    decisions: values.decisions,
    of: values.of,
    check: values.check,
    goals: values.goals,
    svg: values.svg,
    json: values.json,
  };
}

const UNITS: Readonly<Record<string, number>> = { k: 1e3, M: 1e6 };

function readRules(name: string, isGenerous: boolean, prefillShare: number): Rules | string {
  const marks = [ANTHROPIC, OPENAI_5_6].find((rules) => rules.name === name);
  if (marks !== undefined) return { kind: "marks", rules: { ...marks, isStrict: !isGenerous } };
  if (name === "openai-legacy") return { kind: "keys" };
  const [, count, capacity, unit = ""] = /^vllm:(\d{1,4}),(\d{1,12})([kM]?)$/.exec(name) ?? [];
  const capacityTokens = Number(capacity) * (UNITS[unit] ?? 1);
  const fleet = { replicas: Number(count), capacityTokens, prefillShare };
  if (!(fleet.replicas > 0 && fleet.capacityTokens > 0)) {
    return "--rules must be anthropic, openai-5.6, openai-legacy, or vllm:N,C with N replicas of C tokens (2000000, 2M)";
  }
  if (!(prefillShare > 0))
    return "--prefill must be above 0: what all replicas read, as a share of the tokens that come";
  return { kind: "fleet", fleet };
}

/** All goals at once. A missed one is an error for whoever called. */
async function goalsRun(folder: string, svg: string | undefined): Promise<void> {
  const { goals, reports } = await measureGoals(folder, (text) => void process.stderr.write(`${text}\n`));
  print(goalsText(goals));
  if (svg !== undefined) writeFileSync(svg, pictureOf(reports));
  if (!goals.every(isMet)) process.exitCode = 1;
}

async function chosenTrace({ file, load, seed }: Options): Promise<Trace> {
  if (load !== undefined) return generate(load, seed);
  return readTrace(file ?? "");
}

function reportOf(trace: Trace, options: Options): Report {
  switch (options.rules.kind) {
    case "marks":
      return marksRun(trace, options.rules.rules, options);
    case "keys":
      return keysRun(trace, options);
    case "fleet":
      return fleetRun(trace, options.rules.fleet, options);
  }
}

function marksRun(trace: Trace, rules: MarkRules, options: Options): Report {
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

function keysRun(trace: Trace, options: Options): Report {
  const made = new Map(keyPolicies.map((make) => [make().name, make]));
  const outcomes = new Map(
    chosenOf([...made.keys()], options).map((name) => [
      name,
      replayKeys(trace, OPENAI_LEGACY, made.get(name) as (typeof keyPolicies)[number]),
    ]),
  );
  return keysReport(outcomes, oneMachine(trace, OPENAI_LEGACY));
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
