/** What of a client's own body may be moved to its prompt's end. What a message says is one text here, and stays one. */
import type { JsonObject } from "../chat.ts";
import { MOVED_APART, movableInMessages, movableOf, type Movable } from "./movable.ts";
import { isArray } from "./ollama-chat.words.ts";

export function movable({ messages }: JsonObject): Movable | undefined {
  if (!isArray(messages)) return undefined;
  return movableInMessages(messages, ({ content }, at, text) => [
    { op: "set", path: ["messages", at, "content"], value: `${String(content)}${MOVED_APART}${text}` },
  ]);
}

/** For a prompt without turns. One that is passed on raw, or has a suffix, has no system text and no end. */
export function promptMovable({ system, prompt, raw, suffix }: JsonObject): Movable | undefined {
  if (typeof prompt !== "string" || prompt === "" || raw === true || (suffix ?? "") !== "") return undefined;
  const path = ["system"];
  return movableOf([{ path, value: system, emptied: { op: "set", path, value: "" } }], (text) => [
    { op: "set", path: ["prompt"], value: `${prompt}${MOVED_APART}${text}` },
  ]);
}
