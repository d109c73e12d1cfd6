/** Mistral's cache: only for requests that carry a `prompt_cache_key`, in blocks of 64 tokens, free to write. */
import { type Prompt, stepHashes } from "../prompt.ts";
import { digest } from "../tokens.ts";
import { BoundedMap, type CachePlan, uncachedPlan } from "./cache.ts";

export interface KeyedAsk {
  readonly scope: string;
  readonly prompt: Prompt;
  readonly key: string | undefined;
  readonly minTokens: number;
  readonly stepTokens: number;
  readonly idleSeconds: number;
  readonly nowMs: number;
}

const ENTRIES_MAX = 200_000;

export class MistralKeyed {
  readonly #usedAtMs = new BoundedMap<number>(ENTRIES_MAX);

  plan(ask: KeyedAsk): CachePlan {
    if (ask.key === undefined) return uncachedPlan(ask.prompt.tokens);
    const hashes = stepHashes(ask.prompt, ask.stepTokens, digest(ask.scope, ask.key));
    const isWarm = (hash: string) => (this.#usedAtMs.get(hash) ?? -Infinity) + ask.idleSeconds * 1000 > ask.nowMs;
    const cold = hashes.findIndex((hash) => !isWarm(hash));
    const matched = (cold < 0 ? hashes.length : cold) * ask.stepTokens;
    const read = matched < ask.minTokens ? 0 : matched;
    return {
      bill: { uncached: ask.prompt.tokens - read, read, write5m: 0, write1h: 0, writeOther: 0 },
      commit: () => {
        for (const hash of hashes) this.#usedAtMs.set(hash, ask.nowMs);
      },
    };
  }

  clear(): void {
    this.#usedAtMs.clear();
  }
}
