/** Between a prompt's pieces and its places: which pieces stand before a place, and how many tokens before a piece. */
import type { SpanDigest } from "./digests.ts";
import type { Prefixes } from "./prefixes.ts";
import { isToolSpan, type Span } from "./spans.ts";

/** Pieces, noise not counted, that stand before a place. */
export function spansUpTo(spans: readonly Span[], { spots }: Prefixes, place: number): number {
  const spot = spots[place];
  if (spot === undefined) return 0;
  return spans.filter(({ kind, at, part, isVolatile }) => {
    if (isVolatile) return false;
    if (isToolSpan(kind)) return true;
    if (spot.kind === "tools") return false;
    return at < spot.message || (at === spot.message && part <= spot.part);
  }).length;
}

/** For each piece the estimated tokens before it. */
export function tokensBefore(
  spans: readonly Span[],
  digests: readonly SpanDigest[],
  { spots, tokens }: Prefixes,
): Float64Array {
  const toolTokens = spots[0]?.kind === "tools" ? (tokens[0] ?? 0) : 0;
  const toolCharacters = digests.reduce((sum, { kind, characters }) => sum + (isToolSpan(kind) ? characters : 0), 0);
  let place = 0;
  let characters = 0;
  return Float64Array.from(spans, ({ kind, at, part }, index) => {
    if (isToolSpan(kind)) {
      const share = toolCharacters === 0 ? 0 : characters / toolCharacters;
      characters += digests[index]?.characters ?? 0;
      return toolTokens * share;
    }
    for (; place < spots.length; place += 1) {
      const spot = spots[place];
      if (spot === undefined || spot.kind === "tools") continue;
      if (spot.message > at || (spot.message === at && spot.part >= part)) break;
    }
    return tokens[place - 1] ?? 0;
  });
}

/** How many places from the first on two prompts of one caller have in common. */
export function commonPlaces(one: Uint32Array, other: Uint32Array): number {
  const words = Math.min(one.length, other.length);
  let word = 0;
  while (word < words && one[word] === other[word]) word += 1;
  return word >> 1;
}
