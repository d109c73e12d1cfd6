/**
 * Reasons to go back to where one came from. *Hard*: a reasoning signature is readable by its issuer only, and an answer that is kept
 * can be gone on from where it is kept. *Soft*: a prefix is probably warm in a target's cache. All are learned from answers by the meter, bounded, and forgotten with time.
 */
import { hash } from "node:crypto";
import type { Boundary } from "./cache/boundary.ts";
import type { Holder } from "./candidates.ts";
import type { ChatRequest, Part } from "./chat.ts";
import type { Target } from "./target.ts";
import { promptTokens, type Usage } from "./usage.ts";

/** Signatures remembered; each costs about 100 bytes. */
export const SIGNATURES_MAX = 50_000;
/** Kept answers and conversations remembered; each costs about 200 bytes. */
export const KEPT_MAX = 50_000;
/** Warm borders remembered over all targets; each costs about 150 bytes. */
export const WARM_BORDERS_MAX = 100_000;
/** What a server's own cache is assumed to keep, as nothing tells: it lasts until memory is needed. */
const LOCAL_CACHE_SECONDS = 600;

export interface Bindings {
  /** The provider instance that issued the reasoning this request carries; `undefined` when it carries none that is known. */
  issuer(request: ChatRequest): string | undefined;
  /** Where this answer or conversation is kept; `undefined`: not known. @param caller Who asks. */
  holder(id: string, caller: string): Holder | undefined;
  /** How many of this prompt's tokens (o200k estimate) are probably warm at the target. */
  warmTokens(boundary: Boundary, target: Target, nowMs: number): number;
  learnSignature(signature: string, instance: string): void;
  /** @param caller Whose call left it there. */
  learnKept(id: string, instance: string, caller: string): void;
  learnPrompt(boundary: Boundary, target: Target, usage: Usage, nowMs: number): void;
}

export function createBindings(): Bindings {
  const issuers = new BoundedMap<string, string>(SIGNATURES_MAX);
  const kept = new BoundedMap<string, { readonly instance: string; readonly caller: string }>(KEPT_MAX);
  const warm = new BoundedMap<string, number>(WARM_BORDERS_MAX);
  return {
    issuer(request) {
      for (const message of request.messages) {
        if (message.role !== "assistant") continue;
        for (const part of message.parts) {
          const sealed = seal(part);
          if (sealed === undefined) continue;
          const instance = issuers.get(sealKey(sealed));
          if (instance !== undefined) return instance;
        }
      }
      return undefined;
    },
    holder(id, caller) {
      const found = kept.get(sealKey(id));
      return found === undefined ? undefined : { instance: found.instance, isOwn: found.caller === caller };
    },
    warmTokens(boundary, target, nowMs) {
      const minimum = minimumTokens(target);
      for (let index = boundary.borders.length - 1; index >= 0; index -= 1) {
        const border = boundary.borders[index];
        if (border === undefined || border.tokens < minimum) break;
        const expiresMs = warm.get(warmKey(border.hash, target));
        if (expiresMs !== undefined && expiresMs > nowMs) return border.tokens;
      }
      return 0;
    },
    learnSignature(signature, instance) {
      issuers.set(sealKey(signature), instance);
    },
    learnKept(id, instance, caller) {
      kept.set(sealKey(id), { instance, caller });
    },
    learnPrompt(boundary, target, usage, nowMs) {
      const seconds = warmSeconds(target, usage);
      if (seconds === 0) return;
      const isMarked = target.record?.cache.kind === "marks";
      const whole = boundary.borders.at(-1)?.tokens ?? 0;
      // What was read or written is warm; the estimate may be off by a little.
      const tokensMax = whole * cachedShare(target, usage) * 1.05;
      const inside = boundary.borders.filter((border) => border.tokens <= tokensMax);
      for (const border of inside) {
        // Where caches are marked, a prefix that ends between two marks is not found again.
        if (isMarked && !border.marked && border !== inside.at(-1)) continue;
        warm.set(warmKey(border.hash, target), nowMs + seconds * 1000);
      }
    },
  };
}

function seal(part: Part): string | undefined {
  return part.type === "reasoning" ? (part.signature ?? part.redacted) : undefined;
}

/** Signatures run to kilobytes, and ids may be of any length; their hash identifies them as well. */
function sealKey(text: string): string {
  return hash("sha256", text, "base64url").slice(0, 22);
}

function warmKey(border: string, target: Target): string {
  return `${target.name}\u0000${border}`;
}

function minimumTokens(target: Target): number {
  const cache = target.record?.cache;
  return cache !== undefined && "minTokens" in cache ? cache.minTokens / (target.record?.tokenRatio ?? 1) : 0;
}

/** How long what this answer left in the cache lives, by the model's cache contract; 0: nothing was left. */
function warmSeconds(target: Target, usage: Usage): number {
  const cache = target.record?.cache;
  if (cache === undefined) return 0;
  switch (cache.kind) {
    case "none":
      return 0;
    case "automatic":
      return cache.idleSeconds;
    case "keyed":
      return (usage.cacheRead ?? 0) > 0 ? cache.idleSeconds : 0;
    case "local":
      return LOCAL_CACHE_SECONDS;
    case "marks": {
      if ((usage.cacheWrite1h ?? 0) > 0) return 3600;
      return (usage.cacheRead ?? 0) + (usage.cacheWrite5m ?? 0) + (usage.cacheWriteOther ?? 0) > 0
        ? Math.min(...cache.ttlSeconds)
        : 0;
    }
  }
}

/** The share of the prompt that is in the cache now: everything where caching is automatic, what was read and written where it is marked. */
function cachedShare(target: Target, usage: Usage): number {
  if (target.record?.cache.kind !== "marks") return 1;
  const whole = promptTokens(usage) ?? 0;
  return whole === 0 ? 0 : (whole - (usage.inputUncached ?? 0)) / whole;
}

/**
 * A map that forgets what was first written longest ago. An entry that is written again keeps its place, and the oldest is found by
 * one iterator that is never begun anew: V8 leaves a gap where an entry was deleted, until the table grows, and walks through all
 * of them. Deleting a key to set it again with every call took 80 to 300 µs a call at 100,000 entries, this takes one.
 */
class BoundedMap<Key, Value> {
  readonly #entries = new Map<Key, Value>();
  readonly #oldest = this.#entries.keys();
  readonly #max: number;

  constructor(max: number) {
    this.#max = max;
  }

  get(key: Key): Value | undefined {
    return this.#entries.get(key);
  }

  set(key: Key, value: Value): void {
    this.#entries.set(key, value);
    if (this.#entries.size <= this.#max) return;
    const oldest = this.#oldest.next();
    if (oldest.done !== true) this.#entries.delete(oldest.value);
  }
}
