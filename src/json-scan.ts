/**
 * Reading JSON's structure on its bytes, without parsing: where a string or a value ends, and how deep the nesting goes.
 *
 * Nothing here validates: on a text that is not JSON the answers mean nothing, but they come in linear time all the same.
 */

export const QUOTE = 0x22;
export const BACKSLASH = 0x5c;
export const COMMA = 0x2c;
export const COLON = 0x3a;
export const OPEN_OBJECT = 0x7b;
export const CLOSE_OBJECT = 0x7d;
export const OPEN_ARRAY = 0x5b;
export const CLOSE_ARRAY = 0x5d;

/**
 * Whether objects and arrays nest deeper than `depthMax`. Meant to run before `JSON.parse`: for as far as a parser would get,
 * both see the same structure.
 */
export function jsonDeeperThan(raw: Uint8Array, depthMax: number): boolean {
  const bytes = bufferOn(raw);
  let depth = 0;
  let at = 0;
  while (at < bytes.length) {
    const byte = bytes[at];
    if (byte === QUOTE) {
      at = stringEnd(bytes, at);
      continue;
    }
    if (byte === OPEN_OBJECT || byte === OPEN_ARRAY) {
      depth += 1;
      if (depth > depthMax) return true;
    } else if (byte === CLOSE_OBJECT || byte === CLOSE_ARRAY) {
      depth -= 1;
    }
    at += 1;
  }
  return false;
}

/** The same memory as a Buffer, whose `indexOf` is native. */
export function bufferOn(raw: Uint8Array): Buffer {
  return Buffer.isBuffer(raw) ? raw : Buffer.from(raw.buffer, raw.byteOffset, raw.byteLength);
}

/** Index after the value that begins at `start`. */
export function valueEnd(bytes: Buffer, start: number): number {
  const first = bytes[start];
  if (first === QUOTE) return stringEnd(bytes, start);
  if (first !== OPEN_OBJECT && first !== OPEN_ARRAY) return scalarEnd(bytes, start);
  let depth = 0;
  let at = start;
  while (at < bytes.length) {
    const byte = bytes[at];
    if (byte === QUOTE) {
      at = stringEnd(bytes, at);
      continue;
    }
    at += 1;
    if (byte === OPEN_OBJECT || byte === OPEN_ARRAY) depth += 1;
    else if (byte === CLOSE_OBJECT || byte === CLOSE_ARRAY) {
      depth -= 1;
      if (depth === 0) return at;
    }
  }
  return at;
}

/** Index after a number, `true`, `false` or `null`. */
function scalarEnd(bytes: Buffer, start: number): number {
  let at = start;
  while (at < bytes.length) {
    const byte = bytes[at] ?? 0;
    if (byte <= 0x20 || byte === COMMA || byte === CLOSE_OBJECT || byte === CLOSE_ARRAY) break;
    at += 1;
  }
  return at;
}

/**
 * How much of a string is looked at byte by byte before the native search takes over. Keys and ids end within it, where a
 * native call would cost more than it saves; 16 was the best of 16 to 128 on chat bodies.
 */
const NEAR_BYTES = 16;

/** Index after the closing quote of the string that opens at `start`; the length of the text when it never closes. */
export function stringEnd(bytes: Buffer, start: number): number {
  const { length } = bytes;
  let at = start + 1;
  for (;;) {
    const near = Math.min(at + NEAR_BYTES, length);
    while (at < near) {
      const byte = bytes[at];
      if (byte === QUOTE) return at + 1;
      at += byte === BACKSLASH ? 2 : 1;
    }
    if (at >= length) return length;
    const quote = bytes.indexOf(QUOTE, at);
    if (quote < 0) return length;
    // `at` stands on a character of its own, so an odd run of backslashes from there on escapes the quote.
    let runStart = quote;
    while (runStart > at && bytes[runStart - 1] === BACKSLASH) runStart -= 1;
    if ((quote - runStart) % 2 === 0) return quote + 1;
    at = quote + 1;
  }
}

/** Index of the first byte at or after `start` that is not white space. */
export function skipSpace(bytes: Buffer, start: number): number {
  let at = start;
  for (;;) {
    const byte = bytes[at];
    if (byte !== 0x20 && byte !== 0x0a && byte !== 0x0d && byte !== 0x09) return at;
    at += 1;
  }
}
