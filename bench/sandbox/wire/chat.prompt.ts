/**
 * A Chat Completions body as its cache and its model see it: what the servers that speak this form have in common. What each of them
 * refuses stands in its own file.
 */
import type { JsonObject, JsonValue } from "../../../src/chat.ts";
import { base64Bytes, pictureOf, type Picture } from "../image.ts";
import { type Block, canonical } from "../prompt.ts";
import { digest, opaqueTokens, tokensOf } from "../tokens.ts";
import { isObject, objects, stringOf } from "./wire.ts";

export interface ChatReading {
  readonly blocks: readonly Block[];
  readonly lastUserText: string;
  /** Results of the calls this request answers; empty unless the conversation ends in some. */
  readonly toolResults: readonly string[];
  /** Text of a last message that is the assistant's. */
  readonly prefill: string | undefined;
  readonly functions: readonly { readonly name: string; readonly schema: JsonValue | undefined }[];
}

export interface ChatPromptRules {
  /** How many tokens a picture is worth; `undefined` where it cannot be looked at (a URL). */
  imageTokens(picture: Picture | undefined, detail: string): number;
  /** The lifetime that a part's own mark asks for. */
  markSeconds?(part: JsonObject): number | undefined;
}

/** Tools, then the schema of the answer, then the messages: the order in which they are rendered. */
export function readChat(body: JsonObject, schema: JsonObject | undefined, rules: ChatPromptRules): ChatReading {
  const tools = objects(body["tools"]);
  const messages = objects(body["messages"]);
  const last = messages.at(-1);
  return {
    blocks: [
      ...tools.map((tool) => block("tools", "tool", tool, [...envelope("tool", 2), ...tokensOf(JSON.stringify(tool))])),
      ...(schema === undefined ? [] : [block("system", "schema", schema, tokensOf(JSON.stringify(schema)))]),
      ...messages.flatMap((message) => messageBlocks(message, rules)),
    ],
    lastUserText: textOf(messages.findLast((message) => message["role"] === "user")),
    toolResults: trailingResults(messages),
    prefill: last?.["role"] === "assistant" ? textOf(last) : undefined,
    functions: tools.flatMap((tool) => {
      const described = isObject(tool["function"]) ? tool["function"] : undefined;
      const name = stringOf(described?.["name"]);
      return name === undefined ? [] : [{ name, schema: described?.["parameters"] }];
    }),
  };
}

/** Content as parts; a string is one text part, and equal to it. */
export function partsOf(content: JsonValue | undefined): readonly JsonObject[] {
  if (typeof content === "string") return [{ type: "text", text: content }];
  return objects(content);
}

export function textOf(message: JsonObject | undefined): string {
  return partsOf(message?.["content"])
    .flatMap((part) => stringOf(part["text"]) ?? [])
    .join("\n");
}

/** Keys of a part that tell the cache something and the model nothing. */
const CACHE_KEYS: ReadonlySet<string> = new Set(["prompt_cache_breakpoint", "cache_control"]);

function messageBlocks(message: JsonObject, rules: ChatPromptRules): Block[] {
  const role = stringOf(message["role"]) ?? "";
  const { role: _, content, tool_calls: calls, ...rest } = message;
  const blocks = partsOf(content).map((part) => {
    const mark = rules.markSeconds?.(part);
    const made = block("messages", role, part, partTokens(part, rules));
    return mark === undefined ? made : { ...made, markSeconds: mark };
  });
  for (const call of objects(calls)) {
    const called = isObject(call["function"]) ? call["function"] : call;
    blocks.push(block("messages", `${role}-call`, call, [...envelope("call", 3), ...tokensOf(JSON.stringify(called))]));
  }
  // What opens a message is told apart by the rest of it: its name, the call it answers.
  const opening = block("messages", role, rest, envelope(role, 3));
  const first = blocks[0];
  const opened =
    first === undefined
      ? [opening]
      : [
          {
            ...first,
            identity: digest(opening.identity, first.identity),
            tokens: [...opening.tokens, ...first.tokens],
          },
          ...blocks.slice(1),
        ];
  const end = opened.length - 1;
  return opened.map((one, index) => (index === end ? { ...one, endsMessage: true } : one));
}

function block(level: Block["level"], role: string, value: JsonObject, tokens: readonly string[]): Block {
  return { level, identity: digest(role, canonical(value, CACHE_KEYS)), tokens };
}

function envelope(role: string, count: number): string[] {
  return Array.from({ length: count }, (_, index) => `<${role}:${index}>`);
}

/** The first picture in the messages whose bytes are none. */
export function brokenPictureIn(messages: readonly JsonObject[]): string | undefined {
  const urls = messages.flatMap((message) => objects(message["content"]).map(imageUrlOf));
  return urls.find((url) => url !== undefined && dataUrlOf(url) !== undefined && pictureIn(url) === undefined);
}

function imageUrlOf(part: JsonObject): string | undefined {
  const given = part["image_url"];
  return typeof given === "string" ? given : isObject(given) ? stringOf(given["url"]) : undefined;
}

function partTokens(part: JsonObject, rules: ChatPromptRules): readonly string[] {
  const text = stringOf(part["text"]) ?? stringOf(part["refusal"]);
  if (text !== undefined) return tokensOf(text);
  const given = part["image_url"];
  const url = imageUrlOf(part);
  if (url === undefined) return tokensOf(canonical(part, CACHE_KEYS));
  const detail = isObject(given) ? (stringOf(given["detail"]) ?? "auto") : "auto";
  return opaqueTokens(`${detail}:${url}`, rules.imageTokens(pictureIn(url), detail));
}

const DATA_URL = /^data:([\w.+-]+\/[\w.+-]+);base64,(.*)$/s;

export function dataUrlOf(url: string): { readonly mediaType: string; readonly bytes: Buffer | undefined } | undefined {
  const match = DATA_URL.exec(url);
  return match === null ? undefined : { mediaType: match[1] ?? "", bytes: base64Bytes(match[2] ?? "") };
}

function pictureIn(url: string): Picture | undefined {
  const bytes = dataUrlOf(url)?.bytes;
  return bytes === undefined ? undefined : pictureOf(bytes);
}

function trailingResults(messages: readonly JsonObject[]): string[] {
  const afterCalls = messages.findLastIndex((message) => message["role"] !== "tool") + 1;
  return messages.slice(afterCalls).map(textOf);
}
