/**
 * Which prompts share what: the prefixes seen, as a tree of *borders* (ends of prompts, points where two parted, places that were
 * marked) whose edges are the *places* between them. Bounded; what was used longest ago is forgotten from the leaves up, so that
 * whatever is known of a prompt is always known from its start: the deepest place known is found by binary search.
 *
 * Flat arrays throughout: 50,000 borders as objects would cost the garbage collector more than the decisions cost.
 */

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
  readonly saltLow: number;
  readonly saltHigh: number;
}

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
  /** Leaves by use: towards older and newer ones. */
  readonly #older: Int32Array;
  readonly #newer: Int32Array;
  #oldest: number = NONE;
  #newest: number = NONE;
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
  insert(prompt: Places, known: number): number {
    const count = prompt.tokens.length;
    if (count === 0) return NONE;
    const shared = this.#admit(prompt, known);
    if (shared === NONE) return NONE;
    const parent = shared === 0 ? NONE : this.reveal(prompt, shared - 1);
    if (shared === count) {
      this.#touch(parent);
      return parent;
    }
    const border = this.#takeBorder(parent, count - 1, prompt.tokens[count - 1] as number);
    let above = NONE;
    for (let place = shared; place < count; place += 1) above = this.#takePlace(prompt, place, border, above);
    this.#kept[border] = above;
    if (parent !== NONE) {
      if (this.children[parent] === 0) this.#unlink(parent);
      this.children[parent] = (this.children[parent] as number) + 1;
    }
    this.#link(border);
    this.#born(border, NONE);
    return border;
  }

  /** Makes a border of a place of a prompt that is known up to there. {@link NONE}: it is not, or there is no room. */
  reveal(prompt: Places, place: number): number {
    const below = this.below(prompt, place);
    if (below === NONE || this.depth[below] === place) return below;
    if (this.borders === this.bordersMax) return NONE;
    const border = this.#takeBorder(this.parent[below] as number, place, prompt.tokens[place] as number);
    this.parent[below] = border;
    this.children[border] = 1;
    this.#born(border, below);
    return border;
  }

  /** Makes room for a prompt. @returns How many of its places are known then; {@link NONE}: it does not fit. */
  #admit(prompt: Places, known: number): number {
    const count = prompt.tokens.length;
    if (count > this.placesMax || this.bordersMax < INSERTED_MIN) return NONE;
    for (let shared = known; ;) {
      if (shared > 0) this.#touch(this.below(prompt, shared - 1));
      if (!this.#makeRoom(count - shared)) return shared;
      // Making room may have taken away some of what this prompt shares.
      if (shared > 0 && this.#find(prompt, shared - 1) === NONE) shared = this.known(prompt);
    }
  }

  #find(prompt: Places, place: number): number {
    const words = this.#words;
    const low = (prompt.hashes[2 * place] as number) ^ prompt.saltLow;
    const high = (prompt.hashes[2 * place + 1] as number) ^ prompt.saltHigh;
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
    const low = (prompt.hashes[2 * place] as number) ^ prompt.saltLow;
    const bucket = low & (this.#heads.length - 1);
    words[taken + LOW] = low;
    words[taken + HIGH] = (prompt.hashes[2 * place + 1] as number) ^ prompt.saltHigh;
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

  #takeBorder(parent: number, depth: number, tokens: number): number {
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
    this.borders += 1;
    return border;
  }

  /** Forgets leaves, oldest first, until there is room. @returns Whether anything was forgotten. */
  #makeRoom(places: number): boolean {
    const borders = Math.min(INSERTED_MAX, this.bordersMax);
    let hasForgotten = false;
    while (this.bordersMax - this.borders < borders || this.placesMax - this.places < places) {
      this.#dropLeaf(this.#oldest);
      hasForgotten = true;
    }
    return hasForgotten;
  }

  #dropLeaf(leaf: number): void {
    const parent = this.parent[leaf] as number;
    let place = this.#kept[leaf] as number;
    let own = (this.depth[leaf] as number) - (parent === NONE ? NONE : (this.depth[parent] as number));
    for (; place !== NONE && own > 0; own -= 1) {
      const above = this.#words[place + ABOVE] as number;
      this.#dropPlace(place);
      place = above;
    }
    // What it kept for the borders above it, since before they divided its edge, the next one keeps from now on.
    if (place !== NONE) this.#kept[parent] = place;
    for (; place !== NONE; place = this.#words[place + ABOVE] as number) this.#words[place + KEEPER] = parent;
    this.#unlink(leaf);
    this.generation[leaf] = ((this.generation[leaf] as number) + 1) >>> 0;
    this.#kept[leaf] = this.#freeBorder;
    this.#freeBorder = leaf;
    this.borders -= 1;
    if (parent === NONE) return;
    this.children[parent] = (this.children[parent] as number) - 1;
    if (this.children[parent] === 0) this.#linkOldest(parent);
  }

  #touch(border: number): void {
    if (this.children[border] !== 0) return;
    this.#unlink(border);
    this.#link(border);
  }

  #link(border: number): void {
    this.#older[border] = this.#newest;
    this.#newer[border] = NONE;
    if (this.#newest === NONE) this.#oldest = border;
    else this.#newer[this.#newest] = border;
    this.#newest = border;
  }

  #linkOldest(border: number): void {
    this.#newer[border] = this.#oldest;
    this.#older[border] = NONE;
    if (this.#oldest === NONE) this.#newest = border;
    else this.#older[this.#oldest] = border;
    this.#oldest = border;
  }

  #unlink(border: number): void {
    const older = this.#older[border] as number;
    const newer = this.#newer[border] as number;
    if (older === NONE) this.#oldest = newer;
    else this.#newer[older] = newer;
    if (newer === NONE) this.#newest = older;
    else this.#older[newer] = older;
  }
}

/** Another tenant, or another target, is another tree. */
export function saltedPlaces(hashes: Uint32Array, tokens: Uint32Array, tenant: string, target: string): Places {
  const saltLow = mixed(mixed(0x81_1c_9d_c5, tenant), target);
  const saltHigh = mixed(mixed(0x9e_37_79_b9, target), tenant);
  return { hashes, tokens, saltLow, saltHigh };
}

function mixed(seed: number, text: string): number {
  let mix = Math.imul(seed ^ text.length, 0x01_00_01_93);
  for (let index = 0; index < text.length; index += 1) {
    mix = Math.imul(mix ^ text.charCodeAt(index), 0x01_00_01_93);
    mix ^= mix >>> 15;
  }
  return mix >>> 0;
}
