/** The pieces of a text that cache marks part. */
import type { CacheMark, Placed } from "../chat.ts";

/** A piece of a text, and the mark at its end. */
export interface TextPiece {
  readonly text: string;
  readonly mark: CacheMark | undefined;
}

/**
 * The pieces that a text falls into. Where it is not parted, what stands between the end and the going on (the client's boundary line)
 * is left out, and the text around it joins.
 */
export function partedAt(text: string, placed: readonly Placed[]): readonly TextPiece[] {
  const pieces: TextPiece[] = [];
  let from = 0;
  let said = "";
  for (const { spot, mark, isParted } of placed) {
    // One inside of what was left out before it says nothing.
    if (spot.kind !== "text" || spot.end < from) continue;
    said += text.slice(from, spot.end);
    from = spot.resume;
    if (!isParted || said.trim() === "") continue;
    pieces.push({ text: said, mark });
    said = "";
  }
  const rest = said + text.slice(from);
  // A text block may not be empty: where nothing follows, the last piece ends the part.
  if (rest !== "" || pieces.length === 0) pieces.push({ text: rest, mark: undefined });
  return pieces;
}
