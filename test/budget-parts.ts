/** Budgets on their own, for tests: rules, calls and settlements, without a ledger's file. */
import type { BudgetRule, BudgetSubject } from "../src/budgets/budget.ts";
import { createBudgets, type BudgetDependencies, type Budgets } from "../src/budgets/budgets.ts";
import type { WorstCase } from "../src/budgets/worst-case.ts";
import type { LedgerEntry } from "../src/ledger.ts";
import { UNKNOWN_USAGE, type PicoUsd } from "../src/usage.ts";
import { entry } from "./ledger-entry.ts";

export const NOW_MS = Date.UTC(2026, 10, 25, 12);
export const NOBODY: BudgetSubject = { key: undefined, team: undefined, taskClass: undefined, tags: {} };

export function rule(change: Partial<BudgetRule> = {}): BudgetRule {
  return {
    name: "all",
    scope: "global",
    window: { kind: "calendar", unit: "day", timeZone: "UTC" },
    limit: 100n,
    action: "block",
    notifyAt: [0.8, 1],
    ...change,
  };
}

export function worst(cost: PicoUsd | undefined, tokens = 0): WorstCase {
  return { promptTokens: tokens, outputTokens: 0, cost };
}

/** How an attempt ended. */
export function settled(attempt: string, change: Partial<LedgerEntry> = {}): LedgerEntry {
  return entry(attempt, { attempt, startedAtMs: NOW_MS, estimate: undefined, ...change });
}

/** One whose cost nobody knows, as its model has no price. */
export function unpriced(attempt: string, tokens: number | undefined): LedgerEntry {
  return settled(attempt, {
    cost: undefined,
    costBasis: "unpriced",
    priceVersion: undefined,
    usage: tokens === undefined ? UNKNOWN_USAGE : { ...UNKNOWN_USAGE, inputUncached: tokens, output: 0 },
  });
}

export interface Parts {
  readonly budgets: Budgets;
  readonly errors: readonly string[];
  nowMs: number;
}

export async function budgetsOf(
  rules: readonly BudgetRule[],
  dependencies: Partial<BudgetDependencies> = {},
): Promise<Parts> {
  const errors: string[] = [];
  const parts = { nowMs: NOW_MS };
  const budgets = createBudgets({
    read: async () => [],
    classNameOf: () => undefined,
    now: () => parts.nowMs,
    log: { warn: () => undefined, error: (name) => void errors.push(name) },
    ...dependencies,
  });
  await budgets.configure(rules);
  return Object.assign(parts, { budgets, errors });
}
