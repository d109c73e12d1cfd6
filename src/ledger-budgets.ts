/**
 * What was spent of a budget's scope, from the ledger's settled rows: how budgets know after a restart what is left. Runs in the
 * ledger's thread; sums are exact. What is open is not in it: whoever reserved it knows.
 */
import type { DatabaseSync, SQLOutputValue } from "node:sqlite";
import { OTHER_VALUES, type BudgetScope, type BudgetSubject } from "./budgets/budget.ts";
import { subjectWith, teamOf } from "./budgets/subject.ts";
import type { PicoUsd } from "./usage.ts";

export interface BudgetSumsQuery {
  readonly scope: BudgetScope;
  readonly tag?: string;
  /** Milliseconds since the epoch. */
  readonly sinceMs: number;
  /** Sums by slices of this length; absent: one sum. */
  readonly sliceMs?: number;
}

export interface BudgetSums {
  readonly subject: BudgetSubject;
  /** When it began: in the slice, or the last of all. */
  readonly atMs: number;
  readonly spent: PicoUsd;
  /** Attempts whose cost nobody knows. What was reserved for them is in `spent`, but not for those whose tokens are in `unpricedTokens`. */
  readonly unpriced: number;
  /** Tokens of models without a price. */
  readonly unpricedTokens: number;
}

/** Of each row what was reserved for it before it was sent, and the listed tags of its call as JSON. */
export const BUDGET_COLUMNS = `ALTER TABLE attempts ADD COLUMN reserved_pico_usd INTEGER;
  ALTER TABLE attempts ADD COLUMN tags TEXT;`;

/** Sums that are told one by one; values beyond so many share a budget all the same. */
const ROWS_MAX = 100_000;

export const VALUE_SQL: Readonly<Record<BudgetScope, string>> = {
  global: "NULL",
  key: "caller",
  team: "tenant",
  class: "task_class",
  target: "provider || '/' || model",
  provider: "provider",
  // `tags` is written by us; a row of somebody's own making must not end the reading.
  tag: "CASE WHEN json_valid(tags) THEN json_extract(tags, ?) END",
};

const IS_COUNTED = `price_version IS NULL AND cost_basis = 'unpriced' AND input_uncached IS NOT NULL AND output IS NOT NULL`;
const TOKENS = `input_uncached + COALESCE(cache_read, 0) + COALESCE(cache_write_5m, 0) + COALESCE(cache_write_1h, 0) + COALESCE(cache_write_other, 0) + output`;
/** As `budgets/charge.ts` has it. */
export const CHARGE: string = `CASE WHEN cost_basis = 'not-billed' OR (${IS_COUNTED}) THEN 0
  WHEN outcome = 'lost' THEN MAX(COALESCE(reserved_pico_usd, estimate_pico_usd, 0), COALESCE(cost_pico_usd, 0))
  ELSE COALESCE(cost_pico_usd, reserved_pico_usd, estimate_pico_usd, 0) END`;
/** SQLite's SUM stops with an error at 64 bits. */
const SPLIT = 1_000_000_000n;

export function readBudgetSums(database: DatabaseSync, query: BudgetSumsQuery): readonly BudgetSums[] {
  const { scope, tag = "", sinceMs, sliceMs } = query;
  // Numbers are bound as floats.
  const slot = sliceMs === undefined ? "0" : "started_at_ms / CAST(? AS INTEGER)";
  const statement = database.prepare(`
    SELECT value, slot, MAX(started_at_ms) AS at_ms, SUM(charge / ${SPLIT}) AS high, SUM(charge % ${SPLIT}) AS low,
      SUM(cost_basis = 'unpriced') AS unpriced, SUM(tokens) AS tokens
    FROM (SELECT ${VALUE_SQL[scope]} AS value, ${slot} AS slot, started_at_ms, cost_basis, ${CHARGE} AS charge,
        CASE WHEN ${IS_COUNTED} THEN ${TOKENS} ELSE 0 END AS tokens
      FROM attempts WHERE started_at_ms >= ? AND outcome IS NOT NULL AND outcome <> 'rejected')
    GROUP BY value, slot`);
  statement.setReadBigInts(true);
  const values = [
    ...(scope === "tag" ? [`$."${tag}"`] : []),
    ...(sliceMs === undefined ? [] : [Math.round(sliceMs)]),
    Math.floor(sinceMs),
  ];
  const sums: BudgetSums[] = [];
  const others = new Map<number, BudgetSums>();
  for (const row of statement.iterate(...values)) {
    const one = sumsIn(row, scope, tag);
    if (sums.length < ROWS_MAX) sums.push(one);
    else addTo(others, Number(row["slot"]), { ...one, subject: subjectIn(scope, tag, OTHER_VALUES) });
  }
  return [...sums, ...others.values()];
}

function sumsIn(row: Readonly<Record<string, SQLOutputValue>>, scope: BudgetScope, tag: string): BudgetSums {
  const { value } = row;
  const number = (name: string) => (row[name] as bigint | null) ?? 0n;
  return {
    subject: subjectIn(scope, tag, typeof value === "string" ? value : undefined),
    atMs: Number(number("at_ms")),
    spent: number("high") * SPLIT + number("low"),
    unpriced: Number(number("unpriced")),
    unpricedTokens: Number(number("tokens")),
  };
}

function addTo(all: Map<number, BudgetSums>, slot: number, one: BudgetSums): void {
  const before = all.get(slot);
  if (before === undefined) {
    all.set(slot, one);
    return;
  }
  all.set(slot, {
    subject: one.subject,
    atMs: Math.max(before.atMs, one.atMs),
    spent: before.spent + one.spent,
    unpriced: before.unpriced + one.unpriced,
    unpricedTokens: before.unpricedTokens + one.unpricedTokens,
  });
}

/** Rows name the tenant of a team. */
function subjectIn(scope: BudgetScope, tag: string, value: string | undefined): BudgetSubject {
  return subjectWith(scope, tag, scope === "team" ? teamOf(value) : value);
}
