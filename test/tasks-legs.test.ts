/** What a task took at each target, from its rows; and samples in a few numbers. */
import { describe, expect, test } from "vitest";
import type { TaskAttempt } from "../src/ledger-tasks.ts";
import { distribution, meanOf, ratioOf } from "../src/tasks/distribution.ts";
import { exchangesOf, legsOf } from "../src/tasks/legs.ts";

let numbered = 0;
function attempt(exchange: string, given: Partial<TaskAttempt> = {}): TaskAttempt {
  numbered += 1;
  return {
    attempt: `${exchange}.${numbered}`,
    exchange,
    target: "a/one",
    taskClass: "c-000000000001",
    outcome: "complete",
    finishReason: "stop",
    signals: "",
    usage: { input_uncached: 100, cache_read: 0, output: 10 },
    costPicoUsd: 1_000n,
    costBasis: "reported",
    startedAtMs: 0,
    ...given,
  };
}
const legs = (...attempts: TaskAttempt[]) => legsOf(exchangesOf(attempts, "c-000000000001"));

describe("legs", () => {
  test("are one where one target did all", () => {
    const later = { input_uncached: 50, cache_read: 100, output: 5 };
    expect(legs(attempt("1"), attempt("2", { usage: later }))).toEqual([
      {
        target: "a/one",
        turns: 2,
        usage: expect.objectContaining({ inputUncached: 150, cacheRead: 100, output: 15 }),
        cost: 2_000n,
        firstPromptTokens: 100,
        lastPromptTokens: 150,
        retries: 0,
      },
    ]);
  });

  test("begin anew where the target changes, and failed attempts belong to who answered then", () => {
    const failed = attempt("2", { outcome: "failed", target: "a/one", costPicoUsd: 300n });
    const [first, second] = legs(attempt("1"), failed, attempt("2", { target: "b/two" }));
    expect(first).toMatchObject({ target: "a/one", turns: 1, cost: 1_000n, retries: 0 });
    expect(second).toMatchObject({ target: "b/two", turns: 1, cost: 1_300n, retries: 1 });
  });

  test("have the cost of what stands beside the conversation, and no turn for it", () => {
    const title = attempt("1", { target: "a/small", taskClass: "c-title" });
    const again = attempt("3", { signals: "resend" });
    expect(legs(title, attempt("2"), again)).toMatchObject([{ target: "a/one", turns: 1, cost: 3_000n }]);
  });

  test("have no cost where any of it has no price, and nothing of what was not billed", () => {
    const unpriced = attempt("2", { costPicoUsd: undefined, costBasis: "unpriced" });
    expect(legs(attempt("1"), unpriced)[0]?.cost).toBeUndefined();
    const refused = attempt("2", { outcome: "failed", costPicoUsd: 0n, costBasis: "not-billed", usage: {} });
    expect(legs(attempt("1"), refused, attempt("2"))[0]).toMatchObject({ cost: 2_000n, retries: 1 });
  });

  test("know tokens that somebody has told, and do not know those that nobody has", () => {
    const [leg] = legs(attempt("1", { usage: { input_uncached: 5, output: undefined } }));
    expect(leg?.usage).toMatchObject({ inputUncached: 5, output: undefined, cacheRead: undefined });
  });

  test("say which of them was left as its answer did not do", () => {
    const cheap = attempt("1", { target: "a/small", signals: "answer-broken escalated" });
    expect(legs(cheap, attempt("1", { target: "b/large" }))).toMatchObject([
      { target: "a/small", turns: 1, escalated: true },
      { target: "b/large", turns: 1 },
    ]);
  });

  test("are one without a turn where nothing was answered", () => {
    expect(legs(attempt("1", { outcome: "failed" }))).toMatchObject([{ target: "a/one", turns: 0 }]);
    expect(legs()).toEqual([]);
  });
});

describe("a distribution", () => {
  test("of nothing is nothing, and of one value says no interval", () => {
    expect(distribution([])).toEqual({
      n: 0,
      mean: null,
      mean_ci95: null,
      p50: null,
      p50_ci95: null,
      p90: null,
      p90_ci95: null,
    });
    expect(distribution([7])).toMatchObject({ n: 1, mean: 7, mean_ci95: null, p50: 7, p90: 7, p90_ci95: null });
  });

  test("of a hundred values has their ranks", () => {
    const { mean, p50, p50_ci95, p90, p90_ci95 } = distribution(Array.from({ length: 100 }, (_, index) => index + 1));
    expect([mean, p50, p90]).toEqual([50.5, 50, 90]);
    // Binomial: 50 ± 9.8 and 90 ± 5.9 of them.
    expect(p50_ci95).toEqual([40, 61]);
    expect(p90_ci95).toEqual([84, 97]);
  });

  test("of two values has Student's interval", () => {
    expect(meanOf([1, 3])).toEqual({ n: 2, mean: 2, mean_ci95: [2 - 12.706, 2 + 12.706] });
  });

  test("of costs by successes is all that they cost by how many succeeded", () => {
    const { mean, mean_ci95 } = ratioOf([
      [1, 1],
      [1, 0],
      [1, 1],
      [1, 1],
    ]);
    expect(mean).toBeCloseTo(4 / 3, 12);
    expect(mean_ci95?.[0]).toBeLessThan(4 / 3);
    expect(ratioOf([[1, 0]])).toEqual({ n: 1, mean: null, mean_ci95: null });
  });
});
