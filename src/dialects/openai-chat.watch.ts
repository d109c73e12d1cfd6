/**
 * Follows a stream without reading what it says: text passes unparsed, and only what the meter and the bindings need is read.
 */
import type { ChatEvent, JsonObject } from "../chat.ts";
import type { WatchedFrame, Watcher } from "./dialect.ts";
import { DeltaReader, sealEvents } from "./openai-chat.delta.ts";
import { choicesOf, deltaOf, DONE, isFirst, parsed, saysError, StreamState } from "./openai-chat.state.ts";
import { usageIn } from "./openai-chat.usage.ts";
import { isArray } from "./openai-chat.words.ts";
import { SseSplitter, type SseFrame } from "./sse.ts";

export class ChatWatcher implements Watcher {
  readonly #frames = new SseSplitter();
  readonly #state = new StreamState();
  #hasCalls = false;

  push(bytes: Uint8Array): WatchedFrame[] {
    return this.#frames.push(bytes).map((frame) => this.#watch(frame));
  }

  end(): WatchedFrame[] {
    const frames = this.#frames.end().map((frame) => this.#watch(frame));
    const events = this.#state.end();
    return events.length === 0 ? frames : [...frames, watched(EMPTY, events)];
  }

  #watch({ bytes, event, data }: SseFrame): WatchedFrame {
    if (this.#state.over || data === undefined) return watched(bytes, NO_EVENTS);
    this.#hasCalls ||= beginsCall(data);
    if (this.#state.begun && event === "" && isPlainDelta(data)) {
      return { bytes, events: NO_EVENTS, usageOnly: false, isDelta: !data.includes('"delta":{}') };
    }
    const text = data.trim();
    if (text === "") return watched(bytes, NO_EVENTS);
    if (text === DONE) return watched(bytes, this.#state.end());
    const chunk = parsed(text);
    if (chunk === undefined) {
      return watched(bytes, this.#state.broken("the provider's stream has an event that is not JSON"));
    }
    return saysError(event, chunk) ? watched(bytes, this.#state.error(chunk)) : this.#chunk(bytes, chunk);
  }

  #chunk(bytes: Uint8Array, chunk: JsonObject): WatchedFrame {
    const events = this.#state.start(chunk);
    const choices = choicesOf(chunk);
    const deltas = choices.map(deltaOf).filter((delta) => delta !== undefined);
    events.push(...deltas.flatMap(sealEvents), ...this.#state.usage(chunk));
    for (const choice of choices) {
      if (isFirst(choice) && !this.#state.over) events.push(...this.#state.finish(choice, () => this.#hasCalls));
    }
    return {
      bytes,
      events,
      usageOnly: isArray(chunk["choices"]) && choices.length === 0 && usageIn(chunk) !== undefined,
      isDelta: deltas.some(hasOutput),
    };
  }
}

const EMPTY = new Uint8Array(0);
const NO_EVENTS: readonly ChatEvent[] = [];

function watched(bytes: Uint8Array, events: readonly ChatEvent[]): WatchedFrame {
  return { bytes, events, usageOnly: false, isDelta: false };
}

function hasOutput(delta: JsonObject): boolean {
  return new DeltaReader(() => "").read(delta, false).length > 0;
}

/**
 * A chunk that need not be parsed. Inside a JSON string quotes are escaped, so a key with its quotes bare is a key of the chunk,
 * or at worst a value of the same name, which costs no more than a look.
 */
function isPlainDelta(data: string): boolean {
  return (
    isWrapped(data) &&
    data.includes('"delta"') &&
    !says(data, '"finish_reason"') &&
    !says(data, '"usage"') &&
    !says(data, '"error"') &&
    !data.includes('"signature"') &&
    !data.includes('"reasoning.encrypted"')
  );
}

/** Whether a key has a value other than null anywhere. */
function says(data: string, key: string): boolean {
  for (let at = data.indexOf(key); at >= 0; at = data.indexOf(key, at)) {
    at = skipSpace(data, at + key.length);
    if (data.charCodeAt(at) !== COLON) continue;
    at = skipSpace(data, at + 1);
    if (!data.startsWith("null", at)) return true;
  }
  return false;
}

/** Calls that are there, not `null` and not an empty list. */
function beginsCall(data: string): boolean {
  if (!data.includes('"tool_calls"') && !data.includes('"function_call"')) return false;
  return /"tool_calls"\s*:\s*\[\s*\{|"function_call"\s*:\s*\{/.test(data);
}

/** Whether it looks like one whole JSON object: what is cut or garbage does not. */
function isWrapped(data: string): boolean {
  if (data.charCodeAt(0) !== OPEN_BRACE) return false;
  let last = data.length - 1;
  while (last > 0 && data.charCodeAt(last) <= SPACE) last -= 1;
  return data.charCodeAt(last) === CLOSE_BRACE;
}

function skipSpace(data: string, from: number): number {
  let at = from;
  while (at < data.length && data.charCodeAt(at) <= SPACE) at += 1;
  return at;
}

const OPEN_BRACE = 0x7b;
const CLOSE_BRACE = 0x7d;
const COLON = 0x3a;
const SPACE = 0x20;
