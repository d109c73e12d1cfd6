/** What trials may still cost: per day and section of the config, whatever the clock does and however many tasks there are. */
import { describe, expect, test } from "vitest";
import { createTrials, DAY_MS, type TrialMoney, type Trials } from "../src/tasks/trials.ts";
import { ended, leg } from "./ended-tasks.ts";

const money: TrialMoney = { from: "*", perDay: 100n };
const TODAY = Date.UTC(2026, 10, 22, 9);

function begun(trials: Trials, task: string, cost: bigint, atMs = TODAY, from = "*"): void {
  trials.begun({ tenant: "", task, target: "a/one", from, cost, atMs });
}

describe("the money for trials", () => {
  test("is that of a section and a day", () => {
    const trials = createTrials();
    expect(trials.left(money, TODAY)).toBe(100n);
    begun(trials, "t", 30n);
    expect(trials.left(money, TODAY)).toBe(70n);
    expect(trials.left({ ...money, from: "triage" }, TODAY)).toBe(100n);
    expect(trials.left(money, TODAY + DAY_MS)).toBe(100n);
    begun(trials, "u", 90n);
    expect(trials.left(money, TODAY)).toBe(0n);
  });

  test("is what the task did cost once it is over, counted once however often it ends", () => {
    const trials = createTrials();
    begun(trials, "t", 30n);
    trials.ended({ ...ended({}, [leg({ cost: 7n }), leg({ cost: 5n })]), id: "t" });
    expect(trials.left(money, TODAY)).toBe(88n);
    trials.ended({ ...ended({ cost: 20n }), id: "t" });
    expect(trials.left(money, TODAY)).toBe(80n);
    // Nobody knows what it cost: what was expected of it stands.
    begun(trials, "u", 30n);
    trials.ended({ ...ended({ cost: undefined }), id: "u" });
    trials.ended({ ...ended({ cost: 1n }), id: "no trial" });
    expect(trials.left(money, TODAY)).toBe(50n);
  });

  test("is that of its day where the clock jumps: there and back gives none anew", () => {
    const trials = createTrials();
    begun(trials, "t", 100n);
    for (const days of [1, -1, 400, -400]) trials.left(money, TODAY + days * DAY_MS);
    expect(trials.left(money, TODAY)).toBe(0n);
  });

  test("is known again after a restart: what was paid, and at least what was expected of what still runs", () => {
    const trials = createTrials();
    const one = { tenant: "", className: "triage", target: "a/one", startedAtMs: TODAY, expected: 20n };
    trials.recall(
      [
        { ...one, task: "over", paid: 5n, isEnded: true },
        { ...one, task: "runs", paid: 5n, isEnded: false },
        { ...one, task: "dear", paid: 30n, isEnded: false },
        { ...one, task: "unpriced", paid: undefined, isEnded: true },
        { ...one, task: "of no section", className: "other", paid: 5n, isEnded: true },
      ],
      (className) => (className === "triage" ? "*" : undefined),
    );
    expect(trials.left(money, TODAY)).toBe(25n);
    expect(trials.targetOf("", "runs")).toBe("a/one");
    expect(trials.targetOf("other", "runs")).toBeUndefined();
    expect(trials.targetOf("", "of no section")).toBeUndefined();
  });

  test("of 10,000 trials stays counted, though the first of them are forgotten", () => {
    const trials = createTrials();
    for (let index = 0; index < 10_000; index += 1) begun(trials, String(index), 1n);
    expect(trials.left({ ...money, perDay: 20_000n }, TODAY)).toBe(10_000n);
    expect(trials.targetOf("", "0")).toBeUndefined();
    expect(trials.targetOf("", "9999")).toBe("a/one");
  });
});
