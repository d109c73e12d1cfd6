/**
 * The near side of the ledger's thread: gathers rows into batches, knows what is committed, and starts the thread again when it died.
 *
 * A batch is kept until it is committed and sent again after a restart; repeating one changes nothing.
 */
import { Worker } from "node:worker_threads";
import { GatewayError } from "./errors.ts";
import type { AttemptQuery, AttemptsPage, Spend, SpendQuery } from "./ledger-query.ts";
import type { IssuedPage } from "./ledger-bindings.ts";
import type { PostponedRows } from "./ledger-postponed.ts";
import type { Cell } from "./ledger-schema.ts";
import type { AnswerTo, TaskQuestion } from "./ledger-task-query.ts";
import type { LedgerCommand, LedgerNotice, LedgerWorkerData } from "./ledger-worker.ts";

export interface LedgerThreadOptions {
  readonly path: string;
  readonly flushMs: number;
  readonly busyTimeoutMs: number;
  /** Waits after a death before the next start, doubled each time up to `RESTART_MS_MAX`. */
  readonly restartMs: number;
  /** How long `close` waits for the last rows. */
  readonly closeMs: number;
  /** Told when the thread dies, with the reason, and when all it owed is written again. */
  readonly onChange: (isWorking: boolean, reason: string) => void;
  readonly onRefused: (rows: number, reason: string) => void;
}

export interface LedgerThread {
  /** How many open rows of an earlier process were closed as lost. */
  readonly lost: number;
  /** False from a death until everything that it left unwritten is committed. */
  readonly isWorking: boolean;
  /** Rows gathered or sent, and not committed. */
  readonly unwritten: number;
  /** Where the next row's cells go; call `added` after each. */
  readonly cells: Cell[];
  added(): void;
  attempts(query: AttemptQuery): Promise<AttemptsPage>;
  spend(query: SpendQuery): Promise<Spend>;
  issued(after: number): Promise<IssuedPage>;
  postponed(): Promise<PostponedRows>;
  state(name: string): Promise<string | undefined>;
  tasks<Question extends TaskQuestion>(question: Question): Promise<AnswerTo<Question>>;
  prune(beforeMs: number): void;
  /** Resolves when every row added before is committed. */
  flush(): Promise<void>;
  /** Writes what is left, and ends. @returns how many rows could not be written. */
  close(): Promise<number>;
}

/** Rows in one batch, i.e. one transaction. */
const BATCH_ROWS_MAX = 500;
const RESTART_MS_MAX = 5_000;
/** Reads waiting for the thread. */
const READS_MAX = 256;

interface Batch {
  readonly sequence: number;
  readonly rows: number;
  readonly cells: readonly Cell[];
}

interface Waiter<Result> {
  readonly resolve: (result: Result) => void;
  readonly reject: (error: Error) => void;
}

/** @throws Error when the file cannot be opened, or another process has it. */
export async function startLedgerThread(options: LedgerThreadOptions): Promise<LedgerThread> {
  const thread = new Thread(options);
  await thread.opened;
  return thread;
}

class Thread implements LedgerThread {
  readonly opened: Promise<void>;
  lost = 0;
  isWorking = false;
  cells: Cell[] = [];
  readonly #options: LedgerThreadOptions;
  #worker: Worker | undefined;
  #rows = 0;
  #unwritten = 0;
  #sequence = 0;
  /** Sent, not committed: in order, from `#committed + 1` on. */
  readonly #batches = new Map<number, Batch>();
  readonly #reads = new Map<number, Waiter<never>>();
  readonly #flushes = new Map<Waiter<void>, number>();
  #readId = 0;
  #timer: NodeJS.Timeout | undefined;
  #restartTimer: NodeJS.Timeout | undefined;
  #restartMs: number;
  #opening: Waiter<void> | undefined;
  #closing: (() => void) | undefined;

  constructor(options: LedgerThreadOptions) {
    this.#options = options;
    this.#restartMs = options.restartMs;
    this.opened = new Promise((resolve, reject) => {
      this.#opening = { resolve, reject };
    });
    this.#start();
  }

  get unwritten(): number {
    return this.#unwritten;
  }

  added(): void {
    this.#rows += 1;
    this.#unwritten += 1;
    if (this.#rows >= BATCH_ROWS_MAX) this.#send();
    else this.#timer ??= setTimeout(() => this.#send(), this.#options.flushMs);
  }

  attempts(query: AttemptQuery): Promise<AttemptsPage> {
    return this.#read((id) => ({ kind: "attempts", id, query }));
  }

  spend(query: SpendQuery): Promise<Spend> {
    return this.#read((id) => ({ kind: "spend", id, query }));
  }

  issued(after: number): Promise<IssuedPage> {
    return this.#read((id) => ({ kind: "issued", id, after }));
  }

  state(name: string): Promise<string | undefined> {
    return this.#read((id) => ({ kind: "state", id, name }));
  }

  postponed(): Promise<PostponedRows> {
    return this.#read((id) => ({ kind: "postponed", id }));
  }

  tasks<Question extends TaskQuestion>(question: Question): Promise<AnswerTo<Question>> {
    return this.#read((id) => ({ kind: "tasks", id, question }));
  }

  prune(beforeMs: number): void {
    this.#post({ kind: "prune", beforeMs });
  }

  flush(): Promise<void> {
    this.#send();
    if (this.#batches.size === 0) return Promise.resolve();
    if (!this.isWorking) return Promise.reject(unavailable());
    return new Promise((resolve, reject) => this.#flushes.set({ resolve, reject }, this.#sequence));
  }

  async close(): Promise<number> {
    this.#send();
    clearTimeout(this.#restartTimer);
    const closed = new Promise<void>((resolve) => {
      this.#closing = resolve;
    });
    if (this.#worker === undefined) {
      // Dead: one more try, because the disk may have room again.
      this.#start();
    }
    this.#post({ kind: "close" });
    const deadline = setTimeout(() => this.#closing?.(), this.#options.closeMs);
    await closed;
    clearTimeout(deadline);
    const worker = this.#worker;
    this.#worker = undefined;
    this.isWorking = false;
    await worker?.terminate();
    this.#giveUp(unavailable());
    return this.#unwritten;
  }

  #start(): void {
    const data: LedgerWorkerData = {
      path: this.#options.path,
      closeLost: this.#opening !== undefined,
      busyTimeoutMs: this.#options.busyTimeoutMs,
    };
    const file = import.meta.url.endsWith(".ts") ? "./ledger-worker.ts" : "./ledger-worker.js";
    const worker = new Worker(new URL(file, import.meta.url), { workerData: data, name: "ledger" });
    this.#worker = worker;
    worker.on("message", (notice: LedgerNotice) => {
      if (worker === this.#worker) this.#hear(notice);
    });
    worker.on("error", (error: unknown) => this.#died(worker, error instanceof Error ? error.message : String(error)));
    worker.on("exit", () => this.#died(worker, "its thread ended"));
    // After a restart: what the dead one may not have written. The order of messages does the rest.
    for (const { sequence, cells } of this.#batches.values()) this.#post({ kind: "rows", sequence, cells });
  }

  #hear(notice: LedgerNotice): void {
    switch (notice.kind) {
      case "ready":
        this.lost += notice.lost;
        if (this.#batches.size === 0) this.#works();
        this.#opening?.resolve();
        this.#opening = undefined;
        return;
      case "unopened":
        if (this.#worker !== undefined) this.#died(this.#worker, notice.message);
        return;
      case "committed":
        this.#committed(notice.sequence);
        if (notice.refused > 0) this.#options.onRefused(notice.refused, notice.refusal ?? "");
        return;
      case "answer":
        this.#reads.get(notice.id)?.resolve(notice.result as never);
        this.#reads.delete(notice.id);
        return;
      case "unanswered":
        this.#reads.get(notice.id)?.reject(new Error(notice.message));
        this.#reads.delete(notice.id);
        return;
      case "closed":
        this.#closing?.();
        return;
    }
  }

  #committed(sequence: number): void {
    this.#unwritten -= this.#batches.get(sequence)?.rows ?? 0;
    this.#batches.delete(sequence);
    for (const [waiter, last] of this.#flushes) {
      if (last > sequence) continue;
      this.#flushes.delete(waiter);
      waiter.resolve();
    }
    if (this.#batches.size === 0) this.#works();
  }

  #works(): void {
    this.#restartMs = this.#options.restartMs;
    if (this.isWorking) return;
    const first = this.#opening !== undefined;
    this.isWorking = true;
    if (!first) this.#options.onChange(true, "");
  }

  #died(worker: Worker, reason: string): void {
    if (worker !== this.#worker) return;
    this.#worker = undefined;
    const worked = this.isWorking;
    this.isWorking = false;
    this.#giveUp(unavailable());
    void worker.terminate();
    if (this.#opening !== undefined) {
      this.#opening.reject(new Error(`the ledger ${this.#options.path} cannot be opened: ${reason}`));
      this.#opening = undefined;
      return;
    }
    if (this.#closing !== undefined) {
      this.#closing();
      return;
    }
    if (worked) this.#options.onChange(false, reason);
    this.#restartTimer = setTimeout(() => this.#start(), this.#restartMs);
    this.#restartMs = Math.min(this.#restartMs * 2, RESTART_MS_MAX);
  }

  /** Nobody waits for a dead thread. Rows are kept. */
  #giveUp(error: Error): void {
    for (const waiter of this.#reads.values()) waiter.reject(error);
    for (const waiter of this.#flushes.keys()) waiter.reject(error);
    this.#reads.clear();
    this.#flushes.clear();
  }

  #send(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    if (this.#rows === 0) return;
    this.#sequence += 1;
    const batch: Batch = { sequence: this.#sequence, rows: this.#rows, cells: this.cells };
    this.cells = [];
    this.#rows = 0;
    this.#batches.set(batch.sequence, batch);
    try {
      this.#post({ kind: "rows", sequence: batch.sequence, cells: batch.cells });
    } catch (error) {
      // A cell that cannot cross to the thread, which is a fault of ours: the rows are lost, the process is not.
      this.#committed(batch.sequence);
      this.#options.onRefused(batch.rows, error instanceof Error ? error.message : String(error));
    }
  }

  #read<Result>(command: (id: number) => LedgerCommand): Promise<Result> {
    this.#send();
    if (this.#worker === undefined || !this.isWorking) return Promise.reject(unavailable());
    if (this.#reads.size >= READS_MAX) {
      return Promise.reject(
        new GatewayError("busy", `${READS_MAX} reads of the ledger are waiting; try again shortly`, {
          retryAfterMs: 1_000,
        }),
      );
    }
    this.#readId += 1;
    const id = this.#readId;
    return new Promise<Result>((resolve, reject) => {
      this.#reads.set(id, { resolve, reject });
      this.#post(command(id));
    });
  }

  #post(command: LedgerCommand): void {
    this.#worker?.postMessage(command);
  }
}

function unavailable(): GatewayError {
  return new GatewayError(
    "ledger-unavailable",
    "the ledger cannot be written to at the moment; its log has the reason",
    {
      retryAfterMs: 1_000,
    },
  );
}
