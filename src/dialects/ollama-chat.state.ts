/**
 * What an answer's lines say beside its text, and whether it is complete. Shared by who reads a stream and who watches one.
 */
import type { ChatEvent, JsonObject, JsonValue } from "../chat.ts";
import { errorOf, isPlainError } from "./ollama-chat.errors.ts";
import type { LineForm } from "./ollama-chat.line.ts";
import { usageIn } from "./ollama-chat.usage.ts";
import { finishOf, isObject, LOAD_REASONS, parsed, textOf } from "./ollama-chat.words.ts";

export class AnswerState {
  readonly #form: LineForm;
  #begun = false;
  /** Nothing that follows counts: the last line or an error has passed. */
  over = false;

  constructor(form: LineForm) {
    this.#form = form;
  }

  get begun(): boolean {
    return this.#begun;
  }

  /** The answer's beginning, once. */
  start(line: JsonObject): ChatEvent[] {
    if (this.#begun || (this.#form.held(line) === undefined && !isLast(line))) return [];
    this.#begun = true;
    return [startOf(line)];
  }

  /** What the last line says of the whole. Only `done` says that the answer is complete. */
  ending(line: JsonObject, hasCalls: boolean): ChatEvent[] {
    if (!isLast(line)) return [];
    this.over = true;
    const usage = usageIn(line);
    return [
      ...(usage === undefined ? [] : [{ type: "usage", usage } as const]),
      finishEvent(line, hasCalls),
      { type: "done" },
    ];
  }

  error(line: JsonObject): ChatEvent[] {
    this.over = true;
    const error = errorOf(line, undefined);
    // Clients print this member as it is: an object tells them nothing.
    return [{ type: "error", error: isPlainError(line) ? error : { ...error, foreign: true } }];
  }

  broken(message: string): ChatEvent[] {
    this.over = true;
    return [{ type: "error", error: { status: 502, message, ours: true } }];
  }

  /** The end of the bytes. */
  end(): ChatEvent[] {
    return this.over ? [] : this.broken("the provider's stream ended before the answer was complete");
  }
}

export const NOT_JSON = "the provider's stream has a line that is not JSON";

/** A prompt that was only rendered (a debugging aid) has no end but this. */
function isLast(line: JsonObject): boolean {
  return line["done"] === true || isObject(line["_debug_info"]);
}

function startOf(line: JsonObject): ChatEvent {
  const model = textOf(line["model"]) ?? "";
  const createdSeconds = secondsOf(line["created_at"]);
  return {
    type: "start",
    ...(model === "" ? {} : { model }),
    ...(createdSeconds === undefined ? {} : { createdSeconds }),
  };
}

function secondsOf(value: JsonValue | undefined): number | undefined {
  const seconds = Math.floor(Date.parse(textOf(value) ?? "") / 1000);
  // Not set, a time is one of the year 1.
  return seconds > 0 ? seconds : undefined;
}

function finishEvent(line: JsonObject, hasCalls: boolean): ChatEvent {
  // Older versions give no reason.
  const word = textOf(line["done_reason"]) ?? (line["done"] === true ? "stop" : "");
  const reason = finishOf(word, hasCalls);
  return { type: "finish", reason, ...(reason === "other" ? { details: { done_reason: word } } : {}) };
}

/** Whether a whole answer is one: a message, or that the model was loaded. */
export function isAnswer(line: JsonObject, form: LineForm): boolean {
  return form.held(line) !== undefined || LOAD_REASONS.has(textOf(line["done_reason"]) ?? "");
}

export interface Line {
  readonly object: JsonObject;
  readonly text: string;
}

/** @returns `undefined` when it cannot be read: bytes that are not UTF-8 among it, as replacing them would pass garbage on. */
export function readLine(bytes: Uint8Array): Line | "blank" | undefined {
  let text: string;
  try {
    text = UTF8.decode(bytes).trim();
  } catch {
    return undefined;
  }
  if (text === "") return "blank";
  const object = parsed(text);
  return object === undefined ? undefined : { object, text };
}

/** A byte-order mark is left out. */
const UTF8 = new TextDecoder("utf-8", { fatal: true });
