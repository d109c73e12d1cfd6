/** From a model's name to targets: which provider, which id, which price, and what is said when there is none. */
import { describe, expect, test } from "vitest";
import { GatewayError } from "../src/errors.ts";
import { RECORD_DEFAULTS, type ModelRecord } from "../src/model.ts";
import type { Targets } from "../src/target.ts";
import { targetsOf } from "./made-target.ts";

const ALL = ["openai", "anthropic", "mistral", "groq", "vllm", "ollama"];
const SETTINGS = { baseUrls: ["http://127.0.0.1:9/v1"] };

describe("`provider/model-id` is that provider with exactly that id", () => {
  test.each([
    ["openai/gpt-5.4-nano", "openai", "gpt-5.4-nano"],
    ["openai/some-new-model", "openai", "some-new-model"],
    ["vllm/mistralai/Mistral-Small-4-119B-2603", "vllm", "mistralai/Mistral-Small-4-119B-2603"],
    ["ollama/hf.co/org/repo:Q4_K_M", "ollama", "hf.co/org/repo:Q4_K_M"],
    // Another provider's model is not sent to that one.
    ["openai/claude-haiku-5-5", "openai", "claude-haiku-5-5"],
    ["anthropic/anthropic/claude", "anthropic", "anthropic/claude"],
    ["groq/openai/gpt-oss-120b", "groq", "openai/gpt-oss-120b"],
    ["mistral/mistral-small-latest", "mistral", "mistral-small-latest"],
    ["openai/GPT-5.4-Nano", "openai", "GPT-5.4-Nano"],
  ])("%s", (name, instance, model) => {
    const { targets, explicit } = targetsOf(ALL).resolve(name);
    expect(targets).toHaveLength(1);
    expect(targets[0]).toMatchObject({ name, model, instance: { name: instance } });
    expect(explicit).toBe(true);
  });

  test("by the name that the config gives it", () => {
    const targets = targetsOf({ "vllm-eu": "vllm", vllm: "vllm" });
    expect(targets.resolve("vllm-eu/org/model").targets[0]?.instance.name).toBe("vllm-eu");
    expect(targets.resolve("vllm/org/model").targets[0]?.instance.name).toBe("vllm");
  });
});

describe("a bare id goes to the provider that serves it", () => {
  test.each([
    ["gpt-5.4-nano", "openai"],
    ["gpt-5.4-nano-2026-03-17", "openai"],
    ["claude-haiku-5-5", "anthropic"],
    ["mistral-small-2603", "mistral"],
    ["mistral-small-latest", "mistral"],
    // By its beginning, where the table does not know it.
    ["gpt-9", "openai"],
    ["o3", "openai"],
    ["claude-next", "anthropic"],
    ["codestral-2508", "mistral"],
    ["codex-mini-latest", "openai"],
  ])("%s: %s", (model, instance) => {
    expect(targetsOf(ALL).resolve(model).targets[0]).toMatchObject({ model, instance: { name: instance } });
  });

  test("who is configured to serve it comes before the table", () => {
    const record: ModelRecord = { ...RECORD_DEFAULTS, id: "gpt-5.4-nano", provider: "vllm" };
    const targets = targetsOf(ALL, {
      config: {
        providers: [
          { name: "openai", kind: "openai", settings: SETTINGS, models: [] },
          { name: "own", kind: "vllm", settings: SETTINGS, models: [record] },
        ],
      },
    });
    expect(targets.resolve("gpt-5.4-nano").targets[0]?.name).toBe("own/gpt-5.4-nano");
    expect(targets.resolve("openai/gpt-5.4-nano").targets[0]?.name).toBe("openai/gpt-5.4-nano");
  });

  test("a model with a slash, configured for a server, needs no provider before it", () => {
    const record: ModelRecord = { ...RECORD_DEFAULTS, id: "org/model", provider: "vllm" };
    const targets = targetsOf(ALL, {
      config: { providers: [{ name: "own", kind: "vllm", settings: SETTINGS, models: [record] }] },
    });
    expect(targets.resolve("org/model").targets[0]?.name).toBe("own/org/model");
  });

  test("the sandbox takes what nobody else does", () => {
    const targets = targetsOf(["sandbox"]);
    expect(targets.resolve("gpt-5.4-nano").targets[0]?.name).toBe("sandbox/gpt-5.4-nano");
    expect(targets.resolve("whatever").targets[0]?.name).toBe("sandbox/whatever");
    expect(targetsOf(["openai", "sandbox"]).resolve("gpt-5.4-nano").targets[0]?.name).toBe("openai/gpt-5.4-nano");
  });
});

describe("the price", () => {
  const priceOf = (targets: Targets, name: string) => targets.resolve(name).targets[0]?.price;

  test("is the table's at its own provider", () => {
    expect(priceOf(targetsOf(ALL), "gpt-5.4-nano")?.version).toBe("table:gpt-5.4-nano@2026-03-17");
    expect(priceOf(targetsOf({ mine: "anthropic" }), "mine/claude-haiku-5-5")?.version).toBe(
      "table:claude-haiku-5-5@2026-10-07",
    );
  });

  test("is nobody's elsewhere: the same weights on a server of one's own cost something else", () => {
    for (const name of ["vllm/gpt-5.4-nano", "ollama/mistral-small-2603", "groq/gpt-5.4-nano"]) {
      expect(priceOf(targetsOf(ALL), name), name).toBeUndefined();
    }
  });

  test("of a model that no table knows is unknown, not zero", () => {
    expect(priceOf(targetsOf(ALL), "openai/some-new-model")).toBeUndefined();
  });

  test("of a model that only genai-prices knows is that", () => {
    expect(priceOf(targetsOf(ALL), "gpt-4o")?.version).toMatch(/^genai-prices@/);
    expect(priceOf(targetsOf(["sandbox"]), "gpt-4o")?.version).toMatch(/^genai-prices@/);
  });

  test("of the config comes before the table's, and the instance's before both", () => {
    const price = { version: "mine", rates: { inputUncached: 1n, output: 1n } };
    const record: ModelRecord = {
      ...RECORD_DEFAULTS,
      id: "gpt-5.4-nano",
      provider: "openai",
      prices: [{ from: "0000-01-01", price }],
    };
    const models = { "gpt-5.4-nano": { price: { input: 7, output: 7 } } };
    expect(priceOf(targetsOf(ALL, { models }), "gpt-5.4-nano")?.rates.inputUncached).toBe(7_000_000n);
    const config = { providers: [{ name: "openai", kind: "openai", settings: SETTINGS, models: [record] }] };
    expect(priceOf(targetsOf(ALL, { models, config }), "gpt-5.4-nano")).toBe(price);
  });

  test("is that of the day on which it is asked for", () => {
    const versionAt = (time: string) =>
      priceOf(targetsOf(ALL, { nowMs: Date.parse(time) }), "claude-sonnet-5-5")?.version;
    expect(versionAt("2026-10-06T23:59:59Z")).toBe("table:claude-sonnet-5-5@2026-09-28");
    expect(versionAt("2026-10-07T00:00:00Z")).toBe("table:claude-sonnet-5-5@2026-10-07");
  });

  test("before the table's first day is the fallback's, where it has one", () => {
    const targets = targetsOf(ALL, { nowMs: Date.parse("2026-03-01T00:00:00Z") });
    expect(priceOf(targets, "claude-opus-4-6")?.over).toContainEqual(
      expect.objectContaining({ promptTokens: 200_000 }),
    );
  });
});

describe("aliases", () => {
  const config = { aliases: { fast: ["gpt-5.4-nano"], either: ["openai/gpt-5.4-mini", "claude-haiku-5-5"] } };

  test("one target is that target, and no other may take its place", () => {
    expect(targetsOf(ALL, { config }).resolve("fast")).toMatchObject({
      targets: [{ name: "openai/gpt-5.4-nano" }],
      explicit: true,
    });
  });

  test("several are in the config's order, for the policy to choose from", () => {
    const { targets, explicit } = targetsOf(ALL, { config }).resolve("either");
    expect(targets.map(({ name }) => name)).toEqual(["openai/gpt-5.4-mini", "anthropic/claude-haiku-5-5"]);
    expect(explicit).toBe(false);
  });

  test("leave out what is not configured, as long as something is; with nothing left they say what is missing", () => {
    const one = targetsOf(["openai"], { config });
    expect(one.resolve("either")).toMatchObject({ targets: [{ name: "openai/gpt-5.4-mini" }], explicit: false });
    expect(() => targetsOf(["mistral"], { config }).resolve("either")).toThrow("set OPENAI_API_KEY");
  });

  test("may take a model's own name, and then stand for it", () => {
    const renamed = { aliases: { "gpt-5.4-nano": ["anthropic/claude-haiku-5-5"] } };
    expect(targetsOf(ALL, { config: renamed }).resolve("gpt-5.4-nano").targets[0]?.name).toBe(
      "anthropic/claude-haiku-5-5",
    );
  });
});

describe("`auto`", () => {
  const namesOf = (targets: Targets, model = "auto") => targets.resolve(model).targets.map(({ name }) => name);

  test("is a small model of each provider that has one in the table, and every one that is configured", () => {
    expect(namesOf(targetsOf(ALL))).toEqual([
      "openai/gpt-5.4-nano",
      "anthropic/claude-haiku-5-5",
      "mistral/mistral-small-2603",
    ]);
    const record: ModelRecord = { ...RECORD_DEFAULTS, id: "org/model", provider: "vllm" };
    const config = { providers: [{ name: "own", kind: "vllm", settings: SETTINGS, models: [record] }] };
    expect(namesOf(targetsOf([], { config }))).toEqual(["own/org/model"]);
    const kept = { providers: config.providers.map((one) => ({ ...one, models: [{ ...record, auto: false }] })) };
    expect(() => targetsOf([], { config: kept }).resolve("auto")).toThrow("`auto` has nothing to choose from");
  });

  test("is not what the config takes out, of the table's models neither", () => {
    const record: ModelRecord = { ...RECORD_DEFAULTS, id: "gpt-5.4-nano", provider: "openai", auto: false };
    const config = { providers: [{ name: "openai", kind: "openai", settings: SETTINGS, models: [record] }] };
    expect(() => targetsOf([], { config }).resolve("auto")).toThrow("`auto` has nothing to choose from");
    expect(() => targetsOf(["openai"], { models: { "gpt-5.4-nano": { auto: false } } }).resolve("auto")).toThrow(
      "`auto` has nothing to choose from",
    );
  });

  test("is what the config says, aliases taken apart", () => {
    const config = {
      aliases: { fast: ["gpt-5.4-nano", "gpt-5-nano"] },
      policy: { targets: ["vllm/org/model", "fast"] },
    };
    expect(namesOf(targetsOf(ALL, { config }))).toEqual(["vllm/org/model", "openai/gpt-5.4-nano", "openai/gpt-5-nano"]);
  });

  test("leaves out what is not configured, and is not in the way of a start", () => {
    const config = { policy: { targets: ["anthropic/claude-haiku-5-5", "openai/gpt-5-nano"] } };
    expect(namesOf(targetsOf(["openai"], { config }))).toEqual(["openai/gpt-5-nano"]);
    const none = targetsOf(["mistral"], { config });
    expect(none.describe()).toEqual(["mistral/<model>"]);
    expect(() => none.resolve("auto")).toThrow("`auto` has nothing to choose from");
  });

  test("leaves out a model from the day on which it is shut down", () => {
    const at = (day: string) => namesOf(targetsOf(["openai"], { nowMs: Date.parse(day) }));
    expect(at("2027-03-31T23:59:59Z")).toEqual(["openai/gpt-5.4-nano"]);
    expect(() => at("2027-04-01T00:00:00Z")).toThrow("`auto` has nothing to choose from");
  });

  test("is open: any of them may answer", () => {
    expect(targetsOf(ALL).resolve("auto").explicit).toBe(false);
  });

  test("may name the policy", () => {
    expect(targetsOf(ALL).resolve("auto:ordered").policy).toBe("ordered");
    expect(targetsOf(ALL).resolve("auto").policy).toBeUndefined();
    expect(targetsOf(ALL).resolve("auto:").policy).toBeUndefined();
  });

  test("with nothing to choose from says what would be right", () => {
    expect(() => targetsOf(["vllm"]).resolve("auto")).toThrow(
      "`auto` has nothing to choose from: name a model (`vllm/<model-id>`), or give it targets in the config (`policy.targets`)",
    );
  });
});

describe("a name that is nobody's", () => {
  test.each([
    ["gtp-5.4-nano", ["openai"], "no model is called `gtp-5.4-nano`; did you mean `gpt-5.4-nano`"],
    [
      "claude-haiku-5-5",
      ["openai"],
      "model `claude-haiku-5-5` belongs to provider `anthropic`, which is not configured: set ANTHROPIC_API_KEY",
    ],
    ["anthropic/claude-next", ["openai"], "provider `anthropic` is not configured: set ANTHROPIC_API_KEY"],
    ["vllm/org/model", ["openai"], "provider `vllm` is not configured: set VLLM_BASE_URL"],
    ["openai/", ["openai"], "`openai/` names no model; say `openai/<model-id>`"],
    ["zzzzzzzzzzzz", ["openai"], "One that the table does not know is named `provider/model-id`"],
    ["/gpt-5.4-nano", ["openai"], "no model is called `/gpt-5.4-nano`"],
  ])("%s", (name, providers, message) => {
    const error = thrownBy(() => targetsOf(providers).resolve(name));
    expect(error.message).toContain(message);
    expect(error).toMatchObject({ kind: "model-not-found", status: 404, code: "model_not_found", param: "model" });
  });

  test("is repeated in part only, however long it is", () => {
    const error = thrownBy(() => targetsOf(["openai"]).resolve("x".repeat(100_000)));
    expect(error.message.length).toBeLessThan(500);
  });
});

describe("what a server says it has", () => {
  const resolved = (targets: Targets, name: string) => targets.resolve(name).targets[0]?.name;

  test("is found by each form of its name, and only by what is that model", () => {
    const targets = targetsOf(ALL);
    targets.learn("ollama", ["llama3.1:latest", "hf.co/Org/Repo:Q4_K_M", "mistral-small-2603:latest"]);
    for (const name of [
      "llama3.1",
      "LLAMA3.1:latest",
      "library/llama3.1",
      "registry.ollama.ai/library/llama3.1:latest",
    ])
      expect(resolved(targets, name), name).toBe("ollama/llama3.1:latest");
    expect(resolved(targets, "hf.co/org/repo:q4_k_m")).toBe("ollama/hf.co/Org/Repo:Q4_K_M");
    for (const name of ["llama3", "llama3.1:8b", "hf.co/org/repo", "org/llama3.1"])
      expect(() => targets.resolve(name), name).toThrow(GatewayError);
    // The table's comes first; with a tag it is nobody else's.
    expect(resolved(targets, "mistral-small-2603")).toBe("mistral/mistral-small-2603");
    expect(resolved(targets, "mistral-small-2603:latest")).toBe("ollama/mistral-small-2603:latest");
  });

  test("of a vLLM is exactly what it says", () => {
    const targets = targetsOf(ALL);
    targets.learn("vllm", ["org/Model"]);
    expect(resolved(targets, "org/Model")).toBe("vllm/org/Model");
    expect(() => targets.resolve("org/model")).toThrow("did you mean `org/Model`?");
  });

  test("is kept while the server does not answer, but listed no more, and comes after one that answers", () => {
    const targets = targetsOf({ one: "ollama", two: "ollama" });
    targets.learn("one", ["a:1"]);
    targets.learn("two", ["a:1"]);
    expect(targets.resolve("a:1")).toMatchObject({
      targets: [{ name: "one/a:1" }],
      note: "`one` serves it and comes before two in the config",
    });
    targets.learn("one", undefined);
    expect(targets.resolve("a:1").targets[0]?.name).toBe("two/a:1");
    expect(targets.resolve("a:1").note).toBeUndefined();
    expect(targets.list().map(({ id }) => id)).toEqual(["auto", "a:1", "two/a:1"]);
    targets.learn("two", undefined);
    expect(targets.resolve("a:1").targets[0]?.name).toBe("one/a:1");
    expect(targets.list().map(({ id }) => id)).toEqual(["auto"]);
  });

  test("is told of, where that is known", () => {
    const targets = targetsOf(["ollama", "openai", "sandbox"]);
    const serves = (name: string) => targets.resolve(name).targets.map((target) => targets.serves(target))[0];
    expect(serves("ollama/a")).toBeUndefined();
    targets.learn("ollama", ["a:latest"]);
    targets.learn("sandbox", ["a:latest"]);
    expect([serves("ollama/a"), serves("ollama/b"), serves("openai/b")]).toEqual([true, false, undefined]);
    // Who takes any name has more than it lists.
    expect([serves("sandbox/a"), serves("sandbox/b")]).toEqual([true, undefined]);
    targets.learn("ollama", undefined);
    expect(serves("ollama/b")).toBeUndefined();
  });

  test("is what `auto` chooses from only where there is nothing else", () => {
    const many = Array.from({ length: 50 }, (_, index) => `m:${index}`);
    const alone = targetsOf(["ollama"]);
    alone.learn("ollama", many);
    expect(alone.resolve("auto").targets).toHaveLength(20);
    const beside = targetsOf(["ollama", "openai"]);
    beside.learn("ollama", many);
    expect(beside.resolve("auto").targets.map(({ name }) => name)).toEqual(["openai/gpt-5.4-nano"]);
    expect(beside.describe()).toEqual(targetsOf(["ollama", "openai"]).describe());
  });
});

test("a tag that was left out is no difference to a name that is nearly right", () => {
  const targets = targetsOf(["ollama"]);
  targets.learn("ollama", ["qwen3:4b", "llama3.1:latest"]);
  expect(() => targets.resolve("qwen3")).toThrow("did you mean `qwen3:4b`");
  expect(() => targets.resolve("lama3.1")).toThrow("did you mean `llama3.1:latest`");
  expect(() => targets.resolve("qwen3:8b")).toThrow("did you mean `qwen3:4b`");
});

describe("the list of models", () => {
  test("has `auto`, the aliases, and each model once under each of its names", () => {
    const list = targetsOf(["openai", "mistral"], { config: { aliases: { fast: ["gpt-5.4-nano"] } } }).list();
    const ids = list.map(({ id }) => id);
    expect(ids.slice(0, 2)).toEqual(["auto", "fast"]);
    expect(ids).toEqual(expect.arrayContaining(["gpt-5.4-nano", "openai/gpt-5.4-nano", "mistral/mistral-small-2603"]));
    expect(ids.some((id) => id.includes("claude"))).toBe(false);
    expect(new Set(ids).size).toBe(ids.length);
  });

  test("tells who serves it, and since when", () => {
    const list = targetsOf(["openai"]).list();
    expect(list.find(({ id }) => id === "gpt-5.4-nano")).toEqual({
      id: "gpt-5.4-nano",
      ownedBy: "openai",
      createdSeconds: Date.parse("2026-03-17") / 1000,
    });
    expect(list.find(({ id }) => id === "auto")).toEqual({ id: "auto", ownedBy: "sluice", createdSeconds: 0 });
    const sonnet = targetsOf(["anthropic"])
      .list()
      .find(({ id }) => id === "claude-sonnet-5");
    expect(sonnet?.createdSeconds).toBe(0);
  });

  test("every name on it resolves", () => {
    const targets = targetsOf(ALL, { config: { aliases: { fast: ["gpt-5.4-nano"] } } });
    for (const { id } of targets.list()) expect(() => targets.resolve(id), id).not.toThrow();
  });
});

test("for people: what `auto` chooses from with its prices, and who else is there", () => {
  const lines = targetsOf(["openai", "vllm"]).describe();
  expect(lines).toEqual(["openai/gpt-5.4-nano ($0.2 in, $1.25 out per million tokens)", "vllm/<model>"]);
});

function thrownBy(make: () => unknown): GatewayError {
  try {
    make();
  } catch (error) {
    if (error instanceof GatewayError) return error;
    throw error;
  }
  throw new Error("nothing was thrown");
}
