/**
 * Reads content blocks of a request into parts.
 */
import type { CacheMark, JsonObject, JsonValue, MediaSource, OpaquePart, Part, ToolResultPart } from "../chat.ts";
import { heldSeal } from "./seal.ts";
import { BILLING_KIND, BILLING_PREFIX, isArray, isObject, NAME, textOf, without } from "./anthropic-messages.words.ts";
import { invalid } from "./refused.ts";

export type BlockPlace = "system" | "user" | "assistant" | "tool_result";

export function readBlock(block: JsonValue, path: string, place: BlockPlace): Part {
  if (!isObject(block)) throw invalid(path, `\`${path}\` is not a content block; an object with \`type\` is expected`);
  const type = block["type"];
  if (typeof type !== "string")
    throw invalid(`${path}.type`, `\`${path}.type\` is missing; every content block needs one`);
  switch (type) {
    case "text":
      return readText(block, path, place);
    case "image":
      return readImage(block, path);
    case "document":
      return readDocument(block);
    case "thinking":
      return place === "assistant" ? readThinking(block, path) : opaque(block, type);
    case "redacted_thinking":
      return place === "assistant"
        ? { type: "reasoning", text: "", ...heldSeal(required(block, "data", path), "redacted", NAME) }
        : opaque(block, type);
    case "tool_use":
      return place === "assistant" ? readToolUse(block, path) : opaque(block, type);
    default:
      return opaque(block, type);
  }
}

/** A tool's result, whose content may be text, blocks, or nothing. */
export function readToolResult(block: JsonObject, path: string): ToolResultPart {
  const content = block["content"];
  const isError = block["is_error"];
  return {
    type: "tool-result",
    callId: requiredId(block, "tool_use_id", path),
    content: readResultContent(content, `${path}.content`),
    ...(typeof isError === "boolean" ? { isError } : {}),
    ...common(block, ["tool_use_id", "content", "is_error"]),
  };
}

function readResultContent(content: JsonValue | undefined, path: string): Part[] {
  if (content === undefined || content === null) return [];
  if (typeof content === "string") return [{ type: "text", text: content }];
  if (isArray(content)) return content.map((block, at) => readBlock(block, `${path}[${at}]`, "tool_result"));
  throw invalid(path, `\`${path}\` is neither text nor an array of content blocks`);
}

function readText(block: JsonObject, path: string, place: BlockPlace): Part {
  const text = required(block, "text", path);
  // Differs from session to session and says nothing to the model: no other dialect should see it, no prefix hash count it.
  if (place === "system" && text.startsWith(BILLING_PREFIX)) return { ...opaque(block, BILLING_KIND), volatile: true };
  return { type: "text", text, ...common(block, ["text"]) };
}

function readThinking(block: JsonObject, path: string): Part {
  const signature = textOf(block["signature"]);
  return {
    type: "reasoning",
    text: required(block, "thinking", path),
    ...(signature === undefined || signature === "" ? {} : heldSeal(signature, "signature", NAME)),
    ...common(block, ["thinking", "signature"]),
  };
}

/** Who calls is the model as a rule: only code that does it in the model's place is something to tell. */
function readToolUse(block: JsonObject, path: string): Part {
  const caller = block["caller"];
  const isDirect = isObject(caller) && caller["type"] === "direct";
  return {
    type: "tool-call",
    id: requiredId(block, "id", path),
    name: required(block, "name", path),
    arguments: JSON.stringify(block["input"] ?? {}),
    ...(isDirect ? { envelope: { caller } } : {}),
    ...common(block, ["id", "name", "input", ...(isDirect ? ["caller"] : [])]),
  };
}

function readImage(block: JsonObject, path: string): Part {
  const source = block["source"];
  if (!isObject(source))
    throw invalid(`${path}.source`, `\`${path}.source\` is missing; a base64, url or file source is expected`);
  const read = readMedia(source);
  if (read === undefined) {
    if (KNOWN_SOURCES.has(textOf(source["type"]) ?? "")) {
      throw invalid(
        `${path}.source`,
        `\`${path}.source\` lacks what its type needs: \`media_type\` and \`data\`, \`url\`, or \`file_id\``,
      );
    }
    return opaque(block, "image");
  }
  return { type: "image", source: read, ...common(block, ["source"]) };
}

function readDocument(block: JsonObject): Part {
  const source = block["source"];
  if (!isObject(source)) return opaque(block, "document");
  const name = textOf(block["title"]);
  const rest = {
    ...(name === undefined ? {} : { name }),
    ...common(block, name === undefined ? ["source"] : ["source", "title"]),
  };
  const text = source["type"] === "text" ? textOf(source["data"]) : undefined;
  if (text !== undefined) return { type: "document", source: { type: "text", text }, ...rest };
  const read = readMedia(source);
  return read === undefined ? opaque(block, "document") : { type: "document", source: read, ...rest };
}

const KNOWN_SOURCES: ReadonlySet<string> = new Set(["base64", "url", "file"]);

function readMedia(source: JsonObject): MediaSource | undefined {
  const mediaType = textOf(source["media_type"]);
  const data = textOf(source["data"]);
  const url = textOf(source["url"]);
  const id = textOf(source["file_id"]);
  switch (source["type"]) {
    case "base64":
      return mediaType === undefined || data === undefined ? undefined : { type: "base64", mediaType, data };
    case "url":
      return url === undefined ? undefined : { type: "url", url };
    case "file":
      return id === undefined ? undefined : { type: "file", id };
    default:
      return undefined;
  }
}

/** The image formats this dialect takes. Whether the bytes are what they are called is the provider's to judge, whoever it is. */
export const IMAGE_TYPES: readonly string[] = ["image/jpeg", "image/png", "image/gif", "image/webp"];

/** A mark; its lifetime only where it is one that the reading knows. */
export function readMark(value: JsonValue | undefined): CacheMark | undefined {
  if (!isObject(value)) return undefined;
  const ttl = value["ttl"];
  return ttl === "5m" || ttl === "1h" ? { ttl } : {};
}

function opaque(block: JsonObject, kind: string): OpaquePart {
  const cache = readMark(block["cache_control"]);
  return { type: "opaque", dialect: NAME, kind, value: block, ...(cache === undefined ? {} : { cache }) };
}

/** The mark, and the fields that only this dialect knows. */
function common(
  block: JsonObject,
  read: readonly string[],
): { readonly cache?: CacheMark; readonly extra?: JsonObject } {
  const cache = readMark(block["cache_control"]);
  const extra = without(block, ["type", "cache_control", ...read]);
  return { ...(cache === undefined ? {} : { cache }), ...(extra === undefined ? {} : { extra }) };
}

function required(block: JsonObject, key: string, path: string): string {
  const value = block[key];
  if (typeof value === "string") return value;
  throw invalid(`${path}.${key}`, `\`${path}.${key}\` is missing or not text`);
}

/** Of a call, and of what answers it: nothing could be told apart by an id of no characters, and the API refuses it, too. */
function requiredId(block: JsonObject, key: string, path: string): string {
  const id = required(block, key, path);
  if (id !== "") return id;
  throw invalid(`${path}.${key}`, `\`${path}.${key}\` is empty; the id that a call and its result share is needed`);
}
