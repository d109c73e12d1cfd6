/**
 * Which of a provider's caches a prompt is looked for in, where it keeps several: that of the key which the prompt is sent with, be it
 * ours or the client's, or the one for prompts without a key. One decision, for what is planned and for what is sent.
 */
import type { ChatRequest, Part } from "../chat.ts";
import type { CacheContract } from "../model.ts";
import type { Target } from "../target.ts";
import { BoundedMap } from "./bounded-map.ts";
import { type CacheKeyAsk, type ChosenKey, createCacheKeys } from "./cache-key.ts";
import { KeyLoads } from "./key-loads.ts";
import type { Prompt } from "./placer.ts";
import { isVolatile, type Prefixes } from "./prefixes.ts";

export interface Route {
  /** Our own key, to be sent; `undefined`: none of ours. */
  readonly key: string | undefined;
  /** Which of the keys for prompts that open alike it is. */
  readonly shard: number | undefined;
  /** Names the cache that it leads to; `undefined`: the one that is not found by a key. */
  readonly partition: string | undefined;
  /** Whether what is there is found: without a key, some providers find nothing, and some now and then. */
  readonly finds: "always" | "perhaps" | "never";
  /** Whether to count on it, by what was found so far. */
  readonly isTrusted: boolean;
  /** A request leaves by it: call it once for each. */
  sent(nowMs: number): void;
  /** What was expected to be found there was, or was not. */
  found(isFound: boolean): void;
}

export interface KeyWish {
  /**
   * Whether a key of ours may be sent: to whoever takes one; where nothing is sure to be found without one, as the call asks for more than
   * it says itself (and then for the conversation's calls after it, which would not find it otherwise); or to nobody.
   */
  readonly may: "always" | "asked" | "goes-on" | "never";
  /** Under which of them what it begins with was written on purpose; `undefined`: it was not. */
  readonly writtenShard: number | undefined;
}

export class Routes {
  readonly #loads = new KeyLoads();
  readonly #keys = createCacheKeys(this.#loads);
  /** How often prompts without a key are found where that is not certain, by tenant and target. */
  readonly #shares = new BoundedMap<number>(SHARES_MAX);

  /** Changes nothing. */
  of(prompt: Prompt, target: Target, wish: KeyWish, nowMs: number): Route {
    const cache = target.record?.cache;
    if (cache === undefined || !takesKey(cache)) return ONLY_ROUTE;
    const { request, namespace } = prompt;
    const own = request.promptCacheKey === undefined ? this.#wished(prompt, target, wish, nowMs) : undefined;
    if (own !== undefined) return this.#own(own, nowMs);
    const key = request.promptCacheKey;
    const share = JSON.stringify([target.name, namespace]);
    // Where each prefix has a machine, the key is one of two things that lead to it, and may be absent.
    const load = JSON.stringify([
      target.name,
      namespace,
      key,
      cache.kind === "automatic" ? openingOf(prompt) : undefined,
    ]);
    const spills = cache.kind === "automatic" || (cache.kind === "marks" && key !== undefined);
    const finds =
      key !== undefined || cache.kind === "automatic" ? "always" : cache.kind === "marks" ? "perhaps" : "never";
    return {
      key: undefined,
      shard: undefined,
      partition: spills ? this.#spilled(key, load, nowMs) : key,
      finds,
      isTrusted: finds === "always" || (finds === "perhaps" && (this.#shares.get(share) ?? 0) >= TRUSTED_SHARE),
      sent: (sentMs) => {
        if (spills) this.#loads.add(load, sentMs);
      },
      found: (isFound) => {
        const before = this.#shares.get(share) ?? 0;
        if (finds === "perhaps") this.#shares.set(share, before + SHARE_STEP * ((isFound ? 1 : 0) - before));
      },
    };
  }

  #wished(prompt: Prompt, target: Target, { may, writtenShard }: KeyWish, nowMs: number): ChosenKey | undefined {
    const isWanted = may === "always" || (may !== "never" && leansOnKey(target.record?.cache));
    if (!isWanted || !isLongEnough(prompt, target)) return undefined;
    const chosen = this.#keys.choose({ ...cacheKeyAsk(prompt, target), writtenShard }, nowMs);
    return may === "goes-on" && !this.#keys.isKnown(chosen) ? undefined : chosen;
  }

  #own(chosen: ChosenKey, nowMs: number): Route {
    const { key, shard, load } = chosen;
    return {
      ...ONLY_ROUTE,
      key,
      shard,
      partition: this.#spilled(key, load, nowMs),
      sent: (sentMs) => this.#keys.sent(chosen, sentMs),
    };
  }

  /** What is beyond a key's rate goes to another machine: another cache. */
  #spilled(key: string | undefined, load: string, nowMs: number): string | undefined {
    const spill = this.#loads.spill(load, nowMs);
    return spill === 0 ? key : JSON.stringify([key, spill]);
  }
}

/** Tenants' targets of which is known how often a prompt without a key is found; about 100 bytes each. */
const SHARES_MAX = 1_000;
/** How much one answer moves that. */
const SHARE_STEP = 0.2;
/** From so many on it is counted on: then a prediction is right more often than not. */
const TRUSTED_SHARE = 0.5;

const ONLY_ROUTE: Route = {
  key: undefined,
  shard: undefined,
  partition: undefined,
  finds: "always",
  isTrusted: true,
  sent: () => {},
  found: () => {},
};

function takesKey(cache: CacheContract): boolean {
  switch (cache.kind) {
    case "automatic":
      return cache.key;
    case "keyed":
      return true;
    case "marks":
      return cache.style === "prompt_cache_breakpoint";
    default:
      return false;
  }
}

/** Whether what is sent without a key is not sure to be found. */
export function leansOnKey(cache: CacheContract | undefined): boolean {
  return cache?.kind === "keyed" || (cache?.kind === "marks" && takesKey(cache));
}

/** Whether there is anything to be found: a key for less would only be one more that is counted. */
function isLongEnough({ prefixes }: Prompt, { record }: Target): boolean {
  const cache = record?.cache;
  if (record === undefined || cache === undefined || !("minTokens" in cache)) return false;
  return prefixes.promptTokens * record.tokenRatio >= cache.minTokens;
}

function cacheKeyAsk(prompt: Prompt, target: Target): CacheKeyAsk {
  const { prefixes, namespace, session } = prompt;
  const { hashes, staticPlace, saidPlace, spots } = prefixes;
  const wordOf = (place: number) => `${hashes[2 * place]}.${hashes[2 * place + 1]}`;
  const staticEnd = saidPlace === -1 ? staticPlace : saidPlace;
  // A conversation goes on from its first message to the user's: what stands behind the static prefix.
  const first = Math.min(staticPlace + 1, spots.length - 1);
  return {
    target: target.name,
    tenant: namespace,
    opening: openingOf(prompt),
    staticPrefix: staticEnd === -1 ? undefined : wordOf(staticEnd),
    conversation: session ?? (first < 0 ? "" : wordOf(first)),
  };
}

/** Tools that are longer are an opening by themselves, and of a text the first 256 tokens: what providers tell machines apart by. */
const OPENING_TOKENS = 256;
const OPENING_CHARACTERS = 4 * OPENING_TOKENS;

/** How the prompt begins: its tools, and its system text, or where it has neither the first message. */
function openingOf({ request, prefixes }: Prompt): string {
  const { hashes, tokens, spots } = prefixes;
  if (spots[0]?.kind !== "tools") return openingCharacters(request, prefixes);
  const tools = `${hashes[0]}.${hashes[1]}`;
  return (tokens[0] as number) >= OPENING_TOKENS ? tools : `${tools} ${openingCharacters(request, prefixes)}`;
}

function openingCharacters({ messages }: ChatRequest, { spots, saidPlace, staticPlace }: Prefixes): string {
  const said = spots[saidPlace];
  let text = "";
  for (const [message, { role, parts }] of messages.entries()) {
    if (role !== "system" && staticPlace !== -1) break;
    for (const [at, part] of (parts as readonly Part[]).entries()) {
      if (part.type !== "text" || isVolatile(part)) continue;
      const isSaid = said?.kind === "text" && said.message === message && said.part === at;
      text += part.text.slice(0, isSaid ? Math.min(said.end, OPENING_CHARACTERS) : OPENING_CHARACTERS);
      if (isSaid || text.length >= OPENING_CHARACTERS) return text.slice(0, OPENING_CHARACTERS);
    }
    if (role !== "system") break;
  }
  return text;
}
