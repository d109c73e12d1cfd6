/** Without a file: flags and variables, which providers they give, and who may call. */
import { inspect } from "node:util";
import { createHash } from "node:crypto";
import { describe, expect, test } from "vitest";
import { providerKinds } from "../providers/index.ts";
import { ConfigError, loadConfig, USAGE, type Config, type LoadedConfig } from "../src/config.ts";
import { authenticate } from "../src/exchange.ts";

const FAKE = "http://127.0.0.1:9999";

describe("providers", () => {
  test("there are none: the sandbox answers", () => {
    expect(config().providers).toEqual([]);
    // An address alone is not a credential, and a credential set to nothing is none.
    expect(
      config({ OPENAI_BASE_URL: FAKE, ANTHROPIC_BASE_URL: FAKE, MISTRAL_API_KEY: " ", VLLM_API_KEY: "k" }).providers,
    ).toEqual([]);
  });

  test.each([
    [{ OPENAI_API_KEY: "k" }, "openai", ["https://api.openai.com/v1"], "k"],
    [{ ANTHROPIC_API_KEY: "k" }, "anthropic", ["https://api.anthropic.com"], "k"],
    [{ MISTRAL_API_KEY: "k" }, "mistral", ["https://api.mistral.ai/v1"], "k"],
    [{ GROQ_API_KEY: "k" }, "groq", ["https://api.groq.com/openai/v1"], "k"],
    [{ OLLAMA_HOST: "gpu.lan" }, "ollama", ["http://gpu.lan:11434"], undefined],
    [{ VLLM_BASE_URL: "http://a:8000" }, "vllm", ["http://a:8000/v1"], undefined],
    [{ VLLM_BASE_URL: "http://a:8000", VLLM_API_KEY: "k" }, "vllm", ["http://a:8000/v1"], "k"],
    [{ OPENAI_COMPATIBLE_BASE_URL: FAKE }, "openai-compatible", [`${FAKE}/v1`], undefined],
  ])("%j", (environment, kind, baseUrls, apiKey) => {
    const { providers } = config(environment);
    expect(providers).toHaveLength(1);
    expect(providers[0]).toMatchObject({ name: kind, kind, settings: { baseUrls } });
    expect(providers[0]?.settings.apiKey).toBe(apiKey);
  });

  test("several may point at one address, each with its own path below it", () => {
    const { providers } = config({
      OPENAI_API_KEY: "a",
      OPENAI_BASE_URL: FAKE,
      ANTHROPIC_API_KEY: "b",
      ANTHROPIC_BASE_URL: FAKE,
      MISTRAL_API_KEY: "c",
      MISTRAL_BASE_URL: FAKE,
      OLLAMA_HOST: FAKE,
      VLLM_BASE_URL: FAKE,
    });
    expect(providers.map(({ name, settings }) => [name, settings.baseUrls[0]])).toEqual([
      ["openai", `${FAKE}/v1`],
      ["anthropic", FAKE],
      ["mistral", `${FAKE}/v1`],
      ["vllm", `${FAKE}/v1`],
      ["ollama", FAKE],
    ]);
  });

  test("replicas are separated by commas, with or without spaces, empty ones left out", () => {
    const { providers } = config({ VLLM_BASE_URL: "http://a:8000, http://b:8000/v1/ ,,http://c:8000/" });
    expect(providers[0]?.settings.baseUrls).toEqual(["http://a:8000/v1", "http://b:8000/v1", "http://c:8000/v1"]);
  });

  test.each([
    ["VLLM_BASE_URL", "gpu.lan:8000", "`VLLM_BASE_URL`: that is not a URL; it must begin with https:// or http://"],
    ["VLLM_BASE_URL", "//gpu.lan", "`VLLM_BASE_URL`: that is not a URL"],
    ["OLLAMA_HOST", "not a host", "`OLLAMA_HOST`: that is not a URL"],
  ])("%s=%s is told by the variable's name", (name, value, problem) => {
    expect(problems({ [name]: value }).join("\n")).toContain(problem);
  });

  test("a key that no header can carry is told, and not repeated", () => {
    const told = problems({ OPENAI_API_KEY: "sk-first\nsk-second" }).join("\n");
    expect(told).toContain("the key from OPENAI_API_KEY");
    expect(told).not.toMatch(/sk-first|sk-second/);
  });

  test("white space around a value is not part of it", () => {
    expect(config({ OPENAI_API_KEY: " sk-key\n" }).providers[0]?.settings.apiKey).toBe("sk-key");
  });

  test("a key that would travel in the clear over the internet is warned of; within one's own networks it is not", () => {
    const warned = (url: string) => config({ OPENAI_API_KEY: "k", OPENAI_BASE_URL: url }).warnings;
    expect(warned("http://gateway.example.com")).toEqual([
      expect.stringContaining("provider `openai` is called over http"),
    ]);
    expect(warned("http://8.8.8.8")).toHaveLength(1);
    for (const own of [
      "https://gateway.example.com",
      FAKE,
      "http://10.0.0.7",
      "http://gpu",
      "http://a.internal",
      "http://[fd00::1]",
    ])
      expect(warned(own), own).toEqual([]);
  });

  test("in the file take the place of the environment's; a file that says nothing of them does not", () => {
    const environment = { OPENAI_API_KEY: "a", ANTHROPIC_API_KEY: "b" };
    expect(config(environment, [], "strict: true").providers.map(({ name }) => name)).toEqual(["openai", "anthropic"]);
    expect(config(environment, [], "providers: { anthropic: {} }").providers.map(({ name }) => name)).toEqual([
      "anthropic",
    ]);
    expect(config(environment, [], "providers: {}").providers).toEqual([]);
  });

  test("of the file take their kind's variables where the file does not say", () => {
    const text =
      "providers:\n  eu: { kind: openai }\n  us: { kind: openai, apiKeyEnv: US_KEY, baseUrl: https://us.example.com/v1 }\n";
    const { providers } = config({ OPENAI_API_KEY: "a", US_KEY: "b", OPENAI_BASE_URL: FAKE }, [], text);
    expect(providers.map(({ name, settings }) => [name, settings.apiKey, settings.baseUrls])).toEqual([
      ["eu", "a", [`${FAKE}/v1`]],
      ["us", "b", ["https://us.example.com/v1"]],
    ]);
  });

  test("of the file may describe models, on top of what the table says of its own", () => {
    const text = `providers:
  openai: { models: { gpt-5.4-nano: { price: { input: 1, output: 2 } } } }
  vllm: { baseUrl: http://a, models: { gpt-5.4-nano: { contextTokens: 9 }, org/model: { maxOutputTokens: 5 } } }`;
    const { providers } = config({ OPENAI_API_KEY: "a" }, [], text);
    const [own] = providers[0]?.models ?? [];
    expect(own).toMatchObject({ id: "gpt-5.4-nano", provider: "openai", maxInputTokens: 272_000 });
    // Another one's model of the same name says nothing of this server's.
    const [same, other] = providers[1]?.models ?? [];
    expect(same).toMatchObject({ id: "gpt-5.4-nano", provider: "vllm", contextTokens: 9, prices: [] });
    expect(same).not.toHaveProperty("maxInputTokens");
    expect(other).toMatchObject({ id: "org/model", cache: { kind: "local", stepTokens: 16 }, prices: [] });
  });
});

describe("where it listens", () => {
  test("a flag comes before the environment, the environment before the file", () => {
    const text = "listen: { port: 1001, host: 127.0.0.3 }";
    expect(config({}, [], text).listen).toEqual({ host: "127.0.0.3", port: 1001 });
    expect(config({ PORT: "1002", HOST: "127.0.0.2" }, [], text).listen).toEqual({ host: "127.0.0.2", port: 1002 });
    expect(config({ PORT: "1002" }, ["--port", "1003", "--host=localhost"], text).listen).toEqual({
      host: "localhost",
      port: 1003,
    });
  });

  test.each(["127.0.0.1", "127.8.9.10", "localhost", "::1", "[::1]", "LOCALHOST"])(
    "%s is this machine alone",
    (host) => {
      expect(config({ HOST: host }).listen.host).toBe(host);
    },
  );

  test.each(["0.0.0.0", "::", "192.168.1.5", "gateway.lan", "127.0.0.1.example.com", "localhost.example.com"])(
    "%s is not, and needs client keys",
    (host) => {
      expect(problems({ HOST: host })).toEqual([expect.stringContaining(`HOST is ${host}, where others can call`)]);
      expect(config({ HOST: host, SLUICE_API_KEYS: "k" }).listen.host).toBe(host);
    },
  );

  test.each(["-1", "65536", "1.5", "http", "0x50", "8 0"])("%j is no port", (port) => {
    expect(problems({ PORT: port })).toEqual([`the port is \`${port}\`; it must be a number from 0 to 65535`]);
  });

  test("a port of 0 is a free one; a port of nothing is none", () => {
    expect(config({ PORT: "0" }).listen.port).toBe(0);
    expect(config({ PORT: "", HOST: "" }).listen).toEqual({ host: "127.0.0.1", port: 8787 });
  });
});

describe("the ledger's folder and the log's level", () => {
  test("the variable comes before the file, and begins where it is started", () => {
    expect(config().data).toBe("/home/gateway/.sluice");
    expect(config({}, [], "data: ledger").data).toBe("/home/gateway/ledger");
    expect(config({ SLUICE_DATA: "mine" }, [], "data: ledger").data).toBe("/home/gateway/mine");
    expect(config({ SLUICE_DATA: "/var/lib/sluice" }).data).toBe("/var/lib/sluice");
  });

  test("a level in any case", () => {
    expect(config({ LOG_LEVEL: "WARN" }, [], "log: { level: debug }").log.level).toBe("warn");
    expect(config({}, [], "log: { level: debug }").log.level).toBe("debug");
  });
});

describe("who may call", () => {
  test("keys of the environment have names for the ledger, whatever their order; only their hashes are kept", () => {
    const { keys } = config({ SLUICE_API_KEYS: " first-key , second-key,, first-key" });
    expect(keys.map(({ name }) => name)).toEqual(["key-f0f5d8", "key-ba9131"]);
    expect(config({ SLUICE_API_KEYS: "second-key" }).keys.map(({ name }) => name)).toEqual(["key-ba9131"]);
    expect(inspect(config({ SLUICE_API_KEYS: "first-key" }), { depth: 9 })).not.toContain("first-key");
    expect(authenticate(new Headers({ authorization: "Bearer second-key" }), keys)).toMatchObject({
      name: "key-ba9131",
    });
    expect(authenticate(new Headers({ "x-api-key": "first-key" }), keys)).toMatchObject({ name: "key-f0f5d8" });
    expect(() => authenticate(new Headers({ authorization: "Bearer second-ke" }), keys)).toThrow(
      "not one that this gateway knows",
    );
    expect(() => authenticate(new Headers(), keys)).toThrow("no API key was sent");
  });

  test("keys of the file come from a variable, a file, or are hashes already", () => {
    const text = `keys:
  - { name: app, keyEnv: APP_KEY }
  - { name: job, keyFile: job-key }
  - { name: ops, sha256: 2BB80D537B1DA3E38BD30361AA855686BDE0EACD7162FEF6A25FE97BF527A25B }`;
    const { keys } = config({ APP_KEY: "app-key", SLUICE_API_KEYS: "env-key" }, [], text, { "job-key": "file-key\n" });
    const nameOf = (key: string) => authenticate(new Headers({ "x-api-key": key }), keys).name;
    expect(["app-key", "file-key", "secret", "env-key"].map(nameOf)).toEqual(["app", "job", "ops", "key-6c18ce"]);
  });

  test.each([
    ["keys: [{ name: app, keyEnv: NOPE }]", "the client key `app` is to come from NOPE, which is empty or not there"],
    ["keys: [{ name: app, keyFile: nope }]", "the client key `app` is to come from nope, which is empty or not there"],
    [
      "keys: [{ name: app, keyFile: empty }]",
      "the client key `app` is to come from empty, which is empty or not there",
    ],
    ["keys: [{ name: app, keyEnv: A }, { name: app, keyEnv: A }]", "two client keys are called `app`"],
    [
      "keys: [{ name: key-023909, keyEnv: A }]",
      "the client key `key-023909` of the file is called as one of SLUICE_API_KEYS",
    ],
    ["keys: [{ name: app, keyEnv: A, team: a b }]", "`keys[0].team`"],
  ])("%s", (text, problem) => {
    expect(problems({ A: "a", SLUICE_API_KEYS: "k" }, [], text, { empty: " \n" }).join("\n")).toContain(problem);
  });

  test("with no keys everybody on this machine, whatever they show", () => {
    expect(authenticate(new Headers({ authorization: "Bearer whatever" }), config().keys)).toEqual({
      name: undefined,
      tenant: "",
    });
  });

  test("keys of one team are one tenant with one secret, each of the others its own; by no hash that tells the key", () => {
    const text = `keys:
  - { name: ann, keyEnv: A, team: red }
  - { name: bob, keyEnv: B, team: red }
  - { name: cid, keyEnv: C }
  - { name: dan, keyEnv: D }`;
    const { keys } = config({ A: "a", B: "b", C: "c", D: "d" }, [], text);
    const [ann, bob, cid, dan] = ["a", "b", "c", "d"].map((key) =>
      authenticate(new Headers({ "x-api-key": key }), keys),
    );
    expect(bob).toMatchObject({ name: "bob", tenant: ann?.tenant, keySha256: ann?.keySha256 });
    expect(new Set([ann, cid, dan].map((caller) => caller?.tenant)).size).toBe(3);
    expect(new Set([ann, cid, dan].map((caller) => caller?.keySha256)).size).toBe(3);
    for (const key of keys) {
      const again = createHash("sha256").update(key.sha256).digest("hex");
      for (const told of [key.sha256, again]) {
        expect(key.tenant).not.toContain(told.slice(0, 16));
        expect(key.teamSha256).not.toBe(told);
      }
    }
    // Whoever is first: what one has begun is still its own when others come and go.
    const later = config(
      { A: "a", C: "c" },
      [],
      "keys: [{ name: other, keyEnv: C }, { name: red-2, keyEnv: A, team: red }]",
    );
    expect(later.keys.map(({ tenant }) => tenant)).toEqual([cid?.tenant, ann?.tenant]);
  });
});

describe("flags", () => {
  test.each([
    [[], "serve"],
    [["serve"], "serve"],
    [["check"], "check"],
    [["check", "--port", "1"], "check"],
    [["--port", "1", "check"], "check"],
    [["help"], "help"],
    [["--help"], "help"],
    [["-h"], "help"],
    [["check", "--help"], "help"],
  ])("%j: %s", (given, command) => {
    expect(loaded({}, given).command).toBe(command);
  });

  test.each([
    [["--prot", "1"], "there is no flag --prot; did you mean --port?"],
    [["-p", "1"], "there is no flag -p"],
    [["chekc"], "there is no command `chekc`; did you mean check?"],
    [["check", "serve"], "`serve` is too much: one command at a time"],
    [["--port"], "the flag --port needs a value"],
    [["--config"], "the flag --config needs a value"],
  ])("%j", (given, problem) => {
    expect(problems({}, given).join("\n")).toContain(problem);
  });

  test("help never fails on what it is needed for", () => {
    const text = "lisen: {}";
    expect(loaded({ PORT: "x", HOST: "0.0.0.0" }, ["--help"], text).command).toBe("help");
    expect(USAGE).toContain("sluice check");
  });
});

function loaded(
  environment: Readonly<Record<string, string>> = {},
  arguments_: readonly string[] = [],
  text = "",
  files: Readonly<Record<string, string>> = {},
): LoadedConfig {
  const readFile = (path: string) => {
    const content = path === "/home/gateway/sluice.yaml" ? text : files[path.slice("/home/gateway/".length)];
    if (content === undefined) throw Object.assign(new Error("no such file"), { code: "ENOENT" });
    return content;
  };
  return loadConfig({ arguments: arguments_, environment, folder: "/home/gateway", kinds: providerKinds, readFile });
}

function config(...given: Parameters<typeof loaded>): Config {
  return loaded(...given).config;
}

function problems(...given: Parameters<typeof loaded>): readonly string[] {
  try {
    loaded(...given);
  } catch (error) {
    if (error instanceof ConfigError) return error.problems;
    throw error;
  }
  throw new Error("nothing was wrong with it");
}
