/** Whether a call's arguments stay what they are where a dialect wants them as an object, which is what a parser makes of their text. */
import type { JsonObject, JsonValue } from "../chat.ts";
import { COLON, QUOTE, stringEnd, valueEnd } from "../json-scan.ts";

/** @param value What was parsed from `text`. */
export function isKept(text: string, value: JsonObject): boolean {
  const bytes = Buffer.from(text);
  let keys = 0;
  let at = 0;
  while (at < bytes.length) {
    const byte = bytes[at] ?? 0;
    if (byte === QUOTE) {
      at = stringEnd(bytes, at);
    } else if (byte >= ZERO && byte <= NINE) {
      const end = valueEnd(bytes, at);
      if (!isKeptNumber(bytes.toString("latin1", at, end))) return false;
      at = end;
    } else {
      if (byte === COLON) keys += 1;
      at += 1;
    }
  }
  // Of a key that stands twice, parsers take the last.
  return keys === keysIn(value);
}

const ZERO = 0x30;
const NINE = 0x39;

/** 1.0 is 1 as well; 9007199254740993 is not 9007199254740992. */
export function isKeptNumber(text: string): boolean {
  if (text.length <= DIGITS_KEPT && !/e/i.test(text)) return true;
  const value = Number(text);
  return Number.isFinite(value) && digitsOf(String(value)) === digitsOf(text);
}

/** So many digits are in every number that is read and written again. */
const DIGITS_KEPT = 15;

/** The significant ones. */
function digitsOf(text: string): string {
  const digits = text
    .replace(/[eE].*$/, "")
    .replace(".", "")
    .replace(/^0+/, "");
  let end = digits.length;
  while (digits[end - 1] === "0") end -= 1;
  return digits.slice(0, end);
}

function keysIn(value: JsonValue): number {
  if (typeof value !== "object" || value === null) return 0;
  const members: readonly (JsonValue | undefined)[] = Object.values(value);
  const own = Array.isArray(value) ? 0 : members.length;
  return members.reduce<number>((sum, member) => sum + (member === undefined ? 0 : keysIn(member)), own);
}
