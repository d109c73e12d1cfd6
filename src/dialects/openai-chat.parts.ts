/**
 * Reads the parts of a message's content.
 */
import type { CacheMark, JsonObject, JsonValue, MediaSource, OpaquePart, Part } from "../chat.ts";
import { THINKING_CHUNK, thinkingText } from "./openai-chat.details.ts";
import { isArray, isObject, NAME, textOf, without } from "./openai-chat.words.ts";
import { invalid, told, toldWord } from "./refused.ts";

/** Content as text or as parts; `null` where the role may have none. */
export function readContent(content: JsonValue | undefined, path: string): Part[] {
  if (typeof content === "string") return content === "" ? [] : [{ type: "text", text: content }];
  if (content === null || content === undefined) return [];
  if (isArray(content)) return content.map((part, at) => readPart(part, `${path}[${at}]`));
  throw invalid(path, `\`${path}\` is ${told(content)}; text or an array of content parts is expected`);
}

function readPart(part: JsonValue, path: string): Part {
  if (typeof part === "string") return { type: "text", text: part };
  if (!isObject(part)) throw invalid(path, `\`${path}\` is ${told(part)}; a content part is an object with \`type\``);
  const type = part["type"] ?? (typeof part["text"] === "string" ? "text" : "unknown");
  if (typeof type !== "string")
    throw invalid(`${path}.type`, `\`${path}.type\` is ${toldWord(type)}; text is expected`);
  switch (type) {
    case "text":
      return { type: "text", text: required(part, "text", path), ...common(part, ["text"]) };
    case "refusal":
      return { type: "refusal", text: required(part, "refusal", path), ...common(part, ["refusal"]) };
    case "image_url":
      return readImage(part, path);
    case "input_audio":
      return readAudio(part);
    case "file":
      return readFile(part, path);
    case "document_url":
      return readDocumentUrl(part, path);
    case "thinking":
      return readThinking(part);
    default:
      return opaque(part, type);
  }
}

/** Mistral's clients give the URL bare. */
function readImage(part: JsonObject, path: string): Part {
  const image = part["image_url"];
  const url = isObject(image) ? image["url"] : image;
  if (typeof url !== "string" || url === "") {
    throw invalid(
      `${path}.image_url.url`,
      `\`${path}.image_url.url\` is ${told(url)}; an http(s) or base64 data URL is expected`,
    );
  }
  const detail = isObject(image) ? textOf(image["detail"]) : undefined;
  const rest = isObject(image) ? without(image, ["url", "detail"]) : undefined;
  return {
    type: "image",
    source: mediaOf(url),
    ...(detail === undefined ? {} : { detail }),
    ...common(part, ["image_url"], rest === undefined ? undefined : { image_url: rest }),
  };
}

function readAudio(part: JsonObject): Part {
  const audio = part["input_audio"];
  const data = isObject(audio) ? textOf(audio["data"]) : undefined;
  const format = isObject(audio) ? textOf(audio["format"]) : undefined;
  // Mistral takes a bare URL or base64, of which nobody says what it is.
  if (data === undefined || format === undefined) return opaque(part, "input_audio");
  return { type: "audio", format, data, ...common(part, ["input_audio"]) };
}

function readFile(part: JsonObject, path: string): Part {
  const file = part["file"];
  if (!isObject(file)) {
    throw invalid(
      `${path}.file`,
      `\`${path}.file\` is ${told(file)}; an object with \`file_data\` or \`file_id\` is expected`,
    );
  }
  const data = textOf(file["file_data"]);
  const id = textOf(file["file_id"]);
  const name = textOf(file["filename"]);
  if (data === undefined && id === undefined) return opaque(part, "file");
  const rest = without(file, ["file_data", "file_id", "filename"]);
  return {
    type: "document",
    source: data === undefined ? { type: "file", id: id ?? "" } : documentOf(data),
    ...(name === undefined ? {} : { name }),
    ...common(part, ["file"], rest === undefined ? undefined : { file: rest }),
  };
}

/** OpenAI's older examples give the base64 without a type: it is a PDF, the only kind there was. */
export function documentOf(data: string): MediaSource {
  return /^(data|https?):/i.test(data) ? mediaOf(data) : { type: "base64", mediaType: "application/pdf", data };
}

function readDocumentUrl(part: JsonObject, path: string): Part {
  const url = required(part, "document_url", path);
  const name = textOf(part["document_name"]);
  return {
    type: "document",
    source: mediaOf(url),
    ...(name === undefined ? {} : { name }),
    ...common(part, ["document_url", "document_name"]),
  };
}

/** Mistral's; a signature on it is one that only Mistral can read. */
function readThinking(part: JsonObject): Part {
  const signature = textOf(part["signature"]) ?? "";
  return {
    type: "reasoning",
    text: thinkingText(part["thinking"]),
    ...(signature === "" ? {} : { signature, issuer: THINKING_CHUNK }),
  };
}

/** A base64 data URL says its own type; any other stays as it is. */
export function mediaOf(url: string): MediaSource {
  const comma = /^data:/i.test(url) ? url.indexOf(",") : -1;
  if (comma < 0) return { type: "url", url };
  const [mediaType = "", ...parameters] = url.slice(5, comma).split(";");
  if (parameters.at(-1)?.toLowerCase() !== "base64") return { type: "url", url };
  return { type: "base64", mediaType: mediaType.toLowerCase(), data: url.slice(comma + 1) };
}

/** OpenAI's breakpoint, or the mark that clients of other providers put on this dialect's parts, messages and tools. */
export function readMark(holder: JsonObject): CacheMark | undefined {
  const mark = isObject(holder["prompt_cache_breakpoint"])
    ? holder["prompt_cache_breakpoint"]
    : holder["cache_control"];
  if (!isObject(mark)) return undefined;
  const ttl = TTLS.find((known) => known === mark["ttl"]);
  return ttl === undefined ? {} : { ttl };
}

const TTLS = ["5m", "30m", "1h", "12h"] as const;
export const MARK_MEMBERS: readonly string[] = ["prompt_cache_breakpoint", "cache_control"];

function opaque(part: JsonObject, kind: string): OpaquePart {
  const cache = readMark(part);
  return { type: "opaque", dialect: NAME, kind, value: part, ...(cache === undefined ? {} : { cache }) };
}

/** The mark, and the members that only this dialect knows. */
function common(
  part: JsonObject,
  read: readonly string[],
  inner?: JsonObject,
): { readonly cache?: CacheMark; readonly extra?: JsonObject } {
  const cache = readMark(part);
  const rest = without(part, ["type", ...MARK_MEMBERS, ...read]);
  const extra = rest === undefined && inner === undefined ? undefined : { ...rest, ...inner };
  return { ...(cache === undefined ? {} : { cache }), ...(extra === undefined ? {} : { extra }) };
}

export function required(holder: JsonObject, key: string, path: string): string {
  const value = holder[key];
  if (typeof value === "string") return value;
  throw invalid(`${path}.${key}`, `\`${path}.${key}\` is ${told(value)}; text is expected`);
}
