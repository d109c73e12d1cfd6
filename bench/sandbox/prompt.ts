/**
 * A request as a provider's cache sees it: an ordered list of blocks, each with its tokens. What the wires read and the caches bill.
 */
import type { JsonValue } from "../../src/chat.ts";
import { digest } from "./tokens.ts";

export interface Block {
  readonly level: "tools" | "system" | "messages";
  /** Says what the block is to the model, its role included; without marks and in one form, so that equal prompts are equal. */
  readonly identity: string;
  readonly tokens: readonly string[];
  /** The client asks that the prefix up to here be kept this long. */
  readonly markSeconds?: number;
  /** The last of its message: where OpenAI looks for a cached prefix without being told to. */
  readonly endsMessage?: boolean;
  /** Calls and results in a row count as one place of Anthropic's look-back. */
  readonly toolTraffic?: boolean;
}

export interface Prompt {
  readonly blocks: readonly Block[];
  readonly tokens: number;
}

export function promptOf(blocks: readonly Block[]): Prompt {
  return { blocks, tokens: blocks.reduce((sum, block) => sum + block.tokens.length, 0) };
}

/**
 * JSON in one form: a block's own keys sorted and without `cache_control`, so that equal blocks are equal text. What the caller wrote for
 * the model to read (arguments, schemas) keeps its order: the model sees that, and so does the cache.
 */
export function canonical(value: JsonValue | undefined, without: ReadonlySet<string> = NO_KEYS): string {
  if (Array.isArray(value)) return `[${value.map((item: JsonValue) => canonical(item, without)).join(",")}]`;
  if (typeof value !== "object" || value === null) return JSON.stringify(value ?? null);
  const entries = Object.entries(value as { readonly [key: string]: JsonValue | undefined })
    .filter(([key, item]) => item !== undefined && !without.has(key))
    .sort(([a], [b]) => (a < b ? -1 : 1));
  const texts = entries.map(
    ([key, item]) => `${JSON.stringify(key)}:${AS_WRITTEN.has(key) ? JSON.stringify(item) : canonical(item, without)}`,
  );
  return `{${texts.join(",")}}`;
}
const AS_WRITTEN: ReadonlySet<string> = new Set(["input", "input_schema", "parameters", "schema"]);
const NO_KEYS: ReadonlySet<string> = new Set();

/** Hashes of the token prefixes at every `step` tokens: entry `n` stands for `(n + 1) * step` tokens. */
export function stepHashes(prompt: Prompt, step: number, seed: string): string[] {
  const hashes: string[] = [];
  let hash = seed;
  let pending: string[] = [];
  for (const block of prompt.blocks) {
    for (const token of block.tokens) {
      pending.push(token);
      if (pending.length < step) continue;
      hash = digest(hash, pending.join("\u0000"));
      hashes.push(hash);
      pending = [];
    }
  }
  return hashes;
}
