/**
 * The table of attempts that are open on purpose: their answers are made in the background, and what they cost is told later.
 *
 * A row is deleted with its attempt's settlement. Only what the attempt's own row holds anyway is stored, and its price: never an id
 * of an answer (its hash), nor anything that was said.
 */
import type { DatabaseSync } from "node:sqlite";
import type { LedgerEntry } from "./ledger.ts";
import type { Cell, Operation } from "./ledger-schema.ts";
import type { Price } from "./usage.ts";

/** An attempt whose bill is still to come. */
export interface Postponed {
  /** The hash of the answer's id, and of who asked. */
  readonly key: string;
  /** What is written if nothing more is heard. */
  readonly entry: LedgerEntry;
  /** What it is billed by, whenever it ends; `undefined`: unpriced. */
  readonly price: Price | undefined;
  /** Whether a count of tokens read from cache that is absent means none. */
  readonly absentReadIsZero: boolean;
}

/** How many there may be at a time: beyond that the oldest is written as it is. */
export const POSTPONED_MAX = 5_000;

/** The table, as its migration makes it. */
export const POSTPONED_TABLE = `CREATE TABLE postponed (
    key TEXT PRIMARY KEY,
    attempt TEXT NOT NULL,
    started_at_ms INTEGER NOT NULL,
    facts TEXT NOT NULL
  ) STRICT;`;

export const POSTPONE_OPERATION: Operation = {
  sql: "INSERT INTO postponed (key, attempt, started_at_ms, facts) VALUES (?, ?, ?, ?) ON CONFLICT (key) DO NOTHING",
  cells: 4,
};

export const FORGET_OPERATION: Operation = { sql: "DELETE FROM postponed WHERE key = ?", cells: 1 };

/** @param operation The number of `POSTPONE_OPERATION` in a batch. */
export function appendPostponed(cells: Cell[], operation: number, postponed: Postponed): void {
  const { key, ...facts } = postponed;
  const { attempt, startedAtMs } = facts.entry;
  cells.push(operation, key, attempt, Math.round(startedAtMs), JSON.stringify(facts, withMoney));
}

/** Those whose attempts are open, oldest first, each as its key and its facts. */
export type PostponedRows = readonly (readonly [key: string, facts: string])[];

export function readPostponed(database: DatabaseSync): PostponedRows {
  return database
    .prepare(
      `SELECT key, facts FROM postponed JOIN attempts USING (attempt) WHERE outcome IS NULL
        ORDER BY postponed.started_at_ms LIMIT ${POSTPONED_MAX}`,
    )
    .all()
    .map((row) => [String(row["key"]), String(row["facts"])] as const);
}

export function postponedIn(rows: PostponedRows): readonly Postponed[] {
  return rows.map(([key, facts]) => ({ ...(JSON.parse(facts, asMoney) as Omit<Postponed, "key">), key }));
}

/** Money is not JSON: it is an object of its own there, which no text of a client's can be taken for. */
function withMoney(_key: string, value: unknown): unknown {
  return typeof value === "bigint" ? { picoUsd: String(value) } : value;
}

function asMoney(_key: string, value: unknown): unknown {
  const text = typeof value === "object" && value !== null && "picoUsd" in value ? value.picoUsd : undefined;
  return typeof text === "string" ? BigInt(text) : value;
}
