/**
 * Answers that are vectors and little else, read without reading their numbers: millions of them would hold up every other call for
 * as long as it takes to make each a number and then text again. A vector stays the text it came as.
 */
import type { JsonObject, JsonValue } from "../chat.ts";

/** A list of numbers in JSON, or base64 of such. */
export type VectorText = string;

export interface CutAnswer {
  /** The answer with a mark in the place of each long list of numbers. */
  readonly answer: JsonObject;
  /** What stands in a vector's place; `undefined`: no vector. */
  readonly vector: (value: JsonValue | undefined) => VectorText | undefined;
}

/** @returns `undefined` for what is no JSON object. */
export function cutVectors(bytes: Buffer): CutAnswer | undefined {
  const { rest, lists } = cut(bytes);
  // A list that was cut out of the middle of a text leaves no JSON behind.
  const reduced = objectIn(rest);
  const answer = reduced ?? (lists.length === 0 ? undefined : objectIn(bytes));
  if (answer === undefined) return undefined;
  return { answer, vector: (value) => vectorText(value, reduced === undefined ? [] : lists) };
}

interface Cut {
  readonly rest: Buffer;
  readonly lists: readonly string[];
}

/** Shorter lists are not worth it. */
const CHARACTERS_MIN = 64;

/** Byte by byte, as numbers are the same in every encoding: what is left is decoded as text after that. */
function cut(bytes: Buffer): Cut {
  const text = bytes.toString("latin1");
  const lists: string[] = [];
  const kept: string[] = [];
  let done = 0;
  for (let open = text.indexOf("["); open >= 0; open = text.indexOf("[", open + 1)) {
    if (!beginsNumber(text, open + 1)) continue;
    const close = text.indexOf("]", open);
    if (close < 0) break;
    if (close - open < CHARACTERS_MIN) continue;
    kept.push(text.slice(done, open), JSON.stringify(markOf(lists.length)));
    lists.push(text.slice(open, close + 1));
    done = close + 1;
    open = close;
  }
  return { rest: lists.length === 0 ? bytes : Buffer.from(kept.join("") + text.slice(done), "latin1"), lists };
}

function beginsNumber(text: string, start: number): boolean {
  let at = start;
  while (SPACES.has(text.charCodeAt(at))) at += 1;
  const code = text.charCodeAt(at);
  return code === MINUS || (code >= ZERO && code <= NINE);
}

const SPACES: ReadonlySet<number> = new Set([0x09, 0x0a, 0x0d, 0x20]);
const MINUS = 0x2d;
const ZERO = 0x30;
const NINE = 0x39;

function objectIn(bytes: Buffer): JsonObject | undefined {
  try {
    const value: unknown = JSON.parse(bytes.toString("utf8"));
    return typeof value === "object" && value !== null && !Array.isArray(value) ? (value as JsonObject) : undefined;
  } catch {
    return undefined;
  }
}

function vectorText(value: JsonValue | undefined, lists: readonly string[]): VectorText | undefined {
  if (Array.isArray(value)) {
    const isFinite = (value as readonly JsonValue[]).every((one) => typeof one === "number" && Number.isFinite(one));
    return isFinite ? JSON.stringify(value) : undefined;
  }
  if (typeof value !== "string") return undefined;
  if (!value.startsWith(MARK)) return BASE64.test(value) ? value : undefined;
  const list = lists[Number(value.slice(MARK.length))];
  return list !== undefined && NUMBERS.test(list) ? list : undefined;
}

export function isBase64({ [0]: first }: VectorText): boolean {
  return first !== "[";
}

const BASE64 = /^[A-Za-z0-9+/]+={0,2}$/;
/** Numbers as JSON has them. Whoever writes three digits of an exponent that is not below zero means none that is finite. */
const NUMBERS =
  /^\[\s*-?\d+(?:\.\d+)?(?:[eE](?:\+?\d{1,2}|-\d+))?(?:\s*,\s*-?\d+(?:\.\d+)?(?:[eE](?:\+?\d{1,2}|-\d+))?)*\s*\]$/;

/** No text that anybody writes. */
const MARK = "\u0001vector ";

function markOf(at: number): string {
  return `${MARK}${at}`;
}

/** The same in the other direction: an answer of marks, and the vectors that belong there. */
export function withVectors(write: (marks: readonly string[]) => JsonObject, vectors: readonly VectorText[]): string {
  const marks = vectors.map((_, at) => markOf(at));
  const parts: string[] = [];
  const text = JSON.stringify(write(marks));
  let done = 0;
  for (const [at, mark] of marks.entries()) {
    const quoted = JSON.stringify(mark);
    const place = text.indexOf(quoted, done);
    if (place < 0) continue;
    const vector = vectors[at] ?? "";
    parts.push(text.slice(done, place), isBase64(vector) ? JSON.stringify(vector) : vector);
    done = place + quoted.length;
  }
  return parts.join("") + text.slice(done);
}

const FLOAT_BYTES = 4;

/** As numbers of 32 bits, the lowest byte first. */
export function inBase64(vector: VectorText): VectorText {
  if (isBase64(vector)) return vector;
  const numbers = JSON.parse(vector) as readonly number[];
  const bytes = Buffer.alloc(numbers.length * FLOAT_BYTES);
  for (let at = 0; at < numbers.length; at += 1) bytes.writeFloatLE(numbers[at] ?? 0, at * FLOAT_BYTES);
  return bytes.toString("base64");
}

export function inNumbers(vector: VectorText): VectorText {
  if (!isBase64(vector)) return vector;
  const bytes = Buffer.from(vector, "base64");
  const length = Math.floor(bytes.length / FLOAT_BYTES);
  return JSON.stringify(Array.from({ length }, (_, at) => bytes.readFloatLE(at * FLOAT_BYTES)));
}
