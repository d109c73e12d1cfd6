/**
 * What a finished comparison (`bench compare`'s `report.json`) leaves to be expected of a class of tasks at each of its targets: means, with
 * the bounds that its own chance and the operator's tolerance put around them. Pure.
 */
import { z } from "zod";
import { meanOf, type Estimate } from "../tasks/distribution.ts";
import type { Expectation, ExpectedMeasure, Measure } from "./drift.ts";
import { CUT_DOWN, CUT_UP } from "./evidence.ts";

/** As far as it is needed here; a test holds it against the comparison's own words. */
const KIND = "sluice-compare";
const VERSION = 1;

export interface PinnedReport {
  readonly run: { readonly id: string };
  readonly is_sandbox: boolean;
  readonly state: "whole" | "partial";
  readonly targets: readonly {
    readonly name: string;
    readonly model: string;
    readonly by_class: readonly { readonly class: string; readonly sums: Sums }[];
  }[];
  readonly rows: readonly Row[];
}

interface Sums {
  readonly passed: number;
  readonly failed: number;
  readonly unchecked: number;
  readonly calls_without_usage: number;
  readonly failures: readonly { readonly kind: string; readonly runs: number }[];
  /** Runs in which a form was asked for, and those whose answer or call did not have it. */
  readonly format_runs?: number;
  readonly format_failures?: number;
}

interface Row {
  readonly class: string;
  readonly target: string;
  readonly runs: number;
  readonly errors: number;
  readonly cost_pico_usd: string | null;
  readonly tokens: {
    readonly input_uncached: number;
    readonly cache_read: number;
    readonly cache_write_5m: number;
    readonly cache_write_1h: number;
    readonly cache_write_other: number;
    readonly output: number;
  };
}

const count = z.number().nonnegative();
const sums: z.ZodType<Sums> = z.object({
  passed: count,
  failed: count,
  unchecked: count,
  calls_without_usage: count,
  failures: z.array(z.object({ kind: z.string(), runs: count })),
  format_runs: count.exactOptional(),
  format_failures: count.exactOptional(),
});
const row: z.ZodType<Row> = z.object({
  class: z.string(),
  target: z.string(),
  runs: count,
  errors: count,
  cost_pico_usd: z.string().regex(/^\d+$/).nullable(),
  tokens: z.object({
    input_uncached: count,
    cache_read: count,
    cache_write_5m: count,
    cache_write_1h: count,
    cache_write_other: count,
    output: count,
  }),
});
const reportSchema: z.ZodType<PinnedReport> = z.object({
  run: z.object({ id: z.string() }),
  is_sandbox: z.boolean(),
  state: z.enum(["whole", "partial"]),
  targets: z.array(
    z.object({
      name: z.string(),
      model: z.string(),
      by_class: z.array(z.object({ class: z.string(), sums })),
    }),
  ),
  rows: z.array(row),
});

/** Of fewer, a mean says nothing. */
export const REPORT_TASKS_LEAST = 10;

/** @returns what is wrong with it, as text. */
export function readPinned(text: string): PinnedReport | string {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return "is not JSON";
  }
  const head = z.object({ kind: z.string(), version: z.number() }).safeParse(value);
  if (!head.success || head.data.kind !== KIND) return "is no report of `bench compare`";
  if (head.data.version !== VERSION)
    return `is a report of version ${head.data.version}; this reads version ${VERSION}`;
  const read = reportSchema.safeParse(value);
  if (read.success) return read.data;
  const [issue] = read.error.issues;
  return `has a wrong \`${issue?.path.map(String).join(".")}\`: ${issue?.message}`;
}

export interface Pinned {
  readonly report: PinnedReport;
  /** As the config names it. */
  readonly file: string;
  /** The class in the report, and as live tasks have it. */
  readonly reportClass: string;
  readonly className: string;
  /** Share by which tokens and cost may differ. */
  readonly tolerance: number;
}

/** One for each target that has run enough tasks of the class. */
export function expectationsOf({ report, file, reportClass, className, tolerance }: Pinned): readonly Expectation[] {
  return report.targets.flatMap(({ name, model, by_class }): readonly Expectation[] => {
    const own = by_class.find((one) => one.class === reportClass)?.sums;
    const rows = report.rows.filter((row) => row.class === reportClass && row.target === name && row.runs > 0);
    if (own === undefined || rows.length < REPORT_TASKS_LEAST) return [];
    return [
      {
        className,
        target: model,
        report: file,
        run: report.run.id,
        tasks: rows.length,
        measures: measuresOf(own, rows, tolerance),
      },
    ];
  });
}

function measuresOf(sums: Sums, rows: readonly Row[], tolerance: number): Expectation["measures"] {
  // A run that was cut off by an outage took less than a task takes.
  const answered = rows.filter(({ errors }) => errors === 0);
  const tokens = sums.calls_without_usage > 0 ? [] : answered.map((row) => tokensOf(row) / row.runs);
  const isPriced = answered.every((row) => row.cost_pico_usd !== null);
  const costs = isPriced ? answered.map((row) => Number(row.cost_pico_usd) / row.runs) : [];
  const runs = sums.passed + sums.failed + sums.unchecked;
  const refused = sums.failures.find(({ kind }) => kind === "refused")?.runs ?? 0;
  const measures: Partial<Record<Measure, ExpectedMeasure>> = {};
  const put = (measure: Measure, expected: ExpectedMeasure | undefined) => {
    if (expected !== undefined) measures[measure] = expected;
  };
  put("tokens", amount(tokens, tolerance));
  put("cost", amount(costs, tolerance));
  put("refusals", share(refused, runs, rows.length));
  put("schema-failures", share(sums.format_failures ?? 0, sums.format_runs ?? 0, rows.length));
  return measures;
}

function tokensOf({ tokens }: Row): number {
  return (
    tokens.input_uncached +
    tokens.cache_read +
    tokens.cache_write_5m +
    tokens.cache_write_1h +
    tokens.cache_write_other +
    tokens.output
  );
}

/** @returns `undefined` of too few, and of what takes nothing. */
function amount(values: readonly number[], tolerance: number): ExpectedMeasure | undefined {
  const { mean, mean_ci95: interval }: Estimate = meanOf(values);
  if (values.length < REPORT_TASKS_LEAST || mean === null || interval === null || mean <= 0) return undefined;
  const low = lowOf(values, tolerance);
  return { mean, high: interval[1] * (1 + tolerance), ...(low > 0 ? { low } : {}), cut: CUT_UP * mean };
}

const TURNS_MAX = 100;

/** The bound of values that are cut at four times itself, as live ones will be. */
function lowOf(values: readonly number[], tolerance: number): number {
  let low = Number.POSITIVE_INFINITY;
  for (let turn = 0; turn < TURNS_MAX; turn += 1) {
    const interval = meanOf(values.map((value) => Math.min(value, CUT_DOWN * low))).mean_ci95;
    const next = Math.max(0, (interval?.[0] ?? 0) * (1 - tolerance));
    if (next >= low * 0.9999) return next;
    low = next;
  }
  return low;
}

/** Two-sided 95 %. */
const DEVIATIONS = 1.96;

/** @param tasks Runs of the same task are not news of each other. */
function share(hits: number, runs: number, tasks: number): ExpectedMeasure | undefined {
  const n = Math.min(runs, tasks);
  if (n < REPORT_TASKS_LEAST) return undefined;
  const mean = hits / runs;
  const square = DEVIATIONS ** 2;
  const middle = (mean + square / (2 * n)) / (1 + square / n);
  const margin = (DEVIATIONS / (1 + square / n)) * Math.sqrt((mean * (1 - mean)) / n + square / (4 * n * n));
  const high = middle + margin;
  // Where all of it may be so, nothing can be more.
  return high >= 0.95 ? undefined : { mean, high, cut: 1 };
}
