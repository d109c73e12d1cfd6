/** Figures with how sure they are: a dot and its interval a row, beside each other on one scale that begins at 0, or grows by factors. */
import { type WriteTick, writtenTick } from "./axes.ts";
import { type Drawing, label, line, type Named } from "./drawing.ts";
import { element } from "./markup.ts";
import { linearScale, logarithmicScale, type Scale } from "./scale.ts";
import { fitted, NAME_SIZE, textWidth } from "./text-size.ts";

export interface IntervalRow extends Named {
  readonly value: number | undefined;
  /** `undefined`: it has no bound there. */
  readonly low: number | undefined;
  readonly high: number | undefined;
  readonly hasInterval: boolean;
  /** Value and interval in words. */
  readonly text: string;
}

export interface IntervalWords {
  readonly axis: string;
  readonly written: WriteTick;
}

const BESIDE_WIDTH_MIN = 560;
/** Above it the least would all lie on one place. */
const LOGARITHMIC_RATIO = 40;

export function intervalPlot(rows: readonly IntervalRow[], { axis, written }: IntervalWords, width: number): Drawing {
  const isBeside = width >= BESIDE_WIDTH_MIN;
  const rowHeight = isBeside ? 40 : 58;
  const left = isBeside ? Math.min(180, Math.max(60, ...rows.map(({ name }) => textWidth(name, NAME_SIZE) + 18))) : 6;
  const right = isBeside ? width - Math.max(60, ...rows.map(({ text }) => textWidth(text) + 20)) : width - 18;
  const values = rows.flatMap(({ value, low, high }) => [value ?? 0, low ?? 0, high ?? 0]).filter((one) => one > 0);
  const [least, most] = [Math.min(...values), Math.max(...values, 0)];
  const isLogarithmic = most > LOGARITHMIC_RATIO * least;
  const tickCount = isBeside ? 5 : 3;
  const scale = isLogarithmic
    ? logarithmicScale([least / 1.5, most * 1.2], [left, right], tickCount)
    : linearScale([0, most], [left, right], tickCount);
  const bottom = rows.length * rowHeight + 8;
  const grid = scale.ticks.map(
    (tick) =>
      line(scale.at(tick), isBeside ? 4 : 24, scale.at(tick), bottom, "grid") +
      label(
        writtenTick({ scale, written }, tick),
        scale.at(tick),
        bottom + 16,
        "tick",
        scale.at(tick) < 16 ? "start" : "middle",
      ),
  );
  const drawn = rows.map((row, index) => {
    const top = index * rowHeight;
    const y = isBeside ? top + rowHeight / 2 + 4 : top + 42;
    const words = isBeside
      ? label(fitted(row.name, left - 14, NAME_SIZE), 0, y + 4, "name") + label(row.text, width, y + 4, "number", "end")
      : label(fitted(row.name, width - textWidth(row.text) - 10, NAME_SIZE), 0, top + 24, "name") +
        label(row.text, width, top + 24, "number", "end");
    return element("g", { class: `c${row.color}` }, words, mark(row, y, scale));
  });
  const name = label(isLogarithmic ? `${axis}, logarithmic` : axis, right, bottom + 35, "axis-name", "end");
  return { height: bottom + 42, body: `${grid.join("")}${drawn.join("")}${name}` };
}

function mark({ value, low, high, hasInterval }: IntervalRow, y: number, { at, domain: [start, end] }: Scale): string {
  if (value === undefined) return "";
  const dot = element("circle", { cx: at(value), cy: y, r: 5, class: "dot" });
  if (!hasInterval) return dot;
  const [from, to] = [at(low ?? start), at(high ?? end)];
  const caps = [
    low === undefined ? "" : line(from, y - 6, from, y + 6, "interval"),
    high === undefined ? "" : line(to, y - 6, to, y + 6, "interval"),
  ];
  return line(from, y, to, y, "interval") + caps.join("") + dot;
}
