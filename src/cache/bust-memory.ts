/** The prompts that were sent last, as digests: by conversation, and by class for what all its conversations begin with. Bounded. */
import { hash } from "node:crypto";
import { digestBytes, type SpanDigest } from "./digests.ts";
import type { Prefixes } from "./prefixes.ts";
import { commonPlaces, spansUpTo } from "./span-places.ts";
import type { Span } from "./spans.ts";

export interface RememberedPrompt {
  readonly digests: readonly SpanDigest[];
  /** Of the prompt's places; of what is static only, none. */
  readonly hashes: Uint32Array;
  readonly target: string;
  /** As the client named it. */
  readonly model: string;
  readonly clientKey: string | undefined;
  /** What the gateway decided around the prompt: its key. */
  readonly sentAs: Readonly<Record<string, string>>;
  readonly replica: string | undefined;
  /** What besides the text its cache tells apart, by name. */
  readonly settings: ReadonlyMap<string, RememberedSetting>;
  /** Estimated. */
  readonly promptTokens: number;
  readonly sentMs: number;
  /** Where it can be read up to, by its marks; shallow to deep. */
  readonly entries: readonly RememberedEntry[];
  /** Up to the end of the deepest, by the provider's own count; `undefined`: not told, or not yet. */
  countedTokens: number | undefined;
  /** It is over, and its answer did not tell what was read and written: nobody knows what can be read of it. */
  isUntold: boolean;
  /** When its first event arrived. */
  readableMs: number | undefined;
}

export interface RememberedEntry {
  /** Pieces, noise not counted, that it covers, the last of them maybe in part. */
  readonly spans: number;
  /** Characters into the last of them, where it ends within it. */
  readonly within: number | undefined;
  /** Content blocks up to its end. */
  readonly blocks: number;
  /** Estimated (o200k), as counts of two models cannot be compared. */
  readonly estimate: number;
  readonly ttlMs: number;
  /** The lifetime that the client asked for, where the gateway sent another one; else the same. */
  readonly saidTtlMs: number;
  /** Who set its mark; `undefined`: not told, or there is none. */
  readonly by: "gateway" | "client" | "provider" | undefined;
}

export interface RememberedSetting {
  /** Nothing that it says is kept. */
  readonly digest: string;
  /** The place from which on it matters. */
  readonly from: number;
}

export interface BustMemoryOptions {
  /** Prompts remembered; several of one conversation are several. */
  readonly promptsMax?: number;
  readonly bytesMax?: number;
}

/** Of one conversation: side requests and parallel branches stand between a prompt and the one that it goes on from. */
const PROMPTS_PER_KEY = 4;
const PROMPTS_MAX = 10_000;
const BYTES_MAX = 64 * 1024 * 1024;
const PROMPT_BYTES = 512;

export class RememberedPrompts {
  readonly #promptsMax: number;
  readonly #bytesMax: number;
  /** The one used longest ago first. */
  readonly #byKey = new Map<string, RememberedPrompt[]>();
  #prompts = 0;
  #bytes = 0;

  constructor({ promptsMax = PROMPTS_MAX, bytesMax = BYTES_MAX }: BustMemoryOptions = {}) {
    this.#promptsMax = promptsMax;
    this.#bytesMax = bytesMax;
  }

  get size(): { readonly prompts: number; readonly bytes: number } {
    return { prompts: this.#prompts, bytes: this.#bytes };
  }

  /** The latest last. */
  of(key: string): readonly RememberedPrompt[] {
    return this.#byKey.get(key) ?? [];
  }

  add(key: string, prompt: RememberedPrompt): void {
    const prompts = this.#byKey.get(key) ?? [];
    this.#byKey.delete(key);
    this.#byKey.set(key, prompts);
    prompts.push(prompt);
    this.#count(prompt, 1);
    if (prompts.length > PROMPTS_PER_KEY) this.#drop(prompts.shift());
    while (this.#prompts > this.#promptsMax || this.#bytes > this.#bytesMax) this.#evict();
  }

  remove(key: string, prompt: RememberedPrompt): void {
    const prompts = this.#byKey.get(key);
    const at = prompts?.indexOf(prompt) ?? -1;
    if (prompts === undefined || at === -1) return;
    prompts.splice(at, 1);
    this.#drop(prompt);
    if (prompts.length === 0) this.#byKey.delete(key);
  }

  #evict(): void {
    const [oldest] = this.#byKey;
    if (oldest === undefined) return;
    const [key, prompts] = oldest;
    this.#drop(prompts.shift());
    if (prompts.length === 0) this.#byKey.delete(key);
  }

  #drop(prompt: RememberedPrompt | undefined): void {
    if (prompt !== undefined) this.#count(prompt, -1);
  }

  #count({ digests, hashes }: RememberedPrompt, sign: 1 | -1): void {
    this.#prompts += sign;
    const own = PROMPT_BYTES + hashes.byteLength;
    this.#bytes += sign * digests.reduce((sum, one) => sum + digestBytes(one), own);
  }
}

/** Nobody's name is kept, and no length of one. */
export function memoryKey(tenant: string, kind: "task" | "class", name: string): string {
  return hash("sha256", JSON.stringify([tenant, kind, name]), "base64url").slice(0, 22);
}

/** Of the earlier prompt that this one has most in common with, what is the same by the hashes of its prefixes. */
export function sameDigests(
  before: readonly RememberedPrompt[],
  spans: readonly Span[],
  prefixes: Prefixes,
): readonly SpanDigest[] {
  let places = 0;
  let best: RememberedPrompt | undefined;
  for (const one of before) {
    const common = commonPlaces(one.hashes, prefixes.hashes);
    if (common > places) [places, best] = [common, one];
  }
  if (best === undefined) return [];
  // A text that goes on behind the last common place is another one.
  const last = prefixes.spots.slice(0, places).findLastIndex(({ kind }) => kind !== "text");
  if (last === -1) return [];
  return best.digests.filter(({ isVolatile }) => !isVolatile).slice(0, spansUpTo(spans, prefixes, last));
}

/** Tells texts apart, and says nothing of them. */
export function digestText(text: string): string {
  return hash("sha256", text, "base64url").slice(0, 11);
}
