/** The headers of an answer that come from elsewhere: an upstream's that may pass, an error's advice, a name made readable. */
import type { GatewayError } from "./errors.ts";

/** Answer headers of any provider that a client may need; the rest may describe our account or our network. */
const COMMON_ANSWER_HEADERS: readonly string[] = [
  "retry-after",
  "retry-after-ms",
  "x-should-retry",
  "x-request-id",
  "request-id",
];

/** Of an upstream's headers those that every provider's clients may see, and the ones that this provider allows besides. */
export function upstreamHeaders(
  headers: Readonly<Record<string, string | string[] | undefined>>,
  allowed: readonly string[],
): Record<string, string> {
  const passed: Record<string, string> = {};
  for (const [name, value] of Object.entries(headers)) {
    if (value === undefined) continue;
    if (
      COMMON_ANSWER_HEADERS.includes(name) ||
      allowed.some((own) => (own.endsWith("*") ? name.startsWith(own.slice(0, -1)) : name === own))
    ) {
      passed[name] = Array.isArray(value) ? value.join(", ") : value;
    }
  }
  return passed;
}

/** Every 429 that may be tried again says when; one that may not says so. */
export function retryHeaders(error: GatewayError): Record<string, string> {
  // Waiting mends neither, and clients that try again by the status alone would try for nothing.
  if (error.kind === "quota-exhausted" || error.kind === "upstream-credential") return { "x-should-retry": "false" };
  if (error.retryAfterMs !== undefined)
    return { "retry-after": String(Math.max(1, Math.ceil(error.retryAfterMs / 1000))) };
  return error.status === 429 ? { "retry-after": "1" } : {};
}

/** Readable in any header; names of models may be anything, half a surrogate pair included. */
export function headerText(text: string): string {
  return text.toWellFormed().replace(/[^\x21-\x7e]/gu, (character) => encodeURIComponent(character));
}
