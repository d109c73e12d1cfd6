/**
 * When prefixes come back: Kaplan-Meier hazards by class, each class shrunk towards the coarser one it belongs to.
 *
 * A prompt is watched for an hour in nine steps of time. What counts as a return and what as a survival is decided only when the
 * quarter of the step has ended: counting returns at once would count them before the survivals of the same time, and the newest would
 * always look too lively (on an hour of traffic that error alone cost 30 %).
 */

import { type Account, emptyAccount } from "./exploring.ts";

/** Ends of the steps since the last use. */
export const STEP_SECONDS: readonly number[] = [20, 60, 150, 300, 600, 1200, 1800, 2700, 3600];
const STEPS = STEP_SECONDS.length;
/** What is believed of a tenant of whom nothing is known: half come back within five minutes. The hour has to be earned. */
const PRIOR: readonly number[] = [0.16, 0.16, 0.16, 0.16, 0.05, 0.04, 0.02, 0.02, 0.02];
/** How many observations of its own a class needs to weigh as much as the coarser one (cache-economics §13). */
const SHRINKAGE = 6;
/**
 * And the coarsest one as much as that belief, which is of nobody: 6 would cost tenants with pauses of ten minutes 0.7 % of their
 * first 700 prompts, and 2 cost nobody else anything (conversations, halves of them by time and by conversation).
 */
const PRIOR_WEIGHT = 2;
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
const OF_ANY_KIND = OF_VISITS + VISITS;
const CLASSES = OF_ANY_KIND + TURNS;

/** Of each step what returned and what was at risk, by weight. */
const ROW = STEPS * 2;
/** Rows fit 16 bits. */
const ROWS_MAX = 0xff_ff;

/** The rows of all tenants' classes, 72 bytes each: a tenant takes one for each class that it was seen in, and all of them are bounded. */
export class HazardRows {
  readonly counts: Float32Array;
  readonly #max: number;
  readonly #given: number[] = [];
  #fresh = 0;

  constructor(max: number) {
    this.#max = Math.min(max, ROWS_MAX);
    this.counts = new Float32Array((this.#max + 1) * ROW);
  }

  get free(): number {
    return this.#max - this.#fresh + this.#given.length;
  }

  /** The finest classes go without, so that the coarser ones of all tenants find room. */
  get isScarce(): boolean {
    return 4 * this.free < this.#max;
  }

  /** @returns 0: there is none. */
  take(): number {
    const given = this.#given.pop();
    if (given !== undefined) return given;
    if (this.#fresh === this.#max) return NO_ROW;
    this.#fresh += 1;
    return this.#fresh;
  }

  give(row: number): void {
    this.counts.fill(0, row * ROW, (row + 1) * ROW);
    this.#given.push(row);
  }
}

const NO_ROW = 0;

/** What a tenant has taught. */
export interface Hazards {
  readonly rows: HazardRows;
  readonly account: Account;
  /** By class its row; {@link NO_ROW}: it was not seen in it. Of a tenant that is forgotten, nothing. */
  row: Uint16Array;
  /** Tokens of a prompt, on average: money is counted by the token, so a prompt weighs as much as its tokens. */
  meanTokens: number;
  prompts: number;
  /** How many of its prompts are waited for. */
  watched: number;
  /** Of its prompts, how many are watched at all: 1 unless it sends more than its share of the room. */
  share: number;
  /** When that was last looked at. */
  shareMs: number;
  /** As it is kept, until it learns again. */
  packed: string | undefined;
}

export function emptyHazards(rows: HazardRows = new HazardRows(CLASSES)): Hazards {
  return {
    rows,
    account: emptyAccount(),
    row: new Uint16Array(CLASSES),
    meanTokens: 0,
    prompts: 0,
    watched: 0,
    share: 1,
    shareMs: 0,
    packed: undefined,
  };
}

/** Gives back all its rows: whatever still waits for it counts for nobody. */
export function forgetHazards(hazards: Hazards): void {
  for (const row of hazards.row) if (row !== NO_ROW) hazards.rows.give(row);
  hazards.row = NOTHING;
}

export function isForgotten({ row }: Hazards): boolean {
  return row === NOTHING;
}

const NOTHING = new Uint16Array(0);

/** The finest class of a prompt's end. @param kind 0 to 3. */
export function promptClass(kind: number, turn: number, tokens: number): number {
  return OF_SIZE + (kind * TURNS + turnBucket(turn)) * SIZES + sizeBucket(tokens);
}

/** Of all prompts at that turn, whatever their end is and however long they are: what can be said of a prompt that is not there yet. */
export function turnClass(turn: number): number {
  return OF_ANY_KIND + turnBucket(turn);
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
  hazards.packed = undefined;
  return weightOf(hazards, tokens);
}

export function weightOf(hazards: Hazards, tokens: number): number {
  return hazards.meanTokens === 0 ? 1 : Math.min(4, Math.max(0.05, tokens / hazards.meanTokens));
}

/** Whether what nobody has seen yet is believed to be as usual, or not to come back. */
export type Belief = "usual" | "seen";

/** The hazards of a class, written into `out`. */
export function hazardsOf(hazards: Hazards, finest: number, out: Float64Array, belief: Belief = "usual"): void {
  for (let step = 0; step < STEPS; step += 1) out[step] = belief === "usual" ? (PRIOR[step] as number) : 0;
  const chain = coarserTo(finest);
  for (let index = 0; index < chain.length; index += 1) {
    shrink(hazards, chain[index] as number, out, index === 0 ? PRIOR_WEIGHT : SHRINKAGE);
  }
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

/** What one that was waited for was at risk in a step, and what of it returned: in its class and in those that it belongs to. */
export function countStep(hazards: Hazards, finest: number, step: number, atRisk: number, back: number): void {
  const { counts } = hazards.rows;
  hazards.packed = undefined;
  for (const one of COUNTED[finest] ?? NO_CLASSES) {
    const row = rowOf(hazards, one);
    if (row === NO_ROW) return;
    const at = row * ROW + 2 * step;
    const returned = (counts[at] as number) + back;
    const risked = (counts[at + 1] as number) + atRisk;
    const kept = risked > WEIGHT_MAX ? WEIGHT_MAX / 2 / risked : 1;
    counts[at] = returned * kept;
    counts[at + 1] = risked * kept;
  }
}

/** To count in. */
function rowOf(hazards: Hazards, one: number): number {
  const known = hazards.row[one];
  if (known !== NO_ROW) return known ?? NO_ROW;
  const isFine = one >= OF_SIZE && one < OF_STATIC;
  const row = isFine && hazards.rows.isScarce ? NO_ROW : hazards.rows.take();
  hazards.row[one] = row;
  return row;
}

/** The classes a tenant was seen in, with their counts, as text: a byte for the class, two for each number. */
export function packHazards(hazards: Hazards): string {
  const { row, rows } = hazards;
  let seen = 0;
  for (const one of row) if (one !== NO_ROW) seen += 1;
  const bytes = Buffer.alloc(seen * PACKED_BYTES);
  let at = 0;
  for (let one = 0; one < row.length; one += 1) {
    if (row[one] === NO_ROW) continue;
    const from = (row[one] as number) * ROW;
    bytes[at] = one;
    for (let index = 0; index < ROW; index += 1) {
      bytes.writeUInt16LE(halfOf(rows.counts[from + index] as number), at + 1 + 2 * index);
    }
    at += PACKED_BYTES;
  }
  return bytes.toString("base64");
}

/** Takes over what {@link packHazards} gave: a class whose counts cannot be is left out. */
export function unpackHazards(hazards: Hazards, text: string): void {
  if (text.length > PACKED_CHARACTERS_MAX) return;
  const bytes = Buffer.from(text, "base64");
  for (let at = 0; at + PACKED_BYTES <= bytes.length; at += PACKED_BYTES) {
    const one = bytes[at] as number;
    const values = Array.from({ length: ROW }, (_, index) => wholeOf(bytes.readUInt16LE(at + 1 + 2 * index)));
    if (one >= CLASSES || !arePossible(values)) continue;
    const row = rowOf(hazards, one);
    if (row !== NO_ROW) hazards.rows.counts.set(values, row * ROW);
  }
}

const PACKED_BYTES = 1 + 2 * ROW;
const PACKED_CHARACTERS_MAX = Math.ceil((CLASSES * PACKED_BYTES) / 3) * 4;

/** Nobody returned who was not at risk, and nobody weighs more than is ever counted. `NaN` is none of these. */
function arePossible(values: readonly number[]): boolean {
  for (let at = 0; at < values.length; at += 2) {
    const [returned, risked] = [values[at] as number, values[at + 1] as number];
    if (!(returned >= 0 && returned <= risked && risked <= WEIGHT_MAX)) return false;
  }
  return true;
}

const FLOAT = new Float32Array(1);
const BITS = new Uint32Array(FLOAT.buffer);

/** The upper half of a 32-bit float's bits: three digits are enough for what is counted. */
function halfOf(value: number): number {
  FLOAT[0] = value;
  return (BITS[0] as number) >>> 16;
}

function wholeOf(half: number): number {
  BITS[0] = half << 16;
  return FLOAT[0] as number;
}

function shrink(hazards: Hazards, one: number, out: Float64Array, weight: number): void {
  const row = hazards.row[one] ?? NO_ROW;
  if (row === NO_ROW) return;
  const { counts } = hazards.rows;
  for (let step = 0; step < STEPS; step += 1) {
    const returned = counts[row * ROW + 2 * step] as number;
    const risked = counts[row * ROW + 2 * step + 1] as number;
    out[step] = (returned + weight * (out[step] as number)) / (risked + weight);
  }
}

/** A class and those it belongs to, coarsest first. */
function coarserTo(finest: number): readonly number[] {
  return CHAINS[finest] ?? NO_CLASSES;
}

const NO_CLASSES: readonly number[] = [];
const CHAINS: readonly (readonly number[])[] = Array.from({ length: CLASSES }, (_, finest) => {
  if (finest >= OF_ANY_KIND) return [TENANT_CLASS, finest];
  if (finest >= OF_VISITS) return [OF_STATIC, finest];
  if (finest === OF_STATIC) return [OF_STATIC];
  if (finest >= OF_SIZE) {
    const turn = Math.floor((finest - OF_SIZE) / SIZES);
    return [TENANT_CLASS, OF_KIND + Math.floor(turn / TURNS), OF_TURN + turn, finest];
  }
  return [TENANT_CLASS];
});

/** Where it is counted: in those, and among all of its turn. */
const COUNTED: readonly (readonly number[])[] = CHAINS.map((chain, finest) => {
  if (finest < OF_SIZE || finest >= OF_STATIC) return chain;
  return [...chain, OF_ANY_KIND + (Math.floor((finest - OF_SIZE) / SIZES) % TURNS)];
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
