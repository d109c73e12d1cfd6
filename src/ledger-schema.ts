/**
 * The ledger's table: its versions, its columns, and how a reservation and a settlement become cells of it.
 *
 * Money is INTEGER picodollars in SQLite's 64 bits: one row holds up to 9.2 million dollars (more is stored as that bound).
 * NULL is unknown, never 0. A row is inserted once and its settlement columns are set once, while `outcome` is NULL (open).
 */
import type { Loss } from "./chat.ts";
import type { LedgerEntry, Reservation } from "./ledger.ts";
import { BIND_OPERATION, BINDINGS_TABLE } from "./ledger-bindings.ts";
import { BUDGET_COLUMNS } from "./ledger-budgets.ts";
import { DECISION_OPERATION, DECISIONS_TABLE } from "./ledger-decisions.ts";
import { OUTBOX_TABLE, POST_OPERATION, UNPOST_OPERATION } from "./ledger-outbox.ts";
import { FORGET_OPERATION, POSTPONE_OPERATION, POSTPONED_TABLE } from "./ledger-postponed.ts";
import { TASK_OPERATION, TASKS_TABLE } from "./ledger-tasks.ts";
import { PROMPT_OPERATION, PROMPTS_TABLE } from "./ledger-prompts.ts";
import type { PicoUsd } from "./usage.ts";

/** What is written into a column. */
export type Cell = string | number | bigint | Uint8Array | null;

/** Each brings the file from the version of its index to the next; `PRAGMA user_version` says where a file is. Never edit one, add one. */
export const MIGRATIONS: readonly string[] = [
  `CREATE TABLE attempts (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    attempt TEXT NOT NULL UNIQUE,
    exchange TEXT NOT NULL,
    task TEXT NOT NULL,
    task_class TEXT,
    caller TEXT,
    client_dialect TEXT NOT NULL,
    requested_model TEXT NOT NULL,
    stream INTEGER NOT NULL,
    policy TEXT NOT NULL,
    reason TEXT NOT NULL,
    lane TEXT,
    provider TEXT,
    model TEXT,
    upstream_dialect TEXT,
    price_version TEXT,
    started_at_ms INTEGER NOT NULL,
    estimate_pico_usd INTEGER,
    outcome TEXT,
    status INTEGER,
    error_kind TEXT,
    input_uncached INTEGER,
    cache_read INTEGER,
    cache_write_5m INTEGER,
    cache_write_1h INTEGER,
    cache_write_other INTEGER,
    output INTEGER,
    reasoning INTEGER,
    usage_basis TEXT,
    cost_pico_usd INTEGER,
    cost_basis TEXT,
    ttft_ms REAL,
    duration_ms REAL,
    overhead_ms REAL,
    finish_reason TEXT,
    losses TEXT
  ) STRICT;
  CREATE INDEX attempts_exchange ON attempts (exchange);
  CREATE INDEX attempts_task ON attempts (task);
  CREATE INDEX attempts_target ON attempts (provider, model);
  CREATE INDEX attempts_started ON attempts (started_at_ms);
  CREATE INDEX attempts_open ON attempts (id) WHERE outcome IS NULL;`,
  BINDINGS_TABLE,
  `ALTER TABLE attempts ADD COLUMN predicted_read INTEGER;
  ALTER TABLE attempts ADD COLUMN cache_marks TEXT;
  ALTER TABLE attempts ADD COLUMN cache_saved_pico_usd INTEGER;
  ALTER TABLE attempts ADD COLUMN cache_bust TEXT;
  ALTER TABLE attempts ADD COLUMN held_ms REAL;
  CREATE TABLE states (name TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT;`,
  POSTPONED_TABLE,
  PROMPTS_TABLE,
  TASKS_TABLE,
  DECISIONS_TABLE,
  BUDGET_COLUMNS,
  OUTBOX_TABLE,
];

/** In the order in which `appendReservation` writes them. */
const RESERVATION_COLUMNS = [
  "attempt",
  "exchange",
  "task",
  "task_class",
  "caller",
  "client_dialect",
  "requested_model",
  "stream",
  "policy",
  "reason",
  "lane",
  "provider",
  "model",
  "upstream_dialect",
  "price_version",
  "started_at_ms",
  "estimate_pico_usd",
  "tenant",
  "reserved_pico_usd",
  "tags",
] as const;

/** In the order in which `appendSettlement` writes them. */
const SETTLEMENT_COLUMNS = [
  "outcome",
  "status",
  "error_kind",
  "input_uncached",
  "cache_read",
  "cache_write_5m",
  "cache_write_1h",
  "cache_write_other",
  "output",
  "reasoning",
  "usage_basis",
  "cost_pico_usd",
  "cost_basis",
  "ttft_ms",
  "duration_ms",
  "overhead_ms",
  "finish_reason",
  "predicted_read",
  "cache_marks",
  "cache_saved_pico_usd",
  "cache_bust",
  "held_ms",
  "losses",
  "signals",
] as const;

/** Token counts, by the name that the interface gives them. */
export const USAGE_COLUMNS = [
  "input_uncached",
  "cache_read",
  "cache_write_5m",
  "cache_write_1h",
  "cache_write_other",
  "output",
  "reasoning",
] as const;

/** One thing to write: which statement, and the cells that it takes. */
export interface Operation {
  readonly sql: string;
  readonly cells: number;
}

/** Inserts an open row. */
export const RESERVE = 0;
/** Settles an open row by its attempt id, which is the last cell. */
export const SETTLE = 1;
/** Inserts a row that was never reserved: a rejection. */
export const INSERT = 2;
/** Remembers a hard binding. */
export const BIND = 3;

/** Keeps a state under its name, in the place of the one before. */
export const KEEP = 4;
/** Remembers an open row that a later answer will settle. */
export const POSTPONE = 5;
/** Forgets it again. */
export const FORGET = 6;
/** Writes down the way of a call's prompt, behind the reservation of its first attempt. */
export const PROMPT = 7;
/** Writes down a task, in the place of what its row said. */
export const TASK = 8;
/** Writes down why a call went where it did, behind the row of its first attempt. */
export const DECISION = 9;
/** Writes down a message that is to be told, in the place of what its row said. */
export const POST = 10;
/** Takes it out again. */
export const UNPOST = 11;

/** By the number that precedes each operation's cells in a batch. All may be repeated without changing anything. */
export const OPERATIONS: readonly Operation[] = [
  insertion(RESERVATION_COLUMNS),
  {
    sql: `UPDATE attempts SET ${SETTLEMENT_COLUMNS.map((column) => `${column} = ?`).join(", ")} WHERE attempt = ? AND outcome IS NULL`,
    cells: SETTLEMENT_COLUMNS.length + 1,
  },
  insertion([...RESERVATION_COLUMNS, ...SETTLEMENT_COLUMNS]),
  BIND_OPERATION,
  {
    sql: "INSERT INTO states (name, value) VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET value = excluded.value",
    cells: 2,
  },
  POSTPONE_OPERATION,
  FORGET_OPERATION,
  PROMPT_OPERATION,
  TASK_OPERATION,
  DECISION_OPERATION,
  POST_OPERATION,
  UNPOST_OPERATION,
];

function insertion(columns: readonly string[]): Operation {
  const places = columns.map(() => "?").join(", ");
  return {
    sql: `INSERT INTO attempts (${columns.join(", ")}) VALUES (${places}) ON CONFLICT (attempt) DO NOTHING`,
    cells: columns.length,
  };
}

/** What a crash left open: the call may have been billed, so it costs its estimate. What is postponed is open on purpose. */
export const CLOSE_LOST = `UPDATE attempts
  SET outcome = 'lost', usage_basis = 'unknown', cost_pico_usd = estimate_pico_usd,
    cost_basis = CASE WHEN estimate_pico_usd IS NULL THEN 'unpriced' ELSE 'estimated' END
  WHERE outcome IS NULL AND attempt NOT IN (SELECT attempt FROM postponed)`;

/** Old rows, a few at a time so that writing goes on in between. */
export const PRUNE_ROWS = 500;
export const PRUNE: string = `DELETE FROM attempts WHERE id IN
  (SELECT id FROM attempts WHERE started_at_ms < ? AND outcome IS NOT NULL ORDER BY started_at_ms LIMIT ${PRUNE_ROWS})`;

/** Longest text of one cell, in characters: names and reasons, never content. */
const TEXT_CHARACTERS_MAX = 1_000;
/** Losses kept on one row. */
export const LOSSES_MAX = 64;
const LOSS_CHARACTERS_MAX = 200;

export function appendReservation(cells: Cell[], reservation: Reservation): void {
  cells.push(
    RESERVE,
    reservation.attempt,
    text(reservation.exchange),
    text(reservation.task),
    optionalText(reservation.taskClass),
    optionalText(reservation.caller),
    text(reservation.clientDialect),
    text(reservation.requestedModel),
    reservation.stream ? 1 : 0,
    text(reservation.policy),
    text(reservation.reason),
    optionalText(reservation.lane),
    optionalText(reservation.provider),
    optionalText(reservation.model),
    optionalText(reservation.upstreamDialect),
    optionalText(reservation.priceVersion),
    Math.round(reservation.startedAtMs),
    money(reservation.estimate),
    optionalText(reservation.tenant),
    money(reservation.reserved),
    tagsText(reservation.tags),
  );
}

/** @param reserved Whether this attempt's row is there already. */
export function appendSettlement(cells: Cell[], entry: LedgerEntry, reserved: boolean): void {
  if (reserved) {
    cells.push(SETTLE);
    appendSettlementCells(cells, entry);
    cells.push(entry.attempt);
    return;
  }
  const operation = cells.length;
  appendReservation(cells, entry);
  cells[operation] = INSERT;
  appendSettlementCells(cells, entry);
}

function appendSettlementCells(cells: Cell[], entry: LedgerEntry): void {
  const { usage } = entry;
  cells.push(
    entry.outcome,
    entry.status,
    optionalText(entry.errorKind),
    usage.inputUncached ?? null,
    usage.cacheRead ?? null,
    usage.cacheWrite5m ?? null,
    usage.cacheWrite1h ?? null,
    usage.cacheWriteOther ?? null,
    usage.output ?? null,
    usage.reasoning ?? null,
    entry.usageBasis,
    money(entry.cost),
    entry.costBasis,
    entry.ttftMs ?? null,
    entry.durationMs,
    entry.overheadMs ?? null,
    optionalText(entry.finishReason),
    entry.predictedRead ?? null,
    optionalText(entry.cacheMarks),
    money(entry.cacheSaved),
    optionalText(entry.cacheBust),
    entry.heldMs ?? null,
    lossesText(entry.losses),
    entry.signals === undefined || entry.signals.length === 0 ? null : text(entry.signals.join(" ")),
  );
}

const MONEY_MAX = 2n ** 63n - 1n;
const NUMBER_MAX = BigInt(Number.MAX_SAFE_INTEGER);

/** As a number where that is exact: cloning a bigint to another thread costs four times as much. */
function money(amount: PicoUsd | undefined): Cell {
  if (amount === undefined) return null;
  if (amount <= NUMBER_MAX && amount >= -NUMBER_MAX) return Number(amount);
  if (amount > MONEY_MAX) return MONEY_MAX;
  return amount < -MONEY_MAX ? -MONEY_MAX : amount;
}

function text(value: string): string {
  return value.length > TEXT_CHARACTERS_MAX ? value.slice(0, TEXT_CHARACTERS_MAX) : value;
}

function optionalText(value: string | undefined): string | null {
  return value === undefined ? null : text(value);
}

/** JSON text. Values are bounded where they are read (`budgets/subject.ts`), and cut JSON would be none. */
function tagsText(tags: Reservation["tags"]): string | null {
  return tags === undefined || Object.keys(tags).length === 0 ? null : JSON.stringify(tags);
}

/** JSON text; `null` for none. The last of too many says how many were left out. */
function lossesText(losses: readonly Loss[]): string | null {
  if (losses.length === 0) return null;
  const kept = losses.slice(0, losses.length > LOSSES_MAX ? LOSSES_MAX - 1 : LOSSES_MAX).map((loss) => ({
    field: loss.field.slice(0, LOSS_CHARACTERS_MAX),
    ...(loss.path === undefined ? {} : { path: loss.path.slice(0, LOSS_CHARACTERS_MAX) }),
  }));
  if (losses.length > LOSSES_MAX) kept.push({ field: `and ${losses.length - kept.length} more` });
  return JSON.stringify(kept);
}
