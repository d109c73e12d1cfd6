/** A client's own body kept apart from other tenants': its system text or first message, and its first tool. It has no key. */
import type { JsonObject, JsonValue } from "../chat.ts";
import type { Edit, Path } from "../edit.ts";
import { BILLING_PREFIX, isArray, isObject } from "./anthropic-messages.words.ts";
import { beginningEdit, messagesBeginning, toolEdits, type Beginning, type Isolation } from "./isolating.ts";

export function isolating(body: JsonObject, { line }: Isolation): readonly Edit[] {
  if (line === undefined) return [];
  return [beginningEdit(beginningOf(body), line), ...toolEdits(body["tools"], ["tools"], holderOf, line)];
}

function beginningOf({ system, messages }: JsonObject): Beginning {
  const first = messagesBeginning(messages);
  if (system === "" || !(typeof system === "string" || isArray(system))) return first;
  // Claude Code's billing line is no part of the prompt as long as it is the first one.
  const before = isArray(system) ? system.findIndex((block) => !isBilling(block)) : 0;
  if (isArray(system) && before === -1) return first;
  return { ...first, path: ["system"], value: system, before };
}

function isBilling(block: JsonValue): boolean {
  return isObject(block) && typeof block["text"] === "string" && block["text"].startsWith(BILLING_PREFIX);
}

/** A tool of the provider's own has a type, and no schema that a client wrote. */
function holderOf(tool: JsonObject): Path | undefined {
  return isObject(tool["input_schema"]) ? [] : undefined;
}
