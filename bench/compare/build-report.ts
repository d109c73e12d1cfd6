/** The report, from what was planned and what the runs came to. */
import { cpus, totalmem } from "node:os";
import { execFileSync } from "node:child_process";
import type { CachingMode } from "../../src/cache/modes.ts";
import { breakEvenOf } from "./break-even.ts";
import { comparisonOf } from "./comparison.ts";
import type { Figures } from "./figures.ts";
import type { Plan } from "./journal.ts";
import { recommendationOf } from "./recommendation.ts";
import {
  CUMULATIVE_POINTS_MAX,
  REPORT_KIND,
  REPORT_VERSION,
  type Report,
  type ReportSums,
  type ReportTarget,
} from "./report.ts";
import type { LaneState, Ran } from "./run.ts";
import type { Drawn } from "./statistics.ts";
import type { Survey } from "./survey.ts";
import type { ComparedTarget } from "./targets.ts";

export interface Built {
  readonly plan: Plan;
  readonly survey: Survey;
  readonly targets: readonly ComparedTarget[];
  readonly figures: Figures;
  readonly isSandbox: boolean;
  /** `undefined`: another gateway's. */
  readonly caching: CachingMode | undefined;
  readonly stopped: Ran["stopped"];
  readonly lanes: ReadonlyMap<string, LaneState>;
  readonly warmUpPicoUsd: bigint;
  readonly interruptedPicoUsd: bigint;
  readonly maxUsd: number | undefined;
  /** Of all sessions. */
  readonly seconds: number;
  readonly sessions: number;
  readonly notices: readonly string[];
  readonly now: Date;
}

export function buildReport(built: Built): Report {
  const { plan, survey, targets, figures, isSandbox, stopped } = built;
  const drawn: Drawn = { resamples: plan.resamples, seed: plan.seed };
  const names = targets.map(({ name }) => name);
  const classes = [...survey.tasksByClass.keys()];
  const reported = withProblems(
    targets.map((target) => targetOf(target, built, classes, drawn)),
    built,
  );
  const comparisons = pairsOf(names).flatMap(([base, other]) => [
    comparisonOf(figures, base, other, undefined, drawn),
    ...(classes.length < 2 ? [] : classes.map((name) => comparisonOf(figures, base, other, name, drawn))),
  ]);
  const isWhole = reported.every(({ sums }) => sums.not_run === 0);
  const { rows, omitted } = figures.rows();
  const runsCost = names.reduce((sum, name) => sum + figures.cost(name), 0n);
  return {
    kind: REPORT_KIND,
    version: REPORT_VERSION,
    run: {
      id: plan.id,
      started_at: plan.started_at,
      finished_at: built.now.toISOString(),
      duration_s: Math.round(built.seconds * 10) / 10,
      sessions: built.sessions,
      command: plan.command,
      commit: commitOf(),
      machine: {
        cpu: cpus()[0]?.model ?? "unknown",
        cores: cpus().length,
        memory_gb: Math.round(totalmem() / 1024 ** 3),
        platform: `${process.platform} ${process.arch}`,
        node: process.version,
      },
      gateway_url: plan.url,
    },
    is_sandbox: isSandbox,
    state: isWhole ? "whole" : "partial",
    stopped: isWhole ? null : (stopped ?? { why: "failed", sentence: "A target was given up." }),
    notices: noticesOf(built, reported, isWhole),
    settings: {
      suites: survey.suites,
      repeats: plan.repeats,
      seed: plan.seed,
      concurrency: plan.concurrency,
      cache: plan.cache,
      caching: built.caching ?? null,
      max_usd: built.maxUsd ?? null,
      timeout_s: plan.timeout_s,
      judge: plan.judge,
      confidence: 0.95,
      resamples: plan.resamples,
    },
    targets: reported,
    comparisons,
    spend: {
      runs_pico_usd: String(runsCost),
      judge_pico_usd: String(figures.judgeCost),
      warm_up_pico_usd: String(built.warmUpPicoUsd),
      interrupted_pico_usd: String(built.interruptedPicoUsd),
      total_pico_usd: String(runsCost + figures.judgeCost + built.warmUpPicoUsd + built.interruptedPicoUsd),
    },
    judge:
      plan.judge === null
        ? null
        : {
            model: plan.judge,
            calls: figures.judgeCalls,
            cost_pico_usd: String(figures.judgeCost),
            failures: figures.judgeFailures,
          },
    cumulative: cumulativeOf(names, figures, built.lanes),
    frontier: frontierOf(reported),
    break_even: breakEvensOf(reported),
    recommendation: recommendationOf(
      reported.map((target) => ({
        name: target.name,
        model: target.model,
        sums: target.sums,
        byClass: new Map(target.by_class.map(({ class: name, sums }) => [name, sums])),
        isOut: target.problems.some(({ kind }) => OUT.has(kind)),
      })),
      classes,
      comparisons,
      { id: plan.id, isSandbox, isPartial: !isWhole },
    ),
    rows,
    rows_omitted: omitted,
  };
}

/** Whose figures decide nothing. */
const OUT: ReadonlySet<string> = new Set([
  "down",
  "rate-limited",
  "usage-implausible",
  "usage-missing",
  "unpriced",
  "moved",
]);

/** Each with each; the first is the base of all others. */
function pairsOf(names: readonly string[]): readonly (readonly [base: string, other: string])[] {
  return names.flatMap((base, at) => names.slice(at + 1).map((other) => [base, other] as const));
}

function targetOf(
  target: ComparedTarget,
  { plan, survey, figures }: Built,
  classes: readonly string[],
  drawn: Drawn,
): ReportTarget {
  const { price } = target.target;
  const rates = Object.entries(price?.rates ?? {}).map(
    ([bucket, rate]) => [BUCKETS[bucket] ?? bucket, Number(rate) / 1e6] as const,
  );
  return {
    name: target.name,
    model: target.model,
    client: target.client.name,
    is_simulated: target.isSimulated,
    price_basis: price === undefined ? "none" : target.hardware === undefined ? "tokens" : "gpu-hours",
    usd_per_million: price === undefined ? null : Object.fromEntries(rates),
    hardware: target.hardware ?? null,
    problems: [],
    sums: figures.sums(target.name, undefined, survey.tasks * plan.repeats, drawn),
    by_class: classes.map((name) => ({
      class: name,
      sums: figures.sums(target.name, name, (survey.tasksByClass.get(name) ?? 0) * plan.repeats, drawn),
    })),
  };
}

/** As the ledger's columns are called. */
const BUCKETS: Readonly<Record<string, string>> = {
  inputUncached: "input_uncached",
  cacheRead: "cache_read",
  cacheWrite5m: "cache_write_5m",
  cacheWrite1h: "cache_write_1h",
  cacheWriteOther: "cache_write_other",
  output: "output",
};

/** Shares of runs or calls from which on something is a problem, and not a hazard. */
const SHARE_LEAST = 0.1;
/** A target is slow that takes so many times the median of the others, and more than this. */
const TIMES_SLOW = 5;
const SLOW_MS_LEAST = 2_000;

function withProblems(targets: readonly ReportTarget[], { lanes, figures }: Built): readonly ReportTarget[] {
  return targets.map((target) => {
    const { sums, name } = target;
    const lane = lanes.get(name);
    const others = targets.flatMap((one) =>
      one.name === name || one.sums.duration_ms === null ? [] : [one.sums.duration_ms.p50],
    );
    return {
      ...target,
      problems: [
        ...gaveUp(name, lane, sums),
        ...slow(name, sums, others),
        ...(lane?.gaveUp === undefined && sums.errors > SHARE_LEAST * sums.runs
          ? [
              {
                kind: "errors" as const,
                sentence: `${sums.errors} of ${sums.runs} runs at ${name} brought nothing that could be judged.`,
              },
            ]
          : []),
        ...untrue(name, sums, figures.implausible(name)),
        ...(sums.unpriced_runs > 0
          ? [
              {
                kind: "unpriced" as const,
                sentence: `${sums.unpriced_runs} runs at ${name} have no price: give ${target.model} one (\`models\` in sluice.yaml, or --gpu).`,
              },
            ]
          : []),
        ...(figures.movedTo.has(name)
          ? [
              {
                kind: "moved" as const,
                sentence: `Calls for ${name} were answered by ${[...(figures.movedTo.get(name) ?? [])].join(", ")}.`,
              },
            ]
          : []),
      ],
    };
  });
}

type Problems = ReportTarget["problems"];

function gaveUp(name: string, lane: LaneState | undefined, sums: ReportSums): Problems {
  const left = sums.not_run > 0 ? `, and ${sums.not_run} were not tried any more` : "";
  if (lane?.gaveUp === "rate-limited")
    return [
      {
        kind: "rate-limited",
        sentence: `${name} kept saying that it was asked too much: ${sums.errors} runs failed${left}.`,
      },
    ];
  if (lane?.gaveUp !== undefined)
    return [{ kind: "down", sentence: `${name} did not answer (${lane.gaveUp}): ${sums.errors} runs failed${left}.` }];
  if (lane !== undefined && lane.rateLimited > 0)
    return [
      {
        kind: "errors",
        sentence: `${name} said ${lane.rateLimited} times that it was asked too much, and was asked again later.`,
      },
    ];
  return [];
}

function slow(name: string, { duration_ms: duration, failures }: ReportSums, others: readonly number[]): Problems {
  const late = failures.find(({ kind }) => kind === "timeout");
  if (late !== undefined)
    return [{ kind: "slow", sentence: `${late.runs} runs at ${name} were not answered in time.` }];
  const usual = others.toSorted((one, other) => one - other)[Math.floor((others.length - 1) / 2)];
  if (duration === null || usual === undefined || duration.p50 < SLOW_MS_LEAST || duration.p50 < TIMES_SLOW * usual)
    return [];
  return [
    {
      kind: "slow",
      sentence: `${name} takes ${(duration.p50 / 1_000).toFixed(1)} s for a task, the others ${(usual / 1_000).toFixed(1)} s.`,
    },
  ];
}

function untrue(name: string, { calls, calls_without_usage: without }: ReportSums, implausible: number): Problems {
  return [
    ...(without > SHARE_LEAST * calls
      ? [
          {
            kind: "usage-missing" as const,
            sentence: `${without} of ${calls} calls at ${name} did not tell their tokens: its cost is not known.`,
          },
        ]
      : []),
    ...(implausible > SHARE_LEAST * calls
      ? [
          {
            kind: "usage-implausible" as const,
            sentence: `${implausible} of ${calls} calls at ${name} told counts that the texts cannot have: its cost is not to be believed.`,
          },
        ]
      : []),
  ];
}

function noticesOf(
  { isSandbox, notices, targets, survey, plan }: Built,
  reported: readonly ReportTarget[],
  isWhole: boolean,
): readonly string[] {
  const few = Math.min(...reported.map(({ sums }) => sums.tasks));
  return [
    ...(isSandbox
      ? [
          "This is the sandbox: the models are simulated, and what they can do is made up. Prices are the table's, what hardware costs is assumed.",
        ]
      : []),
    ...(isWhole ? [] : ["It is not whole: comparisons are over the tasks that both targets have run."]),
    ...notices,
    ...reported.flatMap(({ problems }) => problems.map(({ sentence }) => sentence)),
    ...(survey.hasJudged && plan.judge === null
      ? ["No --judge was named: what only a judge can say was not checked."]
      : []),
    ...(few < 30
      ? [`With ${few} tasks, intervals are rough: they can leave out the truth more often than 5 times in 100.`]
      : []),
    ...(targets.some(({ hardware }) => hardware?.source === "assumed")
      ? ["What the self-hosted model costs is an assumption; `bench calibrate` measures a server's speed."]
      : []),
  ];
}

/** One that was given up would leave the others a few tasks to be drawn: it has no points. */
function cumulativeOf(
  names: readonly string[],
  figures: Figures,
  lanes: ReadonlyMap<string, LaneState>,
): Report["cumulative"] {
  const going = names.filter((name) => lanes.get(name)?.gaveUp === undefined);
  const tasks = going.length === 0 ? [] : figures.shared(going);
  const every = Math.max(1, Math.ceil(tasks.length / CUMULATIVE_POINTS_MAX));
  return names.map((target) => {
    if (!going.includes(target)) return { target, points: [] };
    const costs = figures.costs(target, tasks);
    const passes = figures.passes(target, tasks);
    const points: { tasks: number; cost_usd: number; passed: number }[] = [];
    let [cost, passed] = [0, 0];
    for (const at of tasks.keys()) {
      const runs = costs.under[at] ?? 0;
      const judged = passes.under[at] ?? 0;
      cost += runs === 0 ? 0 : (costs.over[at] ?? 0) / runs;
      passed += judged === 0 ? 0 : (passes.over[at] ?? 0) / judged;
      if ((at + 1) % every === 0 || at === tasks.length - 1) points.push({ tasks: at + 1, cost_usd: cost, passed });
    }
    return { target, points };
  });
}

function frontierOf(targets: readonly ReportTarget[]): Report["frontier"] {
  return targets.map(({ name, sums: { cost_per_task_usd: cost, pass_rate: pass } }) => ({
    target: name,
    cost_per_task_usd: cost,
    pass_rate: pass,
    is_on_frontier:
      cost.value === null || pass.value === null
        ? null
        : targets.every(({ name: other, sums }) => {
            const [price, quality] = [sums.cost_per_task_usd.value, sums.pass_rate.value];
            if (other === name || price === null || quality === null) return true;
            const isBetter = price < (cost.value ?? 0) || quality > (pass.value ?? 0);
            return !(price <= (cost.value ?? 0) && quality >= (pass.value ?? 0) && isBetter);
          }),
  }));
}

function breakEvensOf(targets: readonly ReportTarget[]): Report["break_even"] {
  return targets.flatMap(({ name, hardware, sums: { runs, tokens, pass_rate: pass } }) => {
    if (hardware === null || runs === 0 || tokens.output === 0) return [];
    const fresh = tokens.input_uncached + tokens.cache_write_5m + tokens.cache_write_1h + tokens.cache_write_other;
    const own = {
      target: name,
      hardware,
      freshTokens: fresh / runs,
      outputTokens: tokens.output / runs,
      passRate: pass.value,
    };
    const rivals = targets
      .filter((rival) => rival.hardware === null && rival.price_basis === "tokens")
      .map((rival) => ({
        target: rival.name,
        costPerTask: rival.sums.cost_per_task_usd,
        costPerSuccess: rival.sums.cost_per_success_usd,
      }));
    return rivals.length === 0 ? [] : [breakEvenOf(own, rivals)];
  });
}

/** Of this checkout; a copy without one has none. */
function commitOf(): string | null {
  const git = (...words: string[]) =>
    execFileSync("git", words, {
      cwd: import.meta.dirname,
      encoding: "utf8",
      stdio: ["ignore", "pipe", "ignore"],
    }).trim();
  try {
    const commit = git("rev-parse", "--short", "HEAD");
    return git("status", "--porcelain", "--untracked-files=no") === "" ? commit : `${commit}-changed`;
  } catch {
    return null;
  }
}
