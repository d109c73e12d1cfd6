/**
 * Prices from elsewhere than the table: the config's word, what the hardware costs, and genai-prices for models that have no row.
 */
import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { priceAt, type ModelRecord } from "../src/model.ts";
import { createModelTable, priceDrift } from "../src/models.ts";
import { costOf, ratesFor, UNKNOWN_USAGE, usdText, type Price, type Usage } from "../src/usage.ts";

const AT = Date.parse("2026-11-22T12:00:00Z");

describe("what the config says of a model replaces what the table says, and nothing else", () => {
  test("a price without a history", () => {
    const table = createModelTable({ "gpt-5.4-nano": { price: { input: 0.18, cacheRead: 0.018, output: 1.1 } } });
    const record = recordIn(table.find("gpt-5.4-nano"));
    expect(rates(record)).toEqual({ inputUncached: 180_000n, cacheRead: 18_000n, output: 1_100_000n });
    expect(record).toMatchObject({ maxInputTokens: 272_000, retires: "2027-04-01", chatToolsNeedEffortNone: true });
  });

  test("a price with one: of two days the later, and nothing before the first", () => {
    const prices = [
      { from: "2026-12-01", input: 3, output: 6 },
      { from: "2026-06-01", input: 1, output: 2 },
    ];
    const record = recordIn(createModelTable({ "gpt-5.4-nano": { prices } }).find("gpt-5.4-nano"));
    expect(rates(record, Date.parse("2026-11-30T23:59:59Z")).inputUncached).toBe(1_000_000n);
    expect(rates(record, Date.parse("2026-12-01T00:00:00Z")).inputUncached).toBe(3_000_000n);
    expect(priceAt(record, Date.parse("2026-05-31"))).toBeUndefined();
  });

  test("by an alias, the model it stands for", () => {
    const table = createModelTable({ "mistral-small-latest": { contextTokens: 1000 } });
    expect(table.find("mistral-small-2603")?.contextTokens).toBe(1000);
    expect(table.all()).toHaveLength(createModelTable().all().length);
  });

  test("a model that the table lacks is added, with nothing assumed of its price", () => {
    const table = createModelTable({ "gpt-7": { provider: "openai", contextTokens: 10 } });
    expect(table.find("gpt-7")).toMatchObject({ id: "gpt-7", provider: "openai", contextTokens: 10, prices: [] });
    expect(() => createModelTable({ "gpt-7": { contextTokens: 10 } })).toThrow(
      "model `gpt-7` is not in the table, so its row must name a `provider`",
    );
  });

  test("the price's name on a ledger row tells one price of the config from the next", () => {
    const versionOf = (input: number) => {
      const record = recordIn(
        createModelTable({ "gpt-5.4-nano": { price: { input, output: 1 } } }).find("gpt-5.4-nano"),
      );
      return priceAt(record, AT)?.version;
    };
    expect(versionOf(0.5)).toMatch(/^config:gpt-5\.4-nano@always#[0-9a-f]{8}$/);
    expect(versionOf(0.5)).toBe(versionOf(0.5));
    expect(versionOf(0.5)).not.toBe(versionOf(0.6));
  });
});

describe("a model on hardware of one's own costs what the hardware costs", () => {
  const selfHosted = (utilization?: number): ModelRecord =>
    recordIn(
      createModelTable({
        "org/model": {
          provider: "vllm",
          gpuHourUsd: 7.2,
          tokensPerSecond: { prefill: 20_000, decode: 500 },
          ...(utilization === undefined ? {} : { utilization }),
        },
      }).find("org/model"),
    );

  test("an hour at $7.20 is $0.002 a second: 20,000 tokens read in it, or 500 written", () => {
    expect(rates(selfHosted())).toEqual({ inputUncached: 100_000n, cacheRead: 0n, output: 4_000_000n });
    const hour: Usage = { ...UNKNOWN_USAGE, inputUncached: 0, output: 500 * 3600 };
    expect(cost(hour, selfHosted())).toBe("7.2");
  });

  test("what was read from cache was not computed again", () => {
    const usage: Usage = { ...UNKNOWN_USAGE, inputUncached: 10_000, cacheRead: 90_000, output: 0 };
    expect(cost(usage, selfHosted())).toBe("0.001");
  });

  test("hardware that works half of the time makes each token twice as dear", () => {
    expect(rates(selfHosted(0.5))).toEqual({ inputUncached: 200_000n, cacheRead: 0n, output: 8_000_000n });
  });

  test("a price per token may be said instead, zero included", () => {
    const table = createModelTable({ "org/model": { provider: "vllm", price: { input: 0, output: 0 } } });
    expect(cost({ ...UNKNOWN_USAGE, inputUncached: 10, output: 10 }, recordIn(table.find("org/model")))).toBe("0");
  });
});

describe("genai-prices fills in for models that have no row", () => {
  const table = createModelTable();

  test.each([
    ["openai", "gpt-4o", 2_500_000n],
    ["openai", "gpt-4o-2024-08-06", 2_500_000n],
    ["anthropic", "claude-sonnet-4-5", 3_000_000n],
    ["groq", "llama-3.3-70b-versatile", 590_000n],
  ])("%s/%s", (kind, model, input) => {
    const price = table.fallbackPrice(kind, model, AT);
    expect(price?.rates.inputUncached).toBe(input);
    expect(price?.version).toMatch(/^genai-prices@/);
  });

  test("its own dates hold: a price before the cut, and after it", () => {
    expect(table.fallbackPrice("openai", "o3", Date.parse("2025-06-09"))?.rates.inputUncached).toBe(10_000_000n);
    expect(table.fallbackPrice("openai", "o3", Date.parse("2025-06-10"))?.rates.inputUncached).toBe(2_000_000n);
  });

  test("its long-prompt prices hold", () => {
    const price = table.fallbackPrice("openai", "gpt-5.6-sol", AT);
    expect(price === undefined ? undefined : ratesFor(price, 100_000).output).toBe(20_000_000n);
    expect(price === undefined ? undefined : ratesFor(price, 300_000).output).toBe(30_000_000n);
  });

  test.each([
    ["a model it takes for another one by its beginning", "anthropic", "claude-sonnet-5-5-fast"],
    ["a newer model", "openai", "gpt-6.1-terra"],
    ["anybody's own server", "vllm", "gpt-4o"],
    ["a provider it does not know", "sandbox", "gpt-4o"],
    ["the same id at another provider", "mistral", "gpt-4o"],
    // Tokens of sound cost more there, and our buckets do not tell them apart.
    ["a model that bills tokens of sound apart", "openai", "gpt-audio"],
    ["a model that bills tokens of pictures apart", "openai", "gpt-image-1"],
  ])("%s is unpriced", (_what, kind, model) => {
    expect(table.fallbackPrice(kind, model, AT)).toBeUndefined();
  });

  test("the version it is named by is the version that is installed", () => {
    const manifest = readFileSync(
      new URL("../node_modules/@pydantic/genai-prices/package.json", import.meta.url),
      "utf8",
    );
    const { version } = JSON.parse(manifest) as { version: string };
    expect(table.fallbackPrice("openai", "gpt-4o", AT)?.version).toBe(`genai-prices@${version}:gpt-4o`);
  });
});

test("no price of the table differs from genai-prices: one that does is to be looked into before it is believed", () => {
  const table = createModelTable();
  expect(priceDrift(table, (record) => priceAt(record, AT), AT)).toEqual([]);
});

test("the alarm rings: a price that is off is told with both sides", () => {
  const table = createModelTable({ "gpt-5.4-nano": { price: { input: 0.3, cacheRead: 0.02, output: 1.25 } } });
  expect(priceDrift(table, (record) => priceAt(record, AT), AT)).toEqual([
    { model: "gpt-5.4-nano", bucket: "inputUncached", ours: 300_000n, theirs: 200_000n },
  ]);
});

function recordIn(record: ModelRecord | undefined): ModelRecord {
  if (record === undefined) throw new Error("the model is not in the table");
  return record;
}

function rates(record: ModelRecord, atMs = AT): Price["rates"] {
  return priceAt(record, atMs)?.rates ?? {};
}

function cost(usage: Usage, record: ModelRecord): string | undefined {
  const price = priceAt(record, AT);
  const amount = price === undefined ? undefined : costOf(usage, price);
  return amount === undefined ? undefined : usdText(amount);
}
