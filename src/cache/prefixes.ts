/**
 * Where a prompt's prefixes end: a place behind the tools, behind each part of a message, and inside long text that stays the same
 * from prompt to prompt. Each has a hash of everything before it, so that equal hashes are equal prefixes.
 *
 * A hash is of values and in its caller's namespace: cache marks, what noise a client adds, and whether text stands alone or in a list
 * are not in it, as agents' prefixes are stable as values and not as bytes. The order of keys in a schema or in a call's arguments
 * is: the model sees it, so another order is another prefix.
 */
import { hash } from "node:crypto";
import type { CacheMark, ChatRequest, JsonValue, Message, Part, Spot, Tool } from "../chat.ts";
import { MESSAGE_TOKENS, partTokens, promptTokensWith, toolTokens } from "../tokens.ts";
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
  /** The whole request's estimated tokens (o200k). */
  readonly promptTokens: number;
  readonly lastKind: LastKind;
  /** The client's own marks, shallow to deep. */
  readonly marks: readonly { readonly place: number; readonly mark: CacheMark }[];
}

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
  const reader = new PrefixReader(request, namespace, boundaryLine);
  return reader.read();
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
  readonly #marks: { place: number; mark: CacheMark }[] = [];
  #counted = 0;
  #blocksSoFar = 0;
  #staticPlace = -1;
  #saidPlace = -1;

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
      if (message.role === "system" && (firstUser === -1 || at < firstUser)) this.#staticPlace = this.#spots.length - 1;
    }
    return {
      hashes: Uint32Array.from(this.#words),
      tokens: Uint32Array.from(this.#tokens),
      blocks: Uint32Array.from(this.#blocks),
      spots: this.#spots,
      staticPlace: this.#staticPlace,
      saidPlace: this.#saidPlace,
      promptTokens: promptTokensWith(this.#counted, this.#request),
      lastKind: lastKindOf(messages),
      marks: this.#marks,
    };
  }

  /** A tool that is offered only is no part of the prompt; once it is loaded it stands among the others, and is none either. */
  #tools(): void {
    let last: Tool | undefined;
    for (const tool of this.#request.tools) {
      if (tool.type === "function" && tool.deferred === true) continue;
      this.#chain.tool(tool);
      this.#counted += toolTokens(tool);
      last = tool;
    }
    if (last === undefined) return;
    this.#blocksSoFar += 1;
    this.#place({ kind: "tools" }, last.type === "function" ? last.cache : undefined);
    this.#staticPlace = 0;
  }

  #message(message: Message, at: number, isOpening: boolean): void {
    this.#chain.begin(message.role);
    this.#counted += MESSAGE_TOKENS;
    for (const [index, part] of message.parts.entries()) {
      // What differs from request to request and says nothing to the model would part prefixes that are the same.
      if (part.type === "opaque" && part.volatile === true) continue;
      this.#blocksSoFar += 1;
      const before = this.#counted;
      this.#counted += partTokens(part);
      if (isOpening && part.type === "text") this.#text(part.text, { message: at, part: index }, message.role, before);
      else this.#chain.part(part);
      this.#place({ kind: "part", message: at, part: index }, part.cache);
    }
  }

  /** A text that may be static as far as its middle. */
  #text(text: string, spot: { message: number; part: number }, role: Message["role"], before: number): void {
    const said = role === "system" ? boundaryIn(text, this.#boundaryLine) : undefined;
    const whole = this.#counted;
    let from = 0;
    this.#chain.beginText();
    for (const { end, resume } of steps(text, said)) {
      this.#chain.text(text.slice(from, end));
      // As it would be if it ended here: a text that is parted at the line is the same prefix.
      this.#counted = before + ((whole - before) * end) / text.length;
      if (resume !== end) this.#saidPlace = this.#spots.length;
      this.#place({ kind: "text", ...spot, end, resume }, undefined);
      from = resume;
    }
    this.#chain.text(from === 0 ? text : text.slice(from));
    this.#counted = whole;
  }

  #place(spot: Spot, mark: CacheMark | undefined): void {
    const isFull = this.#spots.length === PLACES_MAX;
    if (isFull) {
      this.#spots.pop();
      this.#tokens.pop();
      this.#blocks.pop();
      this.#words.length -= 2;
    }
    this.#chain.end(this.#words);
    if (mark !== undefined) this.#marks.push({ place: this.#spots.length, mark });
    this.#spots.push(spot);
    this.#tokens.push(Math.ceil(this.#counted));
    this.#blocks.push(this.#blocksSoFar);
  }
}

function lastKindOf(messages: readonly Message[]): LastKind {
  const role = messages.at(-1)?.role;
  return role === "tool" || role === "user" || role === "assistant" ? role : "other";
}

interface Step {
  readonly end: number;
  readonly resume: number;
}

/** Where a text can be parted: at every so many characters, and at the client's own line. Both count from the text's start. */
function* steps(text: string, said: Step | undefined): Generator<Step> {
  let waiting = said;
  for (let count = 1; count <= STEPS_MAX && count * STEP_CHARACTERS < text.length; count += 1) {
    const end = wholeCharacters(text, count * STEP_CHARACTERS);
    if (waiting !== undefined && waiting.end <= end) {
      yield waiting;
      if (waiting.resume > end) {
        waiting = undefined;
        continue;
      }
      waiting = undefined;
    }
    yield { end, resume: end };
  }
  if (waiting !== undefined) yield waiting;
}

/** Never between the two halves of a character. */
function wholeCharacters(text: string, end: number): number {
  const code = text.charCodeAt(end);
  return code >= 0xdc00 && code < 0xe000 ? end - 1 : end;
}

/** The first line that is the boundary line and nothing else, outside of fenced code. */
export function boundaryIn(text: string, boundaryLine: string): Step | undefined {
  if (boundaryLine === "" || !text.includes(boundaryLine)) return undefined;
  let isCode = false;
  let start = 0;
  for (;;) {
    const lineEnd = text.indexOf("\n", start);
    const line = text.slice(start, lineEnd === -1 ? text.length : lineEnd).trim();
    if (/^(?:```|~~~)/.test(line)) isCode = !isCode;
    else if (line === boundaryLine && !isCode)
      return { end: start, resume: lineEnd === -1 ? text.length : lineEnd + 1 };
    if (lineEnd === -1) return undefined;
    start = lineEnd + 1;
  }
}

/** In hexadecimal digits. */
const DIGEST_BYTES = 64;
/** What a piece may have to be written out here; longer ones are hashed for themselves first. */
const PIECE_BYTES_MAX = 64 * 1024;
/** The digest of what was before, then what is waiting. Shared, as nothing here is ever interrupted. */
const SCRATCH = Buffer.allocUnsafe(DIGEST_BYTES + 2 * PIECE_BYTES_MAX);
/** Bytes that no UTF-8 has: what begins. */
const ROLE_BYTES: Readonly<Record<Message["role"], number>> = { system: 0xf8, user: 0xf9, assistant: 0xfa, tool: 0xfb };
const TEXT = 0xfc;
const OTHER_PART = 0xfd;
const FIELD = 0xfe;
const LONG = 0xff;

/** A running hash that gives its state at every place. */
class Chain {
  #end = DIGEST_BYTES;

  constructor(namespace: string) {
    SCRATCH.write(hash("sha256", namespace, "hex"), 0, "latin1");
  }

  begin(role: Message["role"]): void {
    this.#byte(ROLE_BYTES[role]);
  }

  beginText(): void {
    this.#byte(TEXT);
  }

  text(text: string): void {
    if (text.length * 3 <= PIECE_BYTES_MAX) {
      if (this.#end + text.length * 3 > SCRATCH.length) this.#fold();
      this.#end += SCRATCH.write(text, this.#end);
      return;
    }
    this.#byte(LONG);
    if (this.#end + DIGEST_BYTES > SCRATCH.length) this.#fold();
    this.#end += SCRATCH.write(hash("sha256", text, "hex"), this.#end, "latin1");
  }

  tool(tool: Tool): void {
    this.#byte(OTHER_PART);
    if (tool.type === "opaque") {
      this.text(unmarked(tool.value));
      return;
    }
    this.text(tool.name);
    this.#field(tool.description ?? "");
    this.#field(JSON.stringify(tool.parameters ?? null));
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
        for (const inner of part.content) this.part(inner);
        return;
      case "image":
      case "document":
        this.#field(JSON.stringify(part.source));
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
    this.#fold();
    words.push(word(0), word(8));
  }

  #field(text: string): void {
    this.#byte(FIELD);
    this.text(text);
  }

  #byte(byte: number): void {
    if (this.#end === SCRATCH.length) this.#fold();
    SCRATCH[this.#end] = byte;
    this.#end += 1;
  }

  #fold(): void {
    // As text it is had sooner than as a buffer.
    this.#end = SCRATCH.write(hash("sha256", SCRATCH.subarray(0, this.#end), "hex"), 0, "latin1");
  }
}

/** Eight hexadecimal digits of the digest, as a number. */
function word(at: number): number {
  return Number.parseInt(SCRATCH.toString("latin1", at, at + 8), 16);
}

/** Fields by which dialects mark the end of a prefix; a mark moves on with every turn. */
const MARKS: ReadonlySet<string> = new Set(["cache_control", "prompt_cache_breakpoint"]);

/** A value that only its dialect knows, as JSON text without the marks on it. */
export function unmarked(value: JsonValue): string {
  return JSON.stringify(value, (key, inner: unknown) => (MARKS.has(key) ? undefined : inner));
}
