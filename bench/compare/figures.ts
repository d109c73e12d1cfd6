/** What runs come to, target by target: sums as they end, so that a hundred thousand tasks need some numbers each and no more. */
import type { EndedRun } from "./journal.ts";
import {
  ROWS_MAX,
  type FailureKind,
  type ReportRow,
  type ReportSums,
  NO_TOKENS,
  type ReportTokens,
  type Spread,
} from "./report.ts";
import {
  quantile,
  ratioInterval,
  shareInterval,
  TASKS_LEAST,
  type Drawn,
  type Interval,
  type Ratios,
} from "./statistics.ts";

/** Of one target, by the task's number. A task that it has not run has 0 runs. */
interface Columns {
  readonly runs: number[];
  /** Dollars of the runs that have a price. */
  readonly cost: number[];
  readonly priced: number[];
  readonly judged: number[];
  readonly passed: number[];
}

interface Tally {
  runs: number;
  passed: number;
  failed: number;
  unchecked: number;
  errors: number;
  checkerErrors: number;
  calls: number;
  attempts: number;
  cost: bigint;
  estimated: bigint;
  unpriced: number;
  tokens: ReportTokens;
  withoutUsage: number;
  /** Runs in which a form was asked for, and those without it. */
  formRuns: number;
  formFailures: number;
  implausible: number;
  tellsCacheRead: boolean;
  readonly ttftMs: number[];
  readonly durationMs: number[];
  readonly failures: Map<FailureKind, { runs: number; example: string }>;
}

export class Figures {
  readonly #targets: readonly string[];
  readonly #classes: string[] = [];
  /** By the task's number: which class. */
  readonly #classOf: number[] = [];
  readonly #columns: ReadonlyMap<string, Columns>;
  readonly #tallies = new Map<string, Tally>();
  readonly #rows = new Map<string, { row: ReportRow; ttftMs: number[]; durationMs: number[] }>();
  readonly movedTo: Map<string, Set<string>> = new Map<string, Set<string>>();
  judgeCalls = 0;
  judgeFailures = 0;
  judgeCost = 0n;
  #rowsOmitted = 0;

  constructor(targets: readonly string[]) {
    this.#targets = targets;
    this.#columns = new Map(
      targets.map((name) => [name, { runs: [], cost: [], priced: [], judged: [], passed: [] }] as const),
    );
  }

  get classes(): readonly string[] {
    return this.#classes;
  }

  add(run: EndedRun): void {
    let place = this.#classes.indexOf(run.class);
    if (place < 0) place = this.#classes.push(run.class) - 1;
    this.#classOf[run.at] = place;
    this.#column(run);
    tallied(this.#tally(run.target, run.class), run);
    tallied(this.#tally(run.target, undefined), run);
    this.#row(run);
    if (run.moved_to.length > 0)
      this.movedTo.set(run.target, new Set([...(this.movedTo.get(run.target) ?? []), ...run.moved_to]));
    if (run.judge === null) return;
    this.judgeCalls += run.judge.calls;
    this.judgeFailures += run.judge.failures;
    this.judgeCost += BigInt(run.judge.cost_pico_usd ?? 0);
  }

  cost(target: string): bigint {
    return this.#tallies.get(keyOf(target, undefined))?.cost ?? 0n;
  }

  /** Mean dollars of a run so far; `undefined`: none has a price. */
  meanCost(target: string): number | undefined {
    const tally = this.#tallies.get(keyOf(target, undefined));
    const priced = (tally?.runs ?? 0) - (tally?.unpriced ?? 0);
    return tally === undefined || priced === 0 ? undefined : Number(tally.cost) / 1e12 / priced;
  }

  implausible(target: string): number {
    return this.#tallies.get(keyOf(target, undefined))?.implausible ?? 0;
  }

  /** Numbers of the tasks that all of these have run, in order; of one class, or of all. */
  shared(targets: readonly string[], className?: string): readonly number[] {
    const place = className === undefined ? undefined : this.#classes.indexOf(className);
    const columns = targets.map((name) => this.#columns.get(name) as Columns);
    return this.#classOf.flatMap((own, at) =>
      (place === undefined || own === place) && columns.every(({ runs }) => (runs[at] ?? 0) > 0) ? [at] : [],
    );
  }

  /** Dollars by runs, of these tasks. */
  costs(target: string, tasks: readonly number[]): Ratios {
    const { cost, priced } = this.#columns.get(target) as Columns;
    return picked(cost, priced, tasks);
  }

  /** Passes by what was judged. */
  passes(target: string, tasks: readonly number[]): Ratios {
    const { passed, judged } = this.#columns.get(target) as Columns;
    return picked(passed, judged, tasks);
  }

  /** Dollars by passes. */
  successes(target: string, tasks: readonly number[]): Ratios {
    const { cost, passed } = this.#columns.get(target) as Columns;
    return picked(cost, passed, tasks);
  }

  sums(target: string, className: string | undefined, planned: number, drawn: Drawn): ReportSums {
    const tally = this.#tallies.get(keyOf(target, className)) ?? emptyTally();
    const tasks = this.shared([target], className);
    const costs = this.costs(target, tasks);
    const passes = this.passes(target, tasks);
    const successes = this.successes(target, tasks);
    const judged = tally.passed + tally.failed;
    const isPriced = tally.unpriced === 0;
    const prompt = promptTokens(tally.tokens);
    return {
      tasks: tasks.length,
      runs: tally.runs,
      passed: tally.passed,
      failed: tally.failed,
      unchecked: tally.unchecked,
      errors: tally.errors,
      checker_errors: tally.checkerErrors,
      not_run: Math.max(0, planned - tally.runs),
      calls: tally.calls,
      attempts: tally.attempts,
      cost_pico_usd: String(tally.cost),
      estimated_cost_pico_usd: String(tally.estimated),
      unpriced_runs: tally.unpriced,
      tokens: tally.tokens,
      calls_without_usage: tally.withoutUsage,
      format_runs: tally.formRuns,
      format_failures: tally.formFailures,
      cache_read_ratio: tally.tellsCacheRead && prompt > 0 ? tally.tokens.cache_read / prompt : null,
      cost_per_task_usd: estimateOf(costs, ratioInterval, drawn, total(costs.under) > 0),
      cost_per_success_usd: successEstimate(successes, costs, passes, drawn, isPriced && judged > 0),
      pass_rate: estimateOf(judgedOnly(passes), shareInterval, drawn, judged > 0),
      calls_per_task: tally.runs === 0 ? null : tally.calls / tally.runs,
      ttft_ms: spreadOf(tally.ttftMs),
      duration_ms: spreadOf(tally.durationMs),
      failures: [...tally.failures]
        .map(([kind, { runs, example }]) => ({ kind, runs, example }))
        .toSorted((one, other) => other.runs - one.runs),
    };
  }

  rows(): { readonly rows: readonly ReportRow[]; readonly omitted: number } {
    const order = new Map(this.#targets.map((name, at) => [name, at]));
    const rows = [...this.#rows]
      .map(([key, { row, ttftMs, durationMs }]) => ({
        at: Number(key.slice(0, key.indexOf(" "))),
        row: { ...row, ttft_ms: medianOf(ttftMs), duration_ms: medianOf(durationMs) },
      }))
      .toSorted(
        (one, other) => one.at - other.at || (order.get(one.row.target) ?? 0) - (order.get(other.row.target) ?? 0),
      )
      .map(({ row }) => row);
    return { rows, omitted: this.#rowsOmitted };
  }

  #tally(target: string, className: string | undefined): Tally {
    const key = keyOf(target, className);
    let tally = this.#tallies.get(key);
    if (tally === undefined) this.#tallies.set(key, (tally = emptyTally()));
    return tally;
  }

  #column({ at, target, result, cost_pico_usd: cost }: EndedRun): void {
    const columns = this.#columns.get(target) as Columns;
    const add = (column: number[], value: number) => void (column[at] = (column[at] ?? 0) + value);
    add(columns.runs, 1);
    add(columns.cost, cost === null ? 0 : Number(cost) / 1e12);
    add(columns.priced, cost === null ? 0 : 1);
    add(columns.judged, result === "passed" || result === "failed" ? 1 : 0);
    add(columns.passed, result === "passed" ? 1 : 0);
  }

  #row(run: EndedRun): void {
    const key = `${run.at} ${run.target}`;
    const kept = this.#rows.get(key);
    if (kept === undefined && run.at >= Math.floor(ROWS_MAX / this.#targets.length)) {
      // Each task once: repeats of one are one row.
      if (run.repeat === 0) this.#rowsOmitted += 1;
      return;
    }
    const entry = kept ?? { row: emptyRow(run), ttftMs: [], durationMs: [] };
    if (run.ttft_ms !== null) entry.ttftMs.push(run.ttft_ms);
    if (run.result !== "error") entry.durationMs.push(run.duration_ms);
    const { row } = entry;
    const { cost_pico_usd: cost } = run;
    const tokens = addedTokens(row.tokens, run.tokens);
    const prompt = promptTokens(tokens);
    const tells = run.tells_cache_read || row.cache_read_ratio !== null;
    entry.row = {
      ...row,
      runs: row.runs + 1,
      passed: row.passed + (run.result === "passed" ? 1 : 0),
      failed: row.failed + (run.result === "failed" ? 1 : 0),
      unchecked: row.unchecked + (run.result === "unchecked" ? 1 : 0),
      errors: row.errors + (run.result === "error" ? 1 : 0),
      checker_errors: row.checker_errors + (run.result === "checker-error" ? 1 : 0),
      calls: row.calls + run.calls,
      cost_pico_usd:
        cost === null || row.cost_pico_usd === null ? null : String(BigInt(row.cost_pico_usd) + BigInt(cost)),
      tokens,
      cache_read_ratio: tells && prompt > 0 ? tokens.cache_read / prompt : null,
      failures: run.failure === null ? row.failures : [...new Set([...row.failures, run.failure])],
      note: run.note ?? row.note,
    };
    this.#rows.set(key, entry);
  }
}

function keyOf(target: string, className: string | undefined): string {
  return className === undefined ? target : `${target} ${className}`;
}

function picked(over: readonly number[], under: readonly number[], tasks: readonly number[]): Ratios {
  return { over: tasks.map((at) => over[at] ?? 0), under: tasks.map((at) => under[at] ?? 0) };
}

/** Tasks of which nothing could be judged say nothing of a share. */
function judgedOnly({ over, under }: Ratios): Ratios {
  const isJudged = (_value: number, at: number) => (under[at] ?? 0) > 0;
  return { over: over.filter(isJudged), under: under.filter(isJudged) };
}

type Intervals = (ratios: Ratios, drawn: Drawn) => Interval | undefined;

function estimateOf(ratios: Ratios, intervals: Intervals, drawn: Drawn, isKnown: boolean): ReportSums["pass_rate"] {
  if (!isKnown) return { value: null, interval: null };
  return { value: total(ratios.over) / total(ratios.under), interval: intervals(ratios, drawn) ?? null };
}

function successEstimate(
  successes: Ratios,
  costs: Ratios,
  passes: Ratios,
  drawn: Drawn,
  isKnown: boolean,
): ReportSums["cost_per_success_usd"] {
  if (!isKnown || total(successes.under) === 0) return { value: null, interval: null };
  const value = total(successes.over) / total(successes.under);
  const judged = judgedOnly(passes);
  const isAll = total(judged.over) === total(judged.under);
  if (!isAll || judged.over.length < TASKS_LEAST) return { value, interval: ratioInterval(successes, drawn) ?? null };
  // Where all passed, how sure that is is not in the tasks: it comes from the share's own interval.
  const cost = ratioInterval(costs, drawn);
  const share = shareInterval(judged, drawn);
  if (cost === undefined || share === undefined) return { value, interval: null };
  const [[low, high], [least]] = [cost, share];
  return { value, interval: [low, high === null || least === null || least === 0 ? null : high / least] };
}

export function total(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0);
}

function emptyTally(): Tally {
  return {
    runs: 0,
    passed: 0,
    failed: 0,
    unchecked: 0,
    errors: 0,
    checkerErrors: 0,
    calls: 0,
    attempts: 0,
    cost: 0n,
    estimated: 0n,
    unpriced: 0,
    tokens: NO_TOKENS,
    withoutUsage: 0,
    formRuns: 0,
    formFailures: 0,
    implausible: 0,
    tellsCacheRead: false,
    ttftMs: [],
    durationMs: [],
    failures: new Map(),
  };
}

function tallied(tally: Tally, run: EndedRun): void {
  tally.runs += 1;
  tally.passed += run.result === "passed" ? 1 : 0;
  tally.failed += run.result === "failed" ? 1 : 0;
  tally.unchecked += run.result === "unchecked" ? 1 : 0;
  tally.errors += run.result === "error" ? 1 : 0;
  tally.checkerErrors += run.result === "checker-error" ? 1 : 0;
  tally.calls += run.calls;
  tally.attempts += run.attempts;
  tally.cost += BigInt(run.cost_pico_usd ?? 0);
  tally.estimated += BigInt(run.estimated_pico_usd);
  tally.unpriced += run.cost_pico_usd === null ? 1 : 0;
  tally.tokens = addedTokens(tally.tokens, run.tokens);
  tally.withoutUsage += run.calls_without_usage;
  if (run.is_formed !== undefined) tally.formRuns += 1;
  if (run.is_formed === false) tally.formFailures += 1;
  tally.implausible += run.implausible_calls;
  if (run.result !== "error") {
    tally.tellsCacheRead ||= run.tells_cache_read;
    tally.durationMs.push(run.duration_ms);
    if (run.ttft_ms !== null) tally.ttftMs.push(run.ttft_ms);
  }
  if (run.failure === null) return;
  const known = tally.failures.get(run.failure);
  if (known === undefined) tally.failures.set(run.failure, { runs: 1, example: run.note ?? run.failure });
  else known.runs += 1;
}

function addedTokens(one: ReportTokens, other: ReportTokens): ReportTokens {
  return {
    input_uncached: one.input_uncached + other.input_uncached,
    cache_read: one.cache_read + other.cache_read,
    cache_write_5m: one.cache_write_5m + other.cache_write_5m,
    cache_write_1h: one.cache_write_1h + other.cache_write_1h,
    cache_write_other: one.cache_write_other + other.cache_write_other,
    output: one.output + other.output,
    reasoning: one.reasoning + other.reasoning,
  };
}

function promptTokens(tokens: ReportTokens): number {
  return (
    tokens.input_uncached + tokens.cache_read + tokens.cache_write_5m + tokens.cache_write_1h + tokens.cache_write_other
  );
}

function emptyRow({ task, suite, class: className, target }: EndedRun): ReportRow {
  return {
    task,
    suite,
    class: className,
    target,
    runs: 0,
    passed: 0,
    failed: 0,
    unchecked: 0,
    errors: 0,
    checker_errors: 0,
    calls: 0,
    cost_pico_usd: "0",
    tokens: NO_TOKENS,
    cache_read_ratio: null,
    ttft_ms: null,
    duration_ms: null,
    failures: [],
    note: null,
  };
}

function spreadOf(values: readonly number[]): Spread {
  if (values.length === 0) return null;
  const sorted = values.toSorted((one, other) => one - other);
  return { p50: quantile(sorted, 0.5), p90: quantile(sorted, 0.9), p99: quantile(sorted, 0.99) };
}

function medianOf(values: readonly number[]): number | null {
  return values.length === 0
    ? null
    : quantile(
        values.toSorted((one, other) => one - other),
        0.5,
      );
}
