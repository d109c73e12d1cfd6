/** What a task costs at each target, with how sure that is. */
import { intervalPlot, type IntervalRow } from "../../plot/interval-plot.ts";
import { paragraph, type Plot, plotOf, section, type Table } from "./blocks.ts";
import { counted, dollarsTick, exactDecimals, exactDollars, intervalText } from "./figures.ts";
import type { View } from "./view.ts";

export function costSection(view: View): string {
  return section(
    "cost",
    `Cost ${view.cost.per}`,
    paragraph("Mean of all runs by the gateway’s ledger, failed ones too, with its interval.", "lead"),
    plotOf(costPlot(view)),
  );
}

export function costPlot({ targets, cost, named }: View): Plot {
  const rows = targets.map(({ name, sums: { cost_per_task_usd: estimate } }): IntervalRow => {
    const [low, high] = estimate.interval ?? [null, null];
    const inUnit = (value: number | null): number | undefined => (value === null ? undefined : value * cost.tasks);
    const between = intervalText(estimate.interval, cost.written);
    return {
      ...named(name),
      value: inUnit(estimate.value),
      low: inUnit(low),
      high: inUnit(high),
      hasInterval: estimate.interval !== null,
      text:
        estimate.value === null
          ? "no price"
          : `${cost.written(estimate.value)}${between === "" ? "" : `  (${between})`}`,
    };
  });
  const paid = exactDecimals(targets.map(({ sums }) => sums.cost_pico_usd));
  const estimated = exactDecimals(targets.map(({ sums }) => sums.estimated_cost_pico_usd));
  const table: Table = {
    name: "What was paid",
    columns: ["", `Cost ${cost.per}`, "Interval", "Paid in all", "Of it estimated", "Runs"],
    rows: targets.map(({ name, sums }) => [
      name,
      cost.written(sums.cost_per_task_usd.value),
      intervalText(sums.cost_per_task_usd.interval, cost.written),
      exactDollars(sums.cost_pico_usd, paid),
      exactDollars(sums.estimated_cost_pico_usd, estimated),
      counted(sums.runs),
    ]),
  };
  return {
    id: "cost",
    title: `Cost ${cost.per} by target`,
    description: rows.map(({ name, text }) => `${name}: ${text}`).join("; "),
    draw: (width) => intervalPlot(rows, { axis: `dollars ${cost.per}`, written: dollarsTick }, width),
    tables: [table],
  };
}
