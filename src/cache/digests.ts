/**
 * What is remembered of a prompt's pieces to see later where another one parts from it: hashes, sizes and counts, and no text.
 *
 * Beside the hash of what a piece says there is one for each way in which it may differ and yet mean the same: by its spaces, by the
 * order of its JSON keys, and by what changes by itself (times, ids). Equal in one of them is how a breaker is known.
 */
import { hash } from "node:crypto";
import type { JsonValue } from "../chat.ts";
import { READ_CHARACTERS_MAX, withoutChanging } from "./changing.ts";
import type { Span, SpanKind } from "./spans.ts";

export interface SpanDigest {
  readonly kind: SpanKind;
  readonly isVolatile: boolean;
  readonly characters: number;
  readonly exact: number;
  /** Without white space. */
  readonly spaceless: number;
  /** JSON with its keys in order; of anything else as `exact`. */
  readonly ordered: number;
  /** Without what changes by itself. */
  readonly masked: number;
  /** One for each {@link STEP_CHARACTERS} of the text, each of that step alone. */
  readonly steps: Uint32Array;
}

/** How exactly a place inside a text is known. */
export const STEP_CHARACTERS = 512;
/** Steps of one text; the end of a longer one is one step. */
const STEPS_MAX = 128;

/**
 * @param same Digests of the pieces that it begins with, noise not counted, where they are known to be the same: their texts are not read.
 * @param pool Digests of pieces that were seen lately.
 */
export function digestSpans(
  spans: readonly Span[],
  same: readonly SpanDigest[] = [],
  pool?: DigestPool,
): readonly SpanDigest[] {
  let seen = 0;
  return spans.map((span) => {
    const known = span.isVolatile ? undefined : same[seen];
    if (!span.isVolatile) seen += 1;
    if (known !== undefined) return known;
    const exact = digest(`${span.kind}\u0001${span.head}\u0001${span.text}`);
    const pooled = pool?.get(exact);
    if (pooled !== undefined) return pooled;
    const made = spanDigest(span, exact);
    pool?.add(made);
    return made;
  });
}

/** What every conversation of a caller begins with is digested once. */
export class DigestPool {
  readonly #entriesMax: number;
  /** The one used longest ago first. */
  readonly #byDigest = new Map<number, SpanDigest>();

  constructor(entriesMax: number = POOLED_MAX) {
    this.#entriesMax = entriesMax;
  }

  get size(): number {
    return this.#byDigest.size;
  }

  get(exact: number): SpanDigest | undefined {
    const found = this.#byDigest.get(exact);
    if (found === undefined) return undefined;
    this.#byDigest.delete(exact);
    this.#byDigest.set(exact, found);
    return found;
  }

  add(made: SpanDigest): void {
    // Short ones are made as soon as they are found.
    if (made.characters < POOLED_CHARACTERS_MIN) return;
    this.#byDigest.set(made.exact, made);
    const [oldest] = this.#byDigest.keys();
    if (this.#byDigest.size > this.#entriesMax && oldest !== undefined) this.#byDigest.delete(oldest);
  }
}

/** 700 bytes each, at most. */
const POOLED_MAX = 2_048;
const POOLED_CHARACTERS_MIN = 128;

/** What was seen lately, for each caller: how soon one is done says nothing of another's prompts. */
export class DigestPools {
  /** The one used longest ago first. */
  readonly #byTenant = new Map<number, DigestPool>();

  of(tenant: string): DigestPool {
    const key = digest(tenant);
    const pool = this.#byTenant.get(key) ?? new DigestPool();
    this.#byTenant.delete(key);
    this.#byTenant.set(key, pool);
    const [oldest] = this.#byTenant.keys();
    if (this.#byTenant.size > TENANTS_MAX && oldest !== undefined) this.#byTenant.delete(oldest);
    return pool;
  }
}

const TENANTS_MAX = 16;

function spanDigest({ kind, head, text, isVolatile }: Span, exact: number): SpanDigest {
  const of = (form: string) => (form === text ? exact : digest(`${kind}\u0001${head}\u0001${form}`));
  const read = text.length > READ_CHARACTERS_MAX ? undefined : text;
  return {
    kind,
    isVolatile,
    characters: text.length,
    exact,
    spaceless: read === undefined ? exact : of(read.replace(/\s+/g, "")),
    ordered: read === undefined ? exact : of(orderedText(read)),
    masked: read === undefined ? exact : of(withoutChanging(read)),
    steps: stepHashes(text),
  };
}

/** 48 bits: what is compared are a few thousand pieces of one caller. */
export function digest(text: string): number {
  return Number.parseInt(hash("sha256", text, "hex").slice(0, 12), 16);
}

function stepHashes(text: string): Uint32Array {
  // A text of one step needs none: it parts within it, or nowhere.
  if (text.length <= STEP_CHARACTERS) return NO_STEPS;
  const count = Math.min(STEPS_MAX, Math.ceil(text.length / STEP_CHARACTERS));
  return Uint32Array.from({ length: count }, (_, step) => {
    const isLast = step === STEPS_MAX - 1;
    return stepHash(text.slice(step * STEP_CHARACTERS, isLast ? undefined : (step + 1) * STEP_CHARACTERS));
  });
}

const NO_STEPS = new Uint32Array(0);

function stepHash(text: string): number {
  return Number.parseInt(hash("sha256", text, "hex").slice(0, 8), 16);
}

/** JSON text with the keys of each object in one order; any other text as it is. */
export function orderedText(text: string): string {
  const first = text.trimStart()[0];
  if (first !== "{" && first !== "[") return text;
  try {
    return JSON.stringify(JSON.parse(text), (_, inner: JsonValue) => {
      if (typeof inner !== "object" || inner === null || Array.isArray(inner)) return inner;
      return Object.fromEntries(Object.entries(inner).sort(([one], [other]) => (one < other ? -1 : 1)));
    });
  } catch {
    return text;
  }
}

/** How many characters two texts surely have in common at their start. */
export function commonCharacters(one: SpanDigest, other: SpanDigest): number {
  const count = Math.min(one.steps.length, other.steps.length);
  let step = 0;
  while (step < count && one.steps[step] === other.steps[step]) step += 1;
  return Math.min(step * STEP_CHARACTERS, one.characters, other.characters);
}

/** What it takes in memory, roughly. */
export function digestBytes({ steps }: SpanDigest): number {
  return 160 + steps.byteLength;
}
