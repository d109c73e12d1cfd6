/**
 * The table of what is to be told to people: a row for each message and channel, from before anything is sent. A row stays when it was
 * told, without what it says, for as long as the same may come again: who is told twice of one thing looks away at the third.
 *
 * Bounded by who writes it (`delivery/outbox.ts`). No secret and no address is in it: a channel is a name of the config.
 */
import type { DatabaseSync } from "node:sqlite";
import type { Cell, Operation } from "./ledger-schema.ts";

export interface OutboxRow {
  readonly channel: string;
  /** The message's. */
  readonly id: string;
  /** JSON; `undefined`: there is nothing more to say. */
  readonly message: string | undefined;
  /** Milliseconds since the epoch, all of them. */
  readonly createdAtMs: number;
  /** Tries that failed, since the last that did not. */
  readonly failures: number;
  readonly toldAtMs: number | undefined;
  readonly dueAtMs: number;
  readonly expiresAtMs: number;
}

/** The table, as its migration makes it. */
export const OUTBOX_TABLE = `CREATE TABLE outbox (
    channel TEXT NOT NULL,
    id TEXT NOT NULL,
    message TEXT,
    created_at_ms INTEGER NOT NULL,
    failures INTEGER NOT NULL,
    told_at_ms INTEGER,
    due_at_ms INTEGER NOT NULL,
    expires_at_ms INTEGER NOT NULL,
    PRIMARY KEY (channel, id)
  ) STRICT, WITHOUT ROWID;`;

export const POST_OPERATION: Operation = {
  sql: `INSERT INTO outbox (channel, id, message, created_at_ms, failures, told_at_ms, due_at_ms, expires_at_ms)
    VALUES (?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (channel, id) DO UPDATE SET message = excluded.message,
      failures = excluded.failures, told_at_ms = excluded.told_at_ms, due_at_ms = excluded.due_at_ms`,
  cells: 8,
};

export const UNPOST_OPERATION: Operation = { sql: "DELETE FROM outbox WHERE channel = ? AND id = ?", cells: 2 };

/** @param operation The number of `POST_OPERATION` in a batch. */
export function appendOutboxRow(cells: Cell[], operation: number, row: OutboxRow): void {
  cells.push(
    operation,
    row.channel,
    row.id,
    row.message ?? null,
    Math.round(row.createdAtMs),
    row.failures,
    row.toldAtMs === undefined ? null : Math.round(row.toldAtMs),
    Math.round(row.dueAtMs),
    Math.round(row.expiresAtMs),
  );
}

/** Of a file that somebody else wrote into. */
const ROWS_MAX = 200_000;

/** Oldest first. */
export function readOutbox(database: DatabaseSync): readonly OutboxRow[] {
  return database
    .prepare(`SELECT * FROM outbox ORDER BY created_at_ms, id LIMIT ${ROWS_MAX}`)
    .all()
    .map((row): OutboxRow => ({
      channel: String(row["channel"]),
      id: String(row["id"]),
      message: row["message"] === null ? undefined : String(row["message"]),
      createdAtMs: Number(row["created_at_ms"]),
      failures: Number(row["failures"]),
      toldAtMs: row["told_at_ms"] === null ? undefined : Number(row["told_at_ms"]),
      dueAtMs: Number(row["due_at_ms"]),
      expiresAtMs: Number(row["expires_at_ms"]),
    }));
}
