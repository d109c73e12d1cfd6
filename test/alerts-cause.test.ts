/** Why a day costs more than its like: parts that sum to the excess, of rows that a ledger holds. */
import type { DatabaseSync } from "node:sqlite";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { causeOf } from "../src/alert-cause.ts";
import type { Alert, Cause } from "../src/alerts/alert.ts";
import { partsOf, USUAL_WEIGHTS } from "../src/alerts/cause.ts";
import type { LedgerEntry } from "../src/ledger.ts";
import { readCourse, readGrowth, type Took } from "../src/ledger-growth.ts";
import { UNKNOWN_USAGE } from "../src/usage.ts";
import { DAY_MS, HOUR_MS, insert, ledgerDatabase, MONDAY_MS, rule } from "./alerts-made.ts";
import { entry } from "./ledger-entry.ts";

const START_MS = MONDAY_MS + 28 * DAY_MS;
const MINUTE_MS = 60_000;

describe("the parts of an excess", () => {
  test("sum to it to the picodollar, whatever was and is", () => {
    const took = fc.record({
      window: fc.constant(0),
      taskClass: fc.constantFrom("triage", "contracts", undefined),
      target: fc.constantFrom("openai/a", "anthropic/b"),
      tasks: fc.integer({ min: 0, max: 50 }),
      exchanges: fc.integer({ min: 0, max: 200 }),
      attempts: fc.integer({ min: 1, max: 400 }),
      tokens: fc.array(fc.integer({ min: 0, max: 1_000_000 }), { minLength: 6, maxLength: 6 }),
      charge: fc.bigInt({ min: 0n, max: 10n ** 17n }),
    });
    fc.assert(
      fc.property(
        fc.array(took, { maxLength: 8 }),
        fc.array(took, { maxLength: 8 }),
        fc.integer({ min: 1, max: 4 }),
        (now, before, windows) => {
          const parts = partsOf(now, before, windows, () => undefined);
          if (parts === undefined) return;
          expect(parts.parts.reduce((sum, { amount }) => sum + amount, 0n)).toBe(parts.excess);
          expect(parts.excess > 0n).toBe(true);
        },
      ),
      { numRuns: 500 },
    );
  });

  test("are one where one thing changed", () => {
    const usual: Took = {
      window: 1,
      taskClass: "triage",
      target: "openai/a",
      tasks: 10,
      exchanges: 30,
      attempts: 30,
      tokens: [1_000, 9_000, 0, 0, 0, 500],
      charge: 1_000_000n,
    };
    const change = (now: Partial<Took>) =>
      partsOf([{ ...usual, window: 0, ...now }], [usual], 1, () => USUAL_WEIGHTS)?.parts.map(({ kind }) => kind);
    expect(change({ charge: 4_000_000n })).toEqual(["price"]);
    expect(
      change({
        tasks: 20,
        exchanges: 60,
        attempts: 60,
        tokens: usual.tokens.map((count) => 2 * count),
        charge: 2_000_000n,
      }),
    ).toEqual(["volume"]);
    expect(
      change({ exchanges: 60, attempts: 60, tokens: usual.tokens.map((count) => 2 * count), charge: 2_000_000n }),
    ).toEqual(["turns"]);
    expect(change({ attempts: 60, tokens: usual.tokens.map((count) => 2 * count), charge: 2_000_000n })).toEqual([
      "retries",
    ]);
    // 1,000 + 900 + 2,500 weigh what a million costs; 10,000 + 2,500 do now.
    expect(change({ tokens: [10_000, 0, 0, 0, 0, 500], charge: 2_840_909n })?.[0]).toBe("cache");
  });
});

describe("an alert's cause", () => {
  test("is the class and target that grew, what of it, and since when", async () => {
    const database = ledgerDatabase();
    for (const week of [1, 2, 3, 4]) day(database, START_MS - week * 7 * DAY_MS, () => 0.88);
    const bustMs = START_MS + 14 * HOUR_MS + 5 * MINUTE_MS;
    day(database, START_MS, (atMs) => (atMs >= bustMs ? 0.03 : 0.88));
    const cause = await causeFor(database, START_MS + 20 * HOUR_MS);
    expect(cause?.parts[0]).toMatchObject({
      taskClass: "triage-ticket",
      target: "anthropic/claude-haiku-5-5",
      kind: "cache",
    });
    expect(cause?.windows).toBe(4);
    expect(cause?.sinceMs).toBe(bustMs);
    expect(cause?.text).toMatch(
      /^\d+ % of the excess is class `triage-ticket` at `anthropic\/claude-haiku-5-5`: cache reads fell from 88 % to \d+ % of the prompt at 14:05 \(UTC\)\.$/,
    );
    expect(cause?.parts.reduce((sum, { amount }) => sum + amount, 0n)).toBe(cause?.excess);
  });

  test("is a price that rose, with the time when it did", async () => {
    const database = ledgerDatabase();
    for (const week of [1, 2]) day(database, START_MS - week * 7 * DAY_MS, () => 0.5);
    day(
      database,
      START_MS,
      () => 0.5,
      (atMs) => (atMs >= START_MS + 9 * HOUR_MS ? 4 : 1),
    );
    const cause = await causeFor(database, START_MS + 18 * HOUR_MS);
    expect(cause?.parts[0]?.kind).toBe("price");
    expect(cause?.text).toMatch(/the price rose to [23]\.\d\d times what it was at 09:00 \(UTC\)/);
  });

  test("is what was not there before", async () => {
    const database = ledgerDatabase();
    day(database, START_MS - 7 * DAY_MS, () => 0.5);
    day(database, START_MS, () => 0.5);
    for (let call = 0; call < 500; call += 1)
      insert(
        database,
        row(START_MS + 10 * HOUR_MS + call, { taskClass: "c-loop", task: `loop-${call}`, cost: 900_000_000n }),
      );
    const cause = await causeFor(database, START_MS + 20 * HOUR_MS);
    expect(cause?.text).toContain(
      "class `looping` at `anthropic/claude-haiku-5-5`: 500 tasks that were not there before.",
    );
  });

  test("is not told of others' calls, and not where nothing grew", async () => {
    const database = ledgerDatabase();
    for (const week of [0, 1]) day(database, START_MS - week * 7 * DAY_MS, () => 0.5);
    insert(database, row(START_MS + HOUR_MS, { caller: "somebody else", cost: 10n ** 15n }));
    expect(await causeFor(database, START_MS + 20 * HOUR_MS)).toBeUndefined();
  });
});

let calls = 0;

/** A call every five minutes; a picodollar buys a weight of one. */
function day(
  database: DatabaseSync,
  startMs: number,
  readShare: (atMs: number) => number,
  price: (atMs: number) => number = () => 1,
): void {
  for (let atMs = startMs; atMs < startMs + DAY_MS; atMs += 5 * MINUTE_MS) {
    const read = Math.round(10_000 * readShare(atMs));
    const usage = { ...UNKNOWN_USAGE, inputUncached: 10_000 - read, cacheRead: read, output: 200 };
    const weight = 10_000 - read + read / 10 + 1_000;
    insert(database, row(atMs + 1_234, { usage, cost: BigInt(Math.round(weight * 1_000 * price(atMs))) }));
  }
}

function row(startedAtMs: number, change: Partial<LedgerEntry>): LedgerEntry {
  calls += 1;
  return entry(`call-${calls}`, {
    caller: "batch",
    taskClass: "triage-ticket",
    task: `task-${calls}`,
    startedAtMs,
    ...change,
  });
}

function causeFor(database: DatabaseSync, firedAtMs: number): Promise<Cause | undefined> {
  const alert = {
    rule: rule.name,
    scope: "key",
    tag: undefined,
    value: "batch",
    window: { startMs: START_MS, endMs: START_MS + DAY_MS },
    firedAtMs,
  } as unknown as Alert;
  return causeOf(alert, {
    growth: async (query) => readGrowth(database, query),
    course: async (query) => readCourse(database, query),
    ruleOf: () => rule,
    weightsOf: () => undefined,
    classNameOf: (id) => (id === "c-loop" ? "looping" : undefined),
  });
}
