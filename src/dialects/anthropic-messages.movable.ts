/** What of a client's own body may be moved to its prompt's end: of `system`, and of system turns that the messages begin with. */
import type { JsonObject, JsonValue } from "../chat.ts";
import type { Edit, Path } from "../edit.ts";
import { BILLING_PREFIX, isArray, isObject } from "./anthropic-messages.words.ts";
import { appendedTo, isSaid, movableOf, MOVED_APART, type Movable, type SystemContent } from "./movable.ts";

export function movable(body: JsonObject): Movable | undefined {
  const messages = isArray(body["messages"]) ? body["messages"] : [];
  const last = messages.at(-1);
  if (!isObject(last) || last["role"] !== "user" || !isSaid(last["content"])) return undefined;
  const { content } = last;
  const path = ["messages", messages.length - 1, "content"];
  const first = messages.findIndex((message) => !isObject(message) || message["role"] !== "system");
  const turns = messages.slice(0, first).map((message, at): SystemContent => {
    const value = isObject(message) ? message["content"] : undefined;
    return { path: ["messages", at, "content"], value, emptied: { op: "delete", path: ["messages", at] } };
  });
  const system: SystemContent = {
    path: ["system"],
    value: body["system"],
    emptied: { op: "delete", path: ["system"] },
  };
  return movableOf(
    [system, ...turns],
    (text) => appended(path, content, text, body["cache_control"]),
    (text) => text.startsWith(BILLING_PREFIX),
  );
}

/**
 * As a block of its own, behind the last mark: of a block that is another one in the next request, nothing is read from the cache.
 *
 * @param mark The request's own, which marks the last block, whichever that is: it is set on what was the last one.
 */
function appended(path: Path, content: JsonValue | undefined, text: string, mark: JsonValue | undefined): Edit[] {
  const isMarkedWhole = mark !== undefined && mark !== null;
  const unmark: readonly Edit[] = isMarkedWhole ? [{ op: "delete", path: ["cache_control"] }] : [];
  if (!isArray(content)) {
    const said = { type: "text", text: content, ...(isMarkedWhole ? { cache_control: mark } : {}) };
    return [...unmark, { op: "set", path, value: [said, { type: "text", text: `${MOVED_APART}${text}` }] }];
  }
  const at = content.length - 1;
  const last = content[at];
  const isMarked = isObject(last) && (last["cache_control"] ?? null) !== null;
  const isResult = isObject(last) && last["type"] === "tool_result";
  return [
    ...unmark,
    ...(isMarkedWhole && !isMarked ? [{ op: "set", path: [...path, at, "cache_control"], value: mark } as const] : []),
    ...(isResult
      ? [{ op: "insert", path: [...path, at + 1], value: { type: "text", text } } as const]
      : appendedTo(path, content, "text", text)),
  ];
}
