/** What to do about each finding, in a sentence. */
import { moveRuleAt } from "./moving.ts";
import type { Span } from "./spans.ts";

const ADVICE: Readonly<Record<string, string>> = {
  "billing-line": "nothing: Sluice leaves it out of prefixes, and does not send it to other providers",
  "tools-reordered": "list the tools in one order, sorted by name if they come from a set",
  "tools-changed": "offer the same tools in every request of a conversation; say which may be called by `tool_choice`",
  "tool-description": "write the description once; what changes belongs into a message",
  "tool-parameters": "write the schema once; what changes belongs into a message",
  "key-order": "write JSON with its keys in one order (sorted keys in the serializer)",
  whitespace: "send the text as it was sent before, spaces and line ends included",
  image: "send the same bytes (or the same file id) again; an image that was encoded anew is another one",
  "message-inserted": "append messages; do not put one among those that were sent",
  "message-removed": "keep what was sent; if it must become shorter, do it seldom and for much at once",
  compaction: "a summary breaks the prefix once: make it seldom, and keep tools and system text as they are",
  model: "stay with one model for a conversation: each has a cache of its own",
  "cache-key": "send one key for all requests of a conversation, and for its forks",
  setting: "keep it as it is for as long as a conversation lasts",
  lookback: "set a mark in between as well, on what was the last block of the request before",
};

const MOVE = "move it behind what does not change: to the end of the system text";

/** Of what stands behind the boundary line already. */
export const MOVE_BEHIND_ALL =
  "nothing, where each prompt has one turn; in conversations that go on put it into the last message, which costs no history";

const BY_ITSELF: ReadonlySet<string> = new Set(["timestamp", "uuid", "nonce", "counter"]);

/**
 * @param rule What was found; `undefined`: a change of no kind that is known.
 * @param span Where, and at which of its characters: of the system text that a prompt begins with, Sluice may be told to move it.
 */
export function lintAdvice(
  rule: string | undefined,
  boundaryLine: string,
  span?: Pick<Span, "kind" | "text">,
  offset: number = 0,
): string {
  const known = rule === undefined ? undefined : ADVICE[rule];
  if (known !== undefined) return known;
  const isSystem = span?.kind === "system";
  if (rule !== undefined && BY_ITSELF.has(rule)) {
    if (!isSystem) return "leave it out, or put it into the last message, behind what does not change";
    const behind = boundaryLine === "" ? "" : `, behind a line \`${boundaryLine}\``;
    const move = moveRuleAt(span.text, offset);
    const rules =
      move === undefined ? "" : `; or let Sluice do so: \`cache: { move: { <class>: { rules: [${move}] } } }\``;
    return `${MOVE}${behind}, or into the last message${rules}`;
  }
  return isSystem
    ? "send the system text as it was sent before; what differs from prompt to prompt belongs to its end, or into the last message"
    : "send again what was sent before as it was, and append to it";
}
