/**
 * The tasks that are under way: which of them a call belongs to, of which class it is, when it has ended and what became of it.
 *
 * A task ends when somebody tells its outcome, or nobody has called for as long as its class may be idle. What it took is then read
 * from the ledger's rows, and told to those who learn from it. A later call opens it again.
 *
 * Bounded: 20,000 open tasks of about 600 bytes; of more, those that were idle longest are ended. The clock may jump: idleness is
 * counted on one of its own.
 */
import type { Prefixes } from "../cache/prefixes.ts";
import type { ChatRequest } from "../chat.ts";
import type { Ledger, LedgerEntry } from "../ledger.ts";
import type { TaskAttempt, TaskRecord } from "../ledger-tasks.ts";
import type { Log } from "../log.ts";
import type { Task, TaskSource } from "../task.ts";
import { Chains, type ChainExchange, type ChainPrompt } from "./chains.ts";
import { derivedClass } from "./class-of.ts";
import type { TaskClasses } from "./classes.ts";
import type { EndedTask } from "./ended-task.ts";
import { identityOf } from "./identity.ts";
import { exchangesOf, legsOf } from "./legs.ts";
import { OpenTasks, type OpenTask } from "./open-tasks.ts";
import { answersOf, outcomeOf, requestSignals } from "./signals.ts";
import { SteadyClock } from "./steady.ts";

export interface TaskCall {
  /** What the call says of itself. */
  readonly said: Task;
  readonly request: ChatRequest;
  readonly prefixes: Prefixes;
  readonly tenant: string;
  readonly caller: string | undefined;
  readonly exchange: string;
  /** It is not for an answer: a count of tokens, a prompt that is to be cached. */
  readonly isSide: boolean;
}

export interface TaskProgress {
  /** Exchanges that were answered before. */
  readonly turnsSoFar: number;
  /** The target that answered the last one. */
  readonly incumbent: string | undefined;
}

export interface Tasks {
  /** A call arrives. {@link over} is to be called once it has been answered. */
  begin(call: TaskCall): Task;
  /** A call has been answered, or refused. */
  over(exchange: string): void;
  /** How far a task has come; of one that is not open, nothing is known. */
  progress(tenant: string, id: string): TaskProgress | undefined;
  /** An answer that its provider keeps: who goes on from it goes on with the task. */
  answered(tenant: string, answerId: string, task: string): void;
  /** A ledger sink. */
  readonly settled: (entry: LedgerEntry) => void;
  /**
   * Somebody says what became of a task; the last one to say so is right. It ends with that.
   *
   * @returns the task; `undefined`: this tenant has none of the id.
   */
  tell(tenant: string, id: string, success: number): Promise<TaskRecord | undefined>;
  /** Told of each task when it ends. Must not throw. */
  onEnded(listener: (task: EndedTask) => void): void;
  /** Ends what has been idle for long enough, and writes down what has changed. */
  sweep(): Promise<void>;
  /** Writes down what has changed, for whoever reads the ledger next. Rejects when it cannot be read. */
  written(): Promise<void>;
  /** Takes over the tasks that an earlier process left open. */
  recall(): Promise<void>;
  close(): void;
}

export interface TasksOptions {
  readonly ledger: Pick<Ledger, "keepTask" | "tasks">;
  readonly classes: TaskClasses;
  /** Milliseconds after which a task of the class is over. */
  readonly idleMs: (className: string) => number;
  /** Words of frustration; none: nobody looks for them. */
  readonly frustration: () => readonly string[];
  readonly boundaryLine: () => string;
  readonly now: () => number;
  readonly log: Pick<Log, "warn">;
}

export const OPEN_MAX = 20_000;
const ANSWERS_MAX = 20_000;
/** Static prefixes whose class is remembered. */
const DERIVED_MAX = 4_000;
const SWEEP_MS = 30_000;
const NAMED: ReadonlySet<TaskSource> = new Set<TaskSource>(["header", "metadata", "agent-session"]);

interface Running {
  readonly task: OpenTask;
  readonly chain: ChainExchange | undefined;
  readonly isTurn: boolean;
  isComplete: boolean;
}

export function createTasks(options: TasksOptions): Tasks {
  return new TaskTable(options);
}

class TaskTable implements Tasks {
  readonly #options: TasksOptions;
  readonly #clock: SteadyClock;
  readonly #chains = new Chains();
  readonly #open: OpenTasks;
  readonly #running = new Map<string, Running>();
  /** By tenant and the id of an answer. */
  readonly #answers = new Map<string, string>();
  readonly #derived = new Map<number, string>();
  readonly #listeners: ((task: EndedTask) => void)[] = [];
  readonly #timer: NodeJS.Timeout;
  #sweeping: Promise<void> | undefined;

  constructor(options: TasksOptions) {
    this.#options = options;
    this.#clock = new SteadyClock(options.now);
    this.#open = new OpenTasks(options.ledger);
    this.#timer = setInterval(() => void this.sweep(), SWEEP_MS).unref();
  }

  begin(call: TaskCall): Task {
    const { said, tenant, exchange, request, prefixes, isSide } = call;
    const atMs = this.#clock.now();
    const prompt: ChainPrompt = { ...prefixes, request };
    const traced = this.#chains.trace(prompt, atMs);
    const known = "task" in traced ? { ...traced, task: idIn(traced.task) } : traced;
    const { id, source, parent, isFresh } = identityOf(
      said,
      {
        traced: known,
        answered: this.#answeredBy(request, tenant),
        sessionOf: (task) => this.#open.get(tenant, task)?.session,
        isNamed: (task) => NAMED.has(this.#open.get(tenant, task)?.source ?? "prefix"),
      },
      exchange,
    );
    const derived = this.#classOf(request, prefixes);
    if (isSide) {
      // It opens none: what it prepares may never come.
      const className = said.className ?? this.#open.get(tenant, id)?.className ?? this.#options.classes.known(derived);
      return { ...said, id: isFresh ? said.id : id, source, parent, className, signals: ["side"] };
    }
    const task = this.#open.get(tenant, id) ?? this.#opened({ ...call, id, source, parent, isFresh }, derived);
    const { className, isOfTask } = classIn(task, said.className, derived, prefixes, this.#options.classes);
    const isAgain = traced.kind === "resend" && idIn(traced.task) === id;
    const isResend = isAgain && traced.wasAnswered;
    const signals = [
      ...(isAgain ? [isResend ? "resend" : "retry"] : []),
      ...(isOfTask ? [] : ["side"]),
      ...requestSignals(request, this.#options.frustration()),
    ];
    if (parent !== undefined && task.parent === undefined && parent !== id) task.parent = parent;
    const chain = this.#chains.add(keyOf(tenant, id), prompt);
    task.tip = this.#chains.tip(keyOf(tenant, id));
    this.#touch(task, atMs);
    task.isDone = false;
    task.running.add(exchange);
    const isTurn = isOfTask && !isResend;
    this.#running.set(exchange, { task, chain, isTurn, isComplete: false });
    return { ...said, id, source, parent: task.parent, className, signals };
  }

  over(exchange: string): void {
    const running = this.#running.get(exchange);
    if (running === undefined) return;
    this.#running.delete(exchange);
    const { task, chain, isComplete } = running;
    const atMs = this.#clock.now();
    if (chain !== undefined) this.#chains.ended(chain, isComplete, atMs);
    task.running.delete(exchange);
    this.#touch(task, atMs);
    if (task.isDone && task.running.size === 0) void this.#end(task);
  }

  progress(tenant: string, id: string): TaskProgress | undefined {
    const task = this.#open.get(tenant, id);
    return task === undefined ? undefined : { turnsSoFar: task.turns, incumbent: task.incumbent };
  }

  answered(tenant: string, answerId: string, task: string): void {
    this.#answers.set(keyOf(tenant, answerId), task);
    const [oldest] = this.#answers.keys();
    if (this.#answers.size > ANSWERS_MAX && oldest !== undefined) this.#answers.delete(oldest);
  }

  readonly settled = (entry: LedgerEntry): void => {
    if (entry.outcome === "rejected" || entry.provider === undefined) return;
    const running = this.#running.get(entry.exchange);
    const task = running?.task ?? this.#open.get(entry.tenant ?? "", entry.task);
    if (task === undefined) return;
    const isAnswer = entry.outcome === "complete" && entry.signals?.includes("escalated") !== true;
    if (isAnswer && running !== undefined && !running.isComplete) {
      running.isComplete = true;
      if (running.isTurn) {
        task.turns += 1;
        task.incumbent = `${entry.provider}/${entry.model ?? ""}`;
      }
    }
    this.#touch(task, this.#clock.now());
    task.wasSent = true;
    this.#open.changed(task, !task.isWritten);
  };

  async tell(tenant: string, id: string, success: number): Promise<TaskRecord | undefined> {
    const task = this.#open.get(tenant, id) ?? (await this.#open.loaded(tenant, id));
    if (task === undefined) return undefined;
    await task.merged;
    const isNews = task.outcome?.source !== "told" || task.outcome.success !== success;
    task.outcome = { success, source: "told" };
    const isOpen = this.#open.get(tenant, id) === task;
    if (isOpen && task.running.size > 0) {
      task.isDone = true;
      this.#open.changed(task, true);
    } else if (isOpen || isNews) {
      await this.#end(task);
    }
    return this.#open.recordOf(task);
  }

  onEnded(listener: (task: EndedTask) => void): void {
    this.#listeners.push(listener);
  }

  sweep(): Promise<void> {
    this.#sweeping ??= this.#sweep().finally(() => {
      this.#sweeping = undefined;
    });
    return this.#sweeping;
  }

  async recall(): Promise<void> {
    const atMs = this.#clock.now();
    for (const record of await this.#options.ledger.tasks({ ask: "open" })) {
      const task = this.#open.recalled(record, atMs);
      if (record.tip !== undefined) this.#chains.restore(keyOf(task.tenant, task.id), record.tip, atMs);
    }
  }

  written(): Promise<void> {
    return this.#open.written();
  }

  close(): void {
    clearInterval(this.#timer);
    this.#open.write();
  }

  #answeredBy(request: ChatRequest, tenant: string): string | undefined {
    for (const { id } of request.continues ?? []) {
      const task = this.#answers.get(keyOf(tenant, id));
      if (task !== undefined) return task;
    }
    return undefined;
  }

  #opened(
    call: TaskCall & Pick<OpenTask, "id" | "source" | "parent"> & { isFresh: boolean },
    derived: string,
  ): OpenTask {
    const { said, tenant, id, source, caller, isFresh } = call;
    const parent = call.parent === id ? undefined : call.parent;
    const className = said.className ?? this.#options.classes.used(derived);
    const session = said.session;
    const task = this.#open.add(
      { tenant, id, source, parent, caller, className, session },
      this.#options.now(),
      isFresh,
    );
    if (this.#open.size > OPEN_MAX) void this.#end(this.#open.oldest());
    return task;
  }

  #touch(task: OpenTask, atMs: number): void {
    this.#open.touch(task, atMs, this.#options.now());
  }

  /** What a static prefix makes of it is remembered: reading it anew with each call would take milliseconds. */
  #classOf(request: ChatRequest, { hashes, staticPlace, saidPlace }: Prefixes): string {
    const place = saidPlace === -1 ? staticPlace : saidPlace;
    const key = place === -1 ? (request.embedding === undefined ? -1 : -2) : numberOf(hashes, place);
    const known = this.#derived.get(key);
    if (known !== undefined) return known;
    const derived = derivedClass(request, this.#options.boundaryLine());
    this.#derived.set(key, derived);
    const [oldest] = this.#derived.keys();
    if (this.#derived.size > DERIVED_MAX && oldest !== undefined) this.#derived.delete(oldest);
    return derived;
  }

  async #sweep(): Promise<void> {
    const atMs = this.#clock.now();
    for (const task of this.#open.all()) {
      const isIdle = task.running.size === 0 && atMs - task.activeAtMs >= this.#options.idleMs(task.className);
      if (isIdle || (task.isDone && task.running.size === 0)) await this.#end(task);
      else if (this.#open.size > OPEN_MAX && task.running.size === 0) await this.#end(task);
    }
    this.#open.write();
  }

  /** What happens meanwhile keeps it open. Without the ledger nothing ends: it is tried again later. */
  async #end(task: OpenTask): Promise<void> {
    const { version } = task;
    const { ledger, log } = this.#options;
    try {
      await task.merged;
      if (!task.wasSent && task.outcome === undefined && task.version === version) {
        this.#open.drop(task);
        return;
      }
      const attempts = await ledger.tasks({ ask: "attempts", tenant: task.tenant, id: task.id });
      if (task.version !== version || task.running.size > 0) return;
      const before = beforeOf(task, attempts);
      const exchanges = exchangesOf(attempts, task.className);
      if (task.outcome?.source !== "told") task.outcome = outcomeOf(exchanges);
      if (!this.#open.end(task, this.#options.now())) return;
      const legs = legsOf(exchanges);
      if (legs.length === 0) return;
      this.#tell({
        id: task.id,
        tenant: task.tenant,
        className: task.className,
        parent: task.parent,
        startedAtMs: task.startedAtMs,
        endedAtMs: task.lastAtMs,
        legs,
        outcome: task.outcome,
        answers: answersOf(exchanges),
        ...(before === undefined ? {} : { before }),
      });
    } catch (error) {
      log.warn("task-not-ended", { task: task.id, reason: error instanceof Error ? error.message : String(error) });
    }
  }

  #tell(ended: EndedTask): void {
    for (const listener of this.#listeners) {
      try {
        listener(ended);
      } catch (error) {
        const reason = error instanceof Error ? error.message : String(error);
        this.#options.log.warn("task-listener-failed", { task: ended.id, reason });
      }
    }
  }
}

/** What was told of a task when it ended before; nothing was, where there was nothing of it. */
function beforeOf(
  { ends, outcomeBefore, endedBeforeMs, className }: OpenTask,
  attempts: readonly TaskAttempt[],
): EndedTask["before"] {
  if (ends === 0) return undefined;
  if (endedBeforeMs === undefined) return { outcome: outcomeBefore };
  const legs = legsOf(
    exchangesOf(
      attempts.filter(({ startedAtMs }) => startedAtMs <= endedBeforeMs),
      className,
    ),
  );
  return legs.length === 0 ? undefined : { outcome: outcomeBefore, legs };
}

/**
 * The class of a task is that of its longest static prefix: what a title, a summary or another call beside it begins with is much
 * shorter. A class that somebody names holds from then on.
 */
function classIn(
  task: OpenTask,
  told: string | undefined,
  derived: string,
  { tokens, staticPlace }: Prefixes,
  classes: TaskClasses,
): { readonly className: string; readonly isOfTask: boolean } {
  const staticTokens = staticPlace < 0 ? 0 : (tokens[staticPlace] ?? 0);
  if (told !== undefined) {
    task.isClassTold = true;
    task.className = told;
  } else if (!task.isClassTold) {
    if (task.staticTokens === undefined) task.staticTokens = staticTokens;
    if (staticTokens > 2 * task.staticTokens) {
      task.staticTokens = staticTokens;
      const className = classes.used(derived);
      // The turns before were of another kind: they are not counted as turns of this one.
      if (className !== task.className) task.turns = 0;
      task.className = className;
    } else if (2 * staticTokens < task.staticTokens) {
      const className = classes.known(derived);
      return { className, isOfTask: className === task.className };
    }
  }
  return { className: task.className, isOfTask: true };
}

/** No id has such a character in it. */
function keyOf(tenant: string, id: string): string {
  return `${tenant}\u0000${id}`;
}

function idIn(key: string): string {
  return key.slice(key.indexOf("\u0000") + 1);
}

function numberOf(hashes: Uint32Array, place: number): number {
  return (hashes[2 * place] ?? 0) * 2 ** 21 + ((hashes[2 * place + 1] ?? 0) >>> 11);
}
