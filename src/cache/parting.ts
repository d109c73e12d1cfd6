/**
 * Where a prompt parts from one before it, and what kind of change that is. Of the earlier prompt only digests are needed.
 */
import { changingPieces } from "./changing.ts";
import { commonCharacters, STEP_CHARACTERS, type SpanDigest } from "./digests.ts";
import { isToolSpan, type Span } from "./spans.ts";

/** Known ways in which clients break their own prefixes. */
export const BREAKERS = [
  "timestamp",
  "uuid",
  "nonce",
  "counter",
  "billing-line",
  "tools-reordered",
  "tools-changed",
  "tool-description",
  "tool-parameters",
  "key-order",
  "whitespace",
  "image",
  "message-inserted",
  "message-removed",
  "compaction",
  "model",
  "marks",
  "lookback",
] as const;
export type Breaker = (typeof BREAKERS)[number];

export interface Parting {
  /** Index among the spans of the later prompt; as many as there are where it ends within the earlier one. */
  readonly index: number;
  readonly path: string;
  /** Characters into the piece up to which both are surely the same; the texts part within the step that follows. */
  readonly offset: number;
  readonly breaker: Breaker | undefined;
}

/**
 * @param texts Of the earlier prompt, by its pieces, where they are at hand: the offset is exact then.
 * @returns `undefined` when the later prompt goes on from the earlier one (or repeats it).
 */
export function partingOf(
  earlier: readonly SpanDigest[],
  later: readonly SpanDigest[],
  spans: readonly Span[],
  texts?: readonly Span[],
): Parting | undefined {
  // Noise is no part of a prefix: each side is read without it.
  const before = earlier.filter((one) => !one.isVolatile);
  const after = spans.flatMap((span, index) => {
    const digest = later[index];
    return digest === undefined || digest.isVolatile ? [] : [{ span, digest, index }];
  });
  const at = before.findIndex((one, index) => one.exact !== after[index]?.digest.exact);
  const old = before[at];
  if (old === undefined) return undefined;
  const now = after[at];
  const isShorter = now === undefined;
  const span = now?.span ?? spans.at(-1);
  const wasText = texts?.filter(({ isVolatile }) => !isVolatile)[at]?.text;
  const offset =
    isShorter || now.digest.kind !== old.kind
      ? 0
      : wasText === undefined
        ? commonCharacters(old, now.digest)
        : sameCharacters(wasText, now.span.text);
  const digests = after.map(({ digest }) => digest);
  return {
    index: now?.index ?? spans.length,
    // Where all tools are gone, what stands in their place is not what changed.
    path: isToolSpan(old.kind) && (span === undefined || !isToolSpan(span.kind)) ? "tools" : (span?.path ?? "messages"),
    offset: isShorter ? (span?.text.length ?? 0) : offset,
    breaker: breakerOf(before, digests, at, now?.span, { offset, isExact: wasText !== undefined }),
  };
}

function sameCharacters(one: string, other: string): number {
  let index = 0;
  while (index < one.length && index < other.length && one[index] === other[index]) index += 1;
  return index;
}

interface Where {
  readonly offset: number;
  /** Whether the texts part just there; else somewhere in the step that begins there. */
  readonly isExact: boolean;
}

function breakerOf(
  before: readonly SpanDigest[],
  after: readonly SpanDigest[],
  at: number,
  span: Span | undefined,
  where: Where,
): Breaker | undefined {
  const old = before[at];
  const now = after[at];
  if (old === undefined) return undefined;
  if (isToolSpan(old.kind) || (now !== undefined && isToolSpan(now.kind))) {
    const order = toolBreaker(before, after);
    if (order !== undefined) return order;
  }
  const form = now === undefined || span === undefined ? undefined : formBreaker(old, now, span, where);
  if (form !== undefined) return form;
  if (old.kind === "tool-description") return "tool-description";
  if (isToolSpan(old.kind)) return "tool-parameters";
  const moved = movedBreaker(before, after, at);
  if (moved !== undefined) return moved;
  return old.kind === "image" || now?.kind === "image" ? "image" : undefined;
}

/** The same tools in another order, or other tools; `undefined`: the same ones, and what differs is inside one of them. */
function toolBreaker(before: readonly SpanDigest[], after: readonly SpanDigest[]): Breaker | undefined {
  const [old, now] = [toolNames(before), toolNames(after)];
  if (isSame(old, now)) return undefined;
  return isSame(old.toSorted(ascending), now.toSorted(ascending)) ? "tools-reordered" : "tools-changed";
}

function toolNames(digests: readonly SpanDigest[]): readonly number[] {
  return digests.filter(({ kind }) => kind === "tool-name" || kind === "tool").map(({ exact }) => exact);
}

function ascending(one: number, other: number): number {
  return one - other;
}

function isSame(one: readonly number[], other: readonly number[]): boolean {
  return one.length === other.length && one.every((value, index) => value === other[index]);
}

/** The piece says the same in another form. */
function formBreaker(old: SpanDigest, now: SpanDigest, { text }: Span, where: Where): Breaker | undefined {
  if (old.kind !== now.kind) return undefined;
  if (old.spaceless === now.spaceless) return "whitespace";
  if (old.ordered === now.ordered) return "key-order";
  if (old.masked !== now.masked || now.kind === "image") return undefined;
  const pieces = changingPieces(text).filter(({ end }) => end > where.offset);
  if (where.isExact) return pieces[0]?.kind;
  // A number stands in any text; a time or an id that does is more likely what changes.
  const near = pieces.filter(({ start }) => start < where.offset + STEP_CHARACTERS);
  return (near.find(({ kind }) => kind !== "counter") ?? near[0])?.kind;
}

/** A message came in, went, or the whole history became a summary of itself. */
function movedBreaker(before: readonly SpanDigest[], after: readonly SpanDigest[], at: number): Breaker | undefined {
  const old = before.slice(at);
  const now = after.slice(at);
  const had = new Set(old.map(({ exact }) => exact));
  const has = new Set(now.map(({ exact }) => exact));
  const gone = old.filter(({ exact }) => !has.has(exact)).length;
  if (gone === 0) return "message-inserted";
  const [first] = now;
  if (first !== undefined && had.has(first.exact)) return "message-removed";
  const isHistory = old[0]?.kind !== "system" && first?.kind !== "system";
  return isHistory && gone >= GONE_MIN && gone > old.length / 2 && now.length <= old.length ? "compaction" : undefined;
}

/** Fewer pieces that are gone are an edit. */
const GONE_MIN = 2;

/** The first piece of noise that is another one than before, where both have as many of them. */
export function noisePath(
  earlier: readonly SpanDigest[],
  later: readonly SpanDigest[],
  spans: readonly Span[],
): string | undefined {
  const before = earlier.filter(({ isVolatile }) => isVolatile);
  const after = later.flatMap((digest, index) => (digest.isVolatile ? [{ digest, span: spans[index] }] : []));
  const changed = after.find(({ digest }, index) => before[index]?.exact !== digest.exact);
  if (changed !== undefined) return changed.span?.path;
  return before.length > after.length ? "system[0]" : undefined;
}

/** The text just there, for people: only for who may see content. */
export function excerptAt({ text }: Span, offset: number): string {
  return text.slice(offset, offset + Math.min(EXCERPT_CHARACTERS, STEP_CHARACTERS));
}

const EXCERPT_CHARACTERS = 80;

/**
 * Whether one prompt is another version of the other: most of what they say is the same wherever it stands, or they offer the same tools,
 * or without any most of the messages are the same.
 */
export function areVersions(earlier: readonly SpanDigest[], later: readonly SpanDigest[]): boolean {
  if (likeness(earlier, later) >= LIKENESS_MIN) return true;
  const [old, now] = [toolNames(earlier), toolNames(later)];
  if (!isSame(old.toSorted(ascending), now.toSorted(ascending))) return false;
  return now.length > 0 || likeness(earlier.filter(isMessage), later.filter(isMessage)) >= LIKENESS_MIN;
}

const LIKENESS_MIN = 0.5;

function isMessage({ kind }: SpanDigest): boolean {
  return kind !== "system" && !isToolSpan(kind);
}

/** The share of the shorter one that the other has, too, from 0 to 1. */
function likeness(earlier: readonly SpanDigest[], later: readonly SpanDigest[]): number {
  const known = new Map<number, number>();
  for (const { masked } of earlier) known.set(masked, (known.get(masked) ?? 0) + 1);
  let common = 0;
  for (const { masked, characters } of later) {
    const left = known.get(masked) ?? 0;
    if (left === 0) continue;
    known.set(masked, left - 1);
    common += characters + 1;
  }
  const all = Math.min(weight(earlier), weight(later));
  return all === 0 ? 0 : common / all;
}

function weight(digests: readonly SpanDigest[]): number {
  return digests.reduce((sum, { characters }) => sum + characters + 1, 0);
}
