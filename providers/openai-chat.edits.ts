/** Edits to a Chat Completions body that more than one of its servers insist on. */
import { createHash } from "node:crypto";
import type { JsonObject, JsonValue } from "../src/chat.ts";
import type { Edit } from "../src/edit.ts";

/** The body's messages that are objects, with their places. */
export function messagesOf(body: JsonObject): readonly (readonly [number, JsonObject])[] {
  return objectsOf(body["messages"]);
}

export function objectsOf(value: JsonValue | undefined): readonly (readonly [number, JsonObject])[] {
  if (!Array.isArray(value)) return [];
  return (value as readonly JsonValue[]).flatMap((item, index) => (isObject(item) ? [[index, item] as const] : []));
}

export function isObject(value: JsonValue | undefined): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** Role `developer` is OpenAI's own name for what everybody else calls `system`. */
export function systemForDeveloper(body: JsonObject): readonly Edit[] {
  return messagesOf(body).flatMap(([index, message]): Edit[] =>
    message["role"] === "developer" ? [{ op: "set", path: ["messages", index, "role"], value: "system" }] : [],
  );
}

const NINE_ALPHANUMERICS = /^[a-zA-Z0-9]{9}$/;
const BASE62 = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/** Mistral's form of tool-call ids, for calls and their results alike. The same id gives the same one, so that prefixes stay equal. */
export function nineCharacterIds(body: JsonObject): readonly Edit[] {
  const edits: Edit[] = [];
  const fit = (id: JsonValue | undefined, path: Edit["path"]): void => {
    if (typeof id !== "string" || NINE_ALPHANUMERICS.test(id)) return;
    edits.push({ op: "set", path, value: idOfNine(id) });
  };
  for (const [index, message] of messagesOf(body)) {
    for (const [at, call] of objectsOf(message["tool_calls"])) {
      fit(call["id"], ["messages", index, "tool_calls", at, "id"]);
    }
    fit(message["tool_call_id"], ["messages", index, "tool_call_id"]);
  }
  return edits;
}

function idOfNine(id: string): string {
  let number = BigInt(`0x${createHash("sha256").update(id).digest("hex")}`);
  let text = "";
  while (text.length < 9) {
    text += BASE62.charAt(Number(number % 62n));
    number /= 62n;
  }
  return text;
}
