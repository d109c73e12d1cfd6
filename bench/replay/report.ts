/** A result for people: what was, what would be, by class, and what is behind it. */
import { usdText } from "../../src/usage.ts";
import { aligned } from "../trace/report.ts";
import type { Interval } from "./draws.ts";
import type { BreakEven } from "./hardware.ts";
import {
  ALL,
  type ClassResult,
  type MovedResult,
  type Result,
  type ServerResult,
  type SuccessResult,
} from "./result.ts";

/** Lines of a table; the JSON has them all. */
const LINES_MAX = 25;

export function asItWasText({ as_it_was: was, from, to }: Result, name: string): string {
  if (was.attempts === 0) return `${name}: no task of it is asked for\n`;
  const billed = was.recomputed_attempts + was.carried.reduce((sum, { attempts }) => sum + attempts, 0);
  const besides = [
    ...was.carried.map(
      ({ why, attempts, cost_usd: cost }) => `${attempts} taken as the ledger has them (${dollars(cost)}): ${why}`,
    ),
    ...(was.not_billed_attempts === 0 ? [] : [`${was.not_billed_attempts} not billed`]),
    ...(was.unpriced_attempts === 0
      ? []
      : [`${was.unpriced_attempts} unpriced: what they cost is not known, and in no sum`]),
    ...(was.open_attempts === 0 ? [] : [`${was.open_attempts} still open`]),
  ];
  return [
    `${name}: ${was.tasks} tasks, ${was.attempts} attempts, ${from} to ${to}`,
    `as it was: $${usdText(BigInt(was.cost_pico_usd))}; ${was.recomputed_attempts} of ${billed} billed attempts priced again from their tokens, each to the picodollar`,
    ...besides.map((line) => `  ${line}`),
    "",
  ].join("\n");
}

export function wouldBeText(result: Result, question: string): string {
  const { classes, total } = result;
  const shown = classes.slice(0, LINES_MAX);
  const isProjected = total.would_ci95 !== null;
  const head = [
    "class",
    "tasks",
    ...(isProjected ? ["projected"] : []),
    "as it was",
    "would be",
    ...(isProjected ? ["95 %"] : []),
    "change",
    "success",
    ...(isProjected ? ["would be", "95 %"] : []),
  ];
  const rows = [...shown, total].map((row) => classCells(row, isProjected));
  return [
    `what if: ${question}\n\n`,
    aligned([head, ...rows]),
    ...(classes.length > shown.length
      ? [`${classes.length - shown.length} classes more are in the sum (--json has them)\n`]
      : []),
    ...besidesOf(total).map((line) => `${line}\n`),
  ].join("");
}

function classCells(row: ClassResult, isProjected: boolean): readonly string[] {
  const { success } = row;
  return [
    row.class,
    String(row.compared_tasks),
    ...(isProjected ? [String(row.projected_tasks)] : []),
    dollars(row.was_usd),
    dollars(row.would_usd),
    ...(isProjected ? [row.would_ci95 === null ? "exact" : rangeText(row.would_ci95, dollars)] : []),
    row.change === null ? "-" : changeText(row.change),
    shareText(success.was),
    ...(isProjected ? successCells(success) : []),
  ];
}

function successCells({ would, would_ci95: range }: SuccessResult): readonly string[] {
  return [shareText(would), range === null ? "-" : rangeText(range, shareText)];
}

function besidesOf(total: ClassResult): readonly string[] {
  const { apart, was_unknown: unknown } = total;
  const warm = total.would_usd - total.would_if_warm_usd;
  return [
    ...Object.entries(total.stay).map(([why, tasks]) => `${tasks} tasks stay where they were: ${why}`),
    ...(apart.tasks === 0
      ? []
      : [
          `apart, in neither column: ${apart.tasks} tasks (${dollars(apart.was_usd)} as far as the ledger knows), as nobody can say what they would cost`,
        ]),
    ...(unknown.tasks === 0
      ? []
      : [
          `apart, in neither column: ${unknown.tasks} tasks that would be ${dollars(unknown.would_usd)}, as nobody knows what they were`,
        ]),
    ...(warm > 0.005 * total.would_usd
      ? [
          `tasks that move start cold; if their first calls found as much in the cache as they did, it would be ${dollars(total.would_if_warm_usd)}`,
        ]
      : []),
  ];
}

export function movedText({ moved }: Result): string {
  if (moved.length === 0) return "";
  const shown = moved.toSorted((one, other) => other.was_usd - one.was_usd).slice(0, LINES_MAX);
  const head = [
    "goes to",
    "class",
    "tasks",
    "as it was",
    "would be",
    "95 %",
    "turns",
    "new tokens",
    "read",
    "output",
    "success",
    "known from",
  ];
  const rows = shown.map((row) => [
    row.target,
    row.class,
    String(row.tasks),
    dollars(row.was_usd),
    dollars(row.would_usd),
    rangeText(row.would_ci95, dollars),
    row.turns.toFixed(1),
    row.fresh_tokens.toFixed(0),
    row.read_tokens.toFixed(0),
    row.output_tokens.toFixed(0),
    shareText(row.success.mean),
    backingText(row),
  ]);
  const more = moved.length - shown.length;
  return [
    `\n${aligned([head, ...rows])}`,
    ...(more === 0 ? [] : [`${more} lines more (--json has them)\n`]),
    ...(shown.some(({ check }) => check !== null)
      ? ["(check: the tasks that were there, projected as if they had not been, over what they cost)\n"]
      : []),
  ].join("");
}

/** What it is known from of this very target; that the class is known elsewhere tells how large its tasks are, and nothing of the target. */
function backingText({ backed_by_tasks: tasks, known_from: from, check }: MovedResult): string {
  const all = Object.values(from);
  const mostOf = (source: string) => Math.max(0, ...all.filter((one) => one.source === source).map(({ n }) => n));
  const [parts, others] = [mostOf("class"), mostOf("target")];
  const outcomes = from.success.source === "class" ? "" : ", no outcome of them";
  const off = check === null ? "" : ` (check ${changeText(check.over)})`;
  if (tasks > 0) return `${tasks} tasks there${outcomes}${off}`;
  if (parts > 0) return `parts of ${Math.ceil(parts)} tasks there${outcomes}`;
  return others > 0 ? `prior, and ${Math.ceil(others)} tasks of its other classes` : "prior only";
}

export function serverText(server: ServerResult, hours: number, isChosen: boolean): string {
  const { target, usd_per_hour: price, servers, paid_usd: paid, paid_ci95: range, busy, utilization } = server;
  const head = [
    "break-even",
    "tasks",
    "a day",
    "costs now",
    "busy there",
    "at tasks a day",
    "95 %",
    "busy then",
    "one server does",
    "verdict",
  ];
  const all = server.break_even.find((line) => line.class === ALL);
  const classes = server.break_even.filter((line) => line.class !== ALL).slice(0, LINES_MAX);
  const lines = all === undefined ? classes : [...classes, all];
  return [
    `\n${target} at $${price} an hour: ${servers} ${servers === 1 ? "server" : "servers"} for the busiest hour, ${hours.toFixed(1)} hours: `,
    `${dollars(paid)} (95 %: ${rangeText(range, dollars)}), busy ${percent(busy)} of the time\n`,
    ...(isChosen
      ? [
          `(the policy took it to be busy ${percent(utilization)} of the time, by the price of its tokens; \`utilization\` of --gpu says so)\n`,
        ]
      : []),
    aligned([head, ...lines.map(breakEvenCells)]),
    ...(all === undefined
      ? []
      : [
          `(a class' line: if only that class went there; the busiest hour of the day has ${all.busiestOverMean.toFixed(1)} times the mean)\n`,
        ]),
  ].join("");
}

function breakEvenCells(line: BreakEven & { readonly class: string }): readonly string[] {
  const isFinite = Number.isFinite(line.tasksPerDay);
  return [
    line.class,
    String(line.tasks),
    quantity(line.tasksPerDayNow),
    dollars(line.presentUsdPerTask),
    dollars(line.busyUsdPerTask),
    isFinite ? quantity(line.tasksPerDay) : "-",
    line.tasksPerDayInterval === undefined || !isFinite ? "-" : rangeText(line.tasksPerDayInterval, quantity),
    isFinite ? percent(line.busy) : "-",
    `${quantity(line.serverTasksPerDay)} a day`,
    verdictText(line),
  ];
}

function verdictText({ verdict }: BreakEven): string {
  switch (verdict) {
    case "one server":
      return "one server can serve it";
    case "not in the busiest hour":
      return "not as the day is: its busiest hour takes more servers, and they more tasks";
    case "never":
      return "never: dearer even when it is never idle";
  }
}

function rangeText([low, high]: Interval, text: (value: number) => string): string {
  return `${text(low)} – ${text(high)}`;
}

/** Four digits, and cents of what is dear. */
export function dollars(usd: number): string {
  if (usd === 0) return "$0";
  const digits = 3 - Math.floor(Math.log10(Math.abs(usd)));
  return `$${usd.toFixed(Math.max(2, Math.min(12, digits)))}`;
}

function quantity(value: number): string {
  if (!Number.isFinite(value)) return "any number";
  return value >= 100 ? value.toFixed(0) : String(Number(value.toPrecision(3)));
}

function percent(share: number, isSigned = false): string {
  const value = share * 100;
  const text = Math.abs(value) < 10 ? value.toFixed(1) : value.toFixed(0);
  return `${isSigned && value > 0 ? "+" : ""}${text} %`;
}

function changeText(change: number): string {
  return change < 9 ? percent(change, true) : `${(change + 1).toFixed(0)} times`;
}

function shareText(share: number | null): string {
  return share === null ? "?" : share.toFixed(2);
}
