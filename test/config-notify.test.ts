/** What `notify` may say, and what is told of what it may not. */
import { describe, expect, test } from "vitest";
import { providerKinds } from "../providers/index.ts";
import { ConfigError, loadConfig, printableConfig, type Config } from "../src/config.ts";

const ENVIRONMENT = {
  HOOK_SECRET: "a secret of sixteen or more",
  SLACK_URL: "https://hooks.slack.example/services/T0/B0/s3cret",
  TOKEN: "t0ken-of-ours-123",
};

function load(yaml: string, environment: Readonly<Record<string, string>> = ENVIRONMENT): Config {
  const readFile = (path: string) => {
    if (path.endsWith("sluice.yaml")) return yaml;
    if (path === "/etc/sluice/hook") return "whsec_MDEyMzQ1Njc4OWFiY2RlZg==\n";
    throw Object.assign(new Error("no such file"), { code: "ENOENT" });
  };
  return loadConfig({ arguments: [], environment, folder: "/etc/sluice", kinds: providerKinds, readFile }).config;
}

function problems(yaml: string, environment?: Readonly<Record<string, string>>): string {
  try {
    load(yaml, environment);
  } catch (error) {
    if (error instanceof ConfigError) return error.message;
    throw error;
  }
  return "";
}

const one = (fields: string) => `notify: [{ ${fields} }]\n`;

test("a webhook, Slack and an Alertmanager, with what they need and no more", () => {
  const config = load(`notify:
  - { kind: webhook, url: "https://hooks.example/sluice", secretEnv: HOOK_SECRET }
  - { kind: slack, urlEnv: SLACK_URL, tells: [budgets] }
  - { name: am-1, kind: alertmanager, url: "http://127.0.0.1:9093", tokenEnv: TOKEN, resendMs: 30000 }
  - { name: files, kind: webhook, url: "https://files.example", secretFile: hook }
`);
  expect(config.notify).toMatchObject([
    { name: "webhook", kind: "webhook", url: "https://hooks.example/sluice", secret: ENVIRONMENT.HOOK_SECRET },
    { name: "slack", kind: "slack", url: ENVIRONMENT.SLACK_URL, tells: ["budgets"] },
    { name: "am-1", kind: "alertmanager", token: ENVIRONMENT.TOKEN, resendMs: 30_000, tells: ["alerts", "budgets"] },
    { name: "files", secret: "whsec_MDEyMzQ1Njc4OWFiY2RlZg==" },
  ]);
  expect(config.notify[0]).toMatchObject({ allowPrivate: false, timeoutMs: 10_000, resendMs: 60_000 });
  expect(config.warnings).toEqual([]);
  const printed = printableConfig(config);
  expect(printed).not.toMatch(/s3cret|t0ken|secret of sixteen|MDEyMzQ1/);
  expect(printed).toContain("url: set (from SLACK_URL)");
  expect(printed).toContain("secret: set (from HOOK_SECRET)");
  expect(printed).toContain("url: https://hooks.example/sluice");
});

test("what is behind an address's `?` is not printed", () => {
  const config = load(one('kind: webhook, url: "https://a.example/x?token=abcdef", secretEnv: HOOK_SECRET'));
  expect(printableConfig(config)).not.toContain("abcdef");
});

describe("problems", () => {
  test.each([
    ["no address", "kind: webhook", "is needed once: one of `url`, `urlEnv`, `urlFile`"],
    ["two addresses", 'kind: webhook, url: "https://a.example", urlEnv: SLACK_URL', "is needed once"],
    ["no kind", 'url: "https://a.example"', "`notify[0].kind`"],
    ["a kind that is none", 'kind: pager, url: "https://a.example"', "webhook"],
    ["Slack's address in the file", 'kind: slack, url: "https://hooks.slack.example/s3cret"', "`urlEnv`"],
    ["a signed Slack", "kind: slack, urlEnv: SLACK_URL, secretEnv: HOOK_SECRET", "goes with `kind: webhook`"],
    ["two secrets", 'kind: webhook, url: "https://a.example", secretEnv: HOOK_SECRET, secretFile: hook', "say one"],
    ["a variable that is not there", "kind: slack, urlEnv: NOT_THERE", "the environment has no NOT_THERE"],
    ["a file that is not there", 'kind: webhook, url: "https://a.example", secretFile: nowhere', "nowhere is empty"],
    ["another protocol", 'kind: webhook, url: "ftp://a.example"', "https:// or http://"],
    ["a password in it", 'kind: webhook, url: "https://me:pass@a.example"', "has a name or password in it"],
    ["a cloud's metadata", 'kind: webhook, url: "http://169.254.169.254/latest"', "link-local"],
    ["nothing to tell", 'kind: webhook, url: "https://a.example", tells: []', "must have at least one item"],
    ["no time", 'kind: webhook, url: "https://a.example", timeoutMs: 0', "timeoutMs"],
    [
      "a secret itself",
      'kind: webhook, url: "https://a.example", secret: "s3cret"',
      "secrets are not written into this file",
    ],
  ])("%s", (_name, fields, problem) => {
    const told = problems(one(fields));
    expect(told).toContain(problem);
    expect(told).not.toContain("s3cret");
  });

  test("two channels of one name", () => {
    const told = problems(
      'notify: [{ kind: webhook, url: "https://a.example" }, { kind: webhook, url: "https://b.example" }]',
    );
    expect(told).toContain("two channels are called `webhook`");
  });

  test("a secret that is too short to be one", () => {
    const short = { ...ENVIRONMENT, HOOK_SECRET: "whsec_c2hvcnQ=" };
    const told = problems(one('kind: webhook, url: "https://a.example", secretEnv: HOOK_SECRET'), short);
    expect(told).toContain("the secret from HOOK_SECRET (`notify[0]`) is too short");
    expect(told).not.toContain("c2hvcnQ");
  });
});

test("what is not wrong and yet worth saying: nothing signed, nothing encrypted", () => {
  const unsigned = load(one('kind: webhook, url: "https://a.example"')).warnings;
  expect(unsigned.join()).toContain("`notify[0]` is not signed");
  const plain = load(one('kind: webhook, url: "http://a.example", secretEnv: HOOK_SECRET')).warnings;
  expect(plain.join()).toContain("`notify[0]` goes over http://");
});
