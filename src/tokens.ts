/**
 * How many tokens a text or a request has, by o200k_base, without a tokenizer: within about 5 % for prose, code, JSON and most
 * languages, within 15 % for hashes and digits (fitted on 250 pieces of such text). One pass, so that no input can make it slow:
 * real tokenizers take seconds for a long run of one letter.
 */
import type { ChatRequest, JsonObject, JsonValue, MediaSource, Message, Part, Tool } from "./chat.ts";
import {
  CJK_BYTE,
  forgetTexts,
  OTHER_BYTE,
  TEXT_BYTES_AFTER,
  TEXT_BYTES_MAX,
  TEXT_TWO_BYTES,
  textBytes,
} from "./text-bytes.ts";

/**
 * Estimated tokens of a text, never more than it has characters. Linear in its length; of a long one every other stretch is read
 * and counts twice.
 */
export function estimateTokens(text: string): number {
  return textTokens(text.length, hundredthsIn(text, IN_TEXT));
}

/** As JSON text, of which every name and value stands between quotes: what a schema costs is in these as much as in its words. */
export function estimateJsonTokens(text: string): number {
  return Math.ceil(hundredthsIn(text, IN_JSON) / 100);
}

/**
 * Counts one text as far as several places in it. What stands behind a place is not in its count: it is what {@link estimateTokens} says
 * of the text before it, in whatever that goes on.
 */
export class TextCount {
  readonly #text: string;
  /** The blocks that are counted end here. */
  #counted = 0;
  #hundredths = 0;

  constructor(text: string) {
    this.#text = text;
  }

  /** Estimated tokens up to this character. Asked from the text's start to its end. */
  upTo(end: number): number {
    const blocks = lastBlockEnd(end);
    if (blocks > this.#counted) {
      this.#hundredths += hundredthsIn(this.#text, IN_TEXT, this.#counted, blocks);
      this.#counted = blocks;
    }
    return textTokens(end, this.#hundredths + hundredthsIn(this.#text, IN_TEXT, this.#counted, end));
  }
}

function textTokens(length: number, hundredths: number): number {
  return Math.min(length, Math.ceil(hundredths / 100));
}

/** @param from Where a block begins. */
function hundredthsIn(text: string, between: number, from: number = 0, end: number = text.length): number {
  if (from === end) return 0;
  const whole = text.length <= TEXT_BYTES_MAX ? textBytes(text).at : -1;
  let hundredths = 0;
  for (let start = from; start < end;) {
    const stands = Math.min(start === 0 ? READ_WHOLE : 2 * STRETCH, end - start);
    const read = start === 0 ? stands : Math.min(STRETCH, stands);
    // Several bytes are read at once: behind what ends in between, spaces have to stand.
    const isWithin = whole !== -1 && (read % STRIDE === 0 || start + read === text.length);
    const at = isWithin ? whole + start : textBytes(text.slice(start, start + read)).at;
    hundredths += (hundredthsOf(at, read, between) * stands) / read;
    start += stands;
  }
  return hundredths;
}

/** The first block is read whole, of the others the first half. */
function lastBlockEnd(end: number): number {
  return end < READ_WHOLE ? 0 : end - ((end - READ_WHOLE) % (2 * STRETCH));
}

const READ_WHOLE = 2_048;
const STRETCH = 512;
/** Of this module's own: what is imported is asked for anew at each step. */
const TWO_BYTES = TEXT_TWO_BYTES;
/** What it is read by at once: two bytes for each of the four places. */
const STRIDE = TEXT_BYTES_AFTER;
const STRIDE_BITS = 3;

/**
 * Two bytes a step, and four places of the text at once: each step waits for the state that the one before it left, and a processor has
 * nothing else to do meanwhile. A sixth of the time of one byte after the other, and the same count.
 */
function hundredthsOf(start: number, length: number, between: number): number {
  const first = start >> 1;
  if (length <= SHORT) return hundredthsOfShort(first, length, between);
  const quarter = (length + STRIDE - 1) >> STRIDE_BITS;
  const second = first + quarter;
  const third = second + quarter;
  const fourth = third + quarter;
  let hundredths = 0;
  let step1 = between;
  let step2 = stateAt(second, between);
  let step3 = stateAt(third, between);
  let step4 = stateAt(fourth, between);
  for (let index = 0; index < quarter; index += 1) {
    step1 = STEPS[(step1 + PAIR_KINDS[TWO_BYTES[first + index]!]!) & STATE_BITS]!;
    step2 = STEPS[(step2 + PAIR_KINDS[TWO_BYTES[second + index]!]!) & STATE_BITS]!;
    step3 = STEPS[(step3 + PAIR_KINDS[TWO_BYTES[third + index]!]!) & STATE_BITS]!;
    step4 = STEPS[(step4 + PAIR_KINDS[TWO_BYTES[fourth + index]!]!) & STATE_BITS]!;
    hundredths += (step1 >>> STATE_WIDTH) + (step2 >>> STATE_WIDTH) + (step3 >>> STATE_WIDTH) + (step4 >>> STATE_WIDTH);
  }
  return hundredths;
}

/** Up to here four places cost more than they save. */
const SHORT = 64;

function hundredthsOfShort(first: number, length: number, between: number): number {
  let hundredths = 0;
  let step = between;
  for (let index = 0; 2 * index < length; index += 1) {
    step = STEPS[(step + PAIR_KINDS[TWO_BYTES[first + index]!]!) & STATE_BITS]!;
    hundredths += step >>> STATE_WIDTH;
  }
  return hundredths;
}

/** In steps: no state remembers more of what was before than a long run of letters has. It is less than a quarter of any text. */
const LOOKED_BACK = 7;

/** What the bytes before leave. */
function stateAt(start: number, between: number): number {
  let state = between;
  for (let index = start - LOOKED_BACK; index < start; index += 1) {
    state = STEPS[(state + PAIR_KINDS[TWO_BYTES[index]!]!) & STATE_BITS]! & STATE_BITS;
  }
  return state;
}

const LOWER = 0;
const UPPER = 1;
const DIGIT = 2;
const SPACE = 3;
const LINE = 4;
const MARK = 5;
const CJK = 6;
const OTHER = 7;
const QUOTE = 8;
const KINDS = 9;

function kindOf(byte: number): number {
  if (byte >= 97 && byte <= 122) return LOWER;
  if (byte >= 65 && byte <= 90) return UPPER;
  if (byte >= 48 && byte <= 57) return DIGIT;
  if (byte === CJK_BYTE) return CJK;
  if (byte === OTHER_BYTE || byte >= 128) return OTHER;
  if (byte < 32) return LINE;
  if (byte === 32) return SPACE;
  return byte === 34 ? QUOTE : MARK;
}

/** By two bytes as they are read at once, the first one's kind times {@link KINDS} and the second one's. */
const PAIR_KINDS: Uint8Array = Uint8Array.from({ length: 0x1_0000 }, (_, pair) => {
  const [first = 0, second = 0] = new Uint8Array(Uint16Array.of(pair).buffer);
  return kindOf(first) * KINDS + kindOf(second);
});

// What came before: nothing that goes on, a run of line ends or of marks, a run of digits or of letters and how long it is.
const BETWEEN = 0;
const IN_LINES = 1;
const IN_MARKS = 2;
const IN_DIGITS = 3;
const DIGITS_MAX = 3;
const IN_LOWER = IN_DIGITS + DIGITS_MAX;
/** Longer runs of letters are no words but hashes and keys, which fall into small pieces. */
const LETTERS_MAX = 12;
const IN_UPPER = IN_LOWER + LETTERS_MAX;
const STATES = IN_UPPER + LETTERS_MAX;

interface Step {
  readonly cost: number;
  readonly next: number;
}

/** What a character costs after what came before, and what comes before the next one then. */
function stepOf(state: number, kind: number, quoteCost: number | undefined): Step {
  const isLower = state >= IN_LOWER && state < IN_UPPER;
  const isWord = state >= IN_LOWER;
  const letters = isWord ? ((state - IN_LOWER) % LETTERS_MAX) + 1 : 0;
  const more = Math.min(letters, LETTERS_MAX - 1);
  const letterCost = letters === LETTERS_MAX ? 30 : isWord ? 0 : 104;
  const digits = state >= IN_DIGITS && state < IN_LOWER ? state - IN_DIGITS + 1 : 0;
  switch (kind) {
    case LOWER:
      return { cost: letterCost, next: IN_LOWER + more };
    case UPPER:
      // A new hump of a camelCase name is a new piece.
      return isLower ? { cost: 154, next: IN_UPPER } : { cost: letterCost, next: IN_UPPER + more };
    case DIGIT:
      // Three digits are one token; a first one costs more, as digits part what stands around them.
      return {
        cost: digits === 0 ? 173 : digits === DIGITS_MAX ? 33 : 0,
        next: IN_DIGITS + Math.min(digits, DIGITS_MAX - 1),
      };
    case LINE:
      return { cost: state === IN_LINES ? 0 : 93, next: IN_LINES };
    case QUOTE:
    case MARK: {
      const markCost = state === IN_MARKS ? 0 : 81;
      return { cost: kind === QUOTE ? (quoteCost ?? markCost) : markCost, next: IN_MARKS };
    }
    case CJK:
      return { cost: 66, next: BETWEEN };
    case OTHER:
      return { cost: 29, next: BETWEEN };
    default:
      // A space belongs to the word that follows it.
      return { cost: 0, next: BETWEEN };
  }
}

/** Text, and the same again for JSON text, where what goes on never leaves it. */
const STATES_OF_BOTH = 2 * STATES;
const PAIRS = KINDS * KINDS;
const IN_TEXT = BETWEEN * PAIRS;
const IN_JSON = STATES * PAIRS;
/** In JSON text every name and value stands between two quotes. */
const QUOTE_COST = 103;

/** A state times the pairs of kinds; as many as there are indexes, so that none has to be checked. */
const STATE_WIDTH = 13;
const STATE_BITS = 2 ** STATE_WIDTH - 1;

/** For each state and two characters: the state that follows (times {@link PAIRS}) in the low bits, and above them what both cost. */
const STEPS: Uint32Array = new Uint32Array(STATE_BITS + 1);
for (let state = 0; state < STATES_OF_BOTH; state += 1) {
  const base = state < STATES ? 0 : STATES;
  const quoteCost = state < STATES ? undefined : QUOTE_COST;
  for (let kinds = 0; kinds < PAIRS; kinds += 1) {
    const first = stepOf(state - base, Math.floor(kinds / KINDS), quoteCost);
    const second = stepOf(first.next, kinds % KINDS, quoteCost);
    STEPS[state * PAIRS + kinds] = ((base + second.next) * PAIRS) | ((first.cost + second.cost) << STATE_WIDTH);
  }
}

/** A message's role and borders. */
export const MESSAGE_TOKENS = 4;
/** What the rendered prompt ends with, for the answer to begin. */
const PRIMING_TOKENS = 3;
/** A picture whose size is not known: what Anthropic bills for a large one. */
const IMAGE_TOKENS = 1_600;
/** A page of a document is a picture; bytes of base64 that a page has, roughly. */
const PAGE_BASE64 = 70_000;
/** More pages than this are not guessed from a file's size: photographs are large, too. */
const PAGES_MAX = 20;
/** Base64 of a token's worth (100 ms) of compressed sound. */
const AUDIO_TOKEN_BASE64 = 2_000;
/** Tools are rendered with more around them than their JSON has. */
const TOOL_FACTOR = 1.1;

/** Estimated prompt tokens of a request, by o200k_base; a model's own count is this times its `tokenRatio`. */
export function estimatePromptTokens(request: ChatRequest): number {
  let tokens = 0;
  for (const message of request.messages) tokens += messageTokens(message);
  for (const tool of request.tools) tokens += toolTokens(tool);
  forgetTexts();
  return promptTokensWith(tokens, request);
}

/** The same, for who has counted the messages and tools already: counting them is the dearest of what is done to a long prompt. */
export function promptTokensWith(counted: number, request: ChatRequest): number {
  const format = request.responseFormat;
  return Math.ceil(PRIMING_TOKENS + counted + (format?.type === "json-schema" ? jsonTokens(format.schema) : 0));
}

/** Of one message, its borders included. */
export function messageTokens(message: Message): number {
  let tokens = MESSAGE_TOKENS;
  for (const part of message.parts) tokens += partTokens(part);
  return tokens;
}

export function partTokens(part: Part): number {
  switch (part.type) {
    case "text":
    case "refusal":
      return estimateTokens(part.text);
    case "reasoning":
      // Sealed reasoning is about as long as the text it holds; base64 says a third more.
      return part.redacted === undefined ? estimateTokens(part.text) : Math.ceil(part.redacted.length / 5);
    case "tool-call":
      return estimateTokens(part.name) + estimateTokens(part.arguments) + MESSAGE_TOKENS;
    case "tool-result":
      return part.content.reduce((sum, inner) => sum + partTokens(inner), MESSAGE_TOKENS);
    case "image":
      return IMAGE_TOKENS;
    case "document":
      return part.source.type === "text" ? estimateTokens(part.source.text) : pagesOf(part.source) * IMAGE_TOKENS;
    case "audio":
      return Math.ceil(part.data.length / AUDIO_TOKEN_BASE64);
    case "opaque":
      return part.volatile === true ? 0 : jsonTokens(part.value);
  }
}

function pagesOf(source: MediaSource): number {
  return source.type === "base64" ? Math.min(PAGES_MAX, Math.max(1, Math.ceil(source.data.length / PAGE_BASE64))) : 1;
}

/** @param json The tool's parameters (of one that only its dialect knows, all of it) as JSON text, for who has written it already. */
export function toolTokens(tool: Tool, json: string = toolJson(tool)): number {
  // Offered, but not part of the prompt until it is loaded.
  if (tool.type === "function" && tool.deferred === true) return 0;
  if (tool.type === "opaque") return estimateJsonTokens(json);
  const text = estimateTokens(tool.name) + estimateTokens(tool.description ?? "") + estimateJsonTokens(json);
  return MESSAGE_TOKENS + text * TOOL_FACTOR;
}

function toolJson(tool: Tool): string {
  return JSON.stringify(tool.type === "opaque" ? tool.value : (tool.parameters ?? {}));
}

/** Longest text inside an opaque value that is read as prompt: longer ones are files. */
const OPAQUE_TEXT_MAX = 100_000;
/** What files in base64 begin with, or are all along; prose has a space before. */
const FILE_TEXT = /^(?:data:[\w.+-]+\/|[\w+/=-]{512})/;

function isFile(text: string): boolean {
  return text.length > OPAQUE_TEXT_MAX || (text.length >= 512 && FILE_TEXT.test(text));
}

/** Tokens of a value as JSON text, without writing it. */
function jsonTokens(value: JsonValue | undefined): number {
  if (typeof value === "string") return isFile(value) ? IMAGE_TOKENS : estimateTokens(value) + 1;
  if (typeof value !== "object" || value === null) return 2;
  let tokens = 1;
  if (Array.isArray(value)) {
    for (const item of value as readonly JsonValue[]) tokens += jsonTokens(item);
    return tokens;
  }
  for (const key of Object.keys(value)) tokens += estimateTokens(key) + 1 + jsonTokens((value as JsonObject)[key]);
  return tokens;
}
