/** The drift watch by itself: what it takes to be told, how often that is in vain, and how soon it is where something has changed. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { readReport } from "../bench/compare/report.ts";
import { seeded } from "../bench/trace/random.ts";
import type { DriftEvent, Expectation, LiveTask, Measure } from "../src/drift/drift.ts";
import { ALARM_CHANCE, evidenceOf, NO_STAKES, stakedDown, stakedUp } from "../src/drift/evidence.ts";
import { expectationsOf, readPinned } from "../src/drift/expectation.ts";
import { createDrifting } from "../src/drifting.ts";
import { liveTaskOf } from "../src/drift/live-task.ts";
import { createDriftWatch, TASKS_LEAST, WINDOW_TASKS, type DriftWatch } from "../src/drift/watch.ts";
import { answersOf, type ToldExchange } from "../src/tasks/signals.ts";
import { UNKNOWN_USAGE } from "../src/usage.ts";
import { cleansUp, compare, folderOf, reportIn } from "./comparing.ts";
import { ended, leg } from "./ended-tasks.ts";
import { madeReport } from "./made-report.ts";
import { liveTask, pinnedReport, USUAL, type Behavior } from "./pinned-report.ts";

const SEEDS = 200;

cleansUp();

function expected(seed: number, tasks = 200, behavior = USUAL): readonly Expectation[] {
  const report = pinnedReport(tasks, behavior, seeded(seed));
  return expectationsOf({ report, file: "report.json", reportClass: "triage", className: "triage", tolerance: 0.05 });
}

function watching(expectations: readonly Expectation[]): DriftWatch {
  const watch = createDriftWatch(() => undefined);
  watch.expect(expectations, 0);
  return watch;
}

/** @returns what is told of so many tasks, with the number of the task it was told at. */
function observed(
  watch: DriftWatch,
  tasks: number,
  behavior: Behavior,
  random: () => number,
): readonly (DriftEvent & { readonly at: number })[] {
  const events: (DriftEvent & { readonly at: number })[] = [];
  for (let at = 1; at <= tasks; at += 1)
    events.push(...watch.observe(liveTask(behavior, random), at).map((event) => ({ ...event, at })));
  return events;
}

describe("over 200 seeds, each with a report and live tasks of its own", () => {
  test("a thousand tasks as they were give a false alarm no more often than is said", () => {
    let alarmed = 0;
    for (let seed = 1; seed <= SEEDS; seed += 1) {
      const events = observed(watching(expected(seed)), 1_000, USUAL, seeded(seed + 10_000));
      if (events.some(({ kind }) => kind === "fired")) alarmed += 1;
    }
    expect(ALARM_CHANCE).toBe(0.01);
    // Two of 200 are what is said; so many more may be chance (one of a hundred such tests).
    expect(alarmed).toBeLessThanOrEqual(6);
  });

  test("the evidence itself, of a bound that is the truth, comes to its limit no more often than Doob's bound", () => {
    let reached = 0;
    const limit = 20_000;
    for (let seed = 1; seed <= SEEDS * 5; seed += 1) {
      const random = seeded(seed);
      let [up, down, isReached] = [NO_STAKES, NO_STAKES, false];
      for (let at = 0; at < 1_000 && !isReached; at += 1) {
        const value = random() < 0.05 ? 1 : 0;
        up = stakedUp(up, value, 0.05);
        down = stakedDown(down, random() * 2, 1);
        isReached = evidenceOf(up) >= limit || evidenceOf(down) >= limit;
      }
      if (isReached) reached += 1;
    }
    // 2 series × 1,000 tasks / 20,000 = 10 % at most; it is to be near enough to show that the bound is one of this test, too.
    expect(reached / (SEEDS * 5)).toBeLessThanOrEqual(0.1);
    expect(reached / (SEEDS * 5)).toBeGreaterThan(0.01);
  });

  // As docs/drift.md has it: within so many tasks in 95 of 100.
  const CHANGES: readonly (readonly [string, Measure, Partial<Behavior>, number, number])[] = [
    ["30 % more tokens, spread by a quarter of their mean,", "tokens", { tokens: 5_200, spread: 0.25 }, 200, 150],
    ["30 % more tokens, spread by half of their mean,", "tokens", { tokens: 5_200 }, 200, 700],
    ["30 % fewer tokens", "tokens", { tokens: 2_800 }, 200, 350],
    ["10 points more refusals", "refusals", { refusals: 0.12 }, 200, 850],
    ["10 points more refusals, by a report of 1,000 tasks,", "refusals", { refusals: 0.12 }, 1_000, 350],
    ["10 points more out of form, by a report of 1,000 tasks,", "schema-failures", { broken: 0.13 }, 1_000, 350],
  ];

  test.each(CHANGES)("%s are found after 500 tasks as they were", (_name, measure, change, reportTasks, within) => {
    const taken: number[] = [];
    for (let seed = 1; seed <= SEEDS; seed += 1) {
      const before = { ...USUAL, ...(change.spread === undefined ? {} : { spread: change.spread }) };
      const watch = watching(expected(seed, reportTasks, before));
      const random = seeded(seed + 20_000);
      observed(watch, 500, before, random);
      let at = 1;
      const isTold = () =>
        watch
          .observe(liveTask({ ...before, ...change }, random), at)
          .some(({ kind, drift }) => kind === "fired" && drift.measure === measure);
      while (at <= within && !isTold()) at += 1;
      taken.push(at);
    }
    const sorted = taken.toSorted((one, other) => one - other);
    expect(sorted[SEEDS * 0.95 - 1]).toBeLessThanOrEqual(within);
  });
});

describe("what is told", () => {
  const only = (measure: Measure, value: number): LiveTask => ({
    className: "triage",
    target: "openai/gpt-5.4-nano",
    values: { [measure]: value },
  });
  /** Until something is told. */
  function until(
    watch: DriftWatch,
    task: LiveTask,
    most = 2_000,
  ): { readonly events: readonly DriftEvent[]; at: number } {
    for (let at = 1; at <= most; at += 1) {
      const events = watch.observe(task, at);
      if (events.length > 0) return { events, at };
    }
    return { events: [], at: most };
  }

  test("is one event when it begins and one when it is over, in both directions, by name and in numbers", () => {
    for (const [value, direction, word] of [
      [9_000, "up", "above"],
      [1_500, "down", "below"],
    ] as const) {
      const watch = watching(expected(1));
      const { events } = until(watch, only("tokens", value));
      expect(events.map(({ kind, drift }) => [kind, drift.measure, drift.direction])).toEqual([
        ["fired", "tokens", direction],
      ]);
      expect(events[0]?.text).toMatch(
        new RegExp(
          `^The number of tokens a task of class \`triage\` at \`openai/gpt-5.4-nano\` is ${word} what is expected: ${value.toLocaleString("en-US")} over the newest \\d+ tasks, [34],\\d{3} by report.json\\.$`,
        ),
      );
      expect(until(watch, only("tokens", value)).events).toEqual([]);
      const state = watch.states()[0]?.measures.find(({ measure }) => measure === "tokens");
      expect(state).toMatchObject({ state: "drifted", live: value, evidence: 1 });
      const over = until(watch, only("tokens", 4_000));
      expect(over.events.map(({ kind, drift }) => [kind, drift.id])).toEqual([["resolved", events[0]?.drift.id]]);
      expect(over.at).toBeLessThanOrEqual(3 * WINDOW_TASKS);
      expect(until(watch, only("tokens", 4_000)).events).toEqual([]);
    }
  });

  test("needs twenty tasks, whatever they are, and one runaway is none", () => {
    const watch = watching(expected(1));
    expect(until(watch, only("refusals", 1)).at).toBeGreaterThanOrEqual(TASKS_LEAST);
    const random = seeded(5);
    const other = watching(expected(1));
    observed(other, 100, USUAL, random);
    expect(other.observe(only("tokens", 1e12), 101)).toEqual([]);
    expect(observed(other, 500, USUAL, random)).toEqual([]);
  });

  test("is not of a task of another class or target, nor of what a task does not tell", () => {
    const watch = watching(expected(1));
    for (const given of [{ className: "extract" }, { target: "openai/other" }, { values: {} }])
      expect(until(watch, { ...only("tokens", 90_000), ...given }).events).toEqual([]);
    expect(until(watch, only("tokens", Number.NaN)).events).toEqual([]);
  });

  test("is of a class that has its name from an operator, too", () => {
    const watch = createDriftWatch((id) => (id === "c-1" ? "triage" : undefined));
    watch.expect(expected(1), 0);
    const { events } = until(watch, { ...only("tokens", 90_000), className: "c-1" });
    expect(events.map(({ drift }) => drift.className)).toEqual(["triage"]);
  });

  test("goes on behind a restart with what was known, and is not told again", () => {
    const whole = watching(expected(1));
    const parted = watching(expected(1));
    const task = only("tokens", 5_200);
    const { at } = until(whole, task);
    for (let before = 1; before < at; before += 1) expect(parted.observe(task, before)).toEqual([]);
    const next = createDriftWatch(() => undefined);
    next.restore(JSON.parse(JSON.stringify(parted.snapshot())));
    expect(next.expect(expected(1), 0)).toEqual([]);
    expect(next.observe(task, at).map(({ kind }) => kind)).toEqual(["fired"]);
    const last = createDriftWatch(() => undefined);
    last.restore(JSON.parse(JSON.stringify(next.snapshot())));
    expect(last.expect(expected(1), 0)).toEqual([]);
    expect(last.states()).toEqual(next.states());
    expect(until(last, task).events).toEqual([]);
    expect(() => createDriftWatch(() => undefined).restore({ version: 1 })).toThrow();
  });

  test("is over when another report takes the place of the one that was left, also over a restart", () => {
    const watch = watching(expected(1));
    until(watch, only("tokens", 9_000));
    const kept: unknown = JSON.parse(JSON.stringify(watch.snapshot()));
    expect(watch.expect(expected(1), 1)).toEqual([]);
    expect(watch.expect(expected(2), 2).map(({ kind }) => kind)).toEqual(["resolved"]);
    const next = createDriftWatch(() => undefined);
    next.restore(kept);
    expect(next.expect([], 2).map(({ kind, drift }) => [kind, drift.resolvedAtMs])).toEqual([["resolved", 2]]);
    expect(next.states()).toEqual([]);
  });
});

test("what is told is written down at once, behind what listeners wrote, and a listener that fails takes it from nobody else", () => {
  const written: string[] = [];
  const logged: string[] = [];
  const drifting = createDrifting({
    classNameOf: () => undefined,
    keep: (name, value) => void written.push(`${name} ${value}`),
    now: () => 7,
    log: { warn: (event) => void logged.push(event), error: (event) => void logged.push(event) },
  });
  drifting.onDrift(() => {
    throw new Error("no");
  });
  drifting.onDrift(({ kind }) => void written.push(kind));
  drifting.configure(expected(1));
  const task = ended({ target: "openai/gpt-5.4-nano", turns: 100 });
  for (let at = 0; at < 500 && written.length === 0; at += 1) drifting.ended(task);
  expect(written.map((one) => one.slice(0, 8))).toEqual(["fired", 'drift {"']);
  expect(logged).toEqual(["drift-fired", "drift-listener-failed"]);
  const next = createDriftWatch(() => undefined);
  next.restore(JSON.parse(written[1]?.slice("drift ".length) ?? ""));
  next.expect(expected(1), 8);
  expect(next.states()).toEqual(drifting.states());
});

describe("an ended task", () => {
  test("says what it took and what its answers were, where one target did it and it ended for the first time", () => {
    const task = { ...ended({ target: "a/b", cost: 5n }), answers: { wereRefused: true, wereBroken: false } };
    const values = { tokens: 5_100, cost: 5, refusals: 1, "schema-failures": 0 };
    expect(liveTaskOf(task)).toEqual({ className: "triage", target: "a/b", values });
    expect(liveTaskOf({ ...task, before: { outcome: undefined } })).toBeUndefined();
    expect(liveTaskOf({ ...task, legs: [leg(), leg({ target: "c/d" })] })).toBeUndefined();
    expect(liveTaskOf({ ...task, legs: [] })).toBeUndefined();
  });

  test("says nothing of what nobody told, and one that nobody answered says nothing at all", () => {
    const { refusals, ...unknown } =
      liveTaskOf({
        ...ended({ cost: undefined }),
        legs: [{ ...leg({ cost: undefined }), usage: UNKNOWN_USAGE }],
        answers: { wereRefused: false, wereBroken: undefined },
      })?.values ?? {};
    expect([refusals, unknown]).toEqual([0, {}]);
    const silent = ended({}, [{ ...leg(), turns: 0 }]);
    expect(liveTaskOf({ ...silent, answers: { wereRefused: false, wereBroken: true } })?.values).toEqual({});
  });

  test("was refused or broken by any of its own answers, and formed only where a form was asked for", () => {
    const exchange = (finishReason: string, ...signals: readonly string[]): ToldExchange => ({
      isComplete: true,
      isCanceled: false,
      finishReason,
      signals: new Set(signals),
    });
    expect(answersOf([exchange("stop"), exchange("content-filter")])).toEqual({
      wereRefused: true,
      wereBroken: undefined,
    });
    expect(answersOf([exchange("refusal", "side"), exchange("stop", "calls-valid")])).toEqual({
      wereRefused: false,
      wereBroken: false,
    });
    expect(answersOf([exchange("stop", "answer-broken"), exchange("stop", "answer-valid")])).toMatchObject({
      wereBroken: true,
    });
    expect(answersOf([exchange("tool-calls"), exchange("stop", "call-broken")])).toMatchObject({ wereBroken: true });
  });
});

describe("a report", () => {
  const readText = (value: unknown) => readPinned(JSON.stringify(value));

  test("as the comparison writes it is read, and what it lets expect is its own sums", () => {
    const made = madeReport({ tasks: 100, repeats: 2 });
    const text = JSON.stringify(made);
    expect(typeof readReport(text, "report.json")).toBe("object");
    const report = readPinned(text);
    if (typeof report === "string") throw new Error(report);
    const [first, ...others] = expectationsOf({
      report,
      file: "r.json",
      reportClass: "triage",
      className: "mine",
      tolerance: 0,
    });
    expect([first?.className, first?.target, first?.tasks]).toEqual(["mine", "openai/gpt-5.4-mini", 20]);
    expect(others.map(({ target }) => target)).toEqual(["openai/gpt-5.4-nano", "vllm/mistral-small-4"]);
    const rows = made.rows.filter((row) => row.class === "triage" && row.target === "current" && row.errors === 0);
    const cost = rows.reduce((sum, row) => sum + Number(row.cost_pico_usd) / row.runs, 0) / rows.length;
    expect(first?.measures.cost?.mean).toBeCloseTo(cost, 0);
    expect(first?.measures.cost?.high).toBeGreaterThan(cost);
    expect(first?.measures.cost?.low).toBeLessThan(cost);
    expect(first?.measures["schema-failures"]).toBeUndefined();
  });

  test("that a comparison has just written lets expect all four", async () => {
    const folder = folderOf();
    const { code } = await compare(
      ["extraction", "--limit", "12", "--targets", "nano,self-hosted", "--sandbox", "--out", folder],
      { folder },
    );
    expect(code).toBe(0);
    const { targets } = reportIn(folder);
    const report = readPinned(readFileSync(join(folder, "report.json"), "utf8"));
    if (typeof report === "string") throw new Error(report);
    const [reportClass = ""] = targets[0]?.by_class.map((one) => one.class) ?? [];
    const expectations = expectationsOf({ report, file: "r", reportClass, className: "live", tolerance: 0.05 });
    expect(expectations.map(({ target }) => target)).toEqual(targets.map(({ model }) => model));
    for (const [at, { measures }] of expectations.entries()) {
      expect(Object.keys(measures)).toEqual(["tokens", "cost", "refusals", "schema-failures"]);
      // By the comparison's own word, from its own figures.
      const { sums } = targets[at] ?? {};
      expect((measures.cost?.mean ?? 0) / 1e12).toBeCloseTo(sums?.cost_per_task_usd.value ?? 0, 9);
      expect(sums?.format_runs).toBe(12);
    }
  });

  test("that did not learn its tokens or prices expects nothing of them", () => {
    const report = pinnedReport(50, USUAL, seeded(1));
    const [target] = report.targets;
    const [own] = target?.by_class ?? [];
    if (target === undefined || own === undefined) throw new Error("it has none");
    const unknown = {
      ...report,
      targets: [{ ...target, by_class: [{ ...own, sums: { ...own.sums, calls_without_usage: 1, format_runs: 3 } }] }],
      rows: report.rows.map((row, at) => ({ ...row, cost_pico_usd: at === 7 ? null : row.cost_pico_usd })),
    };
    const pinned = { file: "r", reportClass: "triage", className: "triage", tolerance: 0.05 };
    expect(expectationsOf({ ...pinned, report: unknown }).map(({ measures }) => Object.keys(measures))).toEqual([
      ["refusals"],
    ]);
    // Refused by nobody is not "never": it may be one in some.
    const none = pinnedReport(50, { ...USUAL, refusals: 0 }, seeded(1));
    const [expectation] = expectationsOf({ ...pinned, report: none });
    expect(expectation?.measures.refusals?.mean).toBe(0);
    expect(expectation?.measures.refusals?.high).toBeCloseTo(0.071, 3);
    expect(expectationsOf({ ...pinned, report: pinnedReport(9, USUAL, seeded(1)) })).toEqual([]);
  });

  test.each([
    ["not JSON", "{", "is not JSON"],
    ["something else", JSON.stringify({ kind: "sluice-replay", version: 1 }), "is no report of `bench compare`"],
    [
      "of another version",
      JSON.stringify({ kind: "sluice-compare", version: 9 }),
      "is a report of version 9; this reads version 1",
    ],
  ])("that is %s says so", (_what, text, said) => {
    expect(readPinned(text)).toBe(said);
  });

  test("with a broken field names it", () => {
    const report = pinnedReport(12, USUAL, seeded(1));
    const [row, ...rows] = report.rows;
    expect(readText({ ...report, rows: [{ ...row, cost_pico_usd: "1.5" }, ...rows] })).toMatch(
      /^has a wrong `rows\.0\.cost_pico_usd`: /,
    );
  });
});
