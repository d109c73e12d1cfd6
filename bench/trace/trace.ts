/** A trace of requests with prefix identity, read line by line: a header, then one request a line, plain or gzipped. */
import { createReadStream } from "node:fs";
import { basename } from "node:path";
import { createInterface } from "node:readline";
import { createGunzip } from "node:zlib";

export interface Trace {
  readonly name: string;
  /** In the order of their times. */
  readonly requests: readonly TraceRequest[];
  /** Of so many consecutive ids from `start` on. */
  readonly tokensOf: TokensOf;
  /** Content blocks likewise, where each id has its own. */
  readonly contentOf?: TokensOf;
}

export type TokensOf = (start: number, count: number) => number;

export interface TraceRequest {
  /** Its line, counted without the header. */
  readonly index: number;
  readonly atSeconds: number;
  readonly promptTokens: number;
  readonly session: string | undefined;
  /** Of the last message. */
  readonly kind: string;
  /** Where tools and system text end; 0: there are none. */
  readonly staticBlocks: number;
  /** Content blocks since what it shares with an earlier prompt, where the trace does not tell of each id. */
  readonly contentBlocks: number;
  /** How long the call took when it was recorded; 0: unknown. */
  readonly apiSeconds: number;
  /** Whose it is; absent: all are one's. */
  readonly tenant?: string;
  /** The prompt's ids: first, count, first, count, … */
  readonly runs: readonly number[];
  readonly blocks: number;
}

/** What is wrong with a trace, and where. */
export class TraceError extends Error {
  override readonly name = "TraceError";
}

/** Of one prompt, or of one of its blocks: ten times what any model reads. More is a mistake, and a replay would count through it. */
const TOKENS_MAX = 10_000_000;

/** @throws TraceError naming file, line and field. */
export async function readTrace(file: string): Promise<Trace> {
  const requests: TraceRequest[] = [];
  let header: Header | undefined;
  let tokensIn: TokensOf | undefined;
  let line = 0;
  try {
    for await (const text of linesOf(file)) {
      line += 1;
      if (text.trim() === "") continue;
      const where = `${file}, line ${line}`;
      const value = parsed(text, where);
      if (header === undefined) {
        header = readHeader(value, where);
        continue;
      }
      tokensIn ??= tokensOf(header);
      requests.push(readRequest(value, requests.length, tokensIn, where));
    }
  } catch (error) {
    if (error instanceof TraceError) throw error;
    throw new TraceError(`${file}${line > 0 ? `, after line ${line}` : ""}: ${(error as Error).message}`);
  }
  if (header === undefined) throw new TraceError(`${file}: it is empty; its first line must be a header with "block"`);
  const name = header.name ?? basename(file).replace(/\.jsonl(\.gz)?$/, "");
  requests.sort((one, other) => one.atSeconds - other.atSeconds);
  return { name, requests, tokensOf: tokensIn ?? tokensOf(header) };
}

/** By their numbers. */
export function byIndex({ requests }: Trace): ReadonlyMap<number, TraceRequest> {
  return new Map(requests.map((request) => [request.index, request]));
}

/** Tokens of runs of ids, where each is of the same length or has its own. */
export function tokensOf({ block, tok }: { readonly block: number; readonly tok?: IdTokens }): TokensOf {
  if (tok === undefined) return (_start, count) => block * count;
  if (!isList(tok)) {
    return (start, count) => {
      let tokens = 0;
      for (let id = start; id < start + count; id += 1) tokens += tok[id] ?? block;
      return tokens;
    };
  }
  const sums = new Float64Array(tok.length + 1);
  for (const [id, tokens] of tok.entries()) sums[id + 1] = (sums[id] as number) + tokens;
  const upTo = (id: number): number => sums[Math.min(id, tok.length)] as number;
  // An id beyond the list is of the usual length.
  return (start, count) =>
    upTo(start + count) - upTo(start) + block * Math.max(0, start + count - Math.max(start, tok.length));
}

interface Header {
  readonly name: string | undefined;
  readonly block: number;
  readonly tok?: IdTokens;
}

/** In the order of the ids from 0 on, or by id. */
type IdTokens = readonly number[] | Readonly<Record<number, number>>;

function isList(tok: IdTokens): tok is readonly number[] {
  return Array.isArray(tok);
}

async function* linesOf(file: string): AsyncGenerator<string> {
  const bytes = createReadStream(file);
  if (!file.endsWith(".gz")) {
    yield* createInterface({ input: bytes, crlfDelay: Number.POSITIVE_INFINITY });
    return;
  }
  const plain = createGunzip();
  // A pipe does not hand errors on, and an interface does not throw those of its input.
  const failed = new Promise<never>((_resolve, reject) => {
    bytes.once("error", reject);
    plain.once("error", reject);
  });
  failed.catch(() => undefined);
  const lines = createInterface({ input: bytes.pipe(plain), crlfDelay: Number.POSITIVE_INFINITY })[
    Symbol.asyncIterator
  ]();
  for (;;) {
    const next = await Promise.race([lines.next(), failed]);
    if (next.done === true) break;
    yield next.value;
  }
}

function parsed(text: string, where: string): Record<string, unknown> {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    const isZipped = text.startsWith("\u001f");
    throw new TraceError(`${where}: not JSON${isZipped ? "; a gzipped trace has a name that ends in .gz" : ""}`);
  }
  if (typeof value !== "object" || value === null || Array.isArray(value))
    throw new TraceError(`${where}: not a JSON object`);
  return value as Record<string, unknown>;
}

function readHeader(value: Record<string, unknown>, where: string): Header {
  const block = count(value, "block", where, { least: 1 });
  const name = typeof value["name"] === "string" ? value["name"] : undefined;
  const tok = value["tok"];
  if (tok === undefined || tok === null) return { name, block };
  if (typeof tok !== "object" || !Object.values(tok).every((tokens) => isCount(tokens, 0) && tokens <= TOKENS_MAX)) {
    throw wrong(where, "tok", `whole numbers up to ${TOKENS_MAX}: a list of each id's tokens, or an object by id`);
  }
  return { name, block, tok: tok as IdTokens };
}

function readRequest(value: Record<string, unknown>, index: number, tokensIn: TokensOf, where: string): TraceRequest {
  const runs: number[] = [];
  let blocks = 0;
  let tokens = 0;
  const given = value["runs"];
  if (!Array.isArray(given)) throw wrong(where, "runs", "a list of [first id, count]");
  for (const run of given as unknown[]) {
    const [first, length] = Array.isArray(run) && run.length === 2 ? (run as unknown[]) : [];
    if (!isCount(first, 0) || !isCount(length, 1) || !isCount(first + length, 1))
      throw wrong(where, "runs", "a list of [first id, count]");
    runs.push(first, length);
    blocks += length;
    // Blocks first: where each has tokens of its own, they are summed one by one.
    if (blocks <= TOKENS_MAX) tokens += tokensIn(first, length);
    if (blocks > TOKENS_MAX || tokens > TOKENS_MAX)
      throw wrong(where, "runs", `of at most ${TOKENS_MAX} blocks and as many tokens`);
  }
  // A static prefix whose last block is not full is longer than the blocks tell.
  const staticBlocks = Math.min(blocks, count(value, "st", where, { otherwise: 0 }));
  const session = value["s"];
  if (session !== undefined && session !== null && typeof session !== "string") throw wrong(where, "s", "a string");
  const kind = value["k"] ?? "";
  if (typeof kind !== "string") throw wrong(where, "k", "a string");
  return {
    index,
    atSeconds: positive(value, "t", where, { most: SECONDS_MAX }),
    // Estimates of a prompt and of its blocks may differ by a little; no prompt is shorter than its blocks.
    promptTokens: Math.max(tokens, count(value, "in", where, { most: TOKENS_MAX })),
    session: session === undefined || session === null || session === "" ? undefined : session,
    kind,
    staticBlocks,
    contentBlocks: positive(value, "cb", where, { most: TOKENS_MAX, otherwise: 1 }),
    apiSeconds: positive(value, "api", where, { most: SECONDS_MAX, otherwise: 0 }),
    runs,
    blocks,
  };
}

/** So that milliseconds are whole numbers still. */
const SECONDS_MAX = 1e12;

interface Range {
  readonly least?: number;
  readonly most?: number;
  readonly otherwise?: number;
}

function count(value: Record<string, unknown>, field: string, where: string, range: Range): number {
  const { least = 0, most = Number.MAX_SAFE_INTEGER, otherwise } = range;
  const given = value[field] ?? otherwise;
  if (!isCount(given, least)) throw wrong(where, field, `a whole number of at least ${least}`);
  if (given > most) throw wrong(where, field, `at most ${most}`);
  return given;
}

function positive(value: Record<string, unknown>, field: string, where: string, { most, otherwise }: Range): number {
  const given = value[field] ?? otherwise;
  if (typeof given !== "number" || !(given >= 0)) throw wrong(where, field, "a number of at least 0");
  if (most !== undefined && given > most) throw wrong(where, field, `at most ${most}`);
  return given;
}

function isCount(value: unknown, least: number): value is number {
  return Number.isSafeInteger(value) && (value as number) >= least;
}

function wrong(where: string, field: string, right: string): TraceError {
  return new TraceError(`${where}: "${field}" must be ${right}`);
}
