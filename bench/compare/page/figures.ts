/** Numbers as the page says them: as many digits as mean something, and in a column the same number of decimals. */

/** Narrow and not to be broken at. */
const THIN = "\u202F";
export const UNKNOWN = "–";

export function counted(value: number): string {
  return GROUPED.format(value);
}

const GROUPED = new Intl.NumberFormat("en-US", { maximumFractionDigits: 0 });

/** Three digits, and a letter for what is left out. */
export function shortened(value: number): string {
  if (Math.abs(value) < 1000) return Number.isInteger(value) || value >= 100 ? value.toFixed(0) : significant(value, 2);
  const [size, letter] = SIZES.find(([least]) => Math.abs(value) >= least * 0.9995) ?? ([1000, "k"] as const);
  return `${significant(value / size, 3)}${THIN}${letter}`;
}

const SIZES: readonly (readonly [number, string])[] = [
  [1e12, "T"],
  [1e9, "G"],
  [1e6, "M"],
  [1e3, "k"],
];

export function percent(share: number | null | undefined, decimals = 1): string {
  return share === null || share === undefined ? UNKNOWN : `${(share * 100).toFixed(decimals)}${THIN}%`;
}

export function milliseconds(value: number | null | undefined): string {
  if (value === null || value === undefined) return UNKNOWN;
  if (value < 1000) return `${value < 10 ? significant(value, 2) : value.toFixed(0)}${THIN}ms`;
  if (value < 100_000) return `${(value / 1000).toFixed(value < 10_000 ? 2 : 1)}${THIN}s`;
  return `${(value / 60_000).toFixed(1)}${THIN}min`;
}

export function seconds(value: number): string {
  if (value < 10) return `${value.toFixed(1)}${THIN}s`;
  if (value < 120) return `${value.toFixed(0)}${THIN}s`;
  const minutes = Math.round(value / 60);
  return minutes < 120 ? `${minutes}${THIN}min` : `${Math.floor(minutes / 60)}${THIN}h ${minutes % 60}${THIN}min`;
}

/** Exact. @param pico Digits. */
export function exactDollars(pico: string, decimals: number = exactDecimals([pico])): string {
  const digits = pico.padStart(13, "0");
  return `$${counted(Number(digits.slice(0, -12)))}.${digits.slice(-12).slice(0, decimals)}`;
}

/** As many as the longest of them needs, and cents. */
export function exactDecimals(picos: readonly string[]): number {
  return Math.max(2, ...picos.map((pico) => pico.padStart(13, "0").slice(-12).replace(/0+$/, "").length));
}

/** To three digits, cents at least. */
export function dollars(value: number): string {
  if (value === 0) return "$0";
  if (Math.abs(value) >= 1000) return `$${counted(value)}`;
  if (Math.abs(value) >= 0.1) return `$${value.toFixed(2)}`;
  return `$${significant(value, 3)}`;
}

/** As an axis says it: cents, or as many decimals as its ticks have. */
export function dollarsTick(value: number, decimals: number): string {
  if (value >= 10_000) return `$${shortenedTick(value)}`;
  return `$${value.toLocaleString("en-US", decimalsOf(decimals === 0 ? 0 : Math.max(2, decimals)))}`;
}

export function shortenedTick(value: number): string {
  return shortened(value).replace(/\.0+(?=\D|$)|(?<=\.\d*[1-9])0+(?=\D|$)/, "");
}

function decimalsOf(decimals: number): Intl.NumberFormatOptions {
  return { minimumFractionDigits: decimals, maximumFractionDigits: decimals };
}

/** Sums that stand beside each other: with so many decimals as the least needs for so many digits, and cents at least. */
export function dollarsAlike(usd: readonly number[], digits = 2): (value: number) => string {
  const least = Math.min(...usd.filter((value) => value > 0), 1);
  const decimals = Math.min(8, Math.max(2, digits - 1 - Math.floor(Math.log10(least))));
  return (value) => `$${value.toLocaleString("en-US", decimalsOf(decimals))}`;
}

/** Never with an exponent. */
function significant(value: number, digits: number): string {
  if (value === 0) return "0";
  const decimals = Math.max(0, digits - 1 - Math.floor(Math.log10(Math.abs(value))));
  return value.toFixed(Math.min(15, decimals));
}

/** What tasks cost, in a unit that makes it readable, and with the same decimals for all. */
export interface TaskCost {
  /** 1 or 1,000. */
  readonly tasks: number;
  /** "per task" */
  readonly per: string;
  /** @param usd Of one task. */
  readonly written: (usd: number | null | undefined) => string;
}

/** @param usd Of one task, each that will be written beside the others. */
export function taskCostOf(usd: readonly (number | null)[]): TaskCost {
  const values = usd.filter((value) => value !== null && value > 0) as number[];
  const tasks = values.length > 0 && Math.min(...values) < 0.01 ? 1000 : 1;
  const written = dollarsAlike(values.map((value) => value * tasks));
  return {
    tasks,
    per: tasks === 1 ? "per task" : "per 1,000 tasks",
    written: (value) => (value === null || value === undefined ? UNKNOWN : written(value * tasks)),
  };
}

/** "$0.41–0.47", in the words of its figure; "" without one. */
export function intervalText(
  interval: readonly [number | null, number | null] | null,
  written: (value: number) => string,
): string {
  if (interval === null) return "";
  const [low, high] = interval;
  if (low === null && high === null) return "no bound";
  if (high === null) return `from ${written(low ?? 0)}`;
  if (low === null) return `up to ${written(high)}`;
  // A unit is said once.
  return `${written(low).replace(/\u202F\D+$/, "")}–${written(high).replace(/^\$/, "")}`;
}

/** A time of `report.json` for people. */
export function dated(iso: string): string {
  return `${iso.slice(0, 10)} ${iso.slice(11, 16)} UTC`;
}
