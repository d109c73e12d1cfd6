/** The ground that points and lines are drawn on: a grid of round values, their names, and what they are of. */
import { label, line } from "./drawing.ts";
import type { Scale } from "./scale.ts";

export interface Axis {
  readonly scale: Scale;
  /** What it measures, with its unit. */
  readonly name: string;
  readonly written: WriteTick;
}

export type WriteTick = (value: number, decimals: number) => string;

export function writtenTick({ scale, written }: Pick<Axis, "scale" | "written">, tick: number): string {
  return written(tick, scale.decimals(tick));
}

export interface Frame {
  readonly left: number;
  readonly right: number;
  readonly top: number;
  readonly bottom: number;
}

/** Room above a frame for the name of its vertical axis, and below it for the values and the name of the other. */
export const AXIS_ABOVE = 30;
export const AXIS_BELOW = 44;

export function axes(horizontal: Axis, vertical: Axis, { left, right, top, bottom }: Frame): string {
  const rows = vertical.scale.ticks.map((tick) => {
    const y = vertical.scale.at(tick);
    return line(left, y, right, y, "grid") + label(writtenTick(vertical, tick), left - 8, y + 4, "tick", "end");
  });
  const columns = horizontal.scale.ticks.map((tick) => {
    const x = horizontal.scale.at(tick);
    return (
      line(x, bottom, x, bottom + 4, "axis") + label(writtenTick(horizontal, tick), x, bottom + 18, "tick", "middle")
    );
  });
  return [
    ...rows,
    line(left, bottom, right, bottom, "axis"),
    ...columns,
    label(vertical.name, 0, top - 14, "axis-name"),
    label(horizontal.name, right, bottom + 37, "axis-name", "end"),
  ].join("");
}
