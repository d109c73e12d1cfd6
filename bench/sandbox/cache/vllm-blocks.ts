/** vLLM's automatic prefix cache: full blocks, least recently used first out, the last token always computed anew, no price. */
import { type Prompt, stepHashes } from "../prompt.ts";
import { digest } from "../tokens.ts";
import { BoundedMap, type CachePlan } from "./cache.ts";

export interface BlocksAsk {
  readonly model: string;
  /** `cache_salt`: requests with different salts share nothing. */
  readonly salt: string | undefined;
  readonly prompt: Prompt;
  readonly blockTokens: number;
}

export class VllmBlocks {
  readonly #blocks: BoundedMap<true>;
  readonly #blocksMax: number;
  /** Tokens asked for and found, as `/metrics` counts them. */
  queries = 0;
  hits = 0;

  constructor(blocksMax: number) {
    this.#blocks = new BoundedMap(blocksMax);
    this.#blocksMax = blocksMax;
  }

  /** Share of memory that holds blocks. */
  get usage(): number {
    return this.#blocks.size / this.#blocksMax;
  }

  plan(ask: BlocksAsk): CachePlan {
    const hashes = stepHashes(ask.prompt, ask.blockTokens, digest(ask.model, ask.salt ?? ""));
    const cold = hashes.findIndex((hash) => this.#blocks.get(hash) === undefined);
    const blocks = Math.min(cold < 0 ? hashes.length : cold, Math.floor((ask.prompt.tokens - 1) / ask.blockTokens));
    const read = blocks * ask.blockTokens;
    return {
      bill: { uncached: ask.prompt.tokens - read, read, write5m: 0, write1h: 0, writeOther: 0 },
      commit: () => {
        this.queries += ask.prompt.tokens;
        this.hits += read;
        // Tail first: when room is short, the ends of prompts go before their shared beginnings.
        for (const hash of hashes.toReversed()) this.#blocks.set(hash, true);
      },
    };
  }

  /** What a restart, a sleep or `/reset_prefix_cache` does. */
  clear(): void {
    this.#blocks.clear();
  }
}
