/**
 * The model table: `models.json` and the config's rows, read once and checked; genai-prices for models that have no row.
 *
 * Unknown stays unknown: a model that nobody prices has no price, and is shown as unpriced.
 */
import { hash } from "node:crypto";
import { findProvider, type ModelInfo, type ModelPrice } from "@pydantic/genai-prices";
import { RECORD_DEFAULTS, type DatedPrice, type ModelRecord, type ModelTable } from "./model.ts";
import { modelsFile, type ConfiguredModelRow, type ModelRow, type PriceRow, type RatesRow } from "./models-schema.ts";
import modelsJson from "./models.json" with { type: "json" };
import { picoUsdPerToken, type Price, type Rates } from "./usage.ts";

/** A config's word on a model: whatever is given replaces what the table says. */
export type ModelOverrides = Readonly<Record<string, ConfiguredModelRow>>;

/**
 * @param overrides By model id. A row the table lacks must name its `provider`; its unknowns are read as generously as possible,
 * because a provider refuses better than we guess.
 * @throws Error when a new row names no provider.
 * @example
 * const table = createModelTable({ "gpt-5.4-nano": { prices: [{ input: 0.18, cacheRead: 0.018, output: 1.1 }] } });
 */
export function createModelTable(overrides: ModelOverrides = {}): ModelTable {
  const records = new Map(shippedRecords().map((record) => [record.id, record]));
  for (const [id, row] of Object.entries(overrides)) {
    const known = records.get(id) ?? [...records.values()].find((record) => record.aliases.includes(id));
    const base = known ?? newRecord(id, row.provider);
    records.set(base.id, withConfiguredRow(base, row));
  }
  const byName = new Map([...records.values()].flatMap((record) => record.aliases.map((alias) => [alias, record])));
  for (const record of records.values()) byName.set(record.id, record);
  return {
    find: (name) => byName.get(name) ?? byName.get(name.replace(SNAPSHOT_DATE, "")),
    all: () => [...records.values()],
    fallbackPrice,
  };
}

/**
 * A dated snapshot is the model it is a snapshot of: vendors stamp the release, and price and limits are the model's. Only a whole
 * date at the very end counts, so that `claude-sonnet-5-5` is never taken for `claude-sonnet-5`.
 */
const SNAPSHOT_DATE = /-(?:20\d{2}-[01]\d-[0-3]\d|20\d{2}[01]\d[0-3]\d)$/;

/** Before every other date: a price whose first day is not known. */
const SINCE_EVER = "0000-01-01";

function shippedRecords(): readonly ModelRecord[] {
  const { caches, reasonings, abilities: sets, models } = modelsFile.parse(modelsJson);
  return models.map((row) => {
    const cache = caches[row.cache];
    const reasoning = reasonings[row.reasoning];
    const abilities = sets[row.abilities];
    if (cache === undefined || reasoning === undefined || abilities === undefined)
      throw new Error(`models.json: ${row.id} names a contract that is not there`);
    return withRow(newRecord(row.id, row.provider), { ...row, cache, reasoning, abilities }, "table");
  });
}

function newRecord(id: string, provider: string | undefined): ModelRecord {
  if (provider === undefined)
    throw new Error(`model \`${id}\` is not in the table, so its row must name a \`provider\``);
  return { ...RECORD_DEFAULTS, id, provider };
}

/** A record with what the config says instead. */
export function withConfiguredRow(base: ModelRecord, configured: ConfiguredModelRow): ModelRecord {
  const { price, gpuHourUsd, tokensPerSecond, utilization, ...row } = configured;
  const own = price ?? hardwarePrice(gpuHourUsd, tokensPerSecond, utilization ?? 1);
  return withRow(base, own === undefined ? row : { ...row, prices: [own] }, "config");
}

/** Dollars per million tokens, from what an hour of the hardware costs. What is read from cache was not computed again. */
function hardwarePrice(
  gpuHourUsd: number | undefined,
  tokensPerSecond: ConfiguredModelRow["tokensPerSecond"],
  utilization: number,
): PriceRow | undefined {
  if (gpuHourUsd === undefined || tokensPerSecond === undefined) return undefined;
  const usdPerSecond = gpuHourUsd / 3600 / utilization;
  return {
    input: (usdPerSecond / tokensPerSecond.prefill) * 1_000_000,
    cacheRead: 0,
    output: (usdPerSecond / tokensPerSecond.decode) * 1_000_000,
  };
}

/** The record with what the row says instead. `source` begins the name of its prices. */
function withRow(base: ModelRecord, row: ModelRow, source: string): ModelRecord {
  const { prices, source: _source, verifiedOn: _verifiedOn, note: _note, ...facts } = row;
  const given = Object.fromEntries(
    Object.entries(facts).filter(([, value]) => value !== undefined),
  ) as Partial<ModelRecord>;
  return {
    ...base,
    ...given,
    id: base.id,
    prices: prices === undefined ? base.prices : prices.map((price) => datedPrice(base.id, price, source)),
  };
}

function datedPrice(id: string, row: PriceRow, source: string): DatedPrice {
  const name = `${source}:${id}@${row.from ?? "always"}`;
  // Prices of the table never change once they are told; the config's do, without a date: a row must still name the one it was paid at.
  const version = source === "table" ? name : `${name}#${fingerprint(row)}`;
  return { from: row.from ?? SINCE_EVER, price: priceOf(version, row) };
}

function fingerprint(row: PriceRow): string {
  const { version: _version, ...price } = priceOf("", row);
  const text = JSON.stringify(price, (_key, value: unknown) => (typeof value === "bigint" ? String(value) : value));
  return hash("sha256", text, "hex").slice(0, 8);
}

/** A price as people write it (dollars per million tokens) as the one we count with. */
export function priceOf(version: string, row: PriceRow): Price {
  const { over } = row;
  return {
    version,
    rates: ratesOf(row),
    ...(over === undefined
      ? {}
      : { over: over.map((tier) => ({ promptTokens: tier.promptTokens, rates: ratesOf(tier) })) }),
  };
}

const RATE_OF = {
  input: "inputUncached",
  cacheRead: "cacheRead",
  cacheWrite5m: "cacheWrite5m",
  cacheWrite1h: "cacheWrite1h",
  cacheWrite: "cacheWriteOther",
  output: "output",
} as const satisfies Record<keyof RatesRow, keyof Rates>;

function ratesOf(row: RatesRow): Rates {
  const rates: Partial<Record<keyof Rates, bigint>> = {};
  for (const [word, bucket] of Object.entries(RATE_OF)) {
    const usd = row[word as keyof RatesRow];
    if (usd !== undefined) rates[bucket] = picoUsdPerToken(usd);
  }
  return rates;
}

const GENAI_PRICES_VERSION = "0.1.8";

/**
 * The library's own matching is by prefix, which took `claude-sonnet-5-5` for `claude-sonnet-5`: only ids it names outright count.
 */
function fallbackPrice(kind: string, model: string, atMs: number): Price | undefined {
  const found = genaiModel(kind, model);
  const prices = found === undefined ? undefined : genaiPricesAt(found, atMs);
  if (found === undefined || prices === undefined) return undefined;
  const input = prices["input_mtok"];
  const output = prices["output_mtok"];
  // Free tiers and models billed by another unit are not prices of tokens; tokens of sound and pictures that have a price of
  // their own are not told apart by our buckets.
  // What only reads (embeddings) has no price of output; if such a one wrote all the same, its cost would be unknown.
  const onlyReads = Object.keys(prices).every((unit) => unit === "input_mtok");
  if (input === undefined || (output === undefined && !onlyReads)) return undefined;
  if (Object.keys(prices).some(isOtherToken)) return undefined;
  const thresholds = new Set(
    Object.values(prices).flatMap((price) => (typeof price === "object" ? price.tiers.map((tier) => tier.start) : [])),
  );
  return {
    version: `genai-prices@${GENAI_PRICES_VERSION}:${found.id}`,
    rates: genaiRates(prices, 0),
    over: [...thresholds].map((start) => ({ promptTokens: start, rates: genaiRates(prices, start + 1) })),
  };
}

function genaiModel(kind: string, model: string): ModelInfo | undefined {
  const provider = findProvider({ providerId: kind });
  if (provider?.id !== kind) return undefined;
  return provider.models.find((candidate) => candidate.id === model || namesOutright(candidate.match, model));
}

function namesOutright(match: ModelInfo["match"], model: string): boolean {
  if ("equals" in match) return match.equals === model;
  return "or" in match && match.or.some((clause) => namesOutright(clause, model));
}

function genaiPricesAt(model: ModelInfo, atMs: number): ModelPrice | undefined {
  if (!Array.isArray(model.prices)) return model.prices;
  const day = new Date(atMs).toISOString().slice(0, 10);
  // By day of the year only: a price that holds for some hours of the day is not one that we can promise.
  const holding = model.prices.filter(
    ({ constraint }) => constraint === undefined || ("start_date" in constraint && constraint.start_date <= day),
  );
  return holding.at(-1)?.prices;
}

const GENAI_UNITS = {
  inputUncached: "input_mtok",
  cacheRead: "cache_read_mtok",
  cacheWrite5m: "cache_write_mtok",
  cacheWrite1h: "cache_write_1h_mtok",
  cacheWriteOther: "cache_write_mtok",
  output: "output_mtok",
} as const satisfies Record<keyof Rates, string>;

const GENAI_UNIT_NAMES: readonly string[] = Object.values(GENAI_UNITS);

function isOtherToken(unit: string): boolean {
  return unit.endsWith("_mtok") && !GENAI_UNIT_NAMES.includes(unit);
}

function genaiRates(prices: ModelPrice, promptTokens: number): Rates {
  const rates: Partial<Record<keyof Rates, bigint>> = {};
  for (const [bucket, unit] of Object.entries(GENAI_UNITS)) {
    const price = prices[unit];
    if (price === undefined) continue;
    const usd =
      typeof price === "number"
        ? price
        : price.tiers.reduce((held, tier) => (promptTokens > tier.start ? tier.price : held), price.base);
    rates[bucket as keyof Rates] = picoUsdPerToken(usd);
  }
  return rates;
}

/** Where genai-prices says something else than our table does now: to be looked into, never applied. */
export interface PriceDrift {
  readonly model: string;
  readonly bucket: keyof Rates;
  readonly ours: bigint;
  readonly theirs: bigint | undefined;
}

export function priceDrift(
  table: ModelTable,
  price: (record: ModelRecord) => Price | undefined,
  atMs: number,
): readonly PriceDrift[] {
  return table.all().flatMap((record) => {
    const ours = price(record)?.rates ?? {};
    const theirs = table.fallbackPrice(record.provider, record.id, atMs)?.rates;
    if (theirs === undefined) return [];
    return (Object.entries(ours) as [keyof Rates, bigint][])
      .filter(([bucket, rate]) => theirs[bucket] !== rate)
      .map(([bucket, rate]) => ({ model: record.id, bucket, ours: rate, theirs: theirs[bucket] }));
  });
}
