/** What budgets know after a restart is what they knew before it: from the ledger's own rows, to the picodollar. */
import fc from "fast-check";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { OTHER_VALUES, type BudgetRule } from "../src/budgets/budget.ts";
import { createBudgets, type Budgets } from "../src/budgets/budgets.ts";
import { subjectOf } from "../src/budgets/subject.ts";
import { openLedger, type Ledger, type LedgerEntry } from "../src/ledger.ts";
import { UNKNOWN_USAGE } from "../src/usage.ts";
import { NOW_MS, rule } from "./budget-parts.ts";
import { entry, reservation } from "./ledger-entry.ts";

const HOUR_MS = 3_600_000;
const notify = { action: "notify", limit: 10n ** 30n } as const;
const RULES: readonly BudgetRule[] = [
  rule({ ...notify, name: "all" }),
  rule({ ...notify, name: "key", scope: "key", window: { kind: "calendar", unit: "hour", timeZone: "Asia/Kolkata" } }),
  rule({ ...notify, name: "team", scope: "team", window: { kind: "rolling", lengthMs: 2 * HOUR_MS } }),
  rule({ ...notify, name: "class", scope: "class", of: "t*" }),
  rule({ ...notify, name: "target", scope: "target", unpricedPerToken: 3n }),
  rule({
    ...notify,
    name: "provider",
    scope: "provider",
    window: { kind: "calendar", unit: "month", timeZone: "UTC" },
  }),
  rule({ ...notify, name: "tag", scope: "tag", tag: "my-tag.x", window: { kind: "rolling", lengthMs: HOUR_MS } }),
];

let ledger: Ledger;
let running: Budgets | undefined;
beforeEach(async () => {
  const sinks = [(one: LedgerEntry) => running?.settled(one)];
  const log = { info: () => undefined, warn: () => undefined, error: () => undefined };
  ledger = await openLedger({ path: ":memory:", sinks, now: () => NOW_MS, log });
});
afterEach(() => ledger.close());

async function budgets(rules = RULES): Promise<Budgets> {
  const made = createBudgets({
    read: (query) => ledger.tasks({ ask: "budget", query }),
    classNameOf: () => undefined,
    now: () => NOW_MS,
    log: { warn: () => undefined, error: (name) => expect(name).toBe("") },
  });
  await made.configure(rules);
  return made;
}

function told(of: Budgets) {
  return of
    .states()
    .map(({ rule: { name }, value, spent, reserved, unpricedCalls }) => ({
      name,
      value,
      spent,
      reserved,
      unpricedCalls,
    }))
    .filter(({ spent, reserved, unpricedCalls }) => spent > 0n || reserved > 0n || unpricedCalls > 0)
    .toSorted((one, other) => `${one.name} ${one.value}`.localeCompare(`${other.name} ${other.value}`));
}

const amount = fc.bigInt({ min: 0n, max: 10n ** 15n });
const row = fc.record({
  caller: fc.constantFrom(undefined, "batch", "it's"),
  tenant: fc.constantFrom("key:abc", "team:search", "team:sales"),
  taskClass: fc.constantFrom(undefined, "triage", "other"),
  provider: fc.constantFrom("openai", "eu"),
  model: fc.constantFrom("a", "b/c"),
  tags: fc.constantFrom<Readonly<Record<string, string>>>({}, { "my-tag.x": 'R&D "é"' }, { "my-tag.x": "1" }),
  startedAtMs: fc.integer({ min: NOW_MS - 3 * HOUR_MS, max: NOW_MS }),
  reserved: fc.option(amount, { nil: undefined }),
  estimate: fc.option(amount, { nil: undefined }),
  ending: fc.constantFrom("reported", "estimated", "not-billed", "unpriced", "unpriced-unknown", "lost", "other-price"),
  cost: amount,
  tokens: fc.nat(10_000),
});

test("whatever was settled in whatever way, in any window", async () => {
  let count = 0;
  await fc.assert(
    fc.asyncProperty(fc.array(row, { maxLength: 30 }), async (rows) => {
      running = await budgets();
      for (const { ending, cost, tokens, reserved, estimate, ...said } of rows) {
        count += 1;
        const attempt = `a${count}.1`;
        const isPriceless = ending === "unpriced" || ending === "unpriced-unknown";
        const opened = reservation(`a${count}`, {
          ...said,
          attempt,
          estimate,
          priceVersion: isPriceless ? undefined : "v",
          ...(reserved === undefined ? {} : { reserved }),
        });
        const worst = { promptTokens: tokens, outputTokens: 0, cost: reserved };
        if (reserved !== undefined && !isPriceless)
          running.reserve({ attempt, subject: subjectOf(opened), worst, atMs: said.startedAtMs });
        ledger.reserve(opened);
        const usage = { ...UNKNOWN_USAGE, inputUncached: tokens, cacheRead: 7, output: 5 };
        const isUnpriced = isPriceless || ending === "other-price";
        ledger.settle(
          entry(`a${count}`, {
            ...opened,
            outcome: ending === "lost" ? "lost" : "complete",
            cost: isUnpriced ? undefined : ending === "not-billed" ? 0n : cost,
            costBasis: isUnpriced ? "unpriced" : ending === "not-billed" ? "not-billed" : "estimated",
            usage: ending === "unpriced-unknown" ? UNKNOWN_USAGE : usage,
          }),
        );
      }
      const before = told(running);
      expect(told(await budgets())).toEqual(before);
    }),
    { numRuns: 60 },
  );
});

describe("what was open when a process died", () => {
  test("counts at what was reserved for it, also where it was left open on purpose and ends later", async () => {
    running = undefined;
    const opened = reservation("late", { startedAtMs: NOW_MS, estimate: 5n, reserved: 50n });
    ledger.reserve(opened);
    const postponed = entry("late", { ...opened, cost: 5n });
    ledger.postpone({ key: "k", entry: postponed, price: undefined, absentReadIsZero: true });
    const again = await budgets([rule()]);
    const open = await ledger.postponed();
    again.opened(open.map(({ entry }) => entry));
    expect(told(again)).toMatchObject([{ spent: 0n, reserved: 50n }]);
    running = again;
    ledger.settle(entry("late", { ...opened, cost: 20n }));
    expect(told(again)).toMatchObject([{ spent: 20n, reserved: 0n }]);
  });
});

test("values beyond what is told one by one are one budget's, and none of their money is forgotten", async () => {
  running = undefined;
  const values = 1_500;
  for (let index = 0; index < values; index += 1)
    ledger.settle(entry(`v${index}`, { startedAtMs: NOW_MS, cost: 1n, taskClass: `c-${index}` }));
  const all = told(await budgets([rule({ ...notify, scope: "class" })]));
  expect(all.reduce((sum, { spent }) => sum + spent, 0n)).toBe(BigInt(values));
  expect(all.find(({ value }) => value === OTHER_VALUES)?.spent).toBe(500n);
});
