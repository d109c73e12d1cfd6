/** The same figures by class of tasks, as a cheap model may do for one and not for another. */
import type { ReportSums } from "../report.ts";
import { type Cell, atMost, section, tableOf } from "./blocks.ts";
import { dollars, percent, type TaskCost, UNKNOWN } from "./figures.ts";
import type { View } from "./view.ts";

const CLASSES_MAX = 60;

export function classesSection({ report, targets, cost }: View): string {
  const byTarget = targets.map(({ by_class: all }) => new Map(all.map((one) => [one.class, one.sums])));
  const names = [...new Set(report.targets.flatMap(({ by_class: all }) => all.map((one) => one.class)))];
  const choices = new Map(report.recommendation.by_class.map((one) => [one.class, one.target]));
  const [shown, more] = atMost(names, CLASSES_MAX, "classes");
  const rows = shown.map((name) => {
    const choice = choices.get(name) ?? null;
    return [
      { text: name, note: choice === null ? "" : `recommended: ${choice}`, kind: "key" },
      ...targets.map(({ name: target }, index) => cell(byTarget[index]?.get(name), cost, target === choice)),
    ];
  });
  return section(
    "classes",
    "By class of tasks",
    tableOf({
      name: `Pass rate and cost ${cost.per} by class of tasks`,
      columns: [{ text: "Class", note: `passed, cost ${cost.per}` }, ...targets.map(({ name }) => name)],
      rows,
    }),
    more,
  );
}

function cell(sums: ReportSums | undefined, { tasks }: TaskCost, isRecommended: boolean): Cell {
  if (sums === undefined) return { text: UNKNOWN };
  const { value } = sums.cost_per_task_usd;
  const note = value === null ? UNKNOWN : dollars(value * tasks);
  return { text: percent(sums.pass_rate.value), note, ...(isRecommended ? { kind: "best" } : {}) };
}
