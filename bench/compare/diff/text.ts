/** A difference of reports as the terminal shows it. */
import { dollarsAlike } from "../page/figures.ts";
import type { Report } from "../report.ts";
import type { Change, Difference, ReportDiff } from "./diff.ts";
import type { Limits, Verdict } from "./verdict.ts";

export function diffText(old: Report, now: Report, diff: ReportDiff): string {
  const notes = [
    ...diff.notes,
    ...diff.gone.map((name) => `${name} is in the old report only`),
    ...diff.added.map((name) => `${name} is in the new report only`),
  ];
  const runs = [
    ["old", old],
    ["new", now],
  ] as const;
  const heads = runs.map(
    ([word, { run }]) => `${word}  ${run.started_at.slice(0, 16)}Z  ${run.commit ?? "no commit"}  ${run.id}\n`,
  );
  return `${heads.join("")}${notes.map((note) => `note: ${note}\n`).join("")}\n${tableText(diff.differences)}`;
}

const HEAD = ["", "tasks", "a task cost", "costs", "change, % (95 %)", "passed", "passes", "change, points (95 %)"];

function tableText(differences: readonly Difference[]): string {
  const written = dollarsAlike(
    differences.flatMap(({ cost: { was, is } }) => [was ?? 0, is ?? 0]),
    3,
  );
  const money = (value: number | undefined): string => (value === undefined ? "-" : written(value));
  const rows = differences.map((difference) => {
    const { target, taskClass, tasks, cost, passRate } = difference;
    return [
      taskClass === undefined ? target : `  ${taskClass}`,
      String(tasks),
      money(cost.was),
      money(cost.is),
      changeText(cost),
      share(passRate.was),
      share(passRate.is),
      changeText(passRate),
    ];
  });
  const table = [HEAD, ...rows];
  const widths = HEAD.map((_, column) => Math.max(...table.map((row) => row[column]?.length ?? 0)));
  const lines = table.map((row) =>
    row
      .map((cell, column) => (column === 0 ? cell.padEnd(widths[0] ?? 0) : cell.padStart(widths[column] ?? 0)))
      .join("  ")
      .trimEnd(),
  );
  const errors = differences.flatMap(({ target, taskClass, errors: [was, is] }) =>
    taskClass === undefined && (was > 0 || is > 0) ? [`${target}: ${was} runs left nothing to judge, now ${is}`] : [],
  );
  return [...lines, ...errors].map((line) => `${line}\n`).join("");
}

function share(value: number | undefined): string {
  return value === undefined ? "-" : `${(value * 100).toFixed(1)} %`;
}

function changeText({ change, interval, isSignificant }: Change): string {
  if (change === undefined) return "-";
  if (interval === undefined) return `${signed(change)} (too few tasks)`;
  const [low, high] = interval.map((end) => (end === null ? "any" : signed(end)));
  return `${signed(change)} (${low} to ${high})${isSignificant ? " *" : "  "}`;
}

function signed(value: number): string {
  const text = (value * 100).toFixed(1);
  return value > 0 && text !== "0.0" ? `+${text}` : text === "-0.0" ? "0.0" : text;
}

export function verdictText({ regressions, doubtful, unjudged }: Verdict, limits: Limits): string {
  if (limits.costUp === undefined && limits.passDown === undefined) return "";
  const lines = [
    ...regressions.map((text) => `REGRESSION: ${text}`),
    ...doubtful.map((text) => `may be chance: ${text}`),
    ...unjudged.map((text) => `cannot be judged: ${text}`),
  ];
  if (regressions.length === 0 && unjudged.length === 0) lines.push("no regression");
  return `\n${lines.map((line) => `${line}\n`).join("")}`;
}
