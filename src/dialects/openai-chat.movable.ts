/** What of a client's own body may be moved to its prompt's end. Mistral's messages have the same form. */
import type { JsonObject } from "../chat.ts";
import { appendedTo, movableInMessages, type Movable } from "./movable.ts";
import { isArray } from "./openai-chat.words.ts";

/** As a part of its own, so that a breakpoint can stand before it. */
export function movable({ messages }: JsonObject): Movable | undefined {
  if (!isArray(messages)) return undefined;
  return movableInMessages(messages, ({ content }, at, text) =>
    appendedTo(["messages", at, "content"], content, "text", text),
  );
}
