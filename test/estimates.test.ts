/** What is learned of tasks: means that are drawn towards what is known of others, forget, and say where they are from. */
import { describe, expect, test } from "vitest";
import type { EndedTask } from "../src/tasks/ended-task.ts";
import { createEstimates, type Estimates } from "../src/tasks/estimates.ts";
import type { TargetEstimates } from "../src/tasks/estimates-class.ts";
import { ended, leg, type MadeTask, observed } from "./ended-tasks.ts";
import { target } from "./made-target.ts";

const SHAPE = { hasTools: false, isOneShot: false };
const one = { ...target("gpt-5.4-nano"), name: "a/one" };
const other = { ...target("gpt-5.4-nano"), name: "b/other" };

function at(estimates: Estimates, facts = one, className = "triage", tenant = ""): TargetEstimates {
  return estimates.of(tenant, className, SHAPE).at(facts);
}

function learned(tasks: number, made: MadeTask): Estimates {
  const estimates = createEstimates();
  observed(estimates, tasks, made);
  return estimates;
}

describe("before any task", () => {
  test("every figure is there, is sensible, and says that it is assumed", () => {
    const { success, costPerTask, costPerSuccess, furtherTimes, ...figures } = at(createEstimates());
    for (const { value, source, n } of Object.values(figures)) {
      expect(value).toBeGreaterThan(0);
      expect({ source, n }).toEqual({ source: "prior", n: 0 });
    }
    expect(success).toMatchObject({ source: "prior", n: 0 });
    expect(success.low).toBeLessThan(success.mean);
    expect([costPerTask, costPerSuccess, furtherTimes]).toEqual([undefined, undefined, 1]);
  });

  test("an agent is expected to take many turns, a plain call few, and an embedding one without an answer", () => {
    const turns = (hasTools: boolean, isOneShot: boolean) =>
      createEstimates().of("", "x", { hasTools, isOneShot }).at(one);
    expect(turns(true, false).turns.value).toBeGreaterThan(10);
    expect(turns(false, false).turns.value).toBeLessThan(4);
    expect(turns(false, true).turns.value).toBe(1);
    expect(turns(false, true).outputTokens.value).toBe(0);
  });

  test("a dearer model is expected to succeed more often, and a cache that a record has to be read", () => {
    const prior = (model: string) => at(createEstimates(), target(model));
    expect(prior("claude-opus-4-8").success.mean).toBeGreaterThan(prior("gpt-5.4-nano").success.mean);
    expect(prior("gpt-5.4-nano").readShare.value).toBe(0.87);
    expect(at(createEstimates(), target("gpt-5.4-nano", { cache: { kind: "none" } })).readShare.value).toBe(0);
  });
});

describe("of a class at a target", () => {
  test("the figures come near to what its tasks were", () => {
    const made = {
      turns: 6,
      firstPrompt: 8_000,
      growth: 1_500,
      output: 320,
      readShare: 0.6,
      success: 0.75,
      cost: 5_000n,
    };
    const known = at(learned(80, made));
    expect(known.turns.value).toBeCloseTo(6, 0);
    expect(known.firstPromptTokens.value / 8_000).toBeCloseTo(1, 1);
    expect(known.growthTokens.value / 1_500).toBeCloseTo(1, 1);
    expect(known.outputTokens.value / 320).toBeCloseTo(1, 1);
    expect(known.readShare.value).toBeCloseTo(0.6, 1);
    expect(known.success.mean).toBeCloseTo(0.75, 1);
    expect(known.costPerTask?.value).toBeCloseTo(5_000, 0);
    expect((known.costPerSuccess?.value ?? 0) / (5_000 / 0.75)).toBeCloseTo(1, 1);
    expect(known.success.source).toBe("class");
    expect(known.success.n).toBeGreaterThan(40);
  });

  test("is first known from the class elsewhere, then from the target in other classes, and says so", () => {
    const estimates = learned(40, { output: 2_000, target: "a/one", className: "triage" });
    const before = at(createEstimates()).outputTokens.value;
    const elsewhere = at(estimates, other).outputTokens;
    expect(elsewhere.source).toBe("class-elsewhere");
    expect(elsewhere.value).toBeGreaterThan(3 * before);
    observed(estimates, 40, { output: 2_000, target: "a/one", className: "other", success: 0.4 });
    const anew = at(estimates, one, "never-seen");
    expect(anew.success).toMatchObject({ source: "target" });
    expect(anew.success.mean).toBeLessThan(at(estimates, other, "never-seen").success.mean);
    expect(anew.outputTokens.value).toBeGreaterThan(2 * before);
  });

  test("a target that talks more than others in one class is expected to in the next", () => {
    const estimates = createEstimates();
    for (let round = 0; round < 40; round += 1) {
      estimates.observe(ended({ className: "triage", target: "a/one", output: 100 }));
      estimates.observe(ended({ className: "triage", target: "b/other", output: 400 }));
    }
    observed(estimates, 10, { className: "next", target: "c/third", output: 1_000 });
    const next = (facts: typeof one) => at(estimates, facts, "next").outputTokens.value;
    expect(next(other)).toBeGreaterThan(1.5 * next(one));
  });

  test("few tasks move it little, and a lower bound tells how little", () => {
    const two = at(learned(2, { success: 0 })).success;
    const many = at(learned(40, { success: 0 })).success;
    expect(two.mean).toBeGreaterThan(0.35);
    expect(many.mean).toBeLessThan(0.1);
    expect(at(learned(3, { success: 1 })).success.low).toBeLessThan(at(learned(60, { success: 1 })).success.low);
  });

  test("an outcome that nobody knows is neither a success nor a failure", () => {
    const estimates = learned(30, { success: undefined, turns: 5 });
    expect(at(estimates).success).toEqual(at(createEstimates()).success);
    expect(at(estimates).turns.value).toBeCloseTo(5, 0);
    expect(at(estimates).costPerSuccess).toBeUndefined();
  });

  test("an outcome that only the answers showed counts for less than one that was told", () => {
    const told = at(learned(8, { success: 0 })).success.mean;
    expect(at(learned(8, { success: 0, source: "signals" })).success.mean).toBeGreaterThan(told + 0.05);
  });

  test("tokens are told in the target's own, and learned from targets with other tokenizers", () => {
    const estimates = createEstimates({ tokenRatio: (name) => (name === "w/wordy" ? 2 : 1) });
    observed(estimates, 60, { target: "w/wordy", output: 600, firstPrompt: 4_000, growth: 2_000 });
    const wordy = { ...target("gpt-5.4-nano", { tokenRatio: 2 }), name: "w/wordy" };
    expect(at(estimates, wordy).outputTokens.value / 600).toBeCloseTo(1, 1);
    expect(at(estimates, other).outputTokens.value / 300).toBeCloseTo(1, 1);
    expect(at(estimates, other).firstPromptTokens.value / 2_000).toBeCloseTo(1, 1);
  });

  test("classes of two tenants are two, though they have one name", () => {
    const estimates = learned(40, { tenant: "red", turns: 12 });
    expect(at(estimates, one, "triage", "red").turns.source).toBe("class");
    expect(at(estimates, one, "triage", "blue").turns.source).not.toBe("class");
  });
});

describe("how many turns a task still has", () => {
  const left = (estimates: Estimates, turnsSoFar: number) =>
    estimates
      .of("", "triage", SHAPE)
      .ahead(turnsSoFar)
      .reduce((sum, { expected }) => sum + expected, 0);

  test("depends on how many it had: who got over the first has many more where half of them end at once", () => {
    const estimates = createEstimates();
    for (let round = 0; round < 60; round += 1) estimates.observe(ended({ turns: round % 2 === 0 ? 1 : 21 }));
    expect(left(estimates, 0)).toBeGreaterThan(8);
    expect(left(estimates, 0)).toBeLessThan(13);
    expect(left(estimates, 2)).toBeGreaterThan(14);
  });

  test("is near to what is left of tasks that are all of one length", () => {
    const estimates = learned(80, { turns: 8 });
    expect(left(estimates, 0)).toBeCloseTo(7, 0);
    expect(left(estimates, 4)).toBeLessThan(4.5);
  });
});

describe("a task that was at several targets", () => {
  test("fails the one that it was taken from, and counts for the last by its share of the turns", () => {
    const estimates = createEstimates();
    for (let round = 0; round < 20; round += 1) {
      const taken = { ...leg({ target: "a/one", turns: 2 }), escalated: true as const };
      estimates.observe(ended({ success: 1 }, [taken, leg({ target: "b/other", turns: 2 })]));
    }
    expect(at(estimates, one).success.mean).toBeLessThan(0.2);
    expect(at(estimates, other).success.mean).toBeGreaterThan(0.85);
    expect(at(estimates, other).success.n).toBeLessThan(11);
  });

  test("tells what a turn takes, and not what a task does", () => {
    const estimates = createEstimates();
    for (let round = 0; round < 20; round += 1) {
      const legs = [leg({ target: "a/one", turns: 3, output: 900 }), leg({ target: "b/other", turns: 3 })];
      estimates.observe(ended({}, legs));
    }
    expect(at(estimates, one).outputTokens.value).toBeGreaterThan(700);
    expect(at(estimates, one).costPerTask).toBeUndefined();
  });
});

describe("what changes", () => {
  test("a success rate that falls is known for it within 100 tasks", () => {
    const estimates = learned(300, { success: 0.9 });
    observed(estimates, 100, { success: 0.4 });
    expect(at(estimates).success.mean).toBeLessThan(0.47);
  });

  test("and one that rises", () => {
    const estimates = learned(300, { success: 0.3 });
    observed(estimates, 100, { success: 0.95 });
    expect(at(estimates).success.mean).toBeGreaterThan(0.85);
  });

  test("tasks that take three times as many tokens are expected to within 100 tasks, most of it within 40", () => {
    const estimates = learned(300, { output: 200, growth: 500 });
    observed(estimates, 40, { output: 600, growth: 1_500 });
    expect(at(estimates).outputTokens.value).toBeGreaterThan(500);
    observed(estimates, 60, { output: 600, growth: 1_500 });
    expect(at(estimates).outputTokens.value / 600).toBeCloseTo(1, 1);
    expect(at(estimates).growthTokens.value / 1_500).toBeCloseTo(1, 1);
  });

  test("chance alone does not look like a change", () => {
    const estimates = learned(400, { success: 0.8 });
    expect(at(estimates).success.mean).toBeCloseTo(0.8, 1);
    expect(at(estimates).success.n).toBeGreaterThan(50);
  });

  test("a target that no task went to for long is known less surely, though its mean stays", () => {
    const estimates = learned(60, { success: 0.3 });
    const before = at(estimates).success;
    observed(estimates, 200, { target: "b/other", success: 0.9 });
    const after = at(estimates).success;
    expect(Math.abs(after.mean - before.mean)).toBeLessThan(0.1);
    expect(after.successes + after.failures).toBeLessThan((before.successes + before.failures) / 3);
  });
});

describe("a task that ends again", () => {
  const again = (made: MadeTask, before: EndedTask["before"]): EndedTask => ({
    ...ended(made),
    ...(before === undefined ? {} : { before }),
  });
  const told = (success: number) => ({ success, source: "told" as const });

  test("is counted once: neither its tokens nor its turns come twice", () => {
    const estimates = learned(10, { success: undefined, turns: 5 });
    const once = at(estimates);
    for (let round = 0; round < 20; round += 1)
      estimates.observe(again({ success: undefined, turns: 12 }, { outcome: undefined }));
    expect(at(estimates)).toEqual(once);
  });

  test("and went on has the turns of all of it, as if it had been one from the start", () => {
    const [went, whole] = [createEstimates(), createEstimates()];
    for (let index = 0; index < 20; index += 1) {
      const [short, long] = [{ turns: 2, cost: 10n } as const, { turns: 9, cost: 70n } as const];
      went.observe(ended(short));
      went.observe(again(long, { outcome: told(1), legs: [leg(short)] }));
      whole.observe(ended(long));
    }
    expect(at(went).turns.n).toBe(at(whole).turns.n);
    // Apart from what is forgotten between the two ends.
    expect(Math.abs(at(went).turns.value / at(whole).turns.value - 1)).toBeLessThan(0.1);
    expect((at(went).costPerTask?.value ?? 0) / 70).toBeCloseTo(1, 1);
    expect((at(went).costPerSuccess?.value ?? 0) / 70).toBeCloseTo(1, 1);
    const left = (estimates: Estimates, turns: number) =>
      estimates
        .of("", "triage", SHAPE)
        .ahead(turns)
        .reduce((sum, { expected }) => sum + expected, 0);
    expect(left(went, 2)).toBeCloseTo(left(whole, 2), 0);
  });

  test("tells an outcome that nobody knew before", () => {
    const late = learned(10, { success: undefined });
    for (let round = 0; round < 10; round += 1) late.observe(again({ success: 0 }, { outcome: undefined }));
    const soon = learned(10, { success: 0 });
    expect(at(late).success.mean).toBeCloseTo(at(soon).success.mean, 1);
    expect(at(late).success.n).toBeCloseTo(at(soon).success.n, 1);
    expect(at(late).turns.n).toBe(at(soon).turns.n);
  });

  test("has the outcome that was told last, and not a mean of all that were told", () => {
    const estimates = learned(1, { success: 0 });
    for (const [before, now] of [[0, 1] as const, [1, 0] as const, [0, 1] as const])
      estimates.observe(again({ success: now }, { outcome: told(before) }));
    const right = learned(1, { success: 1 });
    expect(at(estimates).success).toEqual(at(right).success);
    expect(at(estimates).costPerSuccess).toEqual(at(right).costPerSuccess);
  });

  test("whose outcome was only seen in the answers counts whole once somebody tells it", () => {
    const estimates = learned(1, { success: 1, source: "signals" });
    estimates.observe(again({ success: 0 }, { outcome: { success: 1, source: "signals" } }));
    expect(at(estimates).success.mean).toBeCloseTo(at(learned(1, { success: 0 })).success.mean, 5);
    expect(at(estimates).success.n).toBe(1);
  });

  test("never makes a chance that is none, whatever is told in whatever order", () => {
    const estimates = learned(3, { success: 0 });
    for (let round = 0; round < 200; round += 1) {
      const outcome = { success: (round % 3) / 2, source: round % 2 === 0 ? ("told" as const) : ("signals" as const) };
      estimates.observe(again({ success: ((round + 1) % 3) / 2 }, { outcome }));
      const { mean, low } = at(estimates).success;
      expect(mean).toBeGreaterThanOrEqual(0);
      expect(mean).toBeLessThanOrEqual(1);
      expect(low).toBeLessThanOrEqual(mean);
    }
  });
});
