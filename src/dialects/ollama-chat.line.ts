/**
 * The two forms of an answer's line: `/api/chat` keeps what was said in a message, `/api/generate` on the line itself.
 */
import type { JsonObject } from "../chat.ts";
import { isObject } from "./ollama-chat.words.ts";

export interface LineForm {
  /** Where a line keeps what was said; `undefined` for a line that is none of an answer's. */
  held(line: JsonObject): JsonObject | undefined;
  /** The member that has the text. */
  readonly text: "content" | "response";
  /** Members that lead to the calls. */
  readonly callsPath: readonly string[];
  /** The members by which a line says it, as JSON text: arguments stand in it as they came. */
  write(said: Said): string;
}

export interface Said {
  readonly text: string;
  readonly thinking: string;
  /** Each call as JSON text. */
  readonly calls: readonly string[];
}

export const SAYS_NOTHING: Said = { text: "", thinking: "", calls: [] };

export const CHAT_LINE: LineForm = {
  held: (line) => (isObject(line["message"]) ? line["message"] : undefined),
  text: "content",
  callsPath: ["message", "tool_calls"],
  write: (said) => `"message":{"role":"assistant",${members("content", said)}}`,
};

export const GENERATE_LINE: LineForm = {
  held: (line) => (typeof line["response"] === "string" ? line : undefined),
  text: "response",
  callsPath: ["tool_calls"],
  write: (said) => members("response", said),
};

function members(name: string, { text, thinking, calls }: Said): string {
  return [
    `"${name}":${JSON.stringify(text)}`,
    ...(thinking === "" ? [] : [`"thinking":${JSON.stringify(thinking)}`]),
    ...(calls.length === 0 ? [] : [`"tool_calls":[${calls.join(",")}]`]),
  ].join(",");
}
