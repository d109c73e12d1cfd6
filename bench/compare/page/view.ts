/** The report, with what several parts of the page need of it. */
import type { Named } from "../../plot/drawing.ts";
import type { Report, ReportTarget } from "../report.ts";
import { taskCostOf, type TaskCost } from "./figures.ts";
import { COLOR_COUNT } from "./palette.ts";

export interface View {
  readonly report: Report;
  /** Those that are shown. */
  readonly targets: readonly ReportTarget[];
  readonly cost: TaskCost;
  /** Its colour, everywhere. */
  readonly named: (target: string) => Named;
}

/** More have no room beside each other. */
export const TARGETS_MAX = 12;

export function viewOf(report: Report): View {
  const colors = new Map(report.targets.map(({ name }, index) => [name, index % COLOR_COUNT]));
  const costs = report.targets.map(({ sums }) => sums.cost_per_task_usd.value);
  return {
    report,
    targets: report.targets.slice(0, TARGETS_MAX),
    cost: taskCostOf(costs),
    named: (target) => ({ name: target.slice(0, NAME_MAX), color: colors.get(target) ?? 0 }),
  };
}

/** Of a name in a drawing, which has less room than that. */
const NAME_MAX = 80;
