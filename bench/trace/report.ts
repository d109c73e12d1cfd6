/** The replays as text and as JSON. */
import { isUsual } from "./fixed-policies.ts";
import type { Outcome } from "./replay.ts";
import { percentile, type Routed } from "./routing.ts";
import type { AutomaticOutcome } from "./automatic.ts";
import type { MarkRules } from "./rules.ts";

export interface Bounds {
  readonly bound: number;
  /** If requests may wait for each other. */
  readonly holdBound: number;
}

/** One that is none (a share of nothing) is `NaN` or infinite: a dash as text, `null` as JSON. */
type Figures = Readonly<Record<string, number>>;

/** Costs by policy, as shares of what the prompts cost uncached. */
export interface Report {
  readonly bounds: Readonly<Record<string, number>>;
  readonly policies: Readonly<Record<string, Figures>>;
}

export function marksReport(outcomes: ReadonlyMap<string, Outcome>, bounds: Bounds, rules: MarkRules): Report {
  const policies: Record<string, Figures> = {};
  let promptTokens = 0;
  for (const [name, outcome] of outcomes) {
    ({ promptTokens } = outcome);
    const written = rules.classes.map(({ ttl }, one): [string, number] => [
      `write_${ttl}`,
      share(outcome.writtenTokens[one] ?? 0, promptTokens),
    ]);
    policies[name] = {
      cost: share(outcome.cost, promptTokens),
      over_bound: outcome.cost / bounds.bound,
      over_hold_bound: outcome.cost / bounds.holdBound,
      read: share(outcome.readTokens, promptTokens),
      ...Object.fromEntries(written),
      us_per_decision: outcome.microsecondsPerDecision,
      ttft_p95_s: percentile(outcome.firstTokenSeconds, 0.95),
    };
  }
  const shares = { bound: share(bounds.bound, promptTokens), bound_hold: share(bounds.holdBound, promptTokens) };
  const usual = [...outcomes].filter(([name]) => isUsual(name)).map(([, { cost }]) => share(cost, promptTokens));
  return { bounds: usual.length === 0 ? shares : { ...shares, best_usual: Math.min(...usual) }, policies };
}

export function keysReport(outcomes: ReadonlyMap<string, AutomaticOutcome>, bound: number): Report {
  const policies: Record<string, Figures> = {};
  let promptTokens = 0;
  for (const [name, outcome] of outcomes) {
    ({ promptTokens } = outcome);
    policies[name] = {
      cost: share(outcome.cost, promptTokens),
      over_bound: outcome.cost / bound,
      read: share(outcome.readTokens, promptTokens),
      us_per_decision: outcome.microsecondsPerDecision,
    };
  }
  return { bounds: { bound: share(bound, promptTokens) }, policies };
}

export function routingReport(outcomes: ReadonlyMap<string, Routed>, bestHit: number): Report {
  const policies = [...outcomes].map(
    ([name, { hit, imbalance, firstTokenSecondsP95, microsecondsPerDecision }]): [string, Figures] => [
      name,
      { hit, imbalance, ttft_p95_s: firstTokenSecondsP95, us_per_decision: microsecondsPerDecision },
    ],
  );
  return { bounds: { hit_of_one_infinite_cache: bestHit }, policies: Object.fromEntries(policies) };
}

export function reportText({ bounds, policies }: Report): string {
  const columns = Object.keys(Object.values(policies)[0] ?? {});
  const rows = Object.entries(policies).map(([name, figures]) => [
    name,
    ...columns.map((column) => figureText(column, figures[column] ?? Number.NaN)),
  ]);
  const boundRows = Object.entries(bounds).map(([name, value]) => [wordsOf(name), figureText("cost", value)]);
  return `${aligned([["", ...columns.map(wordsOf)], ...rows])}${aligned(boundRows)}`;
}

export function reportJson({ bounds, policies }: Report): string {
  return JSON.stringify({ ...bounds, policies });
}

/** The first column to the left, the others to the right. */
export function aligned(rows: readonly (readonly string[])[]): string {
  const widths = (rows[0] ?? []).map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)));
  const lines = rows.map((row) =>
    row
      .map((cell, column) => (column === 0 ? cell.padEnd(widths[0] ?? 0) : cell.padStart(widths[column] ?? 0)))
      .join("  "),
  );
  return lines.map((line) => `${line.trimEnd()}\n`).join("");
}

function wordsOf(name: string): string {
  return name.replaceAll("_", " ");
}

function figureText(column: string, value: number): string {
  const digits: Readonly<Record<string, number>> = {
    cost: 4,
    over_bound: 4,
    over_hold_bound: 4,
    imbalance: 2,
    us_per_decision: 1,
    ttft_p95_s: 2,
  };
  return Number.isFinite(value) ? value.toFixed(digits[column] ?? 3) : "–";
}

function share(part: number, whole: number): number {
  return whole === 0 ? 0 : part / whole;
}
