/**
 * A ledger as lines of JSON: its tasks, then its attempts as `GET /sluice/v1/attempts` shows them, with what their task is judged by.
 * Whose each is stands there as a number only.
 */
import { closeSync, openSync, writeSync } from "node:fs";
import type { DatabaseSync } from "node:sqlite";
import { ATTEMPTS_LIMIT_MAX, readAttempts } from "../../src/ledger-query.ts";
import { ReplayError } from "./replay-error.ts";

export interface Exported {
  readonly tasks: number;
  readonly attempts: number;
}

/** @throws ReplayError when the file is there already, or cannot be written. */
export function exportTo(file: string, database: DatabaseSync): Exported {
  let opened: number;
  try {
    opened = openSync(file, "wx");
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    throw new ReplayError(
      code === "EEXIST" ? `${file}: it is there already` : `${file}: it cannot be written (${code})`,
    );
  }
  const write = (lines: readonly object[]) =>
    void writeSync(opened, lines.map((line) => `${JSON.stringify(line)}\n`).join(""));
  try {
    const tenants = new Tenants();
    return { tasks: writeTasks(database, tenants, write), attempts: writeAttempts(database, tenants, write) };
  } finally {
    closeSync(opened);
  }
}

type Write = (lines: readonly object[]) => void;

/** A tenant is a digest of a key, which is nobody else's business. */
class Tenants {
  readonly #numbers = new Map<string, string>([["", ""]]);

  of(tenant: string): string {
    const known = this.#numbers.get(tenant);
    if (known !== undefined) return known;
    const number = String(this.#numbers.size);
    this.#numbers.set(tenant, number);
    return number;
  }
}

function writeTasks(database: DatabaseSync, tenants: Tenants, write: Write): number {
  const timeOf = (ms: unknown) => (ms === null ? null : new Date(Number(ms)).toISOString());
  let tasks = 0;
  for (const row of database.prepare("SELECT * FROM tasks ORDER BY row").iterate()) {
    tasks += 1;
    write([
      {
        task: row["id"],
        class: row["class"],
        tenant: tenants.of(String(row["tenant"])),
        parent: row["parent"],
        source: row["source"],
        caller: row["caller"],
        started_at: timeOf(row["started_at_ms"]),
        last_at: timeOf(row["last_at_ms"]),
        ended_at: timeOf(row["ended_at_ms"]),
        ends: row["ends"],
        success: row["outcome"],
        success_source: row["outcome_source"],
      },
    ]);
  }
  return tasks;
}

function writeAttempts(database: DatabaseSync, tenants: Tenants, write: Write): number {
  const besides = database.prepare("SELECT tenant, signals FROM attempts WHERE attempt = ?");
  let attempts = 0;
  let cursor: string | undefined = "0";
  while (cursor !== undefined) {
    const page = readAttempts(database, { order: "oldest", limit: ATTEMPTS_LIMIT_MAX, cursor });
    write(
      page.data.map((row) => {
        const { tenant, signals } = besides.get(row.attempt) ?? {};
        const owner = typeof tenant === "string" ? tenants.of(tenant) : null;
        return { ...row, tenant: owner, signals: signals ?? null };
      }),
    );
    attempts += page.data.length;
    cursor = page.nextCursor;
  }
  return attempts;
}
