/**
 * OpenAI's cache from GPT-5.6 on: entries stand at breakpoints only (one implicit on the latest message, explicit ones on parts), writes are
 * billed, and without a `prompt_cache_key` there is no telling which machine answers.
 */
import type { Prompt } from "../prompt.ts";
import { digest } from "../tokens.ts";
import { BoundedMap, type CachePlan, KeyRouting } from "./cache.ts";

export interface BreakpointAsk {
  readonly scope: string;
  readonly prompt: Prompt;
  readonly key: string | undefined;
  /** `implicit`: one breakpoint at the end and the latest three marks; `explicit`: the latest four marks, or no caching at all. */
  readonly mode: "implicit" | "explicit";
  readonly minTokens: number;
  readonly maxMarks: number;
  readonly lookback: number;
  readonly ttlSeconds: number;
  readonly nowMs: number;
}

const REQUESTS_PER_MINUTE = 15;
const ENTRIES_MAX = 100_000;
/** Machines over which requests without a key are dealt in turn: the reliable part of "unreliable". */
const UNKEYED_MACHINES = 2;

export class OpenaiBreakpoints {
  readonly #routing = new KeyRouting(REQUESTS_PER_MINUTE);
  readonly #entries = new BoundedMap<{ readonly ttlMs: number; expiresAtMs: number }>(ENTRIES_MAX);
  readonly #dealt = new BoundedMap<number>(10_000);

  plan(ask: BreakpointAsk): CachePlan {
    let hash = digest(this.#machine(ask), ask.scope);
    let tokens = 0;
    const places = ask.prompt.blocks.map((block) => {
      hash = digest(hash, block.level, block.identity);
      tokens += block.tokens.length;
      return { hash, tokens, markSeconds: block.markSeconds, endsMessage: block.endsMessage };
    });
    const marks = places.filter((place) => place.markSeconds !== undefined);
    const last = places.at(-1);
    const written =
      ask.mode === "explicit" || last === undefined
        ? marks.slice(-ask.maxMarks)
        : [...marks.filter((mark) => mark !== last).slice(-(ask.maxMarks - 1)), last];
    const caches = written.length > 0;
    const breakpoints = places.filter((place) => place.endsMessage === true || place.markSeconds !== undefined);
    const hit = caches
      ? breakpoints
          .slice(-ask.lookback)
          .findLast((place) => (this.#entries.get(place.hash)?.expiresAtMs ?? 0) > ask.nowMs)
      : undefined;
    const read = hit?.tokens ?? 0;
    const fresh = written.filter((place) => place.tokens >= ask.minTokens && place.tokens > read);
    const writtenTokens = fresh.at(-1)?.tokens ?? read;
    return {
      bill: {
        uncached: ask.prompt.tokens - writtenTokens,
        read,
        write5m: 0,
        write1h: 0,
        writeOther: writtenTokens - read,
      },
      commit: () => {
        const entry = hit === undefined ? undefined : this.#entries.get(hit.hash);
        if (entry !== undefined) entry.expiresAtMs = Math.max(entry.expiresAtMs, ask.nowMs + entry.ttlMs);
        for (const place of fresh) {
          const ttlMs = (place.markSeconds ?? ask.ttlSeconds) * 1000;
          this.#entries.set(place.hash, { ttlMs, expiresAtMs: ask.nowMs + ttlMs });
        }
      },
    };
  }

  clear(): void {
    this.#entries.clear();
    this.#routing.clear();
    this.#dealt.clear();
  }

  #machine(ask: BreakpointAsk): string {
    if (ask.key !== undefined) return this.#routing.machine(digest(ask.scope, ask.key), ask.nowMs);
    const turn = this.#dealt.get(ask.scope) ?? 0;
    this.#dealt.set(ask.scope, turn + 1);
    return digest(ask.scope, "unkeyed", String(turn % UNKEYED_MACHINES));
  }
}
