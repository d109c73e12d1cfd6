/** How long each target takes to read a prompt, learned from how long its first event took: what a hold is expected to last. */

/** Of a target that has not shown its own speed yet. */
const TOKENS_PER_SECOND = 10_000;
/** In a shorter prompt, the network takes longer than the reading. */
const TOKENS_MIN = 2048;
/** What the newest observation weighs. */
const NEWEST_SHARE = 0.2;
/** Targets whose speed is learned; the config names fewer. */
const TARGETS_MAX = 1000;

export class PrefillSpeeds {
  readonly #tokensPerMs = new Map<string, number>();

  expectedMs(target: string, uncachedTokens: number): number {
    return uncachedTokens / (this.#tokensPerMs.get(target) ?? TOKENS_PER_SECOND / 1000);
  }

  learn(target: string, uncachedTokens: number, tookMs: number): void {
    if (uncachedTokens < TOKENS_MIN || tookMs <= 0) return;
    const before = this.#tokensPerMs.get(target);
    const observed = uncachedTokens / tookMs;
    if (before === undefined && this.#tokensPerMs.size >= TARGETS_MAX) return;
    // Of their logarithms: one that took ten times as long weighs as much as one that took a tenth.
    const next = before === undefined ? observed : before * (observed / before) ** NEWEST_SHARE;
    this.#tokensPerMs.set(target, next);
  }
}
