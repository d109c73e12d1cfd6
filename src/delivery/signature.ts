/**
 * Signatures as the Standard Webhooks specification has them, so that receivers need no code of ours: `v1,` and the base64 of the
 * HMAC-SHA256 of `<id>.<seconds since the epoch>.<body>`.
 */
import { createHmac } from "node:crypto";

/** Of a secret that is written so, the rest is its bytes in base64; of any other, its characters are. */
const ENCODED = "whsec_";

export function signatureOf(secret: string, id: string, seconds: number, body: string): string {
  return `v1,${createHmac("sha256", secretBytes(secret)).update(`${id}.${seconds}.${body}`).digest("base64")}`;
}

export function secretBytes(secret: string): Uint8Array {
  return secret.startsWith(ENCODED) ? Buffer.from(secret.slice(ENCODED.length), "base64") : Buffer.from(secret, "utf8");
}
