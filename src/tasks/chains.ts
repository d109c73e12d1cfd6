/**
 * Which conversation a prompt goes on with, of clients that name none: its prefixes are looked up among those of the prompts before it.
 *
 * - What begins with all that an earlier prompt was, and goes on behind it, is the same task's next turn.
 * - The same prompt again is a client that tries again, as long as nobody went on from it and its answer is no older than two minutes.
 *   After that it is another conversation that begins alike.
 * - What is the same as in an older task, or was for a while, goes on with a newer one that said its beginning since and waits.
 * - What parts from a task behind one of the task's own answers is a fork: a child of it. What parts before that (few-shot examples,
 *   a document, the same first question) only begins alike, and is a task of its own.
 * - A prompt whose end differs from how the task's newest prompt said it, and which goes on behind an answer, is the same task of a
 *   client that rewrites what it said last.
 *
 * Bounded: 65,536 places at about 60 bytes, 4 MB, and what they point to. Half of them are forgotten at a time, the older ones.
 */
import { crc32 } from "node:zlib";
import type { Prefixes } from "../cache/prefixes.ts";
import type { ChatRequest } from "../chat.ts";

export type ChainPrompt = Pick<Prefixes, "hashes" | "spots" | "staticPlace" | "tokens"> & {
  readonly request: Pick<ChatRequest, "messages" | "endUser">;
};

export type Traced =
  | { readonly kind: "new" }
  /** Nothing of it is known, though it has answers in it: from before a restart, or examples. */
  | { readonly kind: "unknown" }
  | { readonly kind: "same"; readonly task: string }
  /** @param wasAnswered Or is being answered. */
  | { readonly kind: "resend"; readonly task: string; readonly wasAnswered: boolean }
  | { readonly kind: "child"; readonly task: string };

/** Places that are remembered. */
export const PLACES_MAX = 65_536;
/** Of one prompt; the deepest. */
const PLACES_PER_PROMPT_MAX = 64;
/** How far up a known place is looked for. */
const STEPS_MAX = 1_024;
/** How long after its answer the same prompt is a client that tries again, and after a failure. */
export const RESEND_MS = { answered: 120_000, failed: 600_000 } as const;

interface Exchange {
  readonly task: string;
  /** Where its prompt ends. */
  readonly end: number;
  readonly messages: number;
  /** Messages of its task's first prompt: what is behind them, the task has said itself. */
  readonly rootMessages: number;
  /** What it goes on from, while it runs. */
  before: Exchange | undefined;
  isContinued: boolean;
  /** Milliseconds; `undefined` while it runs. */
  overAtMs: number | undefined;
  wasAnswered: boolean;
}

export class Chains {
  #recent = new Map<number, Exchange>();
  #older = new Map<number, Exchange>();
  /** By the task: its newest. */
  readonly #newest = new Map<string, Exchange>();

  /** @param nowMs On the clock of {@link ended}. */
  trace(prompt: ChainPrompt, nowMs: number): Traced {
    const end = prompt.spots.length - 1;
    const endKey = keyOf(prompt, end);
    for (let place = end; place > this.#first(prompt) && end - place < STEPS_MAX; place -= 1) {
      const key = keyOf(prompt, place);
      const known = this.#at(key);
      if (known === undefined || isPassedOver(known, key)) continue;
      const { task, isContinued, overAtMs } = known;
      const parted = this.#parted(prompt, place, known);
      if (known.end !== key && this.#isRewritten(prompt, place, known)) return { kind: "same", task };
      if (known.end === key && key !== endKey && !isContinued) return { kind: "same", task };
      const other = this.#before(prompt, place);
      if (other !== undefined && isWaitingSince(other, overAtMs)) return { kind: "same", task: other.task };
      if (key !== endKey || known.end !== key) return parted;
      const wasAnswered = known.wasAnswered || overAtMs === undefined;
      const sinceMs = overAtMs === undefined ? 0 : nowMs - overAtMs;
      const isRecent = sinceMs <= (wasAnswered ? RESEND_MS.answered : RESEND_MS.failed);
      return isRecent && !isContinued ? { kind: "resend", task, wasAnswered } : parted;
    }
    return firstAnswer(prompt) === -1 ? { kind: "new" } : { kind: "unknown" };
  }

  /** Remembers a prompt as its task's newest. @returns what is to be told to {@link ended}. */
  add(task: string, prompt: ChainPrompt): Exchange {
    const end = prompt.spots.length - 1;
    const before = this.#newest.get(task);
    const messages = prompt.request.messages.length;
    const endKey = keyOf(prompt, end);
    let known = end;
    let previous: Exchange | undefined;
    for (; known > this.#first(prompt); known -= 1) {
      const key = keyOf(prompt, known);
      previous = this.#at(key);
      if (previous !== undefined && !isPassedOver(previous, key)) break;
      previous = undefined;
    }
    // What was the same in another task is not what this one goes on from.
    if (previous !== undefined && previous.task !== task) previous = this.#before(prompt, known);
    const continues = previous?.task === task && previous.end !== endKey ? previous : undefined;
    if (continues !== undefined) continues.isContinued = true;
    const exchange: Exchange = {
      task,
      end: endKey,
      messages,
      rootMessages: before?.rootMessages ?? messages,
      before: continues,
      isContinued: false,
      overAtMs: undefined,
      wasAnswered: false,
    };
    const from = Math.max(known, end - PLACES_PER_PROMPT_MAX);
    for (let place = from + 1; place < end; place += 1) this.#set(keyOf(prompt, place), exchange);
    if (end >= 0) this.#set(endKey, exchange);
    this.#newest.delete(task);
    this.#newest.set(task, exchange);
    if (this.#newest.size > PLACES_MAX / 4) this.#newest.delete(this.#newest.keys().next().value as string);
    return exchange;
  }

  /** An exchange is over. One that had no answer is none that anybody could go on from. */
  ended(exchange: Exchange, isComplete: boolean, nowMs: number): void {
    exchange.overAtMs = nowMs;
    exchange.wasAnswered = isComplete;
    if (!isComplete && exchange.before !== undefined) exchange.before.isContinued = false;
    exchange.before = undefined;
  }

  /** Where the task's newest prompt ends, for {@link restore} after a restart. */
  tip(task: string): number | undefined {
    return this.#newest.get(task)?.end;
  }

  /** What an earlier process knew: a prompt that begins with it goes on with the task. */
  restore(task: string, tip: number, nowMs: number): void {
    if (this.#at(tip) !== undefined) return;
    const exchange: Exchange = {
      task,
      end: tip,
      messages: 0,
      rootMessages: Number.POSITIVE_INFINITY,
      before: undefined,
      isContinued: false,
      overAtMs: nowMs,
      wasAnswered: true,
    };
    this.#set(tip, exchange);
    this.#newest.set(task, exchange);
  }

  /** The prompt that one goes on from which ends above this place, if the nearest that is known is one. */
  #before(prompt: ChainPrompt, below: number): Exchange | undefined {
    for (let place = below - 1; place > this.#first(prompt) && below - place < STEPS_MAX; place -= 1) {
      const key = keyOf(prompt, place);
      const known = this.#at(key);
      if (known === undefined || isPassedOver(known, key)) continue;
      if (known.end === key) return known;
    }
    return undefined;
  }

  /** What only begins alike is no fork. */
  #parted(prompt: ChainPrompt, place: number, { task, rootMessages }: Exchange): Traced {
    const spot = prompt.spots[place];
    const message = spot === undefined || spot.kind === "tools" ? -1 : spot.message;
    return message >= rootMessages ? { kind: "child", task } : { kind: "new" };
  }

  /** Of a client that says its last part otherwise in the next turn (without what it had looked up for it, say). */
  #isRewritten({ request, spots }: ChainPrompt, place: number, known: Exchange): boolean {
    if (this.#newest.get(known.task) !== known || request.messages.length <= known.messages) return false;
    const spot = spots[place];
    const from = spot === undefined || spot.kind === "tools" ? 0 : spot.message + 1;
    return request.messages.slice(from).some(({ role }) => role === "assistant");
  }

  /** What stands before anybody says something is everybody's; a prompt of nothing else is known by it. */
  #first({ staticPlace, spots }: ChainPrompt): number {
    return Math.min(staticPlace, spots.length - 2);
  }

  #at(key: number): Exchange | undefined {
    const recent = this.#recent.get(key);
    if (recent !== undefined) return recent;
    const older = this.#older.get(key);
    if (older !== undefined) this.#set(key, older);
    return older;
  }

  #set(key: number, exchange: Exchange): void {
    if (this.#recent.size >= PLACES_MAX / 2 && !this.#recent.has(key)) {
      this.#older = this.#recent;
      this.#recent = new Map();
    }
    this.#recent.set(key, exchange);
  }
}

/** Nobody goes on from within what had no answer; it may be said otherwise. */
function isPassedOver({ end, overAtMs, wasAnswered }: Exchange, key: number): boolean {
  return end !== key && overAtMs !== undefined && !wasAnswered;
}

/** It was answered after that, and nobody has gone on from it. */
function isWaitingSince({ isContinued, overAtMs, wasAnswered }: Exchange, sinceMs: number | undefined): boolean {
  return !isContinued && wasAnswered && overAtMs !== undefined && sinceMs !== undefined && overAtMs > sinceMs;
}

export type ChainExchange = ReturnType<Chains["add"]>;

function firstAnswer({ request }: ChainPrompt): number {
  return request.messages.findIndex(({ role }) => role === "assistant");
}

/**
 * As many bits of a prefix's hash as a number holds exactly. End users of one application are told apart; what an agent writes there as
 * JSON names its session, and a fork has another one.
 */
function keyOf({ hashes, request }: ChainPrompt, place: number): number {
  const high = hashes[2 * place] ?? 0;
  const { endUser = "{" } = request;
  const user = endUser.startsWith("{") ? 0 : crc32(endUser);
  return ((high ^ user) >>> 0) * 2 ** 21 + ((hashes[2 * place + 1] ?? 0) >>> 11);
}
