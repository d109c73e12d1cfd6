/** Trials: now and then another target than the one that is believed to be the best, as far as the money for that goes. */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { createCheapestTask } from "../src/policies/cheapest-task.ts";
import type { Decision, PolicyContext } from "../src/policies/policy.ts";
import type { Candidate } from "../src/target.ts";
import type { Task } from "../src/task.ts";
import { createEstimates } from "../src/tasks/estimates.ts";
import { observed, priced } from "./ended-tasks.ts";
import { request } from "./made-target.ts";

const task: Task = { id: "t", className: "triage", source: "header" };
const known = priced("a/known", { input: 0.4, read: 0.04, output: 2 });
const unknown = priced("b/unknown", { input: 0.42, read: 0.042, output: 2.1 });
const estimates = createEstimates();
observed(estimates, 60, { target: "a/known", success: 0.85, turns: 3 });

const plenty = 10n ** 12n;
const ids = Array.from({ length: 300 }, (_, index) => `exchange-${index}`);

function choose(context: PolicyContext, all: readonly Candidate[] = [known, unknown]): Decision {
  return createCheapestTask({ estimates }).choose(request(), task, all, context);
}

const first = (decision: Decision) => decision.order[0]?.target.name;
const tried = (context: PolicyContext, all?: readonly Candidate[]) =>
  ids.filter((exchange) => choose({ ...context, exchange }, all).trial !== undefined);

describe("a trial", () => {
  test("is never made without money that is meant for it", () => {
    expect(tried({})).toEqual([]);
    expect(tried({ trialsLeft: 0n })).toEqual([]);
    for (const exchange of ids.slice(0, 20)) expect(first(choose({ exchange }))).toBe("a/known");
  });

  test("is made now and then of a target that may be the better one, and is said to be one", () => {
    const all = tried({ trialsLeft: plenty });
    expect(all.length).toBeGreaterThan(10);
    expect(all.length).toBeLessThan(250);
    const decision = choose({ exchange: all[0] as string, trialsLeft: plenty });
    expect(first(decision)).toBe("b/unknown");
    expect(decision.reason).toMatch(/^cheapest-task: b\/unknown \$\S+ \(tried, /);
    expect(decision.trial?.cost).toBe(decision.considered?.()[0]?.total);
  });

  test("is decided by the exchange alone: the same one is decided the same again", () => {
    fc.assert(
      fc.property(fc.string(), (exchange) => {
        const context = { exchange, trialsLeft: plenty };
        expect(choose(context).reason).toBe(choose(context).reason);
      }),
    );
  });

  test("costs no more than there is left", () => {
    const cost = choose({ exchange: tried({ trialsLeft: plenty })[0] as string, trialsLeft: plenty }).trial?.cost ?? 0n;
    expect(tried({ trialsLeft: cost }).length).toBeGreaterThan(0);
    expect(tried({ trialsLeft: cost - 1n })).toEqual([]);
  });

  test("is not made of a target that is known to be far worse", () => {
    const tenfold = priced("b/unknown", { input: 40, read: 4, output: 200 });
    expect(tried({ trialsLeft: plenty }, [known, tenfold])).toEqual([]);
  });

  test("is not made where an exchange is bound to a target, or of one that rests", () => {
    expect(tried({ trialsLeft: plenty }, [{ ...known, bound: true }, unknown])).toEqual([]);
    expect(tried({ trialsLeft: plenty }, [known, { ...unknown, resting: true }])).toEqual([]);
  });

  test("is not made of a target that data rules exclude", () => {
    expect(tried({ trialsLeft: plenty, rules: { deny: ["b/unknown"] } })).toEqual([]);
  });

  test("begins with the task, and is finished where it began", () => {
    expect(tried({ trialsLeft: plenty, turnsSoFar: 1 })).toEqual([]);
    expect(tried({ trialsLeft: plenty, incumbent: "a/known" })).toEqual([]);
    const dear = priced("b/unknown", { input: 4, read: 0.4, output: 20 });
    const context = { turnsSoFar: 1, incumbent: "b/unknown" };
    expect(first(choose({ ...context, isTrial: true }, [known, dear]))).toBe("b/unknown");
    expect(first(choose(context, [known, dear]))).toBe("a/known");
  });

  test("may be of a target that fails more often than not, once that was long ago", () => {
    const other = createEstimates();
    observed(other, 20, { target: "b/unknown", success: 0.3, turns: 3 });
    const count = () =>
      ids.filter((exchange) => {
        const policy = createCheapestTask({ estimates: other });
        const lower = priced("b/unknown", { input: 0.04, read: 0.004, output: 0.2 });
        return policy.choose(request(), task, [known, lower], { exchange, trialsLeft: plenty }).trial !== undefined;
      }).length;
    observed(other, 5, { target: "a/known", success: 1, turns: 3 });
    const soon = count();
    observed(other, 200, { target: "a/known", success: 0.85, turns: 3 });
    expect(count()).toBeGreaterThan(soon);
  });
});
