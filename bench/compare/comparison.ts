/** Two targets, task by task: each is its own control, so that hard tasks and easy ones are the same for both. */
import type { Figures } from "./figures.ts";
import { total } from "./figures.ts";
import type { Compared, ReportComparison } from "./report.ts";
import {
  pairedDifferenceInterval,
  pairedRatioInterval,
  TASKS_LEAST,
  type Drawn,
  type Interval,
  type Ratios,
} from "./statistics.ts";

export function comparisonOf(
  figures: Figures,
  base: string,
  other: string,
  className: string | undefined,
  drawn: Drawn,
): ReportComparison {
  const tasks = figures.shared([base, other], className);
  const cost = ratioOf(figures.costs(other, tasks), figures.costs(base, tasks), drawn);
  const success = ratioOf(figures.successes(other, tasks), figures.successes(base, tasks), drawn);
  const passes = differenceOf(figures.passes(other, tasks), figures.passes(base, tasks), drawn);
  return {
    base,
    other,
    class: className ?? null,
    tasks: tasks.length,
    cost_ratio: cost,
    cost_per_success_ratio: success,
    pass_rate_difference: passes,
    sentences: [
      ratioSentence(base, other, "a task", cost, tasks.length),
      ratioSentence(base, other, "a success", success, tasks.length),
      passSentence(base, other, passes, tasks.length),
    ],
  };
}

function ratioOf(other: Ratios, base: Ratios, drawn: Drawn): Compared {
  const [over, under] = [total(other.over) / total(other.under), total(base.over) / total(base.under)];
  if (!(over > 0 && Number.isFinite(over)) || !(under > 0 && Number.isFinite(under))) return UNKNOWN;
  return comparedOf(over / under, pairedRatioInterval(other, base, drawn), 1);
}

function differenceOf(other: Ratios, base: Ratios, drawn: Drawn): Compared {
  // Tasks that both could be judged at.
  const judged = other.under.flatMap((runs, at) => (runs > 0 && (base.under[at] ?? 0) > 0 ? [at] : []));
  if (judged.length === 0) return UNKNOWN;
  const shareAt = ({ over, under }: Ratios, at: number) => (over[at] as number) / (under[at] as number);
  const differences = judged.map((at) => shareAt(other, at) - shareAt(base, at));
  return comparedOf(total(differences) / differences.length, pairedDifferenceInterval(differences, drawn), 0);
}

const UNKNOWN: Compared = { value: null, interval: null, is_significant: null };

function comparedOf(value: number, interval: Interval | undefined, same: number): Compared {
  if (interval === undefined) return { value, interval: null, is_significant: null };
  const [low, high] = interval;
  return { value, interval, is_significant: (low !== null && low > same) || (high !== null && high < same) };
}

function ratioSentence(base: string, other: string, what: string, compared: Compared, tasks: number): string {
  const { value, interval, is_significant: isSignificant } = compared;
  const subject = what === "a task" ? `A task at ${other}` : `A success at ${other}`;
  if (value === null)
    return `What ${what} costs at ${other} and at ${base} cannot be compared: one of them has no price or no success.`;
  if (interval === null) return `${subject} cost ${timesText(value)} what it costs at ${base}; ${fewText(tasks)}`;
  const range = `95 %: ${timesText(interval[0])} to ${timesText(interval[1])}`;
  if (isSignificant !== true)
    return `Whether ${what} costs less at ${other} or at ${base} cannot be told from these ${tasks} tasks (${timesText(value)}; ${range}).`;
  const change = value < 1 ? `${shareText(1 - value)} less` : `${timesText(value)} as much`;
  return `${subject} costs ${change}${value < 1 ? " than" : " as"} at ${base} (${timesText(value)}; ${range}).`;
}

function passSentence(base: string, other: string, compared: Compared, tasks: number): string {
  const { value, interval, is_significant: isSignificant } = compared;
  if (value === null) return `How often ${other} and ${base} are right cannot be compared: nothing was judged at both.`;
  const points = `${signed(value)} points`;
  if (interval === null) return `${other} passes ${points} against ${base}; ${fewText(tasks)}`;
  const range = `95 %: ${signed(interval[0] ?? -1)} to ${signed(interval[1] ?? 1)}`;
  return isSignificant === true
    ? `${other} passes ${value < 0 ? "less" : "more"} often than ${base} (${points}; ${range}).`
    : `Whether ${other} or ${base} passes more often cannot be told from these ${tasks} tasks (${points}; ${range}).`;
}

function fewText(tasks: number): string {
  return `${tasks} tasks are too few to say how sure that is (${TASKS_LEAST} are needed).`;
}

function timesText(value: number | null): string {
  return value === null ? "any" : `${value >= 10 ? value.toFixed(0) : value.toFixed(2)} times`;
}

function shareText(share: number): string {
  return `${(share * 100).toFixed(0)} %`;
}

function signed(share: number): string {
  const points = (share * 100).toFixed(0);
  return share > 0 ? `+${points}` : points === "-0" ? "0" : points;
}
