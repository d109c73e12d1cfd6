/** What a window is compared with: how much the whole of it should cost, and how that is spread over its days and their hours. */
import type { PicoUsd } from "../usage.ts";
import type { AlertRule, BaselineRule, WatchState } from "./alert.ts";
import { clockOf, type Calendar, type Day } from "./days.ts";
import type { Learned } from "./learned.ts";
import { SLOT_MS, SLOTS_A_DAY, slotOf } from "./spend.ts";

export interface Whole {
  readonly amount: PicoUsd | undefined;
  readonly missing: WatchState["missing"];
}

/** Once a window: what it is compared with stays the same to its end. */
export function wholeOf(
  { baseline }: AlertRule,
  value: string,
  calendar: Calendar,
  learned: Learned | undefined,
): Whole {
  switch (baseline.kind) {
    case "fixed":
      return { amount: baseline.amount, missing: undefined };
    case "imported":
      return { amount: billed(baseline, value, calendar), missing: baseline.bills.has(value) ? undefined : "no-bill" };
    case "learned":
      if (learned === undefined) return { amount: undefined, missing: "no-history" };
      return { amount: BigInt(Math.round(usual(learned, calendar))), missing: undefined };
  }
}

/** Of what is billed by the day, an hour is a twenty-fourth. */
function billed(
  { bills }: BaselineRule & { kind: "imported" },
  value: string,
  { window, days }: Calendar,
): PicoUsd | undefined {
  const bill = bills.get(value);
  if (bill === undefined) return undefined;
  const all = days.reduce((sum, { weekday }) => sum + (bill.byWeekday?.[weekday] ?? bill.ofDay), 0n);
  const [day] = days;
  const isPart = day !== undefined && days.length === 1 && window.endMs - window.startMs < day.endMs - day.startMs;
  return isPart ? all / 24n : all;
}

function usual(learned: Learned, { window, days }: Calendar): number {
  let sum = 0;
  for (const day of days) {
    const isWhole = day.startMs >= window.startMs && day.endMs <= window.endMs;
    sum += isWhole ? (learned.ofDay[day.weekday] ?? 0) : spread(learned, day, window.startMs, window.endMs);
  }
  return sum;
}

/** What is usual for the time from one slot of a day to another. */
function spread({ ofDay, shapes }: Learned, day: Day, fromMs: number, toMs: number): number {
  let share = 0;
  for (let slot = slotOf(fromMs); slot < slotOf(toMs); slot += 1)
    share += shapes[day.weekday]?.[clockOf(slot, day)] ?? 0;
  return (ofDay[day.weekday] ?? 0) * share;
}

/** How a window's baseline is spread over its time, made once a day. */
export class Course {
  readonly #calendar: Calendar;
  /** Expected of today up to each slot, by its place from the day's start. */
  readonly #upTo: Float64Array;
  readonly #ofDay: (weekday: number) => number;

  /** @param whole What is expected of the window; its hours are as they are learned, or all alike. */
  constructor(calendar: Calendar, learned: Learned | undefined, whole: PicoUsd | undefined) {
    this.#calendar = calendar;
    const { today, window, days } = calendar;
    const known = learned === undefined ? 0 : usual(learned, calendar);
    const share = (window.endMs - window.startMs) / days.reduce((sum, day) => sum + (day.endMs - day.startMs), 0);
    const even = (whole === undefined ? 0 : Number(whole)) / Math.max(1, days.length) / share;
    const scale = known > 0 && whole !== undefined ? Number(whole) / known : 1;
    this.#ofDay = (weekday) => (known > 0 ? (learned?.ofDay[weekday] ?? 0) * scale : even);
    const first = slotOf(today.startMs);
    const slots = slotOf(today.endMs) - first;
    const ofToday = this.#ofDay(today.weekday);
    this.#upTo = new Float64Array(slots + 1);
    for (let at = 0; at < slots; at += 1) {
      const clock = clockOf(first + at, today);
      const part = known > 0 ? (learned?.shapes[today.weekday]?.[clock] ?? 0) : 1 / SLOTS_A_DAY;
      this.#upTo[at + 1] = (this.#upTo[at] ?? 0) + ofToday * part;
    }
  }

  /** Of the window up to a time. */
  soFar(nowMs: number): number {
    const { window, days, today } = this.#calendar;
    let sum = this.expected(Math.max(window.startMs, today.startMs), Math.min(nowMs, window.endMs));
    for (const day of days) if (day.endMs <= today.startMs) sum += this.#ofDay(day.weekday);
    return sum;
  }

  /** Of the window from a time on. */
  rest(nowMs: number): number {
    const { window, days, today } = this.#calendar;
    let sum = this.expected(Math.max(nowMs, window.startMs), Math.min(today.endMs, window.endMs));
    for (const day of days) if (day.startMs >= today.endMs) sum += this.#ofDay(day.weekday);
    return sum;
  }

  ofDay(day: Day): number {
    return this.#ofDay(day.weekday);
  }

  /** Of a time of today; what lies before it is taken to be as today's same hours. */
  expected(fromMs: number, toMs: number): number {
    return toMs <= fromMs ? 0 : this.#sum(toMs) - this.#sum(fromMs);
  }

  /** Up to a time, from today's start on. */
  #sum(atMs: number): number {
    const slots = this.#upTo.length - 1;
    const whole = this.#upTo[slots] ?? 0;
    const slot = (atMs - this.#calendar.today.startMs) / SLOT_MS;
    const days = Math.floor(slot / slots);
    const place = slot - days * slots;
    const [below = 0, above = below] = [this.#upTo[Math.floor(place)], this.#upTo[Math.floor(place) + 1]];
    return days * whole + below + (above - below) * (place - Math.floor(place));
  }
}
