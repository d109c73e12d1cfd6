/**
 * Edits to messages that a client brings back as another server of this dialect gave them: what was thought there, and lists of calls
 * that hold none. Their own server takes them; others refuse what they do not know.
 */
import type { JsonObject, JsonValue } from "../src/chat.ts";
import type { Edit } from "../src/edit.ts";
import { messagesOf, objectsOf } from "./openai-chat.edits.ts";

/** Where servers put what was thought, beside a message's content. */
const THOUGHTS = ["reasoning", "reasoning_content", "reasoning_details"];

/** The thoughts in a body's messages, for a server that has no word for them: members, and (Mistral's) chunks of content. */
export function withoutThoughts(body: JsonObject): readonly Edit[] {
  return messagesOf(body).flatMap(([index, message]) => [
    ...THOUGHTS.flatMap((name) => thoughtMember(["messages", index, name], message[name])),
    ...thoughtChunks(["messages", index, "content"], message),
  ]);
}

function thoughtMember(path: Edit["path"], said: JsonValue | undefined): readonly Edit[] {
  if (said === undefined) return [];
  const isEmpty = said === null || said === "" || (Array.isArray(said) && said.length === 0);
  return [{ op: "delete", path, ...(isEmpty ? {} : { loss: "reasoning" }) }];
}

function thoughtChunks(path: Edit["path"], message: JsonObject): readonly Edit[] {
  const { content } = message;
  if (message["role"] !== "assistant" || !Array.isArray(content)) return [];
  const thoughts = objectsOf(content).filter(([, chunk]) => chunk["type"] === "thinking");
  if (thoughts.length === 0) return [];
  // A list without parts is refused; beside calls there may be no content at all.
  if (thoughts.length === content.length) {
    const hasCalls = objectsOf(message["tool_calls"]).length > 0;
    return [{ op: "set", path, value: hasCalls ? null : "", loss: "reasoning" }];
  }
  return thoughts.map(([place]): Edit => ({ op: "delete", path: [...path, place], loss: "reasoning" }));
}

/** "Expected an array with minimum length 1, but got an empty array": others say so, or by null, that there was no call. */
export function withoutEmptyCalls(body: JsonObject): readonly Edit[] {
  return messagesOf(body).flatMap(([index, message]): Edit[] => {
    const calls = message["tool_calls"];
    const isEmpty = calls === null || (Array.isArray(calls) && calls.length === 0);
    return isEmpty ? [{ op: "delete", path: ["messages", index, "tool_calls"] }] : [];
  });
}
