/**
 * The table of the ways that prompts take: of each call, what its prompt has in common with earlier ones, and how long its pieces are.
 * `npm run bench -- trace --ledger` replays them.
 *
 * Nothing of what was said is in it, nor a hash, by which a short text could be guessed: the places where a prompt's prefixes end
 * (`cache/prefixes.ts`) are numbered as they come, and equal prefixes have equal numbers. Which number a prefix has is known in memory
 * only, so that a restart begins anew: what comes after it has nothing in common with what was before.
 *
 * A row is about 25 bytes for a prompt that goes on from another one, and 3 more for each further place that is new; at most 3 kB or
 * so, for `PLACES_PER_ROW_MAX` of them. It costs a call about 4 µs. It goes with its attempt.
 */
import { randomInt } from "node:crypto";
import { crc32 } from "node:zlib";
import type { LastKind } from "./cache/plan.ts";
import type { Prefixes } from "./cache/prefixes.ts";
import type { Cell, Operation } from "./ledger-schema.ts";

/** A call's prompt, and whose it is. */
export interface RecordedPrompt {
  readonly namespace: string;
  readonly prefixes: Pick<
    Prefixes,
    "hashes" | "tokens" | "blocks" | "staticPlace" | "saidPlace" | "promptTokens" | "lastKind"
  >;
}

/** The table, as its migration makes it. A prompt has the number of its call's first attempt. */
export const PROMPTS_TABLE = `CREATE TABLE prompts (
    id INTEGER PRIMARY KEY,
    run INTEGER NOT NULL,
    path BLOB NOT NULL
  ) STRICT;
  CREATE TRIGGER prompts_pruned AFTER DELETE ON attempts BEGIN DELETE FROM prompts WHERE id = OLD.id; END;`;

export const PROMPT_OPERATION: Operation = {
  sql: `INSERT INTO prompts (id, run, path) SELECT id, ?, ? FROM attempts WHERE attempt = ? ON CONFLICT (id) DO NOTHING`,
  cells: 3,
};

/** New places of one row; of a prompt that has more, they stand further apart. */
export const PLACES_PER_ROW_MAX = 1_024;
/** Numbers that are remembered: about 6 MB. Half of them are forgotten at a time, those that were used longest ago. */
export const NUMBERS_MAX = 131_072;
/** Longest row, in bytes: what precedes the places, and two numbers for each. */
const ROW_BYTES_MAX = 64 + 10 * PLACES_PER_ROW_MAX;
/** `randomInt` goes no further. */
const RUN_MAX = 2 ** 48 - 1;

/** Before the first place. */
const NOWHERE = -1;

const KINDS: readonly LastKind[] = ["user", "tool", "assistant", "other"];

/** Numbers the places of the prompts of one process. */
export class PromptPaths {
  /** Numbers of one run mean nothing in another. */
  readonly #run = randomInt(RUN_MAX);
  readonly #bytes = new Bytes(new Uint8Array(ROW_BYTES_MAX));
  #numbers = new Map<number, number>();
  #numbersBefore = new Map<number, number>();
  #last = 0;

  /** @param operation The number of `PROMPT_OPERATION` in a batch. */
  append(cells: Cell[], operation: number, attempt: string, { namespace, prefixes }: RecordedPrompt): void {
    const { hashes, tokens, blocks, saidPlace, staticPlace, promptTokens, lastKind } = prefixes;
    const end = tokens.length - 1;
    if (end < 0) return;
    const staticEnd = saidPlace === -1 ? staticPlace : saidPlace;
    // Used by every call that begins so, it must not be forgotten for being far up.
    let staticNumber = staticEnd === -1 ? undefined : this.#numberOf(hashes, staticEnd);
    let known = end;
    let parent = this.#numberOf(hashes, known);
    for (; parent === undefined && known > 0; parent = this.#numberOf(hashes, known)) known -= 1;
    const before = parent === undefined ? NOWHERE : known;
    const first = this.#last + 1;
    const places = keptPlaces(before, end, staticEnd);
    for (const place of places) {
      this.#last += 1;
      if (place === staticEnd) staticNumber = this.#last;
      this.#remember(keyOf(hashes, place), this.#last);
    }
    const bytes = this.#bytes;
    bytes.begin();
    bytes.put(KINDS.indexOf(lastKind));
    bytes.put(crc32(namespace));
    bytes.put(first);
    bytes.put(parent === undefined ? 0 : first - parent);
    bytes.put(tokens[before] ?? 0);
    bytes.put(blocks[before] ?? 0);
    bytes.put(staticNumber === undefined ? 0 : first + PLACES_PER_ROW_MAX - staticNumber);
    bytes.put(Math.max(0, promptTokens - (tokens[end] as number)));
    let last = before;
    for (const place of places) {
      bytes.put((tokens[place] as number) - (tokens[last] ?? 0));
      bytes.put((blocks[place] as number) - (blocks[last] ?? 0));
      last = place;
    }
    cells.push(operation, this.#run, bytes.taken(), attempt);
  }

  #numberOf(hashes: Uint32Array, place: number): number | undefined {
    const key = keyOf(hashes, place);
    const recent = this.#numbers.get(key);
    if (recent !== undefined) return recent;
    const number = this.#numbersBefore.get(key);
    if (number !== undefined) this.#remember(key, number);
    return number;
  }

  #remember(key: number, number: number): void {
    if (this.#numbers.size >= NUMBERS_MAX / 2) {
      this.#numbersBefore = this.#numbers;
      this.#numbers = new Map();
    }
    this.#numbers.set(key, number);
  }
}

/** The new places that are written down, shallow to deep: all, or as many as a row takes at equal distances. The end is one. */
function keptPlaces(before: number, end: number, staticEnd: number): readonly number[] {
  const step = Math.ceil((end - before) / (PLACES_PER_ROW_MAX - 1));
  const places: number[] = [];
  for (let place = before + 1; place <= end; place += 1) {
    if ((end - place) % step === 0 || place === staticEnd) places.push(place);
  }
  return places;
}

/** As many bits of a prefix's hash as a number holds exactly. */
function keyOf(hashes: Uint32Array, place: number): number {
  return (hashes[2 * place] as number) * 2 ** 21 + ((hashes[2 * place + 1] as number) >>> 11);
}

/** A prompt's way as its row tells it. Tokens are our estimates (o200k). */
export interface PromptPath {
  readonly lastKind: LastKind;
  /** Whose it is: equal numbers, equal tenants. */
  readonly tenant: number;
  /** The number of the deepest place that it has in common with an earlier prompt; `undefined`: there is none. */
  readonly parent: number | undefined;
  /** Tokens and blocks up to there. */
  readonly parentTokens: number;
  readonly parentBlocks: number;
  /** The number of its first new place; those behind it follow. */
  readonly first: number;
  /** Of each new place, from the one before it. */
  readonly tokens: readonly number[];
  readonly blocks: readonly number[];
  /** The number of the place where tools and system text end; `undefined`: it has neither. */
  readonly staticEnd: number | undefined;
  /** What it has behind its last place. */
  readonly tailTokens: number;
}

/** @throws RangeError where these are no row's bytes. */
export function promptPathOf(path: Uint8Array): PromptPath {
  const bytes = new Bytes(path);
  const lastKind = KINDS[bytes.next()];
  if (lastKind === undefined) throw new RangeError("a prompt's row begins with the kind of its last message");
  const tenant = bytes.next();
  const first = bytes.next();
  const back = bytes.next();
  const parentTokens = bytes.next();
  const parentBlocks = bytes.next();
  const staticBack = bytes.next();
  const tailTokens = bytes.next();
  const tokens: number[] = [];
  const blocks: number[] = [];
  while (!bytes.isOver) {
    tokens.push(bytes.next());
    blocks.push(bytes.next());
  }
  return {
    lastKind,
    tenant,
    parent: back === 0 ? undefined : first - back,
    parentTokens,
    parentBlocks,
    first,
    tokens,
    blocks,
    staticEnd: staticBack === 0 ? undefined : first + PLACES_PER_ROW_MAX - staticBack,
    tailTokens,
  };
}

/** Whole numbers, seven bits a byte, the lowest first; the highest bit says that more of it follows. */
class Bytes {
  readonly #bytes: Uint8Array;
  #at = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  get isOver(): boolean {
    return this.#at >= this.#bytes.length;
  }

  begin(): void {
    this.#at = 0;
  }

  put(number: number): void {
    let left = number;
    for (; left >= 128; left = Math.floor(left / 128)) this.#bytes[this.#at++] = (left % 128) | 128;
    this.#bytes[this.#at++] = left;
  }

  /** A copy of its own: with a part of a buffer, the whole of it would go to the other thread. */
  taken(): Uint8Array {
    return this.#bytes.slice(0, this.#at);
  }

  next(): number {
    let number = 0;
    for (let factor = 1; ; factor *= 128) {
      const byte = this.#bytes[this.#at++];
      if (byte === undefined) throw new RangeError("a prompt's row ends within a number");
      number += (byte & 127) * factor;
      if (byte < 128) return number;
    }
  }
}
