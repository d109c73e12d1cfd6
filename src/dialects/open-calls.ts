/**
 * The calls of a conversation that have no result yet, under every name by which a result may speak of them.
 *
 * A request may hold a hundred thousand: none is looked for among the others, and each is passed over once under each of its keys.
 */
interface Entry<Call> {
  readonly call: Call;
  isOpen: boolean;
}

interface Queue<Call> {
  readonly entries: Entry<Call>[];
  /** What stands before it has its result. */
  at: number;
}

export class OpenCalls<Call> {
  readonly #queues = new Map<string, Queue<Call>>();

  open(call: Call, keys: readonly string[]): void {
    const entry = { call, isOpen: true };
    for (const key of keys) {
      const queue = this.#queues.get(key);
      if (queue === undefined) this.#queues.set(key, { entries: [entry], at: 0 });
      else queue.entries.push(entry);
    }
  }

  /** The first call that is open under the first of these keys that has one; it is open no more. */
  close(keys: readonly string[]): Call | undefined {
    for (const key of keys) {
      const queue = this.#queues.get(key);
      if (queue === undefined) continue;
      while (queue.entries[queue.at]?.isOpen === false) queue.at += 1;
      const entry = queue.entries[queue.at];
      if (entry === undefined) continue;
      entry.isOpen = false;
      return entry.call;
    }
    return undefined;
  }
}
