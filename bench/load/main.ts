/**
 * What a gateway costs beside its peers: every contender under the same load, in turns, so that the ratios hold on a noisy machine.
 *
 *     node bench/load/main.ts [--seconds N] [--rounds N] [--only name,name] [--json file] [--profile folder]
 *
 * Linux only: processor time and memory are read from /proc. Traffic stays on 127.0.0.1, and the whole is bounded in time.
 */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { measureLoop, whatIsWrong, type LoopShape } from "./closed-loop.ts";
import { Connection } from "./connection.ts";
import { CLIENT_KEY, RequestBytes, type Contender, type Kind } from "./contender.ts";
import { kinds } from "./contenders.ts";
import { startHole } from "./hole.ts";
import { findCores, pinSelf, type Cores } from "./process.ts";
import { describeMachine, jsonText, machineText, scenarioText } from "./report.ts";
import type { Bench, Sample, Scenario } from "./scenario.ts";
import { scenarios } from "./scenarios.ts";
import { summaryOf, type Summary } from "./statistics.ts";
import { startUpstream, type RunningUpstream } from "./upstream-process.ts";

interface Options {
  readonly seconds: number;
  readonly rounds: number;
  readonly chosen: readonly Scenario[];
  readonly jsonFile: string | undefined;
  readonly profile: string | undefined;
}

const OWN = "sluice";
const SECONDS_MAX = 30;
const ROUNDS_MAX = 20;
/** Of a scenario's first round; the later ones find its code compiled. */
const FIRST_WARM_MS = 500;
const WARM_MS = 250;
/** Compilers take their time, as long as thousands of calls. */
const WARM_UP: readonly (readonly [LoopShape, number])[] = [
  [{ behaviour: "whole", bodyBytes: 2_048, connections: 32 }, 4_000],
  [{ behaviour: "burst", bodyBytes: 2_048, connections: 32 }, 2_000],
];
/** Rounds of what needs a process of its own: it has few calls to be noisy with, and takes long. */
const FRESH_ROUNDS_MAX = 2;
/** No round begins after this; longer windows and more rounds extend it in proportion. */
const RUN_MS_MAX = 240_000;
/** For one measurement, besides its window. */
const MEASURE_MS_MAX = 60_000;
const DEFAULT_SECONDS = 1;
const DEFAULT_ROUNDS = 3;

interface Run {
  readonly options: Options;
  readonly cores: Cores;
  /** Everything temporary is in here. */
  readonly folder: string;
  readonly upstream: RunningUpstream;
  readonly endsAt: number;
}

async function main(): Promise<void> {
  const options = readOptions();
  if (typeof options === "string") {
    process.stderr.write(`${options}\n`);
    process.exitCode = 2;
    return;
  }
  const folder = mkdtempSync(join(tmpdir(), "bench-load-"));
  process.on("exit", () => rmSync(folder, { recursive: true, force: true }));
  // Ends by `exit`, so that what was started ends too.
  for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => process.exit(1));
  const cores = findCores();
  pinSelf(cores.load);
  const machine = describeMachine(fileURLToPath(new URL("../../", import.meta.url)));
  print(machineText(machine, cores));
  const upstream = await startUpstream(cores.load);
  const share = Math.max(1, options.seconds / DEFAULT_SECONDS) * Math.max(1, options.rounds / DEFAULT_ROUNDS);
  const run: Run = { options, cores, folder, upstream, endsAt: performance.now() + RUN_MS_MAX * share };
  const present = await findContenders(run);
  print(`${options.rounds} rounds, windows of ${options.seconds} s, medians over rounds\n\n`);
  const kept = new Map<Kind, Contender>();
  if (options.chosen.some((scenario) => !scenario.fresh)) {
    for (const { kind } of present) kept.set(kind, await startedWarm(kind, run));
  }
  const results: { scenario: Scenario; summaries: readonly Summary[] }[] = [];
  for (const scenario of options.chosen) {
    const summaries = await measured(
      scenario,
      present.map(({ kind }) => kind),
      kept,
      run,
    );
    results.push({ scenario, summaries });
    print(`${scenarioText(scenario, OWN, summaries)}\n`);
  }
  print(await ledgerText([...kept.values()].find((contender) => contender.name === OWN)));
  if (options.jsonFile !== undefined) {
    const contenders = present.map(({ kind, about }) => ({ name: kind.name, about }));
    writeFileSync(options.jsonFile, jsonText(machine, contenders, results, OWN));
  }
  for (const contender of kept.values()) await contender.stop();
  await upstream.stop();
}

const FLAGS = {
  seconds: { type: "string", default: String(DEFAULT_SECONDS) },
  rounds: { type: "string", default: String(DEFAULT_ROUNDS) },
  only: { type: "string" },
  json: { type: "string" },
  profile: { type: "string" },
} as const;

/** @returns what is wrong with them, as text. */
function readOptions(): Options | string {
  let values;
  try {
    ({ values } = parseArgs({ options: FLAGS }));
  } catch (error) {
    return (error as Error).message;
  }
  if (process.platform !== "linux") return "this measurement reads /proc, and so runs on Linux only";
  const seconds = Number(values.seconds);
  const rounds = Number(values.rounds);
  if (!(seconds > 0 && seconds <= SECONDS_MAX)) return `--seconds must be above 0 and at most ${SECONDS_MAX}`;
  if (!(Number.isInteger(rounds) && rounds >= 1 && rounds <= ROUNDS_MAX)) return `--rounds must be 1 to ${ROUNDS_MAX}`;
  const names = values.only?.split(",");
  const unknown = names?.find((name) => scenarios.every((scenario) => scenario.name !== name));
  const known = scenarios.map((scenario) => scenario.name).join(", ");
  if (unknown !== undefined) return `there is no scenario ${unknown}; there are ${known}`;
  return {
    seconds,
    rounds,
    chosen: scenarios.filter((scenario) => names?.includes(scenario.name) ?? true),
    jsonFile: values.json,
    profile: values.profile === undefined ? undefined : resolve(values.profile),
  };
}

/** Those that are here and answer both forms of a call as the upstream does; a line for each of the others. */
async function findContenders(run: Run): Promise<readonly { readonly kind: Kind; readonly about: string }[]> {
  const present = [];
  for (const kind of kinds) {
    const found = kind.find();
    const problem = "missing" in found ? found.missing : await tried(kind, run);
    if ("about" in found && problem === undefined) present.push({ kind, about: found.about });
    print(`${kind.name}: ${problem === undefined && "about" in found ? found.about : `skipped, ${problem}`}\n`);
  }
  return present;
}

async function tried(kind: Kind, run: Run): Promise<string | undefined> {
  let contender: Contender | undefined;
  try {
    contender = await started(kind, run, run.upstream.port);
    for (const behaviour of ["whole", "burst"] as const) {
      const connection = new Connection(contender);
      const request = new RequestBytes(contender.port, contender.usual, behaviour, 2_048);
      const problem = whatIsWrong(await within(connection.ask(request.numbered(0))), behaviour);
      connection.leave();
      if (problem !== undefined) return `it does not answer as the upstream does (${behaviour}): ${problem}`;
    }
    return undefined;
  } catch (error) {
    return (error as Error).message;
  } finally {
    await contender?.stop();
  }
}

function started(kind: Kind, run: Run, holePort: number, profile?: string): Promise<Contender> {
  const folder = mkdtempSync(join(run.folder, `${kind.name}-`));
  return kind.start({ cores: run.cores, upstreamPort: run.upstream.port, holePort, folder, profile });
}

async function startedWarm(kind: Kind, run: Run): Promise<Contender> {
  const contender = await started(kind, run, run.upstream.port, run.options.profile);
  if (!kind.warmsUp) return contender;
  for (const [shape, warmMs] of WARM_UP) await within(measureLoop(contender, shape, { warmMs, windowMs: 0 }));
  return contender;
}

/** In turns, and each round another one begins. */
async function measured(
  scenario: Scenario,
  order: readonly Kind[],
  kept: ReadonlyMap<Kind, Contender>,
  run: Run,
): Promise<readonly Summary[]> {
  const rounds = scenario.fresh ? Math.min(FRESH_ROUNDS_MAX, run.options.rounds) : run.options.rounds;
  const samples = new Map<Kind, Sample[]>(order.map((kind) => [kind, []]));
  for (let round = 0; round < rounds && performance.now() < run.endsAt; round += 1) {
    for (let turn = 0; turn < order.length; turn += 1) {
      const kind = order[(round + turn) % order.length];
      if (kind === undefined) continue;
      samples.get(kind)?.push(await measuredOnce(scenario, kind, kept.get(kind), round === 0, run));
      await run.upstream.release();
    }
  }
  return order.map((kind) => summaryOf(kind.name, samples.get(kind) ?? []));
}

async function measuredOnce(
  scenario: Scenario,
  kind: Kind,
  kept: Contender | undefined,
  isFirst: boolean,
  run: Run,
): Promise<Sample> {
  const { upstream } = run;
  const windowMs = run.options.seconds * 1000;
  const warmMs = isFirst ? FIRST_WARM_MS : WARM_MS;
  const measure = (contender: Contender, hole: Bench["hole"]) =>
    within(scenario.measure(contender, { upstream, hole, warmMs, windowMs }), MEASURE_MS_MAX + windowMs);
  try {
    if (kept !== undefined && !scenario.fresh) return await measure(kept, undefined);
    const hole = await startHole(run.cores.load);
    const fresh = await started(kind, run, hole.port);
    try {
      return await measure(fresh, hole);
    } finally {
      await fresh.stop();
      await hole.stop();
    }
  } catch (error) {
    return { value: Number.NaN, others: {}, errors: 1, problem: (error as Error).message };
  }
}

/** That Sluice did the work that it is measured for: a row for each call. */
async function ledgerText(contender: Contender | undefined): Promise<string> {
  if (contender === undefined || contender.asked === 0) return "";
  const response = await fetch(`http://127.0.0.1:${contender.port}/metrics`, {
    headers: { authorization: `Bearer ${CLIENT_KEY}` },
    signal: AbortSignal.timeout(MEASURE_MS_MAX),
  });
  const text = await response.text();
  const sum = (name: string) =>
    [...text.matchAll(new RegExp(`^${name}(?:\\{[^}]*\\})? ([\\d.e+]+)$`, "gm"))].reduce(
      (total, [, value]) => total + Number(value),
      0,
    );
  const settled = sum("sluice_attempts_total");
  const unpriced = sum("sluice_unpriced_attempts_total");
  return `${OWN}: ${contender.asked} calls, ${settled} rows settled, ${unpriced} of them without a price\n`;
}

function within<Value>(work: Promise<Value>, ms: number = MEASURE_MS_MAX): Promise<Value> {
  return new Promise((resolve, reject) => {
    const late = setTimeout(() => reject(new Error(`it took more than ${ms} ms`)), ms);
    work.then(resolve, reject).finally(() => clearTimeout(late));
  });
}

function print(text: string): void {
  process.stdout.write(text);
}

await main();
