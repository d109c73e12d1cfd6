/** The table of open tasks, and their rows in the ledger. A task that may have been there before is made whole from its row first. */
import { setTimeout as wait } from "node:timers/promises";
import type { Ledger } from "../ledger.ts";
import type { OpenTaskRecord, TaskRecord } from "../ledger-tasks.ts";
import type { TaskOutcome } from "./ended-task.ts";

export interface OpenTask {
  readonly tenant: string;
  readonly id: string;
  readonly source: TaskRecord["source"];
  readonly caller: string | undefined;
  readonly session: string | undefined;
  parent: string | undefined;
  className: string;
  isClassTold: boolean;
  /** Of the prompts that its class is from. */
  staticTokens: number | undefined;
  startedAtMs: number;
  lastAtMs: number;
  /** On the clock that does not jump. */
  activeAtMs: number;
  ends: number;
  endedAtMs: number | undefined;
  outcome: TaskOutcome | undefined;
  /** What it was said to be when it ended last. */
  outcomeBefore: TaskOutcome | undefined;
  /** When that was; `undefined`: it did not end yet, or nobody knows. */
  endedBeforeMs: number | undefined;
  tip: number | undefined;
  turns: number;
  incumbent: string | undefined;
  /** Something of it was sent to a target. Before that it is none that anybody should hear of. */
  wasSent: boolean;
  readonly running: Set<string>;
  /** Its end was asked for while it ran. */
  isDone: boolean;
  isWritten: boolean;
  /** Rises with each call. */
  version: number;
  /** Until then what its row says is not known, and it is not written. */
  merged: Promise<void> | undefined;
}

type Begun = Pick<OpenTask, "tenant" | "id" | "source" | "parent" | "caller" | "className" | "session">;

export class OpenTasks {
  readonly #ledger: Pick<Ledger, "keepTask" | "tasks">;
  /** Idle longest first. */
  readonly #open = new Map<string, OpenTask>();
  /** Whose rows are behind. */
  readonly #changed = new Set<OpenTask>();

  constructor(ledger: Pick<Ledger, "keepTask" | "tasks">) {
    this.#ledger = ledger;
  }

  get size(): number {
    return this.#open.size;
  }

  get(tenant: string, id: string): OpenTask | undefined {
    return this.#open.get(keyOf({ tenant, id }));
  }

  all(): readonly OpenTask[] {
    return [...this.#open.values()];
  }

  oldest(): OpenTask {
    return this.#open.values().next().value as OpenTask;
  }

  /** @param isFresh Whether nobody can have had its id before. */
  add(begun: Begun, nowMs: number, isFresh: boolean): OpenTask {
    const task = newTask(begun, nowMs);
    this.#open.set(keyOf(task), task);
    if (!isFresh) task.merged = this.#merge(task);
    return task;
  }

  /** One that is over, as its row has it: not open by that. */
  async loaded(tenant: string, id: string): Promise<OpenTask | undefined> {
    const record = await this.#ledger.tasks({ ask: "one", tenant, id });
    // It may have been opened in the meantime.
    return this.get(tenant, id) ?? (record === undefined ? undefined : taskOf(record));
  }

  recalled(record: OpenTaskRecord, activeAtMs: number): OpenTask {
    const known = this.get(record.tenant, record.id);
    if (known !== undefined) return known;
    const { turns, incumbent } = record;
    const task = { ...taskOf(record), turns, incumbent, activeAtMs };
    this.#open.set(keyOf(task), task);
    return task;
  }

  touch(task: OpenTask, activeAtMs: number, nowMs: number): void {
    task.activeAtMs = activeAtMs;
    task.lastAtMs = Math.max(task.startedAtMs, nowMs);
    task.version += 1;
    this.#changed.add(task);
    const key = keyOf(task);
    if (this.#open.get(key) !== task) return;
    this.#open.delete(key);
    this.#open.set(key, task);
  }

  changed(task: OpenTask, isUrgent: boolean): void {
    this.#changed.add(task);
    if (isUrgent && task.merged === undefined) this.#write(task);
  }

  /** All that has changed; what finds no room waits for the next time. */
  write(): void {
    for (const task of this.#changed) if (task.merged === undefined && task.wasSent) this.#write(task);
  }

  /** The same, with what is still being made whole. */
  async written(): Promise<void> {
    const isBehind = [...this.#changed].some(({ merged, wasSent }) => merged !== undefined && wasSent);
    // Questions are answered in their order: those that are waited for were asked before.
    if (isBehind) await this.#ledger.tasks({ ask: "one", tenant: "", id: "" });
    this.write();
  }

  /** Of which nothing is to be said. */
  drop(task: OpenTask): void {
    this.#changed.delete(task);
    const key = keyOf(task);
    if (this.#open.get(key) === task) this.#open.delete(key);
  }

  /** @returns whether its end could be written down. */
  end(task: OpenTask, nowMs: number): boolean {
    const ended = { ...this.recordOf(task), endedAtMs: nowMs, ends: task.ends + 1 };
    if (!this.#ledger.keepTask(ended)) return false;
    task.ends += 1;
    task.endedAtMs = nowMs;
    task.outcomeBefore = task.outcome;
    task.endedBeforeMs = nowMs;
    task.isWritten = true;
    this.drop(task);
    return true;
  }

  recordOf(task: OpenTask): TaskRecord {
    const isOpen = this.#open.get(keyOf(task)) === task;
    return {
      tenant: task.tenant,
      id: task.id,
      className: task.className,
      parent: task.parent,
      source: task.source,
      caller: task.caller,
      startedAtMs: task.startedAtMs,
      lastAtMs: task.lastAtMs,
      endedAtMs: isOpen ? undefined : task.endedAtMs,
      ends: task.ends,
      outcome: task.outcome,
      tip: task.tip,
    };
  }

  #write(task: OpenTask): void {
    if (this.#open.get(keyOf(task)) === task && !this.#ledger.keepTask(this.recordOf(task))) return;
    task.isWritten = true;
    this.#changed.delete(task);
  }

  /** While the ledger does not answer, the task stays open, and its row as it is. */
  async #merge(task: OpenTask): Promise<void> {
    const row = await this.#row(task);
    if (row !== undefined) {
      task.isWritten = true;
      task.startedAtMs = Math.min(task.startedAtMs, row.startedAtMs);
      task.parent ??= row.parent;
      task.ends = row.ends;
      task.outcomeBefore = row.outcome;
      task.endedBeforeMs = row.endedAtMs;
      if (row.outcome?.source === "told") task.outcome ??= row.outcome;
      if (!task.isClassTold && !row.className.startsWith("c-")) {
        task.className = row.className;
        task.isClassTold = true;
      }
    }
    task.merged = undefined;
    this.#changed.add(task);
    if (task.wasSent) this.#write(task);
  }

  async #row({ tenant, id }: OpenTask): Promise<TaskRecord | undefined> {
    for (;;) {
      try {
        return await this.#ledger.tasks({ ask: "one", tenant, id });
      } catch {
        await wait(AGAIN_MS, undefined, { ref: false });
      }
    }
  }
}

const AGAIN_MS = 5_000;

function newTask(begun: Begun, nowMs: number): OpenTask {
  return {
    ...begun,
    isClassTold: false,
    staticTokens: undefined,
    startedAtMs: nowMs,
    lastAtMs: nowMs,
    activeAtMs: 0,
    ends: 0,
    endedAtMs: undefined,
    outcome: undefined,
    outcomeBefore: undefined,
    endedBeforeMs: undefined,
    tip: undefined,
    turns: 0,
    incumbent: undefined,
    wasSent: false,
    running: new Set(),
    isDone: false,
    isWritten: false,
    version: 0,
    merged: undefined,
  };
}

function taskOf(record: TaskRecord): OpenTask {
  const { tenant, id, source, parent, caller, className, startedAtMs, lastAtMs, endedAtMs, ends, outcome, tip } =
    record;
  return {
    ...newTask({ tenant, id, source, parent, caller, className, session: undefined }, startedAtMs),
    isClassTold: !className.startsWith("c-"),
    lastAtMs,
    endedAtMs,
    ends,
    outcome,
    outcomeBefore: outcome,
    endedBeforeMs: endedAtMs,
    tip,
    wasSent: true,
    isWritten: true,
  };
}

function keyOf({ tenant, id }: Pick<OpenTask, "tenant" | "id">): string {
  return `${tenant}\u0000${id}`;
}
