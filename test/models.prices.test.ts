/**
 * What each model costs, written down a second time: from the vendors' published prices, not from `models.json`.
 */
import { describe, expect, test } from "vitest";
import { priceAt } from "../src/model.ts";
import { createModelTable } from "../src/models.ts";
import { picoUsdPerToken, ratesFor, type Rates } from "../src/usage.ts";

const table = createModelTable();

/** Dollars per million tokens; a dash is a charge that does not exist. */
type Row = readonly [
  model: string,
  day: string,
  promptTokens: number,
  input: number,
  cacheRead: number | "-",
  write5m: number | "-",
  write1h: number | "-",
  write: number | "-",
  output: number,
];

const NOW = "2026-11-22";
const SHORT = 1_000;

const PRICES: readonly Row[] = [
  ["gpt-5.4", NOW, SHORT, 2.5, 0.25, "-", "-", "-", 15],
  ["gpt-5.4", NOW, 272_000, 2.5, 0.25, "-", "-", "-", 15],
  ["gpt-5.4", NOW, 272_001, 5, 0.5, "-", "-", "-", 22.5],
  ["gpt-5.4-mini", NOW, SHORT, 0.75, 0.075, "-", "-", "-", 4.5],
  ["gpt-5.4-nano", NOW, SHORT, 0.2, 0.02, "-", "-", "-", 1.25],
  ["gpt-5.4-nano", "2026-03-17", SHORT, 0.2, 0.02, "-", "-", "-", 1.25],
  ["gpt-5-mini", NOW, SHORT, 0.25, 0.025, "-", "-", "-", 2],
  ["gpt-5-nano", NOW, SHORT, 0.05, 0.005, "-", "-", "-", 0.4],
  ["gpt-4.1-nano", "2026-10-22", SHORT, 0.1, 0.025, "-", "-", "-", 0.4],
  ["gpt-5.5", NOW, SHORT, 5, 0.5, "-", "-", "-", 30],
  ["gpt-5.6-luna", "2026-07-29", SHORT, 1, 0.1, "-", "-", 1.25, 6],
  ["gpt-5.6-luna", "2026-07-30", SHORT, 0.2, 0.02, "-", "-", 0.25, 1.2],
  ["gpt-5.6-luna", NOW, 272_000, 0.2, 0.02, "-", "-", 0.25, 1.2],
  ["gpt-5.6-luna", NOW, 272_001, 0.4, 0.04, "-", "-", 0.5, 1.8],
  ["gpt-5.6-terra", NOW, SHORT, 2, 0.2, "-", "-", 2.5, 12],
  ["gpt-5.6-terra", NOW, 272_001, 4, 0.4, "-", "-", 5, 18],
  ["gpt-6-luna", "2026-09-22", SHORT, 0.1, 0.01, "-", "-", 0.125, 0.5],
  ["gpt-6-luna", NOW, 272_000, 0.1, 0.01, "-", "-", 0.125, 0.5],
  ["gpt-6-luna", NOW, 272_001, 0.2, 0.02, "-", "-", 0.25, 0.75],
  ["gpt-6.1-sol", "2026-09-29", SHORT, 2, 0.1, "-", "-", 2.5, 10],
  ["claude-haiku-4-5", NOW, SHORT, 1, 0.1, 1.25, 2, "-", 5],
  ["claude-haiku-5-5", "2026-10-07", SHORT, 0.1, 0.01, 0.125, 0.2, "-", 0.5],
  ["claude-haiku-5-5", NOW, 100_000, 0.1, 0.01, 0.125, 0.2, "-", 0.5],
  ["claude-haiku-5-5", NOW, 100_001, 0.5, 0.05, 0.625, 1, "-", 2.5],
  ["claude-sonnet-4-6", NOW, SHORT, 3, 0.3, 3.75, 6, "-", 15],
  ["claude-sonnet-4-6", NOW, 900_000, 3, 0.3, 3.75, 6, "-", 15],
  ["claude-sonnet-5", NOW, SHORT, 2, 0.2, 2.5, 4, "-", 10],
  ["claude-sonnet-5-5", "2026-10-06", SHORT, 2, 0.2, 2.5, 4, "-", 10],
  ["claude-sonnet-5-5", "2026-10-07", SHORT, 2, 0.1, 2.5, 4, "-", 10],
  ["claude-opus-4-6", NOW, SHORT, 5, 0.5, 6.25, 10, "-", 25],
  ["claude-opus-4-7", NOW, SHORT, 5, 0.5, 6.25, 10, "-", 25],
  ["claude-opus-4-8", NOW, SHORT, 5, 0.5, 6.25, 10, "-", 25],
  ["claude-opus-5", NOW, SHORT, 5, 0.5, 6.25, 10, "-", 25],
  ["claude-opus-5-5", "2026-09-22", SHORT, 4, 0.2, 5, 8, "-", 20],
  ["claude-opus-5-5", NOW, SHORT, 4, 0.2, 5, 8, "-", 20],
  ["claude-fable-5-1", NOW, SHORT, 10, 0.25, 12.5, 20, "-", 50],
  ["mistral-small-2603", "2026-03-16", SHORT, 0.15, 0.015, "-", "-", "-", 0.6],
  ["mistral-small-2603", NOW, 200_000, 0.15, 0.015, "-", "-", "-", 0.6],
  ["mistral-small-2506", "2026-07-30", SHORT, 0.1, 0.01, "-", "-", "-", 0.3],
  ["mistral-small-2503", "2025-11-29", SHORT, 0.1, "-", "-", "-", "-", 0.3],
  ["mistral-small-2501", "2025-11-29", SHORT, 0.1, "-", "-", "-", "-", 0.3],
  ["mistral-medium-3.5", NOW, SHORT, 1.5, 0.15, "-", "-", "-", 7.5],
  ["mistral-embed", NOW, SHORT, 0.1, "-", "-", "-", "-", 0.1],
  ["codestral-2508", NOW, SHORT, 0.3, 0.03, "-", "-", "-", 0.9],
  ["gpt-3.5-turbo-instruct", NOW, SHORT, 1.5, "-", "-", "-", "-", 2],
];

describe("a model costs what its vendor asks", () => {
  test.each(PRICES)("%s on %s with a prompt of %d tokens", (model, day, promptTokens, ...usd) => {
    const price = priceAt(recordOf(model), Date.parse(`${day}T12:00:00Z`));
    expect(price).toBeDefined();
    const rates = price === undefined ? {} : ratesFor(price, promptTokens);
    expect(rates).toEqual(ratesOf(usd));
  });

  test("every model of the table that has a price there is in this one, and the other way round", () => {
    const priced = [...new Set(PRICES.map(([model]) => model))].toSorted();
    expect(
      table
        .all()
        .filter((record) => record.prices.length > 0)
        .map((record) => record.id)
        .toSorted(),
    ).toEqual(priced);
  });

  test("no rate is zero: what is free would be said, what is unknown is left out", () => {
    for (const record of table.all()) {
      for (const { price } of record.prices) {
        for (const rates of [price.rates, ...(price.over ?? []).map((tier) => tier.rates)]) {
          expect(
            Object.values(rates).every((rate) => rate > 0n),
            record.id,
          ).toBe(true);
        }
      }
    }
  });

  test("each price names its source and the day from which it is true, and no two share a name", () => {
    const versions = table.all().flatMap((record) => record.prices.map(({ price }) => price.version));
    expect(new Set(versions).size).toBe(versions.length);
    expect(versions).toContain("table:claude-sonnet-5-5@2026-10-07");
    expect(versions).toContain("table:claude-sonnet-5@always");
  });
});

describe("the day decides", () => {
  test.each([
    ["2026-10-06T23:59:59.999Z", "table:claude-sonnet-5-5@2026-09-28"],
    ["2026-10-07T00:00:00.000Z", "table:claude-sonnet-5-5@2026-10-07"],
  ])("at %s the price is %s", (time, version) => {
    expect(priceAt(recordOf("claude-sonnet-5-5"), Date.parse(time))?.version).toBe(version);
  });

  test("before its first day a model has no price, rather than the first one", () => {
    expect(priceAt(recordOf("gpt-6-luna"), Date.parse("2026-09-21T23:59:59Z"))).toBeUndefined();
    expect(priceAt(recordOf("claude-haiku-5-5"), Date.parse("2026-10-06T00:00:00Z"))).toBeUndefined();
  });

  test("the order in which prices are listed says nothing", () => {
    const record = recordOf("gpt-5.6-luna");
    const turned = { ...record, prices: record.prices.toReversed() };
    for (const day of ["2026-07-08", "2026-07-29", "2026-07-30", NOW]) {
      expect(priceAt(turned, Date.parse(day))).toEqual(priceAt(record, Date.parse(day)));
    }
  });
});

function recordOf(model: string) {
  const record = table.find(model);
  if (record === undefined) throw new Error(`${model} is not in the table`);
  return record;
}

function ratesOf(usd: readonly (number | "-")[]): Rates {
  const buckets = ["inputUncached", "cacheRead", "cacheWrite5m", "cacheWrite1h", "cacheWriteOther", "output"];
  return Object.fromEntries(
    usd.flatMap((rate, index) => (rate === "-" ? [] : [[buckets[index] ?? "", picoUsdPerToken(rate)]])),
  );
}
