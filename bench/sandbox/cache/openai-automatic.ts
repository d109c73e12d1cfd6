/**
 * OpenAI's cache before GPT-5.6: automatic, in steps of 128 tokens from 1024 on, on the machine that the routing leads to.
 */
import { type Prompt, stepHashes } from "../prompt.ts";
import { digest } from "../tokens.ts";
import { BoundedMap, type CachePlan, KeyRouting } from "./cache.ts";

export interface AutomaticAsk {
  /** Organisation, model, effort, schema: whatever a change of loses everything. */
  readonly scope: string;
  readonly prompt: Prompt;
  readonly key: string | undefined;
  readonly minTokens: number;
  readonly stepTokens: number;
  readonly idleSeconds: number;
  readonly nowMs: number;
}

const ROUTING_TOKENS = 256;
const REQUESTS_PER_MINUTE = 15;
const ENTRIES_MAX = 200_000;
/** In-memory entries end an hour after they were written, however often they are read. */
const LIFE_MS_MAX = 3_600_000;

export class OpenaiAutomatic {
  readonly #routing = new KeyRouting(REQUESTS_PER_MINUTE);
  readonly #entries = new BoundedMap<{ readonly writtenAtMs: number; readonly usedAtMs: number }>(ENTRIES_MAX);

  plan(ask: AutomaticAsk): CachePlan {
    const opening: string[] = [];
    for (const block of ask.prompt.blocks) {
      if (opening.length >= ROUTING_TOKENS) break;
      opening.push(...block.tokens.slice(0, ROUTING_TOKENS - opening.length));
    }
    const machine = this.#routing.machine(digest(ask.scope, ask.key ?? "", opening.join("\u0000")), ask.nowMs);
    const hashes =
      ask.prompt.tokens < ask.minTokens ? [] : stepHashes(ask.prompt, ask.stepTokens, digest(machine, ask.scope));
    const idleMs = ask.idleSeconds * 1000;
    let steps = 0;
    for (const hash of hashes) {
      const entry = this.#entries.get(hash);
      if (
        entry === undefined ||
        entry.usedAtMs + idleMs <= ask.nowMs ||
        entry.writtenAtMs + Math.max(LIFE_MS_MAX, idleMs) <= ask.nowMs
      )
        break;
      steps += 1;
    }
    const matched = steps * ask.stepTokens;
    const read = matched < ask.minTokens ? 0 : matched;
    return {
      bill: { uncached: ask.prompt.tokens - read, read, write5m: 0, write1h: 0, writeOther: 0 },
      commit: () => {
        for (const [index, hash] of hashes.entries()) {
          const writtenAtMs = index < steps ? (this.#entries.get(hash)?.writtenAtMs ?? ask.nowMs) : ask.nowMs;
          this.#entries.set(hash, { writtenAtMs, usedAtMs: ask.nowMs });
        }
      },
    };
  }

  clear(): void {
    this.#entries.clear();
    this.#routing.clear();
  }
}
