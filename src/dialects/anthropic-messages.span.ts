/**
 * Where a member of a JSON object, or the elements of an array, stand in the text: for values whose very text matters.
 * The text must be valid JSON (it was parsed before).
 */
import {
  CLOSE_ARRAY,
  CLOSE_OBJECT,
  COMMA,
  OPEN_ARRAY,
  OPEN_OBJECT,
  skipSpace,
  stringEnd,
  valueEnd,
} from "../json-scan.ts";

export interface Span {
  readonly start: number;
  readonly end: number;
}

/** The value of the last member with this key (the one that parsers take) of the object that begins at or after `from`. */
export function memberSpan(bytes: Buffer, from: number, key: string): Span | undefined {
  const open = skipSpace(bytes, from);
  if (bytes[open] !== OPEN_OBJECT) return undefined;
  let found: Span | undefined;
  let at = skipSpace(bytes, open + 1);
  while (at < bytes.length && bytes[at] !== CLOSE_OBJECT) {
    const keyEnd = stringEnd(bytes, at);
    const start = skipSpace(bytes, skipSpace(bytes, keyEnd) + 1);
    const end = valueEnd(bytes, start);
    if (JSON.parse(bytes.toString("utf8", at, keyEnd)) === key) found = { start, end };
    at = next(bytes, end);
  }
  return found;
}

/** The elements of the array that begins at `open`. */
export function elementSpans(bytes: Buffer, open: number): Span[] {
  const spans: Span[] = [];
  if (bytes[open] !== OPEN_ARRAY) return spans;
  let at = skipSpace(bytes, open + 1);
  while (at < bytes.length && bytes[at] !== CLOSE_ARRAY) {
    const end = valueEnd(bytes, at);
    spans.push({ start: at, end });
    at = next(bytes, end);
  }
  return spans;
}

function next(bytes: Buffer, end: number): number {
  const at = skipSpace(bytes, end);
  return bytes[at] === COMMA ? skipSpace(bytes, at + 1) : at;
}
