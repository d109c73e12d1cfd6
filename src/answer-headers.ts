/** The headers of an answer that come from elsewhere: an upstream's that may pass, an error's advice, a name made readable. */
import type { Loss } from "./chat.ts";
import { UNKNOWN_FIELD } from "./dialects/field-words.ts";
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
  if (error.kind === "budget-exceeded") {
    const again = error.retryAfterMs === undefined ? {} : { "retry-after": secondsText(error.retryAfterMs) };
    return { "x-should-retry": "false", ...again };
  }
  if (error.retryAfterMs !== undefined) return { "retry-after": secondsText(error.retryAfterMs) };
  return error.status === 429 ? { "retry-after": "1" } : {};
}

function secondsText(ms: number): string {
  return String(Math.max(1, Math.ceil(ms / 1000)));
}

/** Readable in any header; names of models may be anything, half a surrogate pair included. */
export function headerText(text: string): string {
  return text.toWellFormed().replace(/[^\x21-\x7e]/gu, (character) => encodeURIComponent(character));
}

const REASON_CHARACTERS_MAX = 256;

/** A decision's reason in one line that any header can carry; of a longer one its beginning. */
export function reasonText(reason: string): string {
  const line = headerWords(reason.slice(0, REASON_CHARACTERS_MAX));
  return line.length > REASON_CHARACTERS_MAX || reason.length > REASON_CHARACTERS_MAX
    ? `${line.slice(0, REASON_CHARACTERS_MAX - 3)}...`
    : line;
}

function headerWords(text: string): string {
  return text
    .toWellFormed()
    .split(" ")
    .map((word) => headerText(word))
    .join(" ");
}

/** What of the request was left out: each word once, and where it stood of what has no word of its own. `undefined`: nothing. */
export function lossesText(losses: readonly Loss[]): string | undefined {
  const words = [...new Set(losses.map((loss) => loss.field))];
  const said = words.map((word) => {
    const paths = word === UNKNOWN_FIELD ? pathsOf(losses.filter((loss) => loss.field === word)) : [];
    return paths.length === 0 ? word : `${word}(${paths.join(" ")})`;
  });
  return said.length === 0 ? undefined : said.join(", ");
}

const PATHS_MAX = 8;
const PATH_CHARACTERS_MAX = 64;

/** A client's own keys, which may be anything. */
function pathsOf(losses: readonly Loss[]): readonly string[] {
  const paths = losses.flatMap(({ path }) => path?.slice(0, PATH_CHARACTERS_MAX).replace(/[^\w.[\]-]/g, "_") ?? []);
  const different = [...new Set(paths)];
  return different.length > PATHS_MAX ? [...different.slice(0, PATHS_MAX), "..."] : different;
}
