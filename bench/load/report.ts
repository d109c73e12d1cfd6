/** The measurement as text: a plain table for each scenario, with the goals below it. */
import { cpus, loadavg, release } from "node:os";
import { spawnSync } from "node:child_process";
import type { Cores } from "./process.ts";
import type { Goal, Scenario } from "./scenario.ts";
import { verdictOf, type Summary, type Verdict } from "./statistics.ts";

export interface Machine {
  readonly processor: string;
  readonly cores: number;
  readonly node: string;
  readonly kernel: string;
  readonly date: string;
  readonly commit: string | undefined;
  readonly loadAverage: number;
}

export function describeMachine(folder: string): Machine {
  const git = (...words: readonly string[]) =>
    spawnSync("git", ["--no-optional-locks", ...words], { cwd: folder, encoding: "utf8" }).stdout?.trim() ?? "";
  const commit = git("rev-parse", "--short", "HEAD");
  const isChanged = commit !== "" && git("status", "--porcelain") !== "";
  return {
    processor: cpus()[0]?.model ?? "?",
    cores: cpus().length,
    node: process.version,
    kernel: `${process.platform} ${release()}`,
    date: new Date().toISOString().slice(0, 10),
    commit: commit === "" ? undefined : commit + (isChanged ? " with changes" : ""),
    loadAverage: loadavg()[0] ?? 0,
  };
}

export function machineText(machine: Machine, cores: Cores): string {
  const { processor, node, kernel, date, commit, loadAverage } = machine;
  const parts = [processor, `${machine.cores} cores`, `Node ${node}`, kernel, date];
  if (commit !== undefined) parts.push(`commit ${commit}`);
  const where =
    cores.gateway === undefined
      ? "nothing is pinned to a core: contenders, load and upstream disturb each other"
      : `each contender alone on core ${cores.gateway}, load and upstream on core ${cores.load}`;
  return `${parts.join(", ")}\n${where}; load average before the run ${loadAverage.toFixed(2)}\n`;
}

/** @param own The name of the contender that the goals are for. */
export function scenarioText(scenario: Scenario, own: string, summaries: readonly Summary[]): string {
  const base = summaries.find((summary) => summary.contender === own);
  const others = Object.keys(summaries.find((summary) => summary.rounds.length > 0)?.others ?? {});
  const rows = summaries.map((summary) => [
    summary.contender,
    figure(summary.value),
    `${figure(summary.least)}–${figure(summary.most)}`,
    ratioText(summary, base),
    ...others.map((name) => figure(summary.others[name] ?? Number.NaN)),
    summary.errors === 0 ? "0" : `${summary.errors} (${summary.problem ?? "?"})`,
  ]);
  const table = aligned([["", scenario.unit, "min–max", `× ${own}`, ...others, "errors"], ...rows]);
  const verdicts = scenario.goals.map((goal) => verdictText(verdictOf(goal, own, summaries)));
  return `${scenario.name}: ${scenario.title}\n${table}${verdicts.join("")}`;
}

function ratioText(summary: Summary, base: Summary | undefined): string {
  if (base === undefined || base.errors > 0 || summary.errors > 0) return "-";
  return figure(summary.value / base.value);
}

function verdictText({ goal, measured, why, meetsMust, meetsAim }: Verdict): string {
  const bound = (value: number) => `${goal.compare === "peer / own" ? "≥" : "≤"} ${value}`;
  const goals = `must ${bound(goal.must)}, aim ${bound(goal.aim)}`;
  if (measured === undefined) return `  goal ${goal.text}: ${goals}: not known, ${why}\n`;
  const reached = meetsAim ? "aim reached" : meetsMust ? "reached" : "MISSED";
  return `  goal ${goal.text}: ${figure(measured)} (${goals}): ${reached}\n`;
}

/** Three digits that count. */
function figure(value: number): string {
  if (!Number.isFinite(value)) return Number.isNaN(value) ? "-" : "never";
  const digits = Math.abs(value) >= 100 ? 0 : Math.abs(value) >= 10 ? 1 : 2;
  return value.toFixed(digits);
}

function aligned(rows: readonly (readonly string[])[]): string {
  const widths = (rows[0] ?? []).map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)));
  return rows
    .map((row) => {
      const cells = row.map((cell, column) =>
        column === 0 || column === row.length - 1
          ? cell.padEnd(widths[column] ?? 0)
          : cell.padStart(widths[column] ?? 0),
      );
      return `  ${cells.join("  ").trimEnd()}\n`;
    })
    .join("");
}

/** For `--json`: everything, each round included. JSON has no infinity; "never" is `null`. */
export function jsonText(
  machine: Machine,
  contenders: readonly { readonly name: string; readonly about: string }[],
  results: readonly { readonly scenario: Scenario; readonly summaries: readonly Summary[] }[],
  own: string,
): string {
  const goalOf = ({ text, compare, must, aim }: Goal) => ({ text, compare, must, aim });
  const scenarios = results.map(({ scenario, summaries }) => ({
    name: scenario.name,
    title: scenario.title,
    unit: scenario.unit,
    summaries,
    goals: scenario.goals.map((goal) => {
      const { measured, why, meetsMust, meetsAim } = verdictOf(goal, own, summaries);
      return { ...goalOf(goal), measured, why, meetsMust, meetsAim };
    }),
  }));
  return `${JSON.stringify({ machine, contenders, scenarios }, null, 2)}\n`;
}
