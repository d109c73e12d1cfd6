/**
 * Writes single parts as content parts: what others say is input, what the assistant said is output.
 */
import type { CacheMark, DialectName, DocumentPart, ImagePart, JsonObject, MediaSource, Part } from "../chat.ts";
import { GatewayError } from "../errors.ts";
import { fieldWord } from "./field-words.ts";
import { isObject } from "./openai-chat.words.ts";
import { NAME } from "./openai-responses.words.ts";

export type Lose = (field: string, path?: string) => void;

/** A content part on the wire, which may bear a breakpoint. */
export interface Content {
  readonly value: JsonObject;
  mark: CacheMark | undefined;
}

export function textContent(text: string): Content {
  return { value: { type: "input_text", text }, mark: undefined };
}

/** @returns `undefined` for what is left out: noise, losses, and what is an item of its own. */
export function inputContent(part: Part, dialect: DialectName, path: string, lose: Lose): Content | undefined {
  const value = inputValue(part, dialect, path, lose);
  return value === undefined
    ? undefined
    : { value: { ...value, ...ownExtra(part, dialect, path, lose) }, mark: part.cache };
}

function inputValue(part: Part, dialect: DialectName, path: string, lose: Lose): JsonObject | undefined {
  switch (part.type) {
    case "text":
      return { type: "input_text", text: part.text };
    case "refusal":
      lose("refusal", path);
      return { type: "input_text", text: part.text };
    case "image":
      return imagePart(part, dialect, path);
    case "document":
      return documentPart(part, dialect, path);
    case "audio":
      if (dialect !== NAME) throw unsupported("audio input", path);
      return { type: "input_audio", input_audio: { data: part.data, format: part.format } };
    case "opaque":
      if (part.dialect === NAME && isObject(part.value)) return part.value;
      if (part.volatile !== true) lose("unknown-block", path);
      return undefined;
    case "reasoning":
      lose("reasoning", path);
      return undefined;
    case "tool-call":
    case "tool-result":
      // Both are items of their own; inside content they cannot stand.
      lose("unknown-block", path);
      return undefined;
  }
}

/** What the assistant said in words, as a part of a message of its; `undefined` for everything else. */
export function outputContent(part: Part, dialect: DialectName, path: string, lose: Lose): JsonObject | undefined {
  switch (part.type) {
    case "text":
      return { type: "output_text", text: part.text, ...ownExtra(part, dialect, path, lose) };
    case "refusal":
      return { type: "refusal", refusal: part.text, ...ownExtra(part, dialect, path, lose) };
    case "image":
    case "document":
    case "audio":
      throw unsupported(`${part.type} content in a message of role assistant`, path);
    default:
      return undefined;
  }
}

/** Members that only their own dialect knows. Those of a whole message stand on its first part. */
export function ownExtra(part: Part, dialect: DialectName, path: string, lose: Lose): JsonObject {
  if (part.extra === undefined || part.type === "opaque") return {};
  if (dialect === NAME) {
    const { message: _ofMessage, ...extra } = part.extra;
    return extra;
  }
  for (const key of Object.keys(part.extra)) lose(fieldWord(key), `${path}.${key}`);
  return {};
}

/** Servers that take this dialect's published types at their word want a detail. */
function imagePart({ source, detail }: ImagePart, dialect: DialectName, path: string): JsonObject {
  const said = detail ?? (dialect === NAME ? undefined : "auto");
  const at =
    source.type === "file" && dialect === NAME
      ? { file_id: source.id }
      : { image_url: urlOf(source, "an image", path) };
  return { type: "input_image", ...at, ...(said === undefined ? {} : { detail: said }) };
}

/** Text stays text: as a file it would be refused, or not be read. */
function documentPart({ source, name }: DocumentPart, dialect: DialectName, path: string): JsonObject {
  if (source.type === "text") return { type: "input_text", text: namedText(source.text, name) };
  if (source.type === "base64" && source.mediaType.startsWith("text/")) {
    return { type: "input_text", text: namedText(Buffer.from(source.data, "base64").toString("utf8"), name) };
  }
  const filename = name === undefined ? {} : { filename: name };
  if (source.type === "file" && dialect === NAME) return { type: "input_file", file_id: source.id, ...filename };
  if (source.type === "url" && !/^data:/i.test(source.url)) {
    return { type: "input_file", file_url: source.url, ...filename };
  }
  return {
    type: "input_file",
    filename: name ?? NAME_DEFAULT,
    file_data: urlOf(source, "a document", path),
  };
}

/** The API wants a name beside a file's bytes, the same for the same file. */
const NAME_DEFAULT = "document.pdf";

function namedText(text: string, name: string | undefined): string {
  return name === undefined ? text : `${name}\n\n${text}`;
}

function urlOf(source: MediaSource, what: string, path: string): string {
  switch (source.type) {
    case "base64":
      return `data:${source.mediaType};base64,${source.data}`;
    case "url":
      return source.url;
    case "file":
      throw unsupported(`${what} kept by another provider`, path);
  }
}

function unsupported(what: string, path: string): GatewayError {
  return new GatewayError("unsupported", `${path}: ${NAME} cannot take ${what}`, { param: path });
}
