/**
 * What is known of the prompt at hand: the borders on its way, the conversation that it goes on with, and the places that are worth a
 * mark.
 */
import type { Candidate } from "./placement.ts";
import type { PlannedPrompt } from "./plan.ts";
import { NONE, type Places, type PrefixTree } from "./prefix-tree.ts";
import { type CacheRules, longMs, shortMs } from "./rules.ts";
import { NOBODY, type Visits } from "./visits.ts";

/** A conversation of thousands of turns has as many borders; the oldest of them are not looked at. */
const DEEPEST_MAX = 256;
/** But the static prefix is, and what is above it. */
const STATIC_MAX = 16;
/** How far up a prompt's predecessor is looked for. */
const LINEAGE_STEPS_MAX = 16;
/** A border that changed hands so often is shared. */
const SHARED_SWITCHES_MIN = 2;

/** The conversation that a prompt goes on with. */
export interface Lineage {
  /** 0: a new one. */
  readonly conversation: number;
  readonly turn: number;
  /** Who waits for this return. */
  readonly waiting: number;
  /** When the prompt before it was sent. */
  readonly lastMs: number;
}

export const NEW_CONVERSATION: Lineage = { conversation: 0, turn: 1, waiting: 0, lastMs: -Infinity };

/** A prompt, and what is known of it so far. */
export interface Traveller {
  readonly prompt: PlannedPrompt;
  readonly rules: CacheRules;
  readonly places: Places;
  readonly lineage: Lineage;
  /** How many of its places are known. */
  readonly known: number;
}

/** One for all prompts, each walked before it is asked about. */
export class Trail {
  readonly #tree: PrefixTree;
  readonly #visits: Visits;
  /** The prompt's borders, shallow to deep. */
  readonly path: Int32Array = new Int32Array(DEEPEST_MAX + STATIC_MAX);
  length = 0;
  /** Whether borders are missing in it, behind the first few. */
  isCut = false;
  /** How many those first few are. */
  staticLength = 0;
  /** The border at the last place that is known, or the nearest one below it. */
  below: number = NONE;

  constructor(tree: PrefixTree, visits: Visits) {
    this.#tree = tree;
    this.#visits = visits;
  }

  /** Finds what is known of a prompt, and leaves its borders in `path`. @returns How many of its places are known. */
  walk({ places, prompt }: Pick<Traveller, "places" | "prompt">): number {
    const known = this.#tree.known(places);
    this.below = known === 0 ? NONE : this.#tree.below(places, known - 1);
    const isBorder = known > 0 && this.#tree.depth[this.below] === known - 1;
    const deepest = isBorder || known === 0 ? this.below : (this.#tree.parent[this.below] as number);
    this.climb(deepest, places, prompt.staticPlace);
    return known;
  }

  /** Leaves this border and those above it in `path`: the deepest ones, and in any case those of the static prefix. */
  climb(deepest: number, places: Places, staticPlace: number): void {
    this.length = 0;
    const left = this.#add(deepest, DEEPEST_MAX);
    const deepLength = this.length;
    this.isCut = left !== NONE;
    if (this.isCut && staticPlace >= 0 && staticPlace <= (this.#tree.depth[left] as number)) {
      const border = this.#tree.below(places, staticPlace);
      const isBorder = this.#tree.depth[border] === staticPlace;
      this.#add(isBorder ? border : (this.#tree.parent[border] as number), STATIC_MAX);
    }
    this.staticLength = this.length - deepLength;
    // By hand: making a view to have it reversed costs more than a path is long.
    for (let low = 0, high = this.length - 1; low < high; low += 1, high -= 1) {
      const border = this.path[low] as number;
      this.path[low] = this.path[high] as number;
      this.path[high] = border;
    }
  }

  /** @returns The first of those above that were too many; {@link NONE}: all were added. */
  #add(deepest: number, max: number): number {
    let border = deepest;
    for (let count = 0; border !== NONE && count < max; count += 1) {
      this.path[this.length] = border;
      this.length += 1;
      border = this.#tree.parent[border] as number;
    }
    return border;
  }

  /** The newest prompt that this one has at least half of in common, not counting what all prompts of its kind have. */
  lineage(prompt: PlannedPrompt, known: number): Lineage {
    if (known === 0) return NEW_CONVERSATION;
    const staticTokens = staticTokensOf(prompt);
    let shared = (prompt.tokens[known - 1] as number) - staticTokens;
    let border = this.below;
    for (let step = 0; step < LINEAGE_STEPS_MAX && border !== NONE && shared > 0; step += 1) {
      const isPassed = this.#visits.conversation[border] !== NOBODY;
      if (isPassed && 2 * shared >= (this.#visits.ownTokens[border] as number)) {
        return {
          conversation: this.#visits.conversation[border] as number,
          turn: (this.#visits.turn[border] as number) + 1,
          waiting: this.#visits.waiting[border] as number,
          lastMs: this.#visits.lastMs[border] as number,
        };
      }
      border = this.#tree.parent[border] as number;
      if (border !== NONE) shared = Math.min(shared, (this.#tree.tokens[border] as number) - staticTokens);
    }
    return NEW_CONVERSATION;
  }

  /** The places worth a mark beyond what is read: borders that are known, and those that this prompt reveals. */
  candidates(traveller: Traveller, hitIndex: number, nowMs: number): Candidate[] {
    const { prompt, rules, places, known } = traveller;
    const revealed = revealedPlaces(prompt, known);
    const candidates: Candidate[] = [];
    let previous = hitIndex === NONE ? NONE : (this.#tree.depth[this.path[hitIndex] as number] as number);
    const add = (place: number, border: number) => {
      if (place <= previous) return;
      previous = place;
      if ((prompt.tokens[place] as number) < rules.minTokens || prompt.markable?.[place] === 0) return;
      candidates.push(this.#candidate(traveller, place, border, nowMs));
    };
    let next = 0;
    for (let index = hitIndex + 1; index < this.length; index += 1) {
      const border = this.path[index] as number;
      const place = this.#tree.depth[border] as number;
      for (; next < revealed.length && (revealed[next] as number) < place; next += 1) {
        // It divides an edge: whoever passed the border below passed it too.
        add(revealed[next] as number, this.#tree.below(places, revealed[next] as number));
      }
      add(place, border);
    }
    for (; next < revealed.length; next += 1) {
      const place = revealed[next] as number;
      add(place, place < known ? this.#tree.below(places, place) : NONE);
    }
    return candidates;
  }

  /** @param border At the place or the next one below it; {@link NONE}: nobody has been there. */
  #candidate({ prompt, rules, lineage }: Traveller, place: number, border: number, nowMs: number): Candidate {
    const tokens = prompt.tokens[place] as number;
    const isStatic = place === prompt.staticPlace;
    if (border === NONE || this.#visits.conversation[border] === NOBODY) {
      return { place, tokens, pauses: 0, shortPauses: 0, laterPauses: 0, isShared: false, isStatic };
    }
    const visits = this.#visits;
    const isKnown = this.#tree.depth[border] === place;
    // The pause that ends now counts as well.
    const pauseMs = nowMs - (visits.lastMs[border] as number);
    const isShort = pauseMs <= shortMs(rules);
    const isLater = !isShort && pauseMs <= longMs(rules);
    const switched = visits.conversation[border] === lineage.conversation ? 0 : 1;
    return {
      place,
      tokens,
      pauses: 1 + (isKnown ? (visits.pauses[border] as number) : 0),
      shortPauses: (isShort ? 1 : 0) + (isKnown ? (visits.shortPauses[border] as number) : 0),
      laterPauses: (isLater ? 1 : 0) + (isKnown ? (visits.laterPauses[border] as number) : 0),
      isShared: switched + (isKnown ? (visits.switches[border] as number) : 0) >= SHARED_SWITCHES_MIN,
      isStatic,
    };
  }

  /** The border at this place of the prompt whose path was walked last. */
  borderAt(place: number): number {
    let low = 0;
    let high = this.length - 1;
    while (low <= high) {
      const middle = (low + high) >>> 1;
      const border = this.path[middle] as number;
      const depth = this.#tree.depth[border] as number;
      if (depth === place) return border;
      if (depth < place) low = middle + 1;
      else high = middle - 1;
    }
    return NONE;
  }
}

/** What one prompt shows beside the borders that are known: its static end, where it parts from others, its end. Rising. */
export function revealedPlaces(prompt: PlannedPrompt, known: number): number[] {
  const end = lastMarkable(prompt, prompt.tokens.length - 1);
  const parting = lastMarkable(prompt, known - 1);
  const places: number[] = [];
  for (const place of [prompt.staticPlace, parting, end]) {
    if (place < 0 || places.includes(place)) continue;
    let at = places.length;
    while (at > 0 && (places[at - 1] as number) > place) at -= 1;
    places.splice(at, 0, place);
  }
  return places;
}

export function lastMarkable(prompt: PlannedPrompt, place: number): number {
  let markable = place;
  while (markable >= 0 && prompt.markable?.[markable] === 0) markable -= 1;
  return markable;
}

export function staticTokensOf(prompt: PlannedPrompt): number {
  return prompt.staticPlace < 0 ? 0 : (prompt.tokens[prompt.staticPlace] as number);
}
