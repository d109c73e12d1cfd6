/** A client's own body at its cache boundary: as in the older API, on the content of items. */
import type { ChatRequest, JsonObject, JsonValue } from "../chat.ts";
import type { CachePlacement, Placing } from "./dialect.ts";
import { placingOf, type Content } from "./openai-chat.placing.ts";
import { isArray, isObject } from "./openai-chat.words.ts";

export function placing(body: JsonObject, request: ChatRequest, placement: CachePlacement): Placing {
  return placingOf(body, contentsOf(body, request), "input_text", placement);
}

/**
 * The content of each message of the reading that may bear marks. What the assistant said is several items here and bears none; all
 * other messages are one item each, but for the instructions, which bear none either.
 */
function contentsOf(
  { input, instructions: text }: JsonObject,
  { messages }: ChatRequest,
): readonly (Content | undefined)[] {
  // A text in the place of items is the user's only message.
  const alone: readonly Content[] =
    typeof input === "string" ? [{ path: ["input"], value: input, isResult: false, isPlain: true }] : [];
  const said = isArray(input) ? input.flatMap(contentOf) : alone;
  const others = messages.flatMap(({ role }, at) => (role === "assistant" ? [] : [at]));
  const instructions = others.length - said.length;
  const contents: (Content | undefined)[] = messages.map(() => undefined);
  // Items that the reading does not take for a message of their own: then no place is certain.
  if (instructions < 0 || instructions > 1) return contents;
  if (instructions === 1)
    contents[others[0] as number] = { path: ["instructions"], value: text, isResult: false, isPlain: true };
  for (const [index, content] of said.entries()) contents[others[instructions + index] as number] = content;
  return contents;
}

/** One for each item that is a message of its own in the reading. */
function contentOf(item: JsonValue, at: number): readonly (Content | undefined)[] {
  if (!isObject(item)) return [];
  const type = item["type"] ?? "message";
  if (type === "message")
    return item["role"] === "assistant"
      ? []
      : [{ path: ["input", at, "content"], value: item["content"], isResult: false }];
  if (type === "function_call_output" || type === "custom_tool_call_output")
    return [{ path: ["input", at, "output"], value: item["output"], isResult: true }];
  return [];
}
