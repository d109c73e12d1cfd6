/** A client's own body kept apart from other tenants': its key, its first message, its first tool. Mistral's has the same form. */
import type { JsonObject } from "../chat.ts";
import type { Edit, Path } from "../edit.ts";
import { beginningEdit, keyEdits, messagesBeginning, toolEdits, type Isolation } from "./isolating.ts";
import { isArray } from "./openai-chat.words.ts";

export function isolating(body: JsonObject, isolation: Isolation): readonly Edit[] {
  const { line } = isolation;
  const key = keyEdits(body, isolation);
  return line === undefined ? key : [...key, ...lineEdits(body, line)];
}

/** Ollama's messages and tools are where these are, and it has no key. */
export function lineEdits({ messages, tools, functions }: JsonObject, line: string): readonly Edit[] {
  if (!isArray(messages) || messages.length === 0) return [];
  return [
    beginningEdit(messagesBeginning(messages), line),
    ...toolEdits(tools, ["tools"], holderOf, line),
    ...toolEdits(functions, ["functions"], () => [], line),
  ];
}

function holderOf({ type }: JsonObject): Path | undefined {
  return type === "function" || type === "custom" ? [type] : undefined;
}
