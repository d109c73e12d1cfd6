/** What is risked on writes whose worth nobody has seen: bounded, given back where nothing was written, and earned by what comes back. */
import { describe, expect, test } from "vitest";
import { charge, creditReturn, emptyAccount, mayRisk } from "../src/cache/exploring.ts";
import { createPlanner, type Plan, type PlannedPrompt, type Planner } from "../src/cache/planner.ts";
import { own, prompt, TWO_CLASSES } from "./planned-prompt.ts";

const SECOND = 1000;
/** A quarter each: four and a half prompts. */
const RISKED = 18;

function sent(planner: Planner, asked: PlannedPrompt, nowMs: number): Plan {
  const plan = planner.plan(asked, TWO_CLASSES, "t", nowMs);
  planner.sent(plan, nowMs);
  return plan;
}

function answered(planner: Planner, asked: PlannedPrompt, nowMs: number): Plan {
  const plan = sent(planner, asked, nowMs);
  planner.settled(plan, undefined, nowMs);
  return plan;
}

const isWritten = ({ marks }: Plan) => marks.length > 0;
const strangers = (name: string, count: number) =>
  Array.from({ length: count }, (_, index) => prompt(own(`${name}${index}-`, 8)));

describe("of prompts of which none comes back", () => {
  test("a few are written, however fast they come", () => {
    const planner = createPlanner();
    const plans = strangers("u", 200).map((one, index) => answered(planner, one, index * 10));
    expect(plans.filter(isWritten)).toHaveLength(RISKED);
  });

  test("those in flight together are counted together", () => {
    const planner = createPlanner();
    expect(
      strangers("u", 200)
        .map((one) => sent(planner, one, 0))
        .filter(isWritten),
    ).toHaveLength(RISKED);
  });

  test("those that failed were not written, and are not counted", () => {
    const planner = createPlanner();
    for (const one of strangers("f", 200)) planner.failed(sent(planner, one, 0));
    expect(
      strangers("u", 200)
        .map((one) => sent(planner, one, 0))
        .filter(isWritten),
    ).toHaveLength(RISKED);
  });

  test("a client's own marks are its own risk", () => {
    const planner = createPlanner();
    for (const one of strangers("c", 200)) {
      const plan = planner.plan(one, TWO_CLASSES, "t", 0);
      planner.sent(plan, 0, [{ place: 3, ttlSeconds: 3600 }]);
    }
    expect(
      strangers("u", 200)
        .map((one) => sent(planner, one, 0))
        .filter(isWritten),
    ).toHaveLength(RISKED);
  });

  test("one tenant's risk is not another's", () => {
    const planner = createPlanner();
    for (const one of strangers("u", 200)) sent(planner, one, 0);
    const other = sent(planner, { ...prompt(own("v", 8)), tenant: "other" }, 0);
    expect(isWritten(other)).toBe(true);
  });

  test("the first that comes back is written again, with those like it", () => {
    const planner = createPlanner();
    for (const one of strangers("u", 60)) answered(planner, one, 0);
    expect(isWritten(sent(planner, prompt(own("v", 8)), SECOND))).toBe(false);
    for (let index = 40; index < 60; index += 1) answered(planner, prompt(own(`u${index}-`, 10)), 2 * SECOND);
    expect(isWritten(sent(planner, prompt(own("w", 8)), 3 * SECOND))).toBe(true);
  });
});

describe("an account", () => {
  test("lends a share of what was spent, once that is more", () => {
    const account = emptyAccount();
    const stakes = { static: 0, rest: 250 };
    for (let count = 0; count < RISKED; count += 1) charge(account, stakes, 1000, 1000);
    expect(mayRisk(account, "rest", stakes, 1000)).toBe(false);
    expect(mayRisk(account, "static", { static: 250, rest: 0 }, 1000)).toBe(true);
    for (let count = 0; count < 600; count += 1) charge(account, { static: 0, rest: 0 }, 1000, 1000);
    expect(mayRisk(account, "rest", stakes, 1000)).toBe(true);
  });

  test("saves no more than a few prompts, so that what came back for long cannot pay for much that does not", () => {
    const account = emptyAccount();
    for (let count = 0; count < 10_000; count += 1) creditReturn(account, 900, 1000);
    let risked = 0;
    for (; mayRisk(account, "rest", { static: 0, rest: 250 }, 1000); risked += 1)
      charge(account, { static: 0, rest: 250 }, 0, 1000);
    expect(risked).toBe(4 * (64 + 4.5));
  });
});

describe("over a restart", () => {
  const used = () => {
    const planner = createPlanner();
    strangers("u", 60).forEach((one, index) => answered(planner, one, index * SECOND));
    return planner.snapshot();
  };

  test("what is owed stays owed", () => {
    const kept = used();
    const planner = createPlanner();
    planner.restore(JSON.parse(JSON.stringify(kept)));
    expect(planner.snapshot()).toEqual(kept);
    expect(kept.tenants[0]?.account?.rest).toBeGreaterThan(0);
    expect(isWritten(sent(planner, prompt(own("v", 8)), 61 * SECOND))).toBe(false);
  });

  test("a snapshot from before there were accounts is taken over, with an empty one", () => {
    const { tenants } = used();
    const planner = createPlanner();
    planner.restore({ version: 2, tenants: tenants.map(({ account: _, ...tenant }) => tenant) });
    expect(planner.snapshot().tenants).toEqual([{ ...tenants[0], account: emptyAccount() }]);
  });
});
