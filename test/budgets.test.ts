/** Money is reserved before a call is sent, and settled after it: what holds then, in whichever order calls begin and end. */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { OTHER_VALUES, type BudgetNotice, type BudgetRule } from "../src/budgets/budget.ts";
import type { Held } from "../src/budgets/budgets.ts";
import { VALUES_MAX } from "../src/budgets/values.ts";
import { GatewayError } from "../src/errors.ts";
import type { PicoUsd } from "../src/usage.ts";
import { budgetsOf, NOBODY, NOW_MS, rule, settled, unpriced, worst, type Parts } from "./budget-parts.ts";

const DAY_MS = 86_400_000;

function held(result: Held | GatewayError): Held {
  if (result instanceof GatewayError) throw result;
  return result;
}

function refusal(result: Held | GatewayError): GatewayError {
  if (!(result instanceof GatewayError)) throw new Error("it was not refused");
  return result;
}

function reserve({ budgets, nowMs }: Parts, attempt: string, cost: PicoUsd | undefined, subject = NOBODY) {
  return budgets.reserve({ attempt, subject, worst: worst(cost), atMs: nowMs });
}

function only({ budgets }: Parts) {
  const [state, ...others] = budgets.states();
  if (state === undefined || others.length > 0) throw new Error(`${others.length + 1} budgets`);
  return state;
}

describe("a hard limit", () => {
  test("is never passed, in whatever order calls begin, end, fail, are lost and are told twice", async () => {
    type Step = {
      readonly kind: "begin" | "end" | "release" | "lost" | "again" | "later";
      readonly of: number;
      readonly cost: number;
    };
    const step: fc.Arbitrary<Step> = fc.record({
      kind: fc.constantFrom("begin", "begin", "begin", "end", "end", "release", "lost", "again", "later"),
      of: fc.nat(30),
      cost: fc.nat(60),
    });
    const limits = fc.tuple(fc.integer({ min: 1, max: 150 }), fc.integer({ min: 1, max: 150 }));
    await fc.assert(
      fc.asyncProperty(limits, fc.array(step, { maxLength: 120 }), async ([daily, ofKey], steps) => {
        const parts = await budgetsOf([
          rule({ limit: BigInt(daily) }),
          rule({ name: "key", scope: "key", limit: BigInt(ofKey), window: { kind: "rolling", lengthMs: DAY_MS / 24 } }),
        ]);
        /** What the provider bills, by the day on which a call began and by its key and time. */
        const billed: { readonly atMs: number; readonly key: string; readonly cost: bigint }[] = [];
        const open = new Map<string, { readonly most: bigint; readonly atMs: number; readonly key: string }>();
        for (const [index, { kind, of, cost }] of steps.entries()) {
          const key = `k${of % 2}`;
          if (kind === "later") parts.nowMs += cost * 300_000;
          if (kind === "begin") {
            const attempt = `a${index}`;
            const result = reserve(parts, attempt, BigInt(cost), { ...NOBODY, key });
            if (!(result instanceof GatewayError)) open.set(attempt, { most: BigInt(cost), atMs: parts.nowMs, key });
          }
          const [attempt, call] = [...open][of % Math.max(open.size, 1)] ?? [];
          if (attempt === undefined || call === undefined) continue;
          if (kind === "end" || kind === "lost" || kind === "again") {
            open.delete(attempt);
            const actual = kind === "lost" ? call.most : (call.most * BigInt(cost)) / 60n;
            billed.push({ ...call, cost: actual });
            const row = settled(attempt, { startedAtMs: call.atMs, caller: call.key, cost: actual });
            parts.budgets.settled(kind === "lost" ? { ...row, outcome: "lost", cost: 0n, reserved: call.most } : row);
          }
          if (kind === "release") {
            open.delete(attempt);
            parts.budgets.settled(settled(attempt, { cost: 0n, costBasis: "not-billed", outcome: "failed" }));
          }
          const sum = (all: typeof billed) => all.reduce((total, one) => total + one.cost, 0n);
          const running = [...open.values()].map(({ most, ...one }) => ({ ...one, cost: most }));
          const all = [...billed, ...running];
          for (const day of new Set(all.map(({ atMs }) => Math.floor(atMs / DAY_MS)))) {
            const total = sum(all.filter(({ atMs }) => Math.floor(atMs / DAY_MS) === day));
            expect(total <= BigInt(daily), `day ${day}: ${total} of ${daily}`).toBe(true);
          }
          for (const one of ["k0", "k1"]) {
            const within = all.filter((call) => call.key === one && call.atMs > parts.nowMs - DAY_MS / 24);
            expect(sum(within) <= BigInt(ofKey), `${one}: ${sum(within)} of ${ofKey}`).toBe(true);
          }
        }
        for (const [attempt, { atMs, key }] of open)
          parts.budgets.settled(settled(attempt, { startedAtMs: atMs, caller: key, cost: 0n }));
        for (const state of parts.budgets.states()) expect(state.reserved).toBe(0n);
      }),
      { numRuns: 300 },
    );
  });

  test("is what many calls at once get, and not a call more", async () => {
    const parts = await budgetsOf([rule({ limit: 100n })]);
    const results = Array.from({ length: 200 }, (_, index) => reserve(parts, `a${index}`, 7n));
    expect(results.filter((one) => !(one instanceof GatewayError))).toHaveLength(14);
    expect(only(parts)).toMatchObject({ reserved: 98n, refusedCalls: 186 });
  });

  test("of one budget takes nothing from the others that a refused call falls under", async () => {
    const parts = await budgetsOf([rule({ limit: 100n }), rule({ name: "key", scope: "key", limit: 10n })]);
    refusal(reserve(parts, "a", 20n, { ...NOBODY, key: "k" }));
    expect(parts.budgets.states().map(({ reserved }) => reserved)).toEqual([0n, 0n]);
  });

  test("refuses with 402 and the window's end where money is spent, with 429 where only calls under way hold it", async () => {
    const parts = await budgetsOf([rule({ limit: 100n })]);
    held(reserve(parts, "a", 80n));
    const busy = refusal(reserve(parts, "b", 30n));
    expect(busy).toMatchObject({ kind: "busy", status: 429, retryAfterMs: 1_000 });
    parts.budgets.settled(settled("a", { cost: 75n }));
    const spent = refusal(reserve(parts, "c", 30n));
    expect(spent).toMatchObject({ kind: "budget-exceeded", status: 402, retryAfterMs: 12 * 3_600_000 });
    expect(spent.message).toContain("2026-11-26T00:00:00.000Z");
    held(reserve(parts, "d", 25n));
  });

  test("has no time to come back at for a call that it never allows", async () => {
    const parts = await budgetsOf([rule({ limit: 100n })]);
    const never = refusal(reserve(parts, "a", 101n));
    expect(never).toMatchObject({ kind: "budget-exceeded", retryAfterMs: undefined });
    expect(never.message).toContain("max_tokens");
  });

  test("of a rolling window has room again when what was spent first is out of it", async () => {
    const lengthMs = 3_600_000;
    const parts = await budgetsOf([rule({ limit: 100n, window: { kind: "rolling", lengthMs } })]);
    held(reserve(parts, "a", 60n));
    parts.budgets.settled(settled("a", { cost: 60n }));
    parts.nowMs += 1_800_000;
    held(reserve(parts, "b", 40n));
    parts.budgets.settled(settled("b", { cost: 40n }));
    const { retryAfterMs } = refusal(reserve(parts, "c", 50n));
    parts.nowMs += retryAfterMs ?? 0;
    held(reserve(parts, "c", 50n));
    expect(retryAfterMs).toBeLessThanOrEqual(1_800_000 + lengthMs / 60);
  });

  test("says what is left to whom it is of, and to nobody else", async () => {
    const parts = await budgetsOf([rule({ limit: 100n, scope: "key" })]);
    expect(refusal(reserve(parts, "a", 101n, { ...NOBODY, key: "k" })).message).toContain("left)");
    const shared = await budgetsOf([rule({ limit: 100n })]);
    expect(refusal(reserve(shared, "a", 101n)).message).not.toContain("left)");
  });
});

describe("settling", () => {
  test("twice counts once", async () => {
    const parts = await budgetsOf([rule()]);
    held(reserve(parts, "a", 50n));
    parts.budgets.settled(settled("a", { cost: 20n }));
    expect(only(parts)).toMatchObject({ spent: 20n, reserved: 0n });
    // The ledger tells its sinks once; a reservation that is given back after that is gone, too.
    held(reserve(parts, "b", 50n));
    parts.budgets.release("b");
    parts.budgets.release("a");
    expect(only(parts)).toMatchObject({ spent: 20n, reserved: 0n });
  });

  test.each([
    ["an answer that the client left", { outcome: "canceled", cost: 12n, costBasis: "estimated" }, 12n],
    ["a failure that may be billed", { outcome: "failed", cost: 9n, costBasis: "estimated" }, 9n],
    ["a failure that is not billed", { outcome: "failed", cost: 0n, costBasis: "not-billed" }, 0n],
    ["one of which nothing more was heard", { outcome: "lost", cost: 3n, costBasis: "estimated" }, 50n],
    ["one at another price than the one known", { cost: undefined, costBasis: "unpriced" }, 50n],
  ] as const)("of %s counts what it may have cost", async (_, change, spent) => {
    const parts = await budgetsOf([rule()]);
    held(reserve(parts, "a", 50n));
    parts.budgets.settled(settled("a", change));
    expect(only(parts)).toMatchObject({ spent, reserved: 0n });
  });

  test("after midnight is of the day on which the call began", async () => {
    const parts = await budgetsOf([rule()]);
    held(reserve(parts, "a", 50n));
    parts.nowMs += DAY_MS;
    expect(only(parts)).toMatchObject({ spent: 0n, reserved: 0n });
    parts.budgets.settled(settled("a", { cost: 40n }));
    expect(only(parts).spent).toBe(0n);
    parts.nowMs -= DAY_MS;
    expect(only(parts).spent).toBe(40n);
  });
});

describe("a model without a price", () => {
  test("is refused under a hard limit, saying what would be right", async () => {
    const parts = await budgetsOf([rule()]);
    const error = refusal(
      parts.budgets.reserve({
        attempt: "a",
        subject: { ...NOBODY, target: "p/m" },
        worst: worst(undefined, 10),
        atMs: NOW_MS,
      }),
    );
    expect(error).toMatchObject({ kind: "budget-exceeded", retryAfterMs: undefined });
    expect(error.message).toContain("unpricedUsdPerMillionTokens");
  });

  test("is taken to cost what the rule says, by its tokens, or by the most it may be where they are not told", async () => {
    const parts = await budgetsOf([rule({ unpricedPerToken: 2n })]);
    const result = held(
      parts.budgets.reserve({ attempt: "a", subject: NOBODY, worst: worst(undefined, 10), atMs: NOW_MS }),
    );
    expect(result.reserved).toBe(20n);
    parts.budgets.settled(unpriced("a", 4));
    expect(only(parts)).toMatchObject({ spent: 8n, unpricedCalls: 1 });
    held(parts.budgets.reserve({ attempt: "b", subject: NOBODY, worst: worst(undefined, 10), atMs: NOW_MS }));
    parts.budgets.settled(unpriced("b", undefined));
    expect(only(parts)).toMatchObject({ spent: 28n, unpricedCalls: 2 });
  });

  test("is counted apart and told of where nothing is refused", async () => {
    const parts = await budgetsOf([rule({ action: "notify" })]);
    const notices: BudgetNotice[] = [];
    parts.budgets.onNotice((notice) => notices.push(notice));
    held(reserve(parts, "a", undefined));
    parts.budgets.settled(unpriced("a", 1_000));
    expect(only(parts)).toMatchObject({ spent: 0n, unpricedCalls: 1, unpricedInAll: 1 });
    expect(notices.map(({ kind }) => kind)).toEqual(["unpriced"]);
  });
});

describe("notices", () => {
  test("of a level come once a window, with an id that tells the window, and again in the next", async () => {
    const parts = await budgetsOf([rule({ action: "notify" })]);
    const ids: string[] = [];
    parts.budgets.onNotice(({ id }) => ids.push(id));
    const spend = (attempt: string, cost: bigint) => {
      held(reserve(parts, attempt, cost));
      parts.budgets.settled(settled(attempt, { cost, startedAtMs: parts.nowMs }));
    };
    spend("a", 79n);
    expect(ids).toEqual([]);
    spend("b", 1n);
    spend("c", 1n);
    spend("d", 30n);
    expect(ids.map((id) => id.split("|").at(-1))).toEqual(["level:0.8", "level:1"]);
    parts.nowMs += DAY_MS;
    spend("e", 90n);
    expect(ids).toHaveLength(3);
    expect(new Set(ids).size).toBe(3);
  });

  test("have the same id when they come again after a restart", async () => {
    const rules: readonly BudgetRule[] = [rule({ action: "notify" })];
    const first = await budgetsOf(rules);
    const ids: string[] = [];
    first.budgets.onNotice(({ id }) => ids.push(id));
    held(reserve(first, "a", 90n));
    first.budgets.settled(settled("a", { cost: 90n }));
    const read = async () => [{ subject: NOBODY, atMs: NOW_MS, spent: 90n, unpriced: 0, unpricedTokens: 0 }];
    const second = await budgetsOf(rules, { read });
    second.budgets.onNotice(({ id }) => ids.push(id));
    held(reserve(second, "b", 1n));
    second.budgets.settled(settled("b", { cost: 1n }));
    expect(ids).toHaveLength(2);
    expect(new Set(ids).size).toBe(1);
  });
});

describe("values", () => {
  test("beyond the bound share one budget, and leave room when their windows are over", async () => {
    const parts = await budgetsOf([rule({ scope: "tag", tag: "department", limit: 10n })]);
    const of = (department: string) => ({ ...NOBODY, tags: { department } });
    for (let index = 0; index < VALUES_MAX + 5; index += 1) reserve(parts, `a${index}`, 4n, of(`d${index}`));
    const states = parts.budgets.states();
    expect(states).toHaveLength(VALUES_MAX + 1);
    // Two of the five fit into what they share.
    expect(states.find(({ value }) => value === OTHER_VALUES)).toMatchObject({ reserved: 8n, refusedCalls: 3 });
    parts.nowMs += 2 * DAY_MS;
    held(reserve(parts, "late", 4n, of("somebody")));
    expect(parts.budgets.states().map(({ value }) => value)).toContain("somebody");
  });

  test("that nobody says are one of their own, save of teams", async () => {
    const parts = await budgetsOf([
      rule({ name: "c", scope: "class", limit: 5n }),
      rule({ name: "d", scope: "tag", tag: "department", limit: 5n }),
      rule({ name: "t", scope: "team", limit: 5n }),
    ]);
    held(reserve(parts, "a", 5n));
    expect(parts.budgets.states().map(({ rule, value }) => [rule.name, value])).toEqual([
      ["c", "none"],
      ["d", "none"],
    ]);
    expect(refusal(reserve(parts, "b", 5n)).message).toContain("`c`");
  });

  test("are those that the rule names: one, or how several begin, and classes by their names", async () => {
    const classNameOf = (id: string) => (id === "c-1" ? "triage-mail" : undefined);
    const parts = await budgetsOf(
      [rule({ name: "one", scope: "key", of: "batch" }), rule({ name: "some", scope: "class", of: "triage-*" })],
      { classNameOf },
    );
    held(reserve(parts, "a", 1n, { ...NOBODY, key: "batch", taskClass: "c-1" }));
    held(reserve(parts, "b", 1n, { ...NOBODY, key: "other", taskClass: "triage-ticket" }));
    held(reserve(parts, "c", 1n, { ...NOBODY, key: "batchy", taskClass: "c-2" }));
    expect(parts.budgets.states().map(({ rule, value, reserved }) => [rule.name, value, reserved])).toEqual([
      ["one", "batch", 1n],
      ["some", "c-1", 1n],
      ["some", "triage-ticket", 1n],
    ]);
  });
});

describe("new rules", () => {
  test("leave what stays its money, under another name and limit, too", async () => {
    const parts = await budgetsOf([rule({ limit: 100n })]);
    held(reserve(parts, "a", 50n));
    parts.budgets.settled(settled("a", { cost: 40n }));
    held(reserve(parts, "b", 10n));
    await parts.budgets.configure([rule({ name: "renamed", limit: 45n })]);
    expect(only(parts)).toMatchObject({ spent: 40n, reserved: 10n });
    refusal(reserve(parts, "c", 1n));
  });

  test("know what was settled before from the ledger, and what is under way from here, once", async () => {
    let answer: (() => void) | undefined;
    const asked: unknown[] = [];
    const read = (query: unknown) => {
      asked.push(query);
      return new Promise<[]>((resolve) => (answer = () => resolve([])));
    };
    const parts = await budgetsOf([], { read });
    await parts.budgets.configure([]);
    const first = parts.budgets.configure([rule({ name: "old", action: "notify", scope: "key" })]);
    answer?.();
    await first;
    held(reserve(parts, "a", 30n));
    const configured = parts.budgets.configure([
      rule({ name: "old", action: "notify", scope: "key" }),
      rule({ limit: 100n }),
    ]);
    // While it is being read, nobody knows what is left.
    expect(refusal(reserve(parts, "b", 1n))).toMatchObject({ kind: "busy", status: 429 });
    parts.budgets.settled(settled("a", { cost: 25n }));
    answer?.();
    await configured;
    expect(asked).toHaveLength(2);
    expect(parts.budgets.states().at(-1)).toMatchObject({ spent: 25n, reserved: 0n });
    held(reserve(parts, "c", 75n));
  });

  test("that cannot be read refuse until they can be, and then count each call once", async () => {
    let isBroken = true;
    const rows: { cost: bigint }[] = [];
    const read = async () => {
      if (isBroken) throw new Error("the disk is full");
      const spent = rows.reduce((sum, { cost }) => sum + cost, 0n);
      return [{ subject: NOBODY, atMs: NOW_MS, spent, unpriced: 0, unpricedTokens: 0 }];
    };
    const parts = await budgetsOf([rule({ limit: 100n })], { read });
    expect(parts.errors).toEqual(["budget-unread"]);
    refusal(reserve(parts, "a", 1n));
    // Answered meanwhile, as it was sent before.
    parts.budgets.settled(settled("early", { cost: 30n }));
    rows.push({ cost: 30n });
    isBroken = false;
    parts.nowMs += 1_001;
    refusal(reserve(parts, "b", 1n));
    await Promise.resolve();
    await new Promise((resolve) => void setImmediate(resolve));
    expect(only(parts)).toMatchObject({ spent: 30n, spentInAll: 30n });
    held(reserve(parts, "c", 70n));
  });
});

test("what is allowed is the least of what hard limits leave, and a task's limit from where a downgrade begins", async () => {
  const parts = await budgetsOf([
    rule({ limit: 100n }),
    rule({ name: "key", scope: "key", limit: 60n }),
    rule({ name: "down", action: "downgrade", limit: 30n, taskLimit: 3n }),
  ]);
  expect(parts.budgets.allowance({ ...NOBODY, key: "k" })).toEqual({ left: 60n });
  held(reserve(parts, "a", 50n, { ...NOBODY, key: "k" }));
  expect(parts.budgets.allowance({ ...NOBODY, key: "k" })).toMatchObject({ left: 10n, task: { limit: 3n } });
});
