/** Tokens in disjoint buckets, and what they cost: integers only, unknown never zero. */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  BILLED_BUCKETS,
  costOf,
  laterUsage,
  picoUsdPerToken,
  promptTokens,
  ratesFor,
  UNKNOWN_USAGE,
  usdNumber,
  usdText,
  type Price,
  type Usage,
} from "../src/usage.ts";

const haiku: Price = {
  version: "test",
  rates: {
    inputUncached: picoUsdPerToken(0.1),
    cacheRead: picoUsdPerToken(0.01),
    cacheWrite5m: picoUsdPerToken(0.125),
    cacheWrite1h: picoUsdPerToken(0.2),
    output: picoUsdPerToken(0.5),
  },
  over: [
    {
      promptTokens: 100_000,
      rates: {
        inputUncached: picoUsdPerToken(0.5),
        cacheRead: picoUsdPerToken(0.05),
        cacheWrite5m: picoUsdPerToken(0.625),
        cacheWrite1h: picoUsdPerToken(1),
        output: picoUsdPerToken(2.5),
      },
    },
  ],
};

function usage(counts: Partial<Usage>): Usage {
  return { ...UNKNOWN_USAGE, ...counts };
}

describe("cost", () => {
  test("each bucket is paid at its own rate, and reasoning is a part of output", () => {
    const all = usage({
      inputUncached: 1_000,
      cacheRead: 20_000,
      cacheWrite5m: 3_000,
      cacheWrite1h: 400,
      output: 500,
      reasoning: 450,
    });
    // 0.0001 + 0.0002 + 0.000375 + 0.00008 + 0.00025
    expect(text(all)).toBe("0.001005");
  });

  test("the cliff counts the whole prompt, cached tokens included, and makes every token dearer", () => {
    const cached = { inputUncached: 1, cacheRead: 90_000, cacheWrite5m: 9_999, output: 1_000 };
    expect(text(usage(cached))).toBe("0.002649975");
    // One token more: five times as much for each of them.
    expect(text(usage({ ...cached, inputUncached: 1, cacheWrite1h: 1 }))).toBe("0.013250875");
  });

  test("with several cliffs the highest that is exceeded holds, in whatever order they are listed", () => {
    const tier = (promptTokens: number, input: bigint) => ({ promptTokens, rates: { inputUncached: input } });
    const price: Price = { version: "test", rates: { inputUncached: 1n }, over: [tier(300, 4n), tier(100, 2n)] };
    const rate = (prompt: number) => ratesFor(price, prompt).inputUncached;
    expect([100, 101, 300, 301].map(rate)).toEqual([1n, 2n, 2n, 4n]);
  });

  test.each([
    ["the input was not reported", { output: 5 }],
    ["the output was not reported", { inputUncached: 5 }],
    ["a bucket that holds tokens has no price", { inputUncached: 5, output: 5, cacheWriteOther: 1 }],
  ])("is unknown when %s", (_why, counts) => {
    expect(costOf(usage(counts), haiku)).toBeUndefined();
  });

  test("a bucket without a price is no obstacle as long as it is empty", () => {
    expect(costOf(usage({ inputUncached: 5, output: 0, cacheWriteOther: 0 }), haiku)).toBe(500_000n);
  });

  test("a price without any rate makes no call free", () => {
    expect(costOf(usage({ inputUncached: 1, output: 0 }), { version: "test", rates: {} })).toBeUndefined();
  });

  test("stays exact beyond what a float holds", () => {
    const tokens = Number.MAX_SAFE_INTEGER;
    const price: Price = { version: "test", rates: { inputUncached: 75_000_000n } };
    expect(costOf(usage({ inputUncached: tokens, output: 0 }), price)).toBe(BigInt(tokens) * 75_000_000n);
  });

  test("is the sum over the buckets, whatever they hold", () => {
    const counts = fc.record(
      Object.fromEntries(BILLED_BUCKETS.map((bucket) => [bucket, fc.nat(10_000)])) as Record<
        (typeof BILLED_BUCKETS)[number],
        fc.Arbitrary<number>
      >,
    );
    const rates = Object.fromEntries(BILLED_BUCKETS.map((bucket, index) => [bucket, BigInt(10 ** index)]));
    fc.assert(
      fc.property(counts, (held) => {
        const expected = BILLED_BUCKETS.reduce((sum, bucket, index) => sum + held[bucket] * 10 ** index, 0);
        expect(costOf(usage(held), { version: "test", rates })).toBe(BigInt(expected));
      }),
    );
  });

  function text(counts: Usage): string | undefined {
    const cost = costOf(counts, haiku);
    return cost === undefined ? undefined : usdText(cost);
  }
});

describe("usage that comes in pieces", () => {
  test("the last value of a bucket stands, nothing is added, and what a later piece leaves out stays", () => {
    const first = usage({ inputUncached: 10, cacheRead: 90, cacheWrite5m: 5, output: 1 });
    const last = usage({ output: 40, cacheRead: 90, reasoning: 30 });
    expect(laterUsage(first, last)).toEqual(
      usage({ inputUncached: 10, cacheRead: 90, cacheWrite5m: 5, output: 40, reasoning: 30 }),
    );
  });

  test("a zero is a value", () => {
    expect(laterUsage(usage({ cacheRead: 9 }), usage({ cacheRead: 0 })).cacheRead).toBe(0);
  });
});

describe("the prompt", () => {
  test("is what was read, written and neither, without the answer", () => {
    const all = usage({
      inputUncached: 1,
      cacheRead: 10,
      cacheWrite5m: 100,
      cacheWrite1h: 1_000,
      cacheWriteOther: 10_000,
      output: 5,
      reasoning: 5,
    });
    expect(promptTokens(all)).toBe(11_111);
  });

  test("is unknown when its uncached part is", () => {
    expect(promptTokens(usage({ cacheRead: 10 }))).toBeUndefined();
  });
});

describe("money as text", () => {
  test.each([
    [0n, "0"],
    [1n, "0.000000000001"],
    [123_000_000n, "0.000123"],
    [1_500_000_000_000n, "1.5"],
    [12_000_000_000_000n, "12"],
    [-250_000_000_000n, "-0.25"],
  ])("%d picodollars are $%s", (amount, text) => {
    expect(usdText(amount)).toBe(text);
    expect(usdNumber(amount)).toBe(Number(text));
  });

  test.each([
    [0.005, 5_000n],
    [0.02, 20_000n],
    [0.075, 75_000n],
    [3.125, 3_125_000n],
    [22.5, 22_500_000n],
  ])("$%d per million tokens is %d picodollars a token", (usd, pico) => {
    expect(picoUsdPerToken(usd)).toBe(pico);
  });
});
