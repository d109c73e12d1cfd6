/**
 * What clients had written to a cache on purpose, as long as it may be there: their calls after it are to read it, whatever else the
 * mode leaves to them. A hash has its tenant in it, so that nobody finds what another had written.
 */
import type { PlannedMark } from "./plan.ts";
import type { Prefixes } from "./prefixes.ts";

/** Prefixes remembered; about 250 bytes each. Who was written or read longest ago is forgotten first. */
const PREFIXES_MAX = 10_000;
/** Of one prompt the deepest: no provider takes more marks, and a prompt with thousands of them would push out everybody else's. */
const MARKS_MAX = 4;

interface Written {
  /** Which of the gateway's keys it was sent with; `undefined`: none. */
  readonly shard: number | undefined;
  readonly ttlMs: number;
  readonly expiresMs: number;
}

export class PrewarmedPrefixes {
  /** By the prefix, and for each target that has it. */
  readonly #prefixes = new Map<number, ReadonlyMap<string, Written>>();

  /** The deepest of the prompt's places that was written there and may still be read; -1: none. */
  placeIn(prefixes: Prefixes, target: string, nowMs: number): number {
    if (this.#prefixes.size === 0) return -1;
    for (let place = prefixes.spots.length - 1; place >= 0; place -= 1) {
      const written = this.#prefixes.get(numberOf(prefixes, place))?.get(target);
      if (written !== undefined && written.expiresMs > nowMs) return place;
    }
    return -1;
  }

  /** Which of the gateway's keys what ends there was written with; `undefined`: none. */
  shardAt(prefixes: Prefixes, place: number, target: string): number | undefined {
    return place === -1 ? undefined : this.#prefixes.get(numberOf(prefixes, place))?.get(target)?.shard;
  }

  /** A prompt with these marks is sent, so that others can read it. @returns those that were not known to be written. */
  write<Mark extends PlannedMark>(
    prefixes: Prefixes,
    marks: readonly Mark[],
    target: string,
    nowMs: number,
    shard?: number,
  ): readonly Mark[] {
    return marks.slice(-MARKS_MAX).filter(({ place, ttlSeconds }) => {
      const number = numberOf(prefixes, place);
      const before = this.#prefixes.get(number)?.get(target);
      const ttlMs = ttlSeconds * 1_000;
      this.#set(number, target, { shard, ttlMs, expiresMs: nowMs + ttlMs });
      return before === undefined || before.expiresMs <= nowMs;
    });
  }

  /** It was sent once more: what is read lives on. */
  read(prefixes: Prefixes, place: number, target: string, nowMs: number): void {
    const number = numberOf(prefixes, place);
    const written = this.#prefixes.get(number)?.get(target);
    if (written !== undefined) this.#set(number, target, { ...written, expiresMs: nowMs + written.ttlMs });
  }

  /** There was no answer, and nothing was written. */
  forget(prefixes: Prefixes, marks: readonly PlannedMark[], target: string): void {
    for (const { place } of marks) {
      const number = numberOf(prefixes, place);
      const left = new Map(this.#prefixes.get(number));
      left.delete(target);
      if (left.size === 0) this.#prefixes.delete(number);
      else this.#prefixes.set(number, left);
    }
  }

  #set(number: number, target: string, written: Written): void {
    const targets = new Map(this.#prefixes.get(number)).set(target, written);
    this.#prefixes.delete(number);
    this.#prefixes.set(number, targets);
    if (this.#prefixes.size <= PREFIXES_MAX) return;
    const oldest = this.#prefixes.keys().next();
    if (oldest.done !== true) this.#prefixes.delete(oldest.value);
  }
}

/** 53 bits of a place's hash: a number is found without a text being made of it at each place of each prompt. */
function numberOf({ hashes }: Prefixes, place: number): number {
  return (hashes[2 * place]! >>> 0) * 2 ** 21 + (hashes[2 * place + 1]! >>> 11);
}
