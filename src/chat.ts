/**
 * The canonical reading of a chat call: what two dialects can both say, in one form.
 *
 * Types only. A concept enters here when two dialects can say it; until then it rides in `extra` or in an
 * `opaque` part, and becomes a {@link Loss} when it has to leave its own dialect.
 */
import type { Ability } from "./model.ts";
import type { Usage } from "./usage.ts";

export type JsonValue = null | boolean | number | string | readonly JsonValue[] | JsonObject;
export interface JsonObject {
  readonly [key: string]: JsonValue | undefined;
}

/** A wire format's name, as its own file declares it. A plain string, so that a plugin can bring its own. */
export type DialectName = string;

/** One thing said that the other dialect has no word for. */
export interface Loss {
  /** A word of the writer's fixed vocabulary ("top_k", "unknown-field"): a metric label, so never client text. */
  readonly field: string;
  /** Where it stood in the client's request, for the ledger row ("messages[2].content[0].citations"). */
  readonly path?: string;
}

/** A client's wish that the prefix up to and including this place be cached. */
export interface CacheMark {
  /** `undefined` is the provider's default lifetime. */
  readonly ttl?: "5m" | "30m" | "1h" | "12h";
}

/** Where in a request's reading a prefix may end. */
export type Spot =
  /** Behind the tools. */
  | { readonly kind: "tools" }
  /** Behind a part. */
  | { readonly kind: "part"; readonly message: number; readonly part: number }
  /** Inside a text, which ends there before `end` and goes on at `resume`: what is between them is left out. In characters. */
  | {
      readonly kind: "text";
      readonly message: number;
      readonly part: number;
      readonly end: number;
      readonly resume: number;
    };

/** What is to be done where a prefix ends: a mark is set, or a text goes on without what parts it, or both. */
export interface Placed {
  readonly spot: Spot;
  readonly mark: CacheMark | undefined;
  /** Of a spot inside a text: whether it is two texts from here on, marked or not. */
  readonly isParted: boolean;
}

export interface ChatRequest extends Enveloped {
  readonly dialect: DialectName;
  /** The model as the client named it. */
  readonly model: string;
  readonly stream: boolean;
  /** Whether the client expects to see usage inside its stream. */
  readonly wantsStreamUsage: boolean;
  readonly messages: readonly Message[];
  readonly tools: readonly Tool[];
  readonly toolChoice?: ToolChoice;
  /** `undefined` is the dialect's default (parallel calls allowed). */
  readonly parallelToolCalls?: boolean;
  /** Cap on generated tokens, reasoning included. */
  readonly maxOutputTokens?: number;
  readonly temperature?: number;
  readonly topP?: number;
  readonly topK?: number;
  readonly stop?: readonly string[];
  readonly seed?: number;
  readonly frequencyPenalty?: number;
  readonly presencePenalty?: number;
  readonly responseFormat?: ResponseFormat;
  readonly reasoning?: ReasoningWish;
  readonly verbosity?: string;
  /** The caller's own end-user id (openai `user` / `safety_identifier`, anthropic `metadata.user_id`). */
  readonly endUser?: string;
  readonly metadata?: JsonObject;
  readonly serviceTier?: string;
  readonly promptCacheKey?: string;
  /** A mark on the request as a whole ("cache as far as you can"). */
  readonly cache?: CacheMark;
  /** Nothing is to be cached but what marks say. */
  readonly marksOnly?: boolean;
  /** Whether the client says how its prompt is to be cached in other words than marks and a key. */
  readonly saysCaching?: boolean;
  /** How many alternative answers; more than 1 is a need. */
  readonly choices?: number;
  readonly logprobs?: { readonly top?: number };
  /** What of this call no other dialect can be asked for, in words for an error ("embeddings", "a suffix"): a need. */
  readonly onlyHere?: readonly string[];
  /** The dialects besides the client's own in which that can be said nevertheless. */
  readonly alsoIn?: readonly DialectName[];
  /** What the model must be able to besides what the reading tells: needs. */
  readonly abilities?: readonly Ability[];
  /** For vectors in place of an answer; their texts are the messages' parts. */
  readonly embedding?: EmbeddingWish;
  /** What a provider keeps and this request goes on from, by its id: known there only (a hard binding). */
  readonly continues?: readonly Kept[];
  /** Fields only this dialect can say, verbatim. Each that is not written again is a loss. */
  readonly extra: JsonObject;
}

/** What the vectors of texts are to be like. */
export interface EmbeddingWish {
  /** How many there are to be; absent: only the server can tell. */
  readonly inputs?: number;
  /** Absent: as many as the model has. */
  readonly dimensions?: number;
  /** Whether each is to be text (32 bits a number) in place of a list of numbers. */
  readonly base64: boolean;
  /** Another type of numbers ("int8"). */
  readonly dtype?: string;
}

/** Something kept at a provider, and the field that named it ("previous_response_id"). */
export interface Kept {
  readonly field: string;
  readonly id: string;
}

export type Message = SystemMessage | UserMessage | AssistantMessage | ToolMessage;

/** System or developer text, kept at its position: hoisting it would rewrite the cached prefix. */
export interface SystemMessage extends Enveloped {
  readonly role: "system";
  readonly parts: readonly Part[];
  /** Whether it stands where its own dialect has no place for a cache mark. Absent: no. */
  readonly isUnmarkable?: true;
  readonly extra?: JsonObject;
}
export interface UserMessage extends Enveloped {
  readonly role: "user";
  readonly parts: readonly Part[];
  readonly extra?: JsonObject;
}
export interface AssistantMessage extends Enveloped {
  readonly role: "assistant";
  readonly parts: readonly Part[];
  readonly extra?: JsonObject;
}
/** Results of tool calls; one or more, in the client's order. */
export interface ToolMessage extends Enveloped {
  readonly role: "tool";
  readonly parts: readonly ToolResultPart[];
  readonly extra?: JsonObject;
}

export type Part =
  | TextPart
  | ImagePart
  | DocumentPart
  | AudioPart
  | ReasoningPart
  | ToolCallPart
  | ToolResultPart
  | RefusalPart
  | OpaquePart;

interface PartBase extends Enveloped {
  readonly cache?: CacheMark;
  /** Fields of this part that only its dialect can say (citations, annotations …). */
  readonly extra?: JsonObject;
}
/** What stands around what is said on its own wire and means nothing (ids, a status): written back there, no loss anywhere else. */
interface Enveloped {
  readonly envelope?: JsonObject;
}
export interface TextPart extends PartBase {
  readonly type: "text";
  readonly text: string;
  /** True for what the gateway moved to the prompt's end, as it differs from request to request: no prefix that comes back has it. */
  readonly volatile?: boolean;
}
export interface ImagePart extends PartBase {
  readonly type: "image";
  readonly source: MediaSource;
  readonly detail?: string;
}
export interface DocumentPart extends PartBase {
  readonly type: "document";
  readonly source: MediaSource | { readonly type: "text"; readonly text: string };
  readonly name?: string;
}
export interface AudioPart extends PartBase {
  readonly type: "audio";
  readonly format: string;
  /** Base64. */
  readonly data: string;
}
/** Thinking. A seal (a signature, or redacted data) is readable by its issuer only (a hard binding). */
export interface ReasoningPart extends PartBase, SealOrigin {
  readonly type: "reasoning";
  readonly text: string;
  readonly signature?: string;
  /** Encrypted reasoning: opaque bytes instead of text. */
  readonly redacted?: string;
}
/** Where a seal is from. It is written to a server of that dialect only; one whose origin is not known, to none. */
export interface SealOrigin {
  /** The dialect whose server sealed it. */
  readonly issuer?: DialectName;
  /** The issuer's own id for what it sealed, which it may want back beside the seal. */
  readonly sealId?: string;
}
export interface ToolCallPart extends PartBase {
  readonly type: "tool-call";
  readonly id: string;
  readonly name: string;
  /** JSON *text*, exactly as received: re-serialising would reorder keys and break caches. */
  readonly arguments: string;
}
export interface ToolResultPart extends PartBase {
  readonly type: "tool-result";
  readonly callId: string;
  readonly content: readonly Part[];
  readonly isError?: boolean;
}
export interface RefusalPart extends PartBase {
  readonly type: "refusal";
  readonly text: string;
}
/** A block only its own dialect knows; written back verbatim there, a loss anywhere else. */
export interface OpaquePart extends PartBase {
  readonly type: "opaque";
  readonly dialect: DialectName;
  /** The block's own type word, for the loss record ("server_tool_use"). */
  readonly kind: string;
  readonly value: JsonValue;
  /** True for noise that differs from request to request and says nothing to the model: left out of prefix hashes. */
  readonly volatile?: boolean;
}

export type MediaSource =
  | { readonly type: "base64"; readonly mediaType: string; readonly data: string }
  | { readonly type: "url"; readonly url: string }
  | { readonly type: "file"; readonly id: string };

export type Tool = FunctionTool | OpaqueTool;
export interface FunctionTool {
  readonly type: "function";
  readonly name: string;
  readonly description?: string;
  /** JSON Schema; `undefined` is "no arguments". */
  readonly parameters?: JsonObject;
  readonly strict?: boolean;
  /** Offered but not part of the prompt until it is loaded; rendered last elsewhere, to keep the prefix. */
  readonly deferred?: boolean;
  readonly cache?: CacheMark;
  readonly extra?: JsonObject;
}
/** A hosted or custom tool: a need that only its own dialect can meet. */
export interface OpaqueTool {
  readonly type: "opaque";
  readonly dialect: DialectName;
  readonly kind: string;
  readonly name?: string;
  readonly value: JsonObject;
}

export type ToolChoice =
  | { readonly type: "none" | "auto" | "required" }
  | { readonly type: "named"; readonly name: string }
  | { readonly type: "subset"; readonly mode: "auto" | "required"; readonly names: readonly string[] };

export type ResponseFormat =
  | { readonly type: "text" }
  | { readonly type: "json-object" }
  | {
      readonly type: "json-schema";
      readonly schema: JsonObject;
      readonly name?: string;
      readonly strict?: boolean;
      readonly description?: string;
    };

export interface ReasoningWish {
  /** none, minimal, low, medium, high, xhigh, max: the union of all vendors' words (providers' table decides what fits). */
  readonly effort?: string;
  /** Anthropic's older way of saying how much. */
  readonly budgetTokens?: number;
  /** `false`: explicitly off. `undefined`: not said. */
  readonly enabled?: boolean;
  /** Whether thinking text should be shown ("summarized", "omitted"). */
  readonly display?: string;
}

/**
 * What an answer says, as it is said. Emitted by every decoder in this order:
 * `start`, then deltas, then `usage`/`finish` (any order), then `done`; `error` ends it at any point.
 */
export type ChatEvent =
  | {
      readonly type: "start";
      readonly id?: string;
      readonly model?: string;
      readonly createdSeconds?: number;
      /** Its provider works on whether or not anybody listens, until an answer of this id has a `finish` that is one. */
      readonly inBackground?: true;
    }
  | { readonly type: "text-delta"; readonly text: string }
  | { readonly type: "refusal-delta"; readonly text: string }
  | { readonly type: "reasoning-delta"; readonly text: string }
  /** Closes the reasoning block that was open (if any). */
  | ({ readonly type: "reasoning-end"; readonly signature?: string } & SealOrigin)
  | ({ readonly type: "reasoning-redacted"; readonly data: string } & SealOrigin)
  /** `index` is unique per call within the answer, rising from 0 in the order the calls began. */
  | { readonly type: "tool-call-start"; readonly index: number; readonly id: string; readonly name: string }
  | { readonly type: "tool-call-delta"; readonly index: number; readonly arguments: string }
  | { readonly type: "tool-call-end"; readonly index: number }
  /** A block or field only the issuing dialect knows (server tools, citations, logprobs): a loss elsewhere. */
  | { readonly type: "opaque"; readonly kind: string; readonly value: JsonValue }
  /** Cumulative so far: for each bucket the last value given wins; never added up. */
  | {
      readonly type: "usage";
      readonly usage: Usage;
      /** How it was served, where that has another price than the standard one ("priority", "flex", "fast"). */
      readonly tier?: string;
      /** What the provider says of the prompt and its cache, where it was asked why it was not read. */
      readonly diagnosis?: CacheDiagnosis;
    }
  | {
      readonly type: "finish";
      readonly reason: FinishReason;
      readonly stopSequence?: string;
      readonly details?: JsonObject;
      /** It was called off before it was whole; or was told before it has ended, as happens in the background. */
      readonly state?: "canceled" | "under-way";
      /** The issuer's ids for what it keeps of this answer beside the whole: a later request may name one. */
      readonly kept?: readonly string[];
      /** The issuer's ids for what the answer made there (a container, a file, something said): a later request may name one. */
      readonly hosted?: readonly string[];
    }
  /** The dialect's own terminal mark: everything was said. */
  | { readonly type: "done" }
  | { readonly type: "error"; readonly error: AnswerError };

/** What a provider itself says of a prompt that was compared with an earlier one, in one form. */
export type CacheDiagnosis =
  | { readonly type: "hit" }
  | {
      readonly type: "miss";
      readonly changed: "model" | "system" | "tools" | "messages" | "input" | "key" | "compacted" | "setting";
      /** The provider's own word ("tools", "verbosity"). */
      readonly word: string;
      /** Tokens that would have been read. */
      readonly missedTokens: number | undefined;
    };

export type FinishReason =
  | "stop"
  | "stop-sequence"
  | "length"
  | "context-full"
  | "tool-calls"
  | "content-filter"
  | "refusal"
  | "paused"
  | "other";

/** A failure as an upstream told it, or as we saw it (cut, garbage, stall). */
export interface AnswerError {
  /** HTTP status it came with, or the one that fits it best. */
  readonly status: number;
  readonly message: string;
  /** The upstream's own words, where it gave them. */
  readonly type?: string;
  readonly code?: string;
  readonly param?: string;
  /** Structured details of the upstream's error body (Anthropic `error.details`), kept for the client. */
  readonly details?: JsonObject;
  /** True when no answer text of the upstream is involved: cut stream, garbage, a stall. */
  readonly ours?: boolean;
  /** True when it was told in a form that the dialect's clients do not take for an error: it is said again in theirs. */
  readonly foreign?: boolean;
}
