/**
 * A trace from a ledger: the prompts that one target was sent, as `src/ledger-prompts.ts` wrote them down. Reads only, also a ledger in use.
 *
 * An id is a place where prefixes end, and stands for what is between it and the place before: places of real prompts, not blocks of one
 * length. How many tokens that is, the bills tell: what a prompt has beyond the one that it goes on from was billed as so many tokens,
 * and its new places share them by our estimates.
 */
import { statSync } from "node:fs";
import { DatabaseSync } from "node:sqlite";
import { type PromptPath, promptPathOf } from "../../src/ledger-prompts.ts";
import { MIGRATIONS } from "../../src/ledger-schema.ts";
import { type Trace, TraceError, type TraceRequest } from "./trace.ts";

export interface LedgerChoice {
  /** Milliseconds since the epoch. */
  readonly sinceMs: number | undefined;
  readonly untilMs: number | undefined;
  /** As `provider/model`; absent: the only one that there is. */
  readonly target: string | undefined;
  readonly taskClass: string | undefined;
}

export interface LedgerTrace extends Trace {
  readonly model: string;
  readonly lastMs: number;
  /** What each request was billed, by its index. */
  readonly bills: readonly BilledPrompt[];
  /** What is to be known of it, as sentences. */
  readonly notes: readonly string[];
}

/** A prompt's tokens as the provider counted them. */
export interface BilledPrompt {
  readonly read: number;
  readonly written5m: number;
  readonly written1h: number;
  readonly writtenOther: number;
  /** Until its first event, from when it was sent. */
  readonly ttftSeconds: number;
  /** That it waited here before. */
  readonly heldSeconds: number;
}

/** @throws TraceError saying what is wrong with the file, or what to ask of it. */
export function readLedger(file: string, choice: LedgerChoice): LedgerTrace {
  const found = statSync(file, { throwIfNoEntry: false });
  if (found?.isDirectory() ?? true)
    throw new TraceError(`${file}: there is no such file; a ledger is ledger.sqlite in the data folder`);
  let database: DatabaseSync | undefined;
  try {
    database = new DatabaseSync(file, { readOnly: true });
    // One view of it all, while a gateway writes on.
    database.exec("BEGIN");
    checkVersion(database, file);
    const target = chosenTarget(database, file, choice);
    const calls = readCalls(database, target, choice);
    return traceOf(target, calls, new Paths(readRows(database)));
  } catch (error) {
    if (error instanceof TraceError) throw error;
    throw new TraceError(`${file}: it cannot be read as a ledger: ${(error as Error).message}`);
  } finally {
    database?.close();
  }
}

function checkVersion(database: DatabaseSync, file: string): void {
  const tables = database.prepare("SELECT name FROM sqlite_schema WHERE name IN ('attempts', 'prompts')").all();
  const names = tables.map(({ name }) => name);
  if (!names.includes("attempts")) throw new TraceError(`${file}: it is not a ledger: it has no table of attempts`);
  const version = Number(database.prepare("PRAGMA user_version").get()?.["user_version"]);
  if (version > MIGRATIONS.length) throw new TraceError(`${file}: it was written by a newer Sluice`);
  if (!names.includes("prompts")) throw new TraceError(`${file}: ${NO_PROMPTS}`);
}

const NO_PROMPTS =
  "no prompts are recorded in it: an older Sluice wrote it. Start this one on it; every call from then on is recorded";

/** What a provider's cache has seen: calls that it began to answer. One that is open has no bill yet. */
const SEEN = "attempt.outcome IS NOT NULL AND attempt.ttft_ms IS NOT NULL AND attempt.cost_basis <> 'not-billed'";

const FROM = `FROM prompts JOIN attempts AS first ON first.id = prompts.id
  JOIN attempts AS attempt ON attempt.exchange = first.exchange WHERE ${SEEN}`;

type Values = Record<string, string | number>;

function conditionsOf({ sinceMs, untilMs, taskClass }: LedgerChoice): {
  readonly sql: string;
  readonly values: Values;
} {
  const conditions: string[] = [];
  const values: Values = {};
  const add = (condition: string, name: string, value: string | number | undefined) => {
    if (value === undefined) return;
    conditions.push(` AND ${condition}`);
    values[name] = value;
  };
  add("attempt.started_at_ms >= :since", "since", sinceMs);
  add("attempt.started_at_ms < :until", "until", untilMs);
  add("attempt.task_class = :class", "class", taskClass);
  return { sql: conditions.join(""), values };
}

function chosenTarget(database: DatabaseSync, file: string, choice: LedgerChoice): { provider: string; model: string } {
  const { sql, values } = conditionsOf(choice);
  const targets = database
    .prepare(
      `SELECT attempt.provider, attempt.model, count(*) AS prompts ${FROM}${sql} GROUP BY 1, 2 ORDER BY 3 DESC, 1, 2`,
    )
    .all(values)
    .map((row) => ({
      provider: String(row["provider"]),
      model: String(row["model"]),
      prompts: Number(row["prompts"]),
    }));
  const listed = targets.map(({ provider, model, prompts }) => `${provider}/${model} (${prompts})`).join(", ");
  if (targets.length === 0) throw new TraceError(`${file}: ${whyNone(database, choice)}`);
  if (choice.target === undefined) {
    const [only, another] = targets;
    if (only !== undefined && another === undefined) return only;
    throw new TraceError(`${file}: each target has a cache of its own; choose one by --target: ${listed}`);
  }
  const named = targets.find(({ provider, model }) => `${provider}/${model}` === choice.target);
  if (named === undefined) throw new TraceError(`${file}: no prompts went to ${choice.target}, but to ${listed}`);
  return named;
}

function whyNone(database: DatabaseSync, { sinceMs, untilMs, taskClass }: LedgerChoice): string {
  const isFiltered = (sinceMs ?? untilMs ?? taskClass) !== undefined;
  const hasAny = database.prepare("SELECT 1 FROM prompts LIMIT 1").get() !== undefined;
  if (hasAny && isFiltered) return "it has prompts, but none that was answered within --since, --until and --class";
  if (hasAny) return "it has prompts, but none of them was answered";
  const hasCalls = database.prepare("SELECT 1 FROM attempts LIMIT 1").get() !== undefined;
  return hasCalls ? NO_PROMPTS : "no prompts are recorded in it: it has no calls yet";
}

interface Row {
  readonly id: number;
  readonly run: number;
  readonly path: PromptPath;
}

/** All of them: what a prompt goes on from may have gone to another target, or before the time asked for. */
function readRows(database: DatabaseSync): readonly Row[] {
  return database
    .prepare("SELECT id, run, path FROM prompts ORDER BY id")
    .all()
    .map(({ id, run, path }) => ({ id: Number(id), run: Number(run), path: promptPathOf(path as Uint8Array) }));
}

interface Call {
  /** The number of its prompt's row. */
  readonly prompt: number;
  readonly atMs: number;
  readonly task: string;
  /** The whole prompt, as the provider counted it; `undefined`: it did not say. */
  readonly promptTokens: number | undefined;
  readonly billed: BilledPrompt;
}

function readCalls(
  database: DatabaseSync,
  { provider, model }: { readonly provider: string; readonly model: string },
  choice: LedgerChoice,
): readonly Call[] {
  const { sql, values } = conditionsOf(choice);
  return database
    .prepare(
      `SELECT prompts.id AS prompt, attempt.* ${FROM}${sql} AND attempt.provider = :provider AND attempt.model = :model
        ORDER BY attempt.started_at_ms - coalesce(attempt.held_ms, 0), attempt.id`,
    )
    .all({ ...values, provider, model })
    .map((row): Call => {
      const count = (column: string) => Number(row[column] ?? 0);
      const billed = {
        read: count("cache_read"),
        written5m: count("cache_write_5m"),
        written1h: count("cache_write_1h"),
        writtenOther: count("cache_write_other"),
        ttftSeconds: count("ttft_ms") / 1000,
        heldSeconds: count("held_ms") / 1000,
      };
      const tokens = count("input_uncached") + billed.read + billed.written5m + billed.written1h + billed.writtenOther;
      // Where the count is ours, nothing is said of the cache either.
      const isTold =
        row["input_uncached"] !== null && (row["usage_basis"] === "reported" || row["cache_read"] !== null);
      return {
        prompt: count("prompt"),
        atMs: count("started_at_ms") - count("held_ms"),
        task: String(row["task"]),
        promptTokens: isTold ? tokens : undefined,
        billed,
      };
    });
}

/** The ways of all prompts, by numbers that mean the same in every run. */
class Paths {
  /** Of each number: tokens (our estimate) and blocks from the place before it. */
  readonly tokens: Float64Array;
  readonly blocks: Float64Array;
  readonly #ways = new Map<number, Way>();

  constructor(rows: readonly Row[]) {
    const lasts = new Map<number, number>();
    for (const { run, path } of rows) {
      lasts.set(run, Math.max(lasts.get(run) ?? 0, path.first + path.tokens.length - 1));
    }
    const starts = new Map<number, number>();
    let size = 0;
    for (const [run, last] of lasts) {
      starts.set(run, size);
      size += last + 1;
    }
    this.tokens = new Float64Array(size);
    this.blocks = new Float64Array(size);
    const makers = new Map<number, Maker[]>();
    for (const { id, run, path } of rows) {
      const made = makers.get(run) ?? [];
      makers.set(run, made);
      const start = starts.get(run) ?? 0;
      const runs = this.#before(path, start, made);
      const first = start + path.first;
      if (path.tokens.length > 0) {
        this.tokens.set(path.tokens, first);
        this.blocks.set(path.blocks, first);
        appendRun(runs, first, path.tokens.length);
        made.push({ first, runs });
      }
      this.#ways.set(id, { path, runs, staticBlocks: placeIn(runs, start + (path.staticEnd ?? Number.NaN)) });
    }
  }

  of(prompt: number): Way | undefined {
    return this.#ways.get(prompt);
  }

  /** The way to the place that a prompt goes on from. */
  #before({ parent, parentTokens, parentBlocks }: PromptPath, start: number, made: readonly Maker[]): number[] {
    if (parent === undefined) return [];
    const number = start + parent;
    const runs = upTo(makerOf(made, number)?.runs ?? [], number);
    if (runs.length > 0) return runs;
    // Its row is gone: all that is before it is one piece.
    this.tokens[number] = parentTokens;
    this.blocks[number] = parentBlocks;
    return [number, 1];
  }
}

interface Way {
  readonly path: PromptPath;
  readonly runs: readonly number[];
  readonly staticBlocks: number;
}

/** A prompt with new places. */
interface Maker {
  readonly first: number;
  readonly runs: readonly number[];
}

/** Whose place has this number, among prompts in the order of theirs. */
function makerOf(made: readonly Maker[], number: number): Maker | undefined {
  let low = 0;
  let high = made.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((made[middle] as Maker).first <= number) low = middle + 1;
    else high = middle;
  }
  return made[low - 1];
}

function appendRun(runs: number[], first: number, count: number): void {
  const last = runs.length - 2;
  if (last >= 0 && (runs[last] as number) + (runs[last + 1] as number) === first)
    runs[last + 1] = (runs[last + 1] as number) + count;
  else runs.push(first, count);
}

/** @returns nothing where the number is not in them. */
function upTo(runs: readonly number[], number: number): number[] {
  for (let run = 0; run < runs.length; run += 2) {
    const offset = number - (runs[run] as number);
    if (offset >= 0 && offset < (runs[run + 1] as number)) return [...runs.slice(0, run + 1), offset + 1];
  }
  return [];
}

/** How many places there are up to this one; 0: it is not among them. */
function placeIn(runs: readonly number[], number: number): number {
  const before = upTo(runs, number);
  return blocksOf(before);
}

function blocksOf(runs: readonly number[]): number {
  let blocks = 0;
  for (let run = 1; run < runs.length; run += 2) blocks += runs[run] as number;
  return blocks;
}

function traceOf(
  target: { readonly provider: string; readonly model: string },
  calls: readonly Call[],
  paths: Paths,
): LedgerTrace {
  const counted = new Counted(paths, calls);
  const firstMs = calls[0]?.atMs ?? 0;
  const requests = calls.map(({ prompt, atMs, task, promptTokens, billed }, index): TraceRequest => {
    const { path, runs, staticBlocks } = paths.of(prompt) as Way;
    return {
      index,
      atSeconds: (atMs - firstMs) / 1000,
      promptTokens: counted.count(runs, path.tailTokens, promptTokens),
      session: task,
      kind: path.lastKind,
      staticBlocks,
      contentBlocks: 1,
      apiSeconds: billed.ttftSeconds,
      tenant: String(path.tenant),
      runs,
      blocks: blocksOf(runs),
    };
  });
  return {
    name: `${target.provider}/${target.model}`,
    model: target.model,
    lastMs: calls.at(-1)?.atMs ?? 0,
    requests,
    tokensOf: sumOf(counted.tokens),
    contentOf: sumOf(paths.blocks),
    bills: calls.map(({ billed }) => billed),
    notes: notesOf(calls, counted),
  };
}

/** Tokens of each piece as the provider counts them. */
class Counted {
  readonly tokens: Float64Array;
  /** Prompts that were billed for less than earlier ones tell of what they begin with: of those we believe the earlier ones. */
  raised = 0;
  readonly #paths: Paths;
  readonly #isKnown: Uint8Array;
  /** The provider's tokens to one of ours, where it does not tell. */
  readonly #ratio: number;

  constructor(paths: Paths, calls: readonly Call[]) {
    this.tokens = new Float64Array(paths.tokens.length);
    this.#paths = paths;
    this.#isKnown = new Uint8Array(paths.tokens.length);
    let told = 0;
    let estimated = 0;
    for (const { prompt, promptTokens } of calls) {
      if (promptTokens === undefined) continue;
      const { runs, path } = paths.of(prompt) as Way;
      told += promptTokens;
      estimated += path.tailTokens;
      for (const id of idsOf(runs)) estimated += paths.tokens[id] as number;
    }
    this.#ratio = estimated === 0 ? 1 : told / estimated;
  }

  /** @returns The whole prompt's tokens. */
  count(runs: readonly number[], tailTokens: number, told: number | undefined): number {
    let known = 0;
    let estimated = tailTokens;
    for (const id of idsOf(runs)) {
      if (this.#isKnown[id] === 1) known += this.tokens[id] as number;
      else estimated += this.#paths.tokens[id] as number;
    }
    const whole = told ?? Math.round(known + this.#ratio * estimated);
    if (whole < known) this.raised += 1;
    const scale = estimated === 0 ? 0 : Math.max(0, whole - known) / estimated;
    let soFar = 0;
    let before = 0;
    for (const id of idsOf(runs)) {
      if (this.#isKnown[id] === 1) continue;
      soFar += this.#paths.tokens[id] as number;
      const upTo = Math.floor(scale * soFar);
      this.tokens[id] = upTo - before;
      this.#isKnown[id] = 1;
      before = upTo;
    }
    return Math.max(whole, known);
  }
}

function* idsOf(runs: readonly number[]): Generator<number> {
  for (let run = 0; run < runs.length; run += 2) {
    const first = runs[run] as number;
    for (let id = first; id < first + (runs[run + 1] as number); id += 1) yield id;
  }
}

function sumOf(values: Float64Array): (start: number, count: number) => number {
  const sums = new Float64Array(values.length + 1);
  for (const [id, value] of values.entries()) sums[id + 1] = (sums[id] as number) + value;
  return (start, count) => (sums[start + count] as number) - (sums[start] as number);
}

function notesOf(calls: readonly Call[], { raised }: Counted): readonly string[] {
  const estimated = calls.filter(({ promptTokens }) => promptTokens === undefined).length;
  return [
    ...(estimated === 0
      ? []
      : [`prompts that the provider did not count, and that are as long as we estimate: ${estimated}`]),
    ...(raised === 0
      ? []
      : [`prompts billed for less than what they begin with was before, and that count as that: ${raised}`]),
  ];
}
