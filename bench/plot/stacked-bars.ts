/** What sums are made of: a bar a row, in parts. Parts say how much they are where they have the room; the key above is in their order. */
import { type Drawing, label, type Named } from "./drawing.ts";
import { element } from "./markup.ts";
import { fitted, NAME_SIZE, textWidth } from "./text-size.ts";

export interface Part {
  readonly name: string;
  /** Class of its colour. */
  readonly kind: string;
}

export interface Bar extends Named {
  /** By part. */
  readonly values: readonly number[];
  /** The sum in words. */
  readonly text: string;
}

const BESIDE_WIDTH_MIN = 560;
const BAR_HEIGHT = 24;
const KEY_HEIGHT = 22;

export function stackedBars(
  bars: readonly Bar[],
  parts: readonly Part[],
  written: (value: number) => string,
  width: number,
): Drawing {
  const isBeside = width >= BESIDE_WIDTH_MIN;
  const key = keyOf(parts, width);
  const left = isBeside ? Math.min(180, Math.max(60, ...bars.map(({ name }) => textWidth(name, NAME_SIZE) + 18))) : 0;
  const right = isBeside ? width - Math.max(50, ...bars.map(({ text }) => textWidth(text) + 12)) : width;
  const most = Math.max(...bars.map(({ values }) => total(values)), Number.MIN_VALUE);
  const rowHeight = isBeside ? 38 : 58;
  const drawn = bars.map((bar, index) => {
    const top = key.height + index * rowHeight;
    const y = isBeside ? top + 6 : top + 28;
    const end = left + (total(bar.values) / most) * (right - left);
    const name = fitted(bar.name, isBeside ? left - 14 : width - textWidth(bar.text) - 10, NAME_SIZE);
    const words = isBeside
      ? label(name, 0, y + 17, "name") + label(bar.text, end + 8, y + 17, "number")
      : label(name, 0, top + 20, "name") + label(bar.text, width, top + 20, "number", "end");
    return element("g", { class: `c${bar.color}` }, words) + partsOf(bar, parts, written, { left, right, y, most });
  });
  return { height: key.height + bars.length * rowHeight + 4, body: key.body + drawn.join("") };
}

function total(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0);
}

function partsOf(
  { values }: Bar,
  parts: readonly Part[],
  written: (value: number) => string,
  {
    left,
    right,
    y,
    most,
  }: { readonly left: number; readonly right: number; readonly y: number; readonly most: number },
): string {
  let x = left;
  return parts
    .map(({ kind }, index) => {
      const value = values[index] ?? 0;
      const partWidth = (value / most) * (right - left);
      const text = written(value);
      const said =
        textWidth(text, 12) + 8 <= partWidth ? label(text, x + partWidth / 2, y + 17, "inside", "middle") : "";
      const shape = value === 0 ? "" : element("rect", { x, y, width: partWidth, height: BAR_HEIGHT, class: "part" });
      x += partWidth;
      return value === 0 ? "" : element("g", { class: kind }, shape, said);
    })
    .join("");
}

/** In as many lines as it takes. */
function keyOf(parts: readonly Part[], width: number): Drawing {
  let x = 0;
  let top = 0;
  const drawn = parts.map(({ name, kind }) => {
    const room = textWidth(name, 12) + 34;
    if (x > 0 && x + room - 20 > width) [x, top] = [0, top + KEY_HEIGHT];
    const swatch = element("rect", { x, y: top + 3, width: 12, height: 12, rx: 2, class: "part" });
    const words = label(name, x + 18, top + 14, "note");
    x += room;
    return element("g", { class: kind }, swatch, words);
  });
  return { height: top + KEY_HEIGHT + 8, body: drawn.join("") };
}
