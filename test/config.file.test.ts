/** The config file: comments and references, every problem at once with its place, and no secret in any of it. */
import { describe, expect, test } from "vitest";
import { providerKinds } from "../providers/index.ts";
import { ConfigError, loadConfig, type Config } from "../src/config.ts";

const FILE = "sluice.yaml";

describe("a file", () => {
  test("that is empty, or all comments, says nothing: the defaults hold", () => {
    const defaults = load("");
    expect(load("# nothing yet\n\n---\n")).toEqual(defaults);
    expect(defaults).toMatchObject({
      listen: { host: "127.0.0.1", port: 8787 },
      data: "/home/gateway/.sluice",
      log: { level: "info", content: false },
      policy: { default: "cheapest-task" },
      ledger: { whenUnavailable: "refuse" },
      strict: false,
      keys: [],
      providers: [],
    });
  });

  test("changes what it says and leaves the rest", () => {
    const config = load("limits:\n  concurrency: 7   # small machine\nretries: { attemptsMax: 1 }\n");
    expect(config.limits).toEqual({ ...load("").limits, concurrency: 7 });
    expect(config.retries).toEqual({ ...load("").retries, attemptsMax: 1 });
  });

  test("that is not there is one that says nothing; one that was named must be there", () => {
    expect(load(undefined)).toEqual(load(""));
    expect(problems(undefined, {}, ["--config", "other.yaml"])).toEqual(["other.yaml cannot be read (ENOENT)"]);
  });

  test("that is there and cannot be read is a problem, not an absence", () => {
    const denied = () => {
      throw Object.assign(new Error("no"), { code: "EACCES" });
    };
    expect(problemsOf(() => loaded({ readFile: denied }))).toEqual(["sluice.yaml cannot be read (EACCES)"]);
  });

  test("may be elsewhere: its own paths begin at its folder, the default folder of data where it is started", () => {
    const text = "data: ledger\nproviders:\n  openai:\n    apiKeyFile: secrets/openai\n";
    const read: string[] = [];
    const { config } = loaded({
      arguments: ["--config", "/etc/sluice/gateway.yaml"],
      readFile: (path) => (read.push(path), path.endsWith(".yaml") ? text : "sk-file"),
    });
    expect(read).toEqual(["/etc/sluice/gateway.yaml", "/etc/sluice/secrets/openai"]);
    expect(config.data).toBe("/etc/sluice/ledger");
    const without = loaded({ arguments: ["--config", "/etc/sluice/gateway.yaml"], readFile: () => "" });
    expect(without.config.data).toBe("/home/gateway/.sluice");
  });
});

describe("a reference to the environment", () => {
  const environment = { PORT_OF_MINE: "9000", NAME: "eu", EMPTY: "", STRICT: "true", TOKEN: "sk-secret" };

  test("stands for its value, as a number or a truth value where it is one", () => {
    const text = "listen: { port: '${PORT_OF_MINE}' }\nlimits:\n  concurrency: ${PORT_OF_MINE}\nstrict: ${STRICT}\n";
    expect(problems(text, environment)).toEqual(["sluice.yaml:1:11: `listen.port` must be a number, not text"]);
    expect(load(text.replaceAll("'", '"').replace('"${PORT_OF_MINE}"', "1"), environment)).toMatchObject({
      limits: { concurrency: 9000 },
      strict: true,
    });
  });

  test("may stand inside a text, several times, with a default where there is none", () => {
    const text = "providers:\n  vllm:\n    baseUrl: http://${NAME}-${NAME}.${DOMAIN:-lan}:${NO_PORT:-8000}/v1\n";
    expect(load(text, environment).providers[0]?.settings.baseUrls).toEqual(["http://eu-eu.lan:8000/v1"]);
  });

  test("that is set to nothing is not set", () => {
    expect(load("data: /tmp/${EMPTY:-default}\n", environment).data).toBe("/tmp/default");
    expect(problems("data: ${EMPTY}\n", environment)).toEqual([
      "sluice.yaml:1:7: the environment has no EMPTY; set it, or write ${EMPTY:-default}",
    ]);
  });

  test("is not looked for in comments and keys, nor where it is escaped", () => {
    const text = "# ${NOPE}\naliases:\n  ${NOPE}: openai/x # ${NOPE}\ndata: /tmp/$${NAME}\n";
    expect(load(text)).toMatchObject({ aliases: { "${NOPE}": ["openai/x"] }, data: "/tmp/${NAME}" });
  });

  test("can never become more than one value: what the environment holds is not read as YAML", () => {
    const environment_ = {
      EVIL: "x\nstrict: true\nlimits: { concurrency: 1 }",
      LIST: "[a, b]",
      NULL: "null",
      DATE: "1e3",
    };
    const config = load("aliases:\n  a: ${EVIL}\n  b: ${LIST}\n  c: ${NULL}\n  d: ${DATE}\n", environment_);
    expect(config.strict).toBe(false);
    expect(config.aliases).toEqual({ a: [environment_.EVIL], b: ["[a, b]"], c: ["null"], d: ["1e3"] });
  });

  test("in braces or brackets needs quotes, and is told so", () => {
    expect(problems("listen: { port: ${PORT_OF_MINE} }\n", environment)[0]).toContain(
      'inside [ ] and { } a reference needs quotes: "${NAME}"',
    );
    expect(load('listen: { host: "${NAME:-127.0.0.1}", port: 1 }\n', {}).listen.port).toBe(1);
  });
});

describe("a key that is no option is an error that names the nearest one", () => {
  test.each([
    ["lisen: {}", "sluice.yaml:1:1: `lisen` is not an option; did you mean `listen`?"],
    ["listen:\n  prot: 80", "sluice.yaml:2:3: `listen.prot` is not an option; did you mean `port`?"],
    ["deadlines:\n  totalMS: 1", "sluice.yaml:2:3: `deadlines.totalMS` is not an option; did you mean `totalMs`?"],
    [
      "providers:\n  openai:\n    base_url: x",
      "sluice.yaml:3:5: `providers.openai.base_url` is not an option; did you mean `baseUrl`?",
    ],
    [
      "models:\n  gpt-5.4-nano:\n    price:\n      input: 1\n      ouput: 2\n      output: 2",
      "sluice.yaml:5:7: `models.gpt-5.4-nano.price.ouput` is not an option; did you mean `output`?",
    ],
    [
      "models:\n  m:\n    provider: vllm\n    cache: { kind: local, stepToken: 16 }",
      "`models.m.cache.stepToken` is not an option; did you mean `stepTokens`?",
    ],
    [
      "providers:\n  vllm:\n    baseUrl: http://a\n    models:\n      m:\n        tokensPerSecond: { prefil: 1, decode: 1 }",
      "`providers.vllm.models.m.tokensPerSecond.prefil` is not an option; did you mean `prefill`?",
    ],
    ["keys:\n  - nam: a\n    keyEnv: A", "`keys[0].nam` is not an option; did you mean `name`?"],
    ["zzzzzzzz: 1", "`zzzzzzzz` is not an option; known here: listen, data, log, keys, providers, models"],
    ["__proto__:\n  strict: true", "`__proto__` is not an option"],
  ])("%j", (text, message) => {
    expect(problems(text).some((problem) => problem.includes(message))).toBe(true);
  });

  test.each(["apiKey", "api_key", "key", "token", "secret", "password"])(
    "a secret written into it (`%s`) is told where it belongs, and not repeated",
    (key) => {
      const told = problems(`providers:\n  openai:\n    ${key}: sk-very-secret\n`).join("\n");
      expect(told).toContain("secrets are not written into this file");
      expect(told).toContain("apiKeyEnv");
      expect(told).not.toContain("sk-very-secret");
    },
  );
});

describe("a value that cannot be is told with its place and what would be right", () => {
  test.each([
    ["listen:\n  port: 70000", "sluice.yaml:2:3: `listen.port` must be <=65535"],
    ["listen:\n  port: high", "`listen.port` must be a number, not text"],
    ["limits:\n  concurrency: 0", "`limits.concurrency` must be >0"],
    ["log:\n  level: loud", '`log.level` must be one of "debug"|"info"|"warn"|"error"|"silent"'],
    ["ledger: off", "`ledger` must be a section with options, not text"],
    ["aliases:\n  fast: 3", "`aliases.fast` must be a target or a list of targets"],
    ["- a\n- b", "the file must be a section with options, not a list"],
    ["just words", "the file must be a section with options, not text"],
    ["models:\n  m:\n    provider: vllm\n    cache: { kind: magic }", "`models.m.cache.kind` must be one of"],
    ["models:\n  gpt-5.4-nano: { gpuHourUsd: 2 }", "`gpuHourUsd` and `tokensPerSecond` need each other"],
    [
      "models:\n  gpt-5.4-nano: { price: { input: 1, output: 1 }, prices: [] }",
      "say what it costs once: `price`, `prices` or `gpuHourUsd`",
    ],
    ["models:\n  gpt-5.4-nano: { price: { input: -1, output: 1 } }", "`models.gpt-5.4-nano.price.input` must be >=0"],
    ["models:\n  gpt-5.4-nano: { price: { input: 1 } }", "`models.gpt-5.4-nano.price.output` is missing"],
    [
      "models:\n  new-model: { contextTokens: 9 }",
      "model `new-model` is not in the table, so its row must name a `provider`",
    ],
    ["keys:\n  - { name: a }", "needs exactly one of `keyEnv`, `keyFile`, `sha256`"],
    ["keys:\n  - { name: 'a b', sha256: '00' }", "may hold letters, digits and . _ : - only"],
    ["keys:\n  - { name: a, sha256: '00' }", "must be 64 hexadecimal digits"],
    ["providers:\n  vllm: { baseUrl: http://a, baseUrls: [http://b] }", "say `baseUrl` or `baseUrls`, not both"],
    [
      "providers:\n  vllm: { baseUrls: [{ url: http://a, weight: 0 }] }",
      "`providers.vllm.baseUrls[0].weight` must be >=1",
    ],
    ["providers:\n  vllm: { baseUrls: [{ url: http://a, wieght: 2 }] }", "must be a URL, or `{ url, weight }`"],
    ["providers:\n  vllm: { affinity: prefixes }", '`providers.vllm.affinity` must be one of "prefix"|"turns"'],
    ["providers:\n  vllm: { cacheTokens: 0 }", "`providers.vllm.cacheTokens` must be >0"],
    ["providers:\n  openai: { apiKeyEnv: A, apiKeyFile: b }", "say `apiKeyEnv` or `apiKeyFile`, not both"],
    ["providers:\n  vllm: {}", "`providers.vllm` needs a `baseUrl`: where the server is"],
    [
      "providers:\n  openai: {}",
      "`providers.openai` needs a key: set OPENAI_API_KEY, or name another variable as `apiKeyEnv`",
    ],
    ["providers:\n  openai: { apiKeyEnv: MINE }", "`providers.openai.apiKeyEnv`: the environment has no MINE"],
    ["providers:\n  openai: { apiKeyFile: gone }", "`providers.openai.apiKeyFile`: gone cannot be read"],
    [
      "providers:\n  mine: { baseUrl: http://a }",
      "`providers.mine`: its name is no kind of provider, so it needs a `kind`",
    ],
    ["providers:\n  mine: { kind: opnai, baseUrl: http://a }", "there is no kind `opnai`; did you mean `openai`?"],
    ["providers:\n  vllm: { baseUrl: 'ftp://a' }", "ftp:// is not spoken; it must be https:// or http://"],
    ["providers:\n  vllm: { baseUrl: 'http://u:p@a' }", "a user and password in the URL are not allowed"],
    ["providers:\n  vllm: { baseUrl: 'http://a/?key=1' }", "a base URL has no ? and no #"],
    ["providers:\n  vllm: { baseUrl: a.lan }", "that is not a URL; it must begin with https:// or http://"],
    [
      "providers:\n  vllm:\n    baseUrl: http://a\n    headers: { 'x y': z }",
      "`providers.vllm.headers.x y` is no name of a header",
    ],
    [
      'providers:\n  vllm:\n    baseUrl: http://a\n    headers: { x: "a\\r\\nb: c" }',
      "has characters in its value that a header cannot carry",
    ],
    [
      "providers:\n  vllm:\n    baseUrl: http://a\n    headers: { Host: b }",
      "`providers.vllm.headers.Host` cannot be set",
    ],
    ["policy:\n  default: cheapest", "`policy.default`: there is no policy `cheapest`; did you mean cheapest-task?"],
    ["aliases:\n  fast: auto", "`aliases.fast`: `auto` is not a target but a question for one"],
    ["policy:\n  targets: ['auto:ordered']", "`policy.targets`: `auto:ordered` is not a target but a question for one"],
    ["aliases:\n  auto: openai/x", "`aliases.auto`: that name is taken"],
    ["listen:\n\tport: 1", "sluice.yaml:2:1: Tabs are not allowed as indentation"],
    ["strict: true\nstrict: false", "Map keys must be unique"],
    ["listen: *nowhere", "Unresolved alias"],
    ["strict: true\n---\nstrict: false", "multiple documents"],
  ])("%j", (text, message) => {
    expect(problems(text).join("\n")).toContain(message);
  });

  test("a name that would hide a provider's models is refused, wherever that provider comes from", () => {
    const message = "`aliases.openai/fast` would hide a model of that provider";
    expect(problems("aliases:\n  openai/fast: gpt-5.4-nano\n", { OPENAI_API_KEY: "k" })).toEqual([message]);
    expect(
      problems("aliases:\n  openai/fast: gpt-5.4-nano\nproviders:\n  openai: {}\n", { OPENAI_API_KEY: "k" }),
    ).toEqual([message]);
    expect(load("aliases:\n  openai/fast: gpt-5.4-nano\n").aliases).toHaveProperty(["openai/fast"]);
  });

  test("anchors that multiply without end are refused in no time", () => {
    const levels = ["a: &a [x,x,x,x,x,x,x,x,x,x]"];
    for (const [index, name] of [..."bcdefghij"].entries()) {
      const before = "abcdefghi"[index];
      levels.push(`${name}: &${name} [${Array.from({ length: 10 }, () => `*${before}`).join(",")}]`);
    }
    expect(problems(levels.join("\n"))).toEqual([
      "sluice.yaml: Excessive alias count indicates a resource exhaustion attack",
    ]);
  });
});

test("the boundary line is one line, and spaces around it are none of it", () => {
  expect(load('cache: { boundaryLine: "  <!-- x -->  " }').cache.boundaryLine).toBe("<!-- x -->");
  expect(load('cache: { boundaryLine: "" }').cache.boundaryLine).toBe("");
  expect(problems('cache: { boundaryLine: "one\\ntwo" }').join()).toContain("is one line, and has several");
});

test("everything that is wrong is told at once", () => {
  const text = "lisen: {}\nlimits:\n  concurrency: 0\ndata: ${NOPE}\n";
  expect(problems(text, { PORT: "x", LOG_LEVEL: "loud" })).toEqual([
    "sluice.yaml:4:7: the environment has no NOPE; set it, or write ${NOPE:-default}",
    "sluice.yaml:3:3: `limits.concurrency` must be >0",
    "sluice.yaml:1:1: `lisen` is not an option; did you mean `listen`?",
    "the port is `x`; it must be a number from 0 to 65535",
    "LOG_LEVEL is `loud`; it must be one of debug, info, warn, error, silent",
  ]);
});

test("a replica may have a weight, one without it has 1, and where all have that nothing is said of it", () => {
  const weighed = load('providers:\n  vllm: { baseUrls: [http://a:8000, " ", { url: "http://b:8000/v1", weight: 3 }] }')
    .providers[0]?.settings;
  expect(weighed).toEqual({ baseUrls: ["http://a:8000/v1", "http://b:8000/v1"], weights: [1, 3] });
  const equal = load("providers:\n  vllm: { baseUrls: [http://a, { url: http://b, weight: 1 }] }").providers[0]
    ?.settings;
  expect(equal).toEqual({ baseUrls: ["http://a/v1", "http://b/v1"] });
});

test("replicas have an affinity unless they are to take turns, and a cache as large as is said", () => {
  const settingsOf = (more: string) =>
    load(`providers:\n  vllm: { baseUrls: [http://a, http://b]${more} }`).providers[0]?.settings;
  const baseUrls = ["http://a/v1", "http://b/v1"];
  expect(settingsOf(", affinity: prefix")).toEqual({ baseUrls });
  expect(settingsOf(", affinity: turns, cacheTokens: 500000")).toEqual({
    baseUrls,
    affinity: "turns",
    cacheTokens: 500_000,
  });
});

test("a target that is not configured is told at the start, and is no reason not to start", () => {
  const text =
    "aliases:\n  fast: [openai/gpt-5.4-nano, claude-haiku-5-5]\n  odd: gtp-5.4\npolicy:\n  targets: [fast, vllm/x]\n";
  expect(load(text, { OPENAI_API_KEY: "k" }).warnings).toEqual([
    expect.stringContaining(
      "`aliases.fast`: model `claude-haiku-5-5` belongs to provider `anthropic`, which is not configured",
    ),
    expect.stringContaining("`aliases.odd`: no model is called `gtp-5.4`; did you mean `gpt-5.4`"),
    expect.stringContaining("`policy.targets`: provider `vllm` is not configured: set VLLM_BASE_URL"),
  ]);
  // With no provider at all the sandbox answers to every name.
  expect(load(text).warnings).toEqual([]);
});

function loaded(given: {
  readonly arguments?: readonly string[];
  readonly environment?: Readonly<Record<string, string>>;
  readonly readFile: (path: string) => string;
}) {
  return loadConfig({ arguments: [], environment: {}, folder: "/home/gateway", kinds: providerKinds, ...given });
}

function load(
  text: string | undefined,
  environment: Readonly<Record<string, string>> = {},
  arguments_: readonly string[] = [],
): Config {
  const readFile = (path: string) => {
    if (text !== undefined && path.endsWith(FILE)) return text;
    throw Object.assign(new Error("no such file"), { code: "ENOENT" });
  };
  return loaded({ arguments: arguments_, environment, readFile }).config;
}

function problems(
  text: string | undefined,
  environment: Readonly<Record<string, string>> = {},
  arguments_: readonly string[] = [],
): readonly string[] {
  return problemsOf(() => load(text, environment, arguments_));
}

function problemsOf(make: () => unknown): readonly string[] {
  try {
    make();
  } catch (error) {
    if (error instanceof ConfigError) return error.problems;
    throw error;
  }
  throw new Error("nothing was wrong with it");
}
