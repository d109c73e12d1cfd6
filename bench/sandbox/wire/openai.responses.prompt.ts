/** Items of OpenAI's Responses API as its cache and its model see them. Ids and states of items are nothing to either. */
import type { JsonObject, JsonValue } from "../../../src/chat.ts";
import { pictureOf } from "../image.ts";
import { type Block, canonical } from "../prompt.ts";
import { digest, opaqueTokens, tokensOf } from "../tokens.ts";
import { dataUrlOf } from "./chat.prompt.ts";
import { imageTokens, markSeconds } from "./openai.read.ts";
import { typeOfItem } from "./openai.responses.items.ts";
import { type Thought, thoughtTokens } from "./openai.responses.thought.ts";
import { objects, stringOf } from "./wire.ts";

export interface ConversationParts {
  readonly tools: readonly JsonObject[];
  readonly schema: JsonObject | undefined;
  readonly instructions: string | undefined;
  readonly items: readonly JsonObject[];
  /** What stands behind a reasoning item; `undefined` where it is not read again. */
  readonly thought: (item: JsonObject) => Thought | undefined;
}

/** Tools, then the schema of the answer, then what was said: the order in which they are rendered. */
export function conversationBlocks({ tools, schema, instructions, items, thought }: ConversationParts): Block[] {
  return [
    ...tools.map((tool) => block("tools", "tool", tool, [...envelope("tool", 2), ...tokensOf(JSON.stringify(tool))])),
    ...(schema === undefined ? [] : [block("system", "schema", schema, tokensOf(JSON.stringify(schema)))]),
    ...(instructions === undefined || instructions === ""
      ? []
      : messageBlocks({ role: "developer", content: instructions })),
    ...items.flatMap((item) => itemBlocks(item, thought)),
  ];
}

/** Text of a message, its parts joined. */
export function textOfItem(item: JsonObject | undefined): string {
  return partsOf(item?.["content"] ?? item?.["output"])
    .flatMap((part) => stringOf(part["text"]) ?? [])
    .join("\n");
}

function partsOf(content: JsonValue | undefined): readonly JsonObject[] {
  return typeof content === "string" ? [{ type: "text", text: content }] : objects(content);
}

function itemBlocks(item: JsonObject, thought: ConversationParts["thought"]): Block[] {
  const type = typeOfItem(item);
  if (type === "message") return messageBlocks(item);
  if (type === "reasoning") {
    const held = thought(item);
    if (held === undefined) return [];
    const identity = digest("reasoning", held.content, String(held.tokens));
    return [{ level: "messages", identity, tokens: thoughtTokens(held) }];
  }
  if (type.endsWith("_output") && item["output"] !== undefined)
    return messageBlocks({ role: `tool:${String(item["call_id"])}`, content: item["output"] });
  const { id: _, status: __, caller: ___, ...told } = item;
  return [
    {
      ...block("messages", type, told, [...envelope(type, 3), ...tokensOf(JSON.stringify(told))]),
      endsMessage: true,
    },
  ];
}

/** Keys of a part that tell the cache or the client something and the model nothing; a text is one whoever said it. */
const UNSEEN: ReadonlySet<string> = new Set(["prompt_cache_breakpoint", "annotations", "logprobs", "type"]);
const ALL_SEEN: ReadonlySet<string> = new Set();

function messageBlocks(item: JsonObject): Block[] {
  const role = stringOf(item["role"]) ?? "";
  const parts = partsOf(item["content"]);
  return parts.map((part, index) => {
    const mark = markSeconds(part);
    const opening = index === 0 ? envelope(role, 3) : [];
    return {
      ...block("messages", index === 0 ? `${role}:first` : role, part, [...opening, ...partTokens(part)], UNSEEN),
      ...(mark === undefined ? {} : { markSeconds: mark }),
      ...(index === parts.length - 1 ? { endsMessage: true } : {}),
    };
  });
}

function block(
  level: Block["level"],
  role: string,
  value: JsonObject,
  tokens: readonly string[],
  without: ReadonlySet<string> = ALL_SEEN,
): Block {
  return { level, identity: digest(role, canonical(value, without)), tokens };
}

function envelope(role: string, count: number): string[] {
  return Array.from({ length: count }, (_, index) => `<${role}:${index}>`);
}

function partTokens(part: JsonObject): readonly string[] {
  const text = stringOf(part["text"]) ?? stringOf(part["refusal"]);
  if (text !== undefined) return tokensOf(text);
  const url = stringOf(part["image_url"]);
  if (url === undefined) return tokensOf(canonical(part, UNSEEN));
  const detail = stringOf(part["detail"]) ?? "auto";
  const bytes = dataUrlOf(url)?.bytes;
  return opaqueTokens(`${detail}:${url}`, imageTokens(bytes === undefined ? undefined : pictureOf(bytes), detail));
}
