/**
 * Pictures and sound, which stand bare in one list here: base64 without a type, told apart by their first bytes as the server does.
 */
import type { AudioPart, ImagePart, MediaSource } from "../chat.ts";

/** What a member of `images` holds. A data URL, which the server would refuse, is taken for what it says. */
export function readMedia(given: string): ImagePart | AudioPart {
  const data = given.slice(/^data:[^,]*;base64,/i.exec(given)?.[0].length ?? 0);
  const head = Buffer.from(data.slice(0, HEAD_CHARACTERS), "base64").toString("latin1");
  const sound = SOUNDS.find(({ begins }) => begins.test(head));
  if (sound !== undefined) return { type: "audio", format: sound.format, data };
  const mediaType = PICTURES.find(({ begins }) => begins.test(head))?.mediaType ?? UNKNOWN_TYPE;
  return { type: "image", source: { type: "base64", mediaType, data } };
}

/** Base64 of more bytes than any beginning below has. */
const HEAD_CHARACTERS = 24;
const UNKNOWN_TYPE = "application/octet-stream";

const SOUNDS: readonly { readonly begins: RegExp; readonly format: string }[] = [
  { begins: /^RIFF[^]{4}WAVE/, format: "wav" },
  { begins: /^ID3|^\xff[\xe0-\xff]/, format: "mp3" },
];
const PICTURES: readonly { readonly begins: RegExp; readonly mediaType: string }[] = [
  { begins: /^\x89PNG/, mediaType: "image/png" },
  { begins: /^\xff\xd8\xff/, mediaType: "image/jpeg" },
  { begins: /^GIF8/, mediaType: "image/gif" },
  { begins: /^RIFF[^]{4}WEBP/, mediaType: "image/webp" },
  { begins: /^BM/, mediaType: "image/bmp" },
];

/** The sounds that the server knows by their first bytes; models that hear are few. */
export const SOUND_FORMATS: ReadonlySet<string> = new Set(SOUNDS.map(({ format }) => format));

/** @returns the bare base64; `undefined` for a source of which nobody here has the bytes. */
export function writeMedia(source: MediaSource): string | undefined {
  if (source.type === "base64") return source.data;
  const head = source.type === "url" ? /^data:[^,]*;base64,/i.exec(source.url)?.[0] : undefined;
  return source.type === "url" && head !== undefined ? source.url.slice(head.length) : undefined;
}
