/**
 * The table of tasks: whose each is, what it is a part of, when it began and ended, and what became of it. What it took is not in it: that
 * is summed from its attempts, so that a task's cost is what was billed, whatever a crash or a restart may have cost in between.
 *
 * A row is written when a task begins, when its class shows, when it ends, and now and then between; always whole, so that writing it
 * once more changes nothing.
 */
import type { DatabaseSync } from "node:sqlite";
import type { Cell, Operation } from "./ledger-schema.ts";
import type { TaskSource } from "./task.ts";

/** A task as its row has it. */
export interface TaskRecord {
  readonly tenant: string;
  readonly id: string;
  readonly className: string;
  readonly parent: string | undefined;
  readonly source: TaskSource;
  /** The name of the key that began it. */
  readonly caller: string | undefined;
  /** Milliseconds since the epoch. */
  readonly startedAtMs: number;
  readonly lastAtMs: number;
  /** `undefined`: it is open. */
  readonly endedAtMs: number | undefined;
  /** How often it ended: more than once where it went on again. */
  readonly ends: number;
  readonly outcome: { readonly success: number; readonly source: "told" | "signals" } | undefined;
  /** By which its next prompt is known: a hash of its newest one, in the tenant's namespace. */
  readonly tip: number | undefined;
}

/** The tables, as their migration makes them. */
export const TASKS_TABLE = `CREATE TABLE tasks (
    row INTEGER PRIMARY KEY AUTOINCREMENT,
    tenant TEXT NOT NULL,
    id TEXT NOT NULL,
    class TEXT NOT NULL,
    parent TEXT,
    source TEXT NOT NULL,
    caller TEXT,
    started_at_ms INTEGER NOT NULL,
    last_at_ms INTEGER NOT NULL,
    ended_at_ms INTEGER,
    ends INTEGER NOT NULL,
    outcome REAL,
    outcome_source TEXT,
    tip INTEGER,
    UNIQUE (tenant, id)
  ) STRICT;
  CREATE INDEX tasks_parent ON tasks (tenant, parent) WHERE parent IS NOT NULL;
  CREATE INDEX tasks_open ON tasks (last_at_ms) WHERE ended_at_ms IS NULL;
  CREATE INDEX tasks_started ON tasks (started_at_ms);
  ALTER TABLE attempts ADD COLUMN tenant TEXT;
  ALTER TABLE attempts ADD COLUMN signals TEXT;`;

const COLUMNS = [
  "tenant",
  "id",
  "class",
  "parent",
  "source",
  "caller",
  "started_at_ms",
  "last_at_ms",
  "ended_at_ms",
  "ends",
  "outcome",
  "outcome_source",
  "tip",
] as const;

const UPDATED = COLUMNS.filter(
  (column) => !["tenant", "id", "source", "caller", "started_at_ms", "parent"].includes(column),
);

export const TASK_OPERATION: Operation = {
  sql: `INSERT INTO tasks (${COLUMNS.join(", ")}) VALUES (${COLUMNS.map(() => "?").join(", ")})
    ON CONFLICT (tenant, id) DO UPDATE SET ${UPDATED.map((column) => `${column} = excluded.${column}`).join(", ")},
      parent = coalesce(parent, excluded.parent), started_at_ms = min(started_at_ms, excluded.started_at_ms)`,
  cells: COLUMNS.length,
};

/** @param operation The number of `TASK_OPERATION` in a batch. */
export function appendTask(cells: Cell[], operation: number, task: TaskRecord): void {
  cells.push(
    operation,
    task.tenant,
    task.id,
    task.className,
    task.parent ?? null,
    task.source,
    task.caller ?? null,
    Math.round(task.startedAtMs),
    Math.round(task.lastAtMs),
    task.endedAtMs === undefined ? null : Math.round(task.endedAtMs),
    task.ends,
    task.outcome?.success ?? null,
    task.outcome?.source ?? null,
    task.tip ?? null,
  );
}

export type TaskSqlRow = Record<string, string | number | bigint | null>;

/** Of its id and its tenant; rows of before tenants were written down are anybody's. */
export const OF_TASK = "task = ? AND (tenant = ? OR tenant IS NULL) AND outcome IS NOT NULL";

/** Open tasks that a restart goes on with; the newest. */
export const OPEN_TASKS_MAX = 2_000;

export function readTask(database: DatabaseSync, tenant: string, id: string): TaskRecord | undefined {
  const row = database.prepare("SELECT * FROM tasks WHERE tenant = ? AND id = ?").get(tenant, id);
  return row === undefined ? undefined : recordOf(row as TaskSqlRow);
}

/** An open task of an earlier process, and how far it has come. */
export interface OpenTaskRecord extends TaskRecord {
  readonly turns: number;
  /** The target that answered its last turn. */
  readonly incumbent: string | undefined;
}

/** Those of an earlier process, oldest first. Of too many, the oldest are closed. */
export function readOpenTasks(database: DatabaseSync): readonly OpenTaskRecord[] {
  database
    .prepare(
      `UPDATE tasks SET ended_at_ms = last_at_ms, ends = ends + 1 WHERE ended_at_ms IS NULL AND row NOT IN
        (SELECT row FROM tasks WHERE ended_at_ms IS NULL ORDER BY last_at_ms DESC LIMIT ?)`,
    )
    .run(OPEN_TASKS_MAX);
  const progress = database.prepare(
    `SELECT count(DISTINCT exchange) AS turns, max(id), provider || '/' || model AS incumbent FROM attempts
      WHERE ${OF_TASK} AND outcome = 'complete' AND instr(coalesce(signals, ''), 'side') = 0`,
  );
  return database
    .prepare("SELECT * FROM tasks WHERE ended_at_ms IS NULL ORDER BY last_at_ms")
    .all()
    .map((row) => {
      const record = recordOf(row as TaskSqlRow);
      const { turns, incumbent } = progress.get(record.id, record.tenant) ?? {};
      return { ...record, turns: Number(turns), incumbent: typeof incumbent === "string" ? incumbent : undefined };
    });
}

function recordOf(row: TaskSqlRow): TaskRecord {
  const text = (name: string) => (row[name] === null ? undefined : String(row[name]));
  const number = (name: string) => (row[name] === null ? undefined : Number(row[name]));
  const success = number("outcome");
  return {
    tenant: String(row["tenant"]),
    id: String(row["id"]),
    className: String(row["class"]),
    parent: text("parent"),
    source: text("source") as TaskSource,
    caller: text("caller"),
    startedAtMs: Number(row["started_at_ms"]),
    lastAtMs: Number(row["last_at_ms"]),
    endedAtMs: number("ended_at_ms"),
    ends: Number(row["ends"]),
    outcome: success === undefined ? undefined : { success, source: text("outcome_source") as "told" | "signals" },
    tip: number("tip"),
  };
}

/** What an attempt tells of how its task went. */
export interface TaskAttempt {
  readonly attempt: string;
  readonly exchange: string;
  readonly target: string | undefined;
  readonly taskClass: string | undefined;
  readonly outcome: string;
  readonly finishReason: string | undefined;
  readonly signals: string;
  /** By the names of the ledger's columns. */
  readonly usage: Readonly<Record<string, number | undefined>>;
  readonly costPicoUsd: bigint | undefined;
  readonly costBasis: string | undefined;
  /** Milliseconds since the epoch. */
  readonly startedAtMs: number;
}

/** Attempts of one task that are looked at when it ends: the newest. */
const ATTEMPTS_MAX = 5_000;

/** Oldest first, without those that were never sent. */
export function readTaskAttempts(database: DatabaseSync, tenant: string, id: string): readonly TaskAttempt[] {
  const statement = database.prepare(
    `SELECT * FROM (SELECT id, attempt, exchange, provider, model, task_class, outcome, finish_reason, signals, input_uncached, cache_read,
        cache_write_5m, cache_write_1h, cache_write_other, output, reasoning, cost_pico_usd, cost_basis,
        started_at_ms
      FROM attempts WHERE ${OF_TASK} AND provider IS NOT NULL ORDER BY id DESC LIMIT ${ATTEMPTS_MAX}) ORDER BY id`,
  );
  statement.setReadBigInts(true);
  return (statement.all(id, tenant) as TaskSqlRow[]).map((row) => {
    const text = (name: string) => (row[name] === null ? undefined : String(row[name]));
    const count = (name: string) => (row[name] === null ? undefined : Number(row[name]));
    return {
      attempt: String(row["attempt"]),
      exchange: String(row["exchange"]),
      target: row["provider"] === null || row["model"] === null ? undefined : `${row["provider"]}/${row["model"]}`,
      taskClass: text("task_class"),
      outcome: String(row["outcome"]),
      finishReason: text("finish_reason"),
      signals: text("signals") ?? "",
      usage: Object.fromEntries(USAGE.map((name) => [name, count(name)])),
      costPicoUsd: row["cost_pico_usd"] === null ? undefined : BigInt(row["cost_pico_usd"] ?? 0),
      costBasis: text("cost_basis"),
      startedAtMs: Number(row["started_at_ms"]),
    };
  });
}

const USAGE = [
  "input_uncached",
  "cache_read",
  "cache_write_5m",
  "cache_write_1h",
  "cache_write_other",
  "output",
  "reasoning",
] as const;

export interface EndedTasksQuery {
  readonly beganSinceMs: number;
  readonly endedAfterMs: number;
  readonly offset: number;
  readonly limit: number;
}

/** An ended task, with what was tried for it. */
export interface EndedTaskRead {
  readonly record: TaskRecord;
  readonly attempts: readonly TaskAttempt[];
}

/** Those that began last first. */
export function readEndedTasks(database: DatabaseSync, query: EndedTasksQuery): readonly EndedTaskRead[] {
  return database
    .prepare(
      `SELECT * FROM tasks WHERE started_at_ms >= ? AND ended_at_ms > ? ORDER BY started_at_ms DESC, row DESC LIMIT ? OFFSET ?`,
    )
    .all(query.beganSinceMs, query.endedAfterMs, query.limit, query.offset)
    .map((row) => {
      const record = recordOf(row as TaskSqlRow);
      return { record, attempts: readTaskAttempts(database, record.tenant, record.id) };
    });
}

/** Tasks whose attempts have all been deleted for their age go as well. */
export const PRUNE_TASKS = `DELETE FROM tasks WHERE row IN (SELECT row FROM tasks WHERE started_at_ms < ?
  AND ended_at_ms IS NOT NULL AND NOT EXISTS (SELECT 1 FROM attempts WHERE attempts.task = tasks.id) ORDER BY started_at_ms LIMIT 500)`;
