/**
 * What a comparison comes to, as `report.json` has it. Whoever reads one (the picture, the difference of two, the drift watch) needs this
 * file and nothing else of the comparison. A reader takes fields it does not know; `version` grows where one changes its meaning.
 *
 * Money that is a sum is exact: picodollars (1e-12 $) as digits in a string. What was divided, drawn or projected is dollars as a number.
 * A share is from 0 to 1. `null`: not known, or it cannot be said; never 0. Intervals are at 95 %.
 */
import { z } from "zod";

export const REPORT_KIND = "sluice-compare";
export const REPORT_VERSION = 1;

const count = z.int().nonnegative();
const picoUsd = z.string().regex(/^\d+$/);
const share = z.number().min(0).max(1);

/** `[low, high]`; an end is `null` where it has no bound (a cost per success, where a resample had none). */
const interval = z.tuple([z.number().nullable(), z.number().nullable()]).readonly();

/** A figure and how sure it is; `value: null`: there is none, `interval: null`: too few tasks for one. */
const estimate = z.looseObject({ value: z.number().nullable(), interval: interval.nullable() });

/** Disjoint buckets of what was billed; `reasoning` is a part of `output`. */
export const tokens = z.looseObject({
  input_uncached: count,
  cache_read: count,
  cache_write_5m: count,
  cache_write_1h: count,
  cache_write_other: count,
  output: count,
  reasoning: count,
});

/** Of runs that were answered, in milliseconds. `null`: none was. */
const spread = z.looseObject({ p50: z.number(), p90: z.number(), p99: z.number() }).nullable();

/** Why runs brought nothing that could be judged, or something that did not pass. Words of `FAILURE_KINDS`, and how often. */
const failure = z.looseObject({
  kind: z.string(),
  runs: count,
  /** One of them in words, without anything that was said to a model or by it. */
  example: z.string(),
});

/**
 * What can become of a run besides passing. The first five are the answer's fault, and count as not passed; the others are the target's or the
 * way's, leave nothing to judge, and are in no pass rate (their cost is in every sum); `checker-failed` is the suite's.
 */
export const FAILURE_KINDS = [
  "wrong-answer",
  "refused",
  "cut-short",
  "tool-misused",
  "too-many-turns",
  "unreachable",
  "unavailable",
  "rate-limited",
  "timeout",
  "broken-off",
  "rejected",
  "checker-failed",
  "judge-failed",
] as const;
export type FailureKind = (typeof FAILURE_KINDS)[number];

/** What one target came to: over everything, or over one class of tasks. */
const sums = z.looseObject({
  tasks: count,
  /** Tasks times repeats, as far as they were run. */
  runs: count,
  /** `passed + failed + unchecked + errors + checker_errors = runs`. */
  passed: count,
  failed: count,
  /** Answered, and nobody said what would be right. */
  unchecked: count,
  /** Nothing that could be judged came back. */
  errors: count,
  /** The checker or the judge failed, not the model. */
  checker_errors: count,
  /** Planned and not run: the money was spent, somebody stopped it, the target was given up. */
  not_run: count,
  calls: count,
  /** Attempts of the gateway: more than calls where it tried again. */
  attempts: count,
  /** By the gateway's ledger, of runs that have a price. */
  cost_pico_usd: picoUsd,
  /** The part of it that is an estimate: of answers that broke off before anybody told their tokens. */
  estimated_cost_pico_usd: picoUsd,
  /** Runs with a call that has no price: they are in no figure of money below. */
  unpriced_runs: count,
  tokens,
  /** Calls that did not tell all their tokens. */
  calls_without_usage: count,
  /** Runs in which answers or calls were to have a form (a schema, tools' arguments), and those where one had not, by the gateway's look. */
  format_runs: count.optional(),
  format_failures: count.optional(),
  /** Tokens read from cache / tokens of all prompts; `null` where no call told. Where some did not, it is at least this. */
  cache_read_ratio: share.nullable(),
  /** Mean dollars of a run. */
  cost_per_task_usd: estimate,
  /** All that was paid / what passed. `null` where nothing passed or nothing was checked. */
  cost_per_success_usd: estimate,
  /** `passed / (passed + failed)`. */
  pass_rate: estimate,
  calls_per_task: z.number().nullable(),
  /** Until the first word or tool call of a run's first answer, as the client saw it. */
  ttft_ms: spread,
  /** Of a whole run: all turns, tools' time not counted, as they are scripted. */
  duration_ms: spread,
  failures: z.array(failure).readonly(),
});

/** What is the matter with a target, apart from its answers. */
const problem = z.looseObject({
  kind: z.enum(["down", "rate-limited", "slow", "errors", "usage-implausible", "usage-missing", "unpriced", "moved"]),
  sentence: z.string(),
});

const hardware = z.looseObject({
  /** All machines that serve it. */
  usd_per_hour: z.number(),
  /** Of all calls together, each measured alone. */
  prefill_tokens_per_second: z.number(),
  decode_tokens_per_second: z.number(),
  /** Of the paid hours, which a token's price on the ledger is made with. */
  utilization: z.number(),
  /** `configuration`: as `models.<id>` says; `calibrated`: by `bench calibrate`; `assumed`: the sandbox's own. */
  source: z.enum(["configuration", "calibrated", "assumed"]),
});

const target = z.looseObject({
  /** As the command named it: `current`, `nano`, `self-hosted`. */
  name: z.string(),
  /** As the gateway names it: `provider/model`. */
  model: z.string(),
  /** The official client that it was called with. */
  client: z.string(),
  is_simulated: z.boolean(),
  /** `tokens`: a price list; `gpu-hours`: what hardware costs, spread over tokens; `none`: it has no price. */
  price_basis: z.enum(["tokens", "gpu-hours", "none"]),
  /** Dollars per million tokens by bucket, as the ledger's newest row was priced; `null` without a price. */
  usd_per_million: z.record(z.string(), z.number()).nullable(),
  hardware: hardware.nullable(),
  problems: z.array(problem).readonly(),
  sums,
  /** The same by class of tasks, in the order of the suites. */
  by_class: z.array(z.looseObject({ class: z.string(), sums })).readonly(),
});

/** A figure of `other` against that of `base`, over the tasks that both have run: each task is its own control. */
const compared = z.looseObject({
  value: z.number().nullable(),
  interval: interval.nullable(),
  /** Whether the interval leaves out "no difference". `null`: there is no interval. */
  is_significant: z.boolean().nullable(),
});

const comparison = z.looseObject({
  base: z.string(),
  other: z.string(),
  /** `null`: over all classes. */
  class: z.string().nullable(),
  /** Tasks that both have run. */
  tasks: count,
  /** Mean cost of a run: other / base. 1: no difference. */
  cost_ratio: compared,
  /** Cost of a success: other / base. */
  cost_per_success_ratio: compared,
  /** Pass rate: other - base. 0: no difference. */
  pass_rate_difference: compared,
  /** What it says, for people; one for each of the three, and that one is not significant where it is not. */
  sentences: z.array(z.string()).readonly(),
});

const breakEvenRival = z.looseObject({
  target: z.string(),
  usd_per_task: z.number(),
  /** Above this the hardware is cheaper; `null`: never. By what tasks cost, `utilization` of the row below that was asked for. */
  tasks_per_day: z.number().nullable(),
  interval: interval.nullable(),
  /** The same where a success is what counts: dearer, where the self-hosted model passes less. `null`: never, or nothing was checked. */
  successes_per_day: z.number().nullable(),
  sentence: z.string(),
  /** By how busy the hardware may be at most: then more of it is needed. */
  by_utilization: z
    .array(
      z.looseObject({
        utilization: share,
        /** `null`: dearer at any volume. */
        tasks_per_day: z.number().nullable(),
        /** As many as one such set of hardware does in a day. */
        capacity_tasks_per_day: z.number(),
        usd_per_task_at_capacity: z.number(),
      }),
    )
    .readonly(),
});

const breakEven = z.looseObject({
  self_hosted: z.string(),
  hardware,
  /** What a task keeps it busy for: new prompt tokens / prefill + output tokens / decode. */
  seconds_per_task: z.number(),
  /** Most of a day that it may be busy, in `tasks_per_day` of the rivals and in the curve. */
  utilization: share,
  rivals: z.array(breakEvenRival).readonly(),
  /** Dollars a day by target at so many tasks a day: lines for who is paid by the token, steps for hardware. */
  curve: z
    .array(z.looseObject({ tasks_per_day: z.number(), usd_per_day: z.record(z.string(), z.number()) }))
    .readonly(),
});

/** One task at one target, all its repeats together. */
const row = z.looseObject({
  task: z.string(),
  suite: z.string(),
  class: z.string(),
  target: z.string(),
  runs: count,
  passed: count,
  failed: count,
  unchecked: count,
  errors: count,
  checker_errors: count,
  calls: count,
  /** Of all repeats; `null` where one of them has no price. */
  cost_pico_usd: picoUsd.nullable(),
  tokens,
  cache_read_ratio: share.nullable(),
  /** Medians of the repeats. */
  ttft_ms: z.number().nullable(),
  duration_ms: z.number().nullable(),
  /** Each kind that came up, once. */
  failures: z.array(z.string()).readonly(),
  /** What the checker said of the last repeat that failed; nothing that a model said. */
  note: z.string().nullable(),
});

export const reportSchema = z.looseObject({
  kind: z.literal(REPORT_KIND),
  version: z.literal(REPORT_VERSION),
  run: z.looseObject({
    /** Also the beginning of its tasks' ids on the ledger. */
    id: z.string(),
    started_at: z.iso.datetime(),
    finished_at: z.iso.datetime(),
    /** Of all sessions, where it was resumed. */
    duration_s: z.number(),
    sessions: count,
    command: z.string(),
    /** Of the checkout; `null` where there is none. `-changed` behind it: with changes. */
    commit: z.string().nullable(),
    machine: z.looseObject({
      cpu: z.string(),
      cores: count,
      memory_gb: z.number(),
      platform: z.string(),
      node: z.string(),
    }),
    /** `null`: one of its own, in the same process. */
    gateway_url: z.string().nullable(),
  }),
  /** Whether a target is the simulator: then quality is made up and prices are the table's. */
  is_sandbox: z.boolean(),
  state: z.enum(["whole", "partial"]),
  /** Why it is partial, for people. */
  stopped: z
    .looseObject({ why: z.enum(["budget", "interrupted", "failed", "running"]), sentence: z.string() })
    .nullable(),
  /** What a reader must know before any figure: it is the sandbox, a target was down, … */
  notices: z.array(z.string()).readonly(),
  settings: z.looseObject({
    suites: z
      .array(z.looseObject({ name: z.string(), source: z.string(), sha256: z.string().nullable(), tasks: count }))
      .readonly(),
    repeats: count,
    seed: count,
    concurrency: count,
    /** `as-it-comes`: prompts as they are; `cold`: no task finds another's prefix; `warm`: each class was sent once before, unmeasured. */
    cache: z.enum(["as-it-comes", "cold", "warm"]),
    /** The gateway's `cache.mode`; `null`: another gateway's, which is not known. */
    caching: z.enum(["respect", "improve", "off"]).nullable().optional(),
    max_usd: z.number().nullable(),
    timeout_s: z.number(),
    judge: z.string().nullable(),
    confidence: share,
    resamples: count,
  }),
  targets: z.array(target).readonly(),
  /** Each pair of targets over all tasks, then by class. The first target is the base of the others. */
  comparisons: z.array(comparison).readonly(),
  /** Every dollar of it, exactly. `runs` is the sum of the targets' `cost_pico_usd`; `total` is the sum of the other four. */
  spend: z.looseObject({
    runs_pico_usd: picoUsd,
    judge_pico_usd: picoUsd,
    warm_up_pico_usd: picoUsd,
    /** Of runs that were cut off by an interruption and are in no figure. */
    interrupted_pico_usd: picoUsd,
    total_pico_usd: picoUsd,
  }),
  judge: z.looseObject({ model: z.string(), calls: count, cost_pico_usd: picoUsd, failures: count }).nullable(),
  /**
   * Cost so far and passes so far, task by task in the order in which they were run; at most 200 points a target. Only tasks that all have
   * run, but for targets that were given up, which have no points.
   */
  cumulative: z
    .array(
      z.looseObject({
        target: z.string(),
        points: z.array(z.looseObject({ tasks: count, cost_usd: z.number(), passed: z.number() })).readonly(),
      }),
    )
    .readonly(),
  /** Cost against quality. `is_on_frontier`: no other is both cheaper and at least as good. */
  frontier: z
    .array(
      z.looseObject({
        target: z.string(),
        cost_per_task_usd: estimate,
        pass_rate: estimate,
        is_on_frontier: z.boolean().nullable(),
      }),
    )
    .readonly(),
  /** One for each target with hardware of its own. */
  break_even: z.array(breakEven).readonly(),
  recommendation: z.looseObject({
    /** `null`: nothing can be recommended, and the sentence says why. */
    target: z.string().nullable(),
    sentence: z.string(),
    by_class: z
      .array(z.looseObject({ class: z.string(), target: z.string().nullable(), sentence: z.string() }))
      .readonly(),
    /** To be put into `sluice.yaml`; "" without a recommendation. */
    policy_yaml: z.string(),
  }),
  /** By task, in the order in which they were begun (the suites in turn), then by target; `report.csv` has a line for each run. */
  rows: z.array(row).readonly(),
  /** Rows beyond the first 20,000, which are in `report.csv` only. Every sum has them. */
  rows_omitted: count,
});

export type Report = z.infer<typeof reportSchema>;
export type ReportTarget = Report["targets"][number];
export type ReportSums = ReportTarget["sums"];
export type ReportComparison = Report["comparisons"][number];
export type ReportRow = Report["rows"][number];
export type ReportTokens = ReportSums["tokens"];
export const NO_TOKENS: ReportTokens = {
  input_uncached: 0,
  cache_read: 0,
  cache_write_5m: 0,
  cache_write_1h: 0,
  cache_write_other: 0,
  output: 0,
  reasoning: 0,
};
export type Estimate = z.infer<typeof estimate>;
export type Compared = z.infer<typeof compared>;
export type Spread = z.infer<typeof spread>;
export type Hardware = z.infer<typeof hardware>;
export type BreakEven = z.infer<typeof breakEven>;

export const ROWS_MAX = 20_000;
export const CUMULATIVE_POINTS_MAX = 200;

/** Why it is not one, with the field, in one line; or the report. @param name Of the file, for people. */
export function readReport(text: string, name: string): Report | string {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return `${name}: it is not JSON`;
  }
  const head = z.looseObject({ kind: z.string(), version: z.number() }).safeParse(value);
  if (!head.success || head.data.kind !== REPORT_KIND) return `${name}: it is no report of a comparison`;
  if (head.data.version !== REPORT_VERSION)
    return `${name}: a report of version ${head.data.version}; this reads version ${REPORT_VERSION}`;
  const read = reportSchema.safeParse(value);
  if (read.success) return read.data;
  const [issue] = read.error.issues;
  return `${name}: \`${issue?.path.map(String).join(".")}\`: ${issue?.message}`;
}
