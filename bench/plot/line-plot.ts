/** Lines over one scale, each with its name at its end. */
import { AXIS_ABOVE, AXIS_BELOW, type Axis, axes, type Frame, type WriteTick, writtenTick } from "./axes.ts";
import { type Drawing, label, line, type Named } from "./drawing.ts";
import { element, rounded } from "./markup.ts";
import { linearScale, logarithmicScale, type Scale } from "./scale.ts";
import { fitted, LINE_HEIGHT, NAME_SIZE, spread, textWidth } from "./text-size.ts";

export interface Series extends Named {
  readonly points: readonly (readonly [x: number, y: number])[];
  /** Behind its name, at its end. */
  readonly text?: string | undefined;
  /** A level that stays until it jumps. */
  readonly isStepped?: boolean;
}

/** A place on the horizontal axis that is worth a word. */
export interface Mark extends Named {
  readonly x: number;
  readonly y: number;
  readonly text: string;
}

export interface LineWords {
  readonly horizontal: string;
  readonly vertical: string;
  readonly writtenX: WriteTick;
  readonly writtenY: WriteTick;
  readonly isLogarithmicX?: boolean;
  readonly isLogarithmicY?: boolean;
}

const BESIDE_WIDTH_MIN = 560;

export function linePlot(series: readonly Series[], marks: readonly Mark[], words: LineWords, width: number): Drawing {
  const isBeside = width >= BESIDE_WIDTH_MIN;
  const plotHeight = isBeside ? 260 : 220;
  const ends = series.map(({ name, text }) => (text === undefined ? name : `${name}  ${text}`));
  const isNamedBelow = !isBeside;
  const nameWidth = isNamedBelow ? 8 : Math.min(230, Math.max(...ends.map((end) => textWidth(end, NAME_SIZE)), 0) + 14);
  const top = AXIS_ABOVE + (isNamedBelow ? series.length * LINE_HEIGHT + 8 : 0);
  const bottom = top + plotHeight;
  const points = series.flatMap((one) => one.points);
  const vertical: Axis = {
    scale: scaleOf(
      points.map(([, y]) => y),
      [bottom, top],
      isBeside ? 5 : 4,
      words.isLogarithmicY === true,
    ),
    name: words.vertical,
    written: words.writtenY,
  };
  const left = Math.max(...vertical.scale.ticks.map((tick) => textWidth(writtenTick(vertical, tick), 12)), 20) + 10;
  const frame: Frame = { left, right: width - nameWidth, top, bottom };
  const horizontal: Axis = {
    scale: scaleOf(
      points.map(([x]) => x),
      [left, frame.right],
      isBeside ? 7 : 4,
      words.isLogarithmicX === true,
      true,
    ),
    name: words.horizontal,
    written: words.writtenX,
  };
  const at = (point: readonly [number, number]): readonly [number, number] => [
    horizontal.scale.at(point[0]),
    vertical.scale.at(point[1]),
  ];
  const names = isNamedBelow ? namesAbove(series, ends, width) : namesBeside(series, ends, at, frame, nameWidth);
  const body = [
    axes(horizontal, vertical, frame),
    ...marks
      .toSorted((one, other) => one.x - other.x)
      .map((mark, rank) => markOf(mark, at([mark.x, mark.y]), frame, rank)),
    ...series.map((one) => pathOf(one, at)),
    names,
  ];
  return { height: bottom + AXIS_BELOW, body: body.join("") };
}

function scaleOf(
  values: readonly number[],
  range: readonly [number, number],
  ticks: number,
  isLogarithmic: boolean,
  isTight = false,
): Scale {
  const most = Math.max(...values, 0);
  if (!isLogarithmic) return linearScale([isTight ? Math.min(...values, most) : 0, most], range, ticks, isTight);
  const positive = values.filter((value) => value > 0);
  return logarithmicScale([Math.min(...positive), Math.max(...positive)], range, ticks);
}

function pathOf(
  { points, color, isStepped }: Series,
  at: (point: readonly [number, number]) => readonly [number, number],
): string {
  const moves = points.map((point, index) => {
    const [x, y] = at(point).map(rounded) as [string, string];
    if (index === 0) return `M${x} ${y}`;
    return isStepped === true ? `H${x}V${y}` : `L${x} ${y}`;
  });
  return element("path", { d: moves.join(""), class: `series c${color}` });
}

/** At the right of where each ends, as near as the others let it. */
function namesBeside(
  series: readonly Series[],
  texts: readonly string[],
  at: (point: readonly [number, number]) => readonly [number, number],
  { right, top, bottom }: Frame,
  room: number,
): string {
  const wanted = series.map(({ points }) => {
    const last = points.at(-1);
    return last === undefined ? bottom : at(last)[1];
  });
  const places = spread(wanted, LINE_HEIGHT, top, bottom);
  return series
    .map(({ color }, index) =>
      label(fitted(texts[index] ?? "", room - 10, NAME_SIZE), right + 10, (places[index] ?? 0) + 4, `name c${color}`),
    )
    .join("");
}

/** There is no room at the side of a narrow one: in lines above, each with a piece of its line. */
function namesAbove(series: readonly Series[], texts: readonly string[], width: number): string {
  return series
    .map(({ color }, index) => {
      const y = 14 + index * LINE_HEIGHT;
      const words = label(fitted(texts[index] ?? "", width - 30, NAME_SIZE), 26, y, "name");
      return element("g", { class: `c${color}` }, line(0, y - 4, 18, y - 4, "series"), words);
    })
    .join("");
}

/** Each in a line of its own, as marks may lie close together. */
function markOf(
  { text, color }: Mark,
  [x, y]: readonly [number, number],
  { top, bottom, left, right }: Frame,
  rank: number,
): string {
  // Lines rise to the right: above and to the left of a mark is the most room.
  const isRight = x - textWidth(text, 12) - 8 < left;
  const words = fitted(text, isRight ? right - x - 8 : x - left - 8, 12);
  return element(
    "g",
    { class: `c${color}` },
    line(x, top, x, bottom, "mark"),
    element("circle", { cx: x, cy: y, r: 5, class: "dot" }),
    label(words, isRight ? x + 8 : x - 8, top + 12 + rank * LINE_HEIGHT, "note halo", isRight ? "start" : "end"),
  );
}
