/** A decision for people: a row for each target, the reason, and where each figure is from. No line is wider than `WIDTH`. */
import type { Considered, Sourced } from "../policies/considered.ts";
import type { ExcludedTarget, RecordedCandidate } from "../policies/decision-record.ts";
import { usdShort } from "../policies/reason.ts";
import { usdText, type PicoUsd } from "../usage.ts";
import { priceSource, recordOf, SOURCE_WORDS, type ToldDecision } from "./recorded.ts";

const WIDTH = 120;

export interface TableHead {
  /** What became of it, in one sentence. */
  readonly outcome: string;
  /** What it was decided by: class, key, turn, what was learned; one line each. */
  readonly facts: readonly string[];
  /** What is to be known besides; the last lines. */
  readonly notes: readonly string[];
}

export function decisionTable(told: ToldDecision, { outcome, facts, notes }: TableHead): string {
  const recorded = recordOf(told);
  const candidates = recorded?.candidates ?? [];
  const more = recorded?.more ?? 0;
  const first = told.first ?? told.tried[0];
  const sections: readonly (readonly string[])[] = [
    [...wrapped(outcome), ...facts.flatMap((line) => wrapped(line, "  "))],
    candidates.length === 0 ? [] : rowsOf(candidates),
    more === 0 ? [] : [`and ${more} more that are not told`],
    candidates.length > 0 || first === undefined ? [] : wrapped(onlyTarget(first, told)),
    excludedLines(recorded?.excluded ?? []),
    wrapped(`why: ${told.reason}`, "  "),
    candidates.length === 0 ? [] : ["where the figures are from", ...candidates.flatMap(sourceLines)],
    notes.flatMap((note) => wrapped(note, "  ")),
  ];
  const shown = sections.filter((lines) => lines.length > 0);
  return `${shown.map((lines) => lines.join("\n")).join("\n\n")}\n`;
}

function onlyTarget(target: string, { estimate, priceVersion }: ToldDecision): string {
  return `nothing was weighed: ${target}, ${dollars(estimate)} for this call (${priceText(priceVersion)})`;
}

const COLUMNS = [
  "target",
  "turns",
  "in",
  "read",
  "written",
  "out",
  "cost",
  "success (least, n)",
  "escalation",
  "total",
] as const;

function rowsOf(candidates: readonly RecordedCandidate[]): readonly string[] {
  const isWeighed = candidates.some(({ considered }) => considered !== undefined);
  const heads: readonly string[] = isWeighed ? COLUMNS : ["target", "prompt", "warm", "this call"];
  const rows = candidates.map((one) => (isWeighed ? weighedCells(one) : plainCells(one)));
  const widths = heads
    .slice(1)
    .map((head, at) => Math.max(head.length, ...rows.map((cells) => (cells[at + 1] ?? "").length)));
  const rest = widths.reduce((sum, width) => sum + GAP.length + width, 0);
  const longest = Math.max(...[heads, ...rows].map(([name = ""]) => name.length));
  const nameWidth = Math.min(longest, WIDTH - rest);
  const line = (cells: readonly string[]): readonly string[] => {
    const [name = "", ...others] = cells;
    const figures = others.map((cell, at) => GAP + cell.padStart(widths[at] ?? 0)).join("");
    if (name.length <= nameWidth) return [(name.padEnd(nameWidth) + figures).trimEnd()];
    return [...wrapped(name), (" ".repeat(nameWidth) + figures).trimEnd()];
  };
  return [
    ...line(heads),
    ...candidates.flatMap((one, at) => [
      ...line(rows[at] ?? []),
      ...notesOf(one).flatMap((note) => wrapped(`    ${note}`, "    ")),
    ]),
  ];
}

const GAP = "  ";

function weighedCells({ target, considered }: RecordedCandidate): readonly string[] {
  if (considered === undefined) return [target];
  const { turns, tokens, cost, success, escalation, total } = considered;
  return [
    target,
    decimal(turns.value),
    count(tokens.inputUncached),
    count(tokens.cacheRead),
    count(tokens.cacheWrite),
    count(tokens.output),
    dollars(cost?.sum),
    `${success.value.toFixed(2)} (${success.low.toFixed(2)}, ${count(Math.round(success.n))})`,
    total === undefined ? "" : dollars(escalation.cost),
    dollars(total),
  ];
}

function plainCells({ target, promptTokens, warmTokens, callCost }: RecordedCandidate): readonly string[] {
  return [target, count(promptTokens), count(warmTokens), dollars(callCost)];
}

function notesOf({ isBound, isResting, considered, warmTokens, promptTokens }: RecordedCandidate): readonly string[] {
  const { excluded, lostCache = 0n } = considered ?? {};
  return [
    ...(excluded === undefined
      ? []
      : [`${excluded.must ? "not to be called" : "only if no other is left"}: ${excluded.why}`]),
    ...(isBound ? ["what the request holds is from it: it comes first"] : []),
    ...(isResting ? ["rests after failures: it comes last"] : []),
    ...(warmTokens > 0 ? [`${count(warmTokens)} of ${count(promptTokens)} prompt tokens are warm`] : []),
    ...(lostCache > 0n ? [`of its cost, ${dollars(lostCache)} is for the cache that is left behind`] : []),
  ];
}

function excludedLines(excluded: readonly ExcludedTarget[]): readonly string[] {
  if (excluded.length === 0) return [];
  return ["could not be chosen", ...excluded.flatMap(({ target, why }) => wrapped(`  ${target}: ${why}`, "    "))];
}

/** What the table's columns are made of, by what it is known from. */
function sourceLines({
  target,
  priceVersion,
  callCost,
  promptTokens,
  considered,
}: RecordedCandidate): readonly string[] {
  const call = `this call ${dollars(callCost)}, ${promptTokens} prompt tokens (${priceText(priceVersion)})`;
  return wrapped(`  ${target}: ${[...figureTexts(considered), call].join("; ")}`, "    ");
}

function figureTexts(considered: Considered | undefined): readonly string[] {
  if (considered === undefined) return [];
  const { target, turns, growthTokens, outputTokens, readShare, success, escalation } = considered;
  const figures: readonly (readonly [text: string, figure: Sourced])[] = [
    [`turns ${decimal(turns.value)}`, turns],
    [`growth ${count(Math.round(growthTokens.value))}`, growthTokens],
    [`output ${count(Math.round(outputTokens.value))} a turn`, outputTokens],
    [`read ${Math.round(readShare.value * 100)} %`, readShare],
    [`success ${success.value.toFixed(2)}`, success],
  ];
  const bySource = new Map<string, string[]>();
  for (const [text, { source, n }] of figures) {
    const from = n > 0 ? `${SOURCE_WORDS[source]} (n ${decimal(n)})` : SOURCE_WORDS[source];
    bySource.set(from, [...(bySource.get(from) ?? []), text]);
  }
  const failing =
    escalation.target === undefined
      ? []
      : [`if it fails, ${escalation.target === target ? "once more" : `on to ${escalation.target}`}`];
  return [...[...bySource].map(([from, texts]) => `${texts.join(", ")}: ${from}`), ...failing];
}

function priceText(version: string | undefined): string {
  return version === undefined ? "no price is known" : `price of the ${priceSource(version)}, ${version}`;
}

function dollars(amount: PicoUsd | undefined): string {
  if (amount === undefined) return "unpriced";
  return amount < 0n ? `-$${usdText(-amount)}` : `$${usdShort(Number(amount))}`;
}

/** Whole as far as six digits go. */
function count(value: number): string {
  if (value < 1_000_000) return String(value);
  return value < 1e9 ? `${(value / 1e6).toPrecision(4)}M` : `${(value / 1e9).toPrecision(4)}G`;
}

function decimal(value: number): string {
  return value < 99.95 ? value.toFixed(1).replace(/\.0$/, "") : value.toFixed(0);
}

/** @param indent Of all lines but the first. */
function wrapped(text: string, indent = ""): readonly string[] {
  const lines: string[] = [];
  let rest = text;
  let before = "";
  while (before.length + rest.length > WIDTH) {
    const room = WIDTH - before.length;
    const leading = rest.length - rest.trimStart().length;
    const space = rest.lastIndexOf(" ", room);
    const end = space > leading ? space : room;
    lines.push(before + rest.slice(0, end).trimEnd());
    rest = rest.slice(end).trimStart();
    before = indent;
  }
  return [...lines, before + rest];
}
