/** A call that got no answer used nothing, and sending it again is no return. */
import { describe, expect, test } from "vitest";
import { createPlanner, type Plan, type Planner } from "../src/cache/planner.ts";
import { own, prompt, TWO_CLASSES } from "./planned-prompt.ts";

const SECOND = 1000;

function sent(planner: Planner, names: readonly string[], nowMs: number): Plan {
  const plan = planner.plan(prompt(names), TWO_CLASSES, "t", nowMs);
  planner.sent(plan, nowMs);
  return plan;
}

function answered(planner: Planner, names: readonly string[], nowMs: number): Plan {
  const plan = sent(planner, names, nowMs);
  planner.readable(plan, nowMs + 10);
  planner.settled(plan, undefined, nowMs + 20);
  return plan;
}

describe("a call that failed before its answer began", () => {
  test("does not make prompts that nobody goes on with look as if they came back", () => {
    const planner = createPlanner();
    let written = 0;
    for (let index = 0; index < 1000; index += 1) {
      const nowMs = index * 3 * SECOND;
      const names = own(`once${index}-`, 8);
      planner.failed(sent(planner, names, nowMs));
      const plan = answered(planner, names, nowMs + SECOND);
      if (index >= 400 && plan.marks.length > 0) written += 1;
    }
    expect(written).toBe(0);
  });

  test("is planned again as it was the first time, in any state of the planner", () => {
    const planner = createPlanner();
    for (const name of ["a", "b"]) answered(planner, [...own("s", 4), name], 0);
    const names = [...own("s", 4), "c", "d"];
    const first = planner.plan(prompt(names), TWO_CLASSES, "t", SECOND);
    const asFirst = [first.marks, first.predictedRead];
    planner.failed(sent(planner, names, SECOND));
    for (let retry = 0; retry < 5; retry += 1) {
      const again = planner.plan(prompt(names), TWO_CLASSES, "t", SECOND + retry);
      expect([again.marks, again.predictedRead]).toEqual(asFirst);
      planner.failed(sent(planner, names, SECOND + retry));
    }
  });

  test("is no use that nobody came back from either", () => {
    const planner = createPlanner();
    // Three in ten come back, once: that is just worth its price, and would not be if this very prompt had been left once.
    for (let index = 0; index < 400; index += 1) {
      const nowMs = index * 10 * 60 * SECOND;
      answered(planner, own(`c${index}-`, 4), nowMs);
      if (index % 10 < 3) answered(planner, own(`c${index}-`, 4), nowMs + 100 * SECOND);
    }
    const nowMs = 1000 * 3600 * SECOND;
    const names = own("new", 4);
    expect(planner.plan(prompt(names), TWO_CLASSES, "t", nowMs).marks).toHaveLength(1);
    planner.failed(sent(planner, names, nowMs));
    expect(planner.plan(prompt(names), TWO_CLASSES, "t", nowMs + SECOND).marks).toHaveLength(1);
  });

  test("is watched for by nobody, and leaves whom it went on from waiting", () => {
    const planner = createPlanner();
    answered(planner, own("a", 4), 0);
    expect(planner.size().waiting).toBe(1);
    for (let retry = 1; retry < 4; retry += 1) planner.failed(sent(planner, own("a", 6), retry * SECOND));
    expect(planner.size().waiting).toBe(1);
    // The first step ends: had it come back, it would not be waited for any longer.
    planner.plan(prompt(["x"]), TWO_CLASSES, "t", 21 * SECOND);
    expect(planner.size().waiting).toBe(1);
    answered(planner, own("a", 6), 22 * SECOND);
    planner.plan(prompt(["x"]), TWO_CLASSES, "t", 61 * SECOND);
    expect(planner.size().waiting).toBe(1);
  });

  test("came back when it was sent, however long its answer took to begin", () => {
    const taught = (answerMs: number) => {
      const planner = createPlanner();
      for (let index = 0; index < 60; index += 1) {
        const nowMs = index * 10 * 60 * SECOND;
        for (const [turn, names] of [own(`c${index}-`, 4), own(`c${index}-`, 6)].entries()) {
          // Within the first five minutes, and answered after them.
          const atMs = nowMs + turn * 290 * SECOND;
          const plan = sent(planner, names, atMs);
          planner.plan(prompt(["tick"]), TWO_CLASSES, "t", atMs + answerMs);
          planner.readable(plan, atMs + answerMs);
        }
      }
      planner.plan(prompt(["tick"]), TWO_CLASSES, "t", 20 * 3600 * SECOND);
      return planner.plan(prompt(own("new", 4)), TWO_CLASSES, "t", 20 * 3600 * SECOND).marks;
    };
    expect(taught(100 * SECOND)).toEqual(taught(SECOND));
    expect(taught(SECOND)).toEqual([{ place: 3, ttlSeconds: 300 }]);
  });
});
