/**
 * Anthropic's messages: what it refuses in them, and the blocks its cache sees.
 */
import type { JsonObject, JsonValue } from "../../../src/chat.ts";
import type { ModelRecord } from "../../../src/model.ts";
import { base64Bytes, pictureOf } from "../image.ts";
import { type Block, canonical } from "../prompt.ts";
import { digest, opaqueTokens, tokensOf } from "../tokens.ts";
import { markSeconds, UNCACHED_KEYS } from "./anthropic.blocks.ts";
import { generationOf, invalid, isAppendOnly, type Signer, verify } from "./anthropic.thinking.ts";
import { isObject, objects, stringOf } from "./wire.ts";

export interface MessagesReading {
  readonly blocks: readonly Block[];
  readonly lastUserText: string;
  readonly toolResults: readonly string[];
  readonly hasImages: boolean;
  readonly hasCitations: boolean;
  readonly prefill: string | undefined;
  /** Hash of all that was said: what a thought that answers it is bound to. */
  readonly contentHash: string;
}

export interface Turn {
  readonly role: string;
  readonly content: readonly JsonObject[];
  /** Index of its first message, for error texts. */
  readonly index: number;
}

const BLOCK_TYPES: ReadonlySet<string> = new Set([
  "text",
  "image",
  "document",
  "search_result",
  "tool_use",
  "tool_result",
  "thinking",
  "redacted_thinking",
  "server_tool_use",
  "web_search_tool_result",
  "web_fetch_tool_result",
  "code_execution_tool_result",
  "container_upload",
  "tool_reference",
  "mcp_tool_use",
  "mcp_tool_result",
  "tool_search_tool_result",
  "advisor_tool_result",
  "bash_code_execution_tool_result",
  "text_editor_code_execution_tool_result",
  "compaction",
  "tool_addition",
  "tool_removal",
]);
const MEDIA_TYPES: ReadonlySet<string> = new Set(["image/jpeg", "image/png", "image/gif", "image/webp"]);

const IMAGE_PIXELS_MAX = 8000;

/** Messages with content as blocks. @throws Refusal for shapes that are none. */
export function turnsOf(messages: JsonValue | undefined, record: ModelRecord): Turn[] {
  if (messages === undefined) throw invalid("messages: Field required");
  if (!Array.isArray(messages)) throw invalid("messages: Input should be a valid list");
  if (messages.length === 0) throw invalid("messages: at least one message is required");
  const turns = (messages as readonly JsonValue[]).map((message, index): Turn => {
    if (!isObject(message)) throw invalid(`messages.${index}: Input should be an object`);
    const role = stringOf(message["role"]);
    if (role === undefined) throw invalid(`messages.${index}.role: Field required`);
    if (role !== "user" && role !== "assistant" && !(role === "system" && record.systemInMessages)) {
      throw invalid(
        role === "system"
          ? `messages.${index}: role 'system' is not supported on this model`
          : `messages.${index}.role: Input should be 'user' or 'assistant'`,
      );
    }
    const unknown = Object.keys(message).find((key) => !["role", "content", "output_config", "id"].includes(key));
    if (unknown !== undefined) throw invalid(`messages.${index}.${unknown}: Extra inputs are not permitted`);
    return { role, index, content: contentOf(message["content"], `messages.${index}`) };
  });
  if (turns[0]?.role !== "user") throw invalid('messages: first message must use the "user" role');
  checkImageCount(turns, record);
  for (const [index, turn] of turns.entries()) {
    const isLast = index === turns.length - 1;
    // A system message may say nothing but how hard to think from here on.
    const mayBeEmpty = (isLast && turn.role === "assistant") || turn.role === "system";
    if (turn.content.length === 0 && !mayBeEmpty) {
      throw invalid(
        `messages.${index}: all messages must have non-empty content except for the optional final assistant message`,
      );
    }
  }
  return turns;
}

/** Larger windows take more pictures. */
function checkImageCount(turns: readonly Turn[], record: ModelRecord): void {
  const most = (record.contextTokens ?? 0) > 200_000 ? 600 : 100;
  const count = turns
    .flatMap((turn) => turn.content.flatMap((block) => [block, ...objects(block["content"])]))
    .filter((block) => block["type"] === "image").length;
  if (count > most) throw invalid(`messages: too many images: ${count} > ${most} maximum`);
}

function contentOf(content: JsonValue | undefined, path: string): JsonObject[] {
  if (content === undefined) throw invalid(`${path}.content: Field required`);
  if (typeof content === "string") return content === "" ? [] : [{ type: "text", text: content }];
  if (!Array.isArray(content)) throw invalid(`${path}.content: Input should be a valid list`);
  return (content as readonly JsonValue[]).map((block, index) => {
    if (!isObject(block)) throw invalid(`${path}.content.${index}: Input should be an object`);
    const type = stringOf(block["type"]);
    if (type === undefined || !BLOCK_TYPES.has(type)) {
      throw invalid(
        `${path}.content.${index}: Input tag '${type ?? ""}' found using 'type' does not match any of the expected tags: ${[...BLOCK_TYPES].map((one) => `'${one}'`).join(", ")}`,
      );
    }
    checkBlock(block, type, `${path}.content.${index}`);
    return block;
  });
}

function checkBlock(block: JsonObject, type: string, path: string): void {
  switch (type) {
    case "text": {
      const text = stringOf(block["text"]);
      if (text === undefined) throw invalid(`${path}.text.text: Field required`);
      if (text === "") throw invalid("messages: text content blocks must be non-empty");
      if (text.trim() === "") throw invalid("messages: text content blocks must contain non-whitespace text");
      return;
    }
    case "image":
      return checkImage(block["source"], path);
    case "tool_use":
      if (!/^[a-zA-Z0-9_-]+$/.test(stringOf(block["id"]) ?? ""))
        throw invalid(`${path}.tool_use.id: String should match pattern '^[a-zA-Z0-9_-]+$'`);
      if (!isObject(block["input"])) throw invalid(`${path}.tool_use.input: Input should be a valid dictionary`);
      return;
    case "tool_result":
      if (!/^[a-zA-Z0-9_-]+$/.test(stringOf(block["tool_use_id"]) ?? ""))
        throw invalid(`${path}.tool_result.tool_use_id: String should match pattern '^[a-zA-Z0-9_-]+$'`);
      for (const [index, inner] of objects(block["content"]).entries())
        if (inner["type"] === "image") checkImage(inner["source"], `${path}.tool_result.content.${index}`);
      return;
    case "thinking":
    case "redacted_thinking":
      if (block["cache_control"] !== undefined && block["cache_control"] !== null)
        throw invalid(`${path}.${type}.cache_control: Extra inputs are not permitted`);
      return;
    default:
  }
}

function checkImage(source: JsonValue | undefined, path: string): void {
  if (!isObject(source)) throw invalid(`${path}.image.source: Field required`);
  if (source["type"] !== "base64") return;
  const mediaType = stringOf(source["media_type"]) ?? "";
  if (!MEDIA_TYPES.has(mediaType))
    throw invalid(
      `${path}.image.source.base64.media_type: Input should be 'image/jpeg', 'image/png', 'image/gif' or 'image/webp'`,
    );
  const bytes = base64Bytes(stringOf(source["data"]) ?? "");
  if (bytes === undefined) throw invalid(`${path}.image.source.base64: invalid base64 data`);
  const picture = pictureOf(bytes);
  if (picture === undefined) throw invalid("Could not process image");
  if (Math.max(picture.width, picture.height) > IMAGE_PIXELS_MAX) {
    throw invalid(
      `${path}.image.source.base64.data: At least one of the image dimensions exceed max allowed size: ${IMAGE_PIXELS_MAX} pixels`,
    );
  }
  if (picture.mediaType !== mediaType)
    throw invalid(
      `${path}.image.source.base64.data: The image was specified using the ${mediaType} media type, but the image appears to be a ${picture.mediaType} image`,
    );
}

/** Calls and results must meet: every call answered at once, in one message, before anything else in it. */
export function checkToolTraffic(turns: readonly Turn[]): void {
  // The server merges neighbours of one role before it looks.
  const merged: { role: string; index: number; content: JsonObject[] }[] = [];
  for (const turn of turns.filter((one) => one.role !== "system")) {
    const previous = merged.at(-1);
    if (previous?.role === turn.role) previous.content.push(...turn.content);
    else merged.push({ role: turn.role, index: turn.index, content: [...turn.content] });
  }
  const seen = new Set<string>();
  for (const [at, turn] of merged.entries()) {
    const calls =
      turn.role === "assistant"
        ? turn.content.filter((block) => block["type"] === "tool_use").map((block) => String(block["id"]))
        : [];
    const twice = calls.find((id) => seen.has(id));
    if (twice !== undefined) throw invalid(`messages.${turn.index}: \`tool_use\` ids must be unique`);
    for (const id of calls) seen.add(id);
    const previousCalls = at === 0 ? [] : callIds(merged[at - 1]);
    for (const [index, block] of turn.content.entries()) {
      if (block["type"] !== "tool_result" || previousCalls.includes(String(block["tool_use_id"]))) continue;
      throw invalid(
        `messages.${turn.index}.content.${index}: unexpected \`tool_use_id\` found in \`tool_result\` blocks: ${String(block["tool_use_id"])}. ` +
          "Each `tool_result` block must have a corresponding `tool_use` block in the previous message.",
      );
    }
    const next = merged[at + 1];
    if (calls.length === 0) continue;
    const answered = leadingResults(next?.content ?? []);
    const missing = calls.filter((id) => !answered.includes(id));
    if (missing.length > 0) {
      throw invalid(
        `messages.${turn.index}: \`tool_use\` ids were found without \`tool_result\` blocks immediately after: ${missing.join(", ")}. ` +
          "Each `tool_use` block must have a corresponding `tool_result` block in the next message.",
      );
    }
  }
}

function callIds(turn: { readonly role: string; readonly content: readonly JsonObject[] } | undefined): string[] {
  if (turn?.role !== "assistant") return [];
  return turn.content.filter((block) => block["type"] === "tool_use").map((block) => String(block["id"]));
}

function leadingResults(content: readonly JsonObject[]): string[] {
  const end = content.findIndex((block) => block["type"] !== "tool_result");
  return content.slice(0, end < 0 ? content.length : end).map((block) => String(block["tool_use_id"]));
}

export interface MessagesContext {
  readonly record: ModelRecord;
  readonly signer: Signer;
  /** Hash of tools and system, without anything that only steers the answer. */
  readonly contentHash: string;
  /** Stretches a block's tokens to the model's own count. */
  scale(tokens: string[]): string[];
  readonly checksSignatures: boolean;
  /** A tool that is offered and not loaded, as the block it becomes where a result refers to it. */
  deferred(name: string): Block | undefined;
}

export function readMessages(turns: readonly Turn[], context: MessagesContext): MessagesReading {
  const { record, signer } = context;
  const lastPlainUser = turns.findLastIndex(
    (turn) => turn.role === "user" && turn.content.some((block) => block["type"] !== "tool_result"),
  );
  const stripsThinking = record.reasoning.kind === "budget";
  const blocks: Block[] = [];
  const loaded = new Set<string>();
  let hash = context.contentHash;
  let hasImages = false;
  let hasCitations = false;
  for (const [at, turn] of turns.entries()) {
    const before = hash;
    for (const [index, block] of turn.content.entries()) {
      const type = String(block["type"]);
      const isThought = type === "thinking" || type === "redacted_thinking";
      if (isThought && context.checksSignatures)
        checkSignature(block, type, `messages.${turn.index}.content.${index}`, signer, before, record);
      hasImages ||= type === "image" || objects(block["content"]).some((inner) => inner["type"] === "image");
      hasCitations ||= isObject(block["citations"]) && block["citations"]["enabled"] === true;
      for (const name of referencesIn(block)) {
        const tool = loaded.has(name) ? undefined : context.deferred(name);
        loaded.add(name);
        if (tool !== undefined) blocks.push(tool);
      }
      // Older models forget what they thought once the user speaks again.
      if (isThought && stripsThinking && at < lastPlainUser) continue;
      const identity = digest(turn.role, canonical(block, UNCACHED_KEYS));
      hash = digest(hash, identity);
      const mark = isThought ? undefined : markSeconds(block);
      blocks.push({
        level: "messages",
        identity,
        tokens: context.scale([...(index === 0 ? [`<${turn.role}>`, "<:>", "</>"] : []), ...blockTokens(block, type)]),
        ...(mark === undefined ? {} : { markSeconds: mark }),
        toolTraffic: type === "tool_use" || type === "tool_result",
      });
    }
  }
  const last = turns.at(-1);
  const isPrefilled = last?.role === "assistant";
  return {
    blocks,
    hasImages,
    hasCitations,
    contentHash: hash,
    lastUserText: lastText(turns),
    toolResults: last?.role === "user" || last?.role === "system" ? trailingResults(turns) : [],
    prefill: isPrefilled ? textIn(last.content) : undefined,
  };
}

function referencesIn(block: JsonObject): string[] {
  return objects(block["content"])
    .filter((inner) => inner["type"] === "tool_reference")
    .map((inner) => String(inner["tool_name"]));
}

function checkSignature(
  block: JsonObject,
  type: string,
  path: string,
  signer: Signer,
  contentHash: string,
  record: ModelRecord,
): void {
  const signature = stringOf(block[type === "thinking" ? "signature" : "data"]) ?? "";
  const signedAfter = verify(signer, type === "thinking" ? (stringOf(block["thinking"]) ?? "") : "redacted", signature);
  if (signedAfter === undefined)
    throw invalid(`${path}: Invalid \`${type === "thinking" ? "signature" : "data"}\` in \`${type}\` block`);
  if (isAppendOnly(record) && signedAfter !== contentHash) {
    throw invalid(
      `${path}: \`thinking\` blocks cannot be replayed after \`system\`, \`tools\` or earlier messages have changed: keep the conversation append-only, or remove all thinking blocks.`,
    );
  }
}

function blockTokens(block: JsonObject, type: string): string[] {
  if (type === "image") return imageTokens(block["source"]);
  const inner = objects(block["content"]);
  if (type === "tool_result" && inner.some((one) => one["type"] === "image")) {
    return inner.flatMap((one) =>
      one["type"] === "image" ? imageTokens(one["source"]) : tokensOf(stringOf(one["text"]) ?? canonical(one)),
    );
  }
  if (type === "text") return tokensOf(stringOf(block["text"]) ?? "");
  if (type === "thinking") return tokensOf(stringOf(block["thinking"]) ?? "");
  if (type === "redacted_thinking") return [];
  const { type: _, cache_control: __, ...rest } = block;
  return tokensOf(JSON.stringify(rest));
}

function imageTokens(source: JsonValue | undefined): string[] {
  const data = isObject(source) ? (stringOf(source["data"]) ?? canonical(source)) : "";
  const picture = isObject(source) && source["type"] === "base64" ? pictureOf(Buffer.from(data, "base64")) : undefined;
  const count =
    picture === undefined ? 1024 : Math.max(1, Math.min(1600, Math.ceil((picture.width * picture.height) / 750)));
  return opaqueTokens(data, count);
}

function trailingResults(turns: readonly Turn[]): string[] {
  const results: string[] = [];
  for (const turn of turns.toReversed()) {
    if (turn.role === "assistant") break;
    const texts = turn.content
      .filter((block) => block["type"] === "tool_result")
      .map((block) => stringOf(block["content"]) ?? textIn(objects(block["content"])));
    results.unshift(...texts);
  }
  return results;
}

function lastText(turns: readonly Turn[]): string {
  const turn = turns.findLast((one) => one.role === "user" && one.content.some((block) => block["type"] === "text"));
  return textIn(turn?.content ?? []);
}

function textIn(content: readonly JsonObject[]): string {
  return content.flatMap((block) => (block["type"] === "text" ? [stringOf(block["text"]) ?? ""] : [])).join("\n");
}

/** With a thinking budget, the last assistant turn of a tool loop must open with its thought. */
export function checkLoopOpensWithThought(turns: readonly Turn[], record: ModelRecord): void {
  if (generationOf(record.id) >= 4.6) return;
  const last = turns.findLast((turn) => turn.role === "assistant");
  const isLoop = turns.at(-1)?.content.some((block) => block["type"] === "tool_result") === true;
  const first = last?.content[0]?.["type"];
  if (!isLoop || last === undefined || first === "thinking" || first === "redacted_thinking") return;
  throw invalid(
    `messages.${last.index}.content.0.type: Expected \`thinking\` or \`redacted_thinking\`, but found \`${String(first)}\`. When \`thinking\` is enabled, ` +
      "a final `assistant` message must start with a thinking block (preceeding the lastmost set of `tool_use` and `tool_result` blocks).",
  );
}
