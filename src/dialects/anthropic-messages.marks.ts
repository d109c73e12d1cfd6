/**
 * Cache marks as the API takes them: at most four, one-hour marks before five-minute ones.
 */
import type { CacheMark, JsonObject } from "../chat.ts";

/** Marks in one request, the request's own among them. */
export const MARKS_MAX = 4;

/** Something on the wire that may bear a mark. */
export interface Markable {
  readonly value: JsonObject;
  mark: CacheMark | undefined;
}

/**
 * Takes away what the API would refuse. Marks that are too many go from the front, as the later ones cover what they covered;
 * a long-lived mark behind a short-lived one becomes short-lived.
 *
 * @param places In the order of the prompt: tools, system, messages.
 * @param whole The mark on the request as a whole, which counts as one.
 */
export function placeMarks(
  places: readonly Markable[],
  whole: CacheMark | undefined,
  marksMax: number,
  lose: (field: string) => void,
): void {
  const marked = places.filter((place) => place.mark !== undefined);
  const extra = Math.max(0, marked.length - (whole === undefined ? marksMax : marksMax - 1));
  for (const place of marked.slice(0, extra)) {
    place.mark = undefined;
    lose("cache_control");
  }
  let short = false;
  for (const place of marked.slice(extra)) {
    const ttl = place.mark?.ttl;
    if (ttl === undefined || ttl === "5m") short = true;
    else if (short) {
      place.mark = { ttl: "5m" };
      lose("cache_control.ttl");
    }
  }
}
