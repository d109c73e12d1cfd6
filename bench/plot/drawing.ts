/** What every plot is: shapes at a width, with words for those who do not see them. */
import { element, escaped } from "./markup.ts";

/** Shapes in pixels. Their colours and fonts are those of the page's style, by class. */
export interface Drawing {
  readonly height: number;
  readonly body: string;
}

/** A thing that is drawn in a colour of its own wherever it appears. */
export interface Named {
  readonly name: string;
  /** Which of the page's colours: the class `c0`, `c1`, … */
  readonly color: number;
}

/** One `svg` of it. @param id Of this one on its page. */
export function pictureOf(id: string, title: string, description: string, width: number, drawing: Drawing): string {
  const height = Math.ceil(drawing.height);
  return element(
    "svg",
    {
      viewBox: `0 0 ${width} ${height}`,
      width,
      height,
      role: "img",
      "aria-labelledby": `${id}-title`,
      "aria-describedby": `${id}-description`,
    },
    element("title", { id: `${id}-title` }, escaped(title)),
    element("desc", { id: `${id}-description` }, escaped(description)),
    drawing.body,
  );
}

type Anchor = "start" | "middle" | "end";

export function label(text: string, x: number, y: number, kind = "", anchor: Anchor = "start"): string {
  return element(
    "text",
    { x, y, class: kind === "" ? undefined : kind, "text-anchor": anchor === "start" ? undefined : anchor },
    escaped(text),
  );
}

export function line(x1: number, y1: number, x2: number, y2: number, kind: string): string {
  return element("line", { x1, y1, x2, y2, class: kind });
}
