/** What a write is worth: the closed form against its known break-evens, and against uses played out one by one. */
import { describe, expect, test } from "vitest";
import fc from "fast-check";
import {
  chooseParts,
  continuation,
  longAdvantage,
  NO_CHANCES,
  shortAdvantage,
  usedOnceMore,
} from "../src/cache/economics.ts";

const TWO = { saving: 0.9, shortPremium: 0.25, longPremium: 1 };
const ONE = { saving: 0.9, shortPremium: 0.25, longPremium: undefined };

/** What writing is worth to a prefix whose every use is followed alike. */
function advantages(
  short: number,
  later: number,
  prices: typeof TWO | typeof ONE = TWO,
): { short: number; long: number } {
  const next = { short, later };
  const after = continuation(prices, next);
  return { short: shortAdvantage(prices, next, after), long: longAdvantage(prices, next, after) };
}

describe("where writing begins to pay", () => {
  test("five minutes: a return within them in 21.7 % of the cases", () => {
    expect(advantages(0.2172, 0).short).toBeLessThan(0);
    expect(advantages(0.2176, 0).short).toBeGreaterThan(0);
  });

  test("thirty minutes, where there is no other class: the same", () => {
    expect(advantages(0.2172, 0, ONE).short).toBeLessThan(0);
    expect(advantages(0.2176, 0, ONE).short).toBeGreaterThan(0);
  });

  test("an hour rather than five minutes: 0.652 late returns for each that never comes", () => {
    const chances = (ratio: number) => {
      const never = 0.2;
      return advantages(1 - never - ratio * never, ratio * never);
    };
    const below = chances(0.65);
    const above = chances(0.655);
    expect(below.long).toBeLessThan(below.short);
    expect(above.long).toBeGreaterThan(above.short);
  });

  test("an hour rather than nothing: less than 47.4 % never come back", () => {
    expect(advantages(0, 1 - 0.475).long).toBeLessThan(0);
    expect(advantages(0, 1 - 0.473).long).toBeGreaterThan(0);
  });

  test("where there is one class, the long one is never worth anything", () => {
    expect(advantages(0.9, 0.05, ONE).long).toBeLessThan(-1e6);
  });
});

test("a token's value is what its uses save, played out one by one", () => {
  // Short class only, and always written again: each later use saves 0.9 if it comes in time, and costs the premium if it is late.
  const next = { short: 0.6, later: 0.3 };
  const after = continuation({ ...TWO, longPremium: 100 }, next);
  let alive = 0;
  let dead = 0;
  for (let uses = 0; uses < 2000; uses += 1) {
    const write = -0.25 + alive;
    [alive, dead] = [0.6 * (0.9 + alive) + 0.3 * Math.max(dead, 0), Math.max(0, 0.6 * alive + 0.3 * dead, write)];
  }
  expect(after.short).toBeCloseTo(alive, 6);
  expect(after.dead).toBeCloseTo(dead, 6);
});

test("what hardly ever ends is worth the long lifetime if ever it comes late: no value outgrows the others", () => {
  const { short, long } = advantages(0.995, 0.005);
  expect(long).toBeGreaterThan(short);
  expect(short).toBeLessThan(1);
  expect(advantages(0.9999, 0.0001).short).toBeLessThan(1);
  expect(Number.isFinite(advantages(1, 0).short)).toBe(true);
  expect(Number.isFinite(advantages(1, 0, ONE).short)).toBe(true);
  expect(Number.isNaN(advantages(0, 0).short)).toBe(false);
});

describe("the cut", () => {
  const cut = (weights: number[], short: number[], long: number[]) => chooseParts(weights.length, weights, short, long);

  test("nothing is written where nothing pays", () => {
    expect(cut([10, 10], [-0.1, -0.1], [-1, -1])).toEqual({ longEnd: -1, end: -1 });
  });

  test("what does not pay by itself is written for the sake of what does behind it", () => {
    expect(cut([10, 100], [-0.1, 0.5], [-1, -1])).toEqual({ longEnd: -1, end: 1 });
    expect(cut([1000, 100], [-0.1, 0.5], [-1, -1])).toEqual({ longEnd: -1, end: -1 });
  });

  test("the long part comes first, the short one after it", () => {
    expect(cut([10, 10, 10], [0.5, 0.5, 0.1], [0.9, 0.4, -1])).toEqual({ longEnd: 0, end: 2 });
  });

  test("it is the best of all cuts", () => {
    const amount = fc.integer({ min: -50, max: 50 });
    const row = fc.record({ weight: fc.integer({ min: 0, max: 20 }), short: amount, long: amount });
    fc.assert(
      fc.property(fc.array(row, { maxLength: 7 }), (rows) => {
        const worth = (longEnd: number, end: number) =>
          rows.reduce((sum, { weight, short, long }, index) => {
            if (index > end) return sum;
            return sum + weight * (index <= longEnd ? long : short);
          }, 0);
        let best = 0;
        for (let end = 0; end < rows.length; end += 1) {
          for (let longEnd = -1; longEnd <= end; longEnd += 1) best = Math.max(best, worth(longEnd, end));
        }
        const choice = cut(
          rows.map(({ weight }) => weight),
          rows.map(({ short }) => short),
          rows.map(({ long }) => long),
        );
        expect(choice.longEnd).toBeLessThanOrEqual(choice.end);
        expect(worth(choice.longEnd, choice.end)).toBe(best);
      }),
    );
  });
});

describe("one more use before it goes on", () => {
  test("changes nothing where it is like those after it", () => {
    const share = fc.double({ min: 0, max: 0.49, noNaN: true });
    fc.assert(
      fc.property(share, share, fc.constantFrom(TWO, ONE), (short, later, prices) => {
        const next = { short, later: prices.longPremium === undefined ? 0 : later };
        const after = continuation(prices, next);
        const before = usedOnceMore(prices, next, after);
        expect(before.short).toBeCloseTo(after.short, 6);
        expect(before.long).toBeCloseTo(after.long, 6);
        expect(before.dead).toBeCloseTo(after.dead, 6);
      }),
    );
  });

  test("is all that counts where nothing comes after it: a question with one answer is not worth an hour", () => {
    const after = usedOnceMore(TWO, NO_CHANCES, continuation(TWO, { short: 0, later: 0.5 }));
    expect(longAdvantage(TWO, { short: 0, later: 1 }, after)).toBeCloseTo(-0.1, 6);
  });
});
