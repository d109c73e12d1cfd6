/**
 * What is to be told on one channel, what was, and what is due: in memory, and written down with each change. Bounded. No clock here:
 * time is an argument, and may jump. What is due later than any wait lasts is due now, and nothing is given up for its age alone.
 */
import type { OutboxRow } from "../ledger-outbox.ts";
import type { Message } from "./message.ts";

/** Whoever writes it down: the ledger. */
export interface OutboxStore {
  post(row: OutboxRow): boolean;
  unpost(row: Pick<OutboxRow, "channel" | "id">): void;
}

/** A message that is to be told, or told again. */
export interface Letter extends Omit<OutboxRow, "message"> {
  readonly message: Message;
}

/** Messages that wait: beyond that, the oldest is lost. */
export const LETTERS_MAX = 1_000;
/** What was told and is known by its id: beyond that, the oldest may come again. */
export const TOLD_MAX = 5_000;
/** The longest wait between two tries. */
export const WAIT_MS_MAX = 3_600_000;
const HOUR_MS = 3_600_000;
const DAY_MS = 86_400_000;
/** Nobody wants to hear of it any more when it has been tried for so long, and so often. */
export const GIVE_UP_MS: number = 3 * DAY_MS;
const GIVE_UP_FAILURES = 8;

export class Outbox {
  readonly #channel: string;
  readonly #store: OutboxStore;
  /** By the message's id, oldest first. */
  readonly #letters = new Map<string, Letter>();
  /** Until when each id is known. */
  readonly #told = new Map<string, number>();
  #prunedAtMs = 0;
  /** Messages that nobody will ever be told of. */
  lost = 0;

  constructor(channel: string, store: OutboxStore) {
    this.#channel = channel;
    this.#store = store;
  }

  /** What an earlier process wrote down. */
  recall(row: OutboxRow): void {
    const message = messageIn(row);
    if (message === undefined) this.#told.set(row.id, row.expiresAtMs);
    else this.#letters.set(row.id, { ...row, message });
  }

  /** Messages that nobody was told of yet. */
  get waiting(): readonly Letter[] {
    return [...this.#letters.values()].filter(({ toldAtMs }) => toldAtMs === undefined);
  }

  /**
   * @param forgets Whether what fires is told again until it does not.
   * @returns false for what is known already.
   */
  put(given: Message, forgets: boolean, nowMs: number): boolean {
    this.#prune(nowMs);
    if (this.#letters.has(given.id) || this.#told.has(given.id)) return false;
    const message = given.isResolved && forgets ? this.#ended(given) : given;
    if (this.#letters.size >= LETTERS_MAX) {
      const oldest = this.#letters.values().next().value;
      if (oldest !== undefined) this.drop(oldest);
    }
    this.#write({
      channel: this.#channel,
      id: message.id,
      message,
      createdAtMs: nowMs,
      failures: 0,
      toldAtMs: undefined,
      dueAtMs: nowMs,
      expiresAtMs: Math.max(message.endsAtMs, nowMs) + DAY_MS,
    });
    return true;
  }

  /**
   * What is to be told now: what nobody has heard of comes before what is told again, and of that what failed least, so that one which is
   * never taken keeps no other waiting; then what came first.
   */
  next(nowMs: number): Letter | undefined {
    const due = this.#due().filter((letter) => waitOf(letter, nowMs) <= 0);
    const untold = due.filter(({ toldAtMs }) => toldAtMs === undefined);
    const all = untold.length > 0 ? untold : due;
    const least = Math.min(...all.map(({ failures }) => failures));
    return all.find(({ failures }) => failures === least);
  }

  /** In how long something is due; `undefined`: nothing is. */
  waitMs(nowMs: number): number | undefined {
    const waits = this.#due().map((letter) => waitOf(letter, nowMs));
    return waits.length === 0 ? undefined : Math.max(0, Math.min(...waits));
  }

  /** @param againMs In how long it is told again while it fires; `undefined`: it is not. */
  told(letter: Letter, nowMs: number, againMs: number | undefined): void {
    const known = this.#letters.get(letter.id);
    // It ended while it was on its way.
    if (known === undefined) return;
    const fires = !letter.message.isResolved && letter.message.endsAtMs > nowMs;
    if (againMs === undefined || !fires) return this.#finish(known, nowMs);
    this.#write({ ...known, failures: 0, toldAtMs: nowMs, dueAtMs: nowMs + againMs });
  }

  /** @returns false where it is given up. */
  failed(letter: Letter, nowMs: number, waitMs: number): boolean {
    const known = this.#letters.get(letter.id);
    if (known === undefined) return true;
    const failures = known.failures + 1;
    if (failures >= GIVE_UP_FAILURES && nowMs - known.createdAtMs > GIVE_UP_MS) {
      this.drop(known);
      return false;
    }
    this.#write({ ...known, failures, dueAtMs: nowMs + Math.min(waitMs, WAIT_MS_MAX) });
    return true;
  }

  drop(letter: Letter): void {
    if (letter.toldAtMs === undefined) this.lost += 1;
    this.#letters.delete(letter.id);
    this.#store.unpost(letter);
  }

  /** Nobody is left to be told. */
  clear(): void {
    for (const letter of this.#letters.values()) this.drop(letter);
    for (const id of this.#told.keys()) this.#forget(id);
  }

  /** Those whose turn it may be: what is about the same thing is told in order. */
  #due(): readonly Letter[] {
    const told = new Set<string>();
    return [...this.#letters.values()].filter(({ message, toldAtMs }) => {
      if (told.has(message.about)) return false;
      if (toldAtMs === undefined) told.add(message.about);
      return true;
    });
  }

  /** What is told again until it ends is not from now on; its end has the same labels, or it would be another one's. */
  #ended(message: Message): Message {
    const fired = [...this.#letters.values()].find((letter) => letter.message.about === message.about);
    if (fired === undefined) return message;
    this.#finish(fired, message.atMs);
    return { ...message, labels: fired.message.labels, severity: fired.message.severity };
  }

  #finish(letter: Letter, nowMs: number): void {
    this.#letters.delete(letter.id);
    this.#told.set(letter.id, letter.expiresAtMs);
    this.#store.post({ ...letter, message: undefined, toldAtMs: nowMs });
    const [oldest] = this.#told.keys();
    if (this.#told.size > TOLD_MAX && oldest !== undefined) this.#forget(oldest);
  }

  #write(letter: Letter): void {
    this.#letters.set(letter.id, letter);
    // Without room it is in memory all the same, and told; only a crash before that would forget it.
    this.#store.post({ ...letter, message: JSON.stringify(letter.message) });
  }

  #prune(nowMs: number): void {
    if (Math.abs(nowMs - this.#prunedAtMs) < HOUR_MS) return;
    this.#prunedAtMs = nowMs;
    for (const [id, expiresAtMs] of this.#told) {
      if (expiresAtMs < nowMs) this.#forget(id);
    }
  }

  #forget(id: string): void {
    this.#told.delete(id);
    this.#store.unpost({ channel: this.#channel, id });
  }
}

function waitOf({ dueAtMs }: Letter, nowMs: number): number {
  const waitMs = dueAtMs - nowMs;
  return waitMs > WAIT_MS_MAX ? 0 : waitMs;
}

/** `undefined`: there is nothing more to say, or nobody can read it. */
function messageIn({ message }: OutboxRow): Message | undefined {
  if (message === undefined) return undefined;
  try {
    return JSON.parse(message) as Message;
  } catch {
    return undefined;
  }
}
