/** What learning costs: whatever the load is, hardly more than knowing beforehand which of the usual policies is cheapest for it. */
import { describe, expect, test } from "vitest";
import { drawn, families, ofShape, type Shape } from "../bench/trace/families.ts";
import { fixedPolicies, isUsual } from "../bench/trace/fixed-policies.ts";
import { learned } from "../bench/trace/learned-policy.ts";
import { replay } from "../bench/trace/replay.ts";
import { ANTHROPIC, type MarkRules, OPENAI_5_6 } from "../bench/trace/rules.ts";

const OVER_BEST_MAX = 1.01;

describe.each([ANTHROPIC, OPENAI_5_6])(
  "under the rules of $name, the learned policy costs at most 1 % more",
  (rules) => {
    test.each(Object.keys(families))("%s", { timeout: 30_000 }, (name) => {
      const shape = families[name] as Shape;
      for (const seed of [1, 2]) {
        const { cost, best } = costs(name, shape, rules, seed);
        expect(cost / best).toBeLessThanOrEqual(OVER_BEST_MAX);
      }
    });
  },
);

test.each([ANTHROPIC, OPENAI_5_6])(
  "of loads drawn at random none costs much more ($name)",
  { timeout: 60_000 },
  (rules) => {
    for (let seed = 1; seed <= 12; seed += 1) {
      const { cost, best } = costs("drawn", drawn(seed), rules, seed);
      expect(cost / best, `seed ${seed}`).toBeLessThanOrEqual(1.05);
    }
  },
);

test("a short stream that shares nothing costs what five prompts cost above no caching, and no more", () => {
  const shape = families["unique, 5 a second"] as Shape;
  const few = { ...shape, requests: 100, seconds: 20 };
  const { cost, best, promptTokens } = costs("few", few, OPENAI_5_6, 1);
  expect(cost - best).toBeLessThanOrEqual(5 * promptTokens);
});

function costs(name: string, shape: Shape, rules: MarkRules, seed: number) {
  const trace = ofShape(name, shape, seed);
  let best = Infinity;
  for (const [policy, make] of fixedPolicies(rules)) {
    if (isUsual(policy)) best = Math.min(best, replay(trace, rules, make).cost);
  }
  const { cost } = replay(trace, rules, learned(trace, { mayHold: true }));
  const tokens = trace.requests.reduce((sum, { promptTokens }) => sum + promptTokens, 0);
  return { cost, best, promptTokens: tokens / trace.requests.length };
}
