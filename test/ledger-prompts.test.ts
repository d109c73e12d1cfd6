/** The ways of prompts on the ledger: what a row tells, what it cannot tell, and how long it may be. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { readLedger } from "../bench/trace/ledger.ts";
import { PLACES_MAX } from "../src/cache/prefixes.ts";
import { openLedger, type Ledger, type LedgerOptions } from "../src/ledger.ts";
import {
  NUMBERS_MAX,
  PLACES_PER_ROW_MAX,
  type PromptPath,
  PromptPaths,
  promptPathOf,
  type RecordedPrompt,
} from "../src/ledger-prompts.ts";
import type { Cell } from "../src/ledger-schema.ts";
import { UNKNOWN_USAGE } from "../src/usage.ts";
import { entry, reservation, STARTED_AT_MS } from "./ledger-entry.ts";

/** Tokens of each piece. */
const PIECE = 100;

/** A prompt of these pieces; equal ones at its beginning are an equal prefix. @param salt Another one says something else throughout. */
function prompt(pieces: readonly string[], { salt = 0, staticPlace = -1, namespace = "" } = {}): RecordedPrompt {
  const upTo = (step: number) => Uint32Array.from(pieces, (_, place) => step * (place + 1));
  const hashes = new Uint32Array(2 * pieces.length);
  let state = salt ^ 0x2545f491;
  for (const [place, piece] of pieces.entries()) {
    for (const character of piece) state = Math.imul(state ^ character.charCodeAt(0), 0x01000193);
    state = Math.imul(state ^ (state >>> 15), 0x85ebca6b);
    hashes.set([state, Math.imul(state, 0xc2b2ae35)], 2 * place);
  }
  const prefixes = { hashes, tokens: upTo(PIECE), blocks: upTo(1), staticPlace, saidPlace: -1 };
  return { namespace, prefixes: { ...prefixes, promptTokens: PIECE * pieces.length + 7, lastKind: "tool" } };
}

function pieces(name: string, count: number): readonly string[] {
  return Array.from({ length: count }, (_, index) => `${name}${index}`);
}

function bytesOf(paths: PromptPaths, recorded: RecordedPrompt): Uint8Array {
  const cells: Cell[] = [];
  paths.append(cells, 0, "e.1", recorded);
  return cells[2] as Uint8Array;
}

function written(paths: PromptPaths, recorded: RecordedPrompt): PromptPath {
  return promptPathOf(bytesOf(paths, recorded));
}

describe("a row", () => {
  test("tells where a prompt leaves earlier ones, and how long each piece behind that is", () => {
    const paths = new PromptPaths();
    const first = written(paths, prompt(["system", "ask"], { staticPlace: 0 }));
    expect(first).toMatchObject({ parent: undefined, first: 1, tokens: [PIECE, PIECE], blocks: [1, 1], staticEnd: 1 });
    expect(first).toMatchObject({ tailTokens: 7, lastKind: "tool" });
    const next = written(paths, prompt(["system", "ask", "answer", "more"], { staticPlace: 0 }));
    expect(next).toMatchObject({
      parent: 2,
      parentTokens: 2 * PIECE,
      parentBlocks: 2,
      first: 3,
      tokens: [PIECE, PIECE],
    });
    const fork = written(paths, prompt(["system", "ask", "another answer"], { staticPlace: 0 }));
    expect(fork).toMatchObject({ parent: 2, first: 5, tokens: [PIECE], staticEnd: 1 });
    const again = written(paths, prompt(["system", "ask"], { staticPlace: 0 }));
    expect(again).toMatchObject({ parent: 2, first: 6, tokens: [] });
  });

  test("tells nothing of what was said: prompts that differ in that only have the same rows", () => {
    const said = [["system", "ask"], ["system", "ask", "answer"], ["other"], ["system", "another"]];
    const rows = [1, 2].map((salt) => {
      const paths = new PromptPaths();
      return said.map((one) => bytesOf(paths, prompt(one, { salt, staticPlace: 0 })));
    });
    expect(rows[0]).toEqual(rows[1]);
    expect(Math.max(...(rows[0] ?? []).map(({ length }) => length))).toBeLessThan(24);
  });

  test("of the longest prompt is bounded, keeps its static border and its end, and is gone on from", () => {
    const paths = new PromptPaths();
    const long = pieces("p", PLACES_MAX);
    const bytes = bytesOf(paths, prompt(long, { staticPlace: 3 }));
    expect(bytes.length).toBeLessThan(64 + 10 * PLACES_PER_ROW_MAX);
    const path = promptPathOf(bytes);
    expect(path.tokens.length).toBeLessThanOrEqual(PLACES_PER_ROW_MAX);
    expect(path.tokens.reduce((sum, tokens) => sum + tokens, 0)).toBe(PIECE * PLACES_MAX);
    const upToStatic = path.tokens.slice(0, (path.staticEnd ?? 0) - path.first + 1);
    expect(upToStatic.reduce((sum, tokens) => sum + tokens, 0)).toBe(PIECE * 4);
    const next = written(paths, prompt([...long, "more"], { staticPlace: 3 }));
    expect(next).toMatchObject({ parent: path.tokens.length, tokens: [PIECE], staticEnd: path.staticEnd });
  });

  test("what was used longest ago is forgotten, and a beginning that is used stays known", () => {
    const paths = new PromptPaths();
    written(paths, prompt(["system", "old"], { staticPlace: 0 }));
    const { namespace, prefixes } = prompt(["system", ...pieces("p", Math.floor(1.1 * NUMBERS_MAX))], {
      staticPlace: 0,
    });
    const { hashes, tokens, blocks } = prefixes;
    for (let end = 1_000; end < tokens.length; end += 1_000) {
      const arrays = { hashes: hashes.subarray(0, 2 * end), tokens: tokens.subarray(0, end), blocks };
      written(paths, { namespace, prefixes: { ...prefixes, ...arrays } });
    }
    const old = written(paths, prompt(["system", "old"], { staticPlace: 0 }));
    expect(old).toMatchObject({ parent: 1, tokens: [PIECE], staticEnd: 1 });
  });

  test("bytes that are no row are refused", () => {
    expect(() => promptPathOf(Uint8Array.of())).toThrow(/ends within a number/);
    expect(() => promptPathOf(Uint8Array.of(9, 1, 1))).toThrow(/the kind of its last message/);
  });
});

describe("on the ledger", () => {
  let folder: string;
  let file: string;
  let opened: Ledger[];
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), "ledger-prompts-"));
    file = join(folder, "ledger.sqlite");
    opened = [];
  });
  afterEach(async () => {
    for (const ledger of opened) await ledger.close();
    rmSync(folder, { recursive: true });
  });

  async function open(options: Partial<LedgerOptions> = {}): Promise<Ledger> {
    const log = { info() {}, warn() {}, error() {} };
    const ledger = await openLedger({ path: file, sinks: [], now: () => STARTED_AT_MS, log, ...options });
    opened.push(ledger);
    return ledger;
  }

  function call(
    ledger: Ledger,
    exchange: string,
    recorded: RecordedPrompt,
    change: Parameters<typeof entry>[1] = {},
  ): void {
    ledger.reserve(reservation(exchange, change), recorded);
    ledger.settle(entry(exchange, change));
  }

  function counted(tokens: number): Parameters<typeof entry>[1] {
    return { usage: { ...UNKNOWN_USAGE, inputUncached: tokens, cacheRead: 0, output: 1 } };
  }

  function read(): ReturnType<typeof readLedger> {
    return readLedger(file, { target: undefined, sinceMs: undefined, untilMs: undefined, taskClass: undefined });
  }

  test("a prompt goes with its attempt", async () => {
    const day = 86_400_000;
    const first = await open();
    call(first, "old", prompt(["a"]), { startedAtMs: STARTED_AT_MS - 31 * day });
    call(first, "young", prompt(["a", "b"]), { startedAtMs: STARTED_AT_MS - 29 * day });
    await first.close();
    const second = await open({ keepDays: 30 });
    while ((await second.spend({})).total.attempts > 1);
    await second.close();
    opened = [];
    const database = new DatabaseSync(file, { readOnly: true });
    expect(database.prepare("SELECT attempt FROM prompts JOIN attempts USING (id)").all()).toEqual([
      { attempt: "young.1" },
    ]);
    database.close();
  });

  test("of a call that was refused first, what answered it was sent the prompt, and of one that nobody answered nobody", async () => {
    const ledger = await open();
    ledger.reserve(reservation("e1"), prompt(["a", "b"]));
    const refused = { outcome: "failed", status: 503, costBasis: "not-billed", ttftMs: undefined } as const;
    ledger.settle(entry("e1", refused));
    const other = { attempt: "e1.2", model: "claude-sonnet-5-5" };
    ledger.reserve(reservation("e1", other));
    ledger.settle(entry("e1", other));
    call(ledger, "e2", prompt(["c"]), refused);
    ledger.reserve(reservation("e3"), prompt(["d"]));
    await ledger.flush();
    expect(read()).toMatchObject({ name: "anthropic/claude-sonnet-5-5", requests: [{ promptTokens: 400, blocks: 2 }] });
  });

  test("a prompt that nobody counted is as long as it is by what is known of others, and said to be", async () => {
    const ledger = await open();
    // Two for each token that we estimate.
    call(ledger, "e1", prompt(["a"]), counted(2 * (PIECE + 7)));
    const uncounted = { usageBasis: "estimated", usage: { ...UNKNOWN_USAGE, inputUncached: 5, output: 1 } } as const;
    call(ledger, "e2", prompt(["a", "b"]), uncounted);
    await ledger.flush();
    const { requests, notes } = read();
    expect(requests.map(({ promptTokens }) => promptTokens)).toEqual([2 * (PIECE + 7), 2 * (2 * PIECE + 7)]);
    expect(notes).toEqual(["prompts that the provider did not count, and that are as long as we estimate: 1"]);
  });

  test("a prompt that was billed for less than what it begins with is as long as that, and said to be", async () => {
    const ledger = await open();
    call(ledger, "e1", prompt(["a", "b"]), counted(2 * PIECE + 7));
    call(ledger, "e2", prompt(["a", "b", "c"]), counted(150));
    await ledger.flush();
    const { requests, notes } = read();
    expect(requests.map(({ promptTokens }) => promptTokens)).toEqual([2 * PIECE + 7, 2 * PIECE]);
    expect(notes).toEqual(["prompts billed for less than what they begin with was before, and that count as that: 1"]);
  });
});
