/** What was spent of a scope by quarters of an hour: what alerts compare with. Runs in the ledger's thread; sums are exact. */
import type { DatabaseSync } from "node:sqlite";
import type { BudgetScope } from "./budgets/budget.ts";
import { teamOf } from "./budgets/subject.ts";
import { CHARGE, VALUE_SQL } from "./ledger-budgets.ts";

export interface SpendSlotsQuery {
  readonly scope: BudgetScope;
  readonly tag?: string;
  /** Milliseconds since the epoch. */
  readonly sinceMs: number;
  readonly untilMs: number;
  readonly slotMs: number;
}

/** Columns, so that a million of them cross between threads in milliseconds. */
export interface SpendSlots {
  /** Of the scope; `null`: calls that have none. Those that spent most come first. */
  readonly values: readonly (string | null)[];
  /** For each sum the place of its value. */
  readonly valueOf: Uint32Array;
  /** Milliseconds since the epoch by the slots' length. */
  readonly slots: Float64Array;
  readonly amounts: BigInt64Array;
  /** Calls whose cost nobody knows. */
  readonly unpriced: Uint32Array;
}

/** A value more is not told apart from others. */
const SUMS_MAX = 1_000_000;
const CELL_MAX = 2n ** 63n - 1n;
/** SQLite's SUM stops with an error at 64 bits. */
const SPLIT = 1_000_000_000n;

export function readSpendSlots(database: DatabaseSync, query: SpendSlotsQuery): SpendSlots {
  const { scope, tag = "", sinceMs, untilMs, slotMs } = query;
  // A number is bound as one with a fraction, and what is divided by such a one has one, too.
  const statement = database.prepare(`
    SELECT value, slot, SUM(charge / ${SPLIT}) AS high, SUM(charge % ${SPLIT}) AS low, SUM(cost_basis = 'unpriced') AS unpriced
    FROM (SELECT ${VALUE_SQL[scope]} AS value, started_at_ms / CAST(? AS INTEGER) AS slot, cost_basis, ${CHARGE} AS charge FROM attempts
      WHERE started_at_ms >= ? AND started_at_ms < ? AND outcome IS NOT NULL AND outcome <> 'rejected' AND cost_basis <> 'not-billed')
    GROUP BY value, slot LIMIT ${SUMS_MAX}`);
  statement.setReadBigInts(true);
  const given = [Math.round(slotMs), Math.floor(sinceMs), Math.floor(untilMs)];
  const rows = statement.all(...(scope === "tag" ? [`$."${tag}"`, ...given] : given));
  const places = new Map<string | null, number>();
  const totals: bigint[] = [];
  const read: SpendSlots = {
    values: [],
    valueOf: new Uint32Array(rows.length),
    slots: new Float64Array(rows.length),
    amounts: new BigInt64Array(rows.length),
    unpriced: new Uint32Array(rows.length),
  };
  for (const [at, row] of rows.entries()) {
    const value = row["value"] === null ? null : String(row["value"]);
    const place = places.get(value) ?? places.size;
    places.set(value, place);
    const sum = (row["high"] as bigint) * SPLIT + (row["low"] as bigint);
    const amount = sum < 0n ? 0n : sum > CELL_MAX ? CELL_MAX : sum;
    totals[place] = (totals[place] ?? 0n) + amount;
    read.valueOf[at] = place;
    read.slots[at] = Number(row["slot"]);
    read.amounts[at] = amount;
    read.unpriced[at] = Number(row["unpriced"]);
  }
  return { ...read, ...ranked([...places.keys()], totals, read.valueOf, scope) };
}

/** Whoever has room for some only takes the first. */
function ranked(
  values: readonly (string | null)[],
  totals: readonly bigint[],
  valueOf: Uint32Array,
  scope: BudgetScope,
): Pick<SpendSlots, "values" | "valueOf"> {
  const order = values.map((_, place) => place);
  order.sort((one, other) => {
    const [first = 0n, second = 0n] = [totals[one], totals[other]];
    return first < second ? 1 : first > second ? -1 : 0;
  });
  const rank = new Uint32Array(values.length);
  for (const [at, place] of order.entries()) rank[place] = at;
  const named = (value: string | null) => (scope === "team" && value !== null ? (teamOf(value) ?? null) : value);
  return {
    values: order.map((place) => named(values[place] ?? null)),
    valueOf: valueOf.map((place) => rank[place] ?? 0),
  };
}
