/** Two reports of the same tasks, compared: what has changed, how sure that is, and what CI is told. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { diffCommand } from "../bench/compare/diff/command.ts";
import { diffOf } from "../bench/compare/diff/diff.ts";
import { verdictOf } from "../bench/compare/diff/verdict.ts";
import type { Report } from "../bench/compare/report.ts";
import { madeReport } from "./made-report.ts";

const old = madeReport();
const overall = (now: Report, target: string) =>
  diffOf(old, now, undefined).differences.find((one) => one.target === target && one.taskClass === undefined);

describe("a difference", () => {
  test("of a report and itself is nothing, surely", () => {
    const { differences, gone, added, notes, isApart } = diffOf(old, old, undefined);
    expect({ gone, added, notes, isApart }).toEqual({ gone: [], added: [], notes: [], isApart: false });
    expect(differences).toHaveLength(3 * 6);
    for (const { cost, passRate } of differences) {
      expect(cost.change).toBe(0);
      expect(passRate.change).toBe(0);
      expect([cost.isSignificant, passRate.isSignificant]).toEqual([false, false]);
    }
  });

  test("is found by pairs: a quarter more for the very same tasks is a quarter more, to the digit", () => {
    const now = withRows(old, (row) =>
      row.target === "nano" ? { ...row, cost_pico_usd: String((BigInt(row.cost_pico_usd ?? "0") * 5n) / 4n) } : row,
    );
    const { cost } = overall(now, "nano") ?? {};
    expect(cost?.change).toBeCloseTo(0.25, 9);
    expect(cost?.isSignificant).toBe(true);
    expect(cost?.interval?.[0]).toBeCloseTo(0.25, 6);
    expect(overall(now, "current")?.cost.change).toBe(0);
  });

  test("of tasks that only one has is left out, and so is one without a price", () => {
    const now = withRows(old, (row) => (row.task === "classify-1" ? { ...row, cost_pico_usd: null } : row), 30);
    const difference = overall(now, "current");
    expect(difference?.tasks).toBe(30);
    expect(difference?.cost.change).toBe(0);
  });

  test("names what else is not the same", () => {
    const now: Report = {
      ...old,
      is_sandbox: false,
      state: "partial",
      rows_omitted: 12,
      targets: old.targets.map((one) => (one.name === "nano" ? { ...one, model: "openai/gpt-6-nano" } : one)),
      settings: {
        ...old.settings,
        cache: "cold",
        suites: old.settings.suites.map((one) => ({ ...one, sha256: "cd" })),
      },
    };
    const { notes, isApart } = diffOf(old, now, undefined);
    expect(isApart).toBe(true);
    const text = notes.join("\n");
    expect(text).toContain("the old report is of the sandbox and the other is not");
    expect(text).toContain("the new report is not whole");
    expect(text).toContain("no rows of 12 more");
    expect(text).toContain("nano was openai/gpt-5.4-nano and is openai/gpt-6-nano");
    expect(text).toContain("the suite classify has changed");
    expect(text).toContain("cache was as-it-comes and is cold");
  });
});

describe("a verdict", () => {
  const dearer = madeReport({ seed: 2, changed: { current: { cost: 1.25 } } });
  const limits = { costUp: 0.1, passDown: 0.02, isStrict: false };

  test("is a regression where a limit is passed and that is not chance", () => {
    const { regressions } = verdictOf(diffOf(old, dearer, undefined), limits);
    expect(regressions[0]).toMatch(/^current costs \d+ % more \(95 %: \d+ to \d+\); the limit is 10 %$/);
    expect(regressions.every((text) => text.startsWith("current"))).toBe(true);
  });

  test("takes what may be chance for a regression only when it is strict", () => {
    const lucky = verdictOf(diffOf(old, madeReport({ seed: 3 }), undefined), { ...limits, costUp: 0.01 });
    expect(lucky.regressions).toEqual([]);
    expect(lucky.doubtful.length).toBeGreaterThan(0);
    const strict = verdictOf(diffOf(old, madeReport({ seed: 3 }), undefined), {
      ...limits,
      costUp: 0.01,
      isStrict: true,
    });
    expect(strict.regressions).toEqual(lucky.doubtful);
  });

  test("of exactly the limit is none", () => {
    const times = (factor: bigint): Report =>
      withRows(old, (row) => ({ ...row, cost_pico_usd: String(BigInt(row.cost_pico_usd ?? "0") * factor) }));
    const diff = diffOf(times(10n), times(11n), undefined);
    expect(verdictOf(diff, limits).regressions).toEqual([]);
    expect(verdictOf(diff, { ...limits, costUp: 0.0999 }).regressions).toHaveLength(18);
  });

  test("believes a whole target of too few tasks, and not a class of it", () => {
    const few = madeReport({ tasks: 4 });
    const now = withRows(few, (row) => ({ ...row, cost_pico_usd: String(BigInt(row.cost_pico_usd ?? "0") * 2n) }));
    const { regressions, doubtful } = verdictOf(diffOf(few, now, undefined), limits);
    expect(regressions).toHaveLength(3);
    expect(regressions[0]).toContain("too few tasks to say how sure that is");
    expect(doubtful.length).toBeGreaterThan(0);
  });

  test("cannot be given of a target that is gone or was not judged", () => {
    const now = withRows({ ...old, targets: old.targets.slice(0, 2) }, (row) => ({
      ...row,
      passed: 0,
      failed: 0,
      errors: 3,
    }));
    const { unjudged } = verdictOf(diffOf(old, now, undefined), limits);
    expect(unjudged.join("\n")).toMatch(/self-hosted is not in the new report/);
    expect(unjudged.join("\n")).toMatch(/current: what it passes cannot be said of both/);
  });
});

describe("bench diff", () => {
  let folder: string;
  const file = (name: string, content: unknown): string => {
    const path = join(folder, name);
    writeFileSync(path, typeof content === "string" ? content : JSON.stringify(content));
    return path;
  };
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), "sluice-diff-"));
  });
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  test("ends with 0 without limits and within them, with 1 beyond", () => {
    const [one, other] = [
      file("old.json", old),
      file("new.json", madeReport({ seed: 2, changed: { nano: { passing: 0.7 } } })),
    ];
    expect(diffCommand([one, other]).exitCode).toBe(0);
    expect(diffCommand([one, one, "--fail-if-cost-up", "1%", "--fail-if-pass-down", "1%"])).toMatchObject({
      exitCode: 0,
      output: expect.stringContaining("no regression"),
    });
    const failed = diffCommand([one, other, "--fail-if-cost-up", "20%", "--fail-if-pass-down", "2%", "--json"]);
    expect(failed.exitCode).toBe(1);
    expect(failed.output).toMatch(/REGRESSION: nano passes \d+ points less/);
    const json = JSON.parse(failed.output.trimEnd().split("\n").at(-1) ?? "") as { regressions: string[] };
    expect(json.regressions[0]).toContain("nano passes");
    expect(diffCommand([one, other, "--fail-if-pass-down", "2%", "--target", "current"]).exitCode).toBe(0);
  });

  test("ends with 2 where a limit cannot be held against anything", () => {
    const [one, other] = [file("whole.json", old), file("less.json", { ...old, targets: old.targets.slice(1) })];
    expect(diffCommand([one, other]).exitCode).toBe(0);
    expect(diffCommand([one, other, "--fail-if-cost-up", "10%"])).toMatchObject({
      exitCode: 2,
      output: expect.stringContaining("cannot be judged: current is not in the new report"),
    });
  });

  test.each([
    ["another version", { ...old, version: 2 }, /a report of version 2; this reads version 1/],
    ["another thing", { kind: "sluice-replay", version: 1 }, /it is no report of a comparison/],
    ["no JSON", "{", /it is not JSON/],
    ["a field that is wrong", { ...old, run: { ...old.run, sessions: -1 } }, /`run\.sessions`/],
    [
      "other targets",
      { ...old, targets: old.targets.map((one) => ({ ...one, name: `${one.name}-2` })) },
      /no target is in both: current, nano, self-hosted were compared, now current-2/,
    ],
    ["other tasks", withRows(old, (row) => ({ ...row, task: `other ${row.task}` })), /no task was run in both/],
  ])("%s is refused in one line, with 2", (_, content, problem) => {
    const refused = diffCommand([file("one.json", old), file("other.json", content)]);
    expect(refused).toMatchObject({ exitCode: 2, output: "" });
    expect(refused.problem).toMatch(problem);
    expect(refused.problem.trimEnd()).not.toContain("\n");
  });

  test.each([
    [["a.json"], /give two reports/],
    [["a.json", "b.json", "--fail-if-cost-up", "0.1"], /must be a percentage as in 10%/],
    [["a.json", "b.json", "--fail-if-cost-up", "-3%"], /percentage|ambiguous/],
    [["a.json", "b.json", "--strict"], /--strict is about/],
    [["a.json", "b.json", "--nope"], /--help lists the flags/],
    [["nowhere.json", "b.json"], /nowhere\.json: there is no such file/],
  ])("%j is refused", (words, problem) => {
    expect(diffCommand(words)).toMatchObject({ exitCode: 2, problem: expect.stringMatching(problem) });
  });
});

function withRows(
  report: Report,
  change: (row: Report["rows"][number]) => Report["rows"][number],
  tasks?: number,
): Report {
  const rows = report.rows.map(change);
  return { ...report, rows: tasks === undefined ? rows : rows.slice(0, tasks * report.targets.length) };
}
