/** The comparison as a command: what is asked for, what it will cost, the runs, the report. */
import { randomBytes } from "node:crypto";
import { existsSync } from "node:fs";
import { join, relative, resolve } from "node:path";
import type { Config } from "../../src/config.ts";
import type { Environment } from "../../src/config-yaml.ts";
import type { RunningSandbox } from "../sandbox/index.ts";
import { aligned } from "../trace/report.ts";
import { buildReport } from "./build-report.ts";
import { createCheckerWorker } from "./checker-worker.ts";
import { CompareError } from "./compare-error.ts";
import { writeCsv } from "./csv.ts";
import { Figures } from "./figures.ts";
import { openJournal, readPlan, writePlan, writeWhole, type Journal, type Plan } from "./journal.ts";
import { lineageOf } from "./judge.ts";
import { createLedgerSpend, type LedgerSpend } from "./ledger-spend.ts";
import { openLedgerTasks } from "./ledger-tasks.ts";
import { readOptions, type Options } from "./options.ts";
import { pageOf } from "./page/page.ts";
import { createProgress } from "./progress.ts";
import type { Report } from "./report.ts";
import { openRequests } from "./requests.ts";
import { doneKey, run, type Ran } from "./run.ts";
import { openSetting, startOwnGateway, type Setting } from "./setting.ts";
import { createSimulatedModels } from "./simulated-model.ts";
import { openSuite, SHIPPED, type Suite } from "./suite.ts";
import { surveyed, usdOf, type Survey } from "./survey.ts";
import { reportText } from "./table.ts";
import { chooseOne, chooseTargets, type ChosenTargets, type ComparedTarget } from "./targets.ts";

export interface Surroundings {
  readonly environment: Environment;
  /** The folder that relative paths begin at. */
  readonly folder: string;
  /** What was typed, for the report. */
  readonly command: string;
  readonly print: (text: string) => void;
  readonly tell: (text: string) => void;
  readonly isTerminal: boolean;
  readonly columns: number;
  /** Aborts when it is to stop. */
  readonly stopped: AbortSignal;
  /** Told of the simulator, where it is used: its bill is what a report is held against. */
  readonly sandboxStarted?: (sandbox: RunningSandbox) => void;
}

/**
 * @param arguments_ Without node and script.
 * @returns 0, or 1 where it is not whole, or 2 where nothing could be done; then one line has been told.
 */
export async function compareCommand(arguments_: readonly string[], surroundings: Surroundings): Promise<number> {
  try {
    return await compare(readOptions(arguments_), surroundings);
  } catch (error) {
    if (!(error instanceof CompareError)) throw error;
    surroundings.tell(`${error.message.replaceAll(/\s*\n\s*/g, " ")}\n`);
    return 2;
  }
}

async function compare(options: Options, surroundings: Surroundings): Promise<number> {
  const folder = options.resume === undefined ? undefined : resolve(surroundings.folder, options.resume);
  const before = folder === undefined ? undefined : readPlan(folder);
  const asked = before === undefined ? askedOf(options, surroundings) : before;
  const suites = suitesOf(asked);
  const survey = await surveyed(suites);
  const simulated = createSimulatedModels(asked.seed);
  const setting = await openSetting({
    configFile: asked.config ?? undefined,
    forcesSandbox: asked.sandbox,
    isElsewhere: asked.url !== null,
    environment: surroundings.environment,
    folder: surroundings.folder,
    model: simulated.model,
  });
  if (setting.sandbox !== undefined) surroundings.sandboxStarted?.(setting.sandbox);
  try {
    const chosen = chooseTargets(asked.words ?? undefined, asked.gpus, setting.config, setting.rows, setting.isSandbox);
    const judge = asked.judge === null ? undefined : judgeOf(asked.judge, setting, chosen.targets);
    const plan = before ?? {
      ...asked,
      sha256: survey.sha256,
      targets: chosen.targets.map(({ name, model }) => ({ name, model })),
    };
    checkSame(plan, survey, chosen.targets);
    surroundings.tell(estimateText(survey, chosen, plan, setting.isSandbox));
    if (options.dryRun) return 0;
    const into = folder ?? resolve(surroundings.folder, options.out ?? join(".sluice", "bench", plan.id));
    if (folder === undefined) begin(into, plan);
    return await runAndReport({ options, surroundings, plan, into, suites, survey, chosen, judge, simulated });
  } finally {
    await setting.close();
  }
}

type Asked = Omit<Plan, "sha256" | "targets">;

function askedOf(options: Options, { command, folder }: Surroundings): Asked {
  const isNamed = options.suites.length + options.requests.length > 0 || options.ledger !== undefined;
  const now = new Date();
  const path = (file: string) => resolve(folder, file);
  return {
    version: 1,
    id: `bench-${now.toISOString().slice(0, 19).replaceAll(/[-:]/g, "").replace("T", "-")}-${randomBytes(3).toString("hex")}`,
    started_at: now.toISOString(),
    command,
    suites: isNamed
      ? options.suites.map((word) => (SHIPPED.some((name) => name === word) ? word : path(word)))
      : [...SHIPPED],
    requests: options.requests.map(path),
    ledger: options.ledger === undefined ? null : path(options.ledger),
    sample: options.sample,
    limit: options.limit ?? null,
    words: options.targets === undefined ? null : [...options.targets],
    gpus: [...options.gpus],
    judge: options.judge ?? null,
    repeats: options.repeats,
    seed: options.seed,
    concurrency: options.concurrency,
    cache: options.cache,
    caching: options.caching ?? null,
    timeout_s: options.timeoutSeconds,
    resamples: RESAMPLES,
    url: options.url ?? null,
    config: options.config === undefined ? null : path(options.config),
    sandbox: options.sandbox,
  };
}

const RESAMPLES = 2_000;

function suitesOf({ suites, requests, ledger, sample, seed, limit }: Asked): readonly Suite[] {
  const opened = [
    ...suites.map(openSuite),
    ...requests.map(openRequests),
    ...(ledger === null ? [] : [openLedgerTasks(ledger, sample, seed)]),
  ];
  const [twice] = opened.filter(({ name }, at) => opened.findIndex((one) => one.name === name) !== at);
  if (twice !== undefined) throw new CompareError(`two suites are called ${twice.name}: rename one of the files`);
  return limit === null ? opened : opened.map((suite) => ({ ...suite, tasks: () => firstOf(suite.tasks(), limit) }));
}

async function* firstOf<Item>(items: AsyncIterable<Item>, limit: number): AsyncGenerator<Item> {
  let count = 0;
  for await (const item of items) {
    yield item;
    count += 1;
    if (count === limit) return;
  }
}

function judgeOf(word: string, { config }: Setting, targets: readonly ComparedTarget[]): ComparedTarget {
  const judge = chooseOne(word, config);
  const lineage = lineageOf(judge.model);
  const same = targets.find(({ model }) => lineageOf(model) === lineage);
  if (same === undefined) return judge;
  throw new CompareError(
    `--judge ${word}: it is of the same lineage (${lineage}) as ${same.name}, and models favour their own; name one of another`,
  );
}

/** What goes on must be what was begun: figures of two different things have no mean. */
function checkSame(plan: Plan, survey: Survey, targets: readonly ComparedTarget[]): void {
  if (plan.sha256 !== survey.sha256)
    throw new CompareError("the tasks are not what they were when it was begun: begin anew, without --resume");
  const changed = plan.targets.find(({ name, model }) => targets.find((one) => one.name === name)?.model !== model);
  if (changed !== undefined || plan.targets.length !== targets.length)
    throw new CompareError(
      `${changed?.name ?? "the targets"}: the configuration means another target than when it was begun`,
    );
}

function begin(folder: string, plan: Plan): void {
  if (existsSync(join(folder, "plan.json")))
    throw new CompareError(`${folder}: there is a comparison already; go on with --resume, or name another folder`);
  try {
    writePlan(folder, plan);
  } catch (error) {
    throw new CompareError(`${folder}: cannot be written to (${(error as NodeJS.ErrnoException).code ?? "error"})`);
  }
}

function estimateText(survey: Survey, { targets, notices }: ChosenTargets, plan: Plan, isSandbox: boolean): string {
  const runs = survey.tasks * plan.repeats;
  const usd = targets.map((target) => usdOf(target, survey.size));
  const rows = targets.map((target, at) => [
    target.name,
    target.model,
    target.client.name,
    usd[at] === undefined ? "no price" : `about $${amount(usd[at] * plan.repeats)}`,
  ]);
  const sum = usd.reduce<number>((all, one) => all + (one ?? 0), 0) * plan.repeats;
  return [
    isSandbox ? "SANDBOX: no provider is configured (or --sandbox): models are simulated, and nothing is spent.\n" : "",
    ...notices.map((text) => `${text}\n`),
    `${runs} runs at each target (${survey.suites.map(({ name, tasks }) => `${name} ${tasks}`).join(", ")}; ${plan.repeats} each)\n`,
    aligned([["target", "model", "client", "without any cache"], ...rows]),
    `about $${amount(sum)} in all${plan.judge === null ? "" : ", and the judge"}; answers are taken to have 200 tokens\n\n`,
  ].join("");
}

function amount(usd: number): string {
  return usd === 0 ? "0" : String(Number(usd.toPrecision(2)));
}

interface Whole {
  readonly options: Options;
  readonly surroundings: Surroundings;
  readonly plan: Plan;
  /** The folder. */
  readonly into: string;
  readonly suites: readonly Suite[];
  readonly survey: Survey;
  readonly chosen: ChosenTargets;
  readonly judge: ComparedTarget | undefined;
  readonly simulated: ReturnType<typeof createSimulatedModels>;
}

async function runAndReport(whole: Whole): Promise<number> {
  const { options, surroundings, plan, into, survey, chosen } = whole;
  const journal = openJournal(into);
  const figures = new Figures(chosen.targets.map(({ name }) => name));
  const worker = createCheckerWorker();
  const own =
    plan.url === null
      ? await startOwnGateway(withCaching(chosen.config, plan), join(into, "ledger.sqlite")).catch(cannotStart)
      : undefined;
  const url = own?.url ?? plan.url ?? "";
  const apiKey = surroundings.environment["SLUICE_BENCH_KEY"] ?? "bench";
  const ledger = createLedgerSpend(url, apiKey);
  try {
    const past = await pastOf(journal, figures);
    const cutBefore = await spentOn(past.cut, ledger);
    const began = performance.now();
    const toDo = survey.tasks * plan.repeats * chosen.targets.length - past.done.size;
    const progress = createProgress({
      isTerminal: surroundings.isTerminal,
      columns: surroundings.columns,
      toDo,
      doneBefore: past.done.size,
      maxUsd: options.maxUsd,
      now: () => performance.now(),
      write: surroundings.tell,
    });
    const ran = await run({
      plan,
      session: past.sessions + 1,
      suites: whole.suites,
      targets: chosen.targets,
      judge: whole.judge,
      url,
      apiKey,
      ledger,
      journal,
      figures,
      worker,
      simulated: whole.simulated,
      done: past.done,
      spentBefore: past.spent + past.warmUp + cutBefore,
      maxUsd: options.maxUsd,
      warming: plan.cache === "warm" && toDo > 0 ? survey.firstOfClass : [],
      stopped: surroundings.stopped,
      progress: (done, spent) => progress.tell(done, spent),
    });
    progress.end();
    const seconds = (performance.now() - began) / 1_000;
    tryTo(() => journal.add({ session: { seconds } }));
    const report = buildReport({
      plan,
      survey,
      targets: chosen.targets,
      figures,
      isSandbox: chosen.targets.some(({ isSimulated }) => isSimulated),
      caching: plan.url === null ? withCaching(chosen.config, plan).cache.mode : undefined,
      stopped: ran.stopped,
      lanes: ran.lanes,
      warmUpPicoUsd: past.warmUp + ran.warmUpPicoUsd,
      interruptedPicoUsd: cutBefore + (await spentOn(ran.cut, ledger)),
      maxUsd: options.maxUsd,
      seconds: past.seconds + seconds,
      sessions: past.sessions + 1,
      notices: chosen.notices,
      now: new Date(),
    });
    const problem = await write(into, report, journal);
    surroundings.print(reportText(report));
    const shown = shownPath(into, surroundings.folder);
    surroundings.print(`\n${problem ?? `${join(shown, "report.html")}, report.json, report.csv`}\n`);
    if (report.state === "partial") surroundings.print(`go on with: npm run bench -- compare --resume ${shown}\n`);
    if (options.json) surroundings.print(`${jsonLine(report, into, ran)}\n`);
    return report.state === "whole" && problem === undefined ? 0 : 1;
  } finally {
    await worker.close();
    await own?.close();
    journal.close();
  }
}

/** Tasks carry no cache marks, and no client of ours sets any: who would have them respected compared Claude without a cache. */
function withCaching(config: Config, { caching }: Plan): Config {
  const { mode } = config.cache;
  return { ...config, cache: { ...config.cache, mode: caching ?? (mode === "respect" ? "improve" : mode) } };
}

/** As somebody would type it. */
function shownPath(path: string, folder: string): string {
  const short = relative(folder, path);
  return short === "" || short.startsWith("..") ? path : short;
}

function cannotStart(error: unknown): never {
  throw new CompareError(`the gateway cannot start: ${error instanceof Error ? error.message : String(error)}`);
}

interface Past {
  readonly done: ReadonlySet<string>;
  /** Begun and not ended; how many calls they made nobody knows. */
  readonly cut: ReadonlyMap<string, number>;
  readonly spent: bigint;
  readonly warmUp: bigint;
  readonly seconds: number;
  readonly sessions: number;
}

/** What earlier sessions wrote down, put into the figures. */
async function pastOf(journal: Journal, figures: Figures): Promise<Past> {
  const done = new Set<string>();
  const open = new Set<string>();
  const began = new Set<string>();
  let [spent, warmUp, seconds] = [0n, 0n, 0];
  for await (const line of journal.lines()) {
    if ("began" in line) {
      open.add(line.began);
      began.add(line.began.slice(line.began.lastIndexOf(".") + 1));
    } else if ("warmed" in line) warmUp += BigInt(line.warmed.cost_pico_usd ?? 0);
    else if ("session" in line) seconds += line.session.seconds;
    else {
      const { run: ended } = line;
      open.delete(ended.ledger_task);
      const key = doneKey(ended.at, ended.target, ended.repeat);
      if (done.has(key)) continue;
      done.add(key);
      figures.add(ended);
      spent += BigInt(ended.cost_pico_usd ?? 0) + BigInt(ended.judge?.cost_pico_usd ?? 0);
    }
  }
  return {
    done,
    cut: new Map([...open].map((name) => [name, 0])),
    spent,
    warmUp,
    seconds,
    sessions: Math.max(0, ...[...began].map(Number)),
  };
}

/** What runs cost that were cut off: the ledger has them, and no figure. @param names With the calls that were made. */
async function spentOn(names: ReadonlyMap<string, number>, ledger: LedgerSpend): Promise<bigint> {
  const costs = await Promise.all(
    [...names].flatMap(([name, calls]) => [
      ledger.total(name, calls).catch(() => 0n),
      ledger.total(`${name}.judge`, 0).catch(() => 0n),
    ]),
  );
  return costs.reduce((sum, cost) => sum + cost, 0n);
}

/** @returns what went wrong, as text: what there is was printed anyhow. */
async function write(folder: string, report: Report, journal: Journal): Promise<string | undefined> {
  try {
    writeWhole(join(folder, "report.json"), `${JSON.stringify(report)}\n`);
    await writeCsv(join(folder, "report.csv"), journal);
    writeWhole(join(folder, "report.html"), pageOf(report));
    return undefined;
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    const why = code === "ENOSPC" ? "the disk is full" : (code ?? (error as Error).message);
    return `Not all of the report could be written to ${folder}: ${why}. Once that is mended, --resume ${folder} writes it.`;
  }
}

function tryTo(act: () => void): void {
  try {
    act();
  } catch {
    // A full disk is told of when the report is written.
  }
}

function jsonLine(report: Report, folder: string, { stopped }: Ran): string {
  const targets = report.targets.map(({ name, model, sums }) => ({
    name,
    model,
    passed: sums.passed,
    failed: sums.failed,
    errors: sums.errors,
    cost_pico_usd: sums.cost_pico_usd,
    cost_per_task_usd: sums.cost_per_task_usd.value,
    cost_per_success_usd: sums.cost_per_success_usd.value,
    pass_rate: sums.pass_rate.value,
  }));
  const { state, spend, recommendation, is_sandbox: isSandbox } = report;
  return JSON.stringify({
    report: join(folder, "report.json"),
    is_sandbox: isSandbox,
    state,
    stopped: stopped?.why ?? null,
    total_pico_usd: spend.total_pico_usd,
    recommended: recommendation.target,
    targets,
  });
}
