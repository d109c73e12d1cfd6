/** The picture of what policies cost, and the table of goals. */
import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { expect, test } from "vitest";
import { goalsText, isMet, type Goal } from "../bench/trace/goals.ts";
import { pictureOf } from "../bench/trace/picture.ts";

const report = {
  bounds: { bound: 0.2 },
  policies: { none: { cost: 1 }, "end 5m": { cost: 0.5 }, learned: { cost: 0.25 }, "multi 5m": { cost: 0.3 } },
};

test("each policy that is shown has a bar as long as its cost, and the bound has one", () => {
  const picture = pictureOf([{ name: "a trace", report }]);
  const widths = [...picture.matchAll(/<rect class="(\w+)"[^>]* width="([\d.]+)"/g)].map(([, kind, width]) => [
    kind,
    Number(width) / 480,
  ]);
  expect(widths).toEqual([
    ["usual", 1],
    ["usual", 0.5],
    ["learned", 0.25],
    ["bound", 0.2],
  ]);
  expect(picture).toContain("0.250 · 1.25 ×");
});

test("names are text and never markup, and nothing in it runs", () => {
  const picture = pictureOf([{ name: '<script>alert("&")</script>', report }]);
  expect(picture).not.toMatch(/<script|javascript:|\bon\w+=|href/);
  expect(picture).toContain("&lt;script&gt;");
});

test("it has colours for light pages and for dark ones", () => {
  expect(pictureOf([{ name: "a trace", report }])).toContain("prefers-color-scheme: dark");
});

test("a goal is met up to its limit, from above or from below", () => {
  const goal = (measured: number, isLeast: boolean): Goal => ({ what: "x", measured, limit: 1.1, isLeast });
  expect([isMet(goal(1.1, false)), isMet(goal(1.1001, false))]).toEqual([true, false]);
  expect([isMet(goal(1.1, true)), isMet(goal(1.0999, true))]).toEqual([true, false]);
  expect(isMet(goal(Number.NaN, false))).toBe(false);
  expect(goalsText([goal(1.2, false)])).toMatch(/x\s+<= 1\.10\s+1\.2000\s+MISSED/);
});

test("goals without the traces are an error that names the file", () => {
  const main = join(import.meta.dirname, "../bench/main.ts");
  const run = spawnSync(process.execPath, [main, "trace", "--goals", join(import.meta.dirname, "nowhere")], {
    encoding: "utf8",
  });
  expect(run.status).toBe(2);
  expect(run.stderr).toContain("kvt-iso-dev.jsonl.gz");
});
