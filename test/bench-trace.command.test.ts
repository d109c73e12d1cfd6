/** `npm run bench`: what it lists, and what it says where it is asked for what cannot be done. */
import { spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, describe, expect, test } from "vitest";
import { goalsJson, goalsText, isMet } from "../bench/trace/goals.ts";

const folder = mkdtempSync(join(tmpdir(), "bench-command-"));
afterAll(() => rmSync(folder, { recursive: true }));

const HEADER = '{"name":"made","block":512}\n';
const trace = written("trace.jsonl", `${HEADER}{"t":0,"in":6000,"runs":[[1,10]]}\n{"t":9,"in":6000,"runs":[[1,10]]}\n`);
const missing = join(folder, "missing");

test("alone, it lists every bench in a line; each one's --help lists its flags, and runs nothing", () => {
  const { stdout, status } = bench();
  expect(status).toBe(0);
  const lines = stdout.split("\n").filter((line) => line.startsWith("  "));
  const names = lines.map((line) => /^  ([a-z]+) +[^ ]/.exec(line)?.[1]);
  expect(names).toEqual(expect.arrayContaining(["load", "trace", "goals", "prefixes", "world"]));
  for (const name of names as readonly string[]) {
    const help = bench(name, "--help");
    expect([help.status, help.stderr]).toEqual([0, ""]);
    expect(help.stdout).toContain(`npm run bench -- ${name}: `);
    expect(help.stdout).toMatch(/[ [|]--[a-z]/);
  }
  expect(bench("trace", trace, "-h").stdout).toBe(bench("trace", "--help").stdout);
});

describe("what cannot be done is said in a line, before anything is replayed", () => {
  test.each([
    ["a bench that there is not", ["toString"], /^there is no bench toString\n/],
    ["a flag that there is not", ["trace", trace, "--fast"], /^Unknown option '--fast'; .*--help/],
    ["the same of another bench", ["prefixes", "--fast"], /^Unknown option '--fast'/],
    ["no trace", ["trace"], /give one trace file/],
    [
      "rules that there are not",
      ["trace", trace, "--rules", "x"],
      /anthropic, openai-5\.6, openai-legacy, or vllm:N,C/,
    ],
    ["no replicas", ["trace", trace, "--rules", "vllm:0,2M"], /vllm:N,C/],
    ["decisions where no file can be", ["trace", trace, "--decisions", join(missing, "x")], /ENOENT.*missing/],
    ["decisions in a folder's place", ["trace", trace, "--decisions", folder], /EISDIR/],
    ["a picture where no file can be", ["trace", trace, "--svg", join(missing, "x")], /ENOENT.*missing/],
    ["decisions that are not there", ["trace", trace, "--check", missing], /missing: ENOENT/],
    ["decisions that are a folder", ["trace", trace, "--check", folder], /EISDIR/],
    ["a flag that would do nothing", ["trace", trace, "--seed", "2"], /--seed is for --generate/],
    ["whose decisions, where none are written", ["trace", trace, "--of", "none"], /--of .* --decisions/],
    ["goals under other rules", ["trace", "--goals", folder, "--rules", "openai-5.6"], /takes no --rules/],
    ["goals without traces", ["goals", missing], /kvt-iso-dev\.jsonl\.gz is not there/],
    ["a trace that is not there", ["trace", missing], /ENOENT.*missing/],
    ["a trace that is a folder", ["trace", folder], /EISDIR/],
    ["a malformed line", ["trace", written("bad.jsonl", `${HEADER}{"t":-1}\n`)], /bad\.jsonl, line 2: "runs"/],
    ["an empty trace", ["trace", written("empty.jsonl", "")], /empty\.jsonl: it is empty/],
    [
      "a trace without requests",
      ["trace", written("head.jsonl", HEADER), "--json"],
      /head\.jsonl: there are no requests/,
    ],
    ["a ledger that is not there", ["trace", "--ledger", missing], /missing: there is no such file/],
    ["a ledger that is a folder", ["trace", "--ledger", folder], /there is no such file/],
    ["a ledger that is none", ["trace", "--ledger", trace], /trace\.jsonl: it cannot be read as a ledger/],
  ])("%s", (_what, words, message) => {
    const { stdout, stderr, status } = bench(...words);
    expect([status, stdout]).toEqual([2, ""]);
    expect(stderr).toMatch(message);
    if (words[0] !== "toString") expect(stderr.trim().split("\n")).toHaveLength(1);
  });

  test("a picture that is there already survives it", () => {
    const picture = written("picture.svg", "<svg/>");
    expect(bench("trace", trace, "--svg", picture, "--decisions", join(missing, "x")).status).toBe(2);
    expect(readFileSync(picture, "utf8")).toBe("<svg/>");
  });
});

test.each(["anthropic", "openai-5.6", "openai-legacy", "vllm:2,1M"])(
  "under %s, a share of nothing is a dash, and null in JSON",
  (rules) => {
    const nothing = written("nothing.jsonl", `${HEADER}{"t":0,"in":0,"runs":[]}\n`);
    const { stdout, status } = bench("trace", nothing, "--rules", rules, "--json");
    expect(status).toBe(0);
    expect(stdout).not.toMatch(/NaN|Infinity/);
    const report = JSON.parse(stdout.trim().split("\n").at(-1) as string) as Report;
    const figures = Object.values(report.policies);
    expect(figures.length).toBeGreaterThan(0);
    const share = rules.startsWith("vllm") ? "ttft_p95_s" : "over_bound";
    for (const figure of figures) expect(figure[share]).toBe(null);
  },
);

test("where caching is automatic, keys are compared with no caching and one machine; by session only where there are some", () => {
  const policiesOf = (file: string) => {
    const { stdout } = bench("trace", file, "--rules", "openai-legacy", "--json");
    return (JSON.parse(stdout.trim().split("\n").at(-1) as string) as Report).policies;
  };
  const without = policiesOf(trace);
  expect(Object.keys(without)).toEqual(["none", "no key", "key = conversation", "key = tenant", "learned"]);
  expect(without["none"]?.["cost"]).toBe(1);
  expect(without["learned"]?.["cost"]).toBeLessThan(1);
  const sessions = written("sessions.jsonl", `${HEADER}{"t":0,"in":6000,"s":"a","runs":[[1,10]]}\n`);
  expect(Object.keys(policiesOf(sessions))).toContain("key = session");
});

test("a goal whose measure is none is missed", () => {
  const goal = { what: "hits", measured: Number.NaN, limit: 0.3, isLeast: true };
  expect(isMet(goal)).toBe(false);
  expect(goalsText([goal])).toMatch(/hits +>= 0\.30 +– +MISSED/);
  expect(JSON.parse(goalsJson([goal]))).toEqual({ goals: [{ ...goal, measured: null, met: false }] });
});

const shared = fileURLToPath(new URL("../../shared/traces/", import.meta.url));

/** Not how long decisions take: that is the machine's as well. */
test.skipIf(!existsSync(shared))(
  "every goal of cost, hits and balance is met on the shared traces (skipped where they are not beside the checkout)",
  { timeout: 120_000 },
  () => {
    const { stdout } = bench("goals", "--json");
    const { goals } = JSON.parse(stdout.trim().split("\n").at(-1) as string) as {
      goals: readonly { readonly what: string; readonly met: boolean }[];
    };
    expect(goals.length).toBeGreaterThan(20);
    expect(goals.filter(({ what, met }) => !met && !what.includes("µs"))).toEqual([]);
  },
);

interface Report {
  readonly policies: Readonly<Record<string, Readonly<Record<string, number | null>>>>;
}

function bench(...words: readonly string[]): {
  readonly stdout: string;
  readonly stderr: string;
  readonly status: number | null;
} {
  const main = fileURLToPath(new URL("../bench/main.ts", import.meta.url));
  return spawnSync(process.execPath, [main, ...words], { encoding: "utf8", timeout: 110_000 });
}

function written(name: string, content: string): string {
  const file = join(folder, name);
  writeFileSync(file, content);
  return file;
}
