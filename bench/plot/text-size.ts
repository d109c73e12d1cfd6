/** How much room text takes: nobody measures a font here, so a wide one is taken for it. */

export const LINE_HEIGHT = 17;

/** Of text of the class `name`, which is bold: as wide as text of this size that is not. */
export const NAME_SIZE = 14.4;

/** @param size Of its font, in pixels. */
export function textWidth(text: string, size = 13): number {
  let width = 0;
  for (const character of text) width += widthOf(character) * size;
  return width;
}

/** The text, or as much of it as there is room for. */
export function fitted(text: string, room: number, size = 13): string {
  if (textWidth(text, size) <= room) return text;
  let kept = "";
  let width = size;
  for (const character of text) {
    width += widthOf(character) * size;
    if (width > room) break;
    kept += character;
  }
  return `${kept.trimEnd()}…`;
}

/** In sizes of the font: of DejaVu Sans, which is wider than what most people have. */
function widthOf(character: string): number {
  if (/[iljI.,:;'|!\u202F]/.test(character)) return 0.33;
  if (/[ftr /()[\]{}"-]/.test(character)) return 0.41;
  if (/[mwMW@%<>=+~…]/.test(character)) return 0.9;
  if (/[A-Z_]/.test(character)) return 0.7;
  return (character.codePointAt(0) ?? 0) > 0x2000 ? 1 : 0.63;
}

/**
 * Places for labels that want to be at `wanted`, at least `gap` apart and within the bounds as far as they have room, each as near as
 * that allows. @returns places in the order of `wanted`.
 */
export function spread(wanted: readonly number[], gap: number, low: number, high: number): readonly number[] {
  const order = wanted.map((place, index) => ({ place, index })).toSorted((one, other) => one.place - other.place);
  // Neighbours that are too close become one block, which lies around the middle of what its labels want.
  const blocks: { middle: number; size: number; members: readonly number[] }[] = [];
  for (const { place, index } of order) {
    let block = { middle: clamped(place, low, high), size: 1, members: [index] as readonly number[] };
    let previous = blocks.at(-1);
    while (previous !== undefined && block.middle - previous.middle < ((block.size + previous.size) / 2) * gap) {
      blocks.pop();
      const size = block.size + previous.size;
      const middle = (block.middle * block.size + previous.middle * previous.size) / size;
      const half = ((size - 1) / 2) * gap;
      block = {
        middle: clamped(middle, low + half, high - half),
        size,
        members: [...previous.members, ...block.members],
      };
      previous = blocks.at(-1);
    }
    blocks.push(block);
  }
  const places: number[] = [];
  for (const { middle, size, members } of blocks) {
    for (const [rank, index] of members.entries()) places[index] = middle + (rank - (size - 1) / 2) * gap;
  }
  return places;
}

function clamped(value: number, low: number, high: number): number {
  return Math.max(Math.min(value, high), low);
}
