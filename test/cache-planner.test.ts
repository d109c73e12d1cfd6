/** The planner over the life of calls: what it marks, what it expects to read, and what it learns from what happened. */
import { describe, expect, test } from "vitest";
import fc from "fast-check";
import { createPlanner, type Plan, type PlannedPrompt, type Planner, type PlanUsage } from "../src/cache/planner.ts";
import type { CacheRules } from "../src/cache/rules.ts";
import { BLOCK_TOKENS, ONE_CLASS, own, prompt, TWO_CLASSES } from "./planned-prompt.ts";

const TARGET = "anthropic/claude";
const SECOND = 1000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;

/** Sends a prompt, and has its answer come at once. */
function call(planner: Planner, asked: PlannedPrompt, nowMs: number, rules: CacheRules = TWO_CLASSES): Plan {
  const plan = planner.plan(asked, rules, TARGET, nowMs);
  planner.sent(plan, nowMs);
  planner.settled(plan, undefined, nowMs);
  return plan;
}

function marksOf(plan: Plan): (readonly [number, number])[] {
  return plan.marks.map(({ place, ttlSeconds }) => [place, ttlSeconds]);
}

describe("a conversation", () => {
  test("its first prompt is written, static prefix and end, for the short lifetime", () => {
    const plan = call(createPlanner(), prompt(own("a", 10), { staticPlace: 3 }), 0);
    expect(marksOf(plan)).toEqual([
      [3, 300],
      [9, 300],
    ]);
    expect(plan.predictedRead).toBe(0);
  });

  test("its second prompt reads what the first one wrote, by a mark at that very place, and writes what is new", () => {
    const planner = createPlanner();
    call(planner, prompt(own("a", 10)), 0);
    const plan = call(planner, prompt(own("a", 14)), MINUTE);
    expect(plan.predictedRead).toBe(10 * BLOCK_TOKENS);
    expect(marksOf(plan)).toEqual([
      [9, 300],
      [13, 300],
    ]);
  });

  test("five minutes without a use are the end of it, and a use begins them anew", () => {
    const planner = createPlanner();
    const asked = prompt(own("a", 10));
    call(planner, asked, 0);
    expect(planner.plan(asked, TWO_CLASSES, TARGET, 5 * MINUTE).predictedRead).toBe(0);
    call(planner, asked, 4 * MINUTE);
    expect(planner.plan(asked, TWO_CLASSES, TARGET, 9 * MINUTE - 1).predictedRead).toBe(10 * BLOCK_TOKENS);
    expect(planner.plan(asked, TWO_CLASSES, TARGET, 9 * MINUTE).predictedRead).toBe(0);
  });

  test("a use prolongs what the prefix stands on, so that a sibling reads that", () => {
    const planner = createPlanner();
    call(planner, prompt([...own("s", 5), "x"], { staticPlace: 4 }), 0);
    call(planner, prompt([...own("s", 5), "x", "x2"], { staticPlace: 4 }), 4 * MINUTE);
    const sibling = prompt([...own("s", 5), "y"], { staticPlace: 4 });
    expect(planner.plan(sibling, TWO_CLASSES, TARGET, 8 * MINUTE).predictedRead).toBe(5 * BLOCK_TOKENS);
  });

  test("nothing is marked below the least that is cached, nor where a mark may not stand", () => {
    const planner = createPlanner();
    expect(call(planner, prompt(own("a", 3)), 0, { ...TWO_CLASSES, minTokens: 4096 }).marks).toEqual([]);
    const markable = Uint8Array.of(1, 1, 0, 0);
    expect(marksOf(call(planner, prompt(own("b", 4), { markable, staticPlace: 2 }), 0))).toEqual([[1, 300]]);
    expect(call(planner, prompt(own("c", 2), { markable: Uint8Array.of(0, 0) }), 0).marks).toEqual([]);
  });

  test("of a thousand turns is read as any other, and its static prefix when all else is gone", () => {
    const planner = createPlanner();
    const turn = (count: number, nowMs: number) => {
      const plan = planner.plan(prompt(own("a", count), { staticPlace: 2 }), TWO_CLASSES, TARGET, nowMs);
      planner.sent(plan, nowMs, [
        { place: 2, ttlSeconds: 3600 },
        { place: count - 1, ttlSeconds: 300 },
      ]);
      planner.settled(plan, undefined, nowMs);
      return plan.predictedRead;
    };
    for (let count = 4; count <= 1000; count += 1) {
      const read = turn(count, count * MINUTE);
      if (count > 4) expect(read).toBe((count - 1) * BLOCK_TOKENS);
    }
    expect(turn(1001, 1030 * MINUTE)).toBe(3 * BLOCK_TOKENS);
  });

  test("an empty prompt and a provider without a cache are planned without marks", () => {
    const planner = createPlanner();
    expect(call(planner, prompt([]), 0).marks).toEqual([]);
    const none: CacheRules = { ...TWO_CLASSES, kind: "none" };
    expect(call(planner, prompt(own("a", 9)), 0, none).marks).toEqual([]);
    expect(planner.size().borders).toBe(0);
  });
});

describe("what another request is writing", () => {
  test("is neither read nor written again, and can be waited for", () => {
    const planner = createPlanner();
    const leader = planner.plan(prompt([...own("s", 20), "a"], { staticPlace: 19 }), TWO_CLASSES, TARGET, 0);
    planner.sent(leader, 0);
    const follower = planner.plan(prompt([...own("s", 20), "b"], { staticPlace: 19 }), TWO_CLASSES, TARGET, 10);
    expect(follower.predictedRead).toBe(0);
    expect(follower.marks).toEqual([]);
    expect(follower.hold).toEqual({
      leader: leader.id,
      moreTokens: 20 * BLOCK_TOKENS,
      untilMs: 2400,
      readingMs: expect.closeTo(2400, -3),
      isHeard: true,
    });

    planner.readable(leader, 2000);
    const again = planner.plan(prompt([...own("s", 20), "b"], { staticPlace: 19 }), TWO_CLASSES, TARGET, 2000);
    expect(again.predictedRead).toBe(20 * BLOCK_TOKENS);
    expect(again.hold).toBeUndefined();
  });

  test("is not waited for when it is less than 1024 tokens more", () => {
    const planner = createPlanner();
    planner.sent(planner.plan(prompt(own("s", 1)), { ...TWO_CLASSES, minTokens: 512 }, TARGET, 0), 0);
    expect(planner.plan(prompt(own("s", 3)), { ...TWO_CLASSES, minTokens: 512 }, TARGET, 1).hold).toBeUndefined();
  });

  test("is not there when that request fails", () => {
    const planner = createPlanner();
    const leader = planner.plan(prompt(own("s", 20)), TWO_CLASSES, TARGET, 0);
    planner.sent(leader, 0);
    planner.failed(leader);
    const next = planner.plan(prompt(own("s", 20)), TWO_CLASSES, TARGET, 10);
    expect(next.hold).toBeUndefined();
    expect(marksOf(next)).toEqual([[19, 300]]);
  });

  test("is given up when nobody has said for long what became of it", () => {
    const planner = createPlanner();
    planner.sent(planner.plan(prompt(own("s", 20)), { ...TWO_CLASSES }, TARGET, 0), 0, [
      { place: 19, ttlSeconds: 3600 },
    ]);
    expect(planner.plan(prompt(own("s", 20)), TWO_CLASSES, TARGET, 10 * MINUTE).hold).toBeDefined();
    const late = planner.plan(prompt(own("s", 20)), TWO_CLASSES, TARGET, 11 * MINUTE);
    expect(late.hold).toBeUndefined();
    expect(late.predictedRead).toBe(0);
    expect(marksOf(late).length).toBeGreaterThan(0);
  });

  test("is expected as soon as this target's answers have lately begun", () => {
    const planner = createPlanner();
    for (let index = 0; index < 30; index += 1) {
      const plan = planner.plan(prompt(own(`u${index}-`, 10)), TWO_CLASSES, TARGET, index * MINUTE);
      planner.sent(plan, index * MINUTE);
      planner.readable(plan, index * MINUTE + 5000);
    }
    const leader = planner.plan(prompt(own("s", 20)), TWO_CLASSES, TARGET, HOUR);
    planner.sent(leader, HOUR, [{ place: 19, ttlSeconds: 300 }]);
    const follower = planner.plan(prompt(own("s", 20)), TWO_CLASSES, TARGET, HOUR);
    expect(follower.hold?.untilMs).toBeCloseTo(HOUR + 9_700, 3);
  });

  test("is believed to be there from the expected time on when nobody hears of it", () => {
    const planner = createPlanner();
    const asked = { ...prompt(own("s", 20)), isWhole: true };
    // As fast as is thought of whom nobody knows: that is known of it now.
    const other = planner.plan(prompt(own("t", 20)), TWO_CLASSES, TARGET, -HOUR);
    planner.sent(other, -HOUR);
    planner.readable(other, -HOUR + 2300);
    planner.sent(planner.plan(asked, TWO_CLASSES, TARGET, 0), 0);
    const { hold } = planner.plan(asked, TWO_CLASSES, TARGET, 10);
    expect(hold).toMatchObject({ untilMs: 2875, isHeard: false });
    expect(planner.plan(asked, TWO_CLASSES, TARGET, 2874).predictedRead).toBe(0);
    expect(planner.plan(asked, TWO_CLASSES, TARGET, 2875).predictedRead).toBe(20 * BLOCK_TOKENS);
  });

  test("is another's to write once it was waited for in vain", () => {
    const planner = createPlanner();
    planner.sent(planner.plan(prompt(own("s", 20)), TWO_CLASSES, TARGET, 0), 0);
    const follower = planner.plan(prompt(own("s", 20)), TWO_CLASSES, TARGET, 10);
    planner.giveUp(follower);
    const next = planner.plan(prompt(own("s", 20)), TWO_CLASSES, TARGET, 5000);
    expect([next.hold, marksOf(next)]).toEqual([undefined, [[19, 300]]]);
  });

  test("stays when it fails after its answer had begun", () => {
    const planner = createPlanner();
    const leader = planner.plan(prompt(own("s", 20)), TWO_CLASSES, TARGET, 0);
    planner.sent(leader, 0);
    planner.readable(leader, 10);
    planner.failed(leader);
    expect(planner.plan(prompt(own("s", 20)), TWO_CLASSES, TARGET, 20).predictedRead).toBe(20 * BLOCK_TOKENS);
  });
});

describe("marks that are not the plan's", () => {
  test("are what counts", () => {
    const planner = createPlanner();
    const plan = planner.plan(prompt(own("a", 10)), TWO_CLASSES, TARGET, 0);
    planner.sent(plan, 0, [{ place: 4, ttlSeconds: 3600 }]);
    planner.settled(plan, undefined, 0);
    expect(planner.plan(prompt(own("a", 10)), TWO_CLASSES, TARGET, HOUR - 1).predictedRead).toBe(5 * BLOCK_TOKENS);
    expect(planner.plan(prompt(own("a", 10)), TWO_CLASSES, TARGET, HOUR).predictedRead).toBe(0);
  });

  test("find an entry only so many content blocks back", () => {
    const planner = createPlanner();
    const blocks = Uint32Array.from({ length: 30 }, (_, index) => index + 1);
    call(planner, prompt(own("a", 10), { blocks: blocks.slice(0, 10) }), 0);
    const far = planner.plan(prompt(own("a", 30), { blocks }), TWO_CLASSES, TARGET, 1);
    expect(planner.sent(far, 1, [{ place: 29, ttlSeconds: 300 }])).toBe(0);
    const near = planner.plan(prompt(own("a", 29), { blocks: blocks.slice(0, 29) }), TWO_CLASSES, TARGET, 2);
    expect(planner.sent(near, 2, [{ place: 28, ttlSeconds: 300 }])).toBe(10 * BLOCK_TOKENS);
  });

  test("none: nothing is read", () => {
    const planner = createPlanner();
    call(planner, prompt(own("a", 10)), 0);
    expect(planner.sent(planner.plan(prompt(own("a", 10)), TWO_CLASSES, TARGET, 1), 1, [])).toBe(0);
  });
});

describe("the bill corrects what was believed", () => {
  const settle = (planner: Planner, asked: PlannedPrompt, nowMs: number, usage: PlanUsage) => {
    const plan = planner.plan(asked, TWO_CLASSES, TARGET, nowMs);
    planner.sent(plan, nowMs);
    planner.settled(plan, usage, nowMs);
    return plan;
  };

  test("what was not read is not there", () => {
    const planner = createPlanner();
    call(planner, prompt(own("a", 10)), 0);
    settle(planner, prompt([...own("a", 10), "b"]), 1, { uncached: 11_000, read: 0, written: 0 });
    expect(planner.plan(prompt([...own("a", 10), "c"]), TWO_CLASSES, TARGET, 2).predictedRead).toBe(0);
    // Nor is what this request was to write: its bill says that it wrote nothing.
    expect(planner.plan(prompt([...own("a", 10), "b", "d"]), TWO_CLASSES, TARGET, 2).predictedRead).toBe(0);
  });

  test("unless the same request wrote it again, as its marks say", () => {
    const planner = createPlanner();
    call(planner, prompt(own("a", 10)), 0);
    settle(planner, prompt(own("a", 20)), 1, { uncached: 0, read: 0, written: 20_000 });
    expect(planner.plan(prompt([...own("a", 10), "c"]), TWO_CLASSES, TARGET, 2).predictedRead).toBe(10_000);
    expect(planner.plan(prompt([...own("a", 20), "c"]), TWO_CLASSES, TARGET, 2).predictedRead).toBe(20_000);
  });

  test("and it stands on what was read", () => {
    const planner = createPlanner();
    call(planner, prompt(own("a", 10), { staticPlace: 4 }), 0);
    settle(planner, prompt(own("a", 20), { staticPlace: 4 }), 4 * MINUTE, { uncached: 0, read: 5000, written: 15_000 });
    const reads = (count: number, nowMs: number) =>
      planner.plan(prompt([...own("a", count), "c"]), TWO_CLASSES, TARGET, nowMs).predictedRead;
    expect([reads(5, 8 * MINUTE), reads(10, 8 * MINUTE), reads(20, 8 * MINUTE)]).toEqual([5000, 10_000, 20_000]);
    // A use of the deepest prolongs all of them.
    call(planner, prompt(own("a", 21), { staticPlace: 4 }), 8 * MINUTE);
    expect([reads(5, 12 * MINUTE), reads(10, 12 * MINUTE), reads(20, 12 * MINUTE)]).toEqual([5000, 10_000, 20_000]);
  });

  test("what was read is there, though nothing was known of it", () => {
    const planner = createPlanner();
    settle(planner, prompt(own("a", 20)), 0, { uncached: 0, read: 1500, written: 500 });
    expect(planner.plan(prompt([...own("a", 15), "c"]), TWO_CLASSES, TARGET, 1).predictedRead).toBe(15_000);
  });

  test("what was read ends at the place that is nearest to the bill", () => {
    const planner = createPlanner();
    settle(planner, prompt(own("a", 100)), 0, { uncached: 0, read: 4970, written: 5030 });
    const reads = (count: number) =>
      planner.plan(prompt([...own("a", count), "c"]), TWO_CLASSES, TARGET, 1).predictedRead;
    expect([reads(49), reads(52)]).toEqual([0, 50_000]);
  });

  test("what was neither read nor written is not there", () => {
    const planner = createPlanner();
    settle(planner, prompt(own("a", 10)), 0, { uncached: 10_000, read: 0, written: 0 });
    expect(planner.plan(prompt(own("a", 11)), TWO_CLASSES, TARGET, 1).predictedRead).toBe(0);
  });

  test("a tenth less than predicted is believed, a hundredth is the estimate's", () => {
    const readAfter = (read: number) => {
      const planner = createPlanner();
      for (const length of [8, 9, 20]) call(planner, prompt(own("a", length)), 0);
      const asked = prompt(own("a", 20));
      const plan = planner.plan(asked, TWO_CLASSES, TARGET, MINUTE);
      planner.sent(plan, MINUTE);
      planner.settled(plan, { uncached: 20_000 - read, read, written: 0 }, MINUTE);
      return planner.plan(asked, TWO_CLASSES, TARGET, MINUTE).predictedRead;
    };
    expect(readAfter(19_800)).toBe(20_000);
    expect(readAfter(18_000)).toBe(9000);
    expect(readAfter(8000)).toBe(8000);
  });

  test("a client's mark below the least that is cached writes nothing", () => {
    const planner = createPlanner();
    const rules = { ...TWO_CLASSES, minTokens: 4096 };
    const plan = planner.plan(prompt(own("a", 6)), rules, TARGET, 0);
    planner.sent(plan, 0, [{ place: 1, ttlSeconds: 300 }]);
    const sibling = prompt([...own("a", 3), "other"]);
    expect(planner.plan(sibling, rules, TARGET, 1).hold).toBeUndefined();
    planner.settled(plan, undefined, 2);
    expect(planner.plan(sibling, rules, TARGET, 2).predictedRead).toBe(0);
    expect(planner.plan(prompt(own("a", 6)), rules, TARGET, 2).predictedRead).toBe(0);
  });

  test("a bill in another count of tokens, as predicted, corrects nothing", () => {
    const planner = createPlanner();
    call(planner, prompt(own("a", 10)), 0);
    settle(planner, prompt(own("a", 20)), 1, { uncached: 0, read: 13_100, written: 12_900 });
    expect(planner.plan(prompt(own("a", 20)), TWO_CLASSES, TARGET, 2).predictedRead).toBe(20_000);
  });
});

describe("who shares what", () => {
  test("tenants and targets share nothing, whatever their prompts have in common", () => {
    const planner = createPlanner();
    call(planner, prompt(own("a", 10)), 0);
    expect(planner.plan(prompt(own("a", 10), { tenant: "rival" }), TWO_CLASSES, TARGET, 1).predictedRead).toBe(0);
    expect(planner.plan(prompt(own("a", 10)), TWO_CLASSES, "elsewhere", 1).predictedRead).toBe(0);
    expect(planner.plan(prompt(own("a", 10)), TWO_CLASSES, TARGET, 1).predictedRead).toBe(10_000);
  });

  test("one tenant's habits are not another's", () => {
    const planner = createPlanner();
    for (let index = 0; index < 300; index += 1) call(planner, prompt(own(`u${index}-`, 5)), index * 10 * SECOND);
    const nowMs = 2 * HOUR;
    expect(call(planner, prompt(own("mine", 5)), nowMs).marks).toEqual([]);
    expect(marksOf(call(planner, prompt(own("mine", 5), { tenant: "rival" }), nowMs))).toEqual([[4, 300]]);
  });
});

describe("what is learned", () => {
  test("prompts that never come back are no longer written", () => {
    const planner = createPlanner();
    let written = 0;
    for (let index = 0; index < 3000; index += 1) {
      written += call(planner, prompt(own(`u${index}-`, 5)), index * 2 * SECOND).marks.length;
    }
    // A quarter of the price of each: less than one in a hundred.
    expect(written * 0.25).toBeLessThan(30);
  });

  test("pauses of ten minutes are worth the hour, and what stands on it is paid for the hour too", () => {
    const planner = createPlanner();
    let last: Plan | undefined;
    for (let turn = 1; turn <= 60; turn += 1) last = call(planner, prompt(own("a", 5 + turn)), turn * 10 * MINUTE);
    expect(last?.predictedRead).toBe(64 * BLOCK_TOKENS);
    expect(marksOf(last as Plan)).toEqual([
      [63, 3600],
      [64, 3600],
    ]);
  });

  test("nothing is paid for an hour behind what lives for five minutes", () => {
    const planner = createPlanner();
    for (let turn = 1; turn <= 60; turn += 1) call(planner, prompt(own("a", 5 + turn)), turn * 10 * MINUTE);
    const first = planner.plan(prompt(own("b", 10)), TWO_CLASSES, TARGET, 11 * HOUR);
    planner.sent(first, 11 * HOUR, [{ place: 9, ttlSeconds: 300 }]);
    planner.settled(first, undefined, 11 * HOUR);
    const plan = planner.plan(prompt(own("b", 20)), TWO_CLASSES, TARGET, 11 * HOUR + MINUTE);
    expect(plan.predictedRead).toBe(10_000);
    expect(plan.marks.every(({ ttlSeconds }) => ttlSeconds === 300)).toBe(true);
  });

  test("where static text ends in something that changes, the part before it is found and used", () => {
    const planner = createPlanner();
    let plan: Plan | undefined;
    for (let index = 0; index < 200; index += 1) {
      const names = [...own("s", 6), `date${index}`, `question${index}`];
      plan = call(planner, prompt(names, { staticPlace: 6 }), index * 30 * SECOND);
    }
    expect(plan?.predictedRead).toBe(6 * BLOCK_TOKENS);
    expect(plan?.marks.map(({ place }) => place)).toEqual([5]);
  });

  test("a prefix is judged by its own uses, where its kind never comes back", () => {
    const planner = createPlanner();
    for (let index = 0; index < 300; index += 1) call(planner, prompt(own(`u${index}-`, 8)), index * 10 * SECOND);
    const read: number[] = [];
    const marks: (readonly [number, number])[][] = [];
    for (let index = 0; index < 8; index += 1) {
      const plan = call(planner, prompt([...own("s", 6), ...own(`q${index}-`, 8)]), 2 * HOUR + index * MINUTE);
      read.push(plan.predictedRead);
      marks.push(marksOf(plan));
    }
    expect(marks[0]).toEqual([]);
    expect(marks.at(-1)).toEqual([[5, 300]]);
    expect(read.at(-1)).toBe(6 * BLOCK_TOKENS);
  });

  test("one that conversations share every ten minutes is written for an hour, and what is their own is not", () => {
    const planner = createPlanner();
    for (let index = 0; index < 300; index += 1) call(planner, prompt(own(`u${index}-`, 8)), index * 10 * SECOND);
    let plan: Plan | undefined;
    for (let index = 0; index < 12; index += 1) {
      plan = call(planner, prompt([...own("s", 6), ...own(`q${index}-`, 8)]), 2 * HOUR + index * 10 * MINUTE);
    }
    expect(marksOf(plan as Plan)).toEqual([[5, 3600]]);
    expect(plan?.predictedRead).toBe(6 * BLOCK_TOKENS);
  });

  test("one lifetime: thirty minutes are used, and pauses beyond it are not paid for", () => {
    const planner = createPlanner();
    let plan: Plan | undefined;
    for (let turn = 1; turn <= 30; turn += 1) {
      plan = call(planner, prompt(own("a", 5 + turn)), turn * 20 * MINUTE, ONE_CLASS);
    }
    expect(plan?.predictedRead).toBe(34 * BLOCK_TOKENS);
    for (let turn = 1; turn <= 60; turn += 1) {
      plan = call(planner, prompt(own("b", 5 + turn), { tenant: "slow" }), HOUR * 20 + turn * 40 * MINUTE, ONE_CLASS);
    }
    expect(plan?.marks).toEqual([]);
  });
});

describe("a provider that caches whatever it reads", () => {
  const automatic: CacheRules = {
    ...TWO_CLASSES,
    kind: "automatic",
    classes: [{ ttlSeconds: 300, writePrice: 1 }],
    stepTokens: 128,
    marksMax: 0,
  };

  test("is given no marks, and is expected to read what was shared, in its steps", () => {
    const planner = createPlanner();
    expect(call(planner, prompt([...own("s", 5), "a"]), 0, automatic).marks).toEqual([]);
    const sibling = planner.plan(prompt([...own("s", 5), "b"]), automatic, TARGET, MINUTE);
    expect(sibling.predictedRead).toBe(4992);
    expect(sibling.marks).toEqual([]);
    expect(planner.plan(prompt([...own("s", 5), "b"]), automatic, TARGET, 5 * MINUTE + 1).predictedRead).toBe(0);
  });

  test("siblings can wait for the first of them", () => {
    const planner = createPlanner();
    const leader = planner.plan(prompt([...own("s", 5), "a"]), automatic, TARGET, 0);
    planner.sent(leader, 0);
    const sibling = planner.plan(prompt([...own("s", 5), "b"]), automatic, TARGET, 1);
    expect(sibling.hold).toMatchObject({ leader: leader.id, moreTokens: 5000 });
    planner.readable(leader, 2);
    expect(planner.plan(prompt([...own("s", 5), "b"]), automatic, TARGET, 2).predictedRead).toBe(4992);
  });
});

describe("a restart", () => {
  test("keeps the statistics: the same decision about a prompt that is new to both", () => {
    const planner = createPlanner();
    for (let index = 0; index < 300; index += 1) call(planner, prompt(own(`u${index}-`, 5)), index * 10 * SECOND);
    const nowMs = 3 * HOUR;
    // The last hour of them is still waited for; it is counted by the next call.
    planner.plan(prompt(own("x", 5)), TWO_CLASSES, TARGET, nowMs);
    const restarted = createPlanner();
    restarted.restore(JSON.parse(JSON.stringify(planner.snapshot())));
    const asked = prompt(own("new", 5));
    expect(marksOf(planner.plan(asked, TWO_CLASSES, TARGET, nowMs))).toEqual([]);
    expect(marksOf(restarted.plan(asked, TWO_CLASSES, TARGET, nowMs))).toEqual([]);
    expect(restarted.snapshot()).toEqual(planner.snapshot());
    expect(restarted.snapshot().tenants.map(({ name }) => name)).toEqual(["acme"]);
    expect(marksOf(createPlanner().plan(asked, TWO_CLASSES, TARGET, nowMs))).toEqual([[4, 300]]);
  });

  test("takes no harm from a snapshot that is none", () => {
    const planner = createPlanner();
    const tenant = { name: "acme", meanTokens: 1, prompts: 1, uses: 1, lastMs: 1 };
    const odd = [
      { ...tenant, counts: Buffer.alloc(37, 0xff).toString("base64") },
      { ...tenant, meanTokens: "9", counts: "" },
    ];
    for (const value of [
      null,
      undefined,
      7,
      "x",
      [],
      {},
      { version: 1 },
      { version: 2 },
      { version: 2, tenants: { acme: {} } },
      { version: 2, tenants: odd },
      { version: 3, tenants: odd },
      { version: 3, tenants: [{ ...tenant, counts: "", account: { spent: -1, static: 0, rest: "1" } }] },
      { version: 4, tenants: odd },
    ]) {
      planner.restore(value);
    }
    expect(planner.snapshot().tenants).toEqual([]);
    expect(marksOf(call(planner, prompt(own("a", 5)), 0))).toEqual([[4, 300]]);
  });
});

describe("whatever is asked, in whatever order", () => {
  const names = fc.array(fc.constantFrom("a", "b", "c"), { minLength: 1, maxLength: 9 });
  const step = fc.record({
    names,
    staticPlace: fc.integer({ min: -1, max: 3 }),
    tenant: fc.constantFrom("t1", "t2", "t3"),
    waitMs: fc.constantFrom(0, 1, 1000, 100_000, 400_000, 4_000_000),
    ending: fc.constantFrom("settled", "failed", "left", "missed"),
    rules: fc.constantFrom(TWO_CLASSES, ONE_CLASS),
  });

  test("plans keep the provider's rules, repeat themselves, and tables keep their bounds", () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
        const options = { bordersMax: 16, placesMax: 24, tenantsMax: 2, waitingMax: 8 };
        const planner = createPlanner(options);
        let nowMs = 0;
        for (const { names, staticPlace, tenant, waitMs, ending, rules } of steps) {
          nowMs += waitMs;
          const asked = prompt(names, { tenant, staticPlace: Math.min(staticPlace, names.length - 1) });
          const target = `${TARGET}/${rules.classes.length}`;
          const plan = planner.plan(asked, rules, target, nowMs);
          const again = planner.plan(asked, rules, target, nowMs);
          expect({ ...again, id: 0 }).toEqual({ ...plan, id: 0 });
          expect(plan.marks.length).toBeLessThanOrEqual(4);
          expect(plan.predictedRead).toBeLessThanOrEqual(asked.promptTokens);
          let place = -1;
          let ttlSeconds = Infinity;
          for (const mark of plan.marks) {
            expect(mark.place).toBeGreaterThan(place);
            expect(mark.ttlSeconds).toBeLessThanOrEqual(ttlSeconds);
            expect(asked.tokens[mark.place]).toBeGreaterThanOrEqual(rules.minTokens);
            ({ place, ttlSeconds } = mark);
          }
          if (plan.hold !== undefined) {
            const coming = plan.predictedRead + plan.hold.moreTokens;
            for (const mark of plan.marks) {
              const tokens = asked.tokens[mark.place] ?? 0;
              expect(tokens <= plan.predictedRead || tokens > coming).toBe(true);
            }
          }
          expect(planner.sent(plan, nowMs)).toBe(plan.predictedRead);
          if (ending === "settled") planner.settled(plan, undefined, nowMs);
          if (ending === "failed") planner.failed(plan);
          if (ending === "missed") planner.settled(plan, { uncached: asked.promptTokens, read: 0, written: 0 }, nowMs);
          const size = planner.size();
          expect(size.borders).toBeLessThanOrEqual(options.bordersMax);
          expect(size.places).toBeLessThanOrEqual(options.placesMax);
          expect(size.tenants).toBeLessThanOrEqual(options.tenantsMax);
          expect(size.waiting).toBeLessThanOrEqual(options.waitingMax);
        }
      }),
      { numRuns: 300 },
    );
  });
});
