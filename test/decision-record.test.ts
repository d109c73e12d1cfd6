/** A decision as the ledger keeps it: all of it comes back, within its bounds, whatever was weighed. */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { createCheapestTask } from "../src/policies/cheapest-task.ts";
import { CANDIDATES_MAX, readDecision, writeDecision, type DecisionFacts } from "../src/policies/decision-record.ts";
import { ordered } from "../src/policies/ordered.ts";
import type { Decision } from "../src/policies/policy.ts";
import type { Task } from "../src/task.ts";
import { createEstimates } from "../src/tasks/estimates.ts";
import { observed, priced } from "./ended-tasks.ts";
import { candidate, request } from "./made-target.ts";

const task: Task = { id: "t", className: "triage", source: "header" };
const NOTHING: DecisionFacts = { turnsSoFar: 0, incumbent: undefined, isTrial: false, excluded: [] };

function again(decision: Decision, facts: DecisionFacts = NOTHING) {
  const read = readDecision(writeDecision(decision, facts));
  if (read === undefined) throw new Error("it was not read");
  return read;
}

describe("what is written of a decision", () => {
  const estimates = createEstimates();
  observed(estimates, 30, { target: "a/one", success: 0.7, turns: 4, readShare: 0.5 });
  const weighed = createCheapestTask({
    estimates,
    settings: { classes: { "*": { successLeast: 0.9, deny: ["c/*"] } } },
  });
  const all = [
    priced("a/one", { input: 0.3, read: 0.03, output: 1 }, { warmTokens: 60, promptTokens: 100, expectedCost: 7n }),
    priced("b/two", { input: 2, read: 0.2, output: 10 }, { bound: true }),
    priced("c/three", { input: 2, output: 10 }, { resting: true }),
    { ...candidate("d/four"), target: { ...candidate("d/four").target, price: undefined } },
  ];

  test("comes back: money to the picodollar, estimates to four decimals", () => {
    const decision = weighed.choose(request(), task, all);
    const told = decision.considered?.() ?? [];
    const facts = {
      turnsSoFar: 3,
      incumbent: "b/two",
      isTrial: true,
      excluded: [{ target: "x/y", why: "denied (x)" }],
    };
    const { candidates, more, ...read } = again(decision, facts);
    expect(read).toEqual(facts);
    expect(more).toBe(0);
    expect(candidates.map(({ target }) => target)).toEqual(told.map(({ target }) => target));
    for (const [index, one] of candidates.entries()) {
      const was = told[index];
      expect(one.considered?.cost).toEqual(was?.cost);
      expect(one.considered?.total).toBe(was?.total);
      expect(one.considered?.lostCache).toBe(was?.lostCache);
      expect(one.considered?.escalation).toEqual(was?.escalation);
      expect(one.considered?.tokens).toEqual(was?.tokens);
      expect(one.considered?.success.source).toBe(was?.success.source);
      expect(one.considered?.success.value).toBeCloseTo(was?.success.value ?? Number.NaN, 3);
      expect(one.considered?.turns.value).toBeCloseTo(was?.turns.value ?? Number.NaN, 3);
      expect(one.considered?.excluded?.why).toBe(was?.excluded?.why);
    }
    expect(candidates.find(({ target }) => target === "a/one")).toMatchObject({
      callCost: 7n,
      warmTokens: 60,
      priceVersion: "made",
    });
    expect(candidates.find(({ target }) => target === "b/two")?.isBound).toBe(true);
    expect(candidates.find(({ target }) => target === "d/four")?.considered?.total).toBeUndefined();
    expect(candidates.at(-1)).toMatchObject({ target: "c/three", considered: { excluded: { must: true } } });
  });

  test("is told of a policy that weighs nothing as well", () => {
    const { candidates } = again(ordered.choose(request(), task, all));
    expect(candidates.map(({ target }) => target)).toEqual(["b/two", "a/one", "d/four", "c/three"]);
    expect(candidates.at(-1)).toMatchObject({ isResting: true, considered: undefined });
  });

  test("has a bound, however many candidates there are and whatever they are called", () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 80 }), fc.string({ minLength: 1, maxLength: 600 }), (count, name) => {
        const many = Array.from({ length: count }, (_, index) =>
          priced(`${index}/${name}`, { input: 1e6, output: 1e6 }),
        );
        const excluded = many.map(({ target }) => ({ target: target.name, why: "x".repeat(500) }));
        const body = writeDecision(weighed.choose(request(), task, many), { ...NOTHING, excluded });
        expect(body.length).toBeLessThan(100_000);
        const read = readDecision(body);
        expect(read?.candidates.length).toBe(Math.min(count, CANDIDATES_MAX));
        expect((read?.candidates.length ?? 0) + (read?.more ?? 0)).toBe(count);
      }),
      { numRuns: 30 },
    );
    const usual = Array.from({ length: CANDIDATES_MAX }, (_, index) =>
      priced(`provider-${index}/a-model`, { input: 1, output: 5 }),
    );
    expect(writeDecision(weighed.choose(request(), task, usual), NOTHING).length).toBeLessThan(10_000);
  });

  test("of another version is not guessed at", () => {
    expect(readDecision('{"v":2}')).toBeUndefined();
  });
});
