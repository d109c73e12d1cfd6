/**
 * Writes single parts as content parts.
 */
import type { CacheMark, DialectName, DocumentPart, ImagePart, JsonObject, MediaSource, Part } from "../chat.ts";
import { GatewayError } from "../errors.ts";
import { fieldWord } from "./field-words.ts";
import { isObject, NAME } from "./openai-chat.words.ts";

export type Lose = (field: string, path?: string) => void;

/** A content part on the wire, which may bear a breakpoint. */
export interface Content {
  readonly value: JsonObject;
  mark: CacheMark | undefined;
}

export function textContent(text: string, mark?: CacheMark): Content {
  return { value: { type: "text", text }, mark };
}

/** @returns `undefined` for what is left out: noise, losses, and what is written elsewhere in a message. */
export function writePart(part: Part, dialect: DialectName, path: string, lose: Lose): Content | undefined {
  const value = partValue(part, dialect, path, lose);
  return value === undefined
    ? undefined
    : { value: joined(value, ownExtra(part, dialect, path, lose)), mark: part.cache };
}

/** Members that only this dialect knows stand on the part, or one step below. */
function joined(value: JsonObject, extra: JsonObject): JsonObject {
  const below = Object.entries(extra).map(([key, more]) => {
    const said = value[key];
    return [key, isObject(said) && isObject(more) ? { ...said, ...more } : more] as const;
  });
  return { ...value, ...Object.fromEntries(below) };
}

function partValue(part: Part, dialect: DialectName, path: string, lose: Lose): JsonObject | undefined {
  switch (part.type) {
    case "text":
      return { type: "text", text: part.text };
    case "refusal":
      return { type: "refusal", refusal: part.text };
    case "image":
      return imagePart(part, path);
    case "document":
      return documentPart(part, dialect, path);
    case "audio":
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
      // Both are written by whoever pairs them; anywhere else they cannot stand.
      lose("unknown-block", path);
      return undefined;
  }
}

/** Members that only their own dialect knows. */
export function ownExtra(part: Part, dialect: DialectName, path: string, lose: Lose): JsonObject {
  if (part.extra === undefined || part.type === "reasoning" || part.type === "opaque") return {};
  if (dialect === NAME) return part.extra;
  for (const key of Object.keys(part.extra)) lose(fieldWord(key), `${path}.${key}`);
  return {};
}

function imagePart({ source, detail }: ImagePart, path: string): JsonObject {
  return {
    type: "image_url",
    image_url: { url: urlOf(source, "an image", path), ...(detail === undefined ? {} : { detail }) },
  };
}

/** Text stays text: as a file it would be refused, or not be read. */
function documentPart({ source, name }: DocumentPart, dialect: DialectName, path: string): JsonObject {
  if (source.type === "text") return { type: "text", text: namedText(source.text, name) };
  if (source.type === "base64" && source.mediaType.startsWith("text/")) {
    return { type: "text", text: namedText(Buffer.from(source.data, "base64").toString("utf8"), name) };
  }
  if (source.type === "file" && dialect === NAME) {
    return { type: "file", file: { file_id: source.id, ...(name === undefined ? {} : { filename: name }) } };
  }
  if (source.type === "url" && dialect === NAME) {
    return { type: "document_url", document_url: source.url, ...(name === undefined ? {} : { document_name: name }) };
  }
  if (source.type === "url") throw unsupported("a document at a URL (give its bytes in base64)", path);
  return { type: "file", file: { filename: name ?? NAME_DEFAULT, file_data: urlOf(source, "a document", path) } };
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

/** Pictures, documents and sound stand in what the user says only. */
export function refuseMedia(what: string, role: string, path: string): never {
  throw unsupported(`${what} content in a message of role ${role}`, path);
}

function unsupported(what: string, path: string): GatewayError {
  return new GatewayError("unsupported", `${path}: ${NAME} cannot take ${what}`, { param: path });
}
