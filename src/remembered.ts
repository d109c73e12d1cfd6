/**
 * Answers that nobody else keeps: of targets whose servers forget what they said, for clients that go on from an answer by its id.
 *
 * In memory only, within a bound of bytes and for an hour after the last use, each for the tenant it was given to. What was said is
 * the client's: it is written nowhere, and gone with the process.
 *
 * Some clients name the last answer, others every item of all of them. A conversation is remembered whole with each of its answers,
 * so that its bytes grow with the square of its turns, and the latest alone is wanted; items are small, and all of them are. So each
 * has half of the room: a long conversation does not push out its own first items.
 */
import type { JsonObject } from "./chat.ts";
import type { Memory, RememberedAnswer } from "./dialects/remembering.ts";

export interface Remembered {
  /** Whether anything is remembered at all. */
  readonly isOn: boolean;
  /** @param tenant Who asks: nobody else's is found. */
  answer(id: string, tenant: string): RememberedAnswer | undefined;
  item(id: string, tenant: string): JsonObject | undefined;
  keep(remembered: RememberedAnswer, tenant: string): void;
  /** @returns whether it was there. */
  forget(id: string, tenant: string): boolean;
}

/** What is remembered, as one tenant finds it. */
export function memoryOf(remembered: Remembered, tenant: string): Memory {
  return { answer: (id) => remembered.answer(id, tenant), item: (id) => remembered.item(id, tenant) };
}

/** @param bytesMax All of them together; 0 remembers nothing. */
export function createRemembered(bytesMax: () => number, now: () => number): Remembered {
  const answers = new RecentTexts(() => bytesMax() / 2, now);
  const items = new RecentTexts(() => bytesMax() / 2, now);
  const answer = (id: string, tenant: string) => answers.get(keyOf(id, tenant)) as RememberedAnswer | undefined;
  return {
    get isOn() {
      return bytesMax() > 0;
    },
    answer,
    item: (id, tenant) => items.get(keyOf(id, tenant)) as JsonObject | undefined,
    keep(remembered, tenant) {
      answers.set(keyOf(remembered.id, tenant), remembered);
      for (const { id, item } of remembered.items) items.set(keyOf(id, tenant), item);
    },
    forget(id, tenant) {
      const found = answer(id, tenant);
      answers.delete(keyOf(id, tenant));
      for (const item of found?.items ?? []) items.delete(keyOf(item.id, tenant));
      return found !== undefined;
    },
  };
}

function keyOf(id: string, tenant: string): string {
  return `${tenant}\u0000${id}`;
}

/** How long after its last use something is remembered. */
const KEPT_MS = 3_600_000;
/** What one takes beside its text. */
const ENTRY_BYTES = 300;

interface Entry {
  /** JSON: its size is known, and a fraction of what it is as objects. */
  readonly text: Buffer;
  usedAtMs: number;
}

class RecentTexts {
  readonly #bytesMax: () => number;
  readonly #now: () => number;
  /** The least recently used first. */
  readonly #entries = new Map<string, Entry>();
  #bytes = 0;

  constructor(bytesMax: () => number, now: () => number) {
    this.#bytesMax = bytesMax;
    this.#now = now;
  }

  get(key: string): unknown {
    this.#sweep();
    const entry = this.#entries.get(key);
    if (entry === undefined) return undefined;
    entry.usedAtMs = this.#now();
    this.#entries.delete(key);
    this.#entries.set(key, entry);
    return JSON.parse(entry.text.toString("utf8"));
  }

  set(key: string, value: object): void {
    this.delete(key);
    const entry = { text: Buffer.from(JSON.stringify(value)), usedAtMs: this.#now() };
    // One that has no room takes nobody else's.
    if (bytesOf(entry) > this.#bytesMax()) return;
    this.#entries.set(key, entry);
    this.#bytes += bytesOf(entry);
    this.#sweep();
  }

  delete(key: string): void {
    const entry = this.#entries.get(key);
    if (entry === undefined) return;
    this.#entries.delete(key);
    this.#bytes -= bytesOf(entry);
  }

  #sweep(): void {
    const endedMs = this.#now() - KEPT_MS;
    for (const [key, entry] of this.#entries) {
      if (this.#bytes <= this.#bytesMax() && entry.usedAtMs > endedMs) return;
      this.delete(key);
    }
  }
}

function bytesOf({ text }: Entry): number {
  return text.length + ENTRY_BYTES;
}
