/**
 * What providers counted: how many of a model's tokens a prefix really has, where an answer's bill has told. Our own counts are
 * estimates, and a prediction of what will be read is only as good as they are.
 */
import { BoundedMap } from "./bounded-map.ts";
import { placeName, type Prefixes } from "./prefixes.ts";

/** Prefixes whose count is known; about 120 bytes each. Those learned first are forgotten first. */
const COUNTS_MAX = 50_000;
/** Targets whose ratio of counted to estimated tokens is known. */
const TARGETS_MAX = 1_000;
/** How much one answer moves that ratio. */
const STEP = 0.1;

export class PrefixCounts {
  readonly #counts = new BoundedMap<number>(COUNTS_MAX);
  readonly #ratios = new Map<string, number>();

  /** @param estimate Of the model's tokens up to the place. */
  tokensAt(prefixes: Prefixes, place: number, target: string, estimate: number): number {
    const counted = this.#counts.get(placeName(prefixes, place, target));
    return counted ?? Math.round(estimate * (this.#ratios.get(target) ?? 1));
  }

  isKnown(prefixes: Prefixes, place: number, target: string): boolean {
    return this.#counts.has(placeName(prefixes, place, target));
  }

  learn(prefixes: Prefixes, place: number, target: string, counted: { tokens: number; estimate: number }): void {
    this.#counts.set(placeName(prefixes, place, target), counted.tokens);
    if (counted.estimate < 1 || (this.#ratios.size >= TARGETS_MAX && !this.#ratios.has(target))) return;
    const before = this.#ratios.get(target);
    const ratio = counted.tokens / counted.estimate;
    this.#ratios.set(target, before === undefined ? ratio : before + STEP * (ratio - before));
  }
}
