/**
 * What a streamed answer says beside its deltas, and whether it is complete. Shared by who reads a stream and who watches one.
 */
import type { ChatEvent, JsonObject } from "../chat.ts";
import { errorOf, isError } from "./openai-chat.errors.ts";
import { tierIn, usageIn, UsageReader } from "./openai-chat.usage.ts";
import { FAILED_FINISHES, finishOf, isArray, isObject, textOf } from "./openai-chat.words.ts";

/** The terminal mark, as an event's data. */
export const DONE = "[DONE]";

export class StreamState {
  readonly #usage = new UsageReader();
  #begun = false;
  #finished = false;
  #id = "";
  #said: string | undefined;
  /** Nothing that follows counts: the terminal mark or an error has passed. */
  over = false;

  get begun(): boolean {
    return this.#begun;
  }

  get id(): string {
    return this.#id;
  }

  /** The answer's beginning, once. A first chunk without an answer in it (Azure's, about the prompt) is none. */
  start(chunk: JsonObject): ChatEvent[] {
    if (this.#begun || (choicesOf(chunk).length === 0 && usageIn(chunk) === undefined)) return [];
    this.#begun = true;
    this.#id = textOf(chunk["id"]) ?? "";
    return [startOf(chunk)];
  }

  usage(chunk: JsonObject): ChatEvent[] {
    const usage = usageIn(chunk);
    return usage === undefined ? [] : [{ type: "usage", usage: this.#usage.read(usage), ...tierIn(chunk) }];
  }

  /**
   * Why it stopped, where this choice says so; the first word stands.
   *
   * @param hasCalls Whether the answer called tools: then it stopped for them, even where the server calls it a plain stop.
   */
  finish(choice: JsonObject, hasCalls: () => boolean): ChatEvent[] {
    this.#said ??= saidId(deltaOf(choice));
    const word = finishWord(choice);
    if (word === undefined || this.#finished) return [];
    if (FAILED_FINISHES.has(word)) {
      this.over = true;
      return [failedFinish(choice, word)];
    }
    this.#finished = true;
    return [finishEvent(choice, word, hasCalls(), this.#said)];
  }

  error(event: JsonObject): ChatEvent[] {
    this.over = true;
    const error = errorOf(event, undefined);
    // OpenAI's clients look for this member, and take an event that lacks it for a part of the answer.
    const isRecognised = event["error"] !== undefined;
    return [{ type: "error", error: isRecognised ? error : { ...error, foreign: true } }];
  }

  broken(message: string): ChatEvent[] {
    this.over = true;
    return [brokenAnswer(message)];
  }

  /** The terminal mark, or the end of the bytes: complete is what said why it stopped. */
  end(): ChatEvent[] {
    if (this.over) return [];
    if (!this.#finished) return this.broken("the provider's stream ended before the answer was complete");
    this.over = true;
    return [{ type: "done" }];
  }
}

/** Whether an event of the stream says that the answer failed. */
export function saysError(eventName: string, event: JsonObject): boolean {
  return isError(event) || (eventName === "error" && event["choices"] === undefined);
}

export function choicesOf(answer: JsonObject): readonly JsonObject[] {
  return isArray(answer["choices"]) ? answer["choices"].filter(isObject) : [];
}

/** Whether this is the first of several alternatives: the one that every dialect has. */
export function isFirst(choice: JsonObject): boolean {
  return (choice["index"] ?? 0) === 0;
}

/** The piece of an answer that a choice of a stream holds. */
export function deltaOf(choice: JsonObject): JsonObject | undefined {
  const delta = choice["delta"] ?? choice["message"];
  return isObject(delta) ? delta : undefined;
}

export function startOf(answer: JsonObject): ChatEvent {
  const id = textOf(answer["id"]) ?? "";
  const model = textOf(answer["model"]) ?? "";
  const created = answer["created"];
  return {
    type: "start",
    ...(id === "" ? {} : { id }),
    ...(model === "" ? {} : { model }),
    ...(typeof created === "number" && Number.isSafeInteger(created) && created > 0 ? { createdSeconds: created } : {}),
  };
}

export function finishWord(choice: JsonObject): string | undefined {
  const word = textOf(choice["finish_reason"]);
  return word === "" ? undefined : word;
}

/** @param said The id of what was said aloud (`saidId`). */
export function finishEvent(
  choice: JsonObject,
  word: string,
  hasCalls: boolean,
  said: string | undefined = saidId(deltaOf(choice)),
): ChatEvent {
  const reason = finishOf(word);
  const hosted = said === undefined ? {} : { hosted: [said] };
  // vLLM says which sequence it was; a number is a token of the model's own.
  const stopSequence = textOf(choice["stop_reason"]);
  if (reason === "stop" && hasCalls) return { type: "finish", reason: "tool-calls", ...hosted };
  if (reason === "stop" && stopSequence !== undefined)
    return { type: "finish", reason: "stop-sequence", stopSequence, ...hosted };
  return { type: "finish", reason, ...(reason === "other" ? { details: { finish_reason: word } } : {}), ...hosted };
}

/** What was said aloud is named by its id in later turns. */
function saidId(delta: JsonObject | undefined): string | undefined {
  const audio = delta?.["audio"];
  const id = isObject(audio) ? textOf(audio["id"]) : undefined;
  return id === "" ? undefined : id;
}

/** OpenAI's clients take such a finish for the end of an answer that is complete. */
export function failedFinish(choice: JsonObject, word: string): ChatEvent {
  if (isError(choice)) return { type: "error", error: { ...errorOf(choice, undefined), foreign: true } };
  const message = `the provider gave up before the answer was complete (finish_reason "${word}")`;
  return { type: "error", error: { status: 502, message, code: word, foreign: true } };
}

export function brokenAnswer(message: string): ChatEvent {
  return { type: "error", error: { status: 502, message, ours: true } };
}

/** `undefined` for everything but a JSON object. */
export function parsed(text: string): JsonObject | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return isObject(value) ? value : undefined;
  } catch {
    return undefined;
  }
}
