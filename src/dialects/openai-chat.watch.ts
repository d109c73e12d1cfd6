/**
 * Follows a stream without reading what it says: text passes unparsed, and only what the meter and the bindings need is read.
 */
import type { ChatEvent, JsonObject } from "../chat.ts";
import type { WatchedFrame, Watcher } from "./dialect.ts";
import { DeltaReader, sealEvents } from "./openai-chat.delta.ts";
import { choicesOf, deltaOf, DONE, isFirst, parsed, saysError, StreamState } from "./openai-chat.state.ts";
import { usageIn } from "./openai-chat.usage.ts";
import { isArray, isObject, textOf } from "./openai-chat.words.ts";
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
    const isPlain = this.#state.begun && event === "" && isWrapped(data);
    if (isPlain && !(this.#hasCalls ? TELLING : TELLING_OR_CALLING).test(data)) {
      return { bytes, events: NO_EVENTS, usageOnly: false, isDelta: true, paddingBytes: tailOf(data) };
    }
    const text = data.trim();
    if (text === "") return watched(bytes, NO_EVENTS);
    if (text === DONE) return watched(bytes, this.#state.end());
    const chunk = parsed(text);
    if (chunk === undefined) {
      return watched(bytes, this.#state.broken("the provider's stream has an event that is not JSON"));
    }
    if (saysError(event, chunk)) return watched(bytes, this.#state.error(chunk));
    return { ...this.#chunk(bytes, chunk), paddingBytes: tailOf(data) };
  }

  #chunk(bytes: Uint8Array, chunk: JsonObject): WatchedFrame {
    const events = this.#state.start(chunk);
    const choices = choicesOf(chunk);
    const deltas = choices.map(deltaOf).filter((delta) => delta !== undefined);
    this.#hasCalls ||= deltas.some(calls);
    events.push(...deltas.flatMap(sealEvents), ...this.#state.usage(chunk));
    if (choices.some((choice) => isFirst(choice) && refuses(deltaOf(choice)))) events.push(REFUSED);
    for (const choice of choices) {
      if (isFirst(choice) && !this.#state.over) events.push(...this.#state.finish(choice, () => this.#hasCalls));
    }
    return {
      bytes,
      events,
      usageOnly: isArray(chunk["choices"]) && choices.length === 0 && usageIn(chunk) !== undefined,
      isDelta: deltas.some(hasOutput),
      ...callIn(deltas),
    };
  }
}

const EMPTY = new Uint8Array(0);
const NO_EVENTS: readonly ChatEvent[] = [];
/** That it refuses, not in which words. */
const REFUSED: ChatEvent = { type: "refusal-delta", text: "" };

/**
 * What has to be read: a finish, usage or an error that is not null, what seals reasoning or names what is said aloud, a refusal in words, and what is no chunk. Inside a JSON
 * string quotes are escaped, so a key with its quotes bare is a key of the chunk. One expression, as each further search would
 * cost a fifth of what parsing does.
 */
const TELLING =
  /"(?:finish_reason|usage|error)"\s*:\s*(?!\s|null)|"(?:signature|reasoning\.encrypted|audio|message|detail)"|"refusal"\s*:\s*"(?!")|"object"\s*:\s*"error"/;
/** The same, and the first call: it decides what a plain stop means. Calls that are `null` or an empty list are none. */
const TELLING_OR_CALLING = new RegExp(`${TELLING.source}|"tool_calls"\\s*:\\s*\\[\\s*\\{|"function_call"\\s*:\\s*\\{`);

function watched(bytes: Uint8Array, events: readonly ChatEvent[]): WatchedFrame {
  return { bytes, events, usageOnly: false, isDelta: false };
}

function calls(delta: JsonObject): boolean {
  const list = delta["tool_calls"];
  return (isArray(list) && list.some(isObject)) || isObject(delta["function_call"]);
}

function refuses(delta: JsonObject | undefined): boolean {
  return (textOf(delta?.["refusal"]) ?? "") !== "";
}

/** The first call that is named. */
function callIn(deltas: readonly JsonObject[]): { readonly callId?: string } {
  const all = deltas.flatMap((delta) => (isArray(delta["tool_calls"]) ? delta["tool_calls"] : []));
  const [callId] = all.flatMap((call) => (isObject(call) && typeof call["id"] === "string" ? [call["id"]] : []));
  return callId === undefined ? {} : { callId };
}

function hasOutput(delta: JsonObject): boolean {
  return calls(delta) || new DeltaReader(() => "").read(delta, false).length > 0;
}

/** Whether it looks like one whole chunk, with its choices closed: what is cut or garbage does not. */
function isWrapped(data: string): boolean {
  if (data.charCodeAt(0) !== OPEN_BRACE || data.lastIndexOf("}]") < 0) return false;
  let last = data.length - 1;
  while (last > 0 && data.charCodeAt(last) <= SPACE) last -= 1;
  return data.charCodeAt(last) === CLOSE_BRACE;
}

/** What stands behind the choices: OpenAI and Mistral put random text there, by which every chunk gets another length. */
function tailOf(data: string): number {
  const end = data.lastIndexOf("}]");
  return end < 0 ? 0 : data.length - end - 2;
}

const OPEN_BRACE = 0x7b;
const CLOSE_BRACE = 0x7d;
const SPACE = 0x20;
