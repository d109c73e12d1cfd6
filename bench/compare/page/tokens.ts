/** What was billed, by bucket: where the cost comes from. */
import { type Bar, type Part, stackedBars } from "../../plot/stacked-bars.ts";
import type { ReportTokens } from "../report.ts";
import { paragraph, plotOf, section, type Table } from "./blocks.ts";
import { counted, shortened } from "./figures.ts";
import type { View } from "./view.ts";

interface Bucket extends Part {
  readonly of: (tokens: ReportTokens) => number;
}

/** Disjoint, in the order of the bars. */
const BUCKETS: readonly Bucket[] = [
  { name: "prompt from cache", kind: "read", of: (tokens) => tokens.cache_read },
  {
    name: "prompt into cache",
    kind: "write",
    of: (tokens) => tokens.cache_write_5m + tokens.cache_write_1h + tokens.cache_write_other,
  },
  { name: "prompt, uncached", kind: "uncached", of: (tokens) => tokens.input_uncached },
  { name: "reasoning", kind: "reasoning", of: (tokens) => tokens.reasoning },
  { name: "answer", kind: "output", of: (tokens) => tokens.output - tokens.reasoning },
];

export function tokensSection({ targets, named }: View): string {
  const parts = BUCKETS.filter(({ of }) => targets.some(({ sums }) => of(sums.tokens) > 0));
  const bars = targets.map(({ name, sums: { tokens, runs } }): Bar => {
    const values = parts.map(({ of }) => Math.max(0, of(tokens)) / Math.max(1, runs));
    return { ...named(name), values, text: shortened(values.reduce((sum, value) => sum + value, 0)) };
  });
  const table: Table = {
    name: "Tokens of all runs by bucket",
    columns: ["", ...targets.map(({ name }) => name)],
    rows: [
      ...ROWS.map(([name, of]) => [name, ...targets.map(({ sums }) => counted(of(sums.tokens)))]),
      ["Runs", ...targets.map(({ sums }) => counted(sums.runs))],
      ["Calls without usage", ...targets.map(({ sums }) => counted(sums.calls_without_usage))],
    ],
  };
  return section(
    "tokens",
    "Tokens of a task",
    paragraph(
      "Mean of a run, as it was billed. Models count the same text differently, and what each kind costs is the target’s price.",
      "lead",
    ),
    plotOf({
      id: "tokens",
      title: "Tokens of a task by bucket and target",
      description: bars
        .map(
          ({ name, values, text }) =>
            `${name}: ${text}, of which ${parts.map((part, index) => `${part.name} ${shortened(values[index] ?? 0)}`).join(", ")}`,
        )
        .join("; "),
      draw: (width) => stackedBars(bars, parts, shortened, width),
      tables: [table],
    }),
  );
}

const ROWS: readonly (readonly [string, (tokens: ReportTokens) => number])[] = [
  ["Prompt, read from cache", (tokens) => tokens.cache_read],
  ["Prompt, written for 5 minutes", (tokens) => tokens.cache_write_5m],
  ["Prompt, written for 1 hour", (tokens) => tokens.cache_write_1h],
  ["Prompt, written otherwise", (tokens) => tokens.cache_write_other],
  ["Prompt, not cached", (tokens) => tokens.input_uncached],
  ["Output", (tokens) => tokens.output],
  ["Of it reasoning", (tokens) => tokens.reasoning],
];
