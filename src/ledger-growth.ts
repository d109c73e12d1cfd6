/**
 * What a scope's calls took in some windows, by class and target: what an alert's cause is worked out from. Runs in the ledger's thread;
 * sums of money are exact.
 */
import type { DatabaseSync } from "node:sqlite";
import type { BudgetScope } from "./budgets/budget.ts";
import { CHARGE, VALUE_SQL } from "./ledger-budgets.ts";
import type { PicoUsd } from "./usage.ts";

export interface GrowthScope {
  readonly scope: BudgetScope;
  readonly tag?: string;
  /** `undefined`: calls that have none. */
  readonly value: string | undefined;
}

export interface GrowthQuery extends GrowthScope {
  readonly windows: readonly { readonly fromMs: number; readonly toMs: number }[];
}

/** Calls of one class at one target, in one window. */
export interface Took {
  /** Its place among the windows, or of the slot. */
  readonly window: number;
  readonly taskClass: string | undefined;
  readonly target: string;
  readonly tasks: number;
  readonly exchanges: number;
  readonly attempts: number;
  /** As `BILLED_BUCKETS` has them. */
  readonly tokens: readonly number[];
  readonly charge: PicoUsd;
}

export interface CourseQuery extends GrowthScope {
  readonly taskClass: string | undefined;
  readonly target: string;
  readonly fromMs: number;
  readonly toMs: number;
  readonly slotMs: number;
}

/** Groups of one window. */
const GROUPS_MAX = 10_000;
const SPLIT = 1_000_000_000n;

const SUMS = `COUNT(DISTINCT task) AS tasks, COUNT(DISTINCT exchange) AS exchanges, COUNT(*) AS attempts,
  TOTAL(input_uncached) AS t0, TOTAL(cache_read) AS t1, TOTAL(cache_write_5m) AS t2, TOTAL(cache_write_1h) AS t3,
  TOTAL(cache_write_other) AS t4, TOTAL(output) AS t5, SUM(charge / ${SPLIT}) AS high, SUM(charge % ${SPLIT}) AS low`;
const BILLED = "outcome IS NOT NULL AND outcome <> 'rejected' AND cost_basis <> 'not-billed'";

export function readGrowth(database: DatabaseSync, query: GrowthQuery): readonly Took[] {
  const { condition, values } = within(query);
  const statement = database.prepare(`SELECT task_class, provider || '/' || model AS target, ${SUMS}
    FROM (SELECT *, ${CHARGE} AS charge FROM attempts WHERE started_at_ms >= ? AND started_at_ms < ? AND ${BILLED} AND ${condition})
    GROUP BY task_class, target LIMIT ${GROUPS_MAX}`);
  statement.setReadBigInts(true);
  return query.windows.flatMap(({ fromMs, toMs }, window) =>
    statement.all(Math.floor(fromMs), Math.floor(toMs), ...values).map((row) => took(row as Row, window)),
  );
}

/** The same by short times, of one class at one target. */
export function readCourse(database: DatabaseSync, query: CourseQuery): readonly Took[] {
  const { condition, values } = within(query);
  const statement =
    database.prepare(`SELECT task_class, provider || '/' || model AS target, (started_at_ms - CAST(? AS INTEGER)) / CAST(? AS INTEGER) AS slot, ${SUMS}
    FROM (SELECT *, ${CHARGE} AS charge FROM attempts WHERE started_at_ms >= ? AND started_at_ms < ? AND ${BILLED} AND ${condition}
      AND task_class IS ? AND provider || '/' || model = ?)
    GROUP BY slot ORDER BY slot LIMIT ${GROUPS_MAX}`);
  statement.setReadBigInts(true);
  const [fromMs, toMs, slotMs] = [query.fromMs, query.toMs, query.slotMs].map(Math.floor);
  const given = [fromMs ?? 0, slotMs ?? 1, fromMs ?? 0, toMs ?? 0, ...values, query.taskClass ?? null, query.target];
  return statement.all(...given).map((row) => took(row as Row, Number(row["slot"])));
}

type Row = Record<string, string | number | bigint | null>;

function took(row: Row, window: number): Took {
  const number = (name: string) => Number(row[name] ?? 0);
  return {
    window,
    taskClass: row["task_class"] === null ? undefined : String(row["task_class"]),
    target: String(row["target"] ?? "none"),
    tasks: number("tasks"),
    exchanges: number("exchanges"),
    attempts: number("attempts"),
    tokens: ["t0", "t1", "t2", "t3", "t4", "t5"].map(number),
    charge: BigInt(row["high"] ?? 0) * SPLIT + BigInt(row["low"] ?? 0),
  };
}

function within({ scope, tag, value }: GrowthScope): {
  readonly condition: string;
  readonly values: (string | null)[];
} {
  if (scope === "global") return { condition: "1", values: [] };
  const named = value === undefined ? null : scope === "team" ? `team:${value}` : value;
  return { condition: `${VALUE_SQL[scope]} IS ?`, values: [...(scope === "tag" ? [`$."${tag ?? ""}"`] : []), named] };
}
