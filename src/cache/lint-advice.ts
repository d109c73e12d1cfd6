/** What to do about each finding, in a sentence. */
import { moveRuleAt } from "./moving.ts";
import type { Span } from "./spans.ts";

const MOVE =
  "move it behind what does not change: to the end of the system text (behind a line of its own, see the README), or into the last message";

const ADVICE: Readonly<Record<string, string>> = {
  timestamp: MOVE,
  uuid: MOVE,
  nonce: MOVE,
  counter: MOVE,
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
  "cache-key": "send one key for all requests of a conversation",
  "marks-too-many": "leave out the first ones: the later ones cover what they cover",
  "mark-below-minimum": "set it further behind, or leave it out: shorter prefixes are not cached",
  "mark-order": "set the marks that live longer before those that live shorter",
  "mark-place": "set it on the block before: thinking and empty text cannot bear one",
  "mark-ttl": "say one of the lifetimes that the model has",
  unmarked: "set a mark at the end of what does not change, or send it through Sluice, which does",
};

export function adviceFor(rule: string | undefined): string {
  return (
    (rule === undefined ? undefined : ADVICE[rule]) ?? "send again what was sent before as it was, and append to it"
  );
}

/** Where it stands in the system text that a prompt begins with, Sluice may be told to move it. */
export function systemAdvice(rule: string | undefined, { text }: Pick<Span, "text">, offset: number): string {
  const move = moveRuleAt(text, offset);
  const advice = adviceFor(rule);
  return move === undefined
    ? advice
    : `${advice}; or let Sluice do so: \`cache: { move: { <class>: { rules: [${move}] } } }\``;
}
