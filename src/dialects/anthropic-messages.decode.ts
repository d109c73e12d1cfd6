/**
 * Reads Anthropic's answers: whole or streamed, into events; and watches the streams that only pass by.
 */
import { readDiagnosis } from "../cache/diagnosis.ts";
import type { AnswerError, CacheDiagnosis, ChatEvent, JsonObject, JsonValue } from "../chat.ts";
import { BlockReader, wholeBlockEvents } from "./anthropic-messages.blocks.ts";
import { tierIn, UsageReader } from "./anthropic-messages.usage.ts";
import {
  errorTypeOf,
  finishOf,
  isArray,
  isObject,
  NAME,
  statusOfErrorType,
  textOf,
} from "./anthropic-messages.words.ts";
import type { Decoder, WatchedFrame, Watcher } from "./dialect.ts";
import { SseSplitter, type SseFrame } from "./sse.ts";

export function messagesDecoder(stream: boolean): Decoder {
  return stream ? new StreamDecoder() : new WholeDecoder();
}

class StreamDecoder implements Decoder {
  readonly #frames = new SseSplitter();
  readonly #message = new MessageState();
  #blocks = new BlockReader();

  push(bytes: Uint8Array): ChatEvent[] {
    return this.#frames.push(bytes).flatMap((frame) => this.#read(frame));
  }

  end(): ChatEvent[] {
    const rest = this.#frames.end().flatMap((frame) => this.#read(frame));
    return [...rest, ...this.#message.end()];
  }

  #read(frame: SseFrame): ChatEvent[] {
    if (this.#message.over || frame.data === undefined || frame.data === "") return [];
    const event = parsed(frame.data);
    if (event === undefined) return this.#message.broken("the provider's stream has an event that is not JSON");
    switch (typeOf(frame, event)) {
      case "content_block_start":
      case "content_block_delta":
      case "content_block_stop": {
        this.#message.hear(event["content_block"]);
        const events = this.#blocks.read(event);
        return events ?? this.#message.broken("the provider's stream speaks of a content block that was not begun");
      }
      case "message_delta":
        // Servers that forget to close their last block still say that the answer is over.
        return saysStop(event)
          ? [...this.#blocks.closeAll(), ...this.#message.read("message_delta", event)]
          : this.#message.read("message_delta", event);
      case "message_stop":
        return [...this.#blocks.closeAll(), ...this.#message.read("message_stop", event)];
      default:
        return this.#message.read(typeOf(frame, event), event);
    }
  }
}

/** What an answer says outside its content blocks, and whether it is complete. */
class MessageState {
  readonly #usage = new UsageReader();
  #stopped = false;
  readonly #files: string[] = [];
  /** Nothing that follows counts: the terminal mark or an error has passed. */
  over = false;

  read(type: string, event: JsonObject): ChatEvent[] {
    switch (type) {
      case "message_start":
        return this.#start(event["message"]);
      case "message_delta":
        return this.#delta(event);
      case "message_stop":
        this.over = true;
        return [{ type: "done" }];
      case "error":
        this.over = true;
        return [{ type: "error", error: errorOf(event, undefined) }];
      default:
        return [];
    }
  }

  /** A block that begins: the results of the provider's own tools stand in it whole. */
  hear(block: JsonValue | undefined): void {
    this.#files.push(...filesIn(block));
  }

  /** Complete is what said why it stopped, even if the connection closed before the terminal mark. */
  end(): ChatEvent[] {
    if (this.over) return [];
    if (!this.#stopped) return this.broken("the provider's stream ended before the answer was complete");
    this.over = true;
    return [{ type: "done" }];
  }

  broken(message: string): ChatEvent[] {
    this.over = true;
    return [brokenAnswer(message)];
  }

  #start(message: JsonValue | undefined): ChatEvent[] {
    if (!isObject(message)) return [{ type: "start" }];
    return [startOf(message), ...this.#usageOf(message)];
  }

  #delta(event: JsonObject): ChatEvent[] {
    const events = this.#usageOf(event);
    const delta = event["delta"];
    const finish = isObject(delta) ? finishEvent(delta, this.#files) : undefined;
    if (finish === undefined) return events;
    this.#stopped = true;
    return [...events, finish];
  }

  #usageOf(holder: JsonObject): ChatEvent[] {
    const usage = holder["usage"];
    if (!isObject(usage)) return [];
    return [{ type: "usage", usage: this.#usage.read(usage), ...tierIn(usage), ...diagnosisIn(holder) }];
  }
}

/**
 * Follows a stream without reading what it says: text passes unparsed, and only what the meter and the bindings need is read.
 */
export class MessagesWatcher implements Watcher {
  readonly #frames = new SseSplitter();
  readonly #message = new MessageState();

  push(bytes: Uint8Array): WatchedFrame[] {
    return this.#frames.push(bytes).map((frame) => this.#watch(frame));
  }

  end(): WatchedFrame[] {
    const frames = this.#frames.end().map((frame) => this.#watch(frame));
    const events = this.#message.end();
    return events.length === 0 ? frames : [...frames, watchedFrame(EMPTY, events, false)];
  }

  #watch(frame: SseFrame): WatchedFrame {
    const { bytes, data } = frame;
    if (this.#message.over || data === undefined || data === "") return watchedFrame(bytes, NO_EVENTS, false);
    if (isPlainDelta(frame.event, data)) return watchedFrame(bytes, NO_EVENTS, true);
    if (PASSING.has(frame.event) && isWrapped(data)) return watchedFrame(bytes, NO_EVENTS, false);
    const event = parsed(data);
    if (event === undefined) {
      return watchedFrame(bytes, this.#message.broken("the provider's stream has an event that is not JSON"), false);
    }
    const type = typeOf(frame, event);
    switch (type) {
      case "content_block_delta":
        return watchedFrame(bytes, signatureIn(event["delta"]), true);
      case "content_block_start":
        this.#message.hear(event["content_block"]);
        return { ...watchedFrame(bytes, redactedIn(event["content_block"]), false), ...callIn(event["content_block"]) };
      default:
        return watchedFrame(bytes, this.#message.read(type, event), false);
    }
  }
}

const EMPTY = new Uint8Array(0);
const NO_EVENTS: readonly ChatEvent[] = [];
/** Events that tell the meter nothing. */
const PASSING: ReadonlySet<string> = new Set(["ping", "content_block_stop"]);

function watchedFrame(bytes: Uint8Array, events: readonly ChatEvent[], isDelta: boolean): WatchedFrame {
  return { bytes, events, usageOnly: false, isDelta };
}

/**
 * A delta that need not be parsed. Inside a JSON string quotes are escaped, so `"signature_delta"` with its quotes bare is the
 * delta's own type.
 */
function isPlainDelta(event: string, data: string): boolean {
  if (event !== "content_block_delta" && !(event === "" && data.includes('"content_block_delta"'))) return false;
  return isWrapped(data) && data.includes('"delta":') && !data.includes('"signature_delta"');
}

/** Whether it looks like one whole JSON object: what is cut or garbage does not. */
function isWrapped(data: string): boolean {
  if (data.charCodeAt(0) !== OPEN_BRACE) return false;
  let last = data.length - 1;
  while (last > 0 && data.charCodeAt(last) <= SPACE) last -= 1;
  return data.charCodeAt(last) === CLOSE_BRACE;
}

const OPEN_BRACE = 0x7b;
const CLOSE_BRACE = 0x7d;
const SPACE = 0x20;

function signatureIn(delta: JsonValue | undefined): readonly ChatEvent[] {
  const signature = isObject(delta) && delta["type"] === "signature_delta" ? textOf(delta["signature"]) : undefined;
  return signature === undefined || signature === "" ? NO_EVENTS : [{ type: "reasoning-end", signature, issuer: NAME }];
}

function redactedIn(block: JsonValue | undefined): readonly ChatEvent[] {
  const data = isObject(block) && block["type"] === "redacted_thinking" ? textOf(block["data"]) : undefined;
  return data === undefined ? NO_EVENTS : [{ type: "reasoning-redacted", data, issuer: NAME }];
}

function callIn(block: JsonValue | undefined): { readonly callId?: string } {
  const callId = isObject(block) && block["type"] === "tool_use" ? textOf(block["id"]) : undefined;
  return callId === undefined ? {} : { callId };
}

/** A whole answer: read when all of it is there. Its size is bounded by who reads the body. */
class WholeDecoder implements Decoder {
  readonly #chunks: Uint8Array[] = [];

  push(bytes: Uint8Array): ChatEvent[] {
    this.#chunks.push(bytes);
    return [];
  }

  end(): ChatEvent[] {
    const bytes = Buffer.concat(this.#chunks);
    const text = utf8(bytes);
    const message = text === undefined ? undefined : parsed(text);
    if (text === undefined || message === undefined) return [brokenAnswer("the provider's answer is not JSON")];
    if (message["type"] === "error") return [{ type: "error", error: errorOf(message, undefined) }];
    const content = message["content"];
    if (message["type"] !== "message" || !isArray(content)) {
      return [brokenAnswer("the provider's answer is not a message with content")];
    }
    const usage = message["usage"];
    const finish = finishEvent(message, content.flatMap(filesIn));
    return [
      startOf(message),
      ...wholeBlockEvents(content, text),
      ...(isObject(usage) ? [wholeUsage(usage, message)] : []),
      ...(finish === undefined ? [] : [finish]),
      { type: "done" },
    ];
  }
}

/** Reads an error answer's body; one that cannot be read gives a plain message for its status. */
export function readError(status: number, body: Uint8Array): AnswerError {
  const text = utf8(body);
  const answer = text === undefined ? undefined : parsed(text);
  if (answer === undefined)
    return { status, message: `the provider answered ${status} without a reason that can be read` };
  return errorOf(answer, status);
}

/** @param status The HTTP status, where the error came with one of its own. */
function errorOf(answer: JsonObject, status: number | undefined): AnswerError {
  const error = isObject(answer["error"]) ? answer["error"] : answer;
  const type = error === answer && answer["type"] === "error" ? undefined : textOf(error["type"]);
  const fits = status ?? statusOfErrorType(type);
  const code = textOf(error["code"]);
  const param = textOf(error["param"]);
  return {
    status: fits,
    message:
      textOf(error["message"]) ??
      textOf(answer["error"]) ??
      `the provider answered with ${type ?? errorTypeOf(fits, undefined)}`,
    ...(type === undefined ? {} : { type }),
    ...(code === undefined ? {} : { code }),
    ...(param === undefined ? {} : { param }),
    ...(isObject(error["details"]) ? { details: error["details"] } : {}),
  };
}

function startOf(message: JsonObject): ChatEvent {
  const id = textOf(message["id"]);
  const model = textOf(message["model"]);
  return { type: "start", ...(id === undefined ? {} : { id }), ...(model === undefined ? {} : { model }) };
}

function wholeUsage(usage: JsonObject, message: JsonObject): ChatEvent {
  return { type: "usage", usage: new UsageReader().read(usage), ...tierIn(usage), ...diagnosisIn(message) };
}

/** Why the prompt was not read from its cache, for a client that asked. */
function diagnosisIn({ diagnostics }: JsonObject): { readonly diagnosis?: CacheDiagnosis } {
  const diagnosis = readDiagnosis(diagnostics);
  return diagnosis === undefined ? {} : { diagnosis };
}

/** The files that a tool of the provider's has made. */
function filesIn(block: JsonValue | undefined): readonly string[] {
  const result = isObject(block) ? block["content"] : undefined;
  const made = isObject(result) ? result["content"] : undefined;
  return isArray(made) ? made.flatMap((output) => (isObject(output) ? (textOf(output["file_id"]) ?? []) : [])) : [];
}

/**
 * @param holder Where `stop_reason` and its companions stand: the whole message, or a stream's `delta`.
 * @param files What was made in it.
 */
function finishEvent(holder: JsonObject, files: readonly string[]): ChatEvent | undefined {
  const stopReason = textOf(holder["stop_reason"]);
  if (stopReason === undefined) return undefined;
  const stopSequence = textOf(holder["stop_sequence"]);
  const details = isObject(holder["stop_details"]) ? holder["stop_details"] : undefined;
  const reason = finishOf(stopReason);
  const unknown = reason === "other" ? { stop_reason: stopReason } : undefined;
  const told = details ?? unknown;
  const { container } = holder;
  const containerId = isObject(container) ? textOf(container["id"]) : undefined;
  const made = containerId === undefined ? files : [containerId, ...files];
  return {
    type: "finish",
    reason,
    ...(stopSequence === undefined ? {} : { stopSequence }),
    ...(told === undefined ? {} : { details: told }),
    ...(made.length === 0 ? {} : { hosted: made }),
  };
}

function saysStop(event: JsonObject): boolean {
  const delta = event["delta"];
  return isObject(delta) && typeof delta["stop_reason"] === "string";
}

function brokenAnswer(message: string): ChatEvent {
  return { type: "error", error: { status: 502, message, ours: true } };
}

/** The event's own type counts; servers that leave it out name it in the `event:` field. */
function typeOf(frame: SseFrame, event: JsonObject): string {
  return textOf(event["type"]) ?? frame.event;
}

/** `undefined` for everything but a JSON object. */
function parsed(text: string): JsonObject | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return isObject(value) ? value : undefined;
  } catch {
    return undefined;
  }
}

/** `undefined` when the bytes are not UTF-8: replacing what cannot be read would pass garbage on as an answer. */
function utf8(bytes: Uint8Array): string | undefined {
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch {
    return undefined;
  }
}
