/** A prompt's places one by one, for tests that compare them. */
import { BOUNDARY_LINE } from "../src/cache/modes.ts";
import { readPrefixes, type Prefixes } from "../src/cache/prefixes.ts";
import type { ChatRequest, Spot } from "../src/chat.ts";

export interface PlaceOf {
  readonly hash: string;
  readonly tokens: number;
  readonly spot: Spot;
  /** By the client. */
  readonly isMarked: boolean;
}

export function prefixesOf(request: ChatRequest, namespace: string = ""): Prefixes {
  return readPrefixes(request, namespace, BOUNDARY_LINE);
}

export function placesOf(request: ChatRequest, namespace: string = ""): readonly PlaceOf[] {
  const { spots, hashes, tokens, marks } = prefixesOf(request, namespace);
  return spots.map((spot, place) => ({
    hash: `${hashes[2 * place]}.${hashes[2 * place + 1]}`,
    tokens: tokens[place] ?? 0,
    spot,
    isMarked: marks.some((mark) => mark.place === place),
  }));
}
