/**
 * Where a prompt's prefixes end: a place behind the tools, behind each part of a message, and inside long text that stays the same
 * from prompt to prompt. Each has a hash of everything before it, so that equal hashes are equal prefixes.
 *
 * A hash is of values and in its caller's namespace: cache marks, what noise a client adds, and whether text stands alone or in a list
 * are not in it, as agents' prefixes are stable as values and not as bytes. The order of keys in a schema or in a call's arguments
 * is: the model sees it, so another order is another prefix.
 */
import { hash } from "node:crypto";
import type { CacheMark, ChatRequest, JsonObject, JsonValue, Message, Part, Spot, Tool } from "../chat.ts";
import { MESSAGE_TOKENS, partTokens, promptTokensWith, TextCount, toolTokens } from "../tokens.ts";
import { boundariesIn, type LeftOut } from "./boundary.ts";
import { forgetTexts, TEXT_BYTES_MAX, textBytes, WIDE } from "../text-bytes.ts";
import type { LastKind } from "./plan.ts";

export interface Prefixes {
  /** Two words a place, shallow to deep. */
  readonly hashes: Uint32Array;
  /** Estimated tokens (o200k) up to each place. */
  readonly tokens: Uint32Array;
  /** Blocks up to each place, as providers count them that look back. */
  readonly blocks: Uint32Array;
  readonly spots: readonly Spot[];
  /** The place behind the tools and the system text that the prompt begins with; -1: it begins with neither. */
  readonly staticPlace: number;
  /** The place that the client itself says ends what is static; -1: it does not say. */
  readonly saidPlace: number;
  /** Every line by which it says so, in any of its system texts: none of them is sent. Shallow to deep. */
  readonly leftOut: readonly TextSpot[];
  /** The whole request's estimated tokens (o200k). */
  readonly promptTokens: number;
  readonly lastKind: LastKind;
  /** Whether something stands behind the last place that is no part of any prefix, as it was moved there. */
  readonly hasTail: boolean;
  /** The client's own marks, shallow to deep. */
  readonly marks: readonly SaidMark[];
}

export interface SaidMark {
  readonly place: number;
  readonly mark: CacheMark;
  /** Whether it stands before the place, within what ends there: on another tool than the last one, or inside of a result. */
  readonly isWithin: boolean;
}

type TextSpot = Extract<Spot, { readonly kind: "text" }>;

/** Characters from one place to the next inside a text: about 512 tokens of prose. */
const STEP_CHARACTERS = 2_048;
/** Places inside one text. */
const STEPS_MAX = 64;
/** Places of a prompt; of a longer one the last place is its end. */
export const PLACES_MAX = 8_192;

/**
 * @param namespace Whose prompt it is: prefixes of two callers are never equal.
 * @param boundaryLine The line by which a client says in its system text that what follows is not static.
 */
export function readPrefixes(request: ChatRequest, namespace: string, boundaryLine: string): Prefixes {
  const prefixes = new PrefixReader(request, namespace, boundaryLine).read();
  forgetTexts();
  return prefixes;
}

/** A place of a prompt that is sent to a target, as text. */
export function placeName({ hashes }: Pick<Prefixes, "hashes">, place: number, target: string): string {
  return `${hashes[2 * place]}.${hashes[2 * place + 1]}.${target}`;
}

class PrefixReader {
  readonly #request: ChatRequest;
  readonly #boundaryLine: string;
  readonly #chain: Chain;
  readonly #words: number[] = [];
  readonly #tokens: number[] = [];
  readonly #blocks: number[] = [];
  readonly #spots: Spot[] = [];
  /** The place that is the last one if no other follows. */
  #waiting: Spot | undefined;
  readonly #marks: SaidMark[] = [];
  #counted = 0;
  #blocksSoFar = 0;
  #staticPlace = -1;
  #saidPlace = -1;
  readonly #leftOut: TextSpot[] = [];
  #hasTail = false;

  constructor(request: ChatRequest, namespace: string, boundaryLine: string) {
    this.#request = request;
    this.#boundaryLine = boundaryLine;
    this.#chain = new Chain(namespace);
  }

  read(): Prefixes {
    const { messages } = this.#request;
    this.#tools();
    const firstUser = messages.findIndex((message) => message.role !== "system");
    for (const [at, message] of messages.entries()) {
      this.#message(message, at, firstUser === -1 || at <= firstUser);
      if (message.role === "system" && (firstUser === -1 || at < firstUser)) this.#staticPlace = this.#places - 1;
    }
    if (this.#waiting !== undefined) this.#end(this.#waiting);
    return {
      hashes: new Uint32Array(this.#words),
      tokens: new Uint32Array(this.#tokens),
      blocks: new Uint32Array(this.#blocks),
      spots: this.#spots,
      staticPlace: this.#staticPlace,
      saidPlace: this.#saidPlace,
      leftOut: this.#leftOut,
      promptTokens: promptTokensWith(this.#counted, this.#request),
      lastKind: lastKindOf(messages),
      hasTail: this.#hasTail,
      marks: this.#marks,
    };
  }

  /** A tool that is offered only is no part of the prompt; once it is loaded it stands among the others, and is none either. */
  #tools(): void {
    let last: Tool | undefined;
    const within: CacheMark[] = [];
    for (const tool of this.#request.tools) {
      if (tool.type === "function" && tool.deferred === true) continue;
      this.#counted += toolTokens(tool, this.#chain.tool(tool));
      const before = last === undefined ? undefined : toolMark(last);
      if (before !== undefined) within.push(before);
      last = tool;
    }
    if (last === undefined) return;
    this.#blocksSoFar += 1;
    this.#place({ kind: "tools" }, toolMark(last), within);
    this.#staticPlace = 0;
  }

  #message(message: Message, at: number, isOpening: boolean): void {
    this.#chain.begin(message.role);
    this.#counted += MESSAGE_TOKENS;
    for (const [index, part] of message.parts.entries()) {
      // What differs from request to request and says nothing to the model would part prefixes that are the same.
      if (isVolatile(part)) {
        // It is read all the same, by whom it is shown.
        this.#counted += partTokens(part);
        this.#hasTail ||= part.type === "text";
        continue;
      }
      this.#blocksSoFar += 1;
      if (part.type === "text" && (isOpening || message.role === "system"))
        this.#text(part.text, { message: at, part: index }, { role: message.role, isOpening });
      else {
        this.#counted += partTokens(part);
        this.#chain.part(part);
      }
      this.#place({ kind: "part", message: at, part: index }, part.cache, marksWithin(part));
    }
  }

  /** A text, which may be static as far as its middle, without the client's own lines in it. */
  #text(text: string, spot: { message: number; part: number }, { role, isOpening }: TextPlace): void {
    const leftOut = role === "system" ? boundariesIn(text, this.#boundaryLine) : [];
    // Pushed one by one: there may be more of them than a call takes arguments.
    for (const line of leftOut) this.#leftOut.push({ kind: "text", ...spot, ...line });
    const before = this.#counted;
    const count = new TextCount(text);
    let from = 0;
    this.#chain.beginText();
    for (const { end, resume } of steps(text, leftOut, isOpening)) {
      this.#chain.text(text, from, end);
      from = resume;
      // Only what a prompt begins with can be static, and its first line says how far.
      const isSaid = resume !== end;
      if (isSaid && (this.#saidPlace !== -1 || !isOpening)) continue;
      // As it would be if it ended here: a text that is parted at the line is the same prefix.
      this.#counted = before + count.upTo(end);
      if (isSaid) this.#saidPlace = Math.min(this.#places, PLACES_MAX - 1);
      this.#place({ kind: "text", ...spot, end, resume }, undefined);
    }
    this.#chain.text(text, from);
    this.#counted = before + count.upTo(text.length);
  }

  get #places(): number {
    return this.#spots.length + (this.#waiting === undefined ? 0 : 1);
  }

  #place(spot: Spot, mark: CacheMark | undefined, within: readonly CacheMark[] = []): void {
    if (this.#spots.length < PLACES_MAX - 1) this.#end(spot);
    else this.#waiting = spot;
    const place = this.#places - 1;
    for (const one of within) this.#marks.push({ place, mark: one, isWithin: true });
    if (mark !== undefined) this.#marks.push({ place, mark, isWithin: false });
  }

  #end(spot: Spot): void {
    this.#chain.end(this.#words);
    this.#spots.push(spot);
    this.#tokens.push(Math.ceil(this.#counted));
    this.#blocks.push(this.#blocksSoFar);
  }
}

function toolMark(tool: Tool): CacheMark | undefined {
  if (tool.type === "function") return tool.cache;
  const mark = MARKS.map((name) => tool.value[name]).find((value) => typeof value === "object" && value !== null);
  if (mark === undefined) return undefined;
  const ttl = (mark as JsonObject)["ttl"];
  return ttl === "5m" || ttl === "30m" || ttl === "1h" || ttl === "12h" ? { ttl } : {};
}

function marksWithin(part: Part): readonly CacheMark[] {
  if (part.type !== "tool-result") return [];
  return part.content.flatMap((inner) => [...marksWithin(inner), ...(inner.cache === undefined ? [] : [inner.cache])]);
}

interface TextPlace {
  readonly role: Message["role"];
  /** Whether it is part of what the prompt begins with. */
  readonly isOpening: boolean;
}

/** Whether it differs from request to request, and is no part of a prefix. */
export function isVolatile(part: Part): boolean {
  return (part.type === "opaque" || part.type === "text") && part.volatile === true;
}

function lastKindOf(messages: readonly Message[]): LastKind {
  const isAdded = ({ parts }: Message) => parts.length > 0 && (parts as readonly Part[]).every(isVolatile);
  const role = messages.findLast((message) => !isAdded(message))?.role;
  return role === "tool" || role === "user" || role === "assistant" ? role : "other";
}

/** Where a text can be parted: at every so many characters, and where a line is left out. All count from the text's start. */
function* steps(text: string, leftOut: readonly LeftOut[], isOpening: boolean): Generator<LeftOut> {
  let at = 0;
  let resume = 0;
  const stepsMax = isOpening ? STEPS_MAX : 0;
  for (let count = 1; count <= stepsMax && count * STEP_CHARACTERS < text.length; count += 1) {
    const end = wholeCharacters(text, count * STEP_CHARACTERS);
    for (let line = leftOut[at]; line !== undefined && line.end <= end; line = leftOut[at]) {
      yield line;
      resume = line.resume;
      at += 1;
    }
    // Not inside of what is left out.
    if (resume <= end) yield { end, resume: end };
  }
  yield* leftOut.slice(at);
}

/** Never between the two halves of a character. */
function wholeCharacters(text: string, end: number): number {
  const code = text.charCodeAt(end);
  return code >= 0xdc00 && code < 0xe000 ? end - 1 : end;
}

const DIGEST_BYTES = 32;
/** Before each text: how long it is, and how many of its characters are written behind it. */
const HEAD_BYTES = 4;
/** A character that is not in Latin-1, and where it stands. */
const WIDE_BYTES = 4;
/** In place of a length: a text that is hashed for itself first. */
const LONG = 0xffff;
/** The digest of what was before, then what is waiting. Shared, as nothing here is ever interrupted. */
const SCRATCH = Buffer.allocUnsafe(2 * (DIGEST_BYTES + HEAD_BYTES + (1 + WIDE_BYTES) * TEXT_BYTES_MAX));
/** What begins. Texts say how long they are, so that none is taken for one of these. */
const ROLE_BYTES: Readonly<Record<Message["role"], number>> = { system: 1, user: 2, assistant: 3, tool: 4 };
const TEXT = 5;
const OTHER_PART = 6;
const FIELD = 7;

/** A running hash that gives its state at every place. */
class Chain {
  #end = DIGEST_BYTES;

  constructor(namespace: string) {
    SCRATCH.write(digestOf(namespace), 0, "latin1");
  }

  begin(role: Message["role"]): void {
    this.#byte(ROLE_BYTES[role]);
  }

  beginText(): void {
    this.#byte(TEXT);
  }

  /** A text, or what is from one character of it up to another. */
  text(text: string, from: number = 0, end: number = text.length): void {
    const piece = end - from === text.length ? text : text.slice(from, end);
    if (piece.length > TEXT_BYTES_MAX) {
      this.#head(LONG, 0, DIGEST_BYTES);
      this.#end += SCRATCH.write(digestOf(piece), this.#end, "latin1");
      return;
    }
    const isWhole = text.length <= TEXT_BYTES_MAX;
    const { at, wide } = textBytes(isWhole ? text : piece);
    const before = isWhole ? from : 0;
    let first = at;
    while (first < at + wide && WIDE[first]! >>> 16 < before) first += 1;
    let last = first;
    while (last < at + wide && WIDE[last]! >>> 16 < before + piece.length) last += 1;
    this.#head(piece.length, last - first, piece.length + WIDE_BYTES * (last - first));
    // The low bytes: of a character that has others as well the whole follows, and where it stands.
    this.#end += SCRATCH.write(piece, this.#end, "latin1");
    for (let index = first; index < last; index += 1) this.#number(WIDE[index]! - (before << 16));
  }

  /** @returns Its parameters, or all of it, as JSON text. */
  tool(tool: Tool): string {
    this.#byte(OTHER_PART);
    if (tool.type === "opaque") {
      const json = unmarked(tool.value);
      this.text(json);
      return json;
    }
    this.text(tool.name);
    this.#field(tool.description ?? "");
    const json = JSON.stringify(tool.parameters ?? {});
    this.#field(json);
    if (tool.strict === true) this.#field("strict");
    return json;
  }

  part(part: Part): void {
    if (part.type === "text") {
      this.beginText();
      this.text(part.text);
      return;
    }
    this.#byte(OTHER_PART);
    this.text(part.type);
    switch (part.type) {
      case "refusal":
        this.#field(part.text);
        return;
      case "reasoning":
        this.#field(part.redacted ?? part.text);
        return;
      case "tool-call":
        this.#field(part.name);
        this.#field(part.arguments);
        return;
      case "tool-result":
        this.#field(part.callId);
        if (part.isError === true) this.#field("error");
        for (const inner of part.content) this.part(inner);
        return;
      case "image":
      case "document":
        this.#field(JSON.stringify(part.source));
        if (part.type === "image" && part.detail !== undefined && part.detail !== "auto") this.#field(part.detail);
        return;
      case "audio":
        this.#field(part.data);
        return;
      case "opaque":
        this.#field(unmarked(part.value));
        return;
    }
  }

  /** Two words of everything so far. */
  end(words: number[]): void {
    const digest = this.#fold();
    words.push(wordAt(digest, 0), wordAt(digest, 4));
  }

  #field(text: string): void {
    this.#byte(FIELD);
    this.text(text);
  }

  #head(length: number, wide: number, bytes: number): void {
    this.#room(HEAD_BYTES + bytes);
    this.#number(length | (wide << 16));
  }

  #number(number: number): void {
    SCRATCH[this.#end] = number;
    SCRATCH[this.#end + 1] = number >> 8;
    SCRATCH[this.#end + 2] = number >> 16;
    SCRATCH[this.#end + 3] = number >> 24;
    this.#end += 4;
  }

  #byte(byte: number): void {
    this.#room(1);
    SCRATCH[this.#end] = byte;
    this.#end += 1;
  }

  #room(bytes: number): void {
    if (this.#end + bytes > SCRATCH.length) this.#fold();
  }

  #fold(): string {
    const digest = digestOf(SCRATCH.subarray(0, this.#end));
    this.#end = SCRATCH.write(digest, 0, "latin1");
    return digest;
  }
}

/** A character a byte: as text it is had sooner than as a buffer. */
function digestOf(data: string | Uint8Array): string {
  return hash("sha256", data, "binary");
}

/** Four bytes of a digest. */
function wordAt(digest: string, at: number): number {
  return (
    (digest.charCodeAt(at) << 24) |
    (digest.charCodeAt(at + 1) << 16) |
    (digest.charCodeAt(at + 2) << 8) |
    digest.charCodeAt(at + 3)
  );
}

/** Fields by which dialects mark the end of a prefix; a mark moves on with every turn. */
export const MARKS: readonly string[] = ["cache_control", "prompt_cache_breakpoint"];

/** A value that only its dialect knows, as JSON text without the marks on it. */
export function unmarked(value: JsonValue): string {
  const text = JSON.stringify(value);
  // Most have none, and to ask at each key takes ten times as long.
  if (!MARKS.some((mark) => text.includes(`"${mark}"`))) return text;
  return JSON.stringify(value, (key, inner: unknown) => (MARKS.includes(key) ? undefined : inner));
}
