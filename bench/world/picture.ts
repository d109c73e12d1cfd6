/** What each way to choose costs over the best choice, task by task, as an SVG that reads on light and dark pages. */
import { escaped } from "../plot/markup.ts";

export interface Curve {
  readonly name: string;
  readonly kind: "learned" | "untried" | "usual";
  /** By task of a class: a multiple of the best choice. */
  readonly values: readonly number[];
}

/** Where something happens, by task of a class. */
export interface Event {
  readonly index: number;
  readonly name: string;
}

const WIDTH = 760;
const HEIGHT = 340;
const LEFT = 52;
const RIGHT = 16;
const TOP = 58;
const BOTTOM = 42;
/** More than so many times the best is off the picture. */
const MOST = 4;

const STYLE = `
    text { font: 13px system-ui, sans-serif; fill: #1f2328 }
    .title { font-weight: 600 }
    .note { fill: #59636e }
    .axis { stroke: #d1d9e0 }
    .event { stroke: #0969da; stroke-dasharray: 3 3 }
    polyline { fill: none; stroke-width: 1.8 }
    .usual { stroke: #8c959f }
    .untried { stroke: #bf8700 }
    .learned { stroke: #1a7f37 }
    @media (prefers-color-scheme: dark) {
      text { fill: #f0f6fc }
      .note { fill: #9198a1 }
      .axis { stroke: #3d444d }
      .usual { stroke: #6e7681 }
      .untried { stroke: #d29922 }
      .learned { stroke: #3fb950 }
    }
  `;

export function pictureOf(curves: readonly Curve[], events: readonly Event[]): string {
  const length = Math.max(...curves.map(({ values }) => values.length));
  const x = (index: number) => LEFT + (index / Math.max(1, length - 1)) * (WIDTH - LEFT - RIGHT);
  const y = (value: number) => TOP + ((MOST - Math.min(MOST, value)) / (MOST - 1)) * (HEIGHT - TOP - BOTTOM);
  const steps = [1, 2, 3, 4].map(
    (step) => `  <line class="axis" x1="${LEFT}" y1="${y(step)}" x2="${WIDTH - RIGHT}" y2="${y(step)}"/>
  <text class="note" x="${LEFT - 8}" y="${y(step) + 4}" text-anchor="end">${step} ×</text>
`,
  );
  const marks = events.map(
    ({
      index,
      name,
    }) => `  <line class="event" x1="${at(x(index))}" y1="${TOP}" x2="${at(x(index))}" y2="${HEIGHT - BOTTOM}"/>
  <text class="note" x="${at(x(index) + 5)}" y="${TOP + 12}">${escaped(name)}</text>
`,
  );
  const lines = curves.map(({ kind, values }) => {
    const points = values.map((value, index) => `${at(x(index))},${at(y(value))}`).join(" ");
    return `  <polyline class="${kind}" points="${points}"/>\n`;
  });
  const keys = curves.map(
    (
      { name, kind },
      index,
    ) => `  <polyline class="${kind}" points="${LEFT + index * 220},34 ${LEFT + index * 220 + 24},34"/>
  <text x="${LEFT + index * 220 + 30}" y="38">${escaped(name)}</text>
`,
  );
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${HEIGHT}" width="${WIDTH}" height="${HEIGHT}" role="img" aria-label="Cost over the best choice, in a simulated world">
  <style>${STYLE}</style>
  <text class="title" x="0" y="16">Cost of a finished task over the best choice, in a simulated world</text>
${keys.join("")}${steps.join("")}${marks.join("")}${lines.join("")}  <text class="note" x="${WIDTH - RIGHT}" y="${HEIGHT - 12}" text-anchor="end">tasks of a class; mean of classes and runs</text>
</svg>
`;
}

function at(value: number): string {
  return value.toFixed(1);
}
