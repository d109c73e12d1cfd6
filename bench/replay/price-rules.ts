/** Other prices, as they are said: times the price, today's, or prices of one's own; and the hardware of a server of one's own. */
import { z } from "zod";
import { RECORD_DEFAULTS, type ModelRecord } from "../../src/model.ts";
import { withConfiguredRow } from "../../src/models.ts";
import { configuredModelRow, type ConfiguredModelRow } from "../../src/models-schema.ts";
import type { Target } from "../../src/target.ts";
import { BILLED_BUCKETS, type BilledBucket, type PicoUsd, type Price, type Rates } from "../../src/usage.ts";
import { ReplayError } from "./replay-error.ts";

export interface PriceRule {
  /** A target, its provider, its model, or the beginning of a target (`openai/*`, `*`). */
  readonly pattern: string;
  readonly change: Times | { readonly kind: "latest" } | { readonly kind: "row"; readonly row: ConfiguredModelRow };
}

export interface Times {
  readonly kind: "times";
  readonly factor: Factor;
  readonly text: string;
}

/** A decimal number, exactly. */
export interface Factor {
  readonly numerator: bigint;
  readonly denominator: bigint;
}

/** A server of one's own: what is paid by the hour, whatever it does. */
export interface Hardware {
  readonly target: string;
  readonly usdPerHour: number;
  /** Tokens per second. */
  readonly prefill: number;
  readonly decode: number;
  /** Of the busiest hour, the share that it may be busy. */
  readonly busyMost: number;
  /** Share of the paid hours that a policy is to take it to be busy: what its tokens cost. */
  readonly utilization: number;
}

const WORDS = "x4, latest, or input:0.2,output:1.25[,cacheRead:…,cacheWrite5m:…,cacheWrite1h:…,cacheWrite:…]";

/** @throws ReplayError */
export function readPriceRule(text: string): PriceRule {
  const [pattern, said] = parted(text, "--price", `'<target>=<price>', where a price is ${WORDS}`);
  if (said === "latest") return { pattern, change: { kind: "latest" } };
  const times = /^x(\d{1,9})(?:\.(\d{1,9}))?$/.exec(said);
  if (times !== null) {
    const [, whole = "0", fraction = ""] = times;
    const factor = { numerator: BigInt(whole + fraction), denominator: 10n ** BigInt(fraction.length) };
    return { pattern, change: { kind: "times", factor, text: said } };
  }
  const rates = Object.fromEntries(
    said.split(",").map((each) => {
      const [name = "", value = ""] = each.split(":");
      return [name.trim(), value.trim() === "" ? Number.NaN : Number(value)];
    }),
  );
  return { pattern, change: { kind: "row", row: checkedRow({ price: rates }, `--price ${pattern}`, WORDS) } };
}

/** @param text Of a file: by pattern what the config says of a model (`price`, `prices` with dates, `gpuHourUsd` …). */
export function readPricesFile(text: string, name: string): readonly PriceRule[] {
  let rows: unknown;
  try {
    rows = JSON.parse(text);
  } catch {
    throw new ReplayError(`${name}: it is not JSON`);
  }
  const checked = z.record(z.string(), z.unknown()).safeParse(rows);
  if (!checked.success) throw new ReplayError(`${name}: must be an object with targets as its keys`);
  return Object.entries(checked.data).map(([pattern, row]) => ({
    pattern,
    change: { kind: "row", row: checkedRow(row, `${name}: ${pattern}`, "as in the config's `models`") },
  }));
}

/** @throws ReplayError */
export function readHardware(text: string): Hardware {
  const form =
    "'<target>=$2.10/hour,prefill=<tokens per second>,decode=<tokens per second>[,busy=0.8][,utilization=0.5]'";
  const [target, said] = parted(text, "--gpu", form);
  const [price = "", ...others] = said.split(",").map((each) => each.trim());
  const hour = /^\$?(\d+(?:\.\d+)?)\/h(?:our)?$/.exec(price);
  if (hour === null) throw new ReplayError(`--gpu ${target}: what an hour costs is missing: ${form}`);
  const given = new Map(others.map((each) => each.split("=") as [string, string | undefined]));
  const figure = (name: string): number | undefined => {
    const value = given.get(name);
    given.delete(name);
    return value === undefined || value === "" ? undefined : Number(value);
  };
  const [prefill, decode, busyMost] = [figure("prefill"), figure("decode"), figure("busy") ?? BUSY_MOST];
  const utilization = figure("utilization") ?? 1;
  const [unknown] = given.keys();
  if (unknown !== undefined) throw new ReplayError(`--gpu ${target}: there is no \`${unknown}\`: ${form}`);
  if (!(prefill !== undefined && prefill > 0) || !(decode !== undefined && decode > 0))
    throw new ReplayError(
      `--gpu ${target}: prefill and decode must be said, tokens per second of all calls together: measure your server, nobody else's figures are yours`,
    );
  if (!(busyMost > 0 && busyMost <= 1)) throw new ReplayError(`--gpu ${target}: busy must be above 0, and at most 1`);
  if (!(utilization > 0 && utilization <= 1))
    throw new ReplayError(`--gpu ${target}: utilization must be above 0, and at most 1`);
  return { target, usdPerHour: Number(hour[1]), prefill, decode, busyMost, utilization };
}

/** Assumed: calls do not arrive one behind the other, so that a server that is never idle keeps them waiting. */
const BUSY_MOST = 0.8;

/** As the config has it: what a token costs. */
export function hardwareRule({ target, usdPerHour, prefill, decode, utilization }: Hardware): PriceRule {
  return {
    pattern: target,
    change: { kind: "row", row: { gpuHourUsd: usdPerHour, tokensPerSecond: { prefill, decode }, utilization } },
  };
}

function parted(text: string, flag: string, form: string): readonly [string, string] {
  const at = text.indexOf("=");
  const [before, behind] = [text.slice(0, at).trim(), text.slice(at + 1).trim()];
  if (at < 1 || before === "" || behind === "") throw new ReplayError(`${flag} ${text.slice(0, 80)}: must be ${form}`);
  return [before, behind];
}

function checkedRow(row: unknown, where: string, form: string): ConfiguredModelRow {
  const result = configuredModelRow.safeParse(row);
  if (result.success) return result.data;
  const [issue] = result.error.issues;
  throw new ReplayError(
    `${where}: ${issue?.path.map((part) => `\`${String(part)}\` `).join("") ?? ""}${issue?.message ?? "is wrong"} (${form})`,
  );
}

/** The last rule that is about a target counts. */
export function ruleOf(
  rules: readonly PriceRule[],
  target: Pick<Target, "name" | "model" | "instance">,
): PriceRule | undefined {
  return rules.findLast(({ pattern }) => isAbout(pattern, target));
}

export function isAbout(
  pattern: string,
  { name, model, instance }: Pick<Target, "name" | "model" | "instance">,
): boolean {
  if (pattern.endsWith("*")) return name.startsWith(pattern.slice(0, -1));
  return pattern === name || pattern === model || pattern === instance.name;
}

/** What the model's record is where a row of one's own says so. */
export function recordUnder(target: Target, row: ConfiguredModelRow): ModelRecord {
  const { record, model, instance } = target;
  return withConfiguredRow(record ?? { ...RECORD_DEFAULTS, id: model, provider: instance.provider.kind }, row);
}

/** Rates are whole picodollars, here as everywhere. */
export function timesPrice(price: Price, { factor, text }: Times): Price {
  const scaled = (rates: Rates): Rates => {
    const made: Partial<Record<BilledBucket, PicoUsd>> = {};
    for (const bucket of BILLED_BUCKETS) {
      const rate = rates[bucket];
      if (rate !== undefined) made[bucket] = timesAmount(rate, factor);
    }
    return made;
  };
  return {
    version: `${price.version}·${text}`,
    rates: scaled(price.rates),
    ...(price.over === undefined
      ? {}
      : { over: price.over.map(({ promptTokens, rates }) => ({ promptTokens, rates: scaled(rates) })) }),
  };
}

/** To the nearest. */
export function timesAmount(amount: PicoUsd, { numerator, denominator }: Factor): PicoUsd {
  return (2n * amount * numerator + denominator) / (2n * denominator);
}
