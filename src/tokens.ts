/**
 * How many tokens a text or a request has, by o200k_base, without a tokenizer: within about 5 % for prose, code, JSON and most
 * languages, within 15 % for hashes and digits (fitted on 250 pieces of such text). One pass, so that no input can make it slow:
 * real tokenizers take seconds for a long run of one letter.
 */
import type { ChatRequest, JsonValue, MediaSource, Message, Part, Tool } from "./chat.ts";

/**
 * Estimated tokens of a text, never more than it has characters. Linear in its length; of a long one every other stretch is read
 * and counts twice.
 */
export function estimateTokens(text: string): number {
  return Math.min(text.length, Math.ceil(hundredthsIn(text) / 100));
}

function hundredthsIn(text: string): number {
  if (text.length <= SHORT) return hundredthsOfShort(text);
  if (text.length <= SAMPLED_FROM) return hundredthsOf(text);
  let hundredths = 0;
  for (let start = 0; start < text.length; start += 2 * STRETCH) {
    const end = Math.min(start + STRETCH, text.length);
    const stands = Math.min(start + 2 * STRETCH, text.length) - start;
    hundredths += (hundredthsOf(text.slice(start, end)) * stands) / (end - start);
  }
  return hundredths;
}

/** Up to here writing a text out as bytes costs more than it saves. */
const SHORT = 64;
const SAMPLED_FROM = 8_192;
const STRETCH = 512;

function hundredthsOfShort(text: string): number {
  let hundredths = 0;
  let state = BETWEEN;
  for (let index = 0; index < text.length; index += 1) {
    const step = STEPS[state + kindOf(text.charCodeAt(index))]!;
    hundredths += step & COST_BITS;
    state = step >> COST_WIDTH;
  }
  return hundredths;
}

const ENCODER = new TextEncoder();
/** Where a text's bytes stand while they are counted. */
const BYTES = new Uint8Array(3 * SAMPLED_FROM);

/**
 * Four places of the text at once: each character waits for the state that the one before it left, and a processor has nothing
 * else to do meanwhile. A third of the time of one after the other, and the same count.
 */
function hundredthsOf(text: string): number {
  const length = ENCODER.encodeInto(text, BYTES).written;
  const quarter = length >> 2;
  const second = quarter;
  const third = second + quarter;
  const fourth = third + quarter;
  let hundredths = 0;
  let state1 = BETWEEN;
  let state2 = stateAt(second);
  let state3 = stateAt(third);
  let state4 = stateAt(fourth);
  for (let index = 0; index < quarter; index += 1) {
    const step1 = STEPS[state1 + BYTE_KINDS[BYTES[index]!]!]!;
    const step2 = STEPS[state2 + BYTE_KINDS[BYTES[second + index]!]!]!;
    const step3 = STEPS[state3 + BYTE_KINDS[BYTES[third + index]!]!]!;
    const step4 = STEPS[state4 + BYTE_KINDS[BYTES[fourth + index]!]!]!;
    hundredths += (step1 & COST_BITS) + (step2 & COST_BITS) + (step3 & COST_BITS) + (step4 & COST_BITS);
    state1 = step1 >> COST_WIDTH;
    state2 = step2 >> COST_WIDTH;
    state3 = step3 >> COST_WIDTH;
    state4 = step4 >> COST_WIDTH;
  }
  for (let index = fourth + quarter; index < length; index += 1) {
    const step = STEPS[state4 + BYTE_KINDS[BYTES[index]!]!]!;
    hundredths += step & COST_BITS;
    state4 = step >> COST_WIDTH;
  }
  return hundredths;
}

/** What the bytes before leave. No state remembers more of them than a long run of letters has. */
function stateAt(start: number): number {
  let state = BETWEEN;
  for (let index = Math.max(0, start - LETTERS_MAX - 1); index < start; index += 1) {
    state = STEPS[state + BYTE_KINDS[BYTES[index]!]!]! >> COST_WIDTH;
  }
  return state;
}

function kindOf(code: number): number {
  if (code < 128) return BYTE_KINDS[code]!;
  return code < FIRST_CJK ? OTHER : CJK;
}

const LOWER = 0;
const UPPER = 1;
const DIGIT = 2;
const SPACE = 3;
const LINE = 4;
const MARK = 5;
const CJK = 6;
const OTHER = 7;
/** A character of two UTF-16 units, which is as much as two of CJK. */
const PAIR = 8;
const KINDS = 9;
/** Han, kana, hangul and what lies above them. */
const FIRST_CJK = 0x2e80;

/** By byte of UTF-8, whose first one tells of which kind a character is. */
const BYTE_KINDS: Uint8Array = Uint8Array.from({ length: 256 }, (_, byte) => {
  if (byte >= 97 && byte <= 122) return LOWER;
  if (byte >= 65 && byte <= 90) return UPPER;
  if (byte >= 48 && byte <= 57) return DIGIT;
  if (byte < 32) return LINE;
  if (byte === 32) return SPACE;
  if (byte < 128) return MARK;
  // The further bytes of a character: they cost nothing and change nothing, as a space after it would.
  if (byte < 0xc0) return SPACE;
  // U+3000 and what follows begins with E3.
  if (byte < 0xe3) return OTHER;
  return byte < 0xf0 ? CJK : PAIR;
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

/** For each state and kind of character: the state that follows (times KINDS), and what the character costs in its low bits. */
const STEPS: Uint32Array = new Uint32Array(STATES * KINDS);
const COST_WIDTH = 8;
const COST_BITS = 0xff;
for (let state = 0; state < STATES; state += 1) {
  const isLower = state >= IN_LOWER && state < IN_UPPER;
  const isWord = state >= IN_LOWER;
  const letters = isWord ? ((state - IN_LOWER) % LETTERS_MAX) + 1 : 0;
  const more = Math.min(letters, LETTERS_MAX - 1);
  const isLong = letters === LETTERS_MAX;
  const digits = state >= IN_DIGITS && state < IN_LOWER ? state - IN_DIGITS + 1 : 0;
  const set = (kind: number, cost: number, next: number): void => {
    STEPS[state * KINDS + kind] = ((next * KINDS) << COST_WIDTH) | cost;
  };
  set(LOWER, isLong ? 30 : isWord ? 0 : 104, IN_LOWER + more);
  // A new hump of a camelCase name is a new piece.
  if (isLower) set(UPPER, 154, IN_UPPER);
  else set(UPPER, isLong ? 30 : isWord ? 0 : 104, IN_UPPER + more);
  // Three digits are one token; a first one costs more, as digits part what stands around them.
  set(DIGIT, digits === 0 ? 173 : digits === DIGITS_MAX ? 33 : 0, IN_DIGITS + Math.min(digits, DIGITS_MAX - 1));
  // A space belongs to the word that follows it.
  set(SPACE, 0, BETWEEN);
  set(LINE, state === IN_LINES ? 0 : 93, IN_LINES);
  set(MARK, state === IN_MARKS ? 0 : 81, IN_MARKS);
  set(CJK, 66, BETWEEN);
  set(OTHER, 29, BETWEEN);
  set(PAIR, 132, BETWEEN);
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

export function toolTokens(tool: Tool): number {
  // Offered, but not part of the prompt until it is loaded.
  if (tool.type === "function" && tool.deferred === true) return 0;
  if (tool.type === "opaque") return jsonTokens(tool.value);
  const text = estimateTokens(tool.name) + estimateTokens(tool.description ?? "") + jsonTokens(tool.parameters ?? {});
  return MESSAGE_TOKENS + text * TOOL_FACTOR;
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
  for (const [key, member] of Object.entries(value)) tokens += estimateTokens(key) + 1 + jsonTokens(member);
  return tokens;
}
