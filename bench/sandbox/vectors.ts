/**
 * Vectors that stand for texts: fixed by the text, of length one, and the nearer to each other the more words two texts share, so that
 * a search over them finds something.
 */
import { createHash } from "node:crypto";

/** Words that count; what comes after them is like what came before. */
const WORDS_MAX = 512;

/** @param dimensions Fewer are the first of more, brought back to length one, as the models that allow it do it. */
export function vectorOf(text: string, dimensions: number): Float32Array {
  const sum = new Float64Array(dimensions);
  for (const word of wordsOf(text)) addWord(sum, word);
  const length = Math.sqrt(sum.reduce((total, value) => total + value * value, 0));
  return Float32Array.from(sum, (value) => value / length);
}

export function base64Of(vector: Float32Array): string {
  return Buffer.from(vector.buffer, vector.byteOffset, vector.byteLength).toString("base64");
}

function wordsOf(text: string): ReadonlySet<string> {
  const words = text.toLowerCase().match(/[\p{L}\p{N}]+/gu) ?? [];
  // A text without a word has a direction of its own.
  return new Set(words.length === 0 ? [`\u0000${text}`] : words.slice(0, WORDS_MAX));
}

/** A word is a direction: numbers in a fixed order from a generator that the word seeds. */
function addWord(sum: Float64Array, word: string): void {
  let state = createHash("sha256").update(word).digest().readUInt32BE(0);
  for (let index = 0; index < sum.length; index++) {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    sum[index] = (sum[index] ?? 0) + ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 31 - 1;
  }
}
