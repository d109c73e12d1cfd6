/** What `bench compare` makes of its figures: break-even, comparisons in words, what is recommended, how far it is. */
import { describe, expect, test } from "vitest";
import { breakEvenOf } from "../bench/compare/break-even.ts";
import { comparisonOf } from "../bench/compare/comparison.ts";
import { Figures } from "../bench/compare/figures.ts";
import type { EndedRun } from "../bench/compare/journal.ts";
import { lineageOf } from "../bench/compare/judge.ts";
import { createProgress } from "../bench/compare/progress.ts";
import { recommendationOf } from "../bench/compare/recommendation.ts";
import { readReport } from "../bench/compare/report.ts";

const HARDWARE = {
  usd_per_hour: 5,
  prefill_tokens_per_second: 10_000,
  decode_tokens_per_second: 1_000,
  utilization: 0.5,
  source: "configuration",
} as const;
const known = (value: number) => ({ value, interval: [value * 0.8, value * 1.25] as const });

describe("break-even", () => {
  // 1 s for the prompt and 1 s for the answer: 43,200 tasks a day if it is never idle.
  const own = { target: "own", hardware: HARDWARE, freshTokens: 10_000, outputTokens: 1_000, passRate: 0.8 };

  test("a day of hardware by a task's price elsewhere, where it can do as many", () => {
    const { rivals, seconds_per_task: seconds } = breakEvenOf(own, [
      { target: "api", costPerTask: known(0.01), costPerSuccess: known(0.0125) },
    ]);
    expect(seconds).toBeCloseTo(2, 9);
    expect(rivals[0]?.tasks_per_day).toBeCloseTo(12_000, 6);
    expect(rivals[0]?.interval?.map((end) => Math.round(end ?? 0))).toEqual([9_600, 15_000]);
    // A success costs more elsewhere, and here it takes 1.25 tasks.
    expect(rivals[0]?.successes_per_day).toBeCloseTo(9_600, 6);
    expect(rivals[0]?.sentence).toBe("own is cheaper than api from 12,000 tasks a day on.");
    expect(rivals[0]?.by_utilization.map(({ tasks_per_day: tasks }) => tasks !== null)).toEqual([
      false,
      true,
      true,
      true,
    ]);
  });

  test("never, where a task costs less elsewhere than on hardware that is as busy as it may be", () => {
    const { rivals } = breakEvenOf(own, [{ target: "api", costPerTask: known(0.003), costPerSuccess: known(0.004) }]);
    expect(rivals[0]).toMatchObject({ tasks_per_day: null, interval: null });
    expect(rivals[0]?.sentence).toContain("never cheaper than api");
  });

  test("the curve is a line for tokens and steps for hardware, which cross where it says", () => {
    const { curve, rivals } = breakEvenOf(own, [
      { target: "api", costPerTask: known(0.01), costPerSuccess: known(0.01) },
    ]);
    for (const { tasks_per_day: tasks, usd_per_day: usd } of curve) {
      expect(usd["api"]).toBeCloseTo(tasks * 0.01, 9);
      expect((usd["own"] ?? 0) % 120).toBe(0);
      if (tasks < 34_560) expect((usd["own"] ?? 0) < (usd["api"] ?? 0)).toBe(tasks > (rivals[0]?.tasks_per_day ?? 0));
    }
    expect(curve.at(-1)?.usd_per_day["own"]).toBeGreaterThan(120);
  });
});

function ended(at: number, target: string, part: Partial<EndedRun>): EndedRun {
  const tokens = {
    input_uncached: 10,
    cache_read: 0,
    cache_write_5m: 0,
    cache_write_1h: 0,
    cache_write_other: 0,
    output: 1,
    reasoning: 0,
  };
  return {
    ledger_task: `${at}.${target}`,
    at,
    suite: "s",
    task: `t${at}`,
    class: "c",
    target,
    repeat: 0,
    result: "passed",
    failure: null,
    note: null,
    calls: 1,
    attempts: 1,
    cost_pico_usd: "1000",
    estimated_pico_usd: "0",
    tokens,
    calls_without_usage: 0,
    implausible_calls: 0,
    tells_cache_read: true,
    ttft_ms: 1,
    duration_ms: 2,
    moved_to: [],
    judge: null,
    ...part,
  };
}

const DRAWN = { resamples: 400, seed: 1 };
const many = Array.from({ length: 40 }, (_, at) => at);

describe("two targets in words", () => {
  test("what is significant is said, and what is not, is said to be unknown", () => {
    const figures = new Figures(["a", "b"]);
    for (const at of many) {
      figures.add(ended(at, "a", { cost_pico_usd: String(1_000_000 + at * 1_000) }));
      figures.add(
        ended(at, "b", { cost_pico_usd: String(500_000 + at * 700), result: at === 7 ? "failed" : "passed" }),
      );
    }
    const {
      sentences,
      cost_ratio: cost,
      pass_rate_difference: pass,
    } = comparisonOf(figures, "a", "b", undefined, DRAWN);
    expect(cost).toMatchObject({ is_significant: true });
    expect(cost.value).toBeCloseTo(0.5, 1);
    expect(sentences[0]).toMatch(/^A task at b costs 50 % less than at a/);
    expect(pass).toMatchObject({ is_significant: false });
    expect(sentences[2]).toMatch(/^Whether b or a passes more often cannot be told from these 40 tasks/);
  });

  test("only tasks that both have run are compared, and errors are in the cost and in no pass rate", () => {
    const figures = new Figures(["a", "b"]);
    for (const at of many) {
      figures.add(ended(at, "a", {}));
      if (at < 30) figures.add(ended(at, "b", at < 3 ? { result: "error", failure: "timeout" } : {}));
    }
    const compared = comparisonOf(figures, "a", "b", undefined, DRAWN);
    expect(compared.tasks).toBe(30);
    expect(compared.pass_rate_difference.value).toBe(0);
    const {
      passed,
      failed,
      errors,
      pass_rate: pass,
      not_run: left,
      cost_pico_usd: cost,
    } = figures.sums("b", undefined, 40, DRAWN);
    expect({ passed, failed, errors, left, cost, pass: pass.value }).toEqual({
      passed: 27,
      failed: 0,
      errors: 3,
      left: 10,
      cost: "30000",
      pass: 1,
    });
  });
});

describe("what is recommended", () => {
  const sumsOf = (passes: number, cost: number) => {
    const figures = new Figures(["x"]);
    for (const at of many)
      figures.add(ended(at, "x", { cost_pico_usd: String(cost), result: at < passes ? "passed" : "failed" }));
    return figures.sums("x", undefined, 40, DRAWN);
  };
  const rated = (name: string, passes: number, cost: number, isOut = false) => ({
    name,
    model: `p/${name}`,
    sums: sumsOf(passes, cost),
    byClass: new Map(),
    isOut,
  });
  const about = { id: "r", isSandbox: false, isPartial: false };

  test("the cheapest of those that are as good, and never one that is not", () => {
    const made = recommendationOf(
      [rated("dear", 40, 9_000), rated("good", 39, 3_000), rated("bad", 20, 100)],
      [],
      [],
      about,
    );
    expect(made.target).toBe("good");
    expect(made.sentence).toContain("bad costs");
    expect(made.policy_yaml).toContain('targets: ["p/good"]');
  });

  test("nobody, where only one of them can be believed", () => {
    const made = recommendationOf([rated("good", 40, 9_000), rated("liar", 40, 1, true)], [], [], about);
    expect(made).toMatchObject({ target: null, policy_yaml: "" });
  });
});

test.each([
  ["openai/gpt-5.4-nano", "OpenAI"],
  ["eu/claude-haiku-5-5", "Anthropic"],
  ["vllm/mistralai/Mistral-Small-4-119B-2603", "Mistral"],
  ["mistral/codestral-2508", "Mistral"],
  ["ollama/llama3.1:latest", "Meta"],
  ["groq/qwen3-32b", "Alibaba"],
  ["vllm/openai/gpt-oss-20b", "OpenAI"],
  ["x/unheard-7b", "unheard"],
])("%s is of the lineage %s", (model, lineage) => {
  expect(lineageOf(model)).toBe(lineage);
});

describe("how far it is", () => {
  const progress = (isTerminal: boolean, written: string[], clock: { ms: number }) =>
    createProgress({
      isTerminal,
      columns: 70,
      toDo: 10,
      doneBefore: 10,
      maxUsd: 2,
      now: () => clock.ms,
      write: (text) => void written.push(text),
    });

  test("at a terminal one line is written over, with a bar, what was spent and the time that is left", () => {
    const [written, clock] = [[] as string[], { ms: 0 }];
    const shown = progress(true, written, clock);
    clock.ms = 5_000;
    shown.tell(5, 500_000_000_000n);
    expect(written).toEqual(["\r\u001B[K[#####################.......] 15 of 20 runs, $0.5000 of $2, 5 s left"]);
    shown.end();
    expect(written.at(-1)).toBe("\r\u001B[K");
  });

  test("elsewhere it is lines, one each few seconds, and the last", () => {
    const [written, clock] = [[] as string[], { ms: 0 }];
    const shown = progress(false, written, clock);
    for (const done of [1, 2, 3, 10]) {
      clock.ms = done * 1_000;
      shown.tell(done, 0n);
    }
    shown.end();
    expect(written).toEqual(["11 of 20 runs, $0.0000 of $2, 9 s left\n", "20 of 20 runs, $0.0000 of $2, 0 s left\n"]);
  });
});

test.each([
  ["no JSON", "{", "r.json: it is not JSON"],
  ["another file", '{"kind": "other", "version": 1}', "r.json: it is no report of a comparison"],
  [
    "another version",
    '{"kind": "sluice-compare", "version": 9}',
    "r.json: a report of version 9; this reads version 1",
  ],
  ["a part of one", '{"kind": "sluice-compare", "version": 1}', "r.json: `run`: "],
])("a report that is %s is said to be so", (_what, text, expected) => {
  expect(readReport(text, "r.json")).toContain(expected);
});
