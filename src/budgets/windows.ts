/**
 * Windows of the calendar in a time zone. A day is from its first instant to the next day's: 23 or 25 hours where clocks are changed, and
 * it begins at one o'clock where midnight is left out.
 */
import type { CalendarUnit, WindowSpan } from "./budget.ts";

/** @returns the window that an instant is in. It remembers the last one, so that asking again costs a comparison. */
export function calendarWindows(unit: CalendarUnit, timeZone: string): (atMs: number) => WindowSpan {
  const zone = zoneOf(timeZone);
  let last: WindowSpan = { startMs: 0, endMs: 0 };
  return (atMs) => {
    if (atMs < last.startMs || atMs >= last.endMs)
      last = unit === "hour" ? hourOf(atMs, zone) : daysOf(unit, atMs, zone);
    return last;
  };
}

/** What a clock on the wall there shows at an instant, as milliseconds of UTC. */
type Zone = (atMs: number) => number;

const HOUR_MS = 3_600_000;
const DAY_MS = 86_400_000;
/** The first and last days that can be told; a clock that is further off is taken to be there. */
const YEARS_MS = [Date.UTC(1, 0, 3), Date.UTC(9_990, 0, 1)] as const;

function zoneOf(timeZone: string): Zone {
  if (timeZone === "UTC") return (atMs) => atMs;
  const format = new Intl.DateTimeFormat("en-US", {
    timeZone,
    calendar: "iso8601",
    hourCycle: "h23",
    year: "numeric",
    month: "numeric",
    day: "numeric",
    hour: "numeric",
    minute: "numeric",
    second: "numeric",
  });
  return (atMs) => {
    const said = new Map(format.formatToParts(atMs).map(({ type, value }) => [type, Number(value)]));
    const part = (type: Intl.DateTimeFormatPartTypes) => said.get(type) ?? 0;
    const seconds = Date.UTC(
      part("year"),
      part("month") - 1,
      part("day"),
      part("hour"),
      part("minute"),
      part("second"),
    );
    return seconds + (((atMs % 1_000) + 1_000) % 1_000);
  };
}

/** By the clock there: where it is half past when it is full here, hours begin then. One that is shown twice is two hours. */
function hourOf(atMs: number, zone: Zone): WindowSpan {
  const at = bounded(atMs);
  const past = zone(at) % HOUR_MS;
  const startMs = at - past;
  return { startMs, endMs: startMs + HOUR_MS };
}

function daysOf(unit: Exclude<CalendarUnit, "hour">, atMs: number, zone: Zone): WindowSpan {
  const shown = new Date(zone(bounded(atMs)));
  const [year, month, day] = [shown.getUTCFullYear(), shown.getUTCMonth(), shown.getUTCDate()];
  const sinceMonday = (shown.getUTCDay() + 6) % 7;
  switch (unit) {
    case "day":
      return { startMs: firstInstant(year, month, day, zone), endMs: firstInstant(year, month, day + 1, zone) };
    case "week":
      return {
        startMs: firstInstant(year, month, day - sinceMonday, zone),
        endMs: firstInstant(year, month, day - sinceMonday + 7, zone),
      };
    case "month":
      return { startMs: firstInstant(year, month, 1, zone), endMs: firstInstant(year, month + 1, 1, zone) };
  }
}

/** The first instant of a date there. What is not on any clock of that day (midnight, where it is left out) is taken for what follows it. */
function firstInstant(year: number, month: number, day: number, zone: Zone): number {
  const shown = Date.UTC(year, month, day);
  const offsets = [zone(shown - DAY_MS) - (shown - DAY_MS), zone(shown + DAY_MS) - (shown + DAY_MS)];
  const instants = offsets.map((offset) => shown - offset).toSorted((one, other) => one - other);
  return instants.find((instant) => zone(instant) >= shown) ?? shown;
}

function bounded(atMs: number): number {
  const [first, last] = YEARS_MS;
  return Number.isNaN(atMs) ? 0 : Math.floor(Math.min(Math.max(atMs, first), last));
}
