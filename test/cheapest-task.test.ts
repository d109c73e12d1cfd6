/** `cheapest-task`: which target finishes the task for the least money, before and after anything was learned. */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { createCheapestTask, type CheapestTaskSettings } from "../src/policies/cheapest-task.ts";
import type { Considered } from "../src/policies/considered.ts";
import type { Decision, PolicyContext } from "../src/policies/policy.ts";
import type { Candidate } from "../src/target.ts";
import type { Task } from "../src/task.ts";
import { createEstimates, type Estimates } from "../src/tasks/estimates.ts";
import { observed, priced } from "./ended-tasks.ts";
import { candidate, request } from "./made-target.ts";

const task: Task = { id: "t", className: "triage", source: "header" };

interface Given {
  readonly estimates?: Estimates;
  readonly settings?: CheapestTaskSettings;
  readonly context?: PolicyContext;
  readonly residencyOf?: (name: string) => string | undefined;
  readonly maxOutputTokens?: number;
}

function choose(all: readonly Candidate[], given: Given = {}): Decision {
  const { estimates, settings, residencyOf, context, maxOutputTokens } = given;
  const policy = createCheapestTask({
    ...(estimates === undefined ? {} : { estimates }),
    ...(settings === undefined ? {} : { settings }),
    ...(residencyOf === undefined ? {} : { residencyOf: ({ name }) => residencyOf(name) }),
  });
  return policy.choose(request(maxOutputTokens === undefined ? {} : { maxOutputTokens }), task, all, context);
}

const names = ({ order }: Decision) => order.map((one) => one.target.name);
const considered = (decision: Decision, name: string): Considered => {
  const found = decision.considered?.().find(({ target }) => target === name);
  if (found === undefined) throw new Error(`${name} was not considered`);
  return found;
};

const dear = priced("a/dear", { input: 2, read: 0.2, output: 10 });
const cheap = priced("b/cheap", { input: 0.2, read: 0.02, output: 1 });
const unpriced = { ...candidate("c/unpriced"), target: { ...candidate("c/unpriced").target, price: undefined } };
const free = priced("d/free", { input: 0, output: 0 });

describe("when nothing was learned", () => {
  test("the lowest cost to finish comes first, with the numbers that decided", () => {
    const decision = choose([dear, cheap]);
    expect(names(decision)).toEqual(["b/cheap", "a/dear"]);
    expect(decision.reason).toMatch(/^cheapest-task: b\/cheap \$0\.00\d+ \([\d.]+ turns to go\) < a\/dear \$0\.0\d+$/);
    expect(considered(decision, "b/cheap").turns).toMatchObject({ source: "prior", n: 0 });
  });

  test("a target without a price is never the cheapest: nobody knows that it is", () => {
    const { reason, ...decision } = choose([unpriced, dear]);
    expect(decision.order).toEqual([dear, unpriced]);
    expect(reason).toMatch(/, then c\/unpriced unpriced$/);
  });

  test("one that is free by its config is the cheapest", () => {
    expect(names(choose([cheap, free]))).toEqual(["d/free", "b/cheap"]);
  });

  test("equal costs keep the config's order", () => {
    const same = priced("x/same", { input: 0.2, read: 0.02, output: 1 });
    const decision = choose([same, cheap]);
    expect(names(decision)).toEqual(["x/same", "b/cheap"]);
    expect(decision.reason).toMatch(/ = b\/cheap /);
  });

  test("tells what is warm", () => {
    expect(choose([{ ...cheap, warmTokens: 90, promptTokens: 100 }]).reason).toContain("90 of 100 tokens warm");
  });

  test("does not claim that a target comes first for its cost when it does for another reason", () => {
    const decision = choose([cheap, { ...dear, bound: true }]);
    expect(names(decision)).toEqual(["a/dear", "b/cheap"]);
    expect(decision.reason).toMatch(/^cheapest-task: a\/dear \$\S+ \(bound, .*\), then b\/cheap /);
  });

  test("names four, and counts the rest", () => {
    const many = Array.from({ length: 7 }, (_, index) => priced(`p/m${index}`, { input: index, output: index }));
    const { reason, order } = choose(many);
    expect(reason).toContain("p/m3");
    expect(reason).not.toContain("p/m4");
    expect(reason).toMatch(/, 3 more$/);
    expect(order).toHaveLength(7);
  });

  test("a model that needs more tokens for the same text is dearer at the same price", () => {
    const rates = { input: 1, read: 0.1, output: 5 };
    const wordy = priced("x/wordy", rates, { promptTokens: 142 }, { tokenRatio: 1.42 });
    expect(names(choose([wordy, priced("x/terse", rates, { promptTokens: 100 })]))).toEqual(["x/terse", "x/wordy"]);
  });

  test("what an answer may be at most bounds what it is expected to be", () => {
    const free = considered(choose([cheap]), "b/cheap").tokens.output;
    expect(considered(choose([cheap], { maxOutputTokens: 10 }), "b/cheap").tokens.output).toBeLessThan(free / 10);
  });
});

describe("the cost of finishing", () => {
  const long = (growth: number): Estimates => {
    const estimates = createEstimates();
    for (const name of ["x/cliff", "x/flat"]) {
      observed(estimates, 30, { target: name, turns: 10, firstPrompt: 20_000, growth, output: 100, readShare: 0.9 });
    }
    return estimates;
  };
  const at = { promptTokens: 20_000 };
  const cliff = priced("x/cliff", { input: 0.9, read: 0.09, output: 4, over: { promptTokens: 50_000, times: 4 } }, at);
  const flat = priced("x/flat", { input: 1, read: 0.1, output: 4.5 }, at);

  test("a price that jumps at long prompts counts from the turn on that is beyond it", () => {
    expect(names(choose([cliff, flat], { estimates: long(500) }))).toEqual(["x/cliff", "x/flat"]);
    expect(names(choose([cliff, flat], { estimates: long(8_000) }))).toEqual(["x/flat", "x/cliff"]);
  });

  test("what is left is less, the further a task is", () => {
    const estimates = long(500);
    const left = (turnsSoFar: number) =>
      considered(choose([flat], { estimates, context: { turnsSoFar } }), "x/flat").turns.value;
    expect(left(0)).toBeGreaterThan(left(8));
    expect(left(0)).toBeGreaterThan(7);
    expect(left(8)).toBeLessThan(4);
  });

  test("its parts are whole picodollars and add up to the total", () => {
    const amount = fc.integer({ min: 0, max: 400_000 });
    fc.assert(
      fc.property(amount, fc.nat(1_000), fc.nat(60), fc.nat(900_000), (prompt, warm, turnsSoFar, budgetLeft) => {
        const given = { promptTokens: prompt, warmTokens: Math.min(prompt, warm) };
        const marks = priced("m/marks", { input: 1, read: 0.1, write: 1.25, output: 5 }, given, {
          cache: {
            kind: "marks",
            style: "cache_control",
            minTokens: 512,
            maxMarks: 4,
            ttlSeconds: [300],
            lookback: 20,
          },
        });
        const decision = choose([marks, { ...dear, ...given }, { ...cheap, ...given }], {
          context: { turnsSoFar, budgetLeft: BigInt(budgetLeft) },
        });
        for (const one of decision.considered?.() ?? []) {
          if (one.cost === undefined) throw new Error("all of them have a price");
          const { inputUncached, cacheRead, cacheWrite, output, sum } = one.cost;
          expect(inputUncached + cacheRead + cacheWrite + output).toBe(sum);
          expect(one.total).toBe(sum + one.escalation.cost);
          expect(one.lostCache <= sum).toBe(true);
          for (const part of [inputUncached, cacheRead, cacheWrite, output, one.lostCache])
            expect(part >= 0n).toBe(true);
        }
      }),
    );
  });
});

describe("a task that is on its way", () => {
  const prompt = 100_000;
  const cold = { promptTokens: prompt, warmTokens: 0 };
  const warm = { promptTokens: prompt, warmTokens: prompt - 1_000 };
  const incumbent = (input: number) => priced("x/here", { input, read: input / 10, output: 5 * input }, warm);
  const there = (input: number) => priced("x/there", { input, read: input / 10, output: 5 * input }, cold);
  const context = { incumbent: "x/here", turnsSoFar: 3 };

  test("stays where its history is warm, though another asks less for a token", () => {
    const decision = choose([there(0.8), incumbent(1)], { context });
    expect(names(decision)).toEqual(["x/here", "x/there"]);
    // 99,000 tokens that are read for 0.08 there once they are warm, and cost 0.8 before.
    expect(considered(decision, "x/there").lostCache).toBe(99_000n * 720_000n);
    expect(considered(decision, "x/here").lostCache).toBe(0n);
  });

  test("leaves where far less is left to pay elsewhere, with the cache that is lost", () => {
    expect(names(choose([there(0.05), incumbent(1)], { context }))).toEqual(["x/there", "x/here"]);
  });

  test("stays where little would be saved, and says so", () => {
    const slightly = priced("x/there", { input: 0.97, read: 0.097, output: 4.85 }, warm);
    const decision = choose([slightly, incumbent(1)], { context });
    expect(names(decision)).toEqual(["x/here", "x/there"]);
    expect(decision.reason).toContain("less than 10 % would be saved elsewhere");
    const settings = { classes: { triage: { switchMargin: 0 } } };
    expect(names(choose([slightly, incumbent(1)], { context, settings }))).toEqual(["x/there", "x/here"]);
  });

  test("leaves a target that rests, or may not be called any more", () => {
    expect(names(choose([there(2), { ...incumbent(1), resting: true }], { context }))[0]).toBe("x/there");
    const settings = { classes: { "*": { deny: ["x/here"] } } };
    expect(names(choose([there(2), incumbent(1)], { context, settings }))).toEqual(["x/there"]);
  });
});

describe("what was learned", () => {
  const learned = (cheapSuccess: number, dearSuccess: number): Estimates => {
    const estimates = createEstimates();
    observed(estimates, 60, { target: "b/cheap", turns: 3, success: cheapSuccess });
    observed(estimates, 60, { target: "a/dear", turns: 3, success: dearSuccess });
    return estimates;
  };
  const half = priced("a/dear", { input: 0.3, read: 0.03, output: 1.5 });

  test("a target that fails often is not the cheapest, though its calls are", () => {
    expect(names(choose([cheap, half], { estimates: learned(0.95, 0.95) }))[0]).toBe("b/cheap");
    expect(names(choose([cheap, half], { estimates: learned(0.55, 0.95) }))[0]).toBe("a/dear");
  });

  test("a failure costs what it then takes elsewhere, by its chance", () => {
    const decision = choose([cheap, half], { estimates: learned(0.55, 0.95) });
    const [failing, reliable] = [considered(decision, "b/cheap"), considered(decision, "a/dear")];
    expect(failing.escalation.target).toBe("a/dear");
    const expected = (1 - failing.success.value) * (Number(reliable.cost?.sum) / reliable.success.value);
    expect(Number(failing.escalation.cost) / expected).toBeCloseTo(1, 3);
    expect(failing.success).toMatchObject({ source: "class" });
    expect(failing.success.low).toBeLessThan(failing.success.value);
  });

  test("a failure that costs more besides makes the safer target the cheaper one", () => {
    const estimates = learned(0.8, 0.95);
    expect(names(choose([cheap, dear], { estimates }))[0]).toBe("b/cheap");
    const settings = { classes: { triage: { failureCost: 100_000_000_000n } } };
    expect(names(choose([cheap, dear], { estimates, settings }))[0]).toBe("a/dear");
  });

  test("a target that needs more turns is dearer for it", () => {
    const estimates = createEstimates();
    observed(estimates, 40, { target: "b/cheap", turns: 12 });
    observed(estimates, 40, { target: "a/dear", turns: 2 });
    expect(names(choose([cheap, half], { estimates }))[0]).toBe("a/dear");
  });

  test("who fails more often than not comes last, unless only money is to count", () => {
    const estimates = learned(0.2, 0.95);
    const decision = choose([cheap, dear], { estimates });
    expect(names(decision)).toEqual(["a/dear", "b/cheap"]);
    expect(considered(decision, "b/cheap").excluded).toMatchObject({ must: false });
    expect(decision.reason).toMatch(/then b\/cheap .*fails more often than not \(0\.2\d\)/);
    const settings = { classes: { triage: { successLeast: 0 } } };
    expect(names(choose([cheap, dear], { estimates, settings }))[0]).toBe("b/cheap");
  });
});

describe("what comes before the cost", () => {
  test("data rules: who may not be called is not tried either when the others fail", () => {
    const rules = { deny: ["b"] };
    const inB = { ...cheap, target: { ...cheap.target, instance: { ...cheap.target.instance, name: "b" } } };
    const decision = choose([dear, inB], { settings: { classes: { triage: rules } } });
    expect(names(decision)).toEqual(["a/dear"]);
    expect(considered(decision, "b/cheap").excluded).toEqual({ why: "denied (b)", must: true });
    expect(decision.reason).toMatch(/; not b\/cheap$/);
    expect(names(choose([dear, inB], { context: { rules } }))).toEqual(["a/dear"]);
  });

  test("the class' rules and the key's hold both", () => {
    const settings = { classes: { "*": { allow: ["a/*", "b/cheap"] } } };
    const context = { rules: { allow: ["b/*", "c/unpriced"] } };
    expect(names(choose([dear, cheap, unpriced], { settings, context }))).toEqual(["b/cheap"]);
  });

  test("where a provider keeps data must be known to be one of the places", () => {
    const settings = { classes: { triage: { residency: ["eu"] } } };
    const residencyOf = (name: string) =>
      new Map([
        ["a/dear", "eu"],
        ["b/cheap", "us"],
      ]).get(name);
    const decision = choose([dear, cheap, free], { settings, residencyOf });
    expect(names(decision)).toEqual(["a/dear"]);
    expect(considered(decision, "b/cheap").excluded?.why).toBe("keeps data in us (must be eu)");
    expect(considered(decision, "d/free").excluded?.why).toMatch(/not known/);
  });

  test("when nobody may be called, nobody is, and it is said who and why", () => {
    const settings = { classes: { triage: { allow: ["eu/*"] } } };
    expect(() => choose([dear, cheap], { settings })).toThrow(
      expect.objectContaining({ kind: "forbidden", message: expect.stringContaining("b/cheap not among the allowed") }),
    );
  });

  test("a hard rule holds for who issued what the request carries, too", () => {
    const settings = { classes: { triage: { deny: ["b/cheap"] } } };
    expect(names(choose([dear, { ...cheap, bound: true }], { settings }))).toEqual(["a/dear"]);
  });

  test("who is too slow comes last, once enough of its answers were seen", () => {
    const estimates = createEstimates();
    const settings = { classes: { triage: { firstTokenP95Ms: 1_000 } } };
    const answered = (count: number, ms: number) => {
      for (let index = 0; index < count; index += 1) {
        estimates.timed("b/cheap", { firstTokenMs: ms, totalMs: undefined });
      }
    };
    answered(10, 5_000);
    expect(names(choose([dear, cheap], { estimates, settings }))[0]).toBe("b/cheap");
    answered(10, 5_000);
    const decision = choose([dear, cheap], { estimates, settings });
    expect(names(decision)).toEqual(["a/dear", "b/cheap"]);
    expect(considered(decision, "b/cheap").excluded?.why).toMatch(/^first token p95 \d+ ms > 1000 ms$/);
  });

  test("who does not surely succeed often enough comes last", () => {
    const estimates = createEstimates();
    observed(estimates, 30, { target: "b/cheap", success: 0.85 });
    observed(estimates, 60, { target: "a/dear", success: 1 });
    const settings = { classes: { triage: { successLeast: 0.85 } } };
    const decision = choose([cheap, dear], { estimates, settings });
    expect(names(decision)).toEqual(["a/dear", "b/cheap"]);
    expect(considered(decision, "b/cheap").success.value).toBeGreaterThan(0.8);
  });

  test("whose task would take more than is left comes last", () => {
    const decision = choose([dear, free], { context: { budgetLeft: 1n } });
    expect(names(decision)).toEqual(["d/free", "a/dear"]);
    expect(considered(decision, "a/dear").excluded?.why).toContain("$0.000000000001 that are left");
  });
});
