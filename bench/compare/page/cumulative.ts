/** How the cost grew, task by task. */
import { linePlot, type Series } from "../../plot/line-plot.ts";
import { paragraph, plotOf, section, type Table } from "./blocks.ts";
import { counted, dollarsAlike, dollarsTick } from "./figures.ts";
import type { View } from "./view.ts";

export function cumulativeSection({ report, targets, named }: View): string {
  const title = "Cost as tasks went by";
  const isShown = new Set(targets.map(({ name }) => name));
  const curves = report.cumulative.filter(({ target, points }) => isShown.has(target) && points.length > 0);
  if (curves.length === 0)
    return section("cumulative", title, paragraph("No task was run by every target, so there is nothing to draw."));
  const totals = curves.map(({ points }) => points.at(-1)?.cost_usd ?? 0);
  const written = dollarsAlike(totals);
  const series = curves.map(({ target, points }, index): Series => {
    return {
      ...named(target),
      points: [[0, 0], ...points.map(({ tasks, cost_usd: cost }) => [tasks, cost] as const)],
      text: written(totals[index] ?? 0),
    };
  });
  const longest = curves.reduce((most, curve) => (curve.points.length > most.points.length ? curve : most));
  const steps = sampled(
    longest.points.map(({ tasks }) => tasks),
    ROWS_MAX,
  );
  const table: Table = {
    name: "Dollars paid, and tasks passed, after so many tasks",
    columns: ["Tasks", ...curves.map(({ target }) => target)],
    rows: steps.map((tasks) => [
      counted(tasks),
      ...curves.map(({ points }) => {
        const point = points.find((one) => one.tasks === tasks);
        return point === undefined ? "" : { text: written(point.cost_usd), note: `${passedText(point.passed)} passed` };
      }),
    ]),
  };
  const tasks = Math.max(...series.flatMap(({ points }) => points.map(([x]) => x)));
  return section(
    "cumulative",
    title,
    paragraph(
      "In the order of the suites, over the tasks that every target has run; a bend is a class of tasks that costs otherwise.",
      "lead",
    ),
    plotOf({
      id: "cumulative",
      title: "Cumulative cost by task",
      description: `After ${counted(tasks)} tasks: ${series.map(({ name, text }) => `${name} ${text ?? ""}`).join("; ")}`,
      draw: (width) =>
        linePlot(
          series,
          [],
          { horizontal: "tasks", vertical: "dollars in all", writtenX: counted, writtenY: dollarsTick },
          width,
        ),
      tables: [table],
    }),
  );
}

const ROWS_MAX = 20;

/** Evenly, with the last. */
function sampled(values: readonly number[], most: number): readonly number[] {
  if (values.length <= most) return values;
  const chosen = Array.from(
    { length: most },
    (_, index) => values[Math.round(((index + 1) / most) * values.length) - 1] ?? 0,
  );
  return [...new Set(chosen)];
}

/** Repeats make parts of a task. */
function passedText(passed: number): string {
  return Number.isInteger(passed) ? counted(passed) : passed.toFixed(1);
}
