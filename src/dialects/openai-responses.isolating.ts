/** A client's own body kept apart from other tenants': its key, its instructions or what its input begins with, its first tool. */
import type { JsonObject } from "../chat.ts";
import type { Edit, Path } from "../edit.ts";
import { beginningEdit, keyEdits, toolEdits, type Beginning, type Isolation } from "./isolating.ts";
import { isArray, isObject } from "./openai-chat.words.ts";

export function isolating(body: JsonObject, isolation: Isolation): readonly Edit[] {
  const { line } = isolation;
  const key = keyEdits(body, isolation);
  if (line === undefined) return key;
  const beginning = beginningOf(body);
  return [
    ...key,
    ...(beginning === undefined ? [] : [beginningEdit(beginning, line)]),
    ...toolEdits(body["tools"], ["tools"], holderOf, line),
  ];
}

/** What goes on from an answer that the provider keeps begins as that one's prompt did. */
function beginningOf({
  instructions,
  input,
  previous_response_id: previous,
  conversation,
}: JsonObject): Beginning | undefined {
  const otherwise = (line: string): Edit => ({
    op: "insert",
    path: ["input", 0],
    value: { type: "message", role: "developer", content: line },
  });
  const common = { otherwise, textType: "input_text" };
  if (typeof instructions === "string" && instructions !== "")
    return { ...common, path: ["instructions"], value: instructions };
  if (typeof previous === "string" || (conversation ?? null) !== null) return undefined;
  if (typeof input === "string") return { ...common, path: ["input"], value: input };
  if (!isArray(input) || input.length === 0) return undefined;
  const [first] = input;
  const isSaid = isObject(first) && (first["type"] ?? "message") === "message" && first["role"] !== "assistant";
  return { ...common, path: ["input", 0, "content"], value: isSaid ? first["content"] : undefined };
}

function holderOf({ type }: JsonObject): Path | undefined {
  return type === "function" || type === "custom" ? [] : undefined;
}
