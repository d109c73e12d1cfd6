/** What `bench compare` says of how sure its figures are: of made-up outcomes whose truth is known, 95 % intervals leave it out as seldom as they say. */
import { describe, expect, test } from "vitest";
import {
  pairedDifferenceInterval,
  pairedRatioInterval,
  ratioInterval,
  shareInterval,
  type Interval,
} from "../bench/compare/statistics.ts";
import { seeded } from "../bench/trace/random.ts";

const DRAWN = { resamples: 600, seed: 7 };
const REPETITIONS = 100;
const TASKS = 60;

/** Costs are skewed, and hard tasks are dear and often failed at both targets. */
const [A, B] = [
  { sigma: 0.7, pass: 0.92 },
  { times: 0.4, sigma: 0.3, pass: 0.8 },
];

interface Outcomes {
  readonly costs: readonly [number[], number[]];
  readonly passes: readonly [number[], number[]];
}

function outcomes(chance: () => number): Outcomes {
  const normal = () => Math.sqrt(-2 * Math.log(1 - chance())) * Math.cos(2 * Math.PI * chance());
  const made: Outcomes = { costs: [[], []], passes: [[], []] };
  for (let at = 0; at < TASKS; at += 1) {
    const cost = Math.exp(A.sigma * normal());
    const [shared, isShared] = [chance(), chance() < 0.5];
    made.costs[0].push(cost);
    made.costs[1].push(cost * B.times * Math.exp(B.sigma * normal()));
    made.passes[0].push((isShared ? shared : chance()) < A.pass ? 1 : 0);
    made.passes[1].push((isShared ? shared : chance()) < B.pass ? 1 : 0);
  }
  return made;
}

const meanA = Math.exp(A.sigma ** 2 / 2);
const meanB = B.times * meanA * Math.exp(B.sigma ** 2 / 2);
const ones = Array.from({ length: TASKS }, () => 1);

const figures: readonly (readonly [name: string, truth: number, of: (made: Outcomes) => Interval | undefined])[] = [
  ["the cost of a task", meanA, ({ costs: [a] }) => ratioInterval({ over: a, under: ones }, DRAWN)],
  ["a pass rate", B.pass, ({ passes: [, b] }) => shareInterval({ over: b, under: ones }, DRAWN)],
  [
    "the cost of a success",
    meanB / B.pass,
    ({ costs: [, c], passes: [, b] }) => ratioInterval({ over: c, under: b }, DRAWN),
  ],
  [
    "one target's cost by the other's",
    meanB / meanA,
    ({ costs: [a, b] }) => pairedRatioInterval({ over: b, under: ones }, { over: a, under: ones }, DRAWN),
  ],
  [
    "one success' cost by the other's",
    meanB / B.pass / (meanA / A.pass),
    ({ costs: [a, b], passes: [p, q] }) => pairedRatioInterval({ over: b, under: q }, { over: a, under: p }, DRAWN),
  ],
  [
    "the difference of pass rates",
    B.pass - A.pass,
    ({ passes: [a, b] }) =>
      pairedDifferenceInterval(
        b.map((one, at) => one - (a[at] ?? 0)),
        DRAWN,
      ),
  ],
];

test.each(figures)("%s: the truth is in at least 93 of 100 intervals", (_name, truth, of) => {
  const chance = seeded(2026);
  let covered = 0;
  for (let repetition = 0; repetition < REPETITIONS; repetition += 1) {
    const [low, high] = of(outcomes(chance)) ?? [Number.NaN, Number.NaN];
    if ((low ?? Number.NEGATIVE_INFINITY) <= truth && truth <= (high ?? Number.POSITIVE_INFINITY)) covered += 1;
  }
  expect(covered).toBeGreaterThanOrEqual(93);
  // That it covers everything would be no news.
  expect(covered).toBeLessThanOrEqual(REPETITIONS);
});

describe("the edges", () => {
  test("the same seed says the same, another one nearly", () => {
    const { costs } = outcomes(seeded(5));
    const of = (seed: number) => ratioInterval({ over: costs[0], under: ones }, { resamples: 2_000, seed });
    expect(of(1)).toEqual(of(1));
    expect(of(1)).not.toEqual(of(2));
    expect(of(1)?.[0]).toBeCloseTo(of(2)?.[0] ?? 0, 1);
  });

  test("of four tasks nothing is said", () => {
    const four = { over: [1, 2, 3, 4], under: [1, 1, 1, 1] };
    expect(ratioInterval(four, DRAWN)).toBeUndefined();
    expect(shareInterval({ over: [1, 1, 0, 1], under: [1, 1, 1, 1] }, DRAWN)).toBeUndefined();
    expect(pairedDifferenceInterval([0, 0, 1, 0], DRAWN)).toBeUndefined();
  });

  test("that all of twelve passed does not make it sure", () => {
    const twelve = Array.from({ length: 12 }, () => 1);
    const [low, high] = shareInterval({ over: twelve, under: twelve }, DRAWN) ?? [];
    expect(low).toBeLessThan(0.85);
    expect(high).toBe(1);
    const [less, more] =
      pairedDifferenceInterval(
        twelve.map(() => 0),
        DRAWN,
      ) ?? [];
    expect(less).toBeLessThan(-0.05);
    expect(more).toBeGreaterThan(0.05);
  });

  test("costs that are all the same, or the same but for one, have an interval that ends", () => {
    const same = Array.from({ length: 12 }, () => 0.25);
    const units = same.map(() => 1);
    expect(ratioInterval({ over: same, under: units }, DRAWN)).toEqual([0.25, 0.25]);
    const [low, high] = ratioInterval({ over: [...same.slice(1), 0.5], under: units }, DRAWN) ?? [];
    expect(low).toBeGreaterThan(0.2);
    expect(high).toBeLessThan(0.4);
  });

  test("where one of ten succeeded, what a success costs has no upper end", () => {
    const [low, high] =
      ratioInterval({ over: [1, 1, 1, 1, 1, 1, 1, 1, 1, 1], under: [1, 0, 0, 0, 0, 0, 0, 0, 0, 0] }, DRAWN) ?? [];
    expect(high).toBeNull();
    expect(low).toBeGreaterThan(0);
  });

  test("a hundred thousand tasks take no minute", () => {
    const chance = seeded(3);
    const over = Array.from({ length: 100_000 }, () => Math.exp(chance()));
    const started = performance.now();
    const [low, high] = ratioInterval({ over, under: over.map(() => 1) }, { resamples: 2_000, seed: 1 }) ?? [0, 0];
    expect(performance.now() - started).toBeLessThan(10_000);
    const truth = Math.E - 1;
    expect(low).toBeLessThan(truth + 0.01);
    expect(high).toBeGreaterThan(truth - 0.01);
    expect((high ?? 9) - (low ?? 0)).toBeLessThan(0.02);
  });
});
