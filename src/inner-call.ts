/**
 * A call that the gateway makes for one that it serves (a review of its answer): through the same line, for the same caller and task, with
 * a row of its own. It is counted with the call it is made for, not as another one.
 */
import type { Admitted } from "./admission.ts";
import { TAGS_HEADER, tagsText } from "./budgets/subject.ts";
import type { Caller } from "./exchange.ts";
import type { Reply } from "./reply.ts";
import type { Task } from "./task.ts";

/** For whom it is made. */
export interface InnerCall {
  readonly caller: Caller;
  readonly task: Task;
}

/** It came in with the call it is made for. */
export const ADMITTED: Admitted = {
  refused: undefined,
  body: { bytesMax: Number.POSITIVE_INFINITY, hold() {} },
  letGo() {},
  leave() {},
};

/** Of the task that it is made for. @param tags What budgets know the call by that it is made for. */
export function innerHeaders({ id, className }: Task, tags: Readonly<Record<string, string>> = {}): Headers {
  const budgetTags = tagsText(tags);
  return new Headers({
    "x-sluice-task": id,
    ...(budgetTags === undefined ? {} : { [TAGS_HEADER]: budgetTags }),
    ...(className === undefined ? {} : { "x-sluice-task-class": className }),
  });
}

/** Keeps a whole answer. */
export class InnerReply implements Reply {
  readonly #signal: AbortSignal;
  readonly #pieces: Buffer[] = [];
  #status = 0;
  #isWhole = false;

  /** @param signal Aborted when whoever the call is made for has left. */
  constructor(signal: AbortSignal) {
    this.#signal = signal;
  }

  get started(): boolean {
    return this.#status !== 0;
  }

  /** The answer; `undefined`: it was refused, or broke off. */
  get answer(): Uint8Array | undefined {
    return this.#isWhole && this.#status === 200 ? Buffer.concat(this.#pieces) : undefined;
  }

  start(status: number): void {
    this.#status = status;
  }

  write(bytes: Uint8Array | string): boolean {
    this.#pieces.push(Buffer.from(bytes));
    return true;
  }

  end(bytes?: Uint8Array | string): void {
    if (bytes !== undefined) this.write(bytes);
    this.#isWhole = true;
  }

  fail(): void {}

  onDrain(): void {}

  onGone(listener: () => void): void {
    if (this.#signal.aborted) listener();
    else this.#signal.addEventListener("abort", listener, { once: true });
  }
}
