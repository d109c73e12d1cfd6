/**
 * Reasons to go back to where one came from. *Hard*: reasoning is readable by its issuer only, and what is kept can be gone on from
 * where it is kept. *Soft*: a prefix is probably warm in a target's cache. All are learned from answers by the meter, bounded, and
 * forgotten with time; the hard ones are written down with the ledger's rows, so that a restart does not forget them.
 *
 * In memory a hard one is about 210 bytes: 25 MB when all are full (`ISSUED_MAX`), and 15 of warm borders. Learning one is a hash and
 * a row for the next batch, 1 to 2 µs; looking one up is a hash, 0.5 µs for an id and 1 for a seal (100 seals in a request: 0.1 ms).
 */
import { hash } from "node:crypto";
import { ties, type Binding, type Origin, type Tie } from "./bound.ts";
import type { Boundary } from "./cache/boundary.ts";
import type { ChatRequest } from "./chat.ts";
import { ISSUED_MAX, type Issued, type IssuedKind } from "./ledger-bindings.ts";
import type { Target } from "./target.ts";
import { promptTokens, type Usage } from "./usage.ts";

/** Warm borders remembered over all targets; each costs about 150 bytes. */
export const WARM_BORDERS_MAX = 100_000;
/** What a server's own cache is assumed to keep, as nothing tells: it lasts until memory is needed. */
const LOCAL_CACHE_SECONDS = 600;

/** Where something is kept that an answer left at its provider. */
export interface Holder {
  /** The provider instance's name. */
  readonly instance: string;
  /** Whether it was the same caller's call that left it there: nobody else may go on from it. */
  readonly isOwn: boolean;
}

export interface Bindings {
  /** What ties this request to a place; of reasoning and calls only what is known. @param caller Who asks. */
  of(request: ChatRequest, caller: string): readonly Binding[];
  /** Where this answer is kept; `undefined`: not known. @param caller Who asks. */
  holder(id: string, caller: string): Holder | undefined;
  /** How many of this prompt's tokens (o200k estimate) are probably warm at the target. */
  warmTokens(boundary: Boundary, target: Target, nowMs: number): number;
  learnSignature(signature: string, target: Target): void;
  /** @param caller Whose call left it there. */
  learnKept(id: string, target: Target, caller: string): void;
  /** A file or a container that was found there. It was not put there through us: whose it is, nobody here knows. */
  learnHosted(id: string, target: Target): void;
  /** @param caller Whose call it was: short ids of different callers' calls may be the same. */
  learnCall(id: string, target: Target, caller: string): void;
  learnPrompt(boundary: Boundary, target: Target, usage: Usage, nowMs: number): void;
  /** What an earlier process learned. What has been learned since is newer, and stays. */
  recall(issued: readonly Issued[]): void;
}

/** @param remember Told of every hard binding that is new, or leads elsewhere now. */
export function createBindings(remember: (issued: Issued) => void = () => {}): Bindings {
  const issued = {
    seal: new BoundedMap<string, Issued>(ISSUED_MAX.seal),
    kept: new BoundedMap<string, Issued>(ISSUED_MAX.kept),
    call: new BoundedMap<string, Issued>(ISSUED_MAX.call),
  };
  const warm = new BoundedMap<string, number>(WARM_BORDERS_MAX);
  const learn = (kind: IssuedKind, key: string, { instance, model }: Target, caller: string): void => {
    const known = issued[kind].get(key);
    if (known?.instance === instance.name && known.model === model && known.caller === caller) return;
    const learned: Issued = { kind, key, instance: instance.name, model, caller };
    issued[kind].set(key, learned);
    remember(learned);
  };
  const found = (tie: Tie, caller: string): Issued | undefined => {
    switch (tie.kind) {
      case "kept":
        return issued.kept.get(keyOf(tie.id));
      case "hosted":
        return issued.kept.get(hostedKey(tie.id));
      case "thought":
        if (!tie.isKept) return issued.seal.size === 0 ? undefined : issued.seal.get(keyOf(tie.seal));
        return issued.kept.size === 0 ? undefined : issued.kept.get(keyOf(tie.seal));
      case "call":
        return issued.call.size === 0 ? undefined : issued.call.get(callKey(tie.id, caller));
    }
  };
  return {
    of(request, caller) {
      const bindings: Binding[] = [];
      for (const tie of ties(request)) {
        const known = found(tie, caller);
        const isNamed = tie.kind === "kept" || tie.kind === "hosted";
        if (known === undefined && !isNamed) continue;
        bindings.push({ ...tie, origin: originOf(known), isOwn: known?.caller === caller });
      }
      return bindings;
    },
    holder(id, caller) {
      const known = issued.kept.get(keyOf(id));
      return known === undefined ? undefined : { instance: known.instance, isOwn: known.caller === caller };
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
    learnSignature(signature, target) {
      learn("seal", keyOf(signature), target, "");
    },
    learnKept(id, target, caller) {
      learn("kept", keyOf(id), target, caller);
    },
    learnHosted(id, target) {
      learn("kept", hostedKey(id), target, "");
    },
    learnCall(id, target, caller) {
      learn("call", callKey(id, caller), target, caller);
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
    recall(recalled) {
      for (const one of recalled) {
        if (issued[one.kind].get(one.key) === undefined) issued[one.kind].set(one.key, one);
      }
    },
  };
}

function originOf(known: Issued | undefined): Origin | undefined {
  return known === undefined ? undefined : { instance: known.instance, model: known.model };
}

/** Characters of a text that name it as well as all of them: seals run to kilobytes, and end in what was encrypted or in its check sum. */
const TELLING_CHARACTERS = 512;

function keyOf(text: string): string {
  const told = text.length <= TELLING_CHARACTERS ? text : `${text.length}:${text.slice(-TELLING_CHARACTERS)}`;
  return hash("sha256", told, "base64url").slice(0, 22);
}

/** Apart from what callers own: naming a thing as a file must not make it theirs. */
function hostedKey(id: string): string {
  return keyOf(`hosted\u0000${id}`);
}

function callKey(id: string, caller: string): string {
  return keyOf(`call\u0000${caller}\u0000${id}`);
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

  get size(): number {
    return this.#entries.size;
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
