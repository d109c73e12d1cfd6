/**
 * Text that changes by itself from prompt to prompt: times and dates, ids, counters. Found by its form; every pattern is linear.
 */

export type ChangingKind = "timestamp" | "uuid" | "nonce" | "counter";

export interface ChangingPiece {
  readonly kind: ChangingKind;
  /** In characters from the text's start. */
  readonly start: number;
  readonly end: number;
}

const MONTH =
  "(?:Jan(?:uary)?|Feb(?:ruary)?|Mar(?:ch)?|Apr(?:il)?|May|June?|July?|Aug(?:ust)?|Sep(?:tember)?|Oct(?:ober)?|Nov(?:ember)?|Dec(?:ember)?)";
const DAY = "(?:Mon|Tues?|Wed(?:nes)?|Thu(?:rs)?|Fri|Sat(?:ur)?|Sun)(?:day)?";
const CLOCK = String.raw`\d{1,2}:\d{2}(?::\d{2}(?:\.\d{1,9})?)?(?: ?[AaPp]\.?[Mm]\b\.?)?(?: ?(?:Z\b|UTC|GMT|[+-]\d{2}:?\d{2}))?`;

const PATTERN = new RegExp(
  [
    String.raw`(?<uuid>\b[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}\b)`,
    String.raw`(?<timestamp>\b\d{4}[-/]\d{1,2}[-/]\d{1,2}(?:[T ,]{1,2}${CLOCK})?|\b\d{1,2}[-/.]\d{1,2}[-/.]\d{4}\b(?:[ ,]{1,2}${CLOCK})?|\b(?:${DAY},? )?${MONTH}\.? \d{1,2}(?:st|nd|rd|th)?(?:,? \d{4})?\b(?:[ ,]{1,2}${CLOCK})?|\b(?:${DAY},? )?\d{1,2} ${MONTH}\.?(?:,? \d{4})?\b(?:[ ,]{1,2}${CLOCK})?|\b(?:${DAY})\b|\b${CLOCK}|\b1[5-9]\d{8}(?:\d{3})?(?:\d{3})?\b)`,
    String.raw`(?<word>\b[0-9A-Za-z][0-9A-Za-z_]{7,127}\b)`,
    String.raw`(?<counter>\d{1,128})`,
  ].join("|"),
  "g",
);

/** How much of a text is looked through. */
export const READ_CHARACTERS_MAX = 65_536;

/** Left to right, none overlapping. */
export function changingPieces(text: string): readonly ChangingPiece[] {
  const pieces: ChangingPiece[] = [];
  for (const match of text.slice(0, READ_CHARACTERS_MAX).matchAll(PATTERN)) {
    const kind = kindOf(match.groups ?? {});
    if (kind !== undefined) pieces.push({ kind, start: match.index, end: match.index + match[0].length });
  }
  return pieces;
}

function kindOf({ uuid, timestamp, word, counter }: Readonly<Record<string, string>>): ChangingKind | undefined {
  if (uuid !== undefined) return "uuid";
  if (timestamp !== undefined) return "timestamp";
  if (counter !== undefined) return "counter";
  if (word === undefined) return undefined;
  if (/^\d+$/.test(word)) return "counter";
  return isRandom(word) ? "nonce" : undefined;
}

/** Digits between letters, more than once: no word, and no name with a number behind it ("claude_opus_4"). */
function isRandom(word: string): boolean {
  const turns = word.match(/\d[A-Za-z]|[A-Za-z]\d/g)?.length ?? 0;
  return turns >= 3 || (/^[0-9a-f]+$/.test(word) && turns >= 1);
}

/** The text with each such piece replaced: equal for texts that differ in nothing else. */
export function withoutChanging(text: string): string {
  const pieces = changingPieces(text);
  if (pieces.length === 0) return text;
  let masked = "";
  let from = 0;
  for (const { kind, start, end } of pieces) {
    masked += `${text.slice(from, start)}\u0000${kind[0] ?? ""}`;
    from = end;
  }
  return masked + text.slice(from);
}

/** Characters before a piece that may tell what it is. */
const NAMED_BY = 40;
const NOW = /\b(?:today|now|current(?:ly)?|date|time(?:stamp)?|as of|updated)\b[^\n.]{0,30}$/i;
const NAMED_ID = /(?:\b|_)(?:id|nonce|session|request|trace|run|build|token|key|seed|salt)\b\W{0,6}$/i;

/** Whether what stands at `start` is called the current one. */
export function isCalledCurrent(text: string, start: number): boolean {
  return NOW.test(text.slice(Math.max(0, start - NAMED_BY), start));
}

/** Whether what stands at `start` is called an id. */
export function isCalledId(text: string, start: number): boolean {
  return NAMED_ID.test(text.slice(Math.max(0, start - NAMED_BY), start));
}
