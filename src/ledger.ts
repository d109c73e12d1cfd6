/**
 * The append-only record: one row per attempt, written by a worker thread into SQLite (WAL).
 *
 * An attempt is *reserved* before it is sent and *settled* exactly once after it, keyed by its id, so that repeating either
 * changes nothing. What was reserved and never settled (a crash) is found at the next start and closed as `lost` with its estimate.
 *
 * What a crash can lose. Rows wait at most `flushMs` (5 ms), then a batch is one transaction. Killing the process (`kill -9`)
 * loses no committed row, and at most what had not reached the thread's transaction: the reservations and settlements of the last
 * flush interval and the batch being written. A settlement lost so leaves its reservation, which is then closed as `lost`.
 * A hard binding that is lost so (the client may have its id by then) is one that is not known: a request that goes on from it is
 * passed where only one provider could be meant, and else told to name the model, or refused where several tenants call; it is never
 * sent where it does not belong.
 * An answer that is made in the background leaves its row open (`postpone`) until it is heard of again, also by a later process.
 * Loss of power may also take the transactions since SQLite's last checkpoint (`synchronous = NORMAL`); the file stays sound.
 */
import type { DialectName, Loss } from "./chat.ts";
import { GatewayError } from "./errors.ts";
import { appendIssued, issuedIn, type Issued, type IssuedPage } from "./ledger-bindings.ts";
import { appendDecision, type RecordedDecision } from "./ledger-decisions.ts";
import type { AttemptQuery, AttemptsPage, Spend, SpendQuery } from "./ledger-query.ts";
import { appendPostponed, postponedIn, type Postponed } from "./ledger-postponed.ts";
import { appendOutboxRow, type OutboxRow } from "./ledger-outbox.ts";
import { PromptPaths, type RecordedPrompt } from "./ledger-prompts.ts";
import {
  appendReservation,
  appendSettlement,
  BIND,
  DECISION,
  FORGET,
  KEEP,
  POST,
  POSTPONE,
  PROMPT,
  TASK,
  UNPOST,
} from "./ledger-schema.ts";
import { appendTask, type TaskRecord } from "./ledger-tasks.ts";
import type { AnswerTo, TaskQuestion } from "./ledger-task-query.ts";
import { startLedgerThread, type LedgerThread } from "./ledger-thread.ts";
import type { Log } from "./log.ts";
import type { PicoUsd, Usage } from "./usage.ts";

export type Outcome = "complete" | "canceled" | "failed" | "rejected" | "lost";

/**
 * Where the counts came from: the upstream's own report, our estimate (of answers that were canceled or cut, or of how much of a prompt
 * whose answer does not say was read from cache), or nobody knows.
 */
export type UsageBasis = "reported" | "estimated" | "unknown";

/**
 * Where the cost came from. `reported`: reported usage × a known price. `estimated`: estimated usage × a known price.
 * `not-billed`: the upstream refused the call with an error status, or it was never sent. `unpriced`: no price is known.
 */
export type CostBasis = "reported" | "estimated" | "not-billed" | "unpriced";

/** What is known before an attempt is sent. */
export interface Reservation {
  /** Idempotency key: `<exchange>.<n>`, n from 1. */
  readonly attempt: string;
  readonly exchange: string;
  readonly task: string;
  readonly taskClass: string | undefined;
  /** The client key's name, never the key; `undefined` when no keys are configured. */
  readonly caller: string | undefined;
  readonly clientDialect: DialectName;
  /** The model as the client named it, cut to 256 characters. */
  readonly requestedModel: string;
  readonly stream: boolean;
  readonly policy: string;
  readonly reason: string;
  /** `same`: bytes edited; `translated`: written from the reading; `undefined`: rejected before a lane was chosen. */
  readonly lane: "same" | "translated" | undefined;
  readonly provider: string | undefined;
  readonly model: string | undefined;
  readonly upstreamDialect: DialectName | undefined;
  readonly priceVersion: string | undefined;
  /** Milliseconds since the epoch. */
  readonly startedAtMs: number;
  /** Estimated cost if everything goes as expected; `undefined` when unpriced. */
  readonly estimate: PicoUsd | undefined;
  /** Whose call it is (`Caller.tenant`). */
  readonly tenant?: string;
  /** What the call, and from its settlement on its answer, show of how the task goes: words of `tasks/signals.ts`. */
  readonly signals?: readonly string[];
  /** The most that it may cost, as its budgets reserve it; absent: no budget asks, or nobody can say. */
  readonly reserved?: PicoUsd;
  /** Of the request's metadata, what budgets are of (`budgets[].tag`). */
  readonly tags?: Readonly<Record<string, string>>;
}

/** The finished row. */
export interface LedgerEntry extends Reservation {
  readonly outcome: Outcome;
  /** The status the client got, or would have got. */
  readonly status: number;
  /** Kind from the error catalogue when the outcome is not `complete`. */
  readonly errorKind: string | undefined;
  readonly usage: Usage;
  readonly usageBasis: UsageBasis;
  readonly cost: PicoUsd | undefined;
  readonly costBasis: CostBasis;
  /** Milliseconds from sending to the first event; `undefined` when none came. */
  readonly ttftMs: number | undefined;
  readonly durationMs: number;
  /** Milliseconds that the gateway itself added before sending. */
  readonly overheadMs: number | undefined;
  readonly finishReason: string | undefined;
  /** Prompt tokens that were expected to be read from cache, the model's; `undefined`: nothing was sent. */
  readonly predictedRead: number | undefined;
  /** The cache marks that were sent ("5m@1200 1h@20000": lifetime and estimated tokens before it). */
  readonly cacheMarks: string | undefined;
  /** What caching saved (below zero: cost) against the same prompt without; `undefined`: not known. */
  readonly cacheSaved: PicoUsd | undefined;
  /** Whose change broke a prefix that was expected to be read from cache, where, and what it cost; never content. */
  readonly cacheBust: string | undefined;
  /** Milliseconds that it waited for another call to write what both begin with. */
  readonly heldMs: number | undefined;
  /** What waiting gained it; for sinks, no column. Absent: it did not wait, or nobody knows. */
  readonly heldGain?: HeldGain | undefined;
  readonly losses: readonly Loss[];
}

export interface HeldGain {
  /** Read from cache, and not to be read when it arrived. */
  readonly tokens: number;
  /** What they would have cost more; `undefined`: there is no price. */
  readonly saved: PicoUsd | undefined;
}

/** Gets every settled entry on the main thread, right when it is settled. Must not throw and must not block. */
export type LedgerSink = (entry: LedgerEntry) => void;

export interface LedgerOptions {
  /** The file, in a folder of this gateway's own, or ":memory:". */
  readonly path: string;
  readonly sinks: readonly LedgerSink[];
  /** Milliseconds since the epoch. */
  readonly now: () => number;
  readonly log: Pick<Log, "info" | "warn" | "error">;
  /** Longest time that rows wait for others to share a transaction with. */
  readonly flushMs?: number;
  /** Rows that may wait to be written, counting one for each attempt that is still open. */
  readonly queueMax?: number;
  /**
   * What becomes of calls while the ledger cannot be written: `refuse` answers 503, because spend that nobody records is spend
   * that nobody bounds; `serve` goes on, and what does not fit into the queue is lost and counted.
   */
  readonly whenUnavailable?: "refuse" | "serve";
  /** Rows older than this are deleted; all are kept by default. */
  readonly keepDays?: number;
  readonly busyTimeoutMs?: number;
  readonly restartMs?: number;
  readonly closeMs?: number;
}

export interface Ledger {
  /**
   * Opens the attempt's row. Repeating it changes nothing.
   *
   * @param prompt With a call's first attempt: of its prompt, what it has in common with others is written down, and nothing that it says.
   * @throws GatewayError `ledger-unavailable` when the queue is full or the file cannot be written (unless told to serve).
   */
  reserve(reservation: Reservation, prompt?: RecordedPrompt): void;
  /**
   * Writes down why a call went where it did, behind the row of its first attempt. Repeating it changes nothing. Never throws.
   */
  explain(attempt: string, decision: RecordedDecision): void;
  /**
   * Finishes the attempt's row, or writes the whole of one that was never reserved. The first settlement counts: a second one
   * reaches neither the row nor the sinks. Sinks are called before it returns. Never throws.
   */
  settle(entry: LedgerEntry): void;
  /** Leaves an open row open, for its answer is made in the background: `settle` comes later, maybe in another process. Never throws. */
  postpone(postponed: Postponed): void;
  /** What earlier processes left open on purpose, oldest first. */
  postponed(): Promise<readonly Postponed[]>;
  /** Writes down a hard binding with the rows. Never throws. @returns false where there is no room now: half the queue is for rows. */
  remember(issued: Issued): boolean;
  /** Keeps what is to be known again after a restart, in the place of what had the name before. Never throws. */
  keep(name: string, value: string): void;
  /** Writes down a task, in the place of what its row said. Never throws. @returns false where there is no room now. */
  keepTask(task: TaskRecord): boolean;
  /** Writes down a message that is to be told, in the place of what its row said. Never throws. @returns false where there is no room now. */
  post(row: OutboxRow): boolean;
  /** Takes it out again. Never throws. */
  unpost(row: Pick<OutboxRow, "channel" | "id">): void;
  /** Sees everything written before. */
  tasks<Question extends TaskQuestion>(question: Question): Promise<AnswerTo<Question>>;
  kept(name: string): Promise<string | undefined>;
  /** Tells every binding that is written down, oldest first, some at a time. */
  recall(tell: (issued: readonly Issued[]) => void): Promise<void>;
  /** Sees everything written before. */
  attempts(query: AttemptQuery): Promise<AttemptsPage>;
  /** Sees everything written before. */
  spend(query: SpendQuery): Promise<Spend>;
  /** Resolves when everything written before is committed; rejects when that cannot be said. */
  flush(): Promise<void>;
  /**
   * Waits until everything written before is committed, but not for long: a thread that is busy with a report is no reason to keep a
   * call waiting. @returns why it cannot be (unless told to serve all the same).
   */
  written(): Promise<GatewayError | undefined>;
  /** Writes what is left and closes the file. */
  close(): Promise<void>;
  /** Rows that wait to be committed. */
  readonly queueDepth: number;
  readonly isAvailable: boolean;
  /** Reservations of an earlier process that were closed as lost when this one opened the ledger. */
  readonly lostReservations: number;
  /** Rows that were never written: the queue was full, or SQLite refused them. */
  readonly lostRows: number;
}

/**
 * @throws Error when the file cannot be opened or another gateway has it.
 * @example
 * const ledger = await openLedger({ path: "./.sluice/ledger.sqlite", sinks: [metrics.observe], now: Date.now, log });
 */
export async function openLedger(options: LedgerOptions): Promise<Ledger> {
  const counts = { lostRows: 0 };
  const { log } = options;
  const thread = await startLedgerThread({
    path: options.path,
    flushMs: options.flushMs ?? FLUSH_MS,
    busyTimeoutMs: options.busyTimeoutMs ?? 5_000,
    restartMs: options.restartMs ?? 250,
    closeMs: options.closeMs ?? 10_000,
    onChange(isWorking, reason) {
      if (isWorking) log.info("ledger-available");
      else log.error("ledger-unavailable", { reason });
    },
    onRefused(rows, reason) {
      counts.lostRows += rows;
      log.error("ledger-rows-refused", { rows, reason });
    },
  });
  if (thread.lost > 0) log.warn("ledger-reservations-lost", { rows: thread.lost });
  return new ThreadLedger(options, thread, counts);
}

const FLUSH_MS = 5;
const QUEUE_MAX = 50_000;
/** Settled attempts that are remembered, so that a second settlement is known as one. Later repeats stop at the row. */
export const SETTLED_REMEMBERED_MAX = 10_000;
const PRUNE_INTERVAL_MS = 3_600_000;
/** A commit takes a fraction of a millisecond, save where the thread is at work for somebody else. */
const WRITTEN_MS_MAX = 250;
const DAY_MS = 86_400_000;

class ThreadLedger implements Ledger {
  readonly #options: LedgerOptions;
  readonly #thread: LedgerThread;
  readonly #counts: { lostRows: number };
  readonly #queueMax: number;
  /** Reserved, not settled. Each has its settlement's room in the queue. */
  readonly #open = new Set<string>();
  /** Open on purpose, by the attempt: their keys. Of those there are never many. */
  readonly #postponed = new Map<string, string>();
  readonly #paths = new PromptPaths();
  /** Two generations, each of half the bound: dropping the older one at once is cheaper than dropping one by one. */
  #settled = new Set<string>();
  #settledBefore = new Set<string>();
  readonly #pruneTimer: NodeJS.Timeout | undefined;

  constructor(options: LedgerOptions, thread: LedgerThread, counts: { lostRows: number }) {
    this.#options = options;
    this.#thread = thread;
    this.#counts = counts;
    this.#queueMax = options.queueMax ?? QUEUE_MAX;
    const { keepDays } = options;
    if (keepDays === undefined) return;
    const prune = () => thread.prune(options.now() - keepDays * DAY_MS);
    this.#pruneTimer = setInterval(prune, PRUNE_INTERVAL_MS).unref();
    prune();
  }

  get queueDepth(): number {
    return this.#thread.unwritten;
  }

  get isAvailable(): boolean {
    return this.#thread.isWorking && this.#hasRoom();
  }

  get lostReservations(): number {
    return this.#thread.lost;
  }

  get lostRows(): number {
    return this.#counts.lostRows;
  }

  reserve(reservation: Reservation, prompt?: RecordedPrompt): void {
    const { attempt } = reservation;
    if (this.#open.has(attempt) || this.#isSettled(attempt)) return;
    if (!this.isAvailable) {
      if (this.#options.whenUnavailable !== "serve") throw this.#unavailable();
      // Not open then: its settlement is written whole, if there is room by that time.
      if (!this.#hasRoom()) return;
    }
    this.#open.add(attempt);
    appendReservation(this.#thread.cells, reservation);
    if (prompt !== undefined) this.#paths.append(this.#thread.cells, PROMPT, attempt, prompt);
    this.#thread.added();
  }

  explain(attempt: string, decision: RecordedDecision): void {
    // Behind a row that is not there it would be for nothing.
    if (!this.#hasRoom() || (!this.#open.has(attempt) && !this.#isSettled(attempt))) return;
    appendDecision(this.#thread.cells, DECISION, attempt, decision);
    this.#thread.added();
  }

  settle(entry: LedgerEntry): void {
    const { attempt } = entry;
    if (this.#isSettled(attempt)) return;
    const hasRoom = this.#hasRoom();
    const postponed = this.#postponed.get(attempt);
    this.#postponed.delete(attempt);
    const reserved = this.#open.delete(attempt) || postponed !== undefined;
    this.#rememberSettled(attempt);
    if (reserved || hasRoom) {
      appendSettlement(this.#thread.cells, entry, reserved);
      this.#thread.added();
      // Behind it: where only the settlement was committed, what is remembered finds a row that is not open, and is passed over.
      if (postponed !== undefined) {
        this.#thread.cells.push(FORGET, postponed);
        this.#thread.added();
      }
    } else {
      this.#counts.lostRows += 1;
    }
    for (const sink of this.#options.sinks) this.#tell(sink, entry);
  }

  postpone(postponed: Postponed): void {
    const { attempt } = postponed.entry;
    if (!this.#open.delete(attempt)) return;
    this.#postponed.set(attempt, postponed.key);
    appendPostponed(this.#thread.cells, POSTPONE, postponed);
    this.#thread.added();
  }

  async postponed(): Promise<readonly Postponed[]> {
    const all = postponedIn(await this.#thread.postponed());
    for (const { entry, key } of all) this.#postponed.set(entry.attempt, key);
    return all;
  }

  remember(issued: Issued): boolean {
    // Calls are refused when the queue is full; what one of them lets be remembered must not be why.
    if (this.#thread.unwritten + this.#open.size >= this.#queueMax / 2) return false;
    appendIssued(this.#thread.cells, BIND, issued, this.#options.now());
    this.#thread.added();
    return true;
  }

  keep(name: string, value: string): void {
    if (!this.#hasRoom()) return;
    this.#thread.cells.push(KEEP, name, value);
    this.#thread.added();
  }

  keepTask(task: TaskRecord): boolean {
    if (this.#thread.unwritten + this.#open.size >= this.#queueMax / 2) return false;
    appendTask(this.#thread.cells, TASK, task);
    this.#thread.added();
    return true;
  }

  post(row: OutboxRow): boolean {
    if (this.#thread.unwritten + this.#open.size >= this.#queueMax / 2) return false;
    appendOutboxRow(this.#thread.cells, POST, row);
    this.#thread.added();
    return true;
  }

  unpost({ channel, id }: Pick<OutboxRow, "channel" | "id">): void {
    if (!this.#hasRoom()) return;
    this.#thread.cells.push(UNPOST, channel, id);
    this.#thread.added();
  }

  tasks<Question extends TaskQuestion>(question: Question): Promise<AnswerTo<Question>> {
    return this.#thread.tasks(question);
  }

  kept(name: string): Promise<string | undefined> {
    return this.#thread.state(name);
  }

  async recall(tell: (issued: readonly Issued[]) => void): Promise<void> {
    let after: number | undefined = 0;
    while (after !== undefined) {
      // One page after the other: between them calls are answered.
      const page: IssuedPage = await this.#thread.issued(after);
      tell(issuedIn(page));
      after = page.next;
    }
  }

  attempts(query: AttemptQuery): Promise<AttemptsPage> {
    return this.#thread.attempts(query);
  }

  spend(query: SpendQuery): Promise<Spend> {
    return this.#thread.spend(query);
  }

  flush(): Promise<void> {
    return this.#thread.flush();
  }

  async written(): Promise<GatewayError | undefined> {
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<undefined>((resolve) => {
      timer = setTimeout(() => resolve(undefined), WRITTEN_MS_MAX);
    });
    const committed = this.#thread.flush().then(
      () => undefined,
      () => (this.#options.whenUnavailable === "serve" ? undefined : this.#unavailable()),
    );
    const reason = await Promise.race([committed, late]);
    clearTimeout(timer);
    return reason;
  }

  async close(): Promise<void> {
    clearInterval(this.#pruneTimer);
    const unwritten = await this.#thread.close();
    if (unwritten === 0) return;
    this.#counts.lostRows += unwritten;
    this.#options.log.error("ledger-rows-lost", { rows: unwritten });
  }

  /** Room for one row more, and for the settlements of all that is open. */
  #hasRoom(): boolean {
    return this.#thread.unwritten + this.#open.size < this.#queueMax;
  }

  #unavailable(): GatewayError {
    const message = this.#thread.isWorking
      ? `the ledger's queue is full (${this.#queueMax} rows); try again shortly`
      : "the ledger cannot be written to, and calls that it cannot record are refused";
    return new GatewayError("ledger-unavailable", message, { retryAfterMs: 1_000 });
  }

  #isSettled(attempt: string): boolean {
    return this.#settled.has(attempt) || this.#settledBefore.has(attempt);
  }

  #rememberSettled(attempt: string): void {
    this.#settled.add(attempt);
    if (this.#settled.size < SETTLED_REMEMBERED_MAX / 2) return;
    this.#settledBefore = this.#settled;
    this.#settled = new Set();
  }

  /** A sink that fails is its own loss: the row is written, and the other sinks are told. */
  #tell(sink: LedgerSink, entry: LedgerEntry): void {
    try {
      sink(entry);
    } catch (error) {
      this.#options.log.error("ledger-sink-failed", { reason: error instanceof Error ? error.message : String(error) });
    }
  }
}
