/**
 * Reads the answers of Chat Completions' servers, whole or streamed, into events.
 */
import type { ChatEvent, JsonObject } from "../chat.ts";
import type { Decoder } from "./dialect.ts";
import { DeltaReader } from "./openai-chat.delta.ts";
import { errorOf, isError } from "./openai-chat.errors.ts";
import {
  brokenAnswer,
  choicesOf,
  deltaOf,
  DONE,
  failedFinish,
  finishEvent,
  finishWord,
  isFirst,
  parsed,
  saysError,
  startOf,
  StreamState,
} from "./openai-chat.state.ts";
import { tierIn, usageIn, UsageReader } from "./openai-chat.usage.ts";
import { FAILED_FINISHES, isObject, textOf } from "./openai-chat.words.ts";
import { SseSplitter, type SseFrame } from "./sse.ts";

export function chatDecoder(stream: boolean): Decoder {
  return stream ? new StreamDecoder() : new WholeDecoder();
}

class StreamDecoder implements Decoder {
  readonly #frames = new SseSplitter();
  readonly #state = new StreamState();
  readonly #delta = new DeltaReader(() => this.#state.id);

  push(bytes: Uint8Array): ChatEvent[] {
    return this.#frames.push(bytes).flatMap((frame) => this.#read(frame));
  }

  end(): ChatEvent[] {
    const rest = this.#frames.end().flatMap((frame) => this.#read(frame));
    return [...rest, ...this.#state.end()];
  }

  #read(frame: SseFrame): ChatEvent[] {
    const data = frame.data?.trim() ?? "";
    if (this.#state.over || data === "") return [];
    if (data === DONE) return this.#state.end();
    const chunk = parsed(data);
    if (chunk === undefined) return this.#state.broken("the provider's stream has an event that is not JSON");
    if (saysError(frame.event, chunk)) return this.#state.error(chunk);
    return this.#chunk(chunk);
  }

  #chunk(chunk: JsonObject): ChatEvent[] {
    const events = this.#state.start(chunk);
    const choices = choicesOf(chunk);
    for (const choice of choices) {
      if (isFirst(choice)) events.push(...this.#said(choice));
      else events.push({ type: "opaque", kind: "choice", value: choice });
    }
    events.push(...moderation(chunk));
    events.push(...this.#state.usage(chunk));
    for (const choice of choices) {
      if (isFirst(choice) && !this.#state.over)
        events.push(...this.#state.finish(choice, () => this.#delta.calls.count > 0));
    }
    return events;
  }

  #said(choice: JsonObject): ChatEvent[] {
    const delta = deltaOf(choice);
    return [
      ...(delta === undefined ? [] : this.#delta.read(delta, choice["delta"] === undefined)),
      ...logprobs(choice),
      ...(finishWord(choice) === undefined ? [] : this.#delta.end()),
    ];
  }
}

function logprobs(choice: JsonObject): ChatEvent[] {
  const value = choice["logprobs"];
  return isObject(value) ? [{ type: "opaque", kind: "logprobs", value }] : [];
}

function moderation(holder: JsonObject): ChatEvent[] {
  const value = holder["moderation"];
  return isObject(value) ? [{ type: "opaque", kind: "moderation", value }] : [];
}

/** A whole answer: read when all of it is there. Its size is bounded by who reads the body. */
class WholeDecoder implements Decoder {
  readonly #chunks: Uint8Array[] = [];

  push(bytes: Uint8Array): ChatEvent[] {
    this.#chunks.push(bytes);
    return [];
  }

  end(): ChatEvent[] {
    const text = utf8(Buffer.concat(this.#chunks));
    const answer = text === undefined ? undefined : parsed(text);
    if (answer === undefined) return [brokenAnswer("the provider's answer is not JSON")];
    const choices = choicesOf(answer);
    if (isError(answer) && choices.length === 0) return [{ type: "error", error: errorOf(answer, undefined) }];
    const first = choices.find(isFirst) ?? choices[0];
    if (first === undefined || (deltaOf(first) === undefined && finishWord(first) === undefined)) {
      return [brokenAnswer("the provider's answer has no message")];
    }
    const word = finishWord(first);
    if (word !== undefined && FAILED_FINISHES.has(word)) return [...wholeUsage(answer), failedFinish(first, word)];
    return wholeEvents(answer, first, choices);
  }
}

function wholeEvents(answer: JsonObject, first: JsonObject, choices: readonly JsonObject[]): ChatEvent[] {
  const reader = new DeltaReader(() => textOf(answer["id"]) ?? "");
  const message = deltaOf(first) ?? {};
  return [
    startOf(answer),
    ...reader.read(message, true),
    ...logprobs(first),
    ...reader.end(),
    ...choices.flatMap((other): ChatEvent[] =>
      other === first ? [] : [{ type: "opaque", kind: "choice", value: other }],
    ),
    ...moderation(answer),
    ...wholeUsage(answer),
    finishEvent(first, finishWord(first) ?? "stop", reader.calls.count > 0),
    { type: "done" },
  ];
}

function wholeUsage(answer: JsonObject): ChatEvent[] {
  const usage = usageIn(answer);
  return usage === undefined ? [] : [{ type: "usage", usage: new UsageReader().read(usage), ...tierIn(answer) }];
}

/** `undefined` when the bytes are not UTF-8: replacing what cannot be read would pass garbage on as an answer. */
function utf8(bytes: Uint8Array): string | undefined {
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch {
    return undefined;
  }
}
