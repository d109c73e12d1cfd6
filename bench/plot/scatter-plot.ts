/** Points in two measures, with how sure each is, their names beside them, and the ground on which another beats them. */
import { AXIS_ABOVE, AXIS_BELOW, type Axis, axes, type Frame, type WriteTick, writtenTick } from "./axes.ts";
import { type Drawing, label, line, type Named } from "./drawing.ts";
import { element, rounded } from "./markup.ts";
import { linearScale, logarithmicScale } from "./scale.ts";
import { fitted, NAME_SIZE, textWidth } from "./text-size.ts";

export interface Point extends Named {
  readonly x: number;
  readonly y: number;
  readonly xInterval: readonly [number, number] | undefined;
  readonly yInterval: readonly [number, number] | undefined;
  readonly isOnFrontier: boolean;
}

export interface PointWords {
  readonly horizontal: string;
  readonly vertical: string;
  readonly writtenX: WriteTick;
  readonly writtenY: WriteTick;
  readonly isLogarithmicX: boolean;
  /** Above this no value lies (a share: 1). */
  readonly yMax: number;
}

const WIDE_WIDTH_MIN = 560;

export function scatterPlot(points: readonly Point[], words: PointWords, width: number): Drawing {
  const isWide = width >= WIDE_WIDTH_MIN;
  const top = AXIS_ABOVE;
  const bottom = top + (isWide ? 280 : 250);
  const lows = points.map(({ y, yInterval }) => Math.min(y, yInterval?.[0] ?? y));
  const least = Math.min(...lows, words.yMax);
  // A little below the least, and never so near the top that a hair looks like a world.
  const from = Math.max(0, Math.min(least - (words.yMax - least) * 0.1, words.yMax * 0.9));
  const vertical: Axis = {
    scale: linearScale([from, words.yMax], [bottom, top], isWide ? 5 : 4),
    name: words.vertical,
    written: words.writtenY,
  };
  const left = Math.max(...vertical.scale.ticks.map((tick) => textWidth(writtenTick(vertical, tick), 12)), 20) + 10;
  const frame: Frame = { left, right: width - (isWide ? 24 : 14), top, bottom };
  const values = points.flatMap(({ x, xInterval }) => [x, ...(xInterval ?? [])]).filter((value) => value > 0);
  const most = Math.max(...values, Number.MIN_VALUE);
  const range = [left, frame.right] as const;
  const horizontal: Axis = {
    scale: words.isLogarithmicX
      ? logarithmicScale([Math.min(...values, most) * 0.7, most * 1.4], range, isWide ? 6 : 4)
      : linearScale([0, most * 1.05], range, isWide ? 6 : 3),
    name: words.horizontal,
    written: words.writtenX,
  };
  const at = (point: Point): readonly [number, number] => [horizontal.scale.at(point.x), vertical.scale.at(point.y)];
  return {
    height: bottom + AXIS_BELOW,
    body: [
      beaten(points, at, frame),
      axes(horizontal, vertical, frame),
      ...points.map((point) => pointOf(point, horizontal, vertical)),
      names(points, at, frame),
    ].join(""),
  };
}

/** The ground on which another is at least as cheap and as good. */
function beaten(
  points: readonly Point[],
  at: (point: Point) => readonly [number, number],
  { right, bottom }: Frame,
): string {
  const best = points.filter(({ isOnFrontier }) => isOnFrontier).toSorted((one, other) => one.x - other.x);
  const [first] = best;
  if (first === undefined) return "";
  const steps = best.map((point) => at(point).map(rounded) as [string, string]).map(([x, y]) => `H${x}V${y}`);
  const path = `M${rounded(at(first)[0])} ${rounded(bottom)}${steps.join("")}H${rounded(right)}V${rounded(bottom)}Z`;
  return element("path", { d: path, class: "beaten" });
}

function pointOf(point: Point, { scale: across }: Axis, { scale: up }: Axis): string {
  const { x, y, xInterval, yInterval } = point;
  const whiskers = [
    xInterval === undefined
      ? ""
      : line(across.at(xInterval[0]), up.at(y), across.at(xInterval[1]), up.at(y), "interval"),
    yInterval === undefined
      ? ""
      : line(across.at(x), up.at(yInterval[0]), across.at(x), up.at(yInterval[1]), "interval"),
  ];
  const dot = element("circle", {
    cx: across.at(x),
    cy: up.at(y),
    r: 6,
    class: point.isOnFrontier ? "dot" : "dot hollow",
  });
  return element("g", { class: `c${point.color}` }, ...whiskers, dot);
}

interface Box {
  readonly left: number;
  readonly right: number;
  readonly top: number;
  readonly bottom: number;
}

/** Beside its point each, where it covers neither another name nor a point; first to the right and below, where few intervals run. */
function names(points: readonly Point[], at: (point: Point) => readonly [number, number], frame: Frame): string {
  const taken: Box[] = points.map((point) => boxAround(...at(point)));
  return points
    .map((point) => {
      const [x, y] = at(point);
      const text = fitted(point.name, (frame.right - frame.left) * 0.6, NAME_SIZE);
      const size = textWidth(text, NAME_SIZE);
      const places = OFFSETS.flatMap((offset) => [
        { isRight: true, box: textBox(x + 11, y + offset, size) },
        { isRight: false, box: textBox(x - 11 - size, y + offset, size) },
      ]);
      const inside = places.filter(({ box }) => isWithin(box, frame));
      const free = inside.find(({ box }) => !taken.some((other) => overlaps(box, other)));
      const place = free ?? inside[0] ?? places[0];
      if (place === undefined) return "";
      taken.push(place.box);
      const { isRight, box } = place;
      return label(
        text,
        isRight ? box.left : box.right,
        box.bottom - 3,
        `name halo c${point.color}`,
        isRight ? "start" : "end",
      );
    })
    .join("");
}

/** Of a name's base line from its point's middle. */
const OFFSETS: readonly number[] = [20, -9, 37, -26, 54, -43, 71, -60];

function boxAround(x: number, y: number): Box {
  return { left: x - 7, right: x + 7, top: y - 7, bottom: y + 7 };
}

function textBox(left: number, baseline: number, size: number): Box {
  return { left, right: left + size, top: baseline - 11, bottom: baseline + 3 };
}

function isWithin(box: Box, { left, right, top, bottom }: Frame): boolean {
  return box.left >= left && box.right <= right + 10 && box.top >= top - 4 && box.bottom <= bottom - 2;
}

function overlaps(one: Box, other: Box): boolean {
  return one.left < other.right && other.left < one.right && one.top < other.bottom && other.top < one.bottom;
}
