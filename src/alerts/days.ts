/** The days before a time and its window, by the clock of a time zone: the same for all values that are watched there. */
import type { CalendarUnit, WindowSpan } from "../budgets/budget.ts";
import { calendarWindows } from "../budgets/windows.ts";
import { SLOT_MS, SLOTS_A_DAY, slotOf } from "./spend.ts";

export interface Day extends WindowSpan {
  /** 0: Monday. */
  readonly weekday: number;
}

/** Where a window stands among its days. Made once a day. */
export interface Calendar {
  readonly window: WindowSpan;
  readonly today: Day;
  /** Whole days before today, newest first. */
  readonly before: readonly Day[];
  /** All days of the window, if it is one of days. */
  readonly days: readonly Day[];
}

const DAY_MS = 86_400_000;
const HOUR_MS = 3_600_000;

/** @returns what tells the days of a time; asking again on the same day and in the same window costs two comparisons. */
export function calendarOf(unit: CalendarUnit, timeZone: string, daysBefore: number): (atMs: number) => Calendar {
  const windowOf = calendarWindows(unit, timeZone);
  const dayOf = calendarWindows("day", timeZone);
  const weekOf = calendarWindows("week", timeZone);
  const day = (atMs: number): Day => {
    const span = dayOf(atMs);
    return { ...span, weekday: Math.round((span.startMs - weekOf(atMs).startMs) / DAY_MS) };
  };
  let last: Calendar | undefined;
  return (atMs) => {
    if (last !== undefined && isIn(atMs, last.window) && isIn(atMs, last.today)) return last;
    const window = windowOf(atMs);
    const today = day(atMs);
    const before: Day[] = [];
    for (let startMs = today.startMs; before.length < daysBefore;) {
      const earlier = day(startMs - 1);
      before.push(earlier);
      startMs = earlier.startMs;
    }
    const days: Day[] = [];
    if (unit === "hour") days.push(today);
    else
      for (let startMs = window.startMs; startMs < window.endMs; startMs = dayOf(startMs).endMs)
        days.push(day(startMs));
    last = { window, today, before, days };
    return last;
  };
}

/**
 * Where a slot stands on the clock, in quarters of an hour. Clocks are changed in a day's first hours: what comes after is counted from
 * the day's end, so that nine o'clock is nine o'clock on days of 23 and 25 hours, too.
 */
export function clockOf(slot: number, day: WindowSpan): number {
  const from = slot - slotOf(day.startMs);
  const place = from < EARLY ? from : SLOTS_A_DAY - (slotOf(day.endMs) - slot);
  return Math.max(0, Math.min(SLOTS_A_DAY - 1, place));
}

const EARLY: number = (3 * HOUR_MS) / SLOT_MS;

export function isIn(atMs: number, { startMs, endMs }: WindowSpan): boolean {
  return atMs >= startMs && atMs < endMs;
}
