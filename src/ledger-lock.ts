/**
 * One gateway per ledger: an open write transaction on a file beside it.
 *
 * Not a file with a process id in it: the operating system drops this lock when its holder dies, however it dies, so there are
 * no stale locks to judge (in containers every gateway is process 1). Readers of the ledger itself are not kept out.
 */
import { dirname, resolve } from "node:path";
import { DatabaseSync } from "node:sqlite";

/** SQLite's codes for "somebody else has it". */
const BUSY = 5;
const LOCKED = 6;

export interface LedgerLock {
  release(): void;
}

/** @throws Error naming the folder, and the process that has it. */
export function lockLedger(path: string): LedgerLock {
  const database = new DatabaseSync(`${path}.lock`, { timeout: 0 });
  try {
    database.exec("BEGIN IMMEDIATE");
    database.exec(`CREATE TABLE IF NOT EXISTS holder (process INTEGER NOT NULL) STRICT;
      DELETE FROM holder; INSERT INTO holder VALUES (${process.pid}); COMMIT; BEGIN IMMEDIATE`);
  } catch (error) {
    const busy = isBusy(error);
    const holder = busy ? holderOf(database) : "";
    database.close();
    if (!busy) throw error;
    throw new Error(
      `the data folder ${dirname(resolve(path))} is in use by another gateway${holder}; stop that one, or give this one a folder of its own`,
      { cause: error },
    );
  }
  return { release: () => database.close() };
}

function holderOf(database: DatabaseSync): string {
  try {
    const row = database.prepare("SELECT process FROM holder").get();
    return row === undefined ? "" : ` (process ${String(row["process"])})`;
  } catch {
    return "";
  }
}

function isBusy(error: unknown): boolean {
  const code = (error as { errcode?: unknown }).errcode;
  return typeof code === "number" && ((code & 0xff) === BUSY || (code & 0xff) === LOCKED);
}
