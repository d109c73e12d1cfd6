/** What alerts told in simulated years, against what was true. */
import type { Goal } from "../trace/goals.ts";
import { aligned } from "../trace/report.ts";
import type { Found, YearResult } from "./run.ts";
import type { IncidentKind } from "./world.ts";

export const RUNAWAY_MINUTES_MAX = 30;
export const DAY_MINUTES = 1_440;
export const FALSE_A_MONTH_MAX = 1;
const MONTHS = 12;

const KINDS: readonly IncidentKind[] = ["runaway", "price change", "cache bust", "burst"];

export function yearsText(years: readonly YearResult[]): string {
  const rows = KINDS.map((kind) => {
    const found = years.flatMap((year) => year.found.filter(({ incident }) => incident.kind === kind));
    const share = (minutesMax: number) => percent(within(found, minutesMax), found.length);
    return [
      kind,
      String(found.length),
      share(Number.POSITIVE_INFINITY),
      share(RUNAWAY_MINUTES_MAX),
      share(DAY_MINUTES),
      ...minutesOf(found),
    ];
  });
  const table = aligned([["what", "times", "told", "in 30 min", "in a day", "minutes: median", "90 %"], ...rows]);
  const pages = years.flatMap((year) => year.pages);
  const right = pages.filter(({ incident }) => incident !== undefined).length;
  const chance = pages.filter(({ incident, cameOver }) => incident === undefined && cameOver).length;
  const wrong = pages.length - right - chance;
  const projected = pages.filter(({ event }) => event.alert.basis === "projected");
  const lines = [
    `${pages.length} alerts in ${years.length} years of ${years[0]?.scopes ?? 0} scopes: ${right} of what was wrong (precision ${percent(right, pages.length)}),`,
    `${chance} of days that were over 150 % of what is usual by chance, ${wrong} of days that were not; each told once, ${years.reduce((sum, { resolved }) => sum + resolved, 0)} told to be over.`,
    `A month of ${years[0]?.scopes ?? 0} scopes: ${amountOf(aMonth(years, chance + wrong))} alerts of nothing wrong, ${amountOf(aMonth(years, wrong))} of them not even over.`,
    `${percent(projected.length, pages.length)} were told before they were spent; ${percent(projected.filter(({ cameTrue }) => cameTrue).length, projected.length)} of these came true.`,
    `Looking once: ${amountOf((1_000 * sum(years, "secondsOfEvaluating")) / sum(years, "evaluations"))} ms for ${years[0]?.scopes ?? 0} scopes.`,
  ];
  return `${table}\n${lines.join("\n")}\n`;
}

export function goalsOf(years: readonly YearResult[]): readonly Goal[] {
  const of = (kind: IncidentKind) =>
    years.flatMap((year) => year.found.filter(({ incident }) => incident.kind === kind));
  const runaways = of("runaway");
  const prices = of("price change");
  const pages = years.flatMap((year) => year.pages);
  return [
    {
      what: "median minutes until a runaway is told",
      measured: medianOf(runaways),
      limit: RUNAWAY_MINUTES_MAX,
      isLeast: false,
    },
    {
      what: "share of runaways told within the day",
      measured: within(runaways, DAY_MINUTES) / runaways.length,
      limit: 1,
      isLeast: true,
    },
    {
      what: "share of price changes told within the day",
      measured: within(prices, DAY_MINUTES) / prices.length,
      limit: 1,
      isLeast: true,
    },
    {
      what: "alerts of nothing wrong, a month of 20 scopes",
      measured: aMonth(years, pages.filter(({ incident }) => incident === undefined).length),
      limit: FALSE_A_MONTH_MAX,
      isLeast: false,
    },
  ];
}

function aMonth(years: readonly YearResult[], alerts: number): number {
  return alerts / years.length / MONTHS;
}

function within(found: readonly Found[], minutesMax: number): number {
  return found.filter(({ minutes }) => minutes !== undefined && minutes <= minutesMax).length;
}

function minutesOf(found: readonly Found[]): readonly [string, string] {
  const at = (share: number) => {
    const minutes = sorted(found)[Math.floor(share * (found.length - 1))] ?? Number.POSITIVE_INFINITY;
    return Number.isFinite(minutes) ? minutes.toFixed(0) : "not told";
  };
  return [at(0.5), at(0.9)];
}

function medianOf(found: readonly Found[]): number {
  return sorted(found)[Math.floor(0.5 * (found.length - 1))] ?? Number.POSITIVE_INFINITY;
}

function sorted(found: readonly Found[]): readonly number[] {
  return found.map(({ minutes }) => minutes ?? Number.POSITIVE_INFINITY).toSorted((one, other) => one - other);
}

function sum(years: readonly YearResult[], what: "secondsOfEvaluating" | "evaluations"): number {
  return years.reduce((total, year) => total + year[what], 0);
}

function percent(part: number, whole: number): string {
  return whole === 0 ? "none" : `${((100 * part) / whole).toFixed(0)} %`;
}

function amountOf(value: number): string {
  return value.toFixed(2);
}
