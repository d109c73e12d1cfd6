/**
 * The interfaces a dialect implements. A dialect is a wire format, both ways; it knows nothing of providers, prices or clocks.
 * Everything here is sans-IO: values in, values out; any chunking of the same bytes gives the same events.
 */
import type { AnswerError, ChatEvent, ChatRequest, DialectName, JsonObject, Loss, Placed } from "../chat.ts";
import type { Edit } from "../edit.ts";
import type { GatewayError } from "../errors.ts";
import type { CacheContract, ModelRecord } from "../model.ts";
import type { Isolation } from "./isolating.ts";
import type { Movable } from "./movable.ts";
import type { Remembering } from "./remembering.ts";

export interface Dialect {
  readonly name: DialectName;
  /** The content type of a streamed answer: `text/event-stream`, `application/x-ndjson`. */
  readonly streamContentType: string;

  /**
   * The canonical reading of a client's body. Tolerant: unknown fields go to `extra`, unknown blocks become opaque parts.
   *
   * @throws GatewayError `invalid-request` naming the field, for what no reading is possible of.
   */
  readRequest(body: JsonObject): ChatRequest;

  /**
   * The reading as a body of this dialect. Same request, same bytes: deterministic in key order and synthesised ids.
   * What finds no word here is pushed to `losses`.
   *
   * @throws GatewayError `unsupported` when leaving it out would change the meaning beyond repair.
   */
  writeRequest(request: ChatRequest, options: WriteOptions, losses: Loss[]): JsonObject;

  /** The edits that the same-dialect lane makes to the client's own bytes: the model's name, asking for stream usage. None needed → []. */
  edits(body: JsonObject, options: EditOptions): readonly Edit[];

  /**
   * Whether a model is known to refuse what a request of this dialect says as it stands. A client that named the model is told so by
   * the provider; one that left the choice to us gets the request written anew, as for another dialect. Absent: never.
   */
  refuses?(request: ChatRequest, record: ModelRecord): boolean;

  /**
   * The edits that place the client's own bytes at their cache boundary. Absent: the dialect cannot say any of it.
   */
  readonly placing?: (body: JsonObject, request: ChatRequest, placement: CachePlacement) => Placing;

  /**
   * What a client's own body allows to be moved to the end of its prompt. Absent, or without an answer: nothing, as there is no system
   * text, or no end where anything could stand.
   */
  readonly movable?: (body: JsonObject) => Movable | undefined;

  /**
   * The edits that keep a client's own body apart from those of other tenants. Absent: nothing of it is in a cache.
   *
   * @throws GatewayError `unsupported` where a line cannot stand in front of what it says.
   */
  readonly isolating?: (body: JsonObject, isolation: Isolation) => readonly Edit[];

  /**
   * The edits by which a client's body asks for nothing to be generated, so that its prompt is only written to the cache; where there
   * is no word for that, for the least there is. The answer is wanted whole. Absent: the dialect is not for chat.
   */
  readonly prewarming?: (body: JsonObject) => readonly Edit[];

  /** Whether a prompt is only counted, and leaves nothing in a cache. Absent: no. */
  readonly countsOnly?: boolean;

  /** Whether servers of this dialect keep their answers, so that a later request can name one by its id. Absent: no. */
  readonly keepsAnswers?: boolean;

  /** How its clients name answers that the gateway itself remembers. Absent: they name none. */
  readonly remembering?: Remembering;

  /**
   * Reads an answer into events. `stream` says which of the two forms is expected.
   *
   * @param request What it is the answer to, where only that tells whether it is one.
   */
  decoder(stream: boolean, request?: ChatRequest): Decoder;

  /** Cuts a streamed answer at its event borders and reports only what the meter needs; the bytes are not changed. */
  watcher(): Watcher;

  /** Writes events as an answer of this dialect to the client. */
  encoder(options: EncodeOptions, losses: Loss[]): Encoder;

  /** Reads an error answer. Never throws: an unreadable body gives a plain message for the status. */
  readError(status: number, body: Uint8Array): AnswerError;

  /** An error answer's body in this dialect. */
  writeError(error: GatewayError, requestId: string): JsonObject;

  /** The bytes that say, inside a stream that has begun, that it failed. */
  errorEvent(error: GatewayError, requestId: string): string;

  /** Text that every client of the dialect skips, at a stream's end; absent where there is no such thing. */
  comment?(text: string): string;
}

export interface WriteOptions {
  /** The model id the provider expects. */
  readonly model: string;
  /** What is known of that model; `undefined` for one that is not in the table. */
  readonly record: ModelRecord | undefined;
}

export interface EditOptions {
  /** The model id the provider expects. */
  readonly model: string;
  /** Whether the upstream must be asked to report usage in a stream (where the dialect makes that optional). */
  readonly askStreamUsage: boolean;
  /** Whether the upstream is to tell how likely each token was, where the dialect has a word for that. Absent: as the client says. */
  readonly askLogprobs?: boolean;
}

/** How a prompt is to be cached. */
export interface CachePlacement {
  /** Shallow to deep. */
  readonly placed: readonly Placed[];
  /** Whether the client's own marks are replaced. */
  readonly anew: boolean;
  /** Whether nothing is to be cached but what is marked, where a provider would cache more by itself. */
  readonly marksOnly: boolean;
  /** By which the provider finds the prefix again; `undefined`: it needs none, or the client gave one. */
  readonly key: string | undefined;
  /** Which mark the model understands; `undefined`: none. */
  readonly style: MarkStyle | undefined;
}

export interface Placing {
  readonly edits: readonly Edit[];
  /** Of what was to be placed, that which has no counterpart on the wire. */
  readonly unplaced: readonly Placed[];
}

export type MarkStyle = Extract<CacheContract, { readonly kind: "marks" }>["style"];

export interface EncodeOptions {
  readonly stream: boolean;
  /** The model as the client named it, for answers whose upstream does not say. */
  readonly model: string;
  /** Whether the client expects usage in its stream. */
  readonly includeUsage: boolean;
  /** Whether the client asked for thinking, for dialects whose answers have another form with it; absent: not known. */
  readonly wantsReasoning?: boolean;
  /** Whether vectors are to be in base64; absent: as numbers. */
  readonly wantsBase64?: boolean;
  /** An id for the answer when the upstream gives none (or one of another dialect's form). */
  readonly id: string;
  /** Seconds since the epoch, for dialects that stamp their answers. */
  readonly createdSeconds: number;
  /** Told the whole answer, which will be found by its id; absent: it will not. */
  readonly remember?: (answer: JsonObject) => void;
  /** Whole nanoseconds since the call arrived, never falling, for dialects that tell durations; absent: they tell none. */
  readonly elapsedNs?: () => number;
  /** Our count of the prompt, where clients insist on one and the upstream has none. */
  readonly estimatedPromptTokens?: number;
}

/**
 * Bytes in, events out. `push` accepts any chunking. `end` is called exactly once, after the last byte; it emits an
 * `error` event when the answer was not complete by the dialect's own rules (a cut stream, truncated JSON).
 */
export interface Decoder {
  push(bytes: Uint8Array): ChatEvent[];
  end(): ChatEvent[];
}

/** One event of a stream, untouched, and what it told. The frames' bytes, joined, are the bytes that came in. */
export interface WatchedFrame {
  readonly bytes: Uint8Array;
  /** Only: start, usage, finish, done, error, reasoning-end (with its signature). Deltas are not read, only weighed. */
  readonly events: readonly ChatEvent[];
  /** A frame that carries nothing but usage: kept from a client that did not ask for it. */
  readonly usageOnly: boolean;
  /** Whether this frame carries generated output. */
  readonly isDelta: boolean;
  /** Of the bytes, those that are certainly no output, where some servers hide by random text how long it is. */
  readonly paddingBytes?: number;
  /** The id of a tool call that begins here; at least of an answer's first, where the server gives one. */
  readonly callId?: string;
}

export interface Watcher {
  push(bytes: Uint8Array): WatchedFrame[];
  /** Exactly once, after the last byte. The last frame has an `error` event when the stream was cut. */
  end(): WatchedFrame[];
}

/** Events in, text of the dialect out. `end` is called exactly once, after the last event; a non-stream answer comes from it whole. */
export interface Encoder {
  push(event: ChatEvent): string;
  end(): string;
  /**
   * Instead of `end`: the bytes that say that the stream failed, where its events are numbered or left something open. Absent: the
   * dialect's `errorEvent` does.
   */
  fail?(error: GatewayError, requestId: string): string;
}
