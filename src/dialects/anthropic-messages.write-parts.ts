/**
 * Writes single parts as content blocks.
 */
import type { DialectName, DocumentPart, ImagePart, JsonObject, MediaSource, Part, ReasoningPart } from "../chat.ts";
import { GatewayError } from "../errors.ts";
import type { Markable } from "./anthropic-messages.marks.ts";
import { IMAGE_TYPES } from "./anthropic-messages.parts.ts";
import { NAME } from "./anthropic-messages.words.ts";
import { fieldWord } from "./field-words.ts";

export type Lose = (field: string, path?: string) => void;

/** @returns `undefined` for what is left out: text without a letter, which the API refuses, and losses. */
export function writePart(part: Part, dialect: DialectName, path: string, lose: Lose): JsonObject | undefined {
  const own = dialect === NAME ? part.extra : undefined;
  if (dialect !== NAME) for (const key of Object.keys(part.extra ?? {})) lose(fieldWord(key), `${path}.${key}`);
  switch (part.type) {
    case "text":
      return part.text.trim() === "" ? undefined : { type: "text", text: part.text, ...own };
    case "refusal":
      lose("refusal", path);
      return part.text.trim() === "" ? undefined : { type: "text", text: part.text };
    case "image":
      return { type: "image", source: imageSource(part, dialect, path, lose), ...own };
    case "document":
      return {
        type: "document",
        source: documentSource(part, dialect, path),
        ...(part.name === undefined ? {} : { title: part.name }),
        ...own,
      };
    case "audio":
      throw unsupported("audio input", path);
    case "reasoning":
      return reasoningBlock(part, path, lose);
    case "opaque":
      if (part.dialect === NAME && isBlock(part.value)) return part.value;
      lose("unknown-block", path);
      return undefined;
    case "tool-call":
    case "tool-result":
      // Both are written by whoever pairs them; anywhere else they cannot stand.
      lose("unknown-block", path);
      return undefined;
  }
}

function isBlock(value: unknown): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/**
 * Only its issuer can read a signature, and the API refuses thinking without one. Clients of other dialects bring back what was
 * issued here as it was given to them, and so do clients of this one with what others issued.
 */
function reasoningBlock(part: ReasoningPart, path: string, lose: Lose): JsonObject | undefined {
  const isOurs = part.issuer === NAME;
  if (isOurs && part.redacted !== undefined) return { type: "redacted_thinking", data: part.redacted };
  if (isOurs && part.signature !== undefined)
    return { type: "thinking", thinking: part.text, signature: part.signature };
  lose("reasoning", path);
  return undefined;
}

function imageSource({ source, detail }: ImagePart, dialect: DialectName, path: string, lose: Lose): JsonObject {
  if (detail !== undefined && detail !== "auto") lose("detail", path);
  const media = undataed(source);
  if (media.type !== "base64") return mediaSource(media, dialect, path);
  const mediaType = media.mediaType === "image/jpg" ? "image/jpeg" : media.mediaType;
  if (IMAGE_TYPES.includes(mediaType)) return mediaSource({ ...media, mediaType }, dialect, path);
  throw unsupported(`an image of type ${mediaType.slice(0, 64)} (${IMAGE_TYPES.join(", ")} are taken)`, path);
}

function documentSource({ source }: DocumentPart, dialect: DialectName, path: string): JsonObject {
  if (source.type === "text") return { type: "text", media_type: "text/plain", data: source.text };
  const media = undataed(source);
  if (media.type !== "base64" || media.mediaType === "application/pdf") return mediaSource(media, dialect, path);
  if (media.mediaType.startsWith("text/")) {
    return { type: "text", media_type: "text/plain", data: Buffer.from(media.data, "base64").toString("utf8") };
  }
  throw unsupported(`a document of type ${media.mediaType.slice(0, 64)} (application/pdf and text are taken)`, path);
}

function mediaSource(source: MediaSource, dialect: DialectName, path: string): JsonObject {
  switch (source.type) {
    case "base64":
      return { type: "base64", media_type: source.mediaType, data: source.data };
    case "url":
      if (/^https?:\/\//i.test(source.url)) return { type: "url", url: source.url };
      throw unsupported("a URL that is neither http(s) nor a base64 data URL", path);
    case "file":
      if (dialect === NAME) return { type: "file", file_id: source.id };
      throw unsupported("a file kept by another provider", path);
  }
}

/** A data URL is base64 that says its own type. */
function undataed(source: MediaSource): MediaSource {
  if (source.type !== "url" || !/^data:/i.test(source.url)) return source;
  const comma = source.url.indexOf(",");
  const [mediaType = "", ...parameters] = source.url.slice(5, comma < 0 ? 5 : comma).split(";");
  if (comma < 0 || parameters.at(-1)?.toLowerCase() !== "base64") return source;
  return { type: "base64", mediaType: mediaType.toLowerCase(), data: source.url.slice(comma + 1) };
}

/** A result's block. Plain text stays plain, as clients of this dialect write it. */
export function resultBlock(
  id: string,
  content: readonly Markable[],
  isError: boolean | undefined,
  extra: JsonObject | undefined,
): JsonObject {
  const [only, ...others] = content;
  const text =
    only !== undefined && others.length === 0 && Object.keys(only.value).length === 2 ? only.value["text"] : undefined;
  return {
    type: "tool_result",
    tool_use_id: id,
    ...(content.length === 0 ? {} : { content: typeof text === "string" ? text : content.map((block) => block.value) }),
    ...(isError === undefined ? {} : { is_error: isError }),
    ...extra,
  };
}

/** Pictures and documents stand in what the user says, and in tools' results, only. */
export function refuseMedia(what: string, role: string, path: string): never {
  throw unsupported(`${what === "image" ? "an image" : "a document"} in a message of role ${role}`, path);
}

function unsupported(what: string, path: string): GatewayError {
  return new GatewayError("unsupported", `${path}: ${NAME} cannot take ${what}`, { param: path });
}
