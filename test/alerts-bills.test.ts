/** Past bills are read as they are written down, and what is wrong with them is named by its line. */
import { describe, expect, test } from "vitest";
import { readBills } from "../src/alerts/bills.ts";
import { loadConfig } from "../src/config.ts";
import { providerKinds } from "../providers/index.ts";

const USD = 1_000_000_000_000n;

describe("bills", () => {
  test("of months are so much a day, each by its days", () => {
    expect(bills("period,usd\n2026-02,280\n2026-03,310\n2026-04,3000\n")).toEqual(
      new Map([["", { ofDay: 10n * USD }]]),
    );
  });

  test("of many days tell days of the week apart", () => {
    const days = Array.from(
      { length: 28 },
      (_, at) => `2026-06-${String(at + 1).padStart(2, "0")},${at % 7 >= 5 ? "1.50" : "100"}`,
    );
    const [own] = [...(bills(["period,usd", ...days].join("\r\n"))?.values() ?? [])];
    expect(own?.byWeekday?.map((amount) => Number(amount) / 1e12)).toEqual([100, 100, 100, 100, 100, 1.5, 1.5]);
  });

  test("may be of values, quoted, in any order of columns, behind a mark of their encoding", () => {
    const read = bills('\uFEFFvalue,USD,Period\n"batch, nightly",30,2026-06\nweb,60,2026-06\n');
    expect(read).toEqual(
      new Map([
        ["batch, nightly", { ofDay: USD }],
        ["web", { ofDay: 2n * USD }],
      ]),
    );
  });

  test.each([
    ["", ["line 1: must be a header with `period` and `usd` (and `value`, if each is of one)"]],
    ["period,usd\n", ["has no bill"]],
    ["period,usd\n2026-06,-3\n", ["line 2: `usd` is below 0: leave credits out, they say nothing of what is spent"]],
    [
      "period,usd\n2026-06,$3\n2026-13,3\nJune,3\n2026-02-30,3",
      [
        "line 2: `usd` must be a number of dollars, as 1234.56",
        "line 3: `period` is not in the calendar",
        "line 4: `period` must be a month (2026-09) or a day (2026-09-14)",
        "line 5: `period` is not in the calendar",
      ],
    ],
    [
      'period,usd\n2026-06,3,4\n2026-07,"3',
      ["line 2: has 3 columns, and the header 2", "line 3: a quote is not closed"],
    ],
    ["period,usd\n2026-06,3\n\n2026-06,4", ["line 4: line 2 has the same period and value"]],
  ])("%j are refused", (text, problems) => {
    expect(readBills(text)).toEqual({ problems });
  });

  test("that are wrong by the thousand are not all told", () => {
    const read = readBills(["period,usd", ...Array<string>(1_000).fill("x,1")].join("\n"));
    expect("problems" in read ? read.problems.length : 0).toBe(11);
  });

  function bills(text: string) {
    const read = readBills(text);
    return "bills" in read ? read.bills : undefined;
  }
});

describe("the config's alerts", () => {
  test("watch each day, in all and by key, where nothing is said", () => {
    expect(load("").alertRules.map(({ name, levels, baseline }) => [name, levels, baseline.kind])).toEqual([
      ["global-day", [1.5], "learned"],
      ["key-day", [1.5], "learned"],
    ]);
    expect(load("alerts: { watch: [] }").alertRules).toEqual([]);
  });

  test("take numbers and bills, and their own levels", () => {
    const rules = load(
      "alerts: { levels: [3, 1.5, 3], watch: [{ window: month, baseline: { fixedUsd: 1000 } }, { scope: team, window: month, levels: [2], baseline: { importedFrom: bills.csv } }] }",
    ).alertRules;
    expect(rules[0]).toMatchObject({ levels: [1.5, 3], baseline: { kind: "fixed", amount: 1_000n * USD } });
    expect(rules[1]).toMatchObject({ levels: [2], baseline: { kind: "imported" } });
  });

  test.each([
    ["watch: [{ baseline: { fixedUsd: 0 } }]", "more than 0"],
    ["watch: [{ baseline: { importedFrom: none.csv } }]", "none.csv cannot be read (ENOENT)"],
    ["watch: [{ baseline: { importedFrom: wrong.csv } }]", "wrong.csv, line 2: `usd` is below 0"],
    ["watch: [{}, {}]", "two watches are called `global-day`"],
    ["watch: [{ tag: project }]", "no budget is of `project`"],
    ["levels: [1]", "more than 1"],
    ["confidence: 0.2", ">=0.5"],
    ["timeZone: Mars/Base", "no time zone"],
  ])("%s is refused", (yaml, message) => {
    expect(() => load(`alerts: { ${yaml} }`)).toThrow(message);
  });

  test("that learn from more than the ledger keeps are warned of", () => {
    expect(load("ledger: { keepDays: 7 }").warnings.join()).toContain("alerts learn from 14 days");
  });

  function load(yaml: string) {
    const files: Record<string, string> = {
      "/etc/sluice.yaml": yaml,
      "/etc/bills.csv": "period,value,usd\n2026-06,search,300\n",
      "/etc/wrong.csv": "period,usd\n2026-06,-1\n",
    };
    return loadConfig({
      arguments: [],
      environment: {},
      folder: "/etc",
      kinds: providerKinds,
      readFile(path) {
        const text = files[path];
        if (text === undefined) throw Object.assign(new Error(path), { code: "ENOENT" });
        return text;
      },
    }).config;
  }
});
