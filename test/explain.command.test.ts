/**
 * `sluice explain` as people use it: the table, and what it says of what it cannot explain.
 *
 * A difference of the golden files is read before it is accepted (`npx vitest run --dir test explain.command -u`).
 */
import { execFile } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { promisify } from "node:util";
import { afterEach, describe, expect, test } from "vitest";
import { EXPLAIN_USAGE } from "../src/explain/command.ts";
import { createEstimates } from "../src/tasks/estimates.ts";
import { observed } from "./ended-tasks.ts";
import { explained, explainedJson, type ExplainGiven } from "./explain-given.ts";

const NOW_MS = Date.UTC(2026, 10, 22, 9);
const LONG =
  "house/an-open-model-with-a-name-that-says-all-of-its-parameters-and-then-some-123B-A10B-Instruct-2609-AWQ";
const YAML = `
providers:
  small: { kind: openai, baseUrl: "http://127.0.0.1:9/v1" }
  large: { kind: anthropic, baseUrl: "http://127.0.0.1:9/v1", residency: eu }
  house:
    kind: vllm
    baseUrl: "http://127.0.0.1:9"
    models: { ${LONG.slice(6)}: { contextTokens: 100000 } }
models:
  gpt-6-luna: { price: { input: 0.25, cacheRead: 0.025, output: 2 } }
  claude-haiku-4-5: { price: { input: 1, cacheRead: 0.1, cacheWrite: 1.25, output: 5 } }
classes:
  triage: { targets: [small/gpt-6-luna, large/claude-haiku-4-5], successLeast: 0.8, failureUsd: 0.02 }
  mixed: { targets: [small/gpt-6-luna, large/claude-haiku-4-5, ${LONG}], deny: [small], policy: cheapest-task }
  checked: { targets: [small/gpt-6-luna, large/claude-haiku-4-5], cascade: { targets: claude-haiku-4-5 } }
  listed: { targets: [large/claude-haiku-4-5, ${LONG}], policy: ordered }
`;
const REQUEST = JSON.stringify({
  model: "auto",
  max_tokens: 400,
  messages: [
    { role: "system", content: "You sort tickets. ".repeat(60) },
    { role: "user", content: "The printer is on fire." },
  ],
});
const GIVEN: ExplainGiven = {
  yaml: YAML,
  environment: { OPENAI_API_KEY: "sk-0123456789", ANTHROPIC_API_KEY: "sk-ant-0123456789" },
  files: { "request.json": REQUEST },
  now: () => NOW_MS,
};

const folders: string[] = [];
afterEach(() => {
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true, force: true });
});

function folder(): string {
  const made = mkdtempSync(join(tmpdir(), "sluice-explain-"));
  folders.push(made);
  return made;
}

/** A data folder whose ledger has kept these states. */
function kept(states: Readonly<Record<string, unknown>>): string {
  const made = folder();
  const database = new DatabaseSync(join(made, "ledger.sqlite"));
  database.exec("CREATE TABLE states (name TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT");
  const insert = database.prepare("INSERT INTO states VALUES (?, ?)");
  for (const [name, value] of Object.entries(states)) {
    insert.run(name, typeof value === "string" ? value : JSON.stringify(value));
  }
  database.close();
  return made;
}

function learned(): string {
  const estimates = createEstimates();
  observed(estimates, 24, { target: "small/gpt-6-luna", success: 0.5, turns: 6, growth: 700, readShare: 0.8 });
  observed(estimates, 9, { target: "large/claude-haiku-4-5", success: 1, turns: 3, growth: 400, readShare: 0.9 });
  return kept({ "task-estimates": { keptAtMs: NOW_MS - 42_000, estimates: estimates.snapshot() } });
}

async function table(given: ExplainGiven, ...flags: readonly string[]): Promise<string> {
  const { exitCode, output, problem } = await explained(given, ...flags, "request.json");
  expect([exitCode, problem]).toEqual([0, ""]);
  for (const line of output.split("\n")) expect(line.length).toBeLessThanOrEqual(120);
  return output;
}

describe("the table", () => {
  test("of a class that something was learned of, in the middle of a task", async () => {
    const flags = ["--data", learned(), "--class", "triage", "--turns", "2", "--incumbent", "small/gpt-6-luna"];
    const output = await table(GIVEN, ...flags);
    await expect(output).toMatchFileSnapshot("golden/explain-learned.txt");
  });

  test("of a class that nothing is known of, with what may not be called, has no price, and has a long name", async () => {
    const output = await table(GIVEN, "--data", "nowhere", "--class", "mixed");
    expect(output).toContain("nothing learned: assumptions (there is no ledger at nowhere/ledger.sqlite)");
    await expect(output).toMatchFileSnapshot("golden/explain-assumed.txt");
  });

  test("of a policy that weighs nothing", async () => {
    const output = await table(GIVEN, "--data", "nowhere", "--class", "listed");
    await expect(output).toMatchFileSnapshot("golden/explain-ordered.txt");
  });

  test("of a class that asks others first, and goes on where their answers do not do", async () => {
    const output = await table(GIVEN, "--data", "nowhere", "--class", "checked");
    expect(output).toContain("`auto` would go to large/claude-haiku-4-5, by the policy cheapest-task");
    expect(output).toContain(
      "its class asks, until an answer passes its checks: large/claude-haiku-4-5, then small/gpt-6-luna",
    );
    expect(output).toMatch(/why: cheapest-task: small\/gpt-6-luna \$/);
  });

  test("of a model that the client names, and of one that may not be called", async () => {
    const named = { ...GIVEN, files: { "request.json": REQUEST.replace('"auto"', '"small/gpt-6-luna"') } };
    expect(await table(named, "--data", "nowhere")).toContain("nothing was weighed: small/gpt-6-luna, $0.");
    const refused = await table(named, "--data", "nowhere", "--class", "mixed");
    expect(refused).toContain("`small/gpt-6-luna` would be refused: 403, forbidden");
    expect(refused).toContain("denied (small)");
  });

  test("says that what was kept cannot be read, and goes on by assumptions", async () => {
    for (const [states, why] of [
      [{ "task-estimates": "{" }, /nothing learned: assumptions \(what .* kept of it cannot be read\)/s],
      [{}, /nothing learned: assumptions \(no task has ended yet by what .* keeps\)/s],
    ] as const) {
      const output = await table(GIVEN, "--data", kept(states), "--class", "triage");
      expect(output.replaceAll(/\n\s*/g, " ")).toMatch(why);
    }
  });

  test("knows a class by the name that an operator gave it", async () => {
    const data = kept({
      "task-classes": { uses: [["c-0123456789ab", 3]], names: [["c-0123456789ab", "night-shift"]] },
    });
    expect(await table(GIVEN, "--data", data, "--class", "night-shift")).toContain(
      "class night-shift (c-0123456789ab)",
    );
    const json = await explainedJson(GIVEN, "--data", data, "--class", "night-shift", "request.json");
    expect(json).toMatchObject({ class: "c-0123456789ab", class_name: "night-shift", exchange: null, tried: [] });
  });
});

describe("what cannot be explained is one line and exit code 2", () => {
  const files = {
    "request.json": REQUEST,
    "broken.json": '{"model": "auto", "messages": [',
    "secret.json": '{"model": "auto", "messages": sk-secret-0123456789}',
    "list.json": "[1]",
    "number.json": "7",
    "nothing.json": "",
    "no-dialect.json": '{"model": "auto"}',
    "no-model.json": '{"messages": [{"role": "user", "content": "Hello"}]}',
    "unknown-model.json": '{"model": "lunar", "messages": [{"role": "user", "content": "Hello"}]}',
    "wrong.json": '{"model": "auto", "messages": [{"role": "user", "content": 7}]}',
  };
  const given: ExplainGiven = { ...GIVEN, files };
  const keys: ExplainGiven = {
    ...given,
    yaml: `${YAML}\nkeys: [{ name: web, keyEnv: WEB }, { name: batch, keyEnv: BATCH }]`,
    environment: { ...GIVEN.environment, WEB: "web-0123456789", BATCH: "batch-0123456789" },
  };
  const notOne = /name one file, or - for standard input/;
  test.each<readonly [what: string, given: ExplainGiven, flags: readonly string[], says: RegExp]>([
    ["no file", given, [], notOne],
    ["two files", given, ["request.json", "list.json"], notOne],
    ["a file that is not there", given, ["gone.json"], /gone\.json: cannot be read \(ENOENT\)/],
    ["a file that ends too early", given, ["broken.json"], /broken\.json: no JSON: it ends too early/],
    ["no JSON", given, ["secret.json"], /secret\.json: no JSON at line 1, column \d+$/],
    ["an empty file", given, ["nothing.json"], /nothing\.json: is empty/],
    ["a list", given, ["list.json"], /list\.json: no request body; a JSON object is expected/],
    ["a number", given, ["number.json"], /no request body/],
    ["a body of no dialect", given, ["no-dialect.json"], /say which by --dialect \(openai-chat, /],
    ["a dialect that is not there", given, ["--dialect", "openai-chatt", "request.json"], /did you mean openai-chat\?/],
    ["a body without a model", given, ["no-model.json"], /`model` is missing/],
    [
      "a model that is not there",
      given,
      ["unknown-model.json", "--data", "nowhere"],
      /`lunar`.*(house was not asked for models)/,
    ],
    ["a body that is wrong", given, ["wrong.json"], /wrong\.json: .*content.*\(taken for openai-chat/],
    [
      "a class that nobody knows",
      given,
      ["--class", "triagge", "request.json"],
      /no class is called `triagge`.*did you mean `triage`\? there are triage, mixed/,
    ],
    ["a class that is no name", given, ["--class", "a class", "request.json"], /letters, digits and \. _ : - only/],
    [
      "a key where there is none",
      given,
      ["--key", "web", "request.json"],
      /no key is called `web`: the config has no keys/,
    ],
    ["a key that is not there", keys, ["--key", "wep", "request.json"], /did you mean `web`\? there are web, batch/],
    ["one of several keys that is not said", keys, ["request.json"], /say by --key whose request it is: web, batch/],
    [
      "a target that is not there",
      given,
      ["--incumbent", "smal/x", "request.json"],
      /--incumbent: no provider is called `smal`; did you mean `small/,
    ],
    [
      "a name for several targets",
      given,
      ["--incumbent", "auto", "request.json"],
      /`auto` is not one target \(`auto` chooses from /,
    ],
    ["turns below zero", given, ["--turns=-1", "request.json"], /--turns is how many/],
    ["turns that are no number", given, ["--turns", "two", "request.json"], /--turns is how many/],
    ["a flag that is not there", given, ["--klass", "x"], /'--klass'.*\(--help says which there are\)/],
    ["a flag without its value", given, ["request.json", "--class"], /'--class.*--help/],
    [
      "a wrong config",
      { ...given, yaml: "classes: { triage: { polisy: x } }" },
      ["request.json"],
      /the configuration: .*`classes\.triage\.polisy` is not an option/,
    ],
    ["no provider", { ...given, yaml: "", environment: {} }, ["request.json"], /no provider is configured/],
    ["an exchange and a file", given, ["--exchange", "x", "request.json"], /not both/],
    ["an exchange and a class", given, ["--exchange", "x", "--class", "triage"], /--class is for a request/],
    [
      "an exchange where there is no ledger",
      given,
      ["--exchange", "x", "--data", "nowhere"],
      /there is no ledger at nowhere\/ledger\.sqlite/,
    ],
    ["an exchange that is no id", given, ["--exchange", "a b", "--data", "nowhere"], /no such exchange/],
  ])("%s", async (_, parts, flags, says) => {
    const { exitCode, output, problem } = await explained(parts, ...flags);
    expect([exitCode, output]).toEqual([2, ""]);
    expect(problem).toMatch(/^sluice explain: [^\n]+\n$/);
    expect(problem.trimEnd()).toMatch(says);
    expect(problem).not.toContain("sk-secret");
  });

  test("a file that is no ledger", async () => {
    const data = folder();
    writeFileSync(join(data, "ledger.sqlite"), "no database".repeat(500));
    const { exitCode, problem } = await explained(GIVEN, "--data", data, "request.json");
    expect(exitCode).toBe(2);
    expect(problem).toMatch(
      /^sluice explain: .*ledger\.sqlite: it cannot be read as a ledger \(file is not a database\)[^\n]*\n$/,
    );
  });
});

test("`--help` says what there is, and reads nothing", async () => {
  const { exitCode, output } = await explained({ yaml: "wrong: true" }, "--help");
  expect([exitCode, output]).toEqual([0, EXPLAIN_USAGE]);
});

test("is one of sluice's commands, and reads standard input", async () => {
  const data = folder();
  writeFileSync(join(data, "sluice.yaml"), YAML);
  const running = promisify(execFile)(
    process.execPath,
    [join(import.meta.dirname, "../src/main.ts"), "explain", "--class", "triage", "-"],
    { cwd: data, env: GIVEN.environment },
  );
  running.child.stdin?.end(REQUEST);
  const { stdout } = await running;
  expect(stdout).toContain("`auto` would go to small/gpt-6-luna, by the policy cheapest-task");
});
