/**
 * Writes single parts as content chunks.
 */
import type {
  AudioPart,
  DialectName,
  DocumentPart,
  ImagePart,
  JsonObject,
  MediaSource,
  Part,
  ReasoningPart,
} from "../chat.ts";
import { GatewayError } from "../errors.ts";
import { fieldWord } from "./field-words.ts";
import { isOwnSeal, NAME } from "./mistral-chat.words.ts";
import { isArray, isObject } from "./openai-chat.words.ts";

export type Lose = (field: string, path?: string) => void;

export interface PartContext {
  /** The dialect that the request came in. */
  readonly dialect: DialectName;
  /** Whether the model thinks, so that it takes what was thought before, by whomever. */
  readonly thinks: boolean;
  readonly lose: Lose;
}

/** @returns `undefined` for what is left out: noise, losses, and what is written elsewhere in a message. */
export function writePart(part: Part, path: string, context: PartContext): JsonObject | undefined {
  const value = chunkOf(part, path, context);
  if (value === undefined || part.type === "opaque" || part.type === "reasoning") return value;
  return { ...value, ...ownExtra(part, path, context) };
}

function chunkOf(part: Part, path: string, context: PartContext): JsonObject | undefined {
  const { dialect, lose } = context;
  switch (part.type) {
    case "text":
      return { type: "text", text: part.text };
    case "refusal":
      lose("refusal", path);
      return { type: "text", text: part.text };
    case "image":
      return imageChunk(part, path, lose);
    case "document":
      return documentChunk(part, dialect, path);
    case "audio":
      return audioChunk(part);
    case "reasoning":
      return thoughtChunk(part, path, context);
    case "opaque":
      if (part.dialect === NAME && isObject(part.value)) return part.value;
      if (part.volatile !== true) lose("unknown-block", path);
      return undefined;
    case "tool-call":
    case "tool-result":
      // Both are written by whoever pairs them; anywhere else they cannot stand.
      lose("unknown-block", path);
      return undefined;
  }
}

/** Members that only their own dialect knows. */
export function ownExtra(part: Part, path: string, { dialect, lose }: PartContext): JsonObject {
  if (part.extra === undefined) return {};
  if (dialect === NAME) return part.extra;
  for (const key of Object.keys(part.extra)) lose(fieldWord(key), `${path}.${key}`);
  return {};
}

const DETAILS: readonly string[] = ["low", "auto", "high"];

function imageChunk({ source, detail }: ImagePart, path: string, lose: Lose): JsonObject {
  const url = urlOf(source, "an image", path);
  const isKnown = detail !== undefined && DETAILS.includes(detail);
  if (detail !== undefined && !isKnown) lose("detail", path);
  return { type: "image_url", image_url: isKnown ? { url, detail } : url };
}

/** Text stays text: a document is a PDF or one of an office's files here. */
function documentChunk({ source, name }: DocumentPart, dialect: DialectName, path: string): JsonObject {
  if (source.type === "text") return { type: "text", text: namedText(source.text, name) };
  if (source.type === "file" && dialect === NAME) return { type: "file", file_id: source.id };
  if (source.type === "base64" && source.mediaType.startsWith("text/") && dialect !== NAME) {
    return { type: "text", text: namedText(Buffer.from(source.data, "base64").toString("utf8"), name) };
  }
  return {
    type: "document_url",
    document_url: urlOf(source, "a document", path),
    ...(name === undefined ? {} : { document_name: name }),
  };
}

function namedText(text: string, name: string | undefined): string {
  return name === undefined ? text : `${name}\n\n${text}`;
}

/** The bytes say their format themselves. */
function audioChunk({ data }: AudioPart): JsonObject {
  return { type: "input_audio", input_audio: data };
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

/**
 * A thought, sealed as Mistral sealed it. What another model thought can be read too, where a model thinks at all; its seal cannot.
 */
function thoughtChunk(
  part: ReasoningPart,
  path: string,
  { dialect, thinks, lose }: PartContext,
): JsonObject | undefined {
  const own = dialect === NAME;
  const signature = isOwnSeal(part.issuer) ? part.signature : undefined;
  const said = own ? { ...part.envelope, ...part.extra } : {};
  const pieces = isArray(said["thinking"])
    ? said["thinking"]
    : part.text === ""
      ? []
      : [{ type: "text", text: part.text }];
  const isReadable = pieces.length > 0 && (own || thinks);
  if (!isReadable && signature === undefined) {
    lose("reasoning", path);
    return undefined;
  }
  return {
    type: "thinking",
    closed: true,
    ...said,
    thinking: pieces,
    ...(signature === undefined ? {} : { signature }),
  };
}

/** Pictures, documents and sound stand in what the user says only. */
export function refuseMedia(what: string, role: string, path: string): never {
  throw unsupported(`${what} content in a message of role ${role}`, path);
}

function unsupported(what: string, path: string): GatewayError {
  return new GatewayError("unsupported", `${path}: ${NAME} cannot take ${what}`, { param: path });
}
