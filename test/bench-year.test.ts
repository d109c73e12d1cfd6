/** The simulated year is the same at each run, and judges what it plays. */
import { describe, expect, test } from "vitest";
import { goalsOf, yearsText } from "../bench/year/report.ts";
import { playYear, type YearResult } from "../bench/year/run.ts";
import { DAYS, dayIndexOf, START_MS, STEP_MS, wallOf, worldOf } from "../bench/year/world.ts";
import { DAY_MS, HOUR_MS, rule } from "./alerts-made.ts";

describe("the world", () => {
  test("is the same for one seed, and another for another", () => {
    const spent = (seed: number) => {
      const world = worldOf(seed);
      return Array.from({ length: 50 }, (_, index) => world.step(index));
    };
    expect(spent(3)).toEqual(spent(3));
    expect(spent(3)).not.toEqual(spent(4));
  });

  test("spends what it says is usual, but for chance and what goes wrong", () => {
    const world = worldOf(5);
    const sums = world.keys.map(() => 0);
    const days = 35;
    for (let index = 0; index < (days * DAY_MS) / STEP_MS; index += 1) {
      for (const [key, usd] of world.step(index).entries()) sums[key] = (sums[key] ?? 0) + usd;
    }
    for (const [key, sum] of sums.entries()) {
      const usual = Array.from({ length: days }, (_, day) => world.usualOf(key, day)).reduce(
        (all, one) => all + one,
        0,
      );
      if (usual > 0) expect(sum / usual, world.keys[key]?.name).toBeGreaterThan(0.6);
      if (usual > 0) expect(sum / usual, world.keys[key]?.name).toBeLessThan(1.6);
    }
  });

  test("goes by the clock in Berlin", () => {
    const format = new Intl.DateTimeFormat("en-GB", { timeZone: "Europe/Berlin", hour: "2-digit", hourCycle: "h23" });
    for (let day = 0; day < DAYS; day += 1) {
      const atMs = START_MS + day * DAY_MS + 5 * HOUR_MS;
      expect(new Date(wallOf(atMs)).getUTCHours()).toBe(Number(format.format(atMs)));
      expect(dayIndexOf(atMs)).toBe(day);
    }
  });
});

describe("a played year", () => {
  test("tells what went wrong in it, each alert once", async () => {
    const rules = [rule, { ...rule, name: "global-day", scope: "global" as const }];
    const year = await playYear(2, rules, 75);
    expect(year.scopes).toBe(20);
    expect(year.found.length).toBeGreaterThan(0);
    expect(year.found.some(({ minutes }) => minutes !== undefined)).toBe(true);
    const ids = year.pages.map(({ event }) => event.id);
    expect(new Set(ids).size).toBe(ids.length);
    expect(yearsText([year])).toContain("in 30 min");
  }, 60_000);

  test("misses its goals where nobody is told, and where everybody is", () => {
    const incident = { kind: "runaway" as const, keys: [0], fromMs: 0, toMs: 1, times: 1, usdAnHour: 1 };
    const year = {
      seed: 1,
      scopes: 20,
      pages: [],
      found: [{ incident, minutes: undefined }],
      resolved: 0,
      secondsOfEvaluating: 0,
      evaluations: 1,
    };
    expect(goalsOf([year])[0]?.measured).toBe(Number.POSITIVE_INFINITY);
    const page = { incident: undefined } as unknown as YearResult["pages"][number];
    expect(goalsOf([{ ...year, pages: Array.from({ length: 24 }, () => page) }]).at(-1)?.measured).toBe(2);
  });
});
