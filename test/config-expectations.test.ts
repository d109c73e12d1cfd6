/** What the config says of pinned reports: what is expected by it, and what would be right where it is wrong. */
import { describe, expect, test } from "vitest";
import { seeded } from "../bench/trace/random.ts";
import { providerKinds } from "../providers/index.ts";
import { ConfigError, loadConfig, printableConfig, type Config } from "../src/config.ts";
import { pinnedReport, USUAL } from "./pinned-report.ts";

const whole = pinnedReport(40, USUAL, seeded(1));
const FILES: Readonly<Record<string, string>> = {
  "report.json": JSON.stringify(whole),
  "sandbox.json": JSON.stringify({ ...whole, is_sandbox: true, state: "partial" }),
  "few.json": JSON.stringify(pinnedReport(4, USUAL, seeded(1))),
  "elsewhere.json": JSON.stringify(pinnedReport(40, USUAL, seeded(1), { model: "mistral/mistral-small-2603" })),
  "old.json": JSON.stringify({ ...whole, version: 0 }),
  "many.json": JSON.stringify({
    ...whole,
    targets: whole.targets.map((target) => ({
      ...target,
      by_class: Array.from({ length: 201 }, (_, at) => ({ class: `c${at}`, sums: target.by_class[0]?.sums })),
    })),
    rows: whole.rows
      .slice(0, 10)
      .flatMap((row) => Array.from({ length: 201 }, (_, at) => ({ ...row, class: `c${at}` }))),
  }),
};

function load(classes: string): Config {
  const { config } = loadConfig({
    arguments: ["check", "--config", "conf/sluice.yaml"],
    environment: { KEY: "sk-1234567890" },
    folder: "/nowhere",
    kinds: providerKinds,
    readFile(path) {
      if (path.endsWith(".yaml")) return `providers: { openai: { apiKeyEnv: KEY } }\nclasses: ${classes}\n`;
      const text = FILES[path.replace("/nowhere/conf/", "")];
      if (text === undefined) throw Object.assign(new Error("no such file"), { code: "ENOENT" });
      return text;
    },
  });
  return config;
}

function problems(classes: string): readonly string[] {
  try {
    load(classes);
    return [];
  } catch (error) {
    if (error instanceof ConfigError) return error.problems;
    throw error;
  }
}

describe("`classes.<name>.expect`", () => {
  test("is a report beside the config's file, and what it holds of the class is expected", () => {
    const config = load("{ triage: { expect: report.json } }");
    expect(config.warnings).toEqual([]);
    expect(config.expectations).toMatchObject([
      { className: "triage", target: "openai/gpt-5.4-nano", report: "report.json", tasks: 40 },
    ]);
    expect(Object.keys(config.expectations[0]?.measures ?? {})).toEqual([
      "tokens",
      "cost",
      "refusals",
      "schema-failures",
    ]);
    expect(printableConfig(config)).toContain("report: report.json");
    expect(load("{}").expectations).toEqual([]);
  });

  test("may call the class otherwise, know it by its name, or be of all that begin so; who says most of one keeps it", () => {
    const classesOf = (classes: string) => load(classes).expectations.map(({ className }) => className);
    expect(classesOf("{ tickets: { expect: { report: report.json, class: triage } } }")).toEqual(["tickets"]);
    expect(classesOf("{ c-4f2a90b1c3d7: { name: triage, expect: report.json } }")).toEqual(["c-4f2a90b1c3d7"]);
    expect(classesOf('{ "tri*": { expect: report.json } }')).toEqual(["triage"]);
    const [high] = load(
      '{ "*": { expect: { report: report.json, tolerance: 1 } }, triage: { expect: report.json } }',
    ).expectations;
    expect(high?.measures.tokens?.high).toBe(
      load("{ triage: { expect: report.json } }").expectations[0]?.measures.tokens?.high,
    );
  });

  test("says at the start what is to be known of it", () => {
    expect(load("{ triage: { expect: sandbox.json } }").warnings).toEqual([
      "`classes.triage.expect`: sandbox.json is of the simulator: what is expected by it is made up",
      "`classes.triage.expect`: sandbox.json is of a comparison that was not finished",
    ]);
  });

  test.each([
    ["{ triage: { expect: gone.json } }", "`classes.triage.expect`: gone.json cannot be read (ENOENT)"],
    [
      "{ triage: { expect: old.json } }",
      "`classes.triage.expect`: old.json is a report of version 0; this reads version 1",
    ],
    [
      "{ extract: { expect: report.json } }",
      "`classes.extract.expect`: report.json has no class `extract`; it has `triage` (`expect: { report, class }` says which)",
    ],
    [
      '{ "bulk-*": { expect: report.json } }',
      "`classes.bulk-*.expect`: report.json has no class that begins as `bulk-*`; it has `triage`",
    ],
    [
      '{ "tri*": { expect: { report: report.json, class: triage } } }',
      "`classes.tri*.expect.class`: several classes cannot be one of the report's; give it to each",
    ],
    [
      "{ triage: { expect: few.json } }",
      "`classes.triage.expect`: few.json has run fewer than 10 tasks of it: nothing can be expected by that",
    ],
    [
      "{ triage: { expect: elsewhere.json } }",
      "`classes.triage.expect`: elsewhere.json is of `mistral/mistral-small-2603`: no provider of these is configured",
    ],
    [
      '{ "c*": { expect: many.json } }',
      "`classes.<name>.expect`: 201 pairs of class and target are expected something of, and 200 at most are watched: name the classes that matter",
    ],
    [
      "{ triage: { expect: { file: report.json } } }",
      "conf/sluice.yaml:2:22: `classes.triage.expect` must be a `report.json`, or `{ report, class, tolerance }`",
    ],
  ])("as %s says what is wrong", (classes, problem) => {
    expect(problems(classes)).toEqual([problem]);
  });
});
