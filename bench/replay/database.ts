/** Opens what is to be replayed: a ledger, to read only and also while a gateway writes on, or an export, as a ledger that is made of it. */
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { MIGRATIONS } from "../../src/ledger-schema.ts";
import { importLines } from "./import.ts";
import { ReplayError } from "./replay-error.ts";

export interface OpenedLedger {
  readonly database: DatabaseSync;
  /** Of attempts, as SQL: a ledger numbers them as they come, an export may list them in any order. */
  readonly order: "id" | "started_at_ms, id";
  close(): void;
}

/** @throws ReplayError saying what is wrong with the file. */
export async function openSource(file: string): Promise<OpenedLedger> {
  if (!existsSync(file))
    throw new ReplayError(`${file}: there is no such file; a ledger is ledger.sqlite in the data folder`);
  return /\.(?:jsonl|ndjson|json)(?:\.gz)?$/.test(file) ? openExport(file) : openLedgerFile(file);
}

function openLedgerFile(file: string): OpenedLedger {
  let database: DatabaseSync | undefined;
  try {
    database = new DatabaseSync(file, { readOnly: true });
    // One view of it all.
    database.exec("BEGIN");
    checkVersion(database, file);
    const opened = database;
    return { database, order: "id", close: () => opened.close() };
  } catch (error) {
    database?.close();
    if (error instanceof ReplayError) throw error;
    throw new ReplayError(`${file}: it cannot be read as a ledger: ${(error as Error).message}`);
  }
}

function checkVersion(database: DatabaseSync, file: string): void {
  const names = database.prepare("SELECT name FROM sqlite_schema WHERE name IN ('attempts', 'tasks')").all();
  if (!names.some(({ name }) => name === "attempts"))
    throw new ReplayError(`${file}: it is not a ledger: it has no table of attempts`);
  const version = Number(database.prepare("PRAGMA user_version").get()?.["user_version"]);
  if (version > MIGRATIONS.length) throw new ReplayError(`${file}: it was written by a newer Sluice`);
  if (!names.some(({ name }) => name === "tasks"))
    throw new ReplayError(
      `${file}: an older Sluice wrote it, without tasks; start this one on it once, which adds them`,
    );
}

/** On disk, and gone when it is closed: however long the export, it is not held in memory. */
async function openExport(file: string): Promise<OpenedLedger> {
  const folder = mkdtempSync(join(tmpdir(), "sluice-replay-"));
  const database = new DatabaseSync(join(folder, "ledger.sqlite"));
  const close = () => {
    database.close();
    rmSync(folder, { recursive: true, force: true });
  };
  try {
    database.exec("PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF");
    for (const migration of MIGRATIONS) database.exec(migration);
    await importLines(file, database);
    return { database, order: "started_at_ms, id", close };
  } catch (error) {
    close();
    throw error;
  }
}
