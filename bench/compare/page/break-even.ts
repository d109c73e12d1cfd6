/** From how many tasks a day hardware of one's own is cheaper than to pay by the token, and what its being busy does to that. */
import { linePlot, type Mark, type Series } from "../../plot/line-plot.ts";
import type { BreakEven } from "../report.ts";
import { list, paragraph, plotOf, section, type Table } from "./blocks.ts";
import { counted, dollars, dollarsTick, intervalText, percent, shortened, shortenedTick } from "./figures.ts";
import type { View } from "./view.ts";

export function breakEvenSections(view: View): readonly string[] {
  const { break_even: all } = view.report;
  if (all.length === 0)
    return [
      section(
        "break-even",
        "Break-even volume",
        paragraph("No target runs on hardware of its own, so there is no volume from which one would pay."),
      ),
    ];
  return all.slice(0, 4).map((one, index) => breakEvenSection(view, one, all.length === 1 ? "" : `-${index + 1}`));
}

function breakEvenSection(view: View, one: BreakEven, suffix: string): string {
  const { self_hosted: own, hardware, seconds_per_task: busy, rivals } = one;
  const assumed =
    hardware.source === "assumed" ? ", assumed" : hardware.source === "calibrated" ? ", as calibrated" : "";
  const basis =
    `${own} costs ${dollars(hardware.usd_per_hour)} an hour, busy or not, and reads ${shortenedTick(hardware.prefill_tokens_per_second)} and writes ` +
    `${shortenedTick(hardware.decode_tokens_per_second)} tokens a second${assumed}: a task keeps it busy for ${significantSeconds(busy)}. ` +
    `It may be busy ${percent(one.utilization, 0)} of a day; then another is needed.`;
  return section(
    `break-even${suffix}`,
    suffix === "" ? "Break-even volume" : `Break-even volume: ${own.slice(0, 60)}`,
    list(rivals.map(({ sentence }) => sentence)),
    paragraph(basis, "lead"),
    volumePlot(view, one, suffix),
    utilizationPlot(view, one, suffix),
  );
}

function significantSeconds(value: number): string {
  return value < 1 ? `${(value * 1000).toPrecision(3)} ms` : `${value.toPrecision(3)} s`;
}

function volumePlot({ named, targets }: View, one: BreakEven, suffix: string): string {
  const { curve, rivals, self_hosted: own } = one;
  const isShown = new Set(targets.map(({ name }) => name));
  const names = [...new Set(curve.flatMap(({ usd_per_day: cost }) => Object.keys(cost)))].filter((name) =>
    isShown.has(name),
  );
  const volumes = curve.map(({ tasks_per_day: tasks }) => tasks).filter((tasks) => tasks > 0);
  const isLogarithmic = volumes.length > 0 && Math.max(...volumes) > 50 * Math.min(...volumes);
  const series = names.map((name): Series => {
    const points = curve.flatMap(({ tasks_per_day: tasks, usd_per_day: cost }) => {
      const value = cost[name];
      return value === undefined || (isLogarithmic && (tasks <= 0 || value <= 0)) ? [] : [[tasks, value] as const];
    });
    return { ...named(name), points, isStepped: name === own };
  });
  const most = Math.max(...volumes, 0);
  const least = isLogarithmic ? Math.min(...volumes) : 0;
  const marks = rivals.flatMap(({ target, tasks_per_day: tasks, usd_per_task: cost }): Mark[] =>
    tasks === null || tasks > most || tasks < least || !isShown.has(target)
      ? []
      : [{ ...named(target), x: tasks, y: tasks * cost, text: `${shortened(tasks)} a day` }],
  );
  const table: Table = {
    name: "Dollars a day by tasks a day",
    columns: ["Tasks a day", ...names],
    rows: sampled(curve, 24).map(({ tasks_per_day: tasks, usd_per_day: cost }) => [
      counted(tasks),
      ...names.map((name) => (cost[name] === undefined ? "" : dollars(cost[name]))),
    ]),
  };
  const evens: Table = {
    name: "From how many tasks a day it is cheaper",
    columns: ["Against", "Its cost of a task", "Tasks a day", "Interval", "Successes a day"],
    rows: rivals.map((rival) => [
      rival.target,
      dollars(rival.usd_per_task),
      orNever(rival.tasks_per_day),
      intervalText(rival.interval, counted),
      orNever(rival.successes_per_day),
    ]),
  };
  return plotOf({
    id: `break-even${suffix}`,
    title: "Cost of a day by tasks a day",
    description: rivals.map(({ sentence }) => sentence).join(" "),
    draw: (width) =>
      linePlot(
        series,
        marks,
        {
          horizontal: `tasks a day${isLogarithmic ? ", both axes logarithmic" : ""}`,
          vertical: "dollars a day",
          writtenX: shortenedTick,
          writtenY: dollarsTick,
          isLogarithmicX: isLogarithmic,
          isLogarithmicY: isLogarithmic,
        },
        width,
      ),
    tables: [evens, table],
  });
}

/** What a task costs on hardware that is as busy as that: its line against the prices of the others. */
function utilizationPlot({ named, cost, targets }: View, one: BreakEven, suffix: string): string {
  const isShown = new Set(targets.map(({ name }) => name));
  const rivals = one.rivals.filter(({ target }) => isShown.has(target));
  const [first] = rivals;
  if (first === undefined || first.by_utilization.length < 2) return "";
  const levels = first.by_utilization.map(({ utilization }) => utilization);
  const [from, to] = [Math.min(...levels), Math.max(...levels)];
  const inUnit = (usd: number): number => usd * cost.tasks;
  const series: readonly Series[] = [
    {
      ...named(one.self_hosted),
      points: curved(first.by_utilization.map((row) => [row.utilization, inUnit(row.usd_per_task_at_capacity)])),
    },
    ...rivals.map(({ target, usd_per_task: usd }): Series => ({
      ...named(target),
      points: [
        [from, inUnit(usd)],
        [to, inUnit(usd)],
      ],
    })),
  ];
  const values = series.flatMap(({ points }) => points.map(([, value]) => value));
  const isLogarithmicY = Math.min(...values) > 0 && Math.max(...values) > 10 * Math.min(...values);
  const table: Table = {
    name: "What utilization does",
    columns: [
      "Busy",
      `Cost ${cost.per}`,
      "Tasks a day it can do",
      ...rivals.map(({ target }): string => `Cheaper than ${target} above`),
    ],
    rows: first.by_utilization.map((row) => [
      percent(row.utilization, 0),
      cost.written(row.usd_per_task_at_capacity),
      counted(row.capacity_tasks_per_day),
      ...rivals.map(({ by_utilization: rows }) =>
        orNever(rows.find(({ utilization }) => utilization === row.utilization)?.tasks_per_day ?? null),
      ),
    ]),
  };
  const costs = first.by_utilization.map(
    (row) => `${percent(row.utilization, 0)}: ${cost.written(row.usd_per_task_at_capacity)}`,
  );
  return (
    paragraph(
      "What its being busy does: a task’s cost on hardware that is in use for so much of the day, against what the others charge.",
      "lead",
    ) +
    plotOf({
      id: `utilization${suffix}`,
      title: `Cost ${cost.per} by how busy the hardware is`,
      description: `${one.self_hosted.slice(0, 80)} by utilization: ${costs.join(", ")}`,
      draw: (width) =>
        linePlot(
          series,
          [],
          {
            horizontal: "of the day in use",
            vertical: `dollars ${cost.per}${isLogarithmicY ? ", logarithmic" : ""}`,
            writtenX: (share) => percent(share, 0),
            writtenY: dollarsTick,
            isLogarithmicY,
          },
          width,
        ),
      tables: [table],
    })
  );
}

/** A cost that is spread over what is in use falls as 1 / use, between two rows as well. */
function curved(points: readonly (readonly [number, number])[]): Series["points"] {
  return points.flatMap(([use, cost], index) => {
    const [nextUse, nextCost] = points[index + 1] ?? [use, cost];
    if (use === nextUse || use <= 0) return [[use, cost] as const];
    return [0, 0.2, 0.4, 0.6, 0.8].map((share) => {
      const between = use + (nextUse - use) * share;
      const part = (1 / use - 1 / between) / (1 / use - 1 / nextUse);
      return [between, cost + (nextCost - cost) * part] as const;
    });
  });
}

function orNever(tasks: number | null): string {
  return tasks === null ? "never" : counted(tasks);
}

function sampled<Item>(items: readonly Item[], most: number): readonly Item[] {
  const stride = Math.max(1, Math.ceil(items.length / most));
  return items.filter((_, index) => index % stride === 0 || index === items.length - 1);
}
