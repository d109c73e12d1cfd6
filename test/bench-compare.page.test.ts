/** `report.html`: what it says is what the report says, it needs nothing else, and nothing that a suite says is more than text. */
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { reportCommand } from "../bench/compare/page/command.ts";
import { pageOf } from "../bench/compare/page/page.ts";
import { pictureFile } from "../bench/compare/page/picture.ts";
import { TASKS_MAX } from "../bench/compare/page/tasks.ts";
import { reportSchema, type Report } from "../bench/compare/report.ts";
import { hostileReport } from "./hostile-report.ts";
import { madeReport } from "./made-report.ts";

const PLOTS = ["cost", "frontier", "cumulative", "tokens", "break-even", "utilization"];

describe("the page of a comparison", () => {
  const report = madeReport();
  const page = pageOf(report);

  test("is of a report that is one", () => {
    expect(reportSchema.safeParse(report).error).toBeUndefined();
  });

  test("is well formed", () => {
    expect(misfit(page)).toBe("");
  });

  test("needs no network, no font, no script", () => {
    expect(page).not.toMatch(/<script|<iframe|<object|<embed|<img|<a |@import|url\(|\son\w+=/i);
    expect(page).not.toMatch(/(?:src|href|action|xlink:href)="(?!data:,")/);
    expect(page).toContain("default-src 'none'");
    expect([...page.matchAll(/https?:/g)]).toEqual([]);
  });

  test("draws every plot twice, with a title, a description and a table", () => {
    for (const id of PLOTS) {
      for (const width of ["wide", "narrow"]) {
        const svg = new RegExp(`<svg[^>]*aria-labelledby="${id}-${width}-title"[^]*?</svg>`).exec(page)?.[0] ?? "";
        expect(svg, id).toContain(`<title id="${id}-${width}-title">`);
        expect(svg, id).toMatch(new RegExp(`<desc id="${id}-${width}-description">[^<]{10,}`));
        expect(svg, id).toMatch(/<(?:circle|rect|path)/);
      }
      expect(page, id).toMatch(new RegExp(`id="plot-${id}"[^]*?</figure><details><summary>The numbers</summary>`));
    }
    expect(page).not.toMatch(/NaN|Infinity|undefined|\[object/);
    const ids = [...page.matchAll(/\sid="([^"]+)"/g)].map(([, id]) => id);
    expect(new Set(ids).size).toBe(ids.length);
  });

  test("has the report's numbers", () => {
    const text = textOf(page);
    for (const { name, model, sums } of report.targets) {
      const { cost_per_task_usd: cost, pass_rate: rate } = sums;
      expect(text).toContain(`${name}${model}`);
      expect(text).toContain(`$${((cost.value ?? 0) * 1000).toFixed(2)}`);
      expect(text).toContain(`${((rate.value ?? 0) * 100).toFixed(1)} %`);
      expect(text).toContain(exact(sums.cost_pico_usd));
      expect(text).toContain(sums.tokens.cache_read.toLocaleString("en-US"));
    }
    for (const { sentences } of report.comparisons) for (const one of sentences) expect(text).toContain(one);
    for (const { sentence } of report.break_even[0]?.rivals ?? []) expect(text).toContain(sentence);
    expect(text).toContain(report.recommendation.sentence);
    expect(text).toContain(report.recommendation.policy_yaml.trim());
    expect(text).toContain(exact(report.spend.total_pico_usd));
    for (const said of [report.run.command, report.run.machine.cpu, report.run.id, "2026-11-25 10:00 UTC"])
      expect(text).toContain(said);
  });

  test("draws dots where the values are: twice the cost is twice as far", () => {
    const svg = /<svg[^>]*aria-labelledby="cost-wide-title"[^]*?<\/svg>/.exec(page)?.[0] ?? "";
    const dots = [...svg.matchAll(/<circle cx="([\d.]+)"/g)].map(([, x]) => Number(x));
    const zero = Number(/<line x1="([\d.]+)"[^>]*class="grid"\/>/.exec(svg)?.[1]);
    const costs = report.targets.map(({ sums }) => sums.cost_per_task_usd.value ?? 0);
    expect(dots).toHaveLength(3);
    for (const index of [1, 2])
      expect(((dots[index] ?? 0) - zero) / ((dots[0] ?? 0) - zero)).toBeCloseTo(
        (costs[index] ?? 0) / (costs[0] ?? 1),
        2,
      );
  });

  test("says in plain sight that it was simulated, and only then", () => {
    expect(textOf(page)).toMatch(/^Simulated\./);
    expect(page).toContain('<div class="banner"');
    const live = pageOf({ ...report, is_sandbox: false });
    expect(live).not.toMatch(/Simulated|class="banner"/);
  });

  test("says that it is not whole, and why", () => {
    const stopped = { why: "budget", sentence: "The budget of $5 is spent." } as const;
    const text = textOf(pageOf({ ...report, state: "partial", stopped }));
    expect(text).toContain("Not whole. The budget of $5 is spent.");
  });
});

describe("what a suite, a target or a command says", () => {
  const page = pageOf(hostileReport());

  test("is of a report that is one", () => {
    expect(reportSchema.safeParse(hostileReport()).error?.issues[0]).toBeUndefined();
  });

  test("is text and nothing else", () => {
    expect(misfit(page)).toBe("");
    expect(page).not.toMatch(/<script|<img|<a[\s>]|\sonerror="|href="j/i);
    const calm = new Set([...pageOf(madeReport({ tasks: 20 })).matchAll(/<([a-z]+)/g)].map(([, name]) => name));
    const found = new Set([...page.matchAll(/<([a-z]+)/g)].map(([, name]) => name));
    expect([...found].filter((name) => !calm.has(name))).toEqual([]);
    expect(page).toContain("&lt;script&gt;globalThis.attacked=1&lt;/script&gt;");
    expect(page).not.toContain("\u0000");
  });
});

describe("a comparison of very many tasks", () => {
  const long = "x".repeat(3000);
  let report: Report;
  let page: string;
  beforeAll(() => {
    report = madeReport({
      tasks: 100_000,
      repeats: 1,
      changed: { current: { passing: 2 }, nano: { passing: 2 } },
      taskName: (index) => `task ${index} ${long}`,
    });
    page = pageOf(report);
  });

  test("has a page that is not larger for it, and says how its tasks were chosen", () => {
    expect(report.rows_omitted).toBe(280_000);
    expect(page.length).toBeLessThan(500_000);
    const rows = page.match(/<th scope="row" class="task">/g) ?? [];
    expect(rows).toHaveLength(TASKS_MAX);
    expect(textOf(page)).toMatch(
      /300 of 100,000 tasks; report\.json has the first 6,66\d: 300, evenly, of \d+ in which a run did not pass\./,
    );
  });

  test("shows those first in which something did not pass", () => {
    const rare = madeReport({
      tasks: 1000,
      repeats: 1,
      changed: { current: { passing: 2 }, nano: { passing: 2 }, "self-hosted": { passing: 1.1 } },
    });
    const failing = rare.rows.filter((row) => row.failed > 0).map(({ task }) => task);
    expect(failing.length).toBeGreaterThan(0);
    expect(failing.length).toBeLessThan(TASKS_MAX);
    const text = textOf(pageOf(rare));
    expect(text).toContain(
      `300 of 1,000 tasks: all ${failing.length} in which a run did not pass, and ${300 - failing.length}, evenly, of the others.`,
    );
    for (const task of failing) expect(text).toContain(task);
  });
});

test("a report of nothing is a page all the same", () => {
  const nothing = { value: null, interval: null };
  const { recommendation, ...report } = madeReport({ tasks: 0 });
  const page = pageOf({
    ...report,
    recommendation: { ...recommendation, target: null, sentence: "Nothing was run.", by_class: [], policy_yaml: "" },
    targets: report.targets.map((target) => ({
      ...target,
      by_class: [],
      sums: {
        ...target.sums,
        cost_per_task_usd: nothing,
        cost_per_success_usd: nothing,
        pass_rate: nothing,
        cache_read_ratio: null,
        calls_per_task: null,
        ttft_ms: null,
        duration_ms: null,
      },
    })),
    frontier: report.targets.map(({ name }) => ({
      target: name,
      cost_per_task_usd: nothing,
      pass_rate: nothing,
      is_on_frontier: null,
    })),
    cumulative: [],
    break_even: [],
    comparisons: [],
  });
  expect(misfit(page)).toBe("");
  expect(page).not.toMatch(/NaN|Infinity|undefined/);
  const text = textOf(page);
  expect(text).toContain("No recommendation");
  expect(text).toContain("no volume from which one would pay");
});

describe("bench report", () => {
  let folder: string;
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), "sluice-page-"));
  });
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  test("draws the page beside the report, or where it is told to", () => {
    const file = join(folder, "report.json");
    writeFileSync(file, JSON.stringify(madeReport()));
    expect(reportCommand([file])).toEqual({ output: `${join(folder, "report.html")}\n`, problem: "", exitCode: 0 });
    expect(readFileSync(join(folder, "report.html"), "utf8")).toBe(pageOf(madeReport()));
    expect(reportCommand([file, "--html", join(folder, "other.html")]).exitCode).toBe(0);
    expect(existsSync(join(folder, "other.html"))).toBe(true);
    expect(reportCommand([file, "--svg", join(folder, "picture.svg")]).exitCode).toBe(0);
    expect(readFileSync(join(folder, "picture.svg"), "utf8")).toBe(pictureFile(madeReport()));
  });

  test.each([
    [[], /give one report\.json/],
    [["a.json", "b.json"], /give one report\.json/],
    [["--htm", "x"], /--help lists the flags/],
    [["nowhere.json"], /nowhere\.json: there is no such file/],
  ])("%j is refused in one line", (words, problem) => {
    const refused = reportCommand(words);
    expect(refused.exitCode).toBe(2);
    expect(refused.problem).toMatch(problem);
    expect(refused.problem.trimEnd()).not.toContain("\n");
  });

  test("does not write over the report, and not halfway where it cannot write", () => {
    const file = join(folder, "kept.json");
    writeFileSync(file, JSON.stringify(madeReport({ tasks: 5 })));
    expect(reportCommand([file, "--html", file])).toMatchObject({ exitCode: 2 });
    const nowhere = join(folder, "no", "such", "folder.html");
    expect(reportCommand([file, "--html", nowhere])).toMatchObject({ exitCode: 2 });
    expect(JSON.parse(readFileSync(file, "utf8"))).toMatchObject({ kind: "sluice-compare" });
  });
});

describe("the picture of a comparison", () => {
  test("is one SVG file that needs nothing else and says whether it was simulated", () => {
    const picture = pictureFile(madeReport());
    expect(picture).toMatch(/^<svg xmlns="http:\/\/www\.w3\.org\/2000\/svg" [^]*<\/svg>\n$/);
    expect(misfit(picture)).toBe("");
    expect(picture).not.toMatch(/<script|<image|href=|url\(|NaN|undefined/);
    expect(picture).toContain("prefers-color-scheme:dark");
    expect(picture).toContain("Simulated: prices and bills");
    expect(pictureFile({ ...madeReport(), is_sandbox: false })).not.toContain("Simulated");
    expect(misfit(pictureFile(hostileReport()))).toBe("");
  });
});

/** What a reader sees, without the style. */
function textOf(page: string): string {
  return page
    .replace(/^[^]*<body>/, "")
    .replaceAll(/<(?!\/)(?:p|li|h\d|dd|div)[^>]*>/g, "")
    .replaceAll(/<[^>]*>/g, "")
    .replaceAll("&lt;", "<")
    .replaceAll("&gt;", ">")
    .replaceAll("&quot;", '"')
    .replaceAll("&amp;", "&")
    .replaceAll("\u202F%", " %")
    .trim();
}

function exact(pico: string): string {
  return `$${(Number(pico) / 1e12).toFixed(12).replace(/0+$/, "")}`;
}

/** The first element that is not closed as it was opened, or attribute that is not in quotes; "" where all fit. */
function misfit(page: string): string {
  const open: string[] = [];
  const body = page.replace("<!doctype html>", "").replace(/<style>[^<]*<\/style>/, "");
  for (const [tag, close, name = "", attributes = "", own] of body.matchAll(/<(\/?)([a-z]+\d?)([^<>]*?)(\/?)>/g)) {
    if (!/^(?:\s[\w:-]+="[^"<>]*")*$/.test(attributes)) return tag;
    if (own === "/") continue;
    if (close === "") open.push(name);
    else if (open.pop() !== name) return tag;
  }
  const stray = /<(?![/a-z])|&(?!(?:amp|lt|gt|quot);)/.exec(body);
  return open[0] ?? stray?.[0] ?? "";
}
