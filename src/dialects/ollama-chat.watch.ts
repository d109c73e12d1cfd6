/**
 * Follows a stream without reading what it says: text passes unparsed, and only what the meter needs is read.
 */
import type { ChatEvent } from "../chat.ts";
import type { WatchedFrame, Watcher } from "./dialect.ts";
import { NdjsonSplitter } from "./ndjson.ts";
import { isError } from "./ollama-chat.errors.ts";
import type { LineForm } from "./ollama-chat.line.ts";
import { SaidReader } from "./ollama-chat.said.ts";
import { AnswerState, NOT_JSON, readLine } from "./ollama-chat.state.ts";

export class OllamaWatcher implements Watcher {
  readonly #lines = new NdjsonSplitter();
  readonly #state: AnswerState;
  readonly #said: SaidReader;

  constructor(form: LineForm) {
    this.#state = new AnswerState(form);
    this.#said = new SaidReader(form);
  }

  push(bytes: Uint8Array): WatchedFrame[] {
    return this.#lines.push(bytes).map((line) => this.#watch(line));
  }

  end(): WatchedFrame[] {
    const frames = this.#lines.end().map((line) => this.#watch(line));
    const events = this.#state.end();
    return events.length === 0 ? frames : [...frames, watched(EMPTY, events)];
  }

  #watch(bytes: Buffer): WatchedFrame {
    if (this.#state.over) return watched(bytes, NO_EVENTS);
    if (this.#state.begun && isPlain(bytes)) return watched(bytes, NO_EVENTS, true);
    const read = readLine(bytes);
    if (read === "blank") return watched(bytes, NO_EVENTS);
    if (read === undefined) return watched(bytes, this.#state.broken(NOT_JSON));
    const line = read.object;
    if (isError(line)) return watched(bytes, this.#state.error(line));
    const begun = this.#state.start(line);
    // What it says is not passed on, so that arguments need not be found in its text.
    const said = this.#said.read(line, "");
    const call = said.find((event) => event.type === "tool-call-start");
    return {
      ...watched(bytes, [...begun, ...this.#state.ending(line, this.#said.hasCalls)], said.length > 0),
      ...(call === undefined ? {} : { callId: call.id }),
    };
  }
}

const EMPTY = new Uint8Array(0);
const NO_EVENTS: readonly ChatEvent[] = [];

function watched(bytes: Uint8Array, events: readonly ChatEvent[], isDelta = false): WatchedFrame {
  return { bytes, events, usageOnly: false, isDelta };
}

/**
 * Whether a line need not be parsed: as the server writes all but the last, with neither an error nor calls in it. Inside a JSON
 * string quotes are escaped, so a word with its quotes bare is a key or a value of its own. One text and one expression: each
 * further search costs a fifth of what parsing does.
 */
function isPlain(bytes: Buffer): boolean {
  const line = bytes.toString("latin1");
  return line.startsWith("{") && line.endsWith(NOT_DONE) && !TELLING.test(line);
}

const NOT_DONE = '"done":false}\n';
const TELLING = /"(?:error|tool_calls)"/;
