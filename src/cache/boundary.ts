/**
 * The client's boundary line: what stands behind it in the system text changes from prompt to prompt. It is said to the gateway, so
 * every such line is left out of what is sent; the first one of the system text that a prompt begins with is where its static part ends.
 */

/** A line that is left out of a text: it ends before `end`, and goes on at `resume`. In characters. */
export interface LeftOut {
  readonly end: number;
  readonly resume: number;
}

/**
 * The lines that are the boundary line and nothing else, outside of fenced code. However far it is indented: a template that is
 * indented as a whole looks the same as indented code.
 */
export function boundariesIn(text: string, boundaryLine: string): readonly LeftOut[] {
  if (boundaryLine === "" || !text.includes(boundaryLine)) return [];
  const found: LeftOut[] = [];
  const fences = new Fences();
  for (let start = 0; start < text.length;) {
    const lineEnd = text.indexOf("\n", start);
    const end = lineEnd === -1 ? text.length : lineEnd;
    const resume = lineEnd === -1 ? text.length : lineEnd + 1;
    const line = text.slice(start, end);
    if (!fences.isCode(line) && line.trim() === boundaryLine) found.push({ end: start, resume });
    start = resume;
  }
  return found;
}

/** Which lines of a text are fenced code, as CommonMark has it, in lists as well. Told each line once, in order. */
export class Fences {
  /** What opened the code that the next line is in: three backticks, say. */
  #open: string | undefined;

  /** @returns Whether the line is code, or opens or ends it. */
  isCode(line: string): boolean {
    if (!line.includes("```") && !line.includes("~~~")) return this.#open !== undefined;
    if (this.#open === undefined) {
      this.#open = OPENING.exec(line)?.[1];
      return this.#open !== undefined;
    }
    const closing = CLOSING.exec(line)?.[1];
    // Only as many of the same sign end it: what is shorter, or of the other sign, is part of the code.
    if (closing?.[0] === this.#open[0] && (closing?.length ?? 0) >= this.#open.length) this.#open = undefined;
    return true;
  }
}

/** Behind backticks no other may follow: that is code within its line. */
const OPENING = /^\s*(?:(?:[-*+]|\d{1,9}[.)])\s+)*(`{3,}(?=[^`]*$)|~{3,})/;
const CLOSING = /^\s*(`{3,}|~{3,})\s*$/;
