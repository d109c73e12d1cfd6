/**
 * How long each target takes until a prompt can be read, learned from how long its first event took: what a hold is expected to last.
 * Two parts: what every call waits for (the network, a queue), and what grows with the tokens that are read.
 */

/** Of a target that has not shown its own yet: what hosted models usually take for a short prompt, and a low rate of theirs. */
const LATENCY_MS = 300;
const TOKENS_PER_SECOND = 10_000;
/** In a shorter prompt, the latency takes longer than the reading. */
const TOKENS_MIN = 2048;
/** The reading takes this share of the whole at least, whatever the latency was thought to be. */
const READING_SHARE_MIN = 0.2;
/** What the newest observation weighs: one that took longer than expected more, as too short a hold is worse than too long a one. */
const SLOWER_SHARE = 0.5;
const FASTER_SHARE = 0.1;
/** Targets whose speed is learned; the config names fewer. */
const TARGETS_MAX = 1000;

interface Speed {
  latencyMs: number;
  msPerToken: number;
}

export class PrefillSpeeds {
  readonly #speeds = new Map<string, Speed>();

  expectedMs(target: string, uncachedTokens: number): number {
    const { latencyMs, msPerToken } = this.#speeds.get(target) ?? unseen();
    return latencyMs + uncachedTokens * msPerToken;
  }

  /** Whether the target has shown a speed of its own. */
  isLearned(target: string): boolean {
    return this.#speeds.has(target);
  }

  learn(target: string, uncachedTokens: number, tookMs: number): void {
    if (tookMs <= 0) return;
    const speed = this.#speeds.get(target) ?? unseen();
    if (!this.#speeds.has(target)) {
      if (this.#speeds.size >= TARGETS_MAX) return;
      this.#speeds.set(target, speed);
    }
    if (uncachedTokens < TOKENS_MIN) {
      speed.latencyMs = nearer(speed.latencyMs, Math.max(1, tookMs - uncachedTokens * speed.msPerToken));
      return;
    }
    const readingMs = Math.max(READING_SHARE_MIN * tookMs, tookMs - speed.latencyMs);
    speed.msPerToken = nearer(speed.msPerToken, readingMs / uncachedTokens);
  }
}

function unseen(): Speed {
  return { latencyMs: LATENCY_MS, msPerToken: 1000 / TOKENS_PER_SECOND };
}

/** By their logarithms: what took ten times as long is as far away as what took a tenth. */
function nearer(expected: number, observed: number): number {
  return expected * (observed / expected) ** (observed > expected ? SLOWER_SHARE : FASTER_SHARE);
}
