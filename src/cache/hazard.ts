/**
 * When prefixes come back: Kaplan-Meier hazards by class, each class shrunk towards the coarser one it belongs to.
 *
 * A prompt is watched for an hour in nine steps of time. What counts as a return and what as a survival is decided only when the step
 * has ended: counting returns at once would count them before the survivals of the same step, and the newest step would always look
 * too lively (on an hour of traffic that error alone cost 30 %).
 */

/** Ends of the steps since the last use. */
export const STEP_SECONDS: readonly number[] = [20, 60, 150, 300, 600, 1200, 1800, 2700, 3600];
const STEPS = STEP_SECONDS.length;
/** What is believed of a tenant of whom nothing is known: half come back within five minutes. The hour has to be earned. */
const PRIOR: readonly number[] = [0.16, 0.16, 0.16, 0.16, 0.05, 0.04, 0.02, 0.02, 0.02];
/** How many observations of its own a class needs to weigh as much as the coarser one. */
const SHRINKAGE = 6;
/** A class that has seen so much forgets half: what a tenant did last month says little. */
const WEIGHT_MAX = 4096;

const KINDS = 4;
const TURNS = 6;
const SIZES = 6;
const VISITS = 7;
const OF_KIND = 1;
const OF_TURN = OF_KIND + KINDS;
const OF_SIZE = OF_TURN + KINDS * TURNS;
const OF_STATIC = OF_SIZE + KINDS * TURNS * SIZES;
const OF_VISITS = OF_STATIC + 1;
const CLASSES = OF_VISITS + VISITS;

/** A tenant's counts: for each class and step what returned and what was at risk, by weight. */
export interface Hazards {
  readonly counts: Float32Array;
  /** Tokens of a prompt, on average: money is counted by the token, so a prompt weighs as much as its tokens. */
  meanTokens: number;
  prompts: number;
}

export function emptyHazards(): Hazards {
  return { counts: new Float32Array(CLASSES * STEPS * 2), meanTokens: 0, prompts: 0 };
}

/** The finest class of a prompt's end. @param kind 0 to 3. */
export function promptClass(kind: number, turn: number, tokens: number): number {
  return OF_SIZE + (kind * TURNS + turnBucket(turn)) * SIZES + sizeBucket(tokens);
}

/** The finest class of a static prefix. @param visits How often it was seen before. */
export function staticClass(visits: number): number {
  return OF_VISITS + Math.min(visits, VISITS - 1);
}

export const TENANT_CLASS = 0;

/** Learns how long this tenant's prompts are. @returns What one of so many tokens weighs. */
export function learnTokens(hazards: Hazards, tokens: number): number {
  hazards.prompts = Math.min(hazards.prompts + 1, 500);
  hazards.meanTokens += (tokens - hazards.meanTokens) / hazards.prompts;
  return weightOf(hazards, tokens);
}

export function weightOf(hazards: Hazards, tokens: number): number {
  return hazards.meanTokens === 0 ? 1 : Math.min(4, Math.max(0.05, tokens / hazards.meanTokens));
}

/** The hazards of a class, written into `out`. */
export function hazardsOf(hazards: Hazards, finest: number, out: Float64Array): void {
  for (let step = 0; step < STEPS; step += 1) out[step] = PRIOR[step] as number;
  const chain = coarserTo(finest);
  for (let index = 0; index < chain.length; index += 1) shrink(hazards, chain[index] as number, out);
}

/** The chance of a return within so many seconds of the last use, no later than an hour. */
export function returnChance(hazard: Float64Array, seconds: number): number {
  let survival = 1;
  let from = 0;
  for (let step = 0; step < STEPS; step += 1) {
    const to = STEP_SECONDS[step] as number;
    if (seconds <= from) break;
    const staying = 1 - (hazard[step] as number);
    survival *= seconds >= to ? staying : staying ** ((seconds - from) / (to - from));
    from = to;
  }
  return 1 - survival;
}

/**
 * The prompts whose return is awaited, in the order they came. All walk through the same steps, so a step's queue is a position in
 * that order.
 */
export class Waiting {
  readonly #max: number;
  readonly #start: Float64Array;
  readonly #weight: Float32Array;
  readonly #finest: Uint16Array;
  readonly #state: Uint8Array;
  readonly #hazards: (Hazards | undefined)[];
  /** By step: the first that has not come to its end. */
  readonly #positions: Float64Array = new Float64Array(STEPS);
  #next = 0;
  #latestMs = 0;

  constructor(max: number) {
    this.#max = max;
    this.#start = new Float64Array(max);
    this.#weight = new Float32Array(max);
    this.#finest = new Uint16Array(max);
    this.#state = new Uint8Array(max);
    this.#hazards = Array.from({ length: max }, () => undefined);
  }

  get size(): number {
    return this.#next - (this.#positions[STEPS - 1] as number);
  }

  /** Watches a prompt from now on. @returns Its number, for {@link Waiting.returned}; 0: there is no room. */
  begin(hazards: Hazards, finest: number, weight: number, nowMs: number): number {
    if (this.size >= this.#max) return 0;
    const slot = this.#next % this.#max;
    this.#latestMs = Math.max(this.#latestMs, nowMs);
    this.#start[slot] = this.#latestMs;
    this.#weight[slot] = weight;
    this.#finest[slot] = finest;
    this.#state[slot] = WAITING;
    this.#hazards[slot] = hazards;
    this.#next += 1;
    return this.#next >>> 0;
  }

  /** It came back. Call after {@link Waiting.advance}. */
  returned(number: number): void {
    if (number === 0) return;
    // Numbers are kept in 32 bits: only the last of those that look alike can still be waited for.
    const index = this.#next - 1 - (((this.#next >>> 0) - number) >>> 0);
    if (index < (this.#positions[STEPS - 1] as number)) return;
    const slot = index % this.#max;
    if (this.#state[slot] === WAITING) this.#state[slot] = RETURNED;
  }

  /** Counts whatever step has ended by now. */
  advance(nowMs: number): void {
    for (let step = 0; step < STEPS; step += 1) {
      const startedBefore = nowMs - (STEP_SECONDS[step] as number) * 1000;
      let position = this.#positions[step] as number;
      while (position < this.#next && (this.#start[position % this.#max] as number) <= startedBefore) {
        this.#count(position % this.#max, step);
        position += 1;
      }
      this.#positions[step] = position;
    }
  }

  #count(slot: number, step: number): void {
    const state = this.#state[slot];
    const hazards = this.#hazards[slot];
    if (step === STEPS - 1) this.#hazards[slot] = undefined;
    if (state === DONE || hazards === undefined) return;
    const hasReturned = state === RETURNED;
    if (hasReturned) this.#state[slot] = DONE;
    const weight = this.#weight[slot] as number;
    for (const one of coarserTo(this.#finest[slot] as number)) {
      const at = 2 * (one * STEPS + step);
      const risked = (hazards.counts[at + 1] as number) + weight;
      hazards.counts[at + 1] = risked;
      if (hasReturned) hazards.counts[at] = (hazards.counts[at] as number) + weight;
      if (risked > WEIGHT_MAX) {
        hazards.counts[at] = (hazards.counts[at] as number) / 2;
        hazards.counts[at + 1] = risked / 2;
      }
    }
  }
}

const WAITING = 0;
const RETURNED = 1;
const DONE = 2;

function shrink(hazards: Hazards, one: number, out: Float64Array): void {
  for (let step = 0; step < STEPS; step += 1) {
    const at = 2 * (one * STEPS + step);
    const returned = hazards.counts[at] as number;
    const risked = hazards.counts[at + 1] as number;
    out[step] = (returned + SHRINKAGE * (out[step] as number)) / (risked + SHRINKAGE);
  }
}

/** A class and those it belongs to, coarsest first. */
function coarserTo(finest: number): readonly number[] {
  return CHAINS[finest] ?? NO_CLASSES;
}

const NO_CLASSES: readonly number[] = [];
const CHAINS: readonly (readonly number[])[] = Array.from({ length: CLASSES }, (_, finest) => {
  if (finest >= OF_VISITS) return [OF_STATIC, finest];
  if (finest === OF_STATIC) return [OF_STATIC];
  if (finest >= OF_SIZE) {
    const turn = Math.floor((finest - OF_SIZE) / SIZES);
    return [TENANT_CLASS, OF_KIND + Math.floor(turn / TURNS), OF_TURN + turn, finest];
  }
  return [TENANT_CLASS];
});

/** 1, 2, 3–4, 5–8, 9–16, 17 and more. */
function turnBucket(turn: number): number {
  return turn <= 1 ? 0 : Math.min(TURNS - 1, 32 - Math.clz32(turn - 1));
}

function sizeBucket(tokens: number): number {
  let bucket = 0;
  while (bucket < SIZE_TOKENS.length && tokens > (SIZE_TOKENS[bucket] as number)) bucket += 1;
  return bucket;
}

const SIZE_TOKENS: readonly number[] = [2048, 8192, 32_768, 98_304, 196_608];
