/**
 * Which prompts share what: the prefixes seen, as a tree of *borders* (ends of prompts, points where two parted, places that were
 * marked) whose edges are the *places* between them. Bounded; what was used longest ago is forgotten from the leaves up, so that
 * whatever is known of a prompt is always known from its start: the deepest place known is found by binary search. First goes what
 * nobody used for an hour, then of whoever has most: nobody's flood takes what another uses.
 *
 * Flat arrays throughout: 50,000 borders as objects would cost the garbage collector more than the decisions cost.
 */

import type { PlannedPrompt } from "./plan.ts";

/** No border, or no place. */
export const NONE = -1;

/** The words of a place: its hash, the next place of its bucket (or the next free one), */
const LOW = 0;
const HIGH = 1;
const NEXT = 2;
/** the border at it or below it that keeps it, and the next shallower place that is kept there. */
const KEEPER = 3;
const ABOVE = 4;
const PLACE_WORDS = 5;

/** Borders that one prompt may add: its end, where it parts from others, its static end, four marks, and one that was read. */
const INSERTED_MAX = 8;
/** Those it cannot do without: the first two. */
const INSERTED_MIN = 2;

/** A prompt's places under its tenant's and target's salt. */
export interface Places {
  readonly hashes: Uint32Array;
  readonly tokens: Uint32Array;
  /** Whose it is. */
  readonly owner: string;
  /** By the place from which on they hold, rising from 0. */
  readonly salts: readonly Salt[];
}

interface Salt {
  readonly from: number;
  readonly low: number;
  readonly high: number;
}

/** Those that somebody has. */
interface Holding {
  readonly name: string;
  readonly id: number;
  borders: number;
  places: number;
  /** Leaves by use. */
  oldest: number;
  newest: number;
}

/** What was not used for so long is no longer in most caches, and is forgotten whoever's it is. */
const IDLE_SECONDS = 3600;
/** Of so many it is asked at a time who has most, in turn; who grew beyond all others is known without. */
const LOOKED_AT = 64;

export class PrefixTree {
  readonly bordersMax: number;
  readonly placesMax: number;
  /** Borders in use. */
  borders = 0;
  /** Places in use. */
  places = 0;

  /** The next border towards the start; it is never forgotten before this one. */
  readonly parent: Int32Array;
  /** Index of the border's place in every prompt through it. */
  readonly depth: Int32Array;
  readonly tokens: Uint32Array;
  /** Tells a border from another that took its number later. */
  readonly generation: Uint32Array;
  readonly children: Int32Array;
  /** Their owner's leaves by use: towards older and newer ones. */
  readonly #older: Int32Array;
  readonly #newer: Int32Array;
  /** When a leaf was used, in seconds. */
  readonly #used: Uint32Array;
  readonly #owner: Uint16Array | Uint32Array;
  readonly #holdings = new Map<string, Holding>();
  readonly #holdingsById: (Holding | undefined)[] = [];
  readonly #freeIds: number[] = [];
  /** Of whom it is asked next. */
  #next = 0;
  /** Who had most when it last grew. */
  readonly #largest: Record<"places" | "borders", Holding | undefined> = { places: undefined, borders: undefined };
  /** The deepest of the places that this border keeps, or the next free border. */
  readonly #kept: Int32Array;
  #freeBorder: number = NONE;
  /** The first that was never used. Memory that is not used yet is not taken: no list of all that is free is made. */
  #freshBorder = 0;

  readonly #heads: Int32Array;
  /** Five words a place, side by side: a look-up then waits for memory once. A place is named by where its words begin. */
  readonly #words: Int32Array;
  #freePlace: number = NONE;
  #freshPlace = 0;
  readonly #born: (border: number, below: number) => void;

  /** @param born Told of each new border, and of the border below the edge that it divides ({@link NONE}: it is a leaf). */
  constructor(bordersMax: number, placesMax: number, born: (border: number, below: number) => void) {
    this.bordersMax = bordersMax;
    this.placesMax = placesMax;
    this.#born = born;
    this.parent = new Int32Array(bordersMax);
    this.depth = new Int32Array(bordersMax);
    this.tokens = new Uint32Array(bordersMax);
    this.generation = new Uint32Array(bordersMax);
    this.children = new Int32Array(bordersMax);
    this.#older = new Int32Array(bordersMax);
    this.#newer = new Int32Array(bordersMax);
    this.#used = new Uint32Array(bordersMax);
    // Nobody has something without having a border.
    this.#owner = bordersMax <= 0xff_ff ? new Uint16Array(bordersMax) : new Uint32Array(bordersMax);
    this.#kept = new Int32Array(bordersMax);
    this.#heads = new Int32Array(2 ** Math.ceil(Math.log2(Math.max(2, placesMax)))).fill(NONE);
    this.#words = new Int32Array(placesMax * PLACE_WORDS);
  }

  /** How many of the prompt's places are known. */
  known(prompt: Places): number {
    let low = 0;
    let high = prompt.tokens.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.#find(prompt, middle) === NONE) high = middle;
      else low = middle + 1;
    }
    return low;
  }

  /** The border at this known place, or the nearest one below it. */
  below(prompt: Places, place: number): number {
    const found = this.#find(prompt, place);
    if (found === NONE) return NONE;
    let border = this.#words[found + KEEPER] as number;
    for (;;) {
      const parent = this.parent[border] as number;
      if (parent === NONE || (this.depth[parent] as number) < place) return border;
      border = parent;
    }
  }

  /**
   * Learns a prompt: its end becomes a border, and so does the point where it parts from what is known.
   *
   * @param known How many of its places are. @returns The border at its end; {@link NONE} when there is no room for it.
   */
  insert(prompt: Places, known: number, nowMs: number): number {
    const count = prompt.tokens.length;
    if (count === 0) return NONE;
    const nowSeconds = Math.max(0, Math.floor(nowMs / 1000));
    const shared = this.#admit(prompt, known, nowSeconds);
    if (shared === NONE) return NONE;
    const parent = shared === 0 ? NONE : this.reveal(prompt, shared - 1);
    if (shared === count) {
      this.#touch(parent, nowSeconds);
      return parent;
    }
    const holding = this.#holdingOf(prompt.owner);
    const border = this.#takeBorder(holding, parent, count - 1, prompt.tokens[count - 1] as number);
    holding.places += count - shared;
    let above = NONE;
    for (let place = shared; place < count; place += 1) above = this.#takePlace(prompt, place, border, above);
    this.#kept[border] = above;
    if (parent !== NONE) {
      if (this.children[parent] === 0) this.#unlink(parent, holding);
      this.children[parent] = (this.children[parent] as number) + 1;
    }
    this.#link(border, holding, nowSeconds);
    for (const what of ["places", "borders"] as const) {
      if (holding[what] > (this.#largest[what]?.[what] ?? 0)) this.#largest[what] = holding;
    }
    this.#born(border, NONE);
    return border;
  }

  /** Makes a border of a place of a prompt that is known up to there. {@link NONE}: it is not, or there is no room. */
  reveal(prompt: Places, place: number): number {
    const below = this.below(prompt, place);
    if (below === NONE || this.depth[below] === place) return below;
    if (this.borders === this.bordersMax) return NONE;
    const holding = this.#holdingsById[this.#owner[below] as number] as Holding;
    const border = this.#takeBorder(holding, this.parent[below] as number, place, prompt.tokens[place] as number);
    this.parent[below] = border;
    this.children[border] = 1;
    this.#born(border, below);
    return border;
  }

  /** Makes room for a prompt. @returns How many of its places are known then; {@link NONE}: it does not fit. */
  #admit(prompt: Places, known: number, nowSeconds: number): number {
    const count = prompt.tokens.length;
    if (count > this.placesMax || this.bordersMax < INSERTED_MIN) return NONE;
    for (let shared = known; ;) {
      if (shared > 0) this.#touch(this.below(prompt, shared - 1), nowSeconds);
      if (!this.#makeRoom(count - shared, nowSeconds)) return shared;
      // Making room may have taken away some of what this prompt shares.
      if (shared > 0 && this.#find(prompt, shared - 1) === NONE) shared = this.known(prompt);
    }
  }

  #find(prompt: Places, place: number): number {
    const words = this.#words;
    const salt = saltAt(prompt, place);
    const low = (prompt.hashes[2 * place] as number) ^ salt.low;
    const high = (prompt.hashes[2 * place + 1] as number) ^ salt.high;
    let found = this.#heads[low & (this.#heads.length - 1)] as number;
    while (found !== NONE && (words[found + LOW] !== low || words[found + HIGH] !== high)) {
      found = words[found + NEXT] as number;
    }
    return found;
  }

  #takePlace(prompt: Places, place: number, keeper: number, above: number): number {
    const words = this.#words;
    let taken = this.#freePlace;
    if (taken !== NONE) this.#freePlace = words[taken + NEXT] as number;
    else {
      taken = this.#freshPlace;
      this.#freshPlace += PLACE_WORDS;
    }
    const salt = saltAt(prompt, place);
    const low = (prompt.hashes[2 * place] as number) ^ salt.low;
    const bucket = low & (this.#heads.length - 1);
    words[taken + LOW] = low;
    words[taken + HIGH] = (prompt.hashes[2 * place + 1] as number) ^ salt.high;
    words[taken + NEXT] = this.#heads[bucket] as number;
    words[taken + KEEPER] = keeper;
    words[taken + ABOVE] = above;
    this.#heads[bucket] = taken;
    this.places += 1;
    return taken;
  }

  #dropPlace(place: number): void {
    const words = this.#words;
    const bucket = (words[place + LOW] as number) & (this.#heads.length - 1);
    let previous = NONE;
    let found = this.#heads[bucket] as number;
    while (found !== place) {
      previous = found;
      found = words[found + NEXT] as number;
    }
    const next = words[place + NEXT] as number;
    if (previous === NONE) this.#heads[bucket] = next;
    else words[previous + NEXT] = next;
    words[place + NEXT] = this.#freePlace;
    this.#freePlace = place;
    this.places -= 1;
  }

  #takeBorder(holding: Holding, parent: number, depth: number, tokens: number): number {
    let border = this.#freeBorder;
    if (border !== NONE) this.#freeBorder = this.#kept[border] as number;
    else {
      border = this.#freshBorder;
      this.#freshBorder += 1;
    }
    this.#kept[border] = NONE;
    this.parent[border] = parent;
    this.depth[border] = depth;
    this.tokens[border] = tokens;
    this.#owner[border] = holding.id;
    holding.borders += 1;
    this.borders += 1;
    return border;
  }

  #holdingOf(owner: string): Holding {
    const known = this.#holdings.get(owner);
    if (known !== undefined) return known;
    const id = this.#freeIds.pop() ?? this.#holdingsById.length;
    const holding: Holding = { name: owner, id, borders: 0, places: 0, oldest: NONE, newest: NONE };
    this.#holdings.set(owner, holding);
    this.#holdingsById[id] = holding;
    return holding;
  }

  /** Forgets leaves until there is room. @returns Whether anything was forgotten. */
  #makeRoom(places: number, nowSeconds: number): boolean {
    const borders = Math.min(INSERTED_MAX, this.bordersMax);
    let hasForgotten = false;
    while (this.bordersMax - this.borders < borders || this.placesMax - this.places < places) {
      this.#dropLeaf(this.#nextGiver(this.placesMax - this.places < places ? "places" : "borders", nowSeconds));
      hasForgotten = true;
    }
    return hasForgotten;
  }

  /** Who has idle leaves, or else most. */
  #nextGiver(what: "places" | "borders", nowSeconds: number): Holding {
    const holdings = this.#holdingsById;
    let most = this.#largest[what];
    let idlest: Holding | undefined;
    let idlestUsed = nowSeconds - IDLE_SECONDS;
    const looked = Math.min(LOOKED_AT, holdings.length);
    for (let count = 0; count < looked || most === undefined || most.borders === 0; count += 1) {
      this.#next = (this.#next + 1) % holdings.length;
      const holding = holdings[this.#next];
      if (holding === undefined) continue;
      if (most === undefined || holding[what] > most[what]) most = holding;
      const used = this.#used[holding.oldest] as number;
      if (used >= idlestUsed) continue;
      idlest = holding;
      idlestUsed = used;
    }
    return idlest ?? most;
  }

  /** Forgets the oldest leaf that somebody has. */
  #dropLeaf(holding: Holding): void {
    const leaf = holding.oldest;
    const parent = this.parent[leaf] as number;
    let place = this.#kept[leaf] as number;
    let own = (this.depth[leaf] as number) - (parent === NONE ? NONE : (this.depth[parent] as number));
    for (; place !== NONE && own > 0; own -= 1) {
      const above = this.#words[place + ABOVE] as number;
      this.#dropPlace(place);
      holding.places -= 1;
      place = above;
    }
    // What it kept for the borders above it, since before they divided its edge, the next one keeps from now on.
    if (place !== NONE) this.#kept[parent] = place;
    for (; place !== NONE; place = this.#words[place + ABOVE] as number) this.#words[place + KEEPER] = parent;
    this.#unlink(leaf, holding);
    this.generation[leaf] = ((this.generation[leaf] as number) + 1) >>> 0;
    this.#kept[leaf] = this.#freeBorder;
    this.#freeBorder = leaf;
    holding.borders -= 1;
    this.borders -= 1;
    if (parent !== NONE) {
      this.children[parent] = (this.children[parent] as number) - 1;
      if (this.children[parent] === 0) this.#linkOldest(parent, holding, this.#used[leaf] as number);
    }
    if (holding.borders > 0) return;
    this.#holdings.delete(holding.name);
    this.#holdingsById[holding.id] = undefined;
    this.#freeIds.push(holding.id);
  }

  #touch(border: number, nowSeconds: number): void {
    if (this.children[border] !== 0) return;
    const holding = this.#holdingsById[this.#owner[border] as number] as Holding;
    this.#unlink(border, holding);
    this.#link(border, holding, nowSeconds);
  }

  #link(border: number, holding: Holding, nowSeconds: number): void {
    this.#older[border] = holding.newest;
    this.#newer[border] = NONE;
    if (holding.newest === NONE) holding.oldest = border;
    else this.#newer[holding.newest] = border;
    holding.newest = border;
    this.#used[border] = nowSeconds;
  }

  #linkOldest(border: number, holding: Holding, usedSeconds: number): void {
    this.#newer[border] = holding.oldest;
    this.#older[border] = NONE;
    if (holding.oldest === NONE) holding.newest = border;
    else this.#older[holding.oldest] = border;
    holding.oldest = border;
    this.#used[border] = usedSeconds;
  }

  #unlink(border: number, holding: Holding): void {
    const older = this.#older[border] as number;
    const newer = this.#newer[border] as number;
    if (older === NONE) holding.oldest = newer;
    else this.#newer[older] = newer;
    if (newer === NONE) holding.newest = older;
    else this.#older[newer] = older;
  }
}

function saltAt({ salts }: Places, place: number): Salt {
  let index = salts.length - 1;
  while (index > 0 && (salts[index] as Salt).from > place) index -= 1;
  return salts[index] as Salt;
}

/** Another tenant, or another target, is another tree; what differs in a setting is another branch from there on. */
export function saltedPlaces(
  { hashes, tokens, tenant, settings }: Pick<PlannedPrompt, "hashes" | "tokens" | "tenant" | "settings">,
  target: string,
): Places {
  let low = mixed(mixed(0x81_1c_9d_c5, tenant), target);
  let high = mixed(mixed(0x9e_37_79_b9, target), tenant);
  const salts: Salt[] = [{ from: 0, low, high }];
  for (const { from, word } of settings ?? []) {
    low = mixed(low, word);
    high = mixed(high, word);
    salts.push({ from, low, high });
  }
  return { hashes, tokens, owner: tenant, salts };
}

function mixed(seed: number, text: string): number {
  let mix = Math.imul(seed ^ text.length, 0x01_00_01_93);
  for (let index = 0; index < text.length; index += 1) {
    mix = Math.imul(mix ^ text.charCodeAt(index), 0x01_00_01_93);
    mix ^= mix >>> 15;
  }
  return mix >>> 0;
}
