/** Windows of the calendar, in time zones where clocks are changed; and rolling ones. */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { CalendarUnit } from "../src/budgets/budget.ts";
import { Counter, windowClock } from "../src/budgets/counter.ts";
import { calendarWindows } from "../src/budgets/windows.ts";

const HOUR_MS = 3_600_000;

describe("a window of the calendar", () => {
  test.each<[unit: CalendarUnit, zone: string, at: string, start: string, end: string]>([
    ["day", "UTC", "2026-11-25T10:00:00Z", "2026-11-25T00:00:00Z", "2026-11-26T00:00:00Z"],
    ["month", "UTC", "2026-12-31T23:59:59.999Z", "2026-12-01T00:00:00Z", "2027-01-01T00:00:00Z"],
    ["week", "UTC", "2026-11-29T23:00:00Z", "2026-11-23T00:00:00Z", "2026-11-30T00:00:00Z"],
    ["hour", "Asia/Kolkata", "2026-11-25T10:10:00Z", "2026-11-25T09:30:00Z", "2026-11-25T10:30:00Z"],
    ["day", "Asia/Kolkata", "2026-11-25T10:10:00Z", "2026-11-24T18:30:00Z", "2026-11-25T18:30:00Z"],
    // Clocks go forward at two: 23 hours. Back at three: 25.
    ["day", "Europe/Paris", "2026-03-29T12:00:00Z", "2026-03-28T23:00:00Z", "2026-03-29T22:00:00Z"],
    ["day", "Europe/Paris", "2026-10-25T12:00:00Z", "2026-10-24T22:00:00Z", "2026-10-25T23:00:00Z"],
    ["week", "Europe/Paris", "2026-10-25T12:00:00Z", "2026-10-18T22:00:00Z", "2026-10-25T23:00:00Z"],
    ["month", "America/New_York", "2026-03-10T00:00:00Z", "2026-03-01T05:00:00Z", "2026-04-01T04:00:00Z"],
    // The hour that is shown twice is two hours.
    ["hour", "Europe/Paris", "2026-10-25T00:30:00Z", "2026-10-25T00:00:00Z", "2026-10-25T01:00:00Z"],
    ["hour", "Europe/Paris", "2026-10-25T01:30:00Z", "2026-10-25T01:00:00Z", "2026-10-25T02:00:00Z"],
    // Where midnight is left out, the day begins at one o'clock.
    ["day", "Africa/Cairo", "2026-04-24T12:00:00Z", "2026-04-23T22:00:00Z", "2026-04-24T21:00:00Z"],
    // Where the clock goes back from midnight to eleven, the day before has 25 hours.
    ["day", "America/Havana", "2026-11-01T18:00:00Z", "2026-11-01T04:00:00Z", "2026-11-02T05:00:00Z"],
  ])("of a %s in %s at %s is from %s to %s", (unit, zone, at, start, end) => {
    const { startMs, endMs } = calendarWindows(unit, zone)(Date.parse(at));
    expect([new Date(startMs).toISOString(), new Date(endMs).toISOString()]).toEqual([
      new Date(start).toISOString(),
      new Date(end).toISOString(),
    ]);
  });

  test("holds its instant, and the next one begins where it ends, in any zone at any time", () => {
    const zones = [
      "UTC",
      "Europe/Paris",
      "America/New_York",
      "Asia/Kolkata",
      "Africa/Cairo",
      "Pacific/Apia",
      "Asia/Beirut",
    ];
    fc.assert(
      fc.property(
        fc.constantFrom(...zones),
        fc.constantFrom<Exclude<CalendarUnit, "hour">>("day", "week", "month"),
        fc.integer({ min: Date.UTC(2012, 0), max: Date.UTC(2035, 0) }),
        (zone, unit, atMs) => {
          const windowOf = calendarWindows(unit, zone);
          const { startMs, endMs } = windowOf(atMs);
          expect(startMs).toBeLessThanOrEqual(atMs);
          expect(endMs).toBeGreaterThan(atMs);
          expect(windowOf(endMs).startMs).toBe(endMs);
          expect(windowOf(startMs - 1).endMs).toBe(startMs);
        },
      ),
      { numRuns: 500 },
    );
  });
});

describe("a rolling window", () => {
  const lengthMs = 24 * HOUR_MS;
  const rolling = () => new Counter("", windowClock({ kind: "rolling", lengthMs }));

  test("counts what was spent within its length, and forgets it soon after", () => {
    const counter = rolling();
    const atMs = Date.UTC(2026, 0, 5, 13, 7);
    counter.settle(counter.at(atMs), 0n, 5n);
    counter.at(atMs + lengthMs - 1);
    expect(counter.spent).toBe(5n);
    counter.at(atMs + lengthMs + lengthMs / 60);
    expect(counter.spent).toBe(0n);
  });

  test("never counts less than what was spent in the time of its length before now", () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 0, max: 3 * HOUR_MS }), { maxLength: 60 }), (steps) => {
        const counter = rolling();
        const spent: number[] = [];
        let nowMs = Date.UTC(2026, 0, 5);
        for (const step of steps) {
          nowMs += step;
          counter.settle(counter.at(nowMs), 0n, 1n);
          spent.push(nowMs);
          const within = spent.filter((atMs) => atMs > nowMs - lengthMs).length;
          const sliceMore = spent.filter((atMs) => atMs > nowMs - lengthMs - lengthMs / 60).length;
          expect(Number(counter.spent)).toBeGreaterThanOrEqual(within);
          expect(Number(counter.spent)).toBeLessThanOrEqual(sliceMore);
        }
      }),
    );
  });
});

describe("a clock that jumps", () => {
  test("finds each window as it left it", () => {
    const counter = new Counter("", windowClock({ kind: "calendar", unit: "day", timeZone: "UTC" }));
    const todayMs = Date.UTC(2026, 4, 5, 12);
    counter.settle(counter.at(todayMs), 0n, 7n);
    counter.settle(counter.at(todayMs + 365 * 24 * HOUR_MS), 0n, 3n);
    expect(counter.spent).toBe(3n);
    counter.at(todayMs);
    expect(counter.spent).toBe(7n);
  });

  test("keeps what a rolling window has counted, when it is set back within that", () => {
    const counter = new Counter("", windowClock({ kind: "rolling", lengthMs: 24 * HOUR_MS }));
    const nowMs = Date.UTC(2026, 4, 5, 12);
    counter.settle(counter.at(nowMs), 0n, 7n);
    counter.at(nowMs - 2 * HOUR_MS);
    expect(counter.spent).toBe(7n);
  });

  test("that goes on for years keeps no more cells than its bound", () => {
    for (const window of [
      { kind: "calendar", unit: "hour", timeZone: "Europe/Paris" } as const,
      { kind: "rolling", lengthMs: HOUR_MS } as const,
    ]) {
      const clock = windowClock(window);
      const counter = new Counter("", clock);
      for (let step = 0; step < 1_000; step += 1) counter.settle(counter.at(step * 2 * HOUR_MS), 0n, 1n);
      expect([...counter.cells].length).toBeLessThanOrEqual(clock.cellsMax);
      expect(counter.spent).toBe(1n);
    }
  });
});
