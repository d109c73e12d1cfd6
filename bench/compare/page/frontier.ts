/** Cost against quality: whom no other beats at both. */
import { type Point, scatterPlot } from "../../plot/scatter-plot.ts";
import { paragraph, type Plot, plotOf, section, type Table } from "./blocks.ts";
import { dollarsTick, intervalText, percent, UNKNOWN } from "./figures.ts";
import type { View } from "./view.ts";

export function frontierSection(view: View): string {
  const plot = frontierPlot(view);
  const title = "Cost against quality";
  if (plot === undefined)
    return section(
      "frontier",
      title,
      paragraph("Nothing has both a price and a pass rate, so there is nothing to draw."),
    );
  const lead =
    "Up and to the left is better. A full dot: no other is both cheaper and at least as good. On the shaded ground one is.";
  return section("frontier", title, paragraph(lead, "lead"), plotOf(plot));
}

/** `undefined`: nothing has both a price and a pass rate. */
export function frontierPlot({ report, targets, cost, named }: View): Plot | undefined {
  const isShown = new Set(targets.map(({ name }) => name));
  const entries = report.frontier.filter(({ target }) => isShown.has(target));
  const points = entries.flatMap(({ target, cost_per_task_usd: costs, pass_rate: passes, is_on_frontier }): Point[] => {
    if (costs.value === null || passes.value === null) return [];
    const [low = null, high = null] = costs.interval ?? [];
    const [least = null, most = null] = passes.interval ?? [];
    return [
      {
        ...named(target),
        x: costs.value * cost.tasks,
        y: passes.value,
        xInterval: low === null || high === null ? undefined : [low * cost.tasks, high * cost.tasks],
        yInterval: least === null || most === null ? undefined : [least, most],
        isOnFrontier: is_on_frontier === true,
      },
    ];
  });
  if (points.length === 0) return undefined;
  const costs = points.map(({ x }) => x);
  const isLogarithmicX = Math.min(...costs) > 0 && Math.max(...costs) > 20 * Math.min(...costs);
  const table: Table = {
    name: "Cost and quality",
    columns: ["", `Cost ${cost.per}`, "Interval", "Pass rate", "Interval", "On the frontier"],
    rows: entries.map(({ target, cost_per_task_usd: costs, pass_rate: passes, is_on_frontier }) => [
      target,
      cost.written(costs.value),
      intervalText(costs.interval, cost.written),
      percent(passes.value),
      intervalText(passes.interval, percent),
      is_on_frontier === null ? UNKNOWN : is_on_frontier ? "yes" : "no",
    ]),
  };
  return {
    id: "frontier",
    title: "Cost against pass rate by target",
    description: points
      .map(
        ({ name, x, y, isOnFrontier }) =>
          `${name}: ${cost.written(x / cost.tasks)} ${cost.per}, ${percent(y)} passed${isOnFrontier ? ", on the frontier" : ""}`,
      )
      .join("; "),
    draw: (width) =>
      scatterPlot(
        points,
        {
          horizontal: `dollars ${cost.per}${isLogarithmicX ? ", logarithmic" : ""}`,
          vertical: "passed",
          writtenX: dollarsTick,
          writtenY: (share, decimals) => percent(share, Math.max(0, decimals - 2)),
          isLogarithmicX,
          yMax: 1,
        },
        width,
      ),
    tables: [table],
  };
}
