/**
 * Reasons to go back to where one came from: reasoning is readable by its issuer only, and what is kept can be gone on from where it is
 * kept. Both are learned from answers by the meter, bounded, and written down with the ledger's rows, so that a restart does not forget
 * them. Where a prefix is warm is the cache planner's to know.
 *
 * What is kept is its tenant's: whoever's call left it there. Nobody else may go on from it, learn where it is, or take it over, also not
 * by asking for so much that it is forgotten: at a bound the oldest of who has most goes.
 *
 * In memory one is about 230 bytes: 32 MB when all are full (`ISSUED_MAX`). Learning one is a hash and a row for the next batch, 1 to 2 µs;
 * looking one up is a hash, 0.5 µs for an id and 1 for a seal (100 seals in a request: 0.1 ms).
 */
import { hash } from "node:crypto";
import { ties, type Binding, type Leaning, type Origin, type Tie } from "./bound.ts";
import type { ChatRequest } from "./chat.ts";
import { ISSUED_MAX, type Issued, type IssuedKind } from "./ledger-bindings.ts";
import type { Target } from "./target.ts";

/** Where something is kept that an answer left at its provider. */
export interface Holder {
  /** The provider instance's name; `undefined`: nobody knows, and it may be another tenant's. */
  readonly instance: string | undefined;
  /** Whether it was the same tenant's call that left it there: nobody else may go on from it. */
  readonly isOwn: boolean;
}

/** `caller` is the tenant throughout (`Caller.tenant`), never the name of its key. */
export interface Bindings {
  /** What ties this request to a place; of reasoning and calls only what is known, or what only its owner may name. */
  of(request: ChatRequest, caller: string): readonly Binding[];
  /** Where this answer is kept; `undefined`: not known, and anybody may ask for it. */
  holder(id: string, caller: string): Holder | undefined;
  learnSignature(signature: string, target: Target, caller: string): void;
  learnKept(id: string, target: Target, caller: string): void;
  /** A file, a container or something said, that the answer made there. */
  learnHosted(id: string, target: Target, caller: string): void;
  /** What the request named was found there. That is no reason to give up a home that is known, nor to own what somebody may. */
  learnLeaning(leaning: Leaning, target: Target, caller: string): void;
  /** Short ids of different callers' calls may be the same. */
  learnCall(id: string, target: Target, caller: string): void;
  /** What an earlier process learned. What has been learned since is newer, and stays. */
  recall(issued: readonly Issued[]): void;
}

export interface BindingsOptions {
  /** Told of every binding that is new, leads elsewhere now, or is still in use. @returns whether there was room to write it down. */
  readonly remember?: (issued: Issued) => boolean;
  /** Whether several tenants call, so that what nobody is known to own may be another's. */
  readonly isShared?: () => boolean;
  /** Whether it is served nevertheless, to whoever names it. */
  readonly servesUnowned?: () => boolean;
  /** Milliseconds since the epoch. */
  readonly now?: () => number;
}

/** Whose is what somebody has gone on from that nobody is known to have asked for; and of a gateway without keys, everybody. */
const NOBODY = "";

/** What is still in use is written down again after so long, so that it is not deleted for its age. */
const REWRITE_AFTER_MS = 86_400_000;
/** What found no room in the ledger's queue and waits for it. More of it is written down when it is used the next time. */
const UNWRITTEN_MAX = 10_000;
/** So many of them are tried again with each request. */
const RETRIED_MAX = 16;

export function createBindings({
  remember = () => true,
  isShared = () => false,
  servesUnowned = () => false,
  now = Date.now,
}: BindingsOptions = {}): Bindings {
  const known: Readonly<Record<IssuedKind, SharedMap>> = {
    seal: new SharedMap(ISSUED_MAX.seal),
    kept: new SharedMap(ISSUED_MAX.kept),
    hosted: new SharedMap(ISSUED_MAX.hosted),
    call: new SharedMap(ISSUED_MAX.call),
  };
  const isBarred = (): boolean => isShared() && !servesUnowned();
  const owns = (caller: string, one: Known | undefined): boolean =>
    one !== undefined && (one.caller === caller || (one.caller === NOBODY && servesUnowned()));
  const unwritten = new Set<Known>();
  const write = (one: Known): boolean => {
    const isWritten = remember(one);
    one.writtenAtMs = isWritten ? now() : 0;
    if (isWritten) unwritten.delete(one);
    else if (unwritten.size < UNWRITTEN_MAX) unwritten.add(one);
    return isWritten;
  };
  const retry = (): void => {
    let tries = RETRIED_MAX;
    for (const one of unwritten) {
      if (tries === 0 || !write(one)) return;
      tries -= 1;
    }
  };
  const used = (one: Known): void => {
    if (now() - one.writtenAtMs > REWRITE_AFTER_MS) write(one);
  };
  const learn = (kind: IssuedKind, key: string, { instance, model }: Target, caller: string): void => {
    const before = known[kind].get(key);
    if (before === undefined) {
      const learned: Known = { kind, key, instance: instance.name, model, caller, writtenAtMs: 0 };
      known[kind].add(learned);
      write(learned);
    } else if (before.caller === caller) {
      // Some servers let a client choose its answer's id: it must not become theirs so. Who has it may have it anew elsewhere.
      if (before.instance === instance.name && before.model === model) return used(before);
      before.instance = instance.name;
      before.model = model;
      write(before);
    }
  };
  const found = (tie: Tie, caller: string): Known | undefined => {
    switch (tie.kind) {
      case "kept":
        return known.kept.get(keyOf(tie.id));
      case "hosted":
        return known.hosted.size === 0 ? undefined : known.hosted.get(hostedKey(tie.id, caller));
      case "thought":
        if (!tie.isKept) return known.seal.size === 0 ? undefined : known.seal.get(keyOf(tie.seal));
        return known.kept.size === 0 ? undefined : known.kept.get(keyOf(tie.seal));
      case "call":
        return known.call.size === 0 ? undefined : known.call.get(callKey(tie.id, caller));
    }
  };
  return {
    of(request, caller) {
      if (unwritten.size > 0) retry();
      const bindings: Binding[] = [];
      for (const tie of ties(request)) {
        const one = found(tie, caller);
        const isUnowned = one === undefined && isOwnable(tie) && isBarred();
        const isNamed = tie.kind === "kept" || tie.kind === "hosted";
        if (one === undefined && !isNamed && !isUnowned) continue;
        const isOwn = owns(caller, one);
        if (one !== undefined && isOwn) used(one);
        bindings.push({ ...tie, origin: originOf(one), isOwn, isUnowned });
      }
      return bindings;
    },
    holder(id, caller) {
      const one = known.kept.get(keyOf(id));
      if (one === undefined) return isBarred() ? { instance: undefined, isOwn: false } : undefined;
      const isOwn = owns(caller, one);
      if (isOwn) used(one);
      return { instance: one.instance, isOwn };
    },
    learnSignature(signature, target, caller) {
      learn("seal", keyOf(signature), target, caller);
    },
    learnKept(id, target, caller) {
      learn("kept", keyOf(id), target, caller);
    },
    learnHosted(id, target, caller) {
      learn("hosted", hostedKey(id, caller), target, caller);
    },
    learnLeaning({ kind, id }, target, caller) {
      const key = kind === "kept" ? keyOf(id) : hostedKey(id, caller);
      if (known[kind].get(key) !== undefined) return;
      learn(kind, key, target, kind === "kept" && isShared() ? NOBODY : caller);
    },
    learnCall(id, target, caller) {
      learn("call", callKey(id, caller), target, caller);
    },
    recall(recalled) {
      for (const one of recalled) {
        // When it was written is not told: what is used is written once more.
        if (known[one.kind].get(one.key) === undefined) known[one.kind].add({ ...one, writtenAtMs: 0 });
      }
    },
  };
}

/** Whether it stands for something of an answer that whoever names it may go on from. */
function isOwnable(tie: Tie): boolean {
  return tie.kind === "kept" || (tie.kind === "thought" && tie.isKept);
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

/** Each caller's own: it is a client that says these ids, and nobody may lead another's requests by them. */
function hostedKey(id: string, caller: string): string {
  return keyOf(`hosted\u0000${caller}\u0000${id}`);
}

function callKey(id: string, caller: string): string {
  return keyOf(`call\u0000${caller}\u0000${id}`);
}

interface Known extends Issued {
  instance: string;
  model: string;
  /** 0: not written down yet, or by an earlier process. */
  writtenAtMs: number;
}

/** Keys of one caller that are gone from the front of its list before the list is made anew. */
const GONE_MAX = 1_024;

/**
 * A map whose room its callers share: when it is full, the oldest entry of the one who has most goes, so that nobody can crowd out
 * another who has less. An entry that changes keeps its place.
 */
class SharedMap {
  readonly #entries = new Map<string, Known>();
  /** Each caller's keys, oldest first from `first` on. */
  readonly #shares = new Map<string, { keys: string[]; first: number }>();
  readonly #max: number;

  constructor(max: number) {
    this.#max = max;
  }

  get size(): number {
    return this.#entries.size;
  }

  get(key: string): Known | undefined {
    return this.#entries.get(key);
  }

  /** @param one Of a key that is not there yet. */
  add(one: Known): void {
    this.#entries.set(one.key, one);
    const share = this.#shares.get(one.caller);
    if (share === undefined) this.#shares.set(one.caller, { keys: [one.key], first: 0 });
    else share.keys.push(one.key);
    if (this.#entries.size > this.#max) this.#forget();
  }

  #forget(): void {
    let largest = { keys: [] as string[], first: 0 };
    for (const share of this.#shares.values()) {
      if (share.keys.length - share.first > largest.keys.length - largest.first) largest = share;
    }
    const oldest = largest.keys[largest.first];
    if (oldest !== undefined) this.#entries.delete(oldest);
    largest.first += 1;
    if (largest.first < GONE_MAX) return;
    largest.keys = largest.keys.slice(largest.first);
    largest.first = 0;
  }
}
