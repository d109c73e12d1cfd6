/** A call whose lines that change by themselves stand at its prompt's end, where its class asks for that: other bytes, another reading. */
import { movedRequest, systemTexts, type MovedBy, type Mover } from "./cache/moving.ts";
import type { Dialect } from "./dialects/dialect.ts";
import { applyEdits } from "./edit.ts";
import { parseBody, type Received, type ReceiveLimits } from "./exchange.ts";

export interface MovedCall {
  readonly call: Received;
  /** How many lines each rule took. */
  readonly counts: ReadonlyMap<MovedBy, number>;
}

/** @returns `undefined` where nothing is moved. The same call, the same bytes. */
export function movedCall(
  { raw, body, request }: Received,
  { movable }: Pick<Dialect, "movable">,
  mover: Mover | undefined,
  limits: ReceiveLimits,
): MovedCall | undefined {
  const place = mover === undefined ? undefined : movable?.(body);
  if (place === undefined) return undefined;
  const texts = systemTexts(request);
  // Where the bytes and their reading are not the same texts, no place is certain.
  if (texts.length !== place.texts.length || texts.some((text, at) => text !== place.texts[at])) return undefined;
  const moved = mover?.move(texts);
  if (moved === undefined) return undefined;
  const bytes = applyEdits(raw, place.edits(moved.left, moved.text));
  return {
    call: { raw: bytes, body: parseBody(bytes, limits), request: movedRequest(request, moved) },
    counts: moved.counts,
  };
}

/** `timestamps=1;uuids=2`, for the answer's header. */
export function movedText(counts: MovedCall["counts"]): string {
  return [...counts].map(([rule, lines]) => `${rule}=${lines}`).join(";");
}
