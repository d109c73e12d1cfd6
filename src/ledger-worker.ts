/**
 * The ledger's thread: the only one that has the file open. Messages are worked off in order, so that a read sees all that was
 * written before it. A batch of rows is one transaction. What it cannot write ends the thread; the other side starts it again.
 */
import assert from "node:assert/strict";
import { mkdirSync } from "node:fs";
import { dirname } from "node:path";
import { DatabaseSync, type StatementSync } from "node:sqlite";
import { parentPort, workerData, type MessagePort } from "node:worker_threads";
import { BindingBounds, readIssued, type IssuedPage } from "./ledger-bindings.ts";
import { lockLedger, type LedgerLock } from "./ledger-lock.ts";
import { readPostponed, type PostponedRows } from "./ledger-postponed.ts";
import {
  readAttempts,
  readSpend,
  type AttemptQuery,
  type AttemptsPage,
  type Spend,
  type SpendQuery,
} from "./ledger-query.ts";
import { PRUNE_TASKS } from "./ledger-tasks.ts";
import { readTaskAnswer, type TaskAnswer, type TaskQuestion } from "./ledger-task-query.ts";
import { BIND, CLOSE_LOST, MIGRATIONS, OPERATIONS, PRUNE, PRUNE_ROWS, type Cell } from "./ledger-schema.ts";

export interface LedgerWorkerData {
  /** A file, or ":memory:". */
  readonly path: string;
  /** True at the process's start: rows that are open then belong to nobody. */
  readonly closeLost: boolean;
  /** How long to wait for a lock that another process has on the file. */
  readonly busyTimeoutMs: number;
}

export type LedgerCommand =
  | { readonly kind: "rows"; readonly sequence: number; readonly cells: readonly Cell[] }
  | { readonly kind: "attempts"; readonly id: number; readonly query: AttemptQuery }
  | { readonly kind: "spend"; readonly id: number; readonly query: SpendQuery }
  | { readonly kind: "issued"; readonly id: number; readonly after: number }
  | { readonly kind: "state"; readonly id: number; readonly name: string }
  | { readonly kind: "postponed"; readonly id: number }
  | { readonly kind: "tasks"; readonly id: number; readonly question: TaskQuestion }
  | { readonly kind: "prune"; readonly beforeMs: number }
  | { readonly kind: "close" };

type LedgerAnswer = AttemptsPage | Spend | TaskAnswer | IssuedPage | PostponedRows | string | undefined;

export type LedgerNotice =
  | { readonly kind: "ready"; readonly lost: number }
  | { readonly kind: "unopened"; readonly message: string }
  /** Everything up to this batch is committed, but for the rows that SQLite refused for their content. */
  | {
      readonly kind: "committed";
      readonly sequence: number;
      readonly refused: number;
      readonly refusal: string | undefined;
    }
  | {
      readonly kind: "answer";
      readonly id: number;
      readonly result: LedgerAnswer;
    }
  | { readonly kind: "unanswered"; readonly id: number; readonly message: string }
  | { readonly kind: "closed" };

function start(port: MessagePort, options: LedgerWorkerData): void {
  const tell = (notice: LedgerNotice) => port.postMessage(notice);
  let store: LedgerStore;
  try {
    store = new LedgerStore(options);
  } catch (error) {
    tell({ kind: "unopened", message: (error as Error).message });
    port.close();
    return;
  }
  tell({ kind: "ready", lost: store.lost });
  port.on("message", (command: LedgerCommand) => {
    switch (command.kind) {
      case "rows":
        tell({ kind: "committed", sequence: command.sequence, ...store.write(command.cells) });
        return;
      case "attempts":
        answer(command.id, () => readAttempts(store.database, command.query));
        return;
      case "spend":
        answer(command.id, () => readSpend(store.database, command.query));
        return;
      case "issued":
        answer(command.id, () => readIssued(store.database, command.after));
        return;
      case "state":
        answer(command.id, () => readState(store.database, command.name));
        return;
      case "postponed":
        answer(command.id, () => readPostponed(store.database));
        return;
      case "tasks":
        answer(command.id, () => readTaskAnswer(store.database, command.question));
        return;
      case "prune":
        prune(command.beforeMs);
        return;
      case "close":
        store.close();
        tell({ kind: "closed" });
        port.close();
        return;
    }
  });
  // Some rows, then whatever has come in meanwhile, then some more.
  const prune = (beforeMs: number) => {
    if (store.prune(beforeMs)) setImmediate(prune, beforeMs);
  };
  const answer = (id: number, read: () => LedgerAnswer) => {
    try {
      tell({ kind: "answer", id, result: read() });
    } catch (error) {
      tell({ kind: "unanswered", id, message: (error as Error).message });
    }
  };
}

function readState(database: DatabaseSync, name: string): string | undefined {
  const row = database.prepare("SELECT value FROM states WHERE name = ?").get(name);
  return typeof row?.["value"] === "string" ? row["value"] : undefined;
}

/** SQLite's codes for a row that it will never take: too big, a constraint, a wrong type. Any other error concerns the file. */
const ROW_ERRORS: ReadonlySet<number> = new Set([18, 19, 20]);

class LedgerStore {
  readonly database: DatabaseSync;
  /** Rows that were open at the start and have been closed as lost. */
  readonly lost: number;
  readonly #lock: LedgerLock | undefined;
  readonly #statements: readonly { readonly statement: StatementSync; readonly cells: number }[];
  readonly #prune: StatementSync;
  readonly #pruneTasks: StatementSync;
  readonly #bindings: BindingBounds;
  #isClosed = false;

  constructor(options: LedgerWorkerData) {
    const isFile = options.path !== ":memory:";
    // What is spent on what is nobody else's business on a shared machine.
    if (isFile) mkdirSync(dirname(options.path), { recursive: true, mode: 0o700 });
    this.#lock = isFile ? lockLedger(options.path) : undefined;
    this.database = new DatabaseSync(options.path, { timeout: options.busyTimeoutMs });
    // NORMAL: a commit survives the death of this process at once, and of the machine from the next checkpoint on.
    this.database.exec("PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL");
    migrate(this.database);
    this.lost = options.closeLost ? Number(this.database.prepare(CLOSE_LOST).run().changes) : 0;
    this.#statements = OPERATIONS.map(({ sql, cells }) => ({ statement: this.database.prepare(sql), cells }));
    this.#prune = this.database.prepare(PRUNE);
    this.#pruneTasks = this.database.prepare(PRUNE_TASKS);
    this.#bindings = new BindingBounds(this.database);
    this.#bindings.trim(true);
  }

  /** One transaction. @throws what SQLite says about the file; then nothing of it is written. */
  write(cells: readonly Cell[]): { readonly refused: number; readonly refusal: string | undefined } {
    let refused = 0;
    let refusal: string | undefined;
    this.database.exec("BEGIN IMMEDIATE");
    for (let at = 0; at < cells.length;) {
      const operation = this.#statements[cells[at] as number];
      assert(operation !== undefined, "a batch is operations, each followed by its cells");
      const start = at + 1;
      at = start + operation.cells;
      try {
        operation.statement.run(...cells.slice(start, at));
        if (cells[start - 1] === BIND) this.#bindings.wrote();
      } catch (error) {
        if (!concernsRow(error)) throw error;
        refused += 1;
        refusal = (error as Error).message;
      }
    }
    this.#bindings.trim();
    this.database.exec("COMMIT");
    return { refused, refusal };
  }

  /** @returns whether there may be more to delete. */
  prune(beforeMs: number): boolean {
    if (this.#isClosed) return false;
    const hasOldBindings = this.#bindings.prune(beforeMs);
    const hasOldRows = this.#prune.run(beforeMs).changes === PRUNE_ROWS;
    return this.#pruneTasks.run(beforeMs).changes === PRUNE_ROWS || hasOldRows || hasOldBindings;
  }

  close(): void {
    this.#isClosed = true;
    if (this.#lock !== undefined) this.database.exec("PRAGMA wal_checkpoint(TRUNCATE)");
    this.database.close();
    this.#lock?.release();
  }
}

function concernsRow(error: unknown): boolean {
  const { errcode, code } = error as { errcode?: number; code?: string };
  if (errcode === undefined) return code !== undefined && code.startsWith("ERR_INVALID_ARG");
  return ROW_ERRORS.has(errcode & 0xff);
}

function migrate(database: DatabaseSync): void {
  const version = Number(database.prepare("PRAGMA user_version").get()?.["user_version"] ?? 0);
  if (version > MIGRATIONS.length) {
    throw new Error(
      `the ledger was written by a newer Sluice (its version is ${version}, this one knows ${MIGRATIONS.length})`,
    );
  }
  for (let next = version; next < MIGRATIONS.length; next += 1) {
    database.exec(`BEGIN IMMEDIATE; ${MIGRATIONS[next]}; PRAGMA user_version = ${next + 1}; COMMIT`);
  }
}

if (parentPort !== null) start(parentPort, workerData as LedgerWorkerData);
