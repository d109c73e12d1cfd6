/**
 * Whether what a request calls an image can be one: told by the bytes that its file begins with.
 *
 * Only what is no image of any kind is refused here. One of another kind than it is called, or damaged further on, is the
 * provider's to judge.
 */
import type { ChatRequest, Part } from "./chat.ts";
import { GatewayError } from "./errors.ts";

/** The kinds that every provider takes; what is called otherwise is not judged. */
const JUDGED: ReadonlySet<string> = new Set(["image/jpeg", "image/jpg", "image/png", "image/gif", "image/webp"]);

/** In Latin-1: JPEG, PNG, GIF, WebP, BMP, TIFF (both byte orders), HEIC and AVIF, SVG. */
const BEGINNINGS = /^(?:\xff\xd8\xff|\x89PNG|GIF8|RIFF[^]{4}WEBP|BM|II\*|MM[^]\*|[^]{4}ftyp|\s*<(?:svg|\?xml))/;

/** Characters of base64 that are decoded: the longest beginning has 12 bytes. */
const HEAD_CHARACTERS = 32;

/** @throws GatewayError `invalid-request` */
export function requireImages(request: ChatRequest): void {
  for (const message of request.messages) {
    message.parts.forEach(requireImage);
  }
}

function requireImage(part: Part): void {
  if (part.type === "tool-result") {
    part.content.forEach(requireImage);
    return;
  }
  if (part.type !== "image" || part.source.type !== "base64") return;
  const { mediaType, data } = part.source;
  if (!JUDGED.has(mediaType) || canBeImage(data)) return;
  throw new GatewayError(
    "invalid-request",
    `an image is none: its data must be the base64 of a JPEG, PNG, GIF or WebP file, and does not begin like one`,
    { param: "messages", code: "invalid_image" },
  );
}

function canBeImage(data: string): boolean {
  return BEGINNINGS.test(Buffer.from(data.slice(0, HEAD_CHARACTERS), "base64").toString("latin1"));
}
