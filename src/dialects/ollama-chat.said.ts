/**
 * What a line (or a whole answer) says, as events: thinking, text, calls.
 */
import type { ChatEvent, JsonObject, JsonValue } from "../chat.ts";
import { elementSpans, memberSpan } from "./anthropic-messages.span.ts";
import type { LineForm } from "./ollama-chat.line.ts";
import { isArray, isObject, madeId, textOf } from "./ollama-chat.words.ts";

/** How many calls one answer may hold. */
const CALLS_MAX = 1_000;

export class SaidReader {
  readonly #form: LineForm;
  #isThinking = false;
  #calls = 0;

  constructor(form: LineForm) {
    this.#form = form;
  }

  get hasCalls(): boolean {
    return this.#calls > 0;
  }

  /** @param text The line's own text: arguments are taken from it as they stand, since parsing would change numbers and keys. */
  read(line: JsonObject, text: string): ChatEvent[] {
    const held = this.#form.held(line);
    if (held === undefined) return [];
    return [
      ...this.#think(textOf(held["thinking"]) ?? ""),
      ...this.#say(textOf(held[this.#form.text]) ?? ""),
      ...this.#call(held["tool_calls"], line, text),
      ...OPAQUE_MEMBERS.flatMap((kind) => opaqueIn(line, kind)),
    ];
  }

  /** What is open when the answer is done. */
  end(): ChatEvent[] {
    if (!this.#isThinking) return [];
    this.#isThinking = false;
    return [{ type: "reasoning-end" }];
  }

  #think(text: string): ChatEvent[] {
    if (text === "") return [];
    this.#isThinking = true;
    return [{ type: "reasoning-delta", text }];
  }

  #say(text: string): ChatEvent[] {
    return text === "" ? [] : [...this.end(), { type: "text-delta", text }];
  }

  /** Calls come whole, each once. */
  #call(value: JsonValue | undefined, line: JsonObject, text: string): ChatEvent[] {
    if (!isArray(value)) return [];
    const spans = argumentSpans(text, this.#form.callsPath);
    const events = value.flatMap((call, at) => {
      const held = isObject(call) ? call["function"] : undefined;
      const name = isObject(held) ? (textOf(held["name"]) ?? "") : "";
      if (!isObject(call) || !isObject(held) || name === "" || this.#calls >= CALLS_MAX) return [];
      return this.#whole(call, name, argumentsText(held["arguments"], spans[at]), line);
    });
    return events.length === 0 ? [] : [...this.end(), ...events];
  }

  #whole(call: JsonObject, name: string, argumentsText: string, line: JsonObject): ChatEvent[] {
    const index = this.#calls;
    this.#calls += 1;
    const said = textOf(call["id"]) ?? "";
    // Older servers name no calls. The time, to the nanosecond, keeps answers that call the same apart.
    const made = () => madeId([textOf(line["created_at"]) ?? "", index, name, argumentsText].join("\u0000"));
    return [
      { type: "tool-call-start", index, id: said === "" ? made() : said, name },
      { type: "tool-call-delta", index, arguments: argumentsText },
      { type: "tool-call-end", index },
    ];
  }
}

function argumentsText(given: JsonValue | undefined, span: string | undefined): string {
  if (typeof given === "string") return given;
  return isObject(given) ? (span ?? JSON.stringify(given)) : "{}";
}

/** The text of each call's arguments. */
function argumentSpans(text: string, path: readonly string[]): readonly (string | undefined)[] {
  const bytes = Buffer.from(text);
  let start: number | undefined = 0;
  for (const key of path) start = start === undefined ? undefined : memberSpan(bytes, start, key)?.start;
  if (start === undefined) return [];
  return elementSpans(bytes, start).map((call) => {
    const held = memberSpan(bytes, call.start, "function");
    const span = held === undefined ? undefined : memberSpan(bytes, held.start, "arguments");
    return span === undefined ? undefined : bytes.toString("utf8", span.start, span.end);
  });
}

/** Members that only this dialect's clients can read: probabilities, and the picture of a model that draws. */
const OPAQUE_MEMBERS: readonly string[] = ["logprobs", "image"];

function opaqueIn(line: JsonObject, kind: string): ChatEvent[] {
  const value = line[kind] ?? null;
  const isNothing = value === null || value === "" || (isArray(value) && value.length === 0);
  return isNothing ? [] : [{ type: "opaque", kind, value }];
}
