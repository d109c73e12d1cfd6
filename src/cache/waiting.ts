/**
 * The prompts whose return is awaited, in the order they came. All walk through the same steps of time, so a step's queue is a place
 * in that order.
 *
 * Where there is no room for all of them, a sample is watched, each for as many as it stands for. Who waits for more than a fair share
 * is thinned to it by chance, and as many of its prompts to come are left out: nobody's flood takes another's place, and what is
 * watched is no older and no younger than what came.
 */
import { countStep, type Hazards, isForgotten, STEP_SECONDS } from "./hazard.ts";

/** Whoever survives a part of a step was at risk for that part: a step of fifteen minutes teaches before it is over. */
const PARTS = 4;
const ENDS_MS: readonly number[] = STEP_SECONDS.flatMap((to, step) => {
  const from = STEP_SECONDS[step - 1] ?? 0;
  return Array.from({ length: PARTS }, (_, part) => 1000 * (from + ((to - from) * (part + 1)) / PARTS));
});
const ENDS = ENDS_MS.length;
const NONE = -1;
const WAITING = 0;
const RETURNED = 1;
/** Of the room, what is made free at a time. */
const FREED_SHARE = 1 / 16;
/** One observation must not outweigh all that is known, however many it stands for. */
const STANDS_FOR_MAX = 64;
/** In what time a sample grows to twice itself: when its tenant has left room, and in any case. */
const GROWTH_MS = { room: 300_000, any: 3_600_000 } as const;

export class Waiting {
  readonly #max: number;
  readonly #start: Float64Array;
  readonly #weight: Float32Array;
  /** How many prompts it stands for. */
  readonly #standsFor: Float32Array;
  readonly #finest: Uint16Array;
  readonly #state: Uint8Array;
  readonly #hazards: (Hazards | undefined)[];
  /** Tells one from another that took its slot later. */
  readonly #generation: Uint32Array;
  readonly #generationsMax: number;
  /** Towards those that came before, and after; of a free slot the next free one. */
  readonly #older: Int32Array;
  readonly #newer: Int32Array;
  #newest: number = NONE;
  #oldest: number = NONE;
  #freed: number = NONE;
  #fresh = 0;
  /** By part of a step: the first that has not come to its end; {@link NONE}: all have. */
  readonly #positions: Int32Array = new Int32Array(ENDS).fill(NONE);
  readonly #tenants = new Set<Hazards>();
  /** What a tenant could have when it was last counted. */
  #fair: number;
  /** No part of a step ends before. */
  #dueMs = Infinity;
  #size = 0;
  #latestMs = 0;
  #chance = 0x2f_6e_2b_1d;

  constructor(max: number) {
    this.#max = max;
    this.#fair = max;
    this.#start = new Float64Array(max);
    this.#weight = new Float32Array(max);
    this.#standsFor = new Float32Array(max);
    this.#finest = new Uint16Array(max);
    this.#state = new Uint8Array(max);
    this.#hazards = Array.from({ length: max }, () => undefined);
    this.#generation = new Uint32Array(max);
    this.#generationsMax = Math.floor(0xff_ff_ff_ff / (max + 1));
    this.#older = new Int32Array(max);
    this.#newer = new Int32Array(max);
  }

  get size(): number {
    return this.#size;
  }

  /** Watches a prompt from now on. @returns Its number, for {@link Waiting.returned}; 0: it is not in the sample. */
  begin(hazards: Hazards, finest: number, weight: number, nowMs: number): number {
    this.#latestMs = Math.max(this.#latestMs, nowMs);
    if (hazards.share < 1) {
      this.#grow(hazards);
      if (this.#draw() >= hazards.share) return 0;
    }
    if (this.#size === this.#max) this.#thin();
    if (this.#size === this.#max) return 0;
    const slot = this.#take();
    this.#start[slot] = this.#latestMs;
    this.#weight[slot] = weight;
    this.#standsFor[slot] = 1 / hazards.share;
    this.#finest[slot] = finest;
    this.#state[slot] = WAITING;
    this.#hazards[slot] = hazards;
    if (hazards.watched === 0) this.#tenants.add(hazards);
    hazards.watched += 1;
    return (this.#generation[slot] as number) * (this.#max + 1) + slot + 1;
  }

  /** It came back. Call after {@link Waiting.advance}. */
  returned(number: number): void {
    this.#set(number, RETURNED);
  }

  /** It did not, after all. */
  stayedAway(number: number): void {
    this.#set(number, WAITING);
  }

  #set(number: number, state: number): void {
    if (number === 0) return;
    const slot = (number % (this.#max + 1)) - 1;
    if (this.#generation[slot] !== Math.floor(number / (this.#max + 1))) return;
    this.#state[slot] = state;
  }

  /** Counts whatever part of a step has ended by now. */
  advance(nowMs: number): void {
    if (nowMs < this.#dueMs) return;
    let dueMs = Infinity;
    for (let end = 0; end < ENDS; end += 1) {
      const startedBefore = nowMs - (ENDS_MS[end] as number);
      for (;;) {
        const slot = this.#positions[end] as number;
        if (slot === NONE) break;
        if ((this.#start[slot] as number) > startedBefore) {
          dueMs = Math.min(dueMs, (this.#start[slot] as number) + (ENDS_MS[end] as number));
          break;
        }
        this.#positions[end] = this.#newer[slot] as number;
        this.#count(slot, end);
      }
    }
    this.#dueMs = dueMs;
  }

  #count(slot: number, end: number): void {
    const hazards = this.#hazards[slot] as Hazards;
    const hasReturned = this.#state[slot] === RETURNED;
    if (!isForgotten(hazards)) {
      const standsFor = Math.min(STANDS_FOR_MAX, this.#standsFor[slot] as number);
      const weight = (this.#weight[slot] as number) * standsFor;
      const finest = this.#finest[slot] as number;
      const step = Math.floor(end / PARTS);
      // What it was at risk before in this step is counted already.
      if (hasReturned) countStep(hazards, finest, step, weight * (1 - (end % PARTS) / PARTS), weight);
      else countStep(hazards, finest, step, weight / PARTS, 0);
    }
    if (hasReturned || end === ENDS - 1 || isForgotten(hazards)) this.#leave(slot);
  }

  /** Who has left room is watched more closely again. */
  #grow(hazards: Hazards): void {
    const doublingMs = 2 * hazards.watched < this.#fair ? GROWTH_MS.room : GROWTH_MS.any;
    const grown = hazards.share * 2 ** ((this.#latestMs - hazards.shareMs) / doublingMs);
    hazards.share = Math.min(1, grown);
    hazards.shareMs = this.#latestMs;
  }

  /** Makes room: whoever has more than what all can have keeps that much. */
  #thin(): void {
    const fair = this.#fairShare();
    this.#fair = fair;
    const kept = new Map<Hazards, number>();
    for (const hazards of this.#tenants) {
      if (hazards.watched <= fair) continue;
      kept.set(hazards, fair / hazards.watched);
      hazards.share *= fair / hazards.watched;
      hazards.shareMs = this.#latestMs;
    }
    for (let slot = this.#oldest; slot !== NONE;) {
      const newer = this.#newer[slot] as number;
      const share = kept.get(this.#hazards[slot] as Hazards);
      if (share !== undefined) {
        if (this.#draw() < share) this.#standsFor[slot] = (this.#standsFor[slot] as number) / share;
        else this.#leave(slot);
      }
      slot = newer;
    }
  }

  /** The most that each can have, where those who have less leave the rest to the others. */
  #fairShare(): number {
    const all = Float64Array.from(this.#tenants, ({ watched }) => watched).sort();
    let room = Math.max(1, this.#max * (1 - FREED_SHARE));
    for (let index = 0; index < all.length; index += 1) {
      const each = room / (all.length - index);
      if ((all[index] as number) > each) return each;
      room -= all[index] as number;
    }
    return this.#max;
  }

  #take(): number {
    let slot = this.#freed;
    if (slot !== NONE) this.#freed = this.#newer[slot] as number;
    else {
      slot = this.#fresh;
      this.#fresh += 1;
    }
    this.#older[slot] = this.#newest;
    this.#newer[slot] = NONE;
    if (this.#newest === NONE) this.#oldest = slot;
    else this.#newer[this.#newest] = slot;
    this.#newest = slot;
    for (let end = 0; end < ENDS; end += 1) if (this.#positions[end] === NONE) this.#positions[end] = slot;
    this.#dueMs = Math.min(this.#dueMs, this.#latestMs + (ENDS_MS[0] as number));
    this.#size += 1;
    return slot;
  }

  #leave(slot: number): void {
    const older = this.#older[slot] as number;
    const newer = this.#newer[slot] as number;
    for (let end = 0; end < ENDS; end += 1) if (this.#positions[end] === slot) this.#positions[end] = newer;
    if (older === NONE) this.#oldest = newer;
    else this.#newer[older] = newer;
    if (newer === NONE) this.#newest = older;
    else this.#older[newer] = older;
    const hazards = this.#hazards[slot] as Hazards;
    hazards.watched -= 1;
    if (hazards.watched === 0) this.#tenants.delete(hazards);
    this.#hazards[slot] = undefined;
    this.#generation[slot] = ((this.#generation[slot] as number) + 1) % this.#generationsMax;
    this.#newer[slot] = this.#freed;
    this.#freed = slot;
    this.#size -= 1;
  }

  /** From 0 up to 1; the same ones again in another run. */
  #draw(): number {
    let chance = this.#chance;
    chance ^= chance << 13;
    chance ^= chance >>> 17;
    chance ^= chance << 5;
    this.#chance = chance;
    return (chance >>> 0) / 0x1_00_00_00_00;
  }
}
