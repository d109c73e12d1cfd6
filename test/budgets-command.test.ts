/** `sluice budgets`, against a gateway on a socket. */
import { afterAll, beforeAll, expect, test } from "vitest";
import { startSandbox, type RunningSandbox } from "../bench/sandbox/index.ts";
import { budgetReport } from "../src/budgets/report.ts";
import { budgetsCommand, type BudgetsParts } from "../src/budgets-command.ts";
import { call } from "./line-client.ts";
import { startGateway, type RunningGateway } from "./running.ts";

const KEY = "batch-key-0123456789";
const YAML = `keys: [ { name: batch, keyEnv: BATCH_KEY } ]
budgets:
  - { name: all, window: day, limitUsd: 5 }
  - { name: small, scope: key, window: 24h, limitUsd: 0.000001, action: block }
  - { name: seen, tag: department }`;

let sandbox: RunningSandbox;
let gateway: RunningGateway;
beforeAll(async () => {
  sandbox = await startSandbox({ port: 0 });
  const environment = { OPENAI_API_KEY: "sk-simulated-1", OPENAI_BASE_URL: `${sandbox.url}/openai/v1`, BATCH_KEY: KEY };
  gateway = await startGateway({ environment: { ...environment, LOG_LEVEL: "silent" }, yaml: YAML });
  await call(gateway.url, "/v1/chat/completions", {
    headers: { authorization: `Bearer ${KEY}` },
    body: { model: "openai/gpt-5.4-nano", max_tokens: 5, messages: [{ role: "user", content: "hi" }] },
  });
});
afterAll(async () => {
  await gateway.close();
  await sandbox.close();
});

const parts = (change: Partial<BudgetsParts> = {}): BudgetsParts => ({
  environment: { SLUICE_API_KEY: KEY },
  listen: () => ({ host: "0.0.0.0", port: Number(new URL(gateway.url).port) }),
  ask: (url, headers) => fetch(url, { headers }),
  ...change,
});

test("prints a line for each budget, and ends with 0 where none has reached its limit", async () => {
  const { exitCode, output, problem } = await budgetsCommand([], parts());
  expect(problem).toBe("");
  const lines = output.trimEnd().split("\n");
  expect(lines[0]).toMatch(/^BUDGET +OF +WINDOW +SPENT +RESERVED +LIMIT +LEFT +STATE$/);
  expect(lines[1]).toMatch(/^all +everything +day from \d{4}-\d\d-\d\dT00:00Z +\$0 +\$0 +\$5.00 +\$5.00 +within$/);
  expect(lines[2]).toMatch(/^small +batch +since .* \$0.0000010 .* 1 refused$/);
  expect(exitCode).toBe(0);
});

test("ends with 1 where one has reached its limit", async () => {
  const [one] = gateway.sluice.budgets.states();
  if (one === undefined) throw new Error("there is none");
  const reached = budgetReport({ ...one, spent: one.rule.limit ?? 0n, standing: "reached" }, () => undefined);
  const ask = async () => Response.json({ data: [reached] });
  const { exitCode, output } = await budgetsCommand([], parts({ ask }));
  expect(exitCode).toBe(1);
  expect(output).toContain("$0  reached");
});

test("gives programs the answer as it is", async () => {
  const { output } = await budgetsCommand(["--json", "--url", gateway.url], parts());
  expect((JSON.parse(output) as { data: unknown[] }).data).toHaveLength(3);
});

test.each<[string, readonly string[], Partial<BudgetsParts>, string]>([
  ["no key", [], { environment: {} }, "SLUICE_API_KEY"],
  ["nobody there", ["--url", "http://127.0.0.1:1"], {}, "no gateway answers at http://127.0.0.1:1"],
  ["any port", [], { listen: () => ({ host: "127.0.0.1", port: 0 }) }, "--url"],
  ["a flag that is none", ["--jsn"], {}, "--jsn"],
])("with %s it says what would be right, and ends with 2", async (_, given, change, word) => {
  const { exitCode, problem } = await budgetsCommand(given, parts(change));
  expect(exitCode).toBe(2);
  expect(problem).toContain(word);
});
