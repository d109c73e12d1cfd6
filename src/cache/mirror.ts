/**
 * What a provider's cache is believed to hold: an entry per border, its lifetime, and whether it can be read yet. An entry stands on
 * the one that was read when it was written, and dies with it: tokens live for the class that they were paid in.
 */
import { NONE } from "./prefix-tree.ts";

const LONG = 1;
/** Stands on an entry of the short class, or is one. */
const SHORT_BELOW = 2;
const IN_FLIGHT = 4;
/** Nobody will hear when it can be read: it is believed to be so from the expected time on. */
const UNHEARD = 8;
/** What is so long overdue is not coming, even if nobody said so. */
const OVERDUE_MS = 10 * 60_000;
/** Of a chain of entries, so many are prolonged: more than are ever looked at. */
const REFRESHED_MAX = 512;

export class Mirror {
  readonly #expiresMs: Float64Array;
  /** When it can be read: as expected, while it is in flight. */
  readonly #readableMs: Float64Array;
  readonly #flags: Uint8Array;
  /** The entry it stands on: a border further up, which is never forgotten before this one. */
  readonly #under: Int32Array;
  /** Which plan wrote it. */
  readonly #writer: Uint32Array;
  /** The last look at which an entry was found whole, and so everything that stands on it may be. */
  readonly #whole: Uint32Array;
  #look = 0;

  constructor(bordersMax: number) {
    this.#expiresMs = new Float64Array(bordersMax);
    this.#readableMs = new Float64Array(bordersMax);
    this.#flags = new Uint8Array(bordersMax);
    this.#under = new Int32Array(bordersMax);
    this.#writer = new Uint32Array(bordersMax);
    this.#whole = new Uint32Array(bordersMax);
  }

  /** A border begins without an entry. */
  reset(border: number): void {
    this.#expiresMs[border] = -Infinity;
    this.#flags[border] = 0;
    this.#under[border] = NONE;
    this.#whole[border] = 0;
  }

  /** Looks along a prompt's borders, shallow to deep. What stands on one that is missing there is believed on that one's word. */
  look({ path, length, isCut }: Way, nowMs: number): Look {
    this.#look = (this.#look + 1) >>> 0;
    let hit = NONE;
    let coming = NONE;
    for (let index = 0; index < length; index += 1) {
      const border = path[index] as number;
      if (this.#isOver(border, nowMs)) continue;
      if (this.#isInFlight(border, nowMs)) {
        if (this.isComing(border, nowMs)) coming = index;
        continue;
      }
      const under = this.#under[border] as number;
      const standsOnWhole = under === NONE || this.#whole[under] === this.#look;
      if (!standsOnWhole && !(isCut && this.isAlive(under, nowMs))) continue;
      this.#whole[border] = this.#look;
      hit = index;
    }
    return { hit, coming };
  }

  isAlive(border: number, nowMs: number): boolean {
    return !this.#isOver(border, nowMs) && !this.#isInFlight(border, nowMs);
  }

  isComing(border: number, nowMs: number): boolean {
    if (!this.#isInFlight(border, nowMs) || this.#isOver(border, nowMs)) return false;
    return nowMs <= (this.#readableMs[border] as number) + OVERDUE_MS;
  }

  #isOver(border: number, nowMs: number): boolean {
    return (this.#expiresMs[border] as number) <= nowMs;
  }

  #isInFlight(border: number, nowMs: number): boolean {
    const flags = this.#flags[border] as number;
    if ((flags & IN_FLIGHT) === 0) return false;
    return (flags & UNHEARD) === 0 || nowMs < (this.#readableMs[border] as number);
  }

  isLong(border: number): boolean {
    return ((this.#flags[border] as number) & LONG) !== 0;
  }

  /** Whether this entry or one that it stands on is of the short class. */
  hasShort(border: number): boolean {
    return ((this.#flags[border] as number) & SHORT_BELOW) !== 0;
  }

  writer(border: number): number {
    return this.#writer[border] as number;
  }

  isHeard(border: number): boolean {
    return ((this.#flags[border] as number) & UNHEARD) === 0;
  }

  /** Whether its writer has not been heard of yet, whatever is believed of it. */
  isAwaited(border: number): boolean {
    return ((this.#flags[border] as number) & IN_FLIGHT) !== 0;
  }

  /** The entry that it stands on; {@link NONE}: it stands alone. */
  under(border: number): number {
    return this.#under[border] as number;
  }

  /** Once it can be read: since when it has been. */
  readableMs(border: number): number {
    return this.#readableMs[border] as number;
  }

  /** A use prolongs the entry and all it stands on. */
  refresh(border: number, shortMs: number, longMs: number, nowMs: number): void {
    let entry = border;
    for (let count = 0; entry !== NONE && count < REFRESHED_MAX; count += 1) {
      this.#expiresMs[entry] = nowMs + (this.isLong(entry) ? longMs : shortMs);
      entry = this.#under[entry] as number;
    }
  }

  /** Lives until then at least, whoever wrote it. */
  prolong(border: number, expiresMs: number): void {
    this.#expiresMs[border] = Math.max(this.#expiresMs[border] as number, expiresMs);
  }

  /** Whether the last look found it readable, with all that it stands on. */
  isWhole(border: number): boolean {
    return this.#whole[border] === this.#look;
  }

  /** It is in flight until it arrives. @returns Whether it is this writer's. */
  write(border: number, entry: Entry, { readableMs, isHeard }: Arrival, nowMs: number): boolean {
    if (this.isComing(border, nowMs)) {
      // Whoever writes it first makes it readable first; this one only prolongs it.
      this.prolong(border, entry.expiresMs);
      return false;
    }
    this.set(border, entry, nowMs);
    this.#flags[border] = (this.#flags[border] as number) | IN_FLIGHT | (isHeard ? 0 : UNHEARD);
    this.#readableMs[border] = readableMs;
    return true;
  }

  /** Can be read from now on, as this plan wrote it, whoever may have taken its place meanwhile. */
  arrive(border: number, writer: number, nowMs: number): void {
    if (this.#writer[border] !== writer && !this.#isInFlight(border, nowMs)) return;
    this.#flags[border] = (this.#flags[border] as number) & ~(IN_FLIGHT | UNHEARD);
    this.#readableMs[border] = nowMs;
    this.#writer[border] = writer;
  }

  /** Nobody waits for what this plan is writing any more: another may write it. */
  giveUp(border: number, writer: number): void {
    if (this.#writer[border] === writer) this.#readableMs[border] = -Infinity;
  }

  /** @param writer Whose entry it has to be; `undefined`: anybody's. */
  drop(border: number, writer: number | undefined): void {
    if (writer === undefined || this.#writer[border] === writer) this.#expiresMs[border] = -Infinity;
  }

  /** An entry that is known to be there, since now at the latest. */
  set(border: number, entry: Entry, nowMs: number): void {
    const hasShort = !entry.isLong || (entry.under !== NONE && this.hasShort(entry.under));
    this.#expiresMs[border] = entry.expiresMs;
    this.#readableMs[border] = nowMs;
    this.#flags[border] = (entry.isLong ? LONG : 0) | (hasShort ? SHORT_BELOW : 0);
    this.#under[border] = entry.under;
    this.#writer[border] = entry.writer;
  }
}

/** A prompt's borders. */
export interface Way {
  readonly path: Int32Array;
  readonly length: number;
  /** Whether some are missing. */
  readonly isCut: boolean;
}

export interface Look {
  /** Index on the path of the deepest border that can be read; {@link NONE}: none can. */
  readonly hit: number;
  /** Of the deepest one that is being written. */
  readonly coming: number;
}

/** When an entry is expected to be readable. */
export interface Arrival {
  readonly readableMs: number;
  /** Whether anybody will say so. */
  readonly isHeard: boolean;
}

export interface Entry {
  readonly expiresMs: number;
  readonly isLong: boolean;
  readonly under: number;
  readonly writer: number;
}
