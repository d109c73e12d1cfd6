/**
 * The sandbox's tokenizer: not anyone's, but deterministic, near four characters a token in English, and exact about itself
 * (a text's tokens joined are the text again), so that streams and counts agree.
 */
import { hash } from "node:crypto";

const TOKEN = / ?[A-Za-z]{1,8}|\d{1,3}|\r?\n+| {2,16}|[\s\S]/gu;

export function tokensOf(text: string): string[] {
  return text.match(TOKEN) ?? [];
}

export function countTokens(text: string): number {
  return tokensOf(text).length;
}

/** Tokens that stand for something that is not text (a picture): `count` distinct ones, fixed by its content. */
export function opaqueTokens(content: string | Uint8Array, count: number): string[] {
  const digest = hash("sha256", content, "base64url").slice(0, 16);
  return Array.from({ length: count }, (_, index) => `${digest}#${index}`);
}

/** Hash of strings with their borders: `["ab", "c"]` and `["a", "bc"]` differ. */
export function digest(...parts: readonly string[]): string {
  return hash("sha256", parts.map((part) => `${part.length}:${part}`).join(""), "base64url");
}

/** 24 letters and digits, fixed by the parts. */
export function identifier(...parts: readonly string[]): string {
  return digest(...parts)
    .replaceAll(/[^A-Za-z0-9]/g, "0")
    .slice(0, 24);
}

/** A number in [0, below), fixed by the seed. */
export function pick(seed: string, below: number): number {
  return Number.parseInt(hash("sha256", seed, "hex").slice(0, 8), 16) % below;
}
