/**
 * What providers counted: how many of a model's tokens a prefix really has, where an answer's bill has told. Our own counts are
 * estimates, and a prediction of what will be read is only as good as they are.
 */
import type { Prefixes } from "./prefixes.ts";

/** Prefixes whose count is known; about 120 bytes each. Those learned first are forgotten first. */
const COUNTS_MAX = 50_000;
/** Targets whose ratio of counted to estimated tokens is known. */
const TARGETS_MAX = 1_000;
/** How much one answer moves that ratio. */
const STEP = 0.1;

export class PrefixCounts {
  readonly #counts = new Map<string, number>();
  readonly #oldest = this.#counts.keys();
  readonly #ratios = new Map<string, number>();

  /** @param estimate Of the model's tokens up to the place. */
  tokensAt({ hashes }: Prefixes, place: number, target: string, estimate: number): number {
    const counted = this.#counts.get(nameOf(hashes, place, target));
    return counted ?? Math.round(estimate * (this.#ratios.get(target) ?? 1));
  }

  isKnown({ hashes }: Prefixes, place: number, target: string): boolean {
    return this.#counts.has(nameOf(hashes, place, target));
  }

  learn({ hashes }: Prefixes, place: number, target: string, counted: { tokens: number; estimate: number }): void {
    this.#counts.set(nameOf(hashes, place, target), counted.tokens);
    if (this.#counts.size > COUNTS_MAX) {
      const oldest = this.#oldest.next();
      if (oldest.done !== true) this.#counts.delete(oldest.value);
    }
    if (counted.estimate < 1 || (this.#ratios.size >= TARGETS_MAX && !this.#ratios.has(target))) return;
    const before = this.#ratios.get(target);
    const ratio = counted.tokens / counted.estimate;
    this.#ratios.set(target, before === undefined ? ratio : before + STEP * (ratio - before));
  }
}

function nameOf(hashes: Uint32Array, place: number, target: string): string {
  return `${hashes[2 * place]}.${hashes[2 * place + 1]}.${target}`;
}
