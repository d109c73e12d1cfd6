/** Spend that leaves its own baseline is told once, and nothing else is. */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { UNKNOWN_USAGE } from "../src/usage.ts";
import { DAY_MS, HOUR_MS, MONDAY_MS, madeAlerts, rule, type Made } from "./alerts-made.ts";

/** Working hours of working days: 10 dollars an hour, 100 a day; a dollar a day on others. */
function office(atMs: number): number {
  const hour = (atMs % DAY_MS) / HOUR_MS;
  const weekday = Math.floor((atMs - MONDAY_MS) / DAY_MS) % 7;
  if ((weekday + 7) % 7 >= 5) return 1 / 24;
  return hour >= 8 && hour < 18 ? 10 : 0;
}

/** What was spent before is read from the ledger at the first look. */
async function afterWeeks(weeks: number, options: Parameters<typeof madeAlerts>[0] = {}): Promise<Made> {
  const made = await madeAlerts({ nowMs: MONDAY_MS, ...options });
  const end = MONDAY_MS + weeks * 7 * DAY_MS;
  for (let atMs = MONDAY_MS; atMs < end; atMs += HOUR_MS) if (office(atMs) > 0) made.spend(atMs, office(atMs));
  made.nowMs = end;
  await made.alerts.evaluate();
  return made;
}

describe("nothing is told", () => {
  test("of nights, weekends and the days after them", async () => {
    const made = await afterWeeks(4);
    await made.until(MONDAY_MS + 8 * 7 * DAY_MS, office, HOUR_MS / 2);
    expect(made.events).toEqual([]);
    const [state] = made.alerts.states();
    expect(Number(state?.baseline) / 1e12).toBeCloseTo(100, 0);
  });

  test("of a key that is not known long enough, however much it spends", async () => {
    const made = await madeAlerts();
    await made.until(MONDAY_MS + 13 * DAY_MS, (atMs) => (atMs > MONDAY_MS + 10 * DAY_MS ? 1_000 : 1), HOUR_MS / 2);
    expect(made.events).toEqual([]);
    expect(made.alerts.states()[0]).toMatchObject({ baseline: undefined, missing: "no-history" });
  });

  test("of small change, however many times the baseline it is", async () => {
    const made = await madeAlerts();
    const start = MONDAY_MS + 28 * DAY_MS;
    await made.until(start, () => 0.01, HOUR_MS / 2);
    await made.until(start + DAY_MS, () => 0.2, HOUR_MS / 2);
    expect(made.events).toEqual([]);
  });

  test.each([
    ["Europe/Berlin", Date.UTC(2026, 2, 29)],
    ["Europe/Berlin", Date.UTC(2026, 9, 25)],
    ["America/New_York", Date.UTC(2026, 10, 1)],
    ["Asia/Kathmandu", Date.UTC(2026, 10, 1)],
  ])("of the day when clocks are changed in %s, and of those around it", async (timeZone, changeMs) => {
    const nowMs = changeMs - 30 * DAY_MS;
    const made = await madeAlerts({
      nowMs,
      rules: [
        { ...rule, timeZone },
        { ...rule, timeZone, name: "hour", unit: "hour" },
      ],
    });
    const wall = new Intl.DateTimeFormat("en-US", { timeZone, hourCycle: "h23", hour: "numeric" });
    await made.until(
      changeMs + 3 * DAY_MS,
      (atMs) => (Number(wall.format(atMs)) >= 8 && Number(wall.format(atMs)) < 18 ? 10 : 1),
      HOUR_MS / 2,
    );
    expect(made.events).toEqual([]);
  });

  test("of a month that is longer than the last", async () => {
    const made = await afterWeeks(6, { rules: [{ ...rule, unit: "month", name: "month" }] });
    await made.until(MONDAY_MS + 100 * DAY_MS, office, HOUR_MS / 2);
    expect(made.events).toEqual([]);
  });
});

describe("an alert fires", () => {
  test("when a day costs one and a half times what it usually does, and once", async () => {
    const made = await afterWeeks(6, { rules: [withoutProjection()] });
    const start = made.nowMs;
    await made.until(start + DAY_MS, (atMs) => office(atMs) * 2, HOUR_MS / 2);
    expect(made.fired()).toHaveLength(1);
    expect(made.fired()[0]).toMatchObject({
      id: `key-day|batch|1.5|${new Date(start).toISOString()}/fired`,
      alert: { basis: "actual", value: "batch", level: 1.5 },
    });
    expect(Number(made.fired()[0]?.alert.spent) / 1e12).toBeCloseTo(150, -1);
    expect(made.fired()[0]?.text).toMatch(
      /^Spend of key `batch` of the day since 2026-07-13 00:00 UTC is 1\.\dx its baseline/,
    );
  });

  test("before it is spent, where something runs away", async () => {
    const made = await afterWeeks(6);
    const start = made.nowMs + 9 * HOUR_MS;
    await made.until(start, office, 300_000);
    await made.until(start + 2 * HOUR_MS, (atMs) => office(atMs) + 60, 60_000);
    const [first] = made.fired();
    expect(first?.alert.basis).toBe("projected");
    expect(((first?.atMs ?? 0) - start) / 60_000).toBeLessThanOrEqual(30);
    expect(first?.text).toContain("95 % sure");
  });

  test("and is over when the day after is calm", async () => {
    const made = await afterWeeks(6);
    const start = made.nowMs;
    await made.until(start + DAY_MS, (atMs) => office(atMs) * 3, HOUR_MS / 4);
    await made.until(start + 2 * DAY_MS, office, HOUR_MS / 4);
    expect(made.events.map(({ kind }) => kind)).toEqual(["fired", "resolved"]);
    expect(made.resolved()[0]?.alert.id).toBe(made.fired()[0]?.alert.id);
    expect(made.alerts.alerts()).toHaveLength(1);
    expect(made.alerts.alerts()[0]?.resolvedAtMs).toBeGreaterThan(start + DAY_MS);
  });

  test("at the highest of several levels that are passed at once", async () => {
    const made = await afterWeeks(6, { rules: [{ ...withoutProjection(), levels: [1.5, 2, 4] }] });
    made.spend(made.nowMs + 8 * HOUR_MS, 250);
    made.nowMs += 9 * HOUR_MS;
    await made.alerts.evaluate();
    await made.alerts.evaluate();
    expect(made.fired().map(({ alert }) => alert.level)).toEqual([2]);
    made.spend(made.nowMs, 500);
    made.nowMs += 60_000;
    await made.alerts.evaluate();
    expect(made.fired().map(({ alert }) => alert.level)).toEqual([2, 4]);
  });

  test("over a number, with no history at all", async () => {
    const made = await madeAlerts({ rules: [{ ...rule, baseline: { kind: "fixed", amount: 10_000_000_000_000n } }] });
    made.spend(made.nowMs, 14);
    await made.alerts.evaluate();
    expect(made.events).toEqual([]);
    made.spend(made.nowMs, 1);
    await made.alerts.evaluate();
    expect(made.fired()).toHaveLength(1);
  });

  test("over bills, each value by its own, and not for one that has none", async () => {
    const bills = new Map([["batch", { ofDay: 10_000_000_000_000n }]]);
    const made = await madeAlerts({ rules: [{ ...rule, baseline: { kind: "imported", bills } }] });
    made.spend(made.nowMs, 16);
    made.spend(made.nowMs, 1_000, { caller: "other" });
    await made.alerts.evaluate();
    expect(made.fired().map(({ alert }) => alert.value)).toEqual(["batch"]);
    expect(made.alerts.states().find(({ value }) => value === "other")).toMatchObject({
      baseline: undefined,
      missing: "no-bill",
    });
  });
});

describe("a price that changed for good", () => {
  test("is told of for some days, and then it is what is usual", async () => {
    const made = await afterWeeks(6);
    const start = made.nowMs;
    await made.until(start + 45 * DAY_MS, (atMs) => office(atMs) * 4, HOUR_MS / 2);
    const days = made.fired().map(({ atMs }) => Math.floor((atMs - start) / DAY_MS));
    expect(days[0]).toBe(0);
    expect(days.at(-1)).toBeLessThan(8);
    expect(Number(made.alerts.states()[0]?.baseline) / 1e12).toBeGreaterThan(350);
    expect(made.resolved().length).toBe(made.fired().length);
  });

  test("does not lower what is usual where it falls, as it does in holidays", async () => {
    const made = await afterWeeks(6);
    const start = made.nowMs;
    await made.until(start + 10 * DAY_MS, () => 0.5, HOUR_MS / 2);
    await made.until(start + 21 * DAY_MS, office, HOUR_MS / 2);
    expect(made.events).toEqual([]);
  });
});

describe("a restart", () => {
  test("changes nothing, wherever it comes, whatever spend does", async () => {
    const days = fc.array(
      fc.record({ times: fc.constantFrom(0, 0.5, 1, 1, 1, 1.4, 2, 6), hour: fc.integer({ min: 0, max: 23 }) }),
      {
        minLength: 2,
        maxLength: 4,
      },
    );
    await fc.assert(
      fc.asyncProperty(days, fc.array(fc.integer({ min: 0, max: 95 }), { maxLength: 3 }), async (given, restarts) => {
        const start = MONDAY_MS + 21 * DAY_MS;
        const usd = (atMs: number) => {
          const day = given[Math.floor((atMs - start) / DAY_MS)];
          return day !== undefined && (atMs % DAY_MS) / HOUR_MS >= day.hour
            ? office(atMs) * day.times + day.times - 1
            : office(atMs);
        };
        const end = start + given.length * DAY_MS;
        const through = await afterWeeks(3);
        await through.until(end, (atMs) => Math.max(0, usd(atMs)), HOUR_MS / 2);
        let stopped = await afterWeeks(3);
        for (const at of restarts.toSorted((one, other) => one - other)) {
          await stopped.until(Math.min(end, start + at * HOUR_MS), (atMs) => Math.max(0, usd(atMs)), HOUR_MS / 2);
          stopped = await stopped.restarted();
        }
        await stopped.until(end, (atMs) => Math.max(0, usd(atMs)), HOUR_MS / 2);
        expect(stopped.events.map(({ id }) => id)).toEqual(through.events.map(({ id }) => id));
        const ids = through.events.map(({ id }) => id);
        expect(new Set(ids).size).toBe(ids.length);
      }),
      { numRuns: 12 },
    );
  }, 60_000);

  test("tells again what no listener has taken, and the rest not", async () => {
    let isUp = false;
    const rules = [{ ...rule, baseline: { kind: "fixed", amount: 10_000_000_000_000n } as const }];
    const listener = () => {
      if (!isUp) throw new Error("it is full");
    };
    const made = await madeAlerts({ rules, listener });
    made.spend(made.nowMs, 20);
    await made.alerts.evaluate();
    expect(made.events).toEqual([]);
    expect(made.logged).toContain("alert-listener-failed");
    isUp = true;
    const again = await made.restarted();
    await again.alerts.evaluate();
    await again.alerts.evaluate();
    expect(again.events.map(({ kind }) => kind)).toEqual(["fired"]);
    const third = await again.restarted();
    await third.alerts.evaluate();
    expect(third.events).toHaveLength(1);
  });

  test("with another configuration says that what is not watched any more is over", async () => {
    const rules = [{ ...rule, baseline: { kind: "fixed", amount: 10_000_000_000_000n } as const }];
    const made = await madeAlerts({ rules });
    made.spend(made.nowMs, 20);
    await made.alerts.evaluate();
    const again = await made.restarted([]);
    await again.alerts.evaluate();
    expect(again.events.map(({ kind }) => kind)).toEqual(["fired", "resolved"]);
  });
});

describe("what is not as it should be", () => {
  test("calls without a price are counted beside, and said", async () => {
    const made = await madeAlerts({ rules: [{ ...rule, baseline: { kind: "fixed", amount: 10_000_000_000_000n } }] });
    const usage = { ...UNKNOWN_USAGE, inputUncached: 5, output: 5 };
    made.spend(made.nowMs, 0, {
      cost: undefined,
      costBasis: "unpriced",
      priceVersion: undefined,
      estimate: undefined,
      usage,
    });
    made.spend(made.nowMs, 20);
    await made.alerts.evaluate();
    expect(made.alerts.states()[0]).toMatchObject({ unpricedCalls: 1, spent: 20_000_000_000_000n });
    expect(made.fired()[0]?.text).toContain("Calls whose cost nobody knows are not all in it: 1.");
    const again = await made.restarted();
    expect(again.alerts.states()[0]).toMatchObject({ unpricedCalls: 1, spent: 20_000_000_000_000n });
  });

  test("an answer that was never heard of counts what was reserved", async () => {
    const made = await madeAlerts();
    made.spend(made.nowMs + 123_457, 0, {
      outcome: "lost",
      cost: undefined,
      costBasis: "unpriced",
      estimate: 3_000_000_000_000n,
    });
    expect(made.alerts.states()[0]?.spent).toBe(3_000_000_000_000n);
    expect((await made.restarted()).alerts.states()[0]?.spent).toBe(3_000_000_000_000n);
  });

  test("a cost below nothing takes nothing off", async () => {
    const made = await madeAlerts();
    made.spend(made.nowMs, 10);
    made.spend(made.nowMs, -4);
    expect(made.alerts.states()[0]?.spent).toBe(10_000_000_000_000n);
  });

  test("a clock that jumps ahead and back tells nothing twice, and what was spent is read again", async () => {
    const rules = [{ ...rule, baseline: { kind: "fixed", amount: 10_000_000_000_000n } as const }];
    const made = await madeAlerts({ rules });
    const { nowMs } = made;
    made.spend(nowMs, 20);
    await made.alerts.evaluate();
    made.nowMs = nowMs + 400 * DAY_MS;
    await made.alerts.evaluate();
    expect(made.logged).toContain("alerts-clock-jumped");
    made.nowMs = nowMs + 60_000;
    await made.alerts.evaluate();
    expect(made.alerts.states()[0]?.spent).toBe(20_000_000_000_000n);
    expect(made.fired()).toHaveLength(1);
  });

  test("a ledger that cannot be read is asked again, and nothing is told meanwhile", async () => {
    let isBroken = true;
    const read = () => {
      if (isBroken) throw new Error("it is gone");
    };
    const made = await madeAlerts({
      rules: [{ ...rule, baseline: { kind: "fixed", amount: 10_000_000_000_000n } }],
      read,
    });
    made.spend(made.nowMs, 20);
    await made.alerts.evaluate();
    expect(made.events).toEqual([]);
    expect(made.logged).toContain("alerts-unread");
    isBroken = false;
    made.nowMs += 60_000;
    await made.alerts.evaluate();
    expect(made.fired()).toHaveLength(1);
    expect(made.fired()[0]?.alert.spent).toBe(20_000_000_000_000n);
  });

  test("a state that cannot be read is refused whole", async () => {
    const made = await madeAlerts();
    expect(() => made.alerts.restore({ version: 1, watches: "none" })).toThrow("what was kept of alerts");
  });

  test("values beyond the bound share one", async () => {
    const made = await madeAlerts();
    for (let index = 0; index < 300; index += 1) made.spend(made.nowMs, 1, { caller: `key-${index}` });
    const states = made.alerts.states();
    expect(states.length).toBeLessThanOrEqual(201);
    expect(states.reduce((sum, { spent }) => sum + spent, 0n)).toBe(300_000_000_000_000n);
  });
});

function withoutProjection() {
  const { confidence: _, ...rest } = rule;
  return rest;
}
