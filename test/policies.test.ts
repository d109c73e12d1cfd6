/** Policies: an order of the candidates and the reason for it. Pure, and the same two rules for all of them. */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { cheapestTask } from "../src/policies/cheapest-task.ts";
import { choosePolicy, policies } from "../src/policies/index.ts";
import { ordered } from "../src/policies/ordered.ts";
import type { Policy } from "../src/policies/policy.ts";
import type { Candidate } from "../src/target.ts";
import type { Task } from "../src/task.ts";
import { candidate, request } from "./made-target.ts";

const task: Task = { id: "t", className: undefined, source: "prefix" };
const choose = (policy: Policy, ...all: readonly Candidate[]) => policy.choose(request(), task, all);
const names = (all: readonly Candidate[]) => all.map((one) => one.target.name);

const dear = candidate("a/dear", { expectedCost: 900_000n });
const cheap = candidate("b/cheap", { expectedCost: 100_000n });
const unpriced = candidate("c/unpriced", { expectedCost: undefined });
const free = candidate("d/free", { expectedCost: 0n });

describe("cheapest-task", () => {
  test("puts the lowest expected cost first, with the numbers that decided", () => {
    const { order, reason } = choose(cheapestTask, dear, cheap);
    expect(names(order)).toEqual(["b/cheap", "a/dear"]);
    expect(reason).toBe("cheapest-task: b/cheap $0.0000001 < a/dear $0.0000009");
  });

  test("a target without a price is never the cheapest: nobody knows that it is", () => {
    const { order, reason } = choose(cheapestTask, unpriced, dear);
    expect(names(order)).toEqual(["a/dear", "c/unpriced"]);
    expect(reason).toBe("cheapest-task: a/dear $0.0000009, then c/unpriced unpriced");
  });

  test("one that is free by its config is the cheapest", () => {
    expect(names(choose(cheapestTask, cheap, free).order)).toEqual(["d/free", "b/cheap"]);
  });

  test("equal costs keep the config's order", () => {
    const { order, reason } = choose(cheapestTask, { ...cheap, target: dear.target }, cheap);
    expect(names(order)).toEqual(["a/dear", "b/cheap"]);
    expect(reason).toBe("cheapest-task: a/dear $0.0000001 = b/cheap $0.0000001");
  });

  test("tells what is warm", () => {
    const warm = candidate("a/warm", { expectedCost: 5n, warmTokens: 90, promptTokens: 100 });
    expect(choose(cheapestTask, warm).reason).toBe("cheapest-task: a/warm $0.000000000005 (90 of 100 tokens warm)");
  });

  test("does not claim that a target comes first for its cost when it does for another reason", () => {
    const { order, reason } = choose(cheapestTask, cheap, { ...dear, bound: true });
    expect(names(order)).toEqual(["a/dear", "b/cheap"]);
    expect(reason).toBe("cheapest-task: a/dear $0.0000009 (bound), then b/cheap $0.0000001");
  });

  test("names four, and counts the rest", () => {
    const many = Array.from({ length: 7 }, (_, index) => candidate(`p/m${index}`, { expectedCost: BigInt(index) }));
    const { reason, order } = choose(cheapestTask, ...many);
    expect(reason).toContain("p/m3");
    expect(reason).not.toContain("p/m4");
    expect(reason).toMatch(/, 3 more$/);
    expect(order).toHaveLength(7);
  });
});

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
          expect(choose(policy, ...all)).toEqual(first);
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

function byName(one: Candidate, other: Candidate): number {
  return one.target.name.localeCompare(other.target.name);
}
