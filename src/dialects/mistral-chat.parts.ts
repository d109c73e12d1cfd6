/**
 * Reads the chunks of a message's content.
 */
import type { JsonObject, JsonValue, OpaquePart, Part } from "../chat.ts";
import { NAME } from "./mistral-chat.words.ts";
import { thinkingText } from "./openai-chat.details.ts";
import { documentOf, mediaOf, required } from "./openai-chat.parts.ts";
import { isArray, isObject, textOf, without } from "./openai-chat.words.ts";
import { heldSeal } from "./seal.ts";
import { invalid, told, toldWord } from "./refused.ts";

/** Content as text or as chunks; `null` says nothing. */
export function readContent(content: JsonValue | undefined, path: string): Part[] {
  if (typeof content === "string") return content === "" ? [] : [{ type: "text", text: content }];
  if (content === null || content === undefined) return [];
  if (isArray(content)) return content.map((chunk, at) => readChunk(chunk, `${path}[${at}]`));
  throw invalid(path, `\`${path}\` is ${told(content)}; text or an array of content chunks is expected`);
}

function readChunk(chunk: JsonValue, path: string): Part {
  if (typeof chunk === "string") return { type: "text", text: chunk };
  if (!isObject(chunk))
    throw invalid(path, `\`${path}\` is ${told(chunk)}; a content chunk is an object with \`type\``);
  const type = chunk["type"] ?? (typeof chunk["text"] === "string" ? "text" : "unknown");
  if (typeof type !== "string")
    throw invalid(`${path}.type`, `\`${path}.type\` is ${toldWord(type)}; text is expected`);
  switch (type) {
    case "text":
      return { type: "text", text: required(chunk, "text", path), ...rest(chunk, ["text"]) };
    case "image_url":
      return readImage(chunk, path);
    case "document_url":
      return readDocument(chunk, path);
    case "file":
      return readFile(chunk);
    case "input_audio":
      return readAudio(chunk);
    case "thinking":
      return readThinking(chunk);
    // References among them, whose numbers mean something to their own service only.
    default:
      return opaque(chunk, type);
  }
}

function readImage(chunk: JsonObject, path: string): Part {
  const image = chunk["image_url"];
  const url = isObject(image) ? image["url"] : image;
  if (typeof url !== "string" || url === "") {
    throw invalid(
      `${path}.image_url`,
      `\`${path}.image_url\` is ${told(url)}; an http(s) or base64 data URL is expected, as text or as \`url\` of an object`,
    );
  }
  const detail = isObject(image) ? textOf(image["detail"]) : undefined;
  return {
    type: "image",
    source: mediaOf(url),
    ...(detail === undefined ? {} : { detail }),
    ...rest(chunk, ["image_url"]),
  };
}

function readDocument(chunk: JsonObject, path: string): Part {
  const name = textOf(chunk["document_name"]);
  return {
    type: "document",
    source: documentOf(required(chunk, "document_url", path)),
    ...(name === undefined ? {} : { name }),
    ...rest(chunk, ["document_url", "document_name"]),
  };
}

function readFile(chunk: JsonObject): Part {
  const id = textOf(chunk["file_id"]);
  if (id === undefined) return opaque(chunk, "file");
  return { type: "document", source: { type: "file", id }, ...rest(chunk, ["file_id"]) };
}

/** Base64 of which nobody says what it is, or a URL; some clients say it as OpenAI's do. */
function readAudio(chunk: JsonObject): Part {
  const audio = chunk["input_audio"];
  const isNamed = isObject(audio);
  const said = textOf(isNamed ? audio["data"] : audio) ?? "";
  const source = mediaOf(said);
  const data = source.type === "base64" ? source.data : said;
  const format = (isNamed ? textOf(audio["format"]) : undefined) ?? formatOf(data);
  if (data === "" || format === undefined) return opaque(chunk, "input_audio");
  return { type: "audio", format, data, ...rest(chunk, ["input_audio"]) };
}

/** Files of sound, by how they begin. */
const AUDIO_BEGINNINGS: readonly (readonly [format: string, isOne: (bytes: Buffer) => boolean])[] = [
  ["wav", (bytes) => begins(bytes, 0, "RIFF") && begins(bytes, 8, "WAVE")],
  ["flac", (bytes) => begins(bytes, 0, "fLaC")],
  ["ogg", (bytes) => begins(bytes, 0, "OggS")],
  ["m4a", (bytes) => begins(bytes, 4, "ftyp")],
  // A tag, or eleven bits that begin each frame.
  ["mp3", (bytes) => begins(bytes, 0, "ID3") || (bytes[0] === 0xff && ((bytes[1] ?? 0) & 0xe0) === 0xe0)],
];
const BEGINNING_CHARACTERS = 16;

function formatOf(base64: string): string | undefined {
  const bytes = Buffer.from(base64.slice(0, BEGINNING_CHARACTERS), "base64");
  return AUDIO_BEGINNINGS.find(([, isOne]) => isOne(bytes))?.[0];
}

function begins(bytes: Buffer, at: number, word: string): boolean {
  return bytes.toString("latin1", at, at + word.length) === word;
}

/**
 * A thought, with the seal under it: Mistral's own, or in its place another provider's.
 *
 * How its text was cut into chunks says nothing; what else stands among them does.
 */
function readThinking(chunk: JsonObject): Part {
  const signature = textOf(chunk["signature"]) ?? "";
  const { thinking } = chunk;
  const pieces = isArray(thinking) ? thinking : [];
  const isText = pieces.every((piece) => isObject(piece) && (piece["type"] ?? "text") === "text");
  const more = without(chunk, ["type", "thinking", "signature", "closed"]);
  const envelope = {
    ...(isText && pieces.length > 1 ? { thinking: pieces } : {}),
    ...(chunk["closed"] === false ? { closed: false } : {}),
  };
  const extra = { ...more, ...(isText ? {} : { thinking: pieces }) };
  return {
    type: "reasoning",
    text: thinkingText(thinking),
    ...(signature === "" ? {} : heldSeal(signature, "signature", NAME)),
    ...(Object.keys(envelope).length === 0 ? {} : { envelope }),
    ...(Object.keys(extra).length === 0 ? {} : { extra }),
  };
}

function opaque(chunk: JsonObject, kind: string): OpaquePart {
  return { type: "opaque", dialect: NAME, kind, value: chunk };
}

/** The members that only this dialect knows. */
function rest(chunk: JsonObject, read: readonly string[]): { readonly extra?: JsonObject } {
  const extra = without(chunk, ["type", ...read]);
  return extra === undefined ? {} : { extra };
}
