/**
 * What can be asked of the ledger, and the answers as they stand in JSON. Runs in the ledger's thread; sums are exact.
 */
import type { DatabaseSync } from "node:sqlite";
import type { Outcome } from "./ledger.ts";
import { USAGE_COLUMNS } from "./ledger-schema.ts";
import { usdNumber, type PicoUsd } from "./usage.ts";

export interface AttemptFilter {
  readonly exchange?: string;
  readonly task?: string;
  readonly taskClass?: string;
  readonly provider?: string;
  readonly model?: string;
  readonly caller?: string;
  /** Rows of before tenants were written down are anybody's. */
  readonly tenant?: string;
  /** Who asks, and reads of their own calls only: rows of before tenants were written down may be another's. */
  readonly reader?: string;
  readonly outcome?: Outcome | "open";
  /** Started at or after, milliseconds since the epoch. */
  readonly sinceMs?: number;
  /** Started before. */
  readonly untilMs?: number;
}

export interface AttemptQuery extends AttemptFilter {
  readonly limit?: number;
  /** From the page before. */
  readonly cursor?: string;
  /** Default: `oldest` for one exchange (its tries in order), else `newest`. */
  readonly order?: "newest" | "oldest";
}

export interface SpendQuery extends AttemptFilter {
  readonly groupBy?: readonly SpendGroup[];
  readonly limit?: number;
  /** From the page before. */
  readonly cursor?: string;
}

export const SPEND_GROUPS = ["provider", "model", "task", "task_class", "caller", "day", "hour"] as const;
export type SpendGroup = (typeof SPEND_GROUPS)[number];

export const ATTEMPTS_LIMIT_MAX = 1_000;
const ATTEMPTS_LIMIT = 100;
export const SPEND_LIMIT_MAX = 10_000;
const SPEND_LIMIT = 1_000;

type UsageColumn = (typeof USAGE_COLUMNS)[number];

/** An attempt as the HTTP interface shows it. */
export interface AttemptRow {
  readonly attempt: string;
  readonly exchange: string;
  readonly task: string;
  readonly task_class: string | null;
  readonly caller: string | null;
  readonly provider: string | null;
  readonly model: string | null;
  readonly requested_model: string;
  readonly target: string | null;
  readonly client_dialect: string;
  readonly upstream_dialect: string | null;
  readonly lane: string | null;
  readonly stream: boolean;
  readonly policy: string;
  readonly reason: string;
  readonly outcome: Outcome | "open";
  readonly status: number | null;
  readonly error: string | null;
  readonly usage: Readonly<Record<UsageColumn, number | null>>;
  readonly usage_basis: string | null;
  readonly cost_usd: number | null;
  /** Exact. */
  readonly cost_pico_usd: string | null;
  readonly cost_basis: string | null;
  readonly price_version: string | null;
  readonly estimate_usd: number | null;
  readonly started_at: string;
  readonly ttft_ms: number | null;
  readonly duration_ms: number | null;
  readonly overhead_ms: number | null;
  readonly finish_reason: string | null;
  /** Prompt tokens that were expected to be read from cache; `usage.cache_read` is what was. */
  readonly predicted_read: number | null;
  readonly cache_marks: string | null;
  /** Against the same prompt without caching; below zero where writing cost more than reading saved. */
  readonly cache_saved_usd: number | null;
  /** Whose change broke the expected prefix, where, and the tokens that were paid again. */
  readonly cache_bust: string | null;
  readonly held_ms: number | null;
  /** What it showed of how its task goes, in words of `tasks/signals.ts`. */
  readonly signals: readonly string[];
  readonly losses: readonly { readonly field: string; readonly path?: string }[];
}

export interface AttemptsPage {
  readonly data: readonly AttemptRow[];
  readonly nextCursor: string | undefined;
}

export interface SpendSums {
  readonly attempts: number;
  readonly outcomes: Readonly<Record<Outcome | "open", number>>;
  /** `null` where nothing of it has a price: unknown is not 0. */
  readonly cost_usd: number | null;
  /** Exact. Open attempts are not in it, nor unpriced ones. */
  readonly cost_pico_usd: string | null;
  /** The part of it that is estimated: canceled, cut and lost answers. */
  readonly estimated_cost_usd: number;
  readonly estimated_cost_pico_usd: string;
  readonly unpriced_attempts: number;
  /** Sums of what is known. */
  readonly usage: Readonly<Record<UsageColumn, number>>;
  /** By bucket, how many attempts did not say: settled ones that may have been billed. */
  readonly usage_unknown: Readonly<Record<UsageColumn, number>>;
}

export type SpendRow = SpendSums & Readonly<Partial<Record<SpendGroup, string | null>>>;

export interface Spend {
  readonly data: readonly SpendRow[];
  readonly total: SpendSums;
  /** There are more groups than the limit; the total has them all. */
  readonly truncated: boolean;
  readonly nextCursor: string | undefined;
}

type SqlRow = Record<string, string | number | bigint | null>;

export function readAttempts(database: DatabaseSync, query: AttemptQuery): AttemptsPage {
  const limit = Math.min(query.limit ?? ATTEMPTS_LIMIT, ATTEMPTS_LIMIT_MAX);
  const oldestFirst = (query.order ?? (query.exchange === undefined ? "newest" : "oldest")) === "oldest";
  const { conditions, values } = where(query);
  if (query.cursor !== undefined) {
    conditions.push(oldestFirst ? "id > ?" : "id < ?");
    values.push(Number(query.cursor));
  }
  const rows = read(
    database,
    `SELECT * FROM attempts ${whereText(conditions)} ORDER BY id ${oldestFirst ? "ASC" : "DESC"} LIMIT ?`,
    [...values, limit + 1],
  );
  const page = rows.slice(0, limit);
  const last = page.at(-1);
  return {
    data: page.map((row) => attemptRow(row)),
    nextCursor: rows.length > limit && last !== undefined ? String(last["id"]) : undefined,
  };
}

function attemptRow(row: SqlRow): AttemptRow {
  const provider = textOf(row["provider"]);
  const model = textOf(row["model"]);
  const cost = row["cost_pico_usd"];
  const losses = textOf(row["losses"]);
  return {
    attempt: String(row["attempt"]),
    exchange: String(row["exchange"]),
    task: String(row["task"]),
    task_class: textOf(row["task_class"]),
    caller: textOf(row["caller"]),
    provider,
    model,
    requested_model: String(row["requested_model"]),
    target: provider === null || model === null ? null : `${provider}/${model}`,
    client_dialect: String(row["client_dialect"]),
    upstream_dialect: textOf(row["upstream_dialect"]),
    lane: textOf(row["lane"]),
    stream: row["stream"] === 1n,
    policy: String(row["policy"]),
    reason: String(row["reason"]),
    outcome: (textOf(row["outcome"]) ?? "open") as Outcome | "open",
    status: numberOf(row["status"]),
    error: textOf(row["error_kind"]),
    usage: byColumn((column) => numberOf(row[column])),
    usage_basis: textOf(row["usage_basis"]),
    cost_usd: usdOf(cost),
    cost_pico_usd: textOf(cost),
    cost_basis: textOf(row["cost_basis"]),
    price_version: textOf(row["price_version"]),
    estimate_usd: usdOf(row["estimate_pico_usd"]),
    started_at: new Date(Number(row["started_at_ms"])).toISOString(),
    ttft_ms: numberOf(row["ttft_ms"]),
    duration_ms: numberOf(row["duration_ms"]),
    overhead_ms: numberOf(row["overhead_ms"]),
    finish_reason: textOf(row["finish_reason"]),
    predicted_read: numberOf(row["predicted_read"]),
    cache_marks: textOf(row["cache_marks"]),
    cache_saved_usd: usdOf(row["cache_saved_pico_usd"]),
    cache_bust: textOf(row["cache_bust"]),
    held_ms: numberOf(row["held_ms"]),
    signals: (textOf(row["signals"]) ?? "").split(" ").filter((word) => word !== ""),
    losses: losses === null ? [] : (JSON.parse(losses) as AttemptRow["losses"]),
  };
}

/** Days and hours are UTC. */
const GROUP_SQL: Readonly<Record<SpendGroup, string>> = {
  provider: "provider",
  model: "model",
  task: "task",
  task_class: "task_class",
  caller: "caller",
  day: "strftime('%Y-%m-%d', started_at_ms / 1000, 'unixepoch')",
  hour: "strftime('%Y-%m-%dT%H:00:00Z', started_at_ms / 1000, 'unixepoch')",
};

/** SQLite's SUM stops with an error at 64 bits; billions and the rest are summed apart, and put together as a bigint. */
const SPLIT = 1_000_000_000n;

const OUTCOMES = ["complete", "canceled", "failed", "rejected", "lost"] as const satisfies readonly Outcome[];

const SUMS_SQL = [
  "COUNT(*) AS attempts",
  ...OUTCOMES.map((outcome) => `COUNT(*) FILTER (WHERE outcome = '${outcome}') AS outcome_${outcome}`),
  "COUNT(*) FILTER (WHERE outcome IS NULL) AS outcome_open",
  "COUNT(*) FILTER (WHERE cost_basis = 'unpriced') AS unpriced_attempts",
  "COUNT(*) FILTER (WHERE cost_basis IN ('reported', 'estimated')) AS priced_attempts",
  ...splitSum("cost_pico_usd", "cost", ""),
  ...splitSum("cost_pico_usd", "estimated", " FILTER (WHERE cost_basis = 'estimated')"),
  ...USAGE_COLUMNS.flatMap((column) => [
    ...splitSum(column, column, ""),
    `COUNT(*) FILTER (WHERE outcome IS NOT NULL AND cost_basis <> 'not-billed' AND ${column} IS NULL) AS unknown_${column}`,
  ]),
].join(", ");

function splitSum(column: string, name: string, filter: string): readonly string[] {
  return [
    `COALESCE(SUM(${column} / ${SPLIT})${filter}, 0) AS ${name}_high`,
    `COALESCE(SUM(${column} % ${SPLIT})${filter}, 0) AS ${name}_low`,
  ];
}

export function readSpend(database: DatabaseSync, query: SpendQuery): Spend {
  const limit = Math.min(query.limit ?? SPEND_LIMIT, SPEND_LIMIT_MAX);
  const offset = Number(query.cursor ?? 0);
  const groups = query.groupBy ?? [];
  const { conditions, values } = where(query);
  const from = `FROM attempts ${whereText(conditions)}`;
  const [totalRow] = read(database, `SELECT ${SUMS_SQL} ${from}`, values);
  const total = sums(totalRow ?? {});
  if (groups.length === 0) return { data: [total], total, truncated: false, nextCursor: undefined };

  const keys = groups.map((group, index) => `${GROUP_SQL[group]} AS group_${index}`);
  const times = groups.flatMap((group, index) => (group === "day" || group === "hour" ? [`group_${index}`] : []));
  // TOTAL is a float and only orders the rows: in time where they are grouped by it, then by what they cost.
  const order = [...times, "TOTAL(cost_pico_usd) DESC", ...groups.map((_, index) => `group_${index}`)];
  const rows = read(
    database,
    `SELECT ${[...keys, SUMS_SQL].join(", ")} ${from} GROUP BY ${groups.map((_, index) => `group_${index}`).join(", ")} ORDER BY ${order.join(", ")} LIMIT ? OFFSET ?`,
    [...values, limit + 1, offset],
  );
  const data = rows.slice(0, limit).map((row): SpendRow => {
    const named = Object.fromEntries(groups.map((group, index) => [group, textOf(row[`group_${index}`])]));
    return { ...named, ...sums(row) };
  });
  const isMore = rows.length > limit;
  return { data, total, truncated: isMore, nextCursor: isMore ? String(offset + limit) : undefined };
}

/** @param conditions SQL about columns of `attempts`, and the values that it is about. */
export function readSums(database: DatabaseSync, conditions: string, values: readonly (string | number)[]): SpendSums {
  return sums(read(database, `SELECT ${SUMS_SQL} FROM attempts WHERE ${conditions}`, values)[0] ?? {});
}

function sums(row: SqlRow): SpendSums {
  const cost = joined(row, "cost");
  const estimated = joined(row, "estimated");
  const unpriced = numberOf(row["unpriced_attempts"]) ?? 0;
  const isUnknown = unpriced > 0 && numberOf(row["priced_attempts"]) === 0;
  const outcome = (name: string) => numberOf(row[`outcome_${name}`]) ?? 0;
  return {
    attempts: numberOf(row["attempts"]) ?? 0,
    outcomes: {
      complete: outcome("complete"),
      canceled: outcome("canceled"),
      failed: outcome("failed"),
      rejected: outcome("rejected"),
      lost: outcome("lost"),
      open: outcome("open"),
    },
    cost_usd: isUnknown ? null : usdNumber(cost),
    cost_pico_usd: isUnknown ? null : String(cost),
    estimated_cost_usd: usdNumber(estimated),
    estimated_cost_pico_usd: String(estimated),
    unpriced_attempts: unpriced,
    usage: byColumn((column) => Number(joined(row, column))),
    usage_unknown: byColumn((column) => numberOf(row[`unknown_${column}`]) ?? 0),
  };
}

function joined(row: SqlRow, name: string): PicoUsd {
  return BigInt(row[`${name}_high`] ?? 0) * SPLIT + BigInt(row[`${name}_low`] ?? 0);
}

function where(filter: AttemptFilter): { readonly conditions: string[]; readonly values: (string | number)[] } {
  const conditions: string[] = [];
  const values: (string | number)[] = [];
  const add = (condition: string, value: string | number | undefined) => {
    if (value === undefined) return;
    conditions.push(condition);
    values.push(value);
  };
  add("exchange = ?", filter.exchange);
  add("task = ?", filter.task);
  add("task_class = ?", filter.taskClass);
  add("provider = ?", filter.provider);
  add("model = ?", filter.model);
  add("caller = ?", filter.caller);
  add("(tenant = ? OR tenant IS NULL)", filter.tenant);
  add("tenant = ?", filter.reader);
  add("started_at_ms >= ?", filter.sinceMs);
  add("started_at_ms < ?", filter.untilMs);
  if (filter.outcome === "open") conditions.push("outcome IS NULL");
  else add("outcome = ?", filter.outcome);
  return { conditions, values };
}

function whereText(conditions: readonly string[]): string {
  return conditions.length === 0 ? "" : `WHERE ${conditions.join(" AND ")}`;
}

/** Integers come as bigints: an INTEGER above 2^53 is money that must not be rounded. */
function read(database: DatabaseSync, sql: string, values: readonly (string | number)[]): SqlRow[] {
  const statement = database.prepare(sql);
  statement.setReadBigInts(true);
  return statement.all(...values) as SqlRow[];
}

function byColumn<Value>(valueOf: (column: UsageColumn) => Value): Record<UsageColumn, Value> {
  return Object.fromEntries(USAGE_COLUMNS.map((column) => [column, valueOf(column)])) as Record<UsageColumn, Value>;
}

function textOf(value: SqlRow[string] | undefined): string | null {
  return value === undefined || value === null ? null : String(value);
}

function numberOf(value: SqlRow[string] | undefined): number | null {
  return value === undefined || value === null ? null : Number(value);
}

function usdOf(value: SqlRow[string] | undefined): number | null {
  return value === undefined || value === null ? null : usdNumber(BigInt(value));
}
