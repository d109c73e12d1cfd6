/** What the config says of classes, keys and places: what it takes, and what would be right where it is wrong. */
import { describe, expect, test } from "vitest";
import { parse } from "yaml";
import { providerKinds } from "../providers/index.ts";
import { ConfigError, loadConfig, printableConfig, type Config } from "../src/config.ts";

const PROVIDERS = `providers:
  eu: { kind: openai, apiKeyEnv: KEY, residency: eu }
  openai: { apiKeyEnv: KEY }
aliases: { small: openai/gpt-5.4-nano }
`;

function load(text: string): Config {
  const { config } = loadConfig({
    arguments: [],
    environment: { KEY: "sk-1234567890", APP: "app-key-0123456789" },
    folder: "/nowhere",
    kinds: providerKinds,
    readFile: () => PROVIDERS + text,
  });
  return config;
}

function problems(text: string): readonly string[] {
  try {
    load(text);
    return [];
  } catch (error) {
    if (error instanceof ConfigError) return error.problems;
    throw error;
  }
}

describe("a class", () => {
  test("says in a few lines what holds for its tasks, and `check` shows it", () => {
    const config = load(`classes:
  triage: { targets: [small, eu/gpt-5.4], policy: cheapest-task, successLeast: 0.8, failureUsd: 0.02, residency: eu }
  "bulk-*": { allow: openai, deny: "eu/*", totalP95Ms: 9000, firstTokenP95Ms: 800, switchMargin: 0.2, trials: { usdPerDay: 1.5 } }
`);
    expect(config.warnings).toEqual([]);
    expect(config.classes["triage"]).toMatchObject({ targets: ["small", "eu/gpt-5.4"], residency: ["eu"] });
    expect(config.classes["bulk-*"]).toMatchObject({ allow: ["openai"], deny: ["eu/*"], trials: { usdPerDay: 1.5 } });
    const shown = parse(printableConfig(config)) as Record<string, Record<string, unknown>>;
    expect(shown["classes"]?.["triage"]).toMatchObject({ successLeast: 0.8 });
    expect(shown["providers"]?.["eu"]).toMatchObject({ residency: "eu" });
  });

  test.each([
    ["classes: { triage: { polici: ordered } }", "`classes.triage.polici` is not an option; did you mean `policy`?"],
    [
      "classes: { triage: { policy: cheapest } }",
      "`classes.triage.policy`: there is no policy `cheapest`; did you mean cheapest-task?",
    ],
    [
      "classes: { triage: { targets: [auto] } }",
      "`classes.triage.targets`: `auto` is not a target but a question for one",
    ],
    ["classes: { triage: { targets: [] } }", "`classes.triage.targets` must have at least one item"],
    ["classes: { triage: { targets: 5 } }", "`classes.triage.targets` must be a target or a list of targets"],
    ["classes: { triage: { successLeast: 90 } }", "successLeast"],
    ["classes: { triage: { totalP95Ms: 1.5 } }", "totalP95Ms"],
    ["classes: { triage: { failureUsd: -1 } }", "failureUsd"],
    ["classes: { triage: { trials: { usdPerDay: much } } }", "usdPerDay"],
    ["classes: { triage: { trials: 5 } }", "trials"],
    [
      "classes: { triage: { deny: 'a b' } }",
      "must be a target (`eu/mistral-small`), a provider (`eu`), or how targets begin",
    ],
    [
      "classes: { triage: { deny: opena } }",
      "`classes.triage.deny`: no provider is called `opena`; did you mean `openai`?",
    ],
    [
      "classes: { triage: { allow: ['opena*', 'openia/gpt'] } }",
      "no provider is called `openia`; did you mean `openai`?",
    ],
    [
      "classes: { triage: { residency: us } }",
      "`classes.triage.residency`: no provider keeps data in `us` (`providers.<name>.residency` says where each does: eu)",
    ],
    [
      'classes: { "tri age": {} }',
      "must be a class (letters, digits and . _ : -, at most 128 characters), how several begin (`triage-*`), or `*` for all",
    ],
    ['classes: { "tri*": { name: x } }', "names one class; give it to its id (`c-…`), not to several"],
    [`classes: { ${"x".repeat(10_000)}: {} }`, "at most 128 characters"],
  ])("%.60s is told what would be right", (text, message) => {
    expect(problems(text).join("\n")).toContain(message);
  });

  test("may name a target or a provider that is not configured here: it is warned", () => {
    const { warnings } = load("classes: { triage: { targets: [mistral-small-2603], deny: huggingface } }");
    expect(warnings.join("\n")).toContain(
      "`classes.triage.targets`: model `mistral-small-2603` belongs to provider `mistral`",
    );
    expect(warnings.join("\n")).toContain(
      "`classes.triage.deny`: no provider is called `huggingface`; there are eu, openai",
    );
  });

  test.each([
    [
      "cascade: { targets: [openai/gpt-5.4-nano, mistral-small-2603] }",
      "cascade.targets`: model `mistral-small-2603` belongs",
    ],
    ["cascade: { reviewers: gtp-5.4 }", "cascade.reviewers`: no model is called `gtp-5.4`; did you mean `gpt-5.4`"],
    [
      "crossCheck: { reviewers: [small, openay/gpt-5.4] }",
      "crossCheck.reviewers`: no provider is called `openay`; did you mean `openai/…`?",
    ],
    [
      "allow: openai/gpt-5.4-nani",
      "allow`: `openai/gpt-5.4-nani` is no model that is known of `openai`; did you mean `openai/gpt-5.4-nano`?",
    ],
    [
      "deny: [eu/gtp-5.4-*]",
      "deny`: no model that is known of `eu` begins as `eu/gtp-5.4-*` says; did you mean `eu/gpt-5.4`?",
    ],
  ])("%s is warned that nothing is behind a name", (row, message) => {
    const { warnings } = load(`classes: { triage: { ${row} } }`);
    expect(warnings).toEqual([expect.stringContaining(`\`classes.triage.${message}`)]);
  });

  test("is not warned of names that lead somewhere", () => {
    const row =
      "cascade: { targets: [small, openai/gpt-5.4-mini], reviewers: eu/gpt-5.4 }, crossCheck: { reviewers: small }";
    const rules = "allow: [openai/gpt-5.4-nano, eu/gpt-*, openai/*, o*, eu], deny: [openai/gpt-5.4-mini]";
    expect(load(`classes: { triage: { ${row}, ${rules} } }`).warnings).toEqual([]);
  });

  test("may not have the question for a target checked by a question", () => {
    expect(problems("classes: { triage: { cascade: { targets: auto } } }")).toEqual([
      "`classes.triage.cascade.targets`: `auto` is not a target but a question for one",
    ]);
  });
});

describe("a key", () => {
  test("is warned of a model in its rules that nobody knows", () => {
    expect(load("keys: [{ name: app, keyEnv: APP, allow: [eu/gpt-5.4-nanoo] }]").warnings).toEqual([
      "`keys.app.allow`: `eu/gpt-5.4-nanoo` is no model that is known of `eu`; did you mean `eu/gpt-5.4-nano`?",
    ]);
  });

  test("has rules of its own, which `check` shows without the key", () => {
    const config = load("keys: [{ name: app, keyEnv: APP, residency: [eu], deny: openai }]");
    expect(config.keys[0]?.rules).toEqual({ residency: ["eu"], deny: ["openai"] });
    const shown = printableConfig(config);
    expect((parse(shown) as Config).keys[0]).toMatchObject({ name: "app", residency: ["eu"], deny: ["openai"] });
    expect(shown).not.toContain("app-key-0123456789");
  });

  test("without any goes anywhere", () => {
    expect(load("keys: [{ name: app, keyEnv: APP }]").keys[0]?.rules).toBeUndefined();
  });

  test("that names who is not there is told so", () => {
    expect(problems("keys: [{ name: app, keyEnv: APP, allow: oepnai }]")).toEqual([
      "`keys.app.allow`: no provider is called `oepnai`; did you mean `openai`?",
    ]);
  });
});
