/**
 * Past bills as a CSV: a header with `period` and `usd`, and `value` where they are told apart by what a watch is of. A period is a month
 * (`2026-09`) or a day (`2026-09-14`); an amount is a number of dollars, as `1234.56`. What is not so is named by its line.
 */
import type { PicoUsd } from "../usage.ts";
import type { Bills } from "./alert.ts";

export type ReadBills =
  | { readonly bills: Bills }
  /** What is wrong, a line each. */
  | { readonly problems: readonly string[] };

const LINES_MAX = 20_000;
const PROBLEMS_MAX = 10;
/** So many days tell days of the week apart. */
const DAYS_LEAST = 14;

interface Bill {
  readonly value: string;
  readonly amount: PicoUsd;
  /** Of one day: the day of the week, 0 for Monday. */
  readonly weekday: number | undefined;
  readonly days: bigint;
}

export function readBills(text: string): ReadBills {
  const lines = text.replace(/^\uFEFF/, "").split(/\r?\n/);
  if (lines.length > LINES_MAX) return { problems: [`has more than ${LINES_MAX} lines`] };
  const header = cellsOf(lines[0] ?? "")?.map((name) => name.toLowerCase());
  if (header === undefined || !header.includes("period") || !header.includes("usd"))
    return { problems: ["line 1: must be a header with `period` and `usd` (and `value`, if each is of one)"] };
  const problems: string[] = [];
  const bills: Bill[] = [];
  const seen = new Map<string, number>();
  for (const [index, line] of lines.entries()) {
    if (index === 0 || line.trim() === "") continue;
    const read = billOf(line, header);
    if (typeof read === "string") problems.push(`line ${index + 1}: ${read}`);
    else {
      const before = seen.get(read.name);
      seen.set(read.name, index + 1);
      if (before !== undefined) problems.push(`line ${index + 1}: line ${before} has the same period and value`);
      else bills.push(read.bill);
    }
  }
  if (problems.length > PROBLEMS_MAX)
    problems.splice(PROBLEMS_MAX, problems.length, `and ${problems.length - PROBLEMS_MAX} more lines`);
  if (problems.length > 0) return { problems };
  if (bills.length === 0) return { problems: ["has no bill"] };
  return { bills: new Map([...Map.groupBy(bills, ({ value }) => value)].map(([value, own]) => [value, usualOf(own)])) };
}

/** @returns what is wrong with it, as text. */
function billOf(line: string, header: readonly string[]): { readonly name: string; readonly bill: Bill } | string {
  const cells = cellsOf(line);
  if (cells === undefined) return "a quote is not closed";
  if (cells.length !== header.length) return `has ${cells.length} columns, and the header ${header.length}`;
  const cell = (name: string) => cells[header.indexOf(name)] ?? "";
  const [period, usd, value] = [cell("period"), cell("usd"), header.includes("value") ? cell("value") : ""];
  const [, year, month, day] = /^(\d{4})-(\d{2})(?:-(\d{2}))?$/.exec(period) ?? [];
  if (year === undefined || month === undefined) return "`period` must be a month (2026-09) or a day (2026-09-14)";
  const date = new Date(Date.UTC(Number(year), Number(month) - 1, Number(day ?? 1)));
  if (date.getUTCMonth() !== Number(month) - 1) return "`period` is not in the calendar";
  if (usd.startsWith("-")) return "`usd` is below 0: leave credits out, they say nothing of what is spent";
  const [, whole, fraction = ""] = /^(\d{1,9})(?:\.(\d{1,12}))?$/.exec(usd) ?? [];
  if (whole === undefined) return "`usd` must be a number of dollars, as 1234.56";
  const amount = BigInt(whole + fraction.padEnd(12, "0"));
  const days = BigInt(new Date(Date.UTC(Number(year), Number(month), 0)).getUTCDate());
  const weekday = day === undefined ? undefined : (date.getUTCDay() + 6) % 7;
  return { name: `${period}\u0000${value}`, bill: { value, amount, weekday, days: day === undefined ? days : 1n } };
}

/** Days where there are enough of them, else months, each by how many days it has. */
function usualOf(bills: readonly Bill[]): { readonly ofDay: PicoUsd; readonly byWeekday?: readonly PicoUsd[] } {
  const days = bills.filter(({ weekday }) => weekday !== undefined);
  const months = bills.filter(({ weekday }) => weekday === undefined);
  if (days.length < DAYS_LEAST && months.length > 0)
    return { ofDay: median(months.map(({ amount, days }) => amount / days)) };
  const ofDay = median(days.map(({ amount }) => amount));
  if (days.length < DAYS_LEAST) return { ofDay };
  const byWeekday = Array.from({ length: 7 }, (_, weekday) => {
    const own = days.filter((bill) => bill.weekday === weekday);
    return own.length === 0 ? ofDay : median(own.map(({ amount }) => amount));
  });
  return { ofDay, byWeekday };
}

function median(amounts: readonly PicoUsd[]): PicoUsd {
  const sorted = amounts.toSorted((one, other) => (one < other ? -1 : one > other ? 1 : 0));
  const [below = 0n, above = below] = [sorted[(sorted.length - 1) >> 1], sorted[sorted.length >> 1]];
  return (below + above) / 2n;
}

/** @returns nothing where a quote is left open. */
function cellsOf(line: string): readonly string[] | undefined {
  const cells: string[] = [];
  const cell = /\s*(?:"((?:[^"]|"")*)"|([^",]*))\s*(,|$)/y;
  for (;;) {
    const match = cell.exec(line);
    if (match === null) return undefined;
    cells.push((match[1]?.replaceAll('""', '"') ?? match[2] ?? "").trim());
    if (match[3] === "") return cells;
  }
}
