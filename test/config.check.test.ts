/** `sluice check`: the effective config for people, without secrets; and the schema for editors. */
import { execFileSync } from "node:child_process";
import { describe, expect, test } from "vitest";
import { parse } from "yaml";
import { providerKinds } from "../providers/index.ts";
import { loadConfig, printableConfig } from "../src/config.ts";
import { nearest } from "../src/nearest.ts";

const SECRETS = {
  OPENAI_API_KEY: "sk-openai-0123456789",
  TENANT_TOKEN: "tenant-token-0123456789",
  APP_KEY: "app-key-0123456789",
  SLUICE_API_KEYS: "client-key-0123456789",
  PATH_PART: "path-part-0123456789",
};

const FILE = `
keys:
  - { name: app, keyEnv: APP_KEY }
  - { name: job, keyFile: job-key }
providers:
  openai:
    headers:
      x-tenant: "\${TENANT_TOKEN}"
      authorization: "Bearer \${PATH_PART}"
      x-plain: plain-header-value
    baseUrl: https://proxy.example.com/\${TENANT_TOKEN}/\${PATH_PART}/v1
  claude:
    kind: anthropic
    apiKeyFile: claude-key
  vllm:
    baseUrl: http://127.0.0.1:9
    models:
      org/model: { contextTokens: 9000, price: { input: 0.1, output: 0.4 } }
      org/other: {}
aliases: { fast: gpt-5.4-nano, gone: mistral-small-2603 }
`;
const FILES: Readonly<Record<string, string>> = {
  "sluice.yaml": FILE,
  "claude-key": "sk-ant-file-0123456789\n",
  "job-key": "job-key-0123456789\n",
};

describe("what is printed", () => {
  const text = printed(SECRETS, FILES);

  test("holds no secret, wherever it came from and wherever it stands", () => {
    const secrets = [
      ...Object.values(SECRETS),
      FILES["claude-key"] ?? "",
      FILES["job-key"] ?? "",
      "plain-header-value",
    ];
    for (const secret of secrets) expect(text).not.toContain(secret.trim());
    expect(text).toContain("https://proxy.example.com/[redacted]/[redacted]/v1");
    // Nor their hashes: a short key is guessed from one.
    expect(text).not.toMatch(/[0-9a-f]{64}/);
  });

  test("says where each is from", () => {
    expect(parse(text)).toMatchObject({
      keys: [
        { name: "app", key: "set (from APP_KEY)" },
        { name: "job", key: "set (from job-key)" },
        { name: expect.stringMatching(/^key-[0-9a-f]{6}$/), key: "set (from SLUICE_API_KEYS)" },
      ],
      providers: {
        openai: {
          kind: "openai",
          apiKey: "set (from OPENAI_API_KEY)",
          headers: { "x-tenant": "set", authorization: "set", "x-plain": "set" },
        },
        claude: { kind: "anthropic", apiKey: "set (from claude-key)", baseUrls: ["https://api.anthropic.com"] },
        vllm: { kind: "vllm", apiKey: "none" },
      },
    });
  });

  test("is YAML with every section, defaults included", () => {
    const value = parse(text) as Record<string, unknown>;
    for (const name of [
      "listen",
      "data",
      "log",
      "models",
      "aliases",
      "policy",
      "deadlines",
      "retries",
      "breaker",
      "limits",
    ])
      expect(value).toHaveProperty(name);
    expect(value).toMatchObject({ limits: { concurrency: 1024 }, aliases: { fast: ["gpt-5.4-nano"] }, strict: false });
  });

  test("tells what each configured model costs, and that nobody knows what another one does", () => {
    expect(parse(text)).toMatchObject({
      providers: {
        vllm: {
          models: {
            "org/model": { contextTokens: 9000, prices: [{ inputUncached: 0.1, output: 0.4 }] },
            "org/other": { prices: "unpriced" },
          },
        },
      },
    });
  });

  test("begins with what is worth saying", () => {
    expect(text.split("\n")[0]).toContain(
      "# warning: `aliases.gone`: model `mistral-small-2603` belongs to provider `mistral`",
    );
  });

  test("says that the sandbox answers where nobody else does", () => {
    expect(printed({}, {})).toContain("# no provider is configured: the sandbox answers");
    expect(text).not.toContain("sandbox");
  });

  function printed(environment: Readonly<Record<string, string>>, files: Readonly<Record<string, string>>): string {
    const readFile = (path: string) => {
      const content = files[path.slice("/home/gateway/".length)];
      if (content === undefined) throw Object.assign(new Error("no such file"), { code: "ENOENT" });
      return content;
    };
    const { config } = loadConfig({
      arguments: ["check"],
      environment,
      folder: "/home/gateway",
      kinds: providerKinds,
      readFile,
    });
    return printableConfig(config);
  }
});

describe("the schema for editors", () => {
  const script = new URL("../src/config-json-schema.ts", import.meta.url).pathname;
  const schema = JSON.parse(execFileSync(process.execPath, [script], { encoding: "utf8" })) as {
    $schema: string;
    additionalProperties: boolean;
    properties: Record<string, { description?: string; required?: readonly string[] }>;
  };

  test("is JSON Schema, takes no unknown key, requires nothing, and says what each section is for", () => {
    expect(schema.$schema).toContain("json-schema.org");
    expect(schema.additionalProperties).toBe(false);
    expect(schema).not.toHaveProperty("required");
    expect(Object.keys(schema.properties)).toEqual(
      expect.arrayContaining(["listen", "data", "keys", "providers", "models", "aliases", "policy", "ledger"]),
    );
    for (const [name, section] of Object.entries(schema.properties)) {
      expect(section.description, name).toBeDefined();
      expect(section, name).not.toHaveProperty("required");
    }
  });
});

describe("the names that someone probably meant", () => {
  const known = ["openai/gpt-5.4-nano", "gpt-5.4-nano", "gpt-5.4-mini", "claude-haiku-5-5", "listen"];

  test.each([
    ["gtp-5.4-nano", "gpt-5.4-nano"],
    ["GPT-5.4-NANO", "gpt-5.4-nano"],
    ["claude-haiku", "claude-haiku-5-5"],
    ["lisen", "listen"],
    ["5.4-nano", "gpt-5.4-nano"],
  ])("%s: %s", (name, meant) => {
    expect(nearest(name, known, 1)).toEqual([meant]);
  });

  test("are the nearest first, and no more than asked for", () => {
    expect(nearest("gpt-5.4-nan", known, 2)).toEqual(["gpt-5.4-nano", "gpt-5.4-mini"]);
  });

  test.each(["", "x", "completely-different", "zzzzzz"])("nobody is meant by %j", (name) => {
    expect(nearest(name, known)).toEqual([]);
  });

  test("a long name costs no more than a short one", () => {
    const startedAt = performance.now();
    nearest(
      "x".repeat(1_000_000),
      Array.from({ length: 500 }, (_, index) => `model-${index}`.repeat(50)),
    );
    expect(performance.now() - startedAt).toBeLessThan(2_000);
  });
});
