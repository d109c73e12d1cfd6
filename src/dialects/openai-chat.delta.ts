/**
 * What a delta (or a whole message) says, as events: text, reasoning, refusals, calls, in the forms of all the servers.
 */
import type { ChatEvent, JsonObject, JsonValue } from "../chat.ts";
import { CallReader } from "./openai-chat.calls.ts";
import { REASONING_TEXTS, sealIn, textOfDetail, THINKING_CHUNK, thinkingText } from "./openai-chat.details.ts";
import { isArray, isObject, textOf } from "./openai-chat.words.ts";

export class DeltaReader {
  readonly calls: CallReader;
  #isReasoning = false;

  /** @param answerId What ids are made from, where the server gives none. */
  constructor(answerId: () => string) {
    this.calls = new CallReader(answerId);
  }

  /** @param isWhole Whether this is a message, whose calls are complete, rather than a piece of one. */
  read(delta: JsonObject, isWhole: boolean): ChatEvent[] {
    return [
      ...this.#reasoning(delta),
      ...this.#content(delta["content"]),
      ...this.#said(textOf(delta["refusal"]), (text) => ({ type: "refusal-delta", text })),
      ...this.#calls(delta, isWhole),
      ...OPAQUE_MEMBERS.flatMap((kind) => opaqueIn(delta, kind)),
    ];
  }

  /** What is open when the answer says why it stopped. */
  end(): ChatEvent[] {
    return [...this.#endReasoning(), ...this.calls.end()];
  }

  /** vLLM says it in two places at once, OpenRouter in one and in its details. */
  #reasoning(delta: JsonObject): ChatEvent[] {
    const details = isArray(delta["reasoning_details"]) ? delta["reasoning_details"].filter(isObject) : [];
    const told = REASONING_TEXTS.map((key) => textOf(delta[key]) ?? "");
    const text = told.find((one) => one !== "") ?? details.map(textOfDetail).join("");
    return [...this.#think(text), ...details.flatMap((detail) => this.#sealed(detail))];
  }

  #think(text: string): ChatEvent[] {
    if (text === "") return [];
    this.#isReasoning = true;
    return [{ type: "reasoning-delta", text }];
  }

  #sealed(detail: JsonObject): ChatEvent[] {
    const { signature, redacted, origin } = sealIn(detail);
    if (redacted !== undefined)
      return [...this.#endReasoning(), { type: "reasoning-redacted", data: redacted, ...origin }];
    if (signature === undefined) return [];
    this.#isReasoning = false;
    return [{ type: "reasoning-end", signature, ...origin }];
  }

  #content(content: JsonValue | undefined): ChatEvent[] {
    if (typeof content === "string") return this.#text(content);
    if (!isArray(content)) return [];
    return content.flatMap((chunk) => this.#chunk(chunk));
  }

  #text(text: string): ChatEvent[] {
    return this.#said(text, (said) => ({ type: "text-delta", text: said }));
  }

  /** Mistral's content, when it is more than text. */
  #chunk(chunk: JsonValue): ChatEvent[] {
    if (typeof chunk === "string") return this.#text(chunk);
    if (!isObject(chunk)) return [];
    switch (chunk["type"]) {
      case "text":
        return this.#text(textOf(chunk["text"]) ?? "");
      case "refusal":
        return this.#said(textOf(chunk["refusal"]), (text) => ({ type: "refusal-delta", text }));
      case "thinking": {
        const thought = this.#think(thinkingText(chunk["thinking"]));
        const signature = textOf(chunk["signature"]) ?? "";
        if (signature === "") return chunk["closed"] === true ? [...thought, ...this.#endReasoning()] : thought;
        this.#isReasoning = false;
        return [...thought, { type: "reasoning-end", signature, issuer: THINKING_CHUNK }];
      }
      default:
        return [{ type: "opaque", kind: textOf(chunk["type"]) ?? "unknown", value: chunk }];
    }
  }

  #calls(delta: JsonObject, isWhole: boolean): ChatEvent[] {
    const { calls } = this;
    const events = isWhole ? calls.whole(delta["tool_calls"]) : calls.fragments(delta["tool_calls"]);
    // Servers of both ages say it in both ways.
    const all = calls.count === 0 || events.length === 0 ? [...events, ...this.#legacy(delta)] : events;
    return all.length === 0 ? all : [...this.#endReasoning(), ...all];
  }

  #legacy(delta: JsonObject): ChatEvent[] {
    return isObject(delta["function_call"]) ? this.calls.legacy(delta["function_call"]) : [];
  }

  #said(text: string | undefined, event: (text: string) => ChatEvent): ChatEvent[] {
    return text === undefined || text === "" ? [] : [...this.#endReasoning(), event(text)];
  }

  #endReasoning(): ChatEvent[] {
    if (!this.#isReasoning) return [];
    this.#isReasoning = false;
    return [{ type: "reasoning-end" }];
  }
}

/** Members that only this dialect's clients can read. */
const OPAQUE_MEMBERS: readonly string[] = ["annotations", "audio", "images"];

function opaqueIn(delta: JsonObject, kind: string): ChatEvent[] {
  const value = delta[kind] ?? null;
  return value === null || (isArray(value) && value.length === 0) ? [] : [{ type: "opaque", kind, value }];
}

/** The seals in a delta that nobody else reads: they bind the conversation to who issued them. */
export function sealEvents(delta: JsonObject): ChatEvent[] {
  const details = isArray(delta["reasoning_details"]) ? delta["reasoning_details"] : [];
  const chunks = isArray(delta["content"]) ? delta["content"] : [];
  return [...details, ...chunks].filter(isObject).flatMap((holder): ChatEvent[] => {
    const { signature, redacted, origin } = sealIn(holder);
    if (redacted !== undefined) return [{ type: "reasoning-redacted", data: redacted, ...origin }];
    return signature === undefined ? [] : [{ type: "reasoning-end", signature, ...origin }];
  });
}
