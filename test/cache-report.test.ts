/** What caching does for each class, in sums: by hand, beside what it would have cost otherwise. */
import { describe, expect, test } from "vitest";
import { cacheRoute } from "../routes/cache.ts";
import type { Bust } from "../src/cache/bust.ts";
import { readPrefixes } from "../src/cache/prefixes.ts";
import { classKeyOf, createCacheReporter, type CacheObservation } from "../src/cache/report.ts";
import { cacheRules } from "../src/cache/rules.ts";
import { UNKNOWN_USAGE, type Rates, type Usage } from "../src/usage.ts";
import { request, said } from "./made-target.ts";

const RATES: Rates = { inputUncached: 1_000n, cacheRead: 100n, cacheWrite5m: 1_250n, cacheWrite1h: 2_000n };
const RULES = cacheRules(
  { kind: "marks", style: "cache_control", minTokens: 100, maxMarks: 4, ttlSeconds: [300, 3_600], lookback: 20 },
  RATES,
);
const AT = 1_000_000;

function usage(given: Partial<Usage>): Usage {
  return { ...UNKNOWN_USAGE, inputUncached: 0, cacheRead: 0, output: 1, ...given };
}
function observation(given: Partial<CacheObservation> = {}): CacheObservation {
  return {
    tenant: "",
    classKey: "review",
    task: "task",
    usage: usage({ inputUncached: 1_000 }),
    staticTokens: 500,
    endRead: 0,
    predictedRead: undefined,
    bust: undefined,
    sentMs: AT,
    rates: RATES,
    rules: RULES,
    ...given,
  };
}
function reportOf(observations: readonly Partial<CacheObservation>[], nowMs = AT) {
  const reporter = createCacheReporter();
  for (const one of observations) reporter.observe(observation(one));
  const [report] = reporter.read(nowMs).classes;
  if (report === undefined) throw new Error("a class");
  return report;
}
const bust = (given: Partial<Bust> = {}): Bust => ({
  cause: "client",
  span: "system[0]",
  offset: 0,
  lostTokens: 100,
  lostPicoUsd: 90_000n,
  breaker: "timestamp",
  excerpt: undefined,
  ...given,
});

describe("sums of a class", () => {
  test("how much of the prompts was read, and how wrong the prediction was", () => {
    const report = reportOf([
      { usage: usage({ inputUncached: 200, cacheRead: 800 }), predictedRead: 900 },
      { usage: usage({ inputUncached: 1_000 }), predictedRead: 0 },
      { usage: usage({ cacheRead: 500, inputUncached: 500 }), predictedRead: 300 },
      { usage: usage({ inputUncached: 1_000 }) },
    ]);
    expect(report).toMatchObject({ calls: 4, promptTokens: 4_000, readTokens: 1_300, hitRatio: 0.325 });
    // 100 too many and 200 too few do not cancel each other out.
    expect(report).toMatchObject({ predictedTokens: 1_200, predictedReadTokens: 1_300, predictionError: 0.1 });
  });

  test("a call whose provider does not tell is counted, and is in no ratio", () => {
    const report = reportOf([{ usage: { ...UNKNOWN_USAGE, inputUncached: 1_000 } }, { usage: UNKNOWN_USAGE }]);
    expect(report).toMatchObject({ calls: 2, unknownCalls: 2, promptTokens: 0, hitRatio: undefined });
    expect(report.predictionError).toBeUndefined();
  });

  test("what is saved against no caching is exact, and negative where a write was for nothing", () => {
    expect(reportOf([{ usage: usage({ cacheWrite5m: 1_000 }) }]).savedPicoUsd).toBe(-250_000n);
    expect(
      reportOf([{ usage: usage({ cacheWrite5m: 1_000 }) }, { usage: usage({ cacheRead: 1_000, inputUncached: 10 }) }])
        .savedPicoUsd,
    ).toBe(-250_000n + 900_000n);
  });

  test("without a price it is in no sum of money", () => {
    expect(reportOf([{ rates: undefined, usage: usage({ cacheRead: 10 }) }])).toMatchObject({
      unpricedCalls: 1,
      savedPicoUsd: 0n,
    });
    expect(reportOf([{ rates: { inputUncached: 1n }, usage: usage({ cacheRead: 10 }) }]).unpricedCalls).toBe(1);
  });

  test("always marking the end pays the premium for what nobody goes on from", () => {
    // Uncached 1,000 tokens cost 1,000,000; marked at their end, 1,250,000.
    expect(reportOf([{ usage: usage({ inputUncached: 1_000 }) }]).savedAgainstEndPicoUsd).toBe(250_000n);
    // Below the minimum such a mark writes nothing.
    expect(reportOf([{ usage: usage({ inputUncached: 99 }) }]).savedAgainstEndPicoUsd).toBe(0n);
    expect(reportOf([{ usage: usage({ inputUncached: 100 }) }]).savedAgainstEndPicoUsd).toBe(25_000n);
  });

  test("and what it would have read at an end costs it what reading costs", () => {
    const turns = (endRead: number) =>
      reportOf([
        { usage: usage({ cacheWrite5m: 1_000 }) },
        { usage: usage({ cacheRead: 1_000, cacheWrite5m: 100 }), endRead },
      ]).savedAgainstEndPicoUsd;
    expect(turns(1_000)).toBe(0n);
    // Read by us and not by it: 1,000 tokens at 1,250 in place of 100.
    expect(turns(0)).toBe(1_150_000n);
    // No more than the prompt has.
    expect(turns(9_000)).toBe(-115_000n);
  });

  test("where nothing is marked there is no such choice", () => {
    const rules = cacheRules({ kind: "automatic", minTokens: 100, stepTokens: 1, key: true, idleSeconds: 300 }, RATES);
    const half = usage({ inputUncached: 500, cacheRead: 500 });
    expect(reportOf([{ rules, usage: half }])).toMatchObject({ savedAgainstEndPicoUsd: 0n, savedPicoUsd: 450_000n });
  });
});

describe("writes in vain", () => {
  const write = { usage: usage({ cacheWrite5m: 1_000 }) };

  test("a write that nobody reads is wasted when its lifetime has ended, and not before", () => {
    expect(reportOf([write], AT + 300_000).wastedTokens).toBe(0);
    expect(reportOf([write], AT + 300_001)).toMatchObject({ wastedTokens: 1_000, wastedPicoUsd: 250_000n });
    const hour = { usage: usage({ cacheWrite1h: 1_000 }) };
    expect(reportOf([hour], AT + 300_001).wastedTokens).toBe(0);
    expect(reportOf([hour], AT + 3_600_001)).toMatchObject({ wastedTokens: 1_000, wastedPicoUsd: 1_000_000n });
  });

  test("what the conversation read is not, and what it did not read of it is", () => {
    const read = { usage: usage({ cacheRead: 600, inputUncached: 10 }), sentMs: AT + 1_000 };
    expect(reportOf([write, read], AT + 400_000)).toMatchObject({ wastedTokens: 400, wastedPicoUsd: 100_000n });
    // What was read once stays read.
    const less = { usage: usage({ cacheRead: 200, inputUncached: 10 }), sentMs: AT + 2_000 };
    expect(reportOf([write, read, less], AT + 400_000).wastedTokens).toBe(400);
    // The longer lifetime comes first in the prompt.
    const mixed = { usage: usage({ cacheWrite1h: 600, cacheWrite5m: 400 }) };
    expect(reportOf([mixed, read], AT + 4_000_000)).toMatchObject({ wastedTokens: 400, wastedPicoUsd: 100_000n });
  });

  test("another conversation reads what is static, and no more", () => {
    const read = { usage: usage({ cacheRead: 1_000 }), task: "another", sentMs: AT + 1_000 };
    expect(reportOf([write, read], AT + 400_000).wastedTokens).toBe(500);
  });

  test("a read after the end comes too late, and none counts twice", () => {
    const late = { usage: usage({ cacheRead: 1_000 }), sentMs: AT + 300_001 };
    expect(reportOf([write, late, late], AT + 900_000).wastedTokens).toBe(1_000);
  });

  test("a free write is no waste of money", () => {
    const rates = { ...RATES, cacheWrite5m: 1_000n };
    expect(reportOf([{ ...write, rates }], AT + 400_000)).toMatchObject({ wastedTokens: 1_000, wastedPicoUsd: 0n });
  });
});

describe("what broke it", () => {
  test("the dearest first, alike ones together whatever message they were in", () => {
    const report = reportOf([
      { bust: bust() },
      { bust: bust({ span: "messages[3].content[0]", breaker: "compaction", lostTokens: 7, lostPicoUsd: 200_000n }) },
      { bust: bust({ span: "messages[9].content[1]", breaker: "compaction", lostTokens: 8, lostPicoUsd: 300_000n }) },
      { bust: bust({ lostPicoUsd: undefined, lostTokens: 1 }) },
    ]);
    expect(report.breakers).toEqual([
      {
        cause: "client",
        breaker: "compaction",
        span: "messages[].content[]",
        calls: 2,
        lostTokens: 15,
        lostPicoUsd: 500_000n,
      },
      { cause: "client", breaker: "timestamp", span: "system[0]", calls: 2, lostTokens: 101, lostPicoUsd: 90_000n },
    ]);
    expect(report).toMatchObject({ lostTokens: 116, lostPicoUsd: 590_000n });
  });

  test("there are as many as are shown, and the sum has them all", () => {
    const many = Array.from({ length: 100 }, (_, at) => ({ bust: bust({ span: `tools[${at}].parameters` }) }));
    const report = reportOf(many);
    expect(report.breakers).toHaveLength(10);
    expect(report.breakers[0]).toMatchObject({ cause: "other", calls: 68 });
    expect(report.lostTokens).toBe(10_000);
  });
});

describe("classes", () => {
  test("are told apart, the largest first, and those beyond the bound are one that comes last", () => {
    const reporter = createCacheReporter({ classesMax: 2 });
    for (const [at, classKey] of ["a", "b", "c", "d", "b"].entries()) {
      reporter.observe(observation({ classKey, usage: usage({ inputUncached: 100 + at }) }));
    }
    const { classes } = reporter.read(AT);
    expect(classes.map(({ classKey, calls }) => [classKey, calls])).toEqual([
      ["b", 2],
      ["a", 1],
      ["other", 2],
    ]);
  });

  test("a thousand classes and conversations leave as much as the bounds say", () => {
    const reporter = createCacheReporter();
    for (let at = 0; at < 3_000; at += 1) {
      reporter.observe(
        observation({ classKey: `class-${at}`, task: `task-${at}`, usage: usage({ cacheWrite5m: 10 }) }),
      );
    }
    expect(reporter.read(AT).classes).toHaveLength(257);
  });

  test("of two tenants are two, also of one name, and each reads its own, what is beyond the bound included", () => {
    const reporter = createCacheReporter({ classesMax: 2 });
    for (const [tenant, classKey] of [
      ["ann", "triage"],
      ["ben", "triage"],
      ["ann", "more"],
      ["ann", "triage"],
      ["ben", "more"],
    ] as const)
      reporter.observe(observation({ tenant, classKey }));
    const read = (tenant?: string) =>
      reporter.read(AT, tenant).classes.map((one) => [one.tenant, one.classKey, one.calls]);
    expect(read("ann")).toEqual([
      ["ann", "triage", 2],
      ["ann", "other", 1],
    ]);
    expect(read("ben")).toEqual([
      ["ben", "triage", 1],
      ["ben", "other", 1],
    ]);
    expect(read("cid")).toEqual([]);
    expect(read()).toHaveLength(4);
  });

  test("of tenants without end are bounded, and what is beyond the bound is shown to none of them", () => {
    const reporter = createCacheReporter({ classesMax: 2 });
    for (let at = 0; at < 50; at += 1) reporter.observe(observation({ tenant: `t${at}` }));
    const { classes } = reporter.read(AT);
    expect(classes.map(({ tenant, classKey, calls }) => [tenant, classKey, calls])).toEqual([
      ["t0", "review", 1],
      ["t1", "review", 1],
      ["", "other", 46],
      ["t2", "other", 1],
      ["t3", "other", 1],
    ]);
    expect(reporter.read(AT, "t40").classes).toEqual([]);
    const again = createCacheReporter({ classesMax: 2 });
    again.restore(JSON.parse(JSON.stringify(reporter.snapshot())));
    expect(again.read(AT)).toEqual(reporter.read(AT));
  });

  test("are as the caller says, else what the prompt begins with", () => {
    const prefixes = (text: string) => readPrefixes(request({ messages: [said(text, "system"), said("Hi")] }), "n", "");
    expect(classKeyOf("review", prefixes("one"))).toBe("review");
    expect(classKeyOf(undefined, prefixes("one"))).toMatch(/^~[0-9a-f]{8}$/);
    expect(classKeyOf(undefined, prefixes("one"))).toBe(classKeyOf(undefined, prefixes("one")));
    expect(classKeyOf(undefined, prefixes("one"))).not.toBe(classKeyOf(undefined, prefixes("two")));
    expect(classKeyOf(undefined, readPrefixes(request(), "n", ""))).toBe("~none");
  });
});

describe("what is kept over a restart", () => {
  const many = (count: number, of: (index: number) => Partial<CacheObservation>) =>
    Array.from({ length: count }, (_, index) => observation(of(index)));
  const restored = (snapshot: unknown, classesMax?: number) => {
    const reporter = createCacheReporter(classesMax === undefined ? {} : { classesMax });
    reporter.restore(JSON.parse(JSON.stringify(snapshot)));
    return reporter;
  };

  test("is every sum, and what was written and may still be read or wasted", () => {
    const before = createCacheReporter();
    for (const one of many(40, (index) => ({
      classKey: `class ${index % 3}`,
      task: `task ${index}`,
      usage: usage({ cacheRead: index, cacheWrite5m: 1_000 }),
      predictedRead: index + 1,
      agrees: index % 2 === 0,
      bust: bust({ span: `system[${index}]` }),
    })))
      before.observe(one);
    const after = restored(before.snapshot());
    expect(after.read(AT)).toEqual(before.read(AT));
    for (const reporter of [before, after]) {
      reporter.observe(observation({ classKey: "class 0", task: "task 39", usage: usage({ cacheRead: 900 }) }));
    }
    // Some of what was written has been read by then, and the rest has not.
    expect(after.read(AT + 400_000)).toEqual(before.read(AT + 400_000));
    expect(after.read(AT + 400_000).classes[0]?.wastedTokens).toBeGreaterThan(5_000);
  });

  test("says whose each class is; what was kept before it was known is nobody's", () => {
    const before = createCacheReporter();
    for (const tenant of ["ann", "ben", "ann"]) before.observe(observation({ tenant }));
    const after = restored(before.snapshot());
    for (const tenant of ["ann", "ben"]) {
      expect(after.read(AT, tenant)).toEqual(before.read(AT, tenant));
      expect(after.read(AT, tenant).classes).toHaveLength(1);
    }
    const first = before.snapshot().classes.map(({ tenant: _, ...one }) => one);
    const old = restored({ ...before.snapshot(), version: 1, classes: first.slice(0, 1) });
    expect(old.read(AT, "ann").classes).toEqual([]);
    expect(old.read(AT).classes).toMatchObject([{ tenant: "", calls: 2 }]);
  });

  test("is bounded, however much there is", () => {
    const before = createCacheReporter();
    for (const one of many(20_000, (index) => ({
      classKey: `class ${index % 300}`,
      task: `${index}`.padStart(22, "0"),
      usage: usage({ cacheRead: 10, cacheWrite1h: 1_000 }),
      bust: bust({ span: `tools[${index}].description` }),
    })))
      before.observe(one);
    const text = JSON.stringify(before.snapshot());
    expect(text.length).toBeLessThan(1_500_000);
    expect(restored(JSON.parse(text)).read(AT).classes).toEqual(before.read(AT).classes);
    const few = restored(JSON.parse(text), 2).read(AT);
    expect(few.classes.map(({ classKey }) => classKey)).toEqual(["class 0", "class 1", "other"]);
  });

  const good = () => {
    const reporter = createCacheReporter();
    reporter.observe(observation({ bust: bust(), usage: usage({ cacheWrite5m: 1_000 }) }));
    return JSON.parse(JSON.stringify(reporter.snapshot())) as { classes: [Record<string, unknown>] };
  };
  test.each([
    ["another version", { ...good(), version: 3 }],
    ["no object", [good()]],
    ["a count below zero", { ...good(), classes: [{ ...good().classes[0], counts: { calls: -1 } }] }],
    ["money that is a number", { ...good(), classes: [{ ...good().classes[0], saved: 1 }] }],
    ["a cause of nobody's", { ...good(), classes: [{ ...good().classes[0], breakers: [{ cause: "secret" }] }] }],
    ["a time beyond all dates", { ...good(), sinceMs: 1e300 }],
  ])("%s is refused as a whole, without what it holds", (_, broken) => {
    const reporter = createCacheReporter();
    expect(() => reporter.restore(broken)).toThrow(/^what was kept of the cache report does not fit at [\w.]*$/);
    expect(reporter.read(AT)).toEqual({ sinceMs: undefined, classes: [] });
  });
});

describe("GET /sluice/v1/cache", () => {
  const reporter = createCacheReporter();
  reporter.observe(observation({ usage: usage({ cacheWrite5m: 1_000 }), bust: bust() }));
  reporter.observe(observation({ classKey: "chat" }));
  const app = cacheRoute({ reporter, keys: () => [], now: () => AT + 400_000 });

  test("has each class with its sums, money as exact text", async () => {
    const response = await app.request("/sluice/v1/cache?class=review");
    expect(response.status).toBe(200);
    expect(await response.json()).toEqual({
      since: "1970-01-01T00:16:40.000Z",
      classes: [
        {
          class: "review",
          tenant: null,
          calls: 1,
          unknown_calls: 0,
          prompt_tokens: 1_000,
          read_tokens: 0,
          written_tokens: 1_000,
          hit_ratio: 0,
          wasted_write_tokens: 1_000,
          wasted_usd: "0.00000025",
          saved_usd: "-0.00000025",
          saved_against_end_usd: "0",
          unpriced_calls: 0,
          lost_tokens: 100,
          lost_usd: "0.00000009",
          predicted_tokens: 0,
          predicted_read_tokens: 0,
          prediction_error: null,
          diagnosed_calls: 0,
          disagreed_calls: 0,
          causes: [{ cause: "client", calls: 1, lost_tokens: 100, lost_usd: "0.00000009" }],
          breakers: [
            {
              cause: "client",
              breaker: "timestamp",
              span: "system[0]",
              calls: 1,
              lost_tokens: 100,
              lost_usd: "0.00000009",
            },
          ],
        },
      ],
    });
  });

  test("has all of them without a parameter, and refuses one that it does not know", async () => {
    expect(((await (await app.request("/sluice/v1/cache")).json()) as { classes: unknown[] }).classes).toHaveLength(2);
    expect((await app.request("/sluice/v1/cache?klass=review")).status).toBe(400);
  });
});
