/**
 * Reads the answers of Ollama's servers, whole or as lines, into events.
 */
import type { ChatEvent } from "../chat.ts";
import type { Decoder } from "./dialect.ts";
import { NdjsonSplitter } from "./ndjson.ts";
import { isError } from "./ollama-chat.errors.ts";
import type { LineForm } from "./ollama-chat.line.ts";
import { SaidReader } from "./ollama-chat.said.ts";
import { AnswerState, isAnswer, NOT_JSON, readLine } from "./ollama-chat.state.ts";

export function ollamaDecoder(form: LineForm, stream: boolean): Decoder {
  return stream ? new StreamDecoder(form) : new WholeDecoder(form);
}

class StreamDecoder implements Decoder {
  readonly #lines = new NdjsonSplitter();
  readonly #state: AnswerState;
  readonly #said: SaidReader;

  constructor(form: LineForm) {
    this.#state = new AnswerState(form);
    this.#said = new SaidReader(form);
  }

  push(bytes: Uint8Array): ChatEvent[] {
    return this.#lines.push(bytes).flatMap((line) => this.#read(line));
  }

  end(): ChatEvent[] {
    const rest = this.#lines.end().flatMap((line) => this.#read(line));
    return [...rest, ...this.#state.end()];
  }

  #read(bytes: Uint8Array): ChatEvent[] {
    if (this.#state.over) return [];
    const read = readLine(bytes);
    if (read === "blank") return [];
    if (read === undefined) return this.#state.broken(NOT_JSON);
    const { object: line, text } = read;
    if (isError(line)) return this.#state.error(line);
    const begun = this.#state.start(line);
    const said = this.#said.read(line, text);
    const ending = this.#state.ending(line, this.#said.hasCalls);
    return [...begun, ...said, ...(ending.length === 0 ? [] : this.#said.end()), ...ending];
  }
}

/** A whole answer: read when all of it is there. Its size is bounded by who reads the body. */
class WholeDecoder implements Decoder {
  readonly #form: LineForm;
  readonly #chunks: Uint8Array[] = [];

  constructor(form: LineForm) {
    this.#form = form;
  }

  push(bytes: Uint8Array): ChatEvent[] {
    this.#chunks.push(bytes);
    return [];
  }

  end(): ChatEvent[] {
    const state = new AnswerState(this.#form);
    const said = new SaidReader(this.#form);
    const read = readLine(Buffer.concat(this.#chunks));
    if (read === undefined || read === "blank") return state.broken("the provider's answer is not JSON");
    const { object: answer, text } = read;
    if (isError(answer)) return state.error(answer);
    const events = [...state.start(answer), ...said.read(answer, text)];
    const ending = state.ending(answer, said.hasCalls);
    if (ending.length === 0 || !isAnswer(answer, this.#form))
      return state.broken("the provider's answer is not a complete one");
    return [...events, ...said.end(), ...ending];
  }
}
