/** What estimates hold is bounded, survives a restart, and takes whatever it is given. */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { createEstimates, type Estimates } from "../src/tasks/estimates.ts";
import type { EndedTask, TaskLeg } from "../src/tasks/ended-task.ts";
import { CLASSES_MAX, TARGETS_OF_CLASS_MAX } from "../src/tasks/estimates-known.ts";
import { ended, observed } from "./ended-tasks.ts";
import { target } from "./made-target.ts";

const one = { ...target("gpt-5.4-nano"), name: "a/one" };
const SHAPE = { hasTools: true, isOneShot: false };
const look = (estimates: Estimates, className = "triage") => {
  const ofClass = estimates.of("", className, SHAPE);
  return { ...ofClass.at(one), ahead: ofClass.ahead(3), latency: estimates.latency("a/one") };
};

describe("many names", () => {
  test("100,000 classes take the place of a thousand, and not of one that is well known", () => {
    const estimates = createEstimates();
    observed(estimates, 20, { className: "triage", output: 900 });
    for (let index = 0; index < 100_000; index += 1) estimates.observe(ended({ className: `once-${index}` }));
    const { classes } = estimates.snapshot();
    expect(classes).toHaveLength(CLASSES_MAX);
    expect(look(estimates).outputTokens).toMatchObject({ source: "class" });
  });

  test("classes that are all well known make room as well, the one that was left out longest first", () => {
    const estimates = createEstimates();
    for (let index = 0; index < CLASSES_MAX + 50; index += 1) observed(estimates, 6, { className: `known-${index}` });
    expect(estimates.snapshot().classes).toHaveLength(CLASSES_MAX);
    expect(look(estimates, `known-${CLASSES_MAX + 49}`).turns.source).toBe("class");
  });

  test("a class keeps the targets that were used last", () => {
    const estimates = createEstimates();
    for (let index = 0; index < 100; index += 1) estimates.observe(ended({ target: `p/m${index}` }));
    const [kept] = estimates.snapshot().classes;
    expect(kept?.targets).toHaveLength(TARGETS_OF_CLASS_MAX);
    expect(kept?.targets.at(-1)?.[0]).toBe("p/m99");
  });

  test("a name of ten thousand characters is no class", () => {
    const estimates = createEstimates();
    estimates.observe(ended({ className: "x".repeat(10_000) }));
    estimates.observe(ended({ tenant: "x".repeat(10_000) }));
    expect(estimates.snapshot().classes).toEqual([]);
  });
});

describe("a restart", () => {
  test("loses nothing that would be decided by", () => {
    const before = createEstimates();
    observed(before, 50, { success: 0.6, turns: 7, readShare: 0.5 });
    observed(before, 5, { target: "b/other", success: 0.2 });
    for (let index = 0; index < 30; index += 1) before.timed("a/one", { firstTokenMs: 300 + index, totalMs: 4_000 });
    const after = createEstimates();
    after.restore(JSON.parse(JSON.stringify(before.snapshot())));
    const [then, now] = [look(before), look(after)];
    expect(now.latency).toEqual(then.latency);
    expect(now.success.mean).toBeCloseTo(then.success.mean, 4);
    expect(now.success.low).toBeCloseTo(then.success.low, 4);
    expect(now.turns.value).toBeCloseTo(then.turns.value, 3);
    expect((now.costPerSuccess?.value ?? 0) / (then.costPerSuccess?.value ?? 1)).toBeCloseTo(1, 4);
    expect(now.ahead.map(({ expected }) => expected.toFixed(3))).toEqual(
      then.ahead.map(({ expected }) => expected.toFixed(3)),
    );
  });

  test("takes nothing from another version, and nothing that is no snapshot", () => {
    for (const snapshot of [
      undefined,
      null,
      1,
      "x",
      [],
      { version: 2, all: [0, 9, 1, 9] },
      { version: 1, classes: {} },
    ]) {
      const estimates = createEstimates();
      estimates.restore(snapshot);
      expect(look(estimates)).toEqual(look(createEstimates()));
    }
  });

  test("whatever a snapshot says, figures stay figures and chances stay between 0 and 1", () => {
    const figures = fc.array(fc.oneof(fc.integer({ min: -3, max: 90 }), fc.double(), fc.constant(null), fc.string()), {
      maxLength: 60,
    });
    const snapshot = fc.record(
      {
        version: fc.constant(1),
        all: figures,
        endings: figures,
        classes: fc.array(
          fc.record(
            {
              key: fc.constantFrom("\u0000triage", "", "__proto__"),
              seen: fc.oneof(fc.double(), fc.constant("many")),
              all: figures,
              endings: figures,
              targets: fc.array(fc.tuple(fc.constantFrom("a/one", "constructor"), figures), { maxLength: 3 }),
            },
            { requiredKeys: ["key"] },
          ),
          { maxLength: 3 },
        ),
        targets: fc.array(
          fc.record({ name: fc.constant("a/one"), all: figures, firstToken: figures, total: figures }),
          {
            maxLength: 2,
          },
        ),
      },
      { requiredKeys: ["version"] },
    );
    fc.assert(
      fc.property(snapshot, (kept) => {
        const estimates = createEstimates();
        estimates.restore(kept);
        requireFigures(estimates);
        observed(estimates, 3, { success: 0.5 });
        requireFigures(estimates);
      }),
    );
  });
});

describe("a task that cannot have been", () => {
  test("without legs, or with legs of no turns, teaches nothing", () => {
    const estimates = createEstimates();
    estimates.observe(ended({}, []));
    estimates.observe(ended({ turns: 0 }));
    expect(look(estimates)).toEqual(look(createEstimates()));
  });

  test("of a million turns, or of an outcome beyond 1, leaves figures that can be used", () => {
    const estimates = createEstimates();
    observed(estimates, 10, { turns: 3 });
    const [whole] = ended({}).legs;
    if (whole === undefined) throw new Error("a task has a leg");
    const strange = (given: Partial<TaskLeg>, success = 1): EndedTask => ({
      ...ended({}),
      legs: [{ ...whole, ...given }],
      outcome: { success, source: "told" },
    });
    estimates.observe(strange({ turns: 1_000_000, lastPromptTokens: 1 }, 7));
    estimates.observe(strange({ cost: 10n ** 30n, firstPromptTokens: undefined }, Number.NaN));
    requireFigures(estimates);
    expect(look(estimates).turns.value).toBeLessThan(40);
  });

  test("a clock that jumps changes nothing: nobody looks at it", () => {
    const [steady, jumping] = [createEstimates(), createEstimates()];
    steady.observe(ended({}));
    jumping.observe({ ...ended({}), startedAtMs: 9e15, endedAtMs: -9e15 });
    expect(look(jumping)).toEqual(look(steady));
  });
});

describe("how long answers take", () => {
  test("is told to a tenth, and what is no time says nothing", () => {
    const estimates = createEstimates();
    for (let ms = 100; ms <= 2_000; ms += 10) estimates.timed("a/one", { firstTokenMs: ms, totalMs: undefined });
    for (const ms of [Number.NaN, -1, Infinity]) estimates.timed("a/one", { firstTokenMs: ms, totalMs: ms });
    const { firstToken, total } = estimates.latency("a/one");
    expect(total).toBeUndefined();
    expect((firstToken?.p50Ms ?? 0) / 1_050).toBeGreaterThan(0.9);
    expect((firstToken?.p50Ms ?? 0) / 1_050).toBeLessThan(1.1);
    expect((firstToken?.p95Ms ?? 0) / 1_905).toBeGreaterThan(0.9);
    expect((firstToken?.p95Ms ?? 0) / 1_905).toBeLessThan(1.1);
  });

  test("follows a target that becomes slow", () => {
    const estimates = createEstimates();
    for (let index = 0; index < 2_000; index += 1) estimates.timed("a/one", { firstTokenMs: 100, totalMs: 1_000 });
    for (let index = 0; index < 400; index += 1) estimates.timed("a/one", { firstTokenMs: 3_000, totalMs: 9_000 });
    expect(estimates.latency("a/one").firstToken?.p50Ms).toBeGreaterThan(2_500);
  });
});

function requireFigures(estimates: Estimates): void {
  const known = look(estimates);
  const figures = [
    known.turns,
    known.firstPromptTokens,
    known.growthTokens,
    known.outputTokens,
    known.readShare,
    ...known.ahead.flatMap(({ offset, expected }) => [{ value: offset }, { value: expected }]),
  ];
  for (const { value } of figures) expect(Number.isFinite(value) && value >= 0).toBe(true);
  for (const share of [known.success.mean, known.success.low, known.readShare.value]) {
    expect(share >= 0 && share <= 1).toBe(true);
  }
}
