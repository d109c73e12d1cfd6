/**
 * A text as bytes, one for each character, for who counts it and who hashes it: written once for both. To write a text in which a single
 * dash is outside of Latin-1 as UTF-8 takes as long as to count and hash it.
 */

/** A text as it stands in {@link TEXT_TWO_BYTES}, until {@link PLACES} others were written. */
export interface TextBytes {
  /** The byte that it begins at, a multiple of eight. */
  readonly at: number;
  /** In characters and bytes. */
  readonly length: number;
  /** Characters outside of Latin-1, in {@link WIDE} from `at` on: where in the text each is (in the high 16 bits), and which. */
  readonly wide: number;
}

/** Longest text that can be written, in characters. */
export const TEXT_BYTES_MAX = 32_768;
/** Spaces behind each text, for who reads several bytes at once. */
export const TEXT_BYTES_AFTER = 8;
/** What stands for a character outside of Latin-1: of most scripts, and of those that have a word in a character or two. */
export const OTHER_BYTE = 1;
export const CJK_BYTE = 2;

/** A tool's name, its description and its parameters are counted before the first of them is hashed. */
const PLACES = 4;
const PLACE_BYTES = TEXT_BYTES_MAX + TEXT_BYTES_AFTER;
const MEMORY = new ArrayBuffer(PLACES * PLACE_BYTES);
/** Shared, as nothing here is ever interrupted. */
const TEXT_BYTES = Buffer.from(MEMORY);
export const TEXT_TWO_BYTES: Uint16Array = new Uint16Array(MEMORY);
export const WIDE: Uint32Array = new Uint32Array(PLACES * PLACE_BYTES);

const texts = Array.from({ length: PLACES }, () => "");
const written: TextBytes[] = texts.map((_, place) => ({ at: place * PLACE_BYTES, length: 0, wide: 0 }));
let next = 0;

/** @param text No longer than {@link TEXT_BYTES_MAX}. */
export function textBytes(text: string): TextBytes {
  for (let place = 0; place < PLACES; place += 1) if (texts[place] === text) return written[place]!;
  const at = next * PLACE_BYTES;
  const { length } = text;
  TEXT_BYTES.write(text, at, "latin1");
  const end = at + length;
  for (let index = end; index < end + TEXT_BYTES_AFTER; index += 1) TEXT_BYTES[index] = SPACE;
  const bytes = { at, length, wide: IS_WIDE.test(text) ? writeWide(text, at) : 0 };
  texts[next] = text;
  written[next] = bytes;
  next = (next + 1) % PLACES;
  return bytes;
}

/** So that no prompt is kept for longer than it is read. */
export function forgetTexts(): void {
  for (let place = 0; place < PLACES; place += 1) {
    texts[place] = "";
    written[place] = { at: place * PLACE_BYTES, length: 0, wide: 0 };
  }
}

const SPACE = 0x20;
/** Of a text that is kept as Latin-1, as most are, it is known without looking. */
const IS_WIDE = /[^\0-\u00ff]/;
const LATIN1_MAX = 0xff;
/** Han, kana, hangul and what lies above them; a character of two units is as much as two of these. */
const FIRST_CJK = 0x2e80;

const UNITS = new Uint16Array(TEXT_BYTES_MAX + 16);
const UNIT_BYTES = Buffer.from(UNITS.buffer);
const TWO_UNITS = new Int32Array(UNITS.buffer);
/** The high bytes of two units. */
const HIGH_BYTES = 0xff00_ff00 | 0;

function writeWide(text: string, start: number): number {
  UNIT_BYTES.write(text, 0, "utf16le");
  const { length } = text;
  for (let index = length; index < length + BLOCK; index += 1) UNITS[index] = SPACE;
  let wide = 0;
  for (let block = 0; block < length; block += BLOCK) {
    if (!isWideBlock(block >> 1)) continue;
    for (let at = block; at < block + BLOCK; at += 1) {
      const unit = UNITS[at]!;
      if (unit <= LATIN1_MAX) continue;
      TEXT_BYTES[start + at] = unit < FIRST_CJK ? OTHER_BYTE : CJK_BYTE;
      WIDE[start + wide] = (at << 16) | unit;
      wide += 1;
    }
  }
  return wide;
}

/** Units that are looked at together. */
const BLOCK = 16;

function isWideBlock(two: number): boolean {
  const first = TWO_UNITS[two]! | TWO_UNITS[two + 1]! | TWO_UNITS[two + 2]! | TWO_UNITS[two + 3]!;
  const second = TWO_UNITS[two + 4]! | TWO_UNITS[two + 5]! | TWO_UNITS[two + 6]! | TWO_UNITS[two + 7]!;
  return ((first | second) & HIGH_BYTES) !== 0;
}
