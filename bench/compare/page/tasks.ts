/** Each task at each target. Of many tasks a selection, which says how it was made. */
import { element, escaped } from "../../plot/markup.ts";
import type { ReportRow } from "../report.ts";
import { type Cell, folded, paragraph, section, tableOf } from "./blocks.ts";
import { counted, dollars, UNKNOWN } from "./figures.ts";
import type { View } from "./view.ts";

/** Rows of the table. */
export const TASKS_MAX = 300;

export function tasksSection({ report, targets, cost }: View): string {
  const tasks = tasksOf(report.rows);
  const total = report.settings.suites.reduce((sum, suite) => sum + suite.tasks, 0);
  const chosen = chosenOf(tasks, TASKS_MAX);
  const written = (usd: number): string => dollars(usd * cost.tasks);
  const rows = chosen.tasks.map(({ name, ofClass, byTarget }) => [
    { text: shortName(name), note: shortName(ofClass), kind: "task" },
    ...targets.map((target) => cell(byTarget.get(target.name), written)),
  ]);
  const table = tableOf({
    name: "What became of each task at each target",
    columns: [{ text: "Task", note: `cost ${cost.per}` }, ...targets.map(({ name }) => name)],
    rows,
  });
  return section(
    "tasks",
    "Task by task",
    element("p", { class: "lead" }, escaped(selectionText(chosen, tasks.length, Math.max(total, tasks.length)))),
    tasks.length === 0
      ? paragraph("No task was run.")
      : folded(`${counted(rows.length)} tasks`, table).replace("<details>", '<details class="long">'),
  );
}

/** One task with all that was run of it. */
interface Task {
  readonly name: string;
  readonly ofClass: string;
  readonly byTarget: Map<string, ReportRow>;
}

function tasksOf(rows: readonly ReportRow[]): readonly Task[] {
  const tasks = new Map<string, Task>();
  for (const row of rows) {
    const key = JSON.stringify([row.suite, row.task]);
    let task = tasks.get(key);
    if (task === undefined) {
      task = { name: row.task, ofClass: row.class, byTarget: new Map() };
      tasks.set(key, task);
    }
    task.byTarget.set(row.target, row);
  }
  return [...tasks.values()];
}

interface Chosen {
  readonly tasks: readonly Task[];
  /** Shown, and all there are, in which a run did not pass. */
  readonly failing: readonly [shown: number, all: number];
}

/** First those in which something did not pass, then of the others evenly; both in the order of the suites. */
function chosenOf(tasks: readonly Task[], most: number): Chosen {
  const isFailing = (task: Task): boolean =>
    [...task.byTarget.values()].some((row) => row.failed + row.errors + row.checker_errors > 0);
  const failing = tasks.filter(isFailing);
  if (tasks.length <= most) return { tasks, failing: [failing.length, failing.length] };
  const shownFailing = evenly(failing, most);
  const others = evenly(
    tasks.filter((task) => !isFailing(task)),
    most - shownFailing.length,
  );
  const isShown = new Set([...shownFailing, ...others]);
  return { tasks: tasks.filter((task) => isShown.has(task)), failing: [shownFailing.length, failing.length] };
}

function evenly<Item>(items: readonly Item[], most: number): readonly Item[] {
  if (items.length <= most) return items;
  return Array.from({ length: most }, (_, index) => items[Math.floor((index * items.length) / most)] as Item);
}

function selectionText({ tasks, failing: [shown, all] }: Chosen, known: number, total: number): string {
  if (tasks.length === total)
    return "Every task in the order of the suites: how many of its runs passed, why others did not, what a run cost.";
  const of = known === total ? "" : `; report.json has the first ${counted(known)}`;
  const others = tasks.length - shown;
  const failing =
    shown === all
      ? `all ${counted(all)} in which a run did not pass`
      : `${counted(shown)}, evenly, of ${counted(all)} in which a run did not pass`;
  const rest = others === 0 ? "" : `, and ${counted(others)}, evenly, of the others`;
  return `${counted(tasks.length)} of ${counted(total)} tasks${of}: ${failing}${rest}. Sums are of all tasks; report.csv has each run.`;
}

/** Dollars of one of its runs. */
function costOf({ cost_pico_usd: cost, runs }: ReportRow): number | undefined {
  return cost === null || runs === 0 ? undefined : Number(cost) / 1e12 / runs;
}

function cell(row: ReportRow | undefined, written: (usd: number) => string): Cell {
  if (row === undefined || row.runs === 0) return { text: UNKNOWN };
  const usd = costOf(row);
  const paid = usd === undefined ? "no price" : written(usd);
  const judged = row.passed + row.failed;
  const faults = row.failures.slice(0, 3).map((kind) => kind.slice(0, 40).replaceAll("-", " "));
  if (judged === 0)
    return {
      text: faults.length === 0 ? "unchecked" : faults.join(", "),
      note: paid,
      ...(faults.length === 0 ? {} : { kind: "bad" }),
    };
  const score = row.runs === 1 ? (row.passed === 1 ? "✓" : "✗") : `${row.passed} of ${row.runs}`;
  const isPassed = row.passed === row.runs - row.unchecked;
  return { text: score, note: [...faults, paid].join(" · "), kind: isPassed ? "good" : "bad" };
}

function shortName(name: string): string {
  return name.length <= 80 ? name : `${name.slice(0, 79)}…`;
}
