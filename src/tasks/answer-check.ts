/**
 * Whether an answer is what its call asked for: JSON of a schema, calls that fit their tools. Only where that was asked for is an answer
 * read for it, and of a stream that passes unread, only then a copy of it.
 */
import type { ChatEvent, ChatRequest } from "../chat.ts";
import type { Decoder } from "../dialects/dialect.ts";
import { answerSignal, isOfferedCall, isValidCall, type OfferedTools, type Signal } from "./signals.ts";

/** Characters of one answer that are kept to be judged; of a longer one nothing is said. */
const CHARACTERS_MAX = 1_048_576;
const CALLS_MAX = 64;

/**
 * @param stream Of a stream: reads a copy where it passes unread, which is all that is kept of the call while it runs.
 * @returns nothing where nothing can be judged.
 */
export function answerCheck(
  { responseFormat, choices, tools, extra, stream }: ChatRequest,
  decoder: (() => Decoder) | undefined,
): AnswerCheck | undefined {
  const format = responseFormat === undefined ? {} : { responseFormat };
  const asked = {
    ...format,
    ...(choices === undefined ? {} : { choices }),
    ...(stream ? {} : { offered: { tools, extra } }),
  };
  if (!asksForJson(asked) && (stream || tools.length === 0)) return undefined;
  return new AnswerCheck(asked, stream ? decoder : undefined);
}

type AskedAnswer = Pick<ChatRequest, "responseFormat" | "choices"> & {
  /** Absent: not kept, so that calls are judged by their form alone. */
  readonly offered?: OfferedTools;
};

export class AnswerCheck {
  readonly #asked: AskedAnswer;
  readonly #decoder: Decoder | undefined;
  readonly #isJson: boolean;
  #text = "";
  #isWhole = true;
  #characters = 0;
  readonly #calls = new Map<number, { name: string; arguments: string }>();

  /** @param decoder Reads the stream that passes unread; absent: events are told. */
  constructor(asked: AskedAnswer, decoder?: () => Decoder) {
    this.#asked = asked;
    this.#isJson = asksForJson(asked);
    this.#decoder = this.#isJson ? decoder?.() : undefined;
  }

  event(event: ChatEvent): void {
    if (this.#decoder === undefined) this.#hear(event);
  }

  /** A piece of a stream as it passes. */
  bytes(bytes: Uint8Array): void {
    if (this.#decoder === undefined || !this.#isWhole) return;
    try {
      for (const event of this.#decoder.push(bytes)) this.#hear(event);
    } catch {
      this.#isWhole = false;
    }
  }

  /** Of an answer that is complete. */
  signals(): readonly Signal[] {
    if (!this.#isWhole) return [];
    if (this.#calls.size > 0) {
      const { offered } = this.#asked;
      const isValid = [...this.#calls.values()].every((call) =>
        offered === undefined ? isValidCall(call, { tools: [] }) : isOfferedCall(call, offered),
      );
      return [isValid ? "calls-valid" : "call-broken"];
    }
    const { responseFormat } = this.#asked;
    if (!this.#isJson || this.#text === "") return [];
    return [answerSignal(this.#text, responseFormat?.type === "json-schema" ? responseFormat.schema : undefined)];
  }

  #hear(event: ChatEvent): void {
    switch (event.type) {
      case "text-delta":
        if (this.#isJson && this.#hasRoom(event.text)) this.#text += event.text;
        return;
      case "tool-call-start":
        if (this.#calls.size < CALLS_MAX) this.#calls.set(event.index, { name: event.name, arguments: "" });
        return;
      case "tool-call-delta": {
        const call = this.#calls.get(event.index);
        if (call !== undefined && this.#hasRoom(event.arguments)) call.arguments += event.arguments;
        return;
      }
      case "start":
      case "refusal-delta":
      case "reasoning-delta":
      case "reasoning-end":
      case "reasoning-redacted":
      case "tool-call-end":
      case "opaque":
      case "usage":
      case "finish":
      case "done":
      case "error":
        return;
    }
  }

  #hasRoom(text: string): boolean {
    this.#characters += text.length;
    this.#isWhole &&= this.#characters <= CHARACTERS_MAX;
    return this.#isWhole;
  }
}

/** Several answers in one cannot be told apart here. */
function asksForJson({ responseFormat, choices }: AskedAnswer): boolean {
  return responseFormat !== undefined && responseFormat.type !== "text" && (choices ?? 1) === 1;
}
