/** Tells what one channel's outbox holds: one message at a time, each until it was taken, with longer and longer waits in between. */
import type { Log } from "../log.ts";
import { forms, type Outgoing } from "./form.ts";
import type { Channel, Message } from "./message.ts";
import { WAIT_MS_MAX, type Letter, type Outbox } from "./outbox.ts";
import type { Poster, Sent } from "./post.ts";

export interface SenderOptions {
  readonly poster: Pick<Poster, "post">;
  readonly log: Pick<Log, "info" | "warn" | "error">;
  /** Milliseconds since the epoch. */
  readonly now: () => number;
  /** Rejects when the signal aborts; keeps no process alive. */
  readonly sleep: (ms: number, signal: AbortSignal) => Promise<void>;
  /** From 0 to 1: gateways whose receiver is down are not to come back together. */
  readonly random: () => number;
}

const BACKOFF_MS = 1_000;
export const BACKOFF_MS_MAX = 300_000;
const JITTER = 0.2;

export class Sender {
  channel: Channel;
  readonly outbox: Outbox;
  readonly #options: SenderOptions;
  readonly #stop = new AbortController();
  #nap: AbortController | undefined;
  #isSending = false;
  /** Of the channel, in a row: where nothing gets through, one message is tried at a time, and not all of them. */
  #failures = 0;
  told = 0;
  failed = 0;

  constructor(channel: Channel, outbox: Outbox, options: SenderOptions) {
    this.channel = channel;
    this.outbox = outbox;
    this.#options = options;
  }

  tell(message: Message): void {
    if (!this.channel.tells.includes(message.news)) return;
    if (!this.outbox.put(message, forms[this.channel.kind].forgets, this.#options.now())) return;
    // After a failure the wait for the next try goes on: another message does not make the receiver well.
    if (this.#failures === 0 || this.#nap === undefined) this.wake();
  }

  /** Sends what is due, then waits for what will be. */
  wake(): void {
    this.#nap?.abort();
    this.#nap = undefined;
    if (this.#isSending || this.#stop.signal.aborted) return;
    const { now } = this.#options;
    const letter = this.outbox.next(now());
    if (letter !== undefined) return void this.#sendNow(letter);
    const waitMs = this.outbox.waitMs(now());
    if (waitMs !== undefined) this.#rest(waitMs);
  }

  stop(): void {
    this.#stop.abort();
    this.#nap?.abort();
  }

  async #sendNow(letter: Letter): Promise<void> {
    this.#isSending = true;
    const waitMs = await this.#send(letter);
    this.#isSending = false;
    if (waitMs === 0) this.wake();
    else this.#rest(waitMs);
  }

  #rest(ms: number): void {
    if (this.#stop.signal.aborted) return;
    const nap = new AbortController();
    this.#nap = nap;
    this.#options.sleep(Math.min(ms, WAIT_MS_MAX), nap.signal).then(
      () => this.wake(),
      () => undefined,
    );
  }

  /** Never rejects. @returns how long the channel is to rest. */
  async #send(letter: Letter): Promise<number> {
    const { poster, log, now } = this.#options;
    const { channel } = this;
    const form = forms[channel.kind];
    const outgoing = this.#outgoing(letter.message);
    const sent: Sent =
      outgoing === undefined
        ? { isTold: false, reason: "what was written down of it cannot be said" }
        : await poster.post(channel, outgoing, this.#stop.signal);
    if (this.#stop.signal.aborted) return 0;
    const fields = { channel: channel.name, type: letter.message.type, message: letter.id };
    if (sent.isTold) {
      this.told += 1;
      this.#failures = 0;
      if (letter.toldAtMs === undefined) log.info("notified", fields);
      this.outbox.told(letter, now(), form.forgets ? channel.resendMs : undefined);
      return 0;
    }
    this.failed += 1;
    this.#failures += 1;
    const waitMs = Math.max(this.#backoffMs(letter.failures), sent.retryAfterMs ?? 0);
    const isKept = this.outbox.failed(letter, now(), waitMs);
    const failure = { ...fields, reason: sent.reason, tries: letter.failures + 1 };
    if (isKept) log.warn("notify-failed", failure);
    else log.error("notify-given-up", failure);
    return Math.min(Math.max(this.#backoffMs(this.#failures - 1), sent.retryAfterMs ?? 0), WAIT_MS_MAX);
  }

  /** What another version wrote down may lack something; it is no reason to end. */
  #outgoing(message: Message): Outgoing | undefined {
    try {
      return forms[this.channel.kind].outgoing(this.channel, message, this.#options.now());
    } catch {
      return undefined;
    }
  }

  #backoffMs(failures: number): number {
    const plain = Math.min(BACKOFF_MS * 2 ** Math.min(failures, 20), BACKOFF_MS_MAX);
    return Math.round(plain * (1 - JITTER + 2 * JITTER * this.#options.random()));
  }
}
