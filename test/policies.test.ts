/** Policies: an order of the candidates and the reason for it. Pure, and the same two rules for all of them. */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { choosePolicy, policies } from "../src/policies/index.ts";
import { ordered } from "../src/policies/ordered.ts";
import type { Decision, Policy } from "../src/policies/policy.ts";
import type { Candidate } from "../src/target.ts";
import type { Task } from "../src/task.ts";
import { candidate, request } from "./made-target.ts";

const task: Task = { id: "t", className: undefined, source: "prefix" };
const choose = (policy: Policy, ...all: readonly Candidate[]) => policy.choose(request(), task, all);
const names = (all: readonly Candidate[]) => all.map((one) => one.target.name);

const dear = candidate("a/dear", { expectedCost: 900_000n });
const cheap = candidate("b/cheap", { expectedCost: 100_000n });
const unpriced = candidate("c/unpriced", { expectedCost: undefined });

describe("ordered", () => {
  test("keeps the config's order, whatever anything costs", () => {
    const { order, reason } = choose(ordered, dear, unpriced, cheap);
    expect(names(order)).toEqual(["a/dear", "c/unpriced", "b/cheap"]);
    expect(reason).toBe("ordered: a/dear of 3");
  });

  test("tells who was passed over because it rests", () => {
    const { order, reason } = choose(ordered, { ...dear, resting: true }, cheap);
    expect(names(order)).toEqual(["b/cheap", "a/dear"]);
    expect(reason).toBe("ordered: b/cheap of 2 (a/dear rests)");
  });

  test("tells that the conversation's reasoning decided", () => {
    const { order, reason } = choose(ordered, dear, { ...cheap, bound: true });
    expect(names(order)).toEqual(["b/cheap", "a/dear"]);
    expect(reason).toBe("ordered: b/cheap of 2 (issued what this conversation goes on from)");
  });
});

describe("every policy", () => {
  const any: fc.Arbitrary<readonly Candidate[]> = fc
    .array(
      fc.record({
        expectedCost: fc.option(fc.bigInt({ min: 0n, max: 5n }), { nil: undefined }),
        bound: fc.boolean(),
        resting: fc.boolean(),
        warmTokens: fc.nat(100),
      }),
      { minLength: 1, maxLength: 9 },
    )
    .map((all) => all.map((one, index) => candidate(`p/m${index}`, one)));

  for (const policy of policies) {
    test(`${policy.name} gives all candidates back, who issued the reasoning first, who rests last`, () => {
      fc.assert(
        fc.property(any, (all) => {
          const { order } = choose(policy, ...all);
          expect(order.toSorted(byName)).toEqual(all.toSorted(byName));
          const ranks = order.map((one) => (one.bound ? 0 : one.resting ? 2 : 1));
          expect(ranks).toEqual(ranks.toSorted((one, other) => one - other));
        }),
      );
    });

    test(`${policy.name} decides the same twice, in one line, and leaves what it was given alone`, () => {
      fc.assert(
        fc.property(any, (all) => {
          const before = [...all];
          const first = choose(policy, ...all);
          expect(told(choose(policy, ...all))).toEqual(told(first));
          expect(all).toEqual(before);
          expect(first.reason).toMatch(new RegExp(`^${policy.name}: [^\\n]+$`));
          expect(first.reason.length).toBeLessThan(500);
        }),
      );
    });
  }

  test("has a name of its own, by which a client asks for it", () => {
    expect(policies.map(({ name }) => name)).toEqual(["ordered", "cheapest-task"]);
    for (const policy of policies) expect(choosePolicy(policies, policy.name)).toBe(policy);
    expect(() => choosePolicy(policies, "cheapest")).toThrow(
      "no policy is called `cheapest`; there are `auto:ordered`, `auto:cheapest-task`",
    );
  });
});

function told({ considered, ...decision }: Decision): unknown {
  return { ...decision, considered: considered?.() };
}

function byName(one: Candidate, other: Candidate): number {
  return one.target.name.localeCompare(other.target.name);
}
