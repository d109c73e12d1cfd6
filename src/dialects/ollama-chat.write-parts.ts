/**
 * Writes the parts of a message as one text and a list of pictures.
 */
import type { DocumentPart, ImagePart, JsonObject, Part } from "../chat.ts";
import { GatewayError } from "../errors.ts";
import { fieldWord } from "./field-words.ts";
import { SOUND_FORMATS, writeMedia } from "./ollama-chat.media.ts";
import { NAME } from "./ollama-chat.words.ts";

export type Lose = (field: string, path?: string) => void;

export class PartWriter {
  readonly #own: boolean;
  readonly #hears: boolean;
  readonly #lose: Lose;

  /** @param own Whether the parts were read from this API. */
  constructor(own: boolean, hears: boolean, lose: Lose) {
    this.#own = own;
    this.#hears = hears;
    this.#lose = lose;
  }

  /** @returns the members of a message; `undefined` when nothing is left to say. */
  write(parts: readonly Part[], path: string): JsonObject | undefined {
    const texts: string[] = [];
    const images: string[] = [];
    for (const [at, part] of parts.entries()) {
      const where = `${path}.content[${at}]`;
      const text = this.#textOf(part, images, where);
      if (text !== undefined) texts.push(text);
      if (!this.#own) for (const key of unsaidIn(part)) this.#lose(fieldWord(key), `${where}.${key}`);
    }
    if (texts.length === 0 && images.length === 0) return undefined;
    // As the server itself joins what stands in one role.
    return { content: texts.join("\n\n"), ...(images.length === 0 ? {} : { images }) };
  }

  /** @param images Takes what the part shows. */
  #textOf(part: Part, images: string[], path: string): string | undefined {
    switch (part.type) {
      case "text":
        return part.text;
      case "refusal":
        this.#lose("refusal", path);
        return part.text;
      case "image":
        images.push(this.#image(part, path));
        return undefined;
      case "audio":
        if ((this.#own || this.#hears) && SOUND_FORMATS.has(part.format)) {
          images.push(part.data);
          return undefined;
        }
        this.#lose("audio", path);
        return standIn("A sound");
      case "document":
        return this.#document(part, path);
      case "reasoning":
        this.#lose("reasoning", path);
        return undefined;
      case "opaque":
        // Noise says nothing to the model.
        if (part.volatile !== true) this.#lose("unknown-block", path);
        return undefined;
      case "tool-call":
      case "tool-result":
        // Both are written by whoever pairs them; anywhere else they cannot stand.
        this.#lose("unknown-block", path);
        return undefined;
    }
  }

  /** Another way to give the same picture is at hand, so that nobody is served by leaving it out. */
  #image({ source, detail }: ImagePart, path: string): string {
    if (detail !== undefined && detail !== "auto") this.#lose("detail", path);
    const data = writeMedia(source);
    if (data !== undefined) return data;
    const what = source.type === "file" ? "an image kept by another provider" : "an image at a URL";
    throw new GatewayError("unsupported", `${path}: ${NAME} cannot take ${what} (give its bytes in base64)`, {
      param: path,
    });
  }

  /** Text stays text. Of anything else the model is told that it is not there: it would answer as if nobody had sent it. */
  #document({ source, name }: DocumentPart, path: string): string {
    const isText = source.type === "base64" && source.mediaType.startsWith("text/");
    const text = isText ? Buffer.from(source.data, "base64").toString("utf8") : undefined;
    const said = source.type === "text" ? source.text : text;
    if (said !== undefined) return name === undefined ? said : `${name}\n\n${said}`;
    this.#lose("document", path);
    return standIn(name === undefined ? "A document" : `The document "${name}"`);
  }
}

function standIn(what: string): string {
  return `(${what} was attached here, which this model cannot be given.)`;
}

/** Members that only the part's own dialect knows. */
function unsaidIn(part: Part): readonly string[] {
  return part.type === "reasoning" || part.type === "opaque" ? [] : Object.keys(part.extra ?? {});
}
