/** What a provider looks at in a picture before the model does: whether it is one, and how large. */
export interface Picture {
  readonly mediaType: string;
  readonly width: number;
  readonly height: number;
}

/** @returns `undefined` when the bytes are none of PNG, JPEG, GIF, WebP. */
export function pictureOf(bytes: Buffer): Picture | undefined {
  if (bytes.length >= 24 && bytes.subarray(0, 8).equals(PNG))
    return { mediaType: "image/png", width: bytes.readUInt32BE(16), height: bytes.readUInt32BE(20) };
  if (bytes.length >= 10 && bytes.toString("latin1", 0, 4) === "GIF8")
    return { mediaType: "image/gif", width: bytes.readUInt16LE(6), height: bytes.readUInt16LE(8) };
  if (bytes.length >= 4 && bytes[0] === 0xff && bytes[1] === 0xd8) return { mediaType: "image/jpeg", ...UNKNOWN_SIZE };
  if (bytes.length >= 12 && bytes.toString("latin1", 0, 4) === "RIFF" && bytes.toString("latin1", 8, 12) === "WEBP")
    return { mediaType: "image/webp", ...UNKNOWN_SIZE };
  return undefined;
}
const PNG = Buffer.from([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]);
const UNKNOWN_SIZE = { width: 768, height: 768 };

/** The bytes of strict base64, or `undefined`: `Buffer.from` takes anything. */
export function base64Bytes(text: string): Buffer | undefined {
  if (text === "" || text.length % 4 !== 0 || !/^[A-Za-z0-9+/]+={0,2}$/.test(text)) return undefined;
  return Buffer.from(text, "base64");
}
