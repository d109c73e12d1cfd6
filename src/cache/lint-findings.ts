/** Text that changes by itself inside what ought to be static. */
import { changingPieces, isCalledCurrent, isCalledId, type ChangingPiece } from "./changing.ts";
import { lintAdvice } from "./lint-advice.ts";
import type { Span } from "./spans.ts";

export interface LintFinding {
  /** A note is worth knowing, and nothing is wrong for it. */
  readonly level: "warning" | "note";
  readonly rule: string;
  readonly path: string;
  /** In characters. */
  readonly offset: number | undefined;
  readonly excerpt: string | undefined;
  readonly says: string;
  readonly advice: string;
}

/** Of one request. */
const FINDINGS_MAX = 50;

/** @param spans What ought to be static: one finding for each kind of change in each. */
export function changingFindings(spans: readonly Span[], boundaryLine: string): readonly LintFinding[] {
  const found: LintFinding[] = [];
  for (const span of spans) {
    if (found.length >= FINDINGS_MAX) return found;
    if (span.isVolatile) {
      found.push(billingLine(span));
      continue;
    }
    if (span.kind === "tool-name") continue;
    const seen = new Set<string>();
    for (const piece of changingPieces(span.text)) {
      const level = levelOf(span.text, piece);
      const kind = `${level} ${piece.kind}`;
      if (level === undefined || seen.has(kind)) continue;
      seen.add(kind);
      found.push({
        level,
        rule: piece.kind,
        path: span.path,
        offset: piece.start,
        excerpt: span.text.slice(Math.max(0, piece.start - 24), piece.end + 8),
        says: SAYS[piece.kind],
        advice: lintAdvice(piece.kind, boundaryLine, span, piece.start),
      });
    }
  }
  return found.slice(0, FINDINGS_MAX);
}

function billingLine({ path, text }: Span): LintFinding {
  return {
    level: "note",
    rule: "billing-line",
    path,
    offset: 0,
    excerpt: (/"text":"([^"]*)/.exec(text)?.[1] ?? text).slice(0, 80),
    says: "an agent's own line that changes from conversation to conversation",
    advice: lintAdvice("billing-line", ""),
  };
}

const SAYS: Readonly<Record<ChangingPiece["kind"], string>> = {
  timestamp: "a time or a date: the prefix ends here when it changes",
  uuid: "an id: the prefix ends here when it changes",
  nonce: "what looks like a random id: the prefix ends here when it changes",
  counter: "a number",
};

/** A date or a hash may be part of what the prompt is about; one that is called the current one, or has a time of day, is not. */
function levelOf(text: string, { kind, start, end }: ChangingPiece): LintFinding["level"] | undefined {
  switch (kind) {
    case "uuid":
      return "warning";
    case "timestamp":
      return isCalledCurrent(text, start) || /:\d\d|^\d{10,}$/.test(text.slice(start, end)) ? "warning" : "note";
    case "nonce":
      return isCalledId(text, start) ? "warning" : "note";
    case "counter":
      return undefined;
  }
}

export function warning(rule: string, path: string, says: string, advice: string): LintFinding {
  return { level: "warning", rule, path, offset: undefined, excerpt: undefined, says, advice };
}

export function note(rule: string, path: string, says: string, advice: string): LintFinding {
  return { ...warning(rule, path, says, advice), level: "note" };
}
