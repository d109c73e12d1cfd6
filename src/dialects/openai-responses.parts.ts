/**
 * Reads the parts of a message's or a result's content.
 */
import type { CacheMark, JsonObject, JsonValue, OpaquePart, Part } from "../chat.ts";
import { documentOf, MARK_MEMBERS, mediaOf, readMark, required } from "./openai-chat.parts.ts";
import { isArray, isObject, textOf, without } from "./openai-chat.words.ts";
import { NAME } from "./openai-responses.words.ts";
import { invalid, told, toldWord } from "./refused.ts";

/** Content as text or as parts. */
export function readContent(content: JsonValue | undefined, path: string): Part[] {
  if (typeof content === "string") return content === "" ? [] : [{ type: "text", text: content }];
  if (isArray(content)) return content.map((part, at) => readPart(part, `${path}[${at}]`));
  throw invalid(path, `\`${path}\` is ${told(content)}; text or an array of content parts is expected`);
}

function readPart(part: JsonValue, path: string): Part {
  if (!isObject(part)) throw invalid(path, `\`${path}\` is ${told(part)}; a content part is an object with \`type\``);
  const { type } = part;
  if (typeof type !== "string")
    throw invalid(`${path}.type`, `\`${path}.type\` is ${toldWord(type)}; text is expected`);
  switch (type) {
    case "input_text":
    case "output_text":
    case "text":
      return { type: "text", text: required(part, "text", path), ...common(part, ["text"]) };
    case "refusal":
      return { type: "refusal", text: required(part, "refusal", path), ...common(part, ["refusal"]) };
    case "input_image":
      return readImage(part);
    case "input_file":
      return readFile(part);
    case "input_audio":
      return readAudio(part);
    default:
      return opaquePart(part, type);
  }
}

function readImage(part: JsonObject): Part {
  const url = textOf(part["image_url"]);
  const id = textOf(part["file_id"]);
  if (url === undefined && id === undefined) return opaquePart(part, "input_image");
  const detail = textOf(part["detail"]);
  return {
    type: "image",
    source: url === undefined ? { type: "file", id: id ?? "" } : mediaOf(url),
    ...(detail === undefined ? {} : { detail }),
    ...common(part, url === undefined ? ["file_id", "detail"] : ["image_url", "detail"]),
  };
}

function readFile(part: JsonObject): Part {
  const data = textOf(part["file_data"]);
  const url = textOf(part["file_url"]);
  const id = textOf(part["file_id"]);
  const name = textOf(part["filename"]);
  const rest = name === undefined ? {} : { name };
  if (data !== undefined) {
    return { type: "document", source: documentOf(data), ...rest, ...common(part, ["file_data", "filename"]) };
  }
  if (url !== undefined) {
    return { type: "document", source: { type: "url", url }, ...rest, ...common(part, ["file_url", "filename"]) };
  }
  if (id !== undefined) {
    return { type: "document", source: { type: "file", id }, ...rest, ...common(part, ["file_id", "filename"]) };
  }
  return opaquePart(part, "input_file");
}

/** In no published type, and taken by some servers all the same. */
function readAudio(part: JsonObject): Part {
  const audio = part["input_audio"];
  const data = isObject(audio) ? textOf(audio["data"]) : undefined;
  const format = isObject(audio) ? textOf(audio["format"]) : undefined;
  if (data === undefined || format === undefined) return opaquePart(part, "input_audio");
  return { type: "audio", format, data, ...common(part, ["input_audio"]) };
}

function opaquePart(part: JsonObject, kind: string): OpaquePart {
  const cache = readMark(part);
  return {
    type: "opaque",
    dialect: NAME,
    kind: kind.slice(0, KIND_CHARACTERS_MAX),
    value: part,
    ...(cache === undefined ? {} : { cache }),
  };
}

/** Kinds end up on ledger rows. */
export const KIND_CHARACTERS_MAX = 64;

/** The mark, and the members that only this dialect knows. Empty lists (of annotations, of log probabilities) say nothing. */
function common(
  part: JsonObject,
  read: readonly string[],
): { readonly cache?: CacheMark; readonly extra?: JsonObject } {
  const cache = readMark(part);
  const empty = Object.keys(part).filter((key) => isArray(part[key]) && part[key].length === 0);
  const extra = without(part, ["type", ...MARK_MEMBERS, ...read, ...empty]);
  return { ...(cache === undefined ? {} : { cache }), ...(extra === undefined ? {} : { extra }) };
}
