/** What the config says of budgets: the rules that it makes, and what is told to whoever gets it wrong. */
import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { providerKinds } from "../providers/index.ts";
import { budgetRules } from "../src/config-budgets.ts";
import { ConfigError, loadConfig } from "../src/config.ts";

const YAML = "keys: [ { name: batch, keyEnv: BATCH_KEY, team: search } ]\n";

function load(text: string) {
  const environment = { BATCH_KEY: "batch-key-0123456789", OPENAI_API_KEY: "sk-1" };
  const options = { arguments: [], environment, folder: "/nowhere", kinds: providerKinds, readFile: () => YAML + text };
  return loadConfig(options).config;
}

function problems(text: string): string {
  try {
    load(text);
  } catch (error) {
    if (error instanceof ConfigError) return error.problems.join("\n");
    throw error;
  }
  throw new Error("it is taken");
}

test("each entry is a rule, with a name of its own and exact money", () => {
  const { budgets } = load(`budgets:
  - { limitUsd: 500 }
  - { scope: key, of: "*", window: day, timeZone: Europe/Paris, limitUsd: 0.1, action: block, notifyAt: [1, 0.5] }
  - { tag: department, window: 90m }
  - { name: down, scope: class, of: "triage-*", window: week, limitUsd: 2, action: downgrade, taskUsd: 0.01 }
  - { scope: provider, of: openai, limitUsd: 5, unpricedUsdPerMillionTokens: 10 }`);
  expect(budgetRules(budgets)).toEqual([
    {
      name: "global-month",
      scope: "global",
      window: { kind: "calendar", unit: "month", timeZone: "UTC" },
      limit: 500_000_000_000_000n,
      action: "notify",
      notifyAt: [0.8, 1],
    },
    {
      name: "key-day",
      scope: "key",
      window: { kind: "calendar", unit: "day", timeZone: "Europe/Paris" },
      limit: 100_000_000_000n,
      action: "block",
      notifyAt: [0.5, 1],
    },
    {
      name: "department-90m",
      scope: "tag",
      tag: "department",
      window: { kind: "rolling", lengthMs: 5_400_000 },
      action: "notify",
      notifyAt: [0.8, 1],
    },
    {
      name: "down",
      scope: "class",
      of: "triage-*",
      window: { kind: "calendar", unit: "week", timeZone: "UTC" },
      limit: 2_000_000_000_000n,
      action: "downgrade",
      taskLimit: 10_000_000_000n,
      notifyAt: [0.8, 1],
    },
    {
      name: "provider-openai-month",
      scope: "provider",
      of: "openai",
      window: { kind: "calendar", unit: "month", timeZone: "UTC" },
      limit: 5_000_000_000_000n,
      action: "notify",
      notifyAt: [0.8, 1],
      unpricedPerToken: 10_000_000n,
    },
  ]);
});

test("the example of the documentation loads", () => {
  const page = readFileSync(new URL("../docs/budgets.md", import.meta.url), "utf8");
  const [, example = ""] = /^```yaml\n([^]*?)^```$/m.exec(page) ?? [];
  expect(load(example).budgets).toHaveLength(6);
});

describe("what is wrong is told with what would be right", () => {
  test.each([
    ["{ limitUsd: 0 }", ["budgets[0].limitUsd", "more than 0", "leave the option out to count only"]],
    ["{ limitUsd: -5 }", ["budgets[0].limitUsd", "more than 0"]],
    ['{ limitUsd: "5" }', ["budgets[0].limitUsd", "a number of US dollars"]],
    ["{ window: fortnight }", ["budgets[0].window", "hour, day, week, month", "24h"]],
    ["{ window: 400d }", ["budgets[0].window", "366d"]],
    ["{ timeZone: Europe/Pari }", ["budgets[0].timeZone", "Europe/Paris"]],
    ["{ action: block }", ["budgets[0].limitUsd", "needs a limit"]],
    ["{ action: downgrade, limitUsd: 1 }", ["budgets[0].taskUsd", "needs what a task may cost"]],
    ["{ limitUsd: 1, taskUsd: 1 }", ["budgets[0].taskUsd", "`action: downgrade` only"]],
    ["{ scope: target, action: downgrade, limitUsd: 1, taskUsd: 1 }", ["budgets[0].action", "`block`"]],
    ["{ scope: tag }", ["budgets[0].tag", "which field"]],
    ["{ scope: key, tag: a }", ["budgets[0].tag", "`scope: tag`"]],
    ["{ of: batch }", ["budgets[0].of", "`scope`"]],
    ["{ scope: key, of: bach }", ["budgets[0].of", "no key is called `bach`", "did you mean `batch`?"]],
    ["{ scope: team, of: sales }", ["budgets[0].of", "no team is called `sales`", "search"]],
    ["{ scope: provider, of: opnai }", ["budgets[0].of", "did you mean `openai`?"]],
    ["{ scope: class, of: 'a*b' }", ["budgets[0].of", "at its end only"]],
    ["{ limitUsd: 1 }, { limitUsd: 2 }", ["budgets[1].name", "`global-month`"]],
    ["{ limtUsd: 1 }", ["budgets[0]", "limitUsd"]],
  ])("%s", (rows, words) => {
    const told = problems(`budgets: [ ${rows} ]`);
    for (const word of words) expect(told).toContain(word);
  });
});
