/**
 * Follows a stream without reading what it says: text passes unparsed, and only what the meter and the bindings need is read.
 */
import type { ChatEvent, JsonObject, JsonValue } from "../chat.ts";
import type { WatchedFrame, Watcher } from "./dialect.ts";
import { DONE, parsed } from "./openai-chat.state.ts";
import { isArray, isObject, textOf } from "./openai-chat.words.ts";
import { ITEM_ADDED, responseOf, saysError, typeOf } from "./openai-responses.decode.ts";
import { thoughtIn } from "./openai-responses.items.ts";
import { sealEvents } from "./openai-responses.output.ts";
import { isCall, itemsOf, OPENING, StreamState, TERMINAL } from "./openai-responses.state.ts";
import { SseSplitter, type SseFrame } from "./sse.ts";

export class ResponsesWatcher implements Watcher {
  readonly #frames = new SseSplitter();
  readonly #state = new StreamState();
  #hasCalls = false;
  /** An error event that has come, and not been passed on: whoever passes it on must know that it is one. */
  #held: Uint8Array | undefined;

  push(bytes: Uint8Array): WatchedFrame[] {
    return this.#frames.push(bytes).map((frame) => this.#next(frame));
  }

  end(): WatchedFrame[] {
    const frames = this.#frames.end().map((frame) => this.#next(frame));
    const events = this.#state.end();
    return events.length === 0 ? frames : [...frames, watched(this.#held ?? EMPTY, events)];
  }

  /** The event that says the failure again goes with the one before it; anything else behind that is not waited for. */
  #next(frame: SseFrame): WatchedFrame {
    const held = this.#held;
    if (held === undefined) return this.#watch(frame);
    this.#held = undefined;
    const failed = frame.event === FAILED ? this.#watch(frame).events : [];
    return watched(Buffer.concat([held, frame.bytes]), failed.length > 0 ? failed : this.#state.end());
  }

  #watch(frame: SseFrame): WatchedFrame {
    const { bytes, event: name, data } = frame;
    if (this.#state.over || data === undefined) return watched(bytes, NO_EVENTS);
    if (name.endsWith(".delta") && isWrapped(data)) return this.#delta(bytes, data);
    if (isPassing(name) && isWrapped(data)) return watched(bytes, NO_EVENTS);
    const text = data.trim();
    if (text === "" || text === DONE) return watched(bytes, NO_EVENTS);
    const event = parsed(text);
    if (event === undefined) {
      return watched(bytes, this.#state.broken("the provider's stream has an event that is not JSON"));
    }
    const type = typeOf(frame, event);
    if (saysError(type, event)) {
      this.#state.fail(event);
      this.#held = bytes;
      return watched(EMPTY, NO_EVENTS);
    }
    if (type.endsWith(".delta")) return this.#delta(bytes, data);
    return { ...watched(bytes, this.#read(type, event)), ...(type === ITEM_ADDED ? callIn(event["item"]) : {}) };
  }

  #delta(bytes: Uint8Array, data: string): WatchedFrame {
    return { bytes, events: this.#state.start(), usageOnly: false, isDelta: true, paddingBytes: paddingIn(data) };
  }

  #read(type: string, event: JsonObject): readonly ChatEvent[] {
    if (OPENING.has(type)) return this.#state.open(event);
    if (TERMINAL.has(type)) return this.#close(type, event);
    const item = event["item"];
    if (!isObject(item)) return NO_EVENTS;
    this.#hasCalls ||= isCall(item);
    return type === "response.output_item.done" ? [...this.#state.start(), ...seals(item)] : this.#state.start();
  }

  /** The terminal event repeats the items, thoughts sealed anew: a client may keep the one or the other. */
  #close(type: string, event: JsonObject): readonly ChatEvent[] {
    const items = itemsOf(responseOf(event));
    this.#hasCalls ||= items.some(isCall);
    const [first, ...others] = this.#state.close(type, event, this.#hasCalls);
    if (first === undefined) return NO_EVENTS;
    const told = [...items.flatMap(seals), ...(items.some(refuses) ? [REFUSED] : [])];
    return first.type === "start" ? [first, ...told, ...others] : [...told, first, ...others];
  }
}

const FAILED = "response.failed";
const EMPTY = new Uint8Array(0);
const NO_EVENTS: readonly ChatEvent[] = [];
/** That it refuses, not in which words. */
const REFUSED: ChatEvent = { type: "refusal-delta", text: "" };

function watched(bytes: Uint8Array, events: readonly ChatEvent[]): WatchedFrame {
  return { bytes, events, usageOnly: false, isDelta: false };
}

function seals(item: JsonObject): ChatEvent[] {
  if (item["type"] !== "reasoning" || (textOf(item["encrypted_content"]) ?? "") === "") return [];
  return sealEvents(item, thoughtIn(item) !== "");
}

function refuses({ content }: JsonObject): boolean {
  return isArray(content) && content.some((part) => isObject(part) && part["type"] === "refusal");
}

function callIn(item: JsonValue | undefined): { readonly callId?: string } {
  const callId = isObject(item) && isCall(item) ? textOf(item["call_id"]) : undefined;
  return callId === undefined ? {} : { callId };
}

/** Events between an item's beginning and its end tell the meter nothing. */
function isPassing(name: string): boolean {
  return name.startsWith("response.") && name.split(".").length > 2 && name !== ITEM_ADDED && name !== ITEM_DONE;
}

const ITEM_DONE = "response.output_item.done";

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

/** Random text by which every delta gets another length. Inside a JSON string quotes are escaped: bare ones are a key's. */
const PADDING = /"obfuscation"\s*:\s*"([^"]*)"/;

function paddingIn(data: string): number {
  return PADDING.exec(data)?.[1]?.length ?? 0;
}
