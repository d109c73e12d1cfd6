/** Cost by policy against the bound, as an SVG that reads on light and dark pages. By hand: bars and words are all there is. */
import { escaped } from "../plot/markup.ts";
import type { NamedReport } from "./goals.ts";

/** From the policy that costs nothing to think of, to what none can beat. */
const SHOWN: readonly string[] = [
  "none",
  "end 5m",
  "static+end 5m",
  "end 30m",
  "static+end 30m",
  "static+end 1h",
  "learned",
  "clairvoyant",
];
const WORDS: Readonly<Record<string, string>> = { none: "no caching", clairvoyant: "knowing the future" };

const WIDTH = 760;
const LABEL_WIDTH = 160;
const BAR_WIDTH = 480;
const BAR_HEIGHT = 14;
const ROW_HEIGHT = 22;
const TITLE_HEIGHT = 34;
const GAP = 18;

const STYLE = `
    text { font: 13px system-ui, sans-serif; fill: #1f2328 }
    .title { font-weight: 600 }
    .number { font-variant-numeric: tabular-nums }
    .usual { fill: #8c959f }
    .learned { fill: #1a7f37 }
    .bound { fill: #54aeff }
    .line { stroke: #0969da; stroke-dasharray: 3 3 }
    .note { fill: #59636e }
    @media (prefers-color-scheme: dark) {
      text { fill: #f0f6fc }
      .usual { fill: #6e7681 }
      .learned { fill: #3fb950 }
      .bound { fill: #1f6feb }
      .line { stroke: #58a6ff }
      .note { fill: #9198a1 }
    }
  `;

export function pictureOf(reports: readonly NamedReport[]): string {
  const panels: string[] = [];
  let top = 0;
  for (const { name, report } of reports) {
    const rows = rowsOf(name, report);
    panels.push(panel(name, rows, top));
    top += TITLE_HEIGHT + rows.length * ROW_HEIGHT + GAP;
  }
  const said =
    "Input-side cost; no caching is 1.000, behind it the multiple of the bound. Each trace has a scale of its own.";
  const height = top + ROW_HEIGHT;
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${height}" width="${WIDTH}" height="${height}" role="img" aria-label="Cost by policy against the bound">
  <style>${STYLE}</style>
${panels.join("")}  <text class="note" x="0" y="${top + 8}">${said}</text>
</svg>
`;
}

interface Row {
  readonly label: string;
  readonly kind: "usual" | "learned" | "bound";
  readonly cost: number;
  readonly overBound: number;
}

function rowsOf(trace: string, { policies, bounds }: NamedReport["report"]): readonly Row[] {
  const { bound } = bounds;
  if (bound === undefined) throw new Error(`${trace} was replayed without a bound`);
  const rows = SHOWN.flatMap((name): Row[] => {
    const cost = policies[name]?.["cost"];
    if (cost === undefined) return [];
    const kind = name === "learned" ? "learned" : "usual";
    return [{ label: WORDS[name] ?? name, kind, cost, overBound: cost / bound }];
  });
  return [...rows, { label: "lower bound", kind: "bound", cost: bound, overBound: 1 }];
}

function panel(name: string, rows: readonly Row[], top: number): string {
  const scale = BAR_WIDTH / Math.max(...rows.map(({ cost }) => cost));
  const first = top + TITLE_HEIGHT;
  const bound = LABEL_WIDTH + (rows.at(-1)?.cost ?? 0) * scale;
  const bars = rows.map(({ label, kind, cost, overBound }, index) => {
    const y = first + index * ROW_HEIGHT;
    const width = (cost * scale).toFixed(1);
    const end = LABEL_WIDTH + cost * scale + 6;
    const strong = kind === "learned" ? " title" : "";
    return `  <text class="label${strong}" x="${LABEL_WIDTH - 8}" y="${y + 12}" text-anchor="end">${escaped(label)}</text>
  <rect class="${kind}" x="${LABEL_WIDTH}" y="${y}" width="${width}" height="${BAR_HEIGHT}" rx="2"/>
  <text class="number${strong}" x="${end.toFixed(1)}" y="${y + 12}">${cost.toFixed(3)} · ${overBound.toFixed(2)} ×</text>
`;
  });
  const bottom = first + rows.length * ROW_HEIGHT - (ROW_HEIGHT - BAR_HEIGHT);
  return `  <text class="title" x="0" y="${top + 20}">${escaped(name)}</text>
${bars.join("")}  <line class="line" x1="${bound.toFixed(1)}" y1="${first - 4}" x2="${bound.toFixed(1)}" y2="${bottom + 4}"/>
`;
}
