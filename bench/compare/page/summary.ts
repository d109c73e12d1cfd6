/** The targets beside each other: everything that was measured of each. */
import type { Estimate, ReportSums, ReportTarget, Spread } from "../report.ts";
import { type Cell, list, section, tableOf } from "./blocks.ts";
import { counted, intervalText, milliseconds, percent, type TaskCost, UNKNOWN } from "./figures.ts";
import type { View } from "./view.ts";

export function summarySection({ report, targets, cost }: View): string {
  const columns = targets.map(({ name, model }): Cell => ({ text: name, note: model }));
  const rows = MEASURES.map(({ name, of, best }) => {
    const cells = targets.map((target) => of(target.sums, cost));
    const winners = best === undefined ? new Set<number>() : bestOf(targets, best);
    return [name(cost), ...cells.map((cell, index) => (winners.has(index) ? { ...cell, kind: "best" } : cell))];
  });
  const problems = report.targets.flatMap(({ name, problems }) =>
    problems.map(({ sentence }) => withName(name, sentence)),
  );
  return section(
    "targets",
    "The targets",
    tableOf({
      name: "What was measured of each target",
      columns: [{ text: "", note: `${report.settings.confidence * 100} % intervals` }, ...columns],
      rows,
    }),
    problems.length === 0 ? "" : list(problems.slice(0, 40)),
  );
}

function withName(name: string, sentence: string): string {
  return sentence.includes(name) ? sentence : `${name}: ${sentence}`;
}

interface Measure {
  readonly name: (cost: TaskCost) => string;
  readonly of: (sums: ReportSums, cost: TaskCost) => Cell;
  /** Less is better. */
  readonly best?: (sums: ReportSums) => number | null;
}

const MEASURES: readonly Measure[] = [
  {
    name: ({ per }) => `Cost ${per}`,
    of: (sums, cost) => estimateCell(sums.cost_per_task_usd, cost.written),
    best: (sums) => sums.cost_per_task_usd.value,
  },
  {
    name: ({ tasks }) => (tasks === 1 ? "Cost per success" : "Cost per 1,000 successes"),
    of: (sums, cost) => estimateCell(sums.cost_per_success_usd, cost.written),
    best: (sums) => sums.cost_per_success_usd.value,
  },
  {
    name: () => "Pass rate",
    of: ({ pass_rate: rate }) => ({ text: percent(rate.value), note: intervalText(rate.interval, roundedTo(rate)) }),
    best: ({ pass_rate: { value } }) => (value === null ? null : -value),
  },
  {
    name: () => "Runs",
    of: (sums) => ({ text: counted(sums.runs), note: outcomes(sums) }),
  },
  {
    name: () => "Calls a task",
    of: ({ calls_per_task: calls }) => ({ text: calls === null ? UNKNOWN : calls.toFixed(1) }),
  },
  { name: () => "Read from cache", of: ({ cache_read_ratio: ratio }) => ({ text: percent(ratio) }) },
  { name: () => "First token", of: ({ ttft_ms }) => spreadCell(ttft_ms) },
  { name: () => "Whole task", of: ({ duration_ms }) => spreadCell(duration_ms) },
];

function estimateCell({ value, interval }: Estimate, written: (value: number) => string): Cell {
  return {
    text: value === null ? UNKNOWN : written(value),
    note: value === null ? "" : intervalText(interval, written),
  };
}

/** An interval that is wide needs no tenths. */
function roundedTo({ interval }: Estimate): (share: number) => string {
  const [low, high] = interval ?? [];
  const decimals = (high ?? 1) - (low ?? 0) < 0.05 ? 1 : 0;
  return (share) => percent(share, decimals);
}

function outcomes({ errors, unchecked, checker_errors: checkers, not_run: notRun }: ReportSums): string {
  const parts = [
    [errors, "errors"],
    [unchecked, "unchecked"],
    [checkers, "not judged"],
    [notRun, "not run"],
  ] as const;
  return parts.flatMap(([count, word]) => (count === 0 ? [] : [`${counted(count)} ${word}`])).join(", ");
}

function spreadCell(spread: Spread): Cell {
  return spread === null
    ? { text: UNKNOWN }
    : { text: milliseconds(spread.p50), note: `p90\u00A0${milliseconds(spread.p90)}` };
}

/** Which are the least; none where all are alike. */
function bestOf(targets: readonly ReportTarget[], best: (sums: ReportSums) => number | null): ReadonlySet<number> {
  const values = targets.map(({ sums }) => best(sums) ?? Number.POSITIVE_INFINITY);
  const least = Math.min(...values);
  const winners = values.flatMap((value, index) => (value === least ? [index] : []));
  return new Set(Number.isFinite(least) && winners.length < values.length ? winners : []);
}
