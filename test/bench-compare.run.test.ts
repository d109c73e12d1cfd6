/** `bench compare` from its flags to its report, on the simulator: the bill, the budget, what is cut short, and what goes on. */
import { spawn } from "node:child_process";
import { appendFileSync, existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { describe, expect, test } from "vitest";
import { readConfigText } from "../src/config-yaml.ts";
import { cleansUp, compare, folderOf, reportIn, targetIn } from "./comparing.ts";
import { until } from "./running.ts";

cleansUp();

/** What a token costs on the hardware that the simulator's server is assumed to have, written down a second time. */
const PREFILL_PICO_USD = BigInt(Math.round((7 / 3600 / 0.5 / 30_000) * 1e12));
const DECODE_PICO_USD = BigInt(Math.round((7 / 3600 / 0.5 / 2_500) * 1e12));

describe("all of it, on the simulator", () => {
  test("every suite at three targets: each token and each picodollar of the report is on the simulator's bill", async () => {
    const folder = folderOf();
    const { code, printed, told, sandbox } = await compare(["--out", "out"], { folder });
    expect(code).toBe(0);
    expect(told).toContain("SANDBOX");
    expect(printed).toContain("SANDBOX");
    const report = reportIn(join(folder, "out"));
    expect(report).toMatchObject({ is_sandbox: true, state: "whole", stopped: null, rows_omitted: 0 });
    expect(report.targets.map(({ name, client }) => [name, client])).toEqual([
      ["current", "@anthropic-ai/sdk"],
      ["nano", "openai"],
      ["self-hosted", "@mistralai/mistralai"],
    ]);
    let runs = 0n;
    for (const { model, sums, problems } of report.targets) {
      const billed = sandbox?.invoice.totals.find((total) => `${total.provider}/${total.model}` === model);
      const { uncached, cacheRead, cacheWrite5m, cacheWrite1h, cacheWriteOther, output, reasoning } = billed!.tokens;
      expect(sums.calls).toBe(billed!.requests);
      expect(sums.tokens).toEqual({
        input_uncached: uncached,
        cache_read: cacheRead,
        cache_write_5m: cacheWrite5m,
        cache_write_1h: cacheWrite1h,
        cache_write_other: cacheWriteOther,
        output,
        reasoning,
      });
      const own = BigInt(uncached) * PREFILL_PICO_USD + BigInt(output) * DECODE_PICO_USD;
      expect(sums.cost_pico_usd).toBe(String(billed!.costPicoUsd ?? own));
      expect(sums.runs).toBe(64);
      expect(sums.passed + sums.failed).toBe(64);
      expect(problems).toEqual([]);
      runs += BigInt(sums.cost_pico_usd);
    }
    expect(report.spend).toMatchObject({ runs_pico_usd: String(runs), total_pico_usd: String(runs) });
    // Rows, classes and points are the same sum once more.
    for (const { name, sums, by_class: classes } of report.targets) {
      const rows = report.rows.filter(({ target }) => target === name);
      const sumOf = (parts: readonly (string | null)[]) =>
        String(parts.reduce((all, one) => all + BigInt(one ?? 0), 0n));
      expect(rows).toHaveLength(64);
      expect(sumOf(rows.map(({ cost_pico_usd: cost }) => cost))).toBe(sums.cost_pico_usd);
      expect(sumOf(classes.map((one) => one.sums.cost_pico_usd))).toBe(sums.cost_pico_usd);
      const last = report.cumulative.find(({ target }) => target === name)?.points.at(-1);
      expect(last?.tasks).toBe(64);
      expect(last?.cost_usd).toBeCloseTo(Number(sums.cost_pico_usd) / 1e12, 9);
      expect(last?.passed).toBe(sums.passed);
    }
    expect(report.comparisons.filter((one) => one.class === null)).toHaveLength(3);
    expect(report.break_even.map((one) => one.self_hosted)).toEqual(["self-hosted"]);
    const policy = readConfigText(report.recommendation.policy_yaml, "policy", {});
    expect(policy).toMatchObject({ ok: true });
    const lines = readFileSync(join(folder, "out", "report.csv"), "utf8")
      .trim()
      .split("\n");
    expect(lines).toHaveLength(1 + 192);
    expect(existsSync(join(folder, "out", "report.html"))).toBe(true);
  }, 120_000);

  test("an agent's loop is ten calls or more, and its handbook is read from the cache", async () => {
    const folder = folderOf();
    await compare(["agent-loop", "--limit", "3", "--out", "out"], { folder });
    for (const { sums } of reportIn(join(folder, "out")).targets) {
      expect(sums.calls_per_task).toBeGreaterThanOrEqual(10);
      expect(sums.cache_read_ratio).toBeGreaterThan(0.5);
    }
  }, 60_000);
});

const SUITE = Array.from({ length: 12 }, (_, at) =>
  JSON.stringify({ id: `t${at}`, prompt: `Say ${at}.`, expected: String(at) }),
).join("\n");

describe("what is asked of the caches", () => {
  test("cold: no task reads what another wrote; warm: each class was sent before, and that is told apart", async () => {
    const system = "a rule of the house that everybody keeps to. ".repeat(200);
    const suite = Array.from({ length: 4 }, (_, at) =>
      JSON.stringify({ id: at, system, prompt: `Say ${at}.`, expected: String(at) }),
    );
    const folder = folderOf({ "s.jsonl": suite.join("\n") });
    await compare(["s.jsonl", "--cold", "--out", "cold"], { folder });
    await compare(["s.jsonl", "--warm", "--concurrency", "1", "--out", "warm"], { folder });
    const [cold, warm] = [reportIn(join(folder, "cold")), reportIn(join(folder, "warm"))];
    for (const { sums } of cold.targets) expect(sums.tokens.cache_read).toBe(0);
    for (const { sums } of warm.targets) expect(sums.tokens.cache_read).toBeGreaterThan(4 * 1_000);
    expect(cold.spend.warm_up_pico_usd).toBe("0");
    expect(BigInt(warm.spend.warm_up_pico_usd)).toBeGreaterThan(0n);
    expect(BigInt(warm.spend.total_pico_usd)).toBe(
      BigInt(warm.spend.runs_pico_usd) + BigInt(warm.spend.warm_up_pico_usd),
    );
  }, 60_000);
});

describe("less than all of it", () => {
  test("a dry run says what it would cost, and nothing is sent or written", async () => {
    const folder = folderOf({ "s.jsonl": SUITE });
    const { code, told, sandbox } = await compare(["s.jsonl", "--dry-run", "--out", "out"], { folder });
    expect(code).toBe(0);
    expect(told).toMatch(/about \$\d/);
    expect(sandbox?.requests.filter(({ method }) => method === "POST")).toEqual([]);
    expect(existsSync(join(folder, "out"))).toBe(false);
  });

  test("a budget is not overrun, and what there is is a report", async () => {
    const folder = folderOf({ "s.jsonl": SUITE });
    const { code, printed } = await compare(["s.jsonl", "--max-usd", "0.004", "--out", "out"], { folder });
    expect(code).toBe(1);
    const report = reportIn(join(folder, "out"));
    expect(report).toMatchObject({ state: "partial", stopped: { why: "budget" } });
    expect(Number(report.spend.total_pico_usd) / 1e12).toBeLessThanOrEqual(0.004);
    const runs = report.targets.reduce((sum, { sums }) => sum + sums.runs, 0);
    expect(runs).toBeGreaterThan(0);
    expect(runs).toBeLessThan(36);
    for (const { sums } of report.targets) expect(sums.runs + sums.not_run).toBe(12);
    expect(printed).toContain("--resume");
    // With more money it goes on where it was, and nothing is paid twice.
    const again = await compare(["--resume", "out", "--max-usd", "5"], { folder });
    expect(again.code).toBe(0);
    const whole = reportIn(join(folder, "out"));
    expect(whole).toMatchObject({ state: "whole", run: { sessions: 2 } });
    for (const { sums } of whole.targets) expect(sums.runs).toBe(12);
  }, 60_000);

  test("whoever interrupts it has the report of what there is, and what was cut off is paid and told apart", async () => {
    const folder = folderOf({ "s.jsonl": SUITE.repeat(1) });
    const stop = new AbortController();
    const { code } = await compare(["s.jsonl", "--repeats", "40", "--out", "out"], {
      folder,
      stopped: stop.signal,
      // The first line of progress: some runs have ended, others are on their way.
      onTold: (text) => void (text.includes(" runs, $") && stop.abort()),
    });
    expect(code).toBe(1);
    const report = reportIn(join(folder, "out"));
    expect(report).toMatchObject({ state: "partial", stopped: { why: "interrupted" } });
    expect(report.targets.reduce((sum, { sums }) => sum + sums.runs, 0)).toBeGreaterThan(0);
    expect(report.spend.total_pico_usd).toBe(ledgerTotal(join(folder, "out")));
  }, 60_000);

  test("after a kill it is resumed: every run once, and every picodollar of the ledger in the report", async () => {
    const folder = folderOf({ "s.jsonl": SUITE });
    const out = join(folder, "out");
    const main = join(import.meta.dirname, "../bench/compare/main.ts");
    const child = spawn(process.execPath, [main, "s.jsonl", "--sandbox", "--repeats", "20", "--out", out], {
      cwd: folder,
      env: { PATH: process.env["PATH"] },
      stdio: "ignore",
    });
    const journal = join(out, "runs.jsonl");
    await until(() => existsSync(journal) && readFileSync(journal, "utf8").split('"run"').length > 20, 30_000);
    child.kill("SIGKILL");
    await new Promise((resolve) => void child.once("exit", resolve));
    // The line that was being written.
    appendFileSync(journal, '{"run":{"at":3,"sui');
    const before = readFileSync(journal, "utf8")
      .split("\n")
      .filter((line) => line.startsWith('{"run"') && line.endsWith("}")).length;
    expect(before).toBeLessThan(720);
    const { code } = await compare(["--resume", "out"], { folder });
    expect(code).toBe(0);
    const report = reportIn(out);
    expect(report).toMatchObject({ state: "whole", run: { sessions: 2 } });
    for (const { sums } of report.targets) expect(sums.runs).toBe(240);
    expect(report.rows).toHaveLength(36);
    for (const row of report.rows) expect(row.runs).toBe(20);
    const csv = readFileSync(join(out, "report.csv"), "utf8").trim().split("\n").slice(1);
    expect(new Set(csv.map((line) => line.split(",").slice(0, 5).join(","))).size).toBe(720);
    expect(report.spend.total_pico_usd).toBe(ledgerTotal(out));
  }, 120_000);

  test("what was changed since is not gone on with", async () => {
    const folder = folderOf({ "s.jsonl": SUITE });
    await compare(["s.jsonl", "--max-usd", "0.004", "--out", "out"], { folder });
    appendFileSync(join(folder, "s.jsonl"), '\n{"prompt": "one more", "expected": "1"}\n');
    const { code, told } = await compare(["--resume", "out"], { folder });
    expect(code).toBe(2);
    expect(told).toContain("the tasks are not what they were");
  }, 60_000);
});

/** By the gateway's own ledger, every attempt of this comparison. */
function ledgerTotal(folder: string): string {
  const database = new DatabaseSync(join(folder, "ledger.sqlite"), { readOnly: true });
  try {
    const row = database.prepare("SELECT CAST(sum(cost_pico_usd) AS TEXT) AS total FROM attempts").get();
    return String(row?.["total"]);
  } finally {
    database.close();
  }
}

test("a judge's cost is beside the targets', and it is of another lineage", async () => {
  const judged = { prompt: "Say something kind.", check: { kind: "judge", rubric: "It is kind." } };
  const folder = folderOf({ "s.jsonl": [1, 2, 3].map((id) => JSON.stringify({ ...judged, id })).join("\n") });
  const same = await compare(["s.jsonl", "--judge", "anthropic/claude-haiku-5-5"], { folder });
  expect(same.code).toBe(2);
  expect(same.told).toContain("same lineage (Anthropic) as current");
  const words = ["s.jsonl", "--targets", "current,nano", "--judge", "mistral/mistral-small-2603", "--out", "out"];
  const { code, sandbox } = await compare(words, { folder });
  const report = reportIn(join(folder, "out"));
  const bill = sandbox?.invoice.totals.find(({ provider }) => provider === "mistral");
  expect(code).toBe(0);
  expect(report.judge).toMatchObject({
    model: "mistral/mistral-small-2603",
    calls: 6,
    cost_pico_usd: String(bill?.costPicoUsd),
  });
  for (const { model } of report.targets) expect(model).not.toContain("mistral");
  expect(targetIn(report, "nano").sums.cost_pico_usd).toBe(
    String(sandbox?.invoice.totals.find(({ provider }) => provider === "openai")?.costPicoUsd),
  );
  // Without a judge it is said that nobody looked.
  const none = await compare(["s.jsonl", "--out", "none"], { folder });
  expect(none.printed).toContain("No --judge was named");
  expect(targetIn(reportIn(join(folder, "none")), "nano").sums).toMatchObject({ passed: 0, failed: 0, unchecked: 3 });
}, 60_000);

test("every official client holds conversations, calls tools and asks for schemas, also where the gateway translates", async () => {
  const turns = {
    id: "turns",
    prompt: "Remember seven.",
    next: ["And eight.", "Which came first?"],
    expected: "seven",
  };
  const folder = folderOf({ "turns.jsonl": JSON.stringify(turns) });
  const targets = [
    "ollama=ollama/qwen3:4b",
    "mistral=mistral/mistral-small-2603",
    "chat=openai/gpt-5.4-mini",
    // It thinks, and is asked for tools: the gateway goes by Responses.
    "responses=openai/gpt-5.6-terra",
    "claude=anthropic/claude-opus-5-5",
    "claude-by-openai=anthropic/claude-haiku-5-5@openai",
  ];
  const words = [
    "support-triage",
    "extraction",
    "turns.jsonl",
    "--limit",
    "2",
    "--targets",
    targets.join(","),
    "--out",
    "out",
  ];
  const { code } = await compare(words, { folder });
  expect(code).toBe(0);
  const { targets: reported } = reportIn(join(folder, "out"));
  expect(reported.map(({ client }) => client)).toEqual([
    "ollama",
    "@mistralai/mistralai",
    "openai",
    "openai",
    "@anthropic-ai/sdk",
    "openai",
  ]);
  for (const { sums, by_class: classes } of reported) {
    expect(sums.errors).toBe(0);
    // What a simulated model does wrong is its answer, never the form of it.
    for (const { kind } of sums.failures) expect(kind).toBe("wrong-answer");
    const callsOf = (name: string) => classes.find((one) => one.class === name)?.sums.calls_per_task;
    expect(callsOf("support-triage")).toBeGreaterThanOrEqual(4);
    expect(callsOf("extraction")).toBe(1);
    expect(callsOf("turns")).toBe(3);
    expect(sums.ttft_ms?.p50).toBeGreaterThan(0);
  }
}, 60_000);
