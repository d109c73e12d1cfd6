/** `sluice cache-lint` by the model's record: what keeps a prompt from being cached at all, and what Sluice would do about it. */
import { describe, expect, test } from "vitest";
import type { CacheLintConfig } from "../src/cache-lint.ts";
import type { LintFinding } from "../src/cache/lint-findings.ts";
import { isFoundByKey } from "../src/cache/lint-reads.ts";
import { sendsKey, setsMarks, type Handling } from "../src/cache/lint-sluice.ts";
import { CACHING_MODES } from "../src/cache/modes.ts";
import { createPlacer, type Prompt } from "../src/cache/placer.ts";
import { createPlanner } from "../src/cache/planner.ts";
import { readPrefixes } from "../src/cache/prefixes.ts";
import type { ChatRequest, JsonObject } from "../src/chat.ts";
import { dialects } from "../src/dialects/index.ts";
import { dialectOf } from "../src/dialects/shape.ts";
import type { CacheContract } from "../src/model.ts";
import type { Target } from "../src/target.ts";
import { lintReports, lintRun } from "./lint-given.ts";
import { NOW_MS, target } from "./made-target.ts";

const PROSE = "Say what is true and nothing else, in plain words. ".repeat(200);
const BOUNDARY = "\n<!-- sluice:dynamic -->\n";

function anthropic(model: string, given: JsonObject = {}): JsonObject {
  return { model, max_tokens: 100, system: PROSE, messages: [{ role: "user", content: "Hello there" }], ...given };
}
function openai(model: string, given: JsonObject = {}): JsonObject {
  const messages = [
    { role: "system", content: PROSE },
    { role: "user", content: "Hello there" },
  ];
  return { model, messages, ...given };
}
function mistral(given: JsonObject = {}): JsonObject {
  return { ...openai("mistral-small-2603"), random_seed: 1, ...given };
}

function found(body: JsonObject, config: Partial<CacheLintConfig> = {}): readonly LintFinding[] {
  return lintReports([body], config)[0]?.findings ?? [];
}
function rules(body: JsonObject, config: Partial<CacheLintConfig> = {}): readonly string[] {
  return found(body, config).map(({ level, rule }) => `${level} ${rule}`);
}

describe("a model that caches marked prefixes only", () => {
  const body = anthropic("claude-sonnet-4-6");

  test("and a request without a mark in its own dialect: nothing is cached, and Sluice as it is by default does not mend that", () => {
    const [finding] = found(body);
    expect(finding).toMatchObject({ level: "warning", rule: "unmarked" });
    expect(finding?.says).toContain("nothing of it is written or read");
    expect(finding?.advice).toContain("set a mark");
    expect(finding?.advice).toContain(
      "Sluice marks what is worth it only beside a boundary line, or with `cache: { mode: improve }`",
    );
    expect(lintRun([body]).exitCode).toBe(1);
  });

  test("in `improve` Sluice marks it, and in `off` it does not", () => {
    expect(found(body, { mode: "improve" })).toMatchObject([
      { level: "note", rule: "unmarked", advice: "Sluice marks what is worth it: `cache.mode` is `improve`" },
    ]);
    expect(found(body, { mode: "off" })[0]).toMatchObject({ level: "warning", rule: "unmarked" });
    expect(found(body, { mode: "off" })[0]?.advice).toContain("Sluice does nothing about it: `cache.mode` is `off`");
  });

  test("a request in another dialect is translated, and then Sluice marks it", () => {
    expect(found(openai("claude-sonnet-4-6"))).toMatchObject([
      { level: "note", rule: "unmarked", advice: expect.stringContaining("where it translates the request") },
    ]);
    expect(rules(openai("anthropic/claude-sonnet-4-6"), { mode: "off" })).toEqual(["warning unmarked"]);
  });

  test("says so once of requests that all lack one", () => {
    const reports = lintReports([body, body, anthropic("claude-opus-4-8")]);
    const counts = reports.map(({ findings }) => findings.filter(({ rule }) => rule === "unmarked").length);
    expect(counts).toEqual([1, 0, 1]);
  });

  test("a mark of the client's is enough", () => {
    expect(rules(anthropic("claude-sonnet-4-6", { cache_control: { type: "ephemeral" } }))).toEqual([]);
  });
});

describe("a model that marks a prompt's end by itself", () => {
  test("needs no mark for requests that go on, and says for which it does", () => {
    const [finding, ...others] = found(openai("gpt-6-luna", { prompt_cache_key: "app" }));
    expect(others).toEqual([]);
    expect(finding).toMatchObject({ level: "note", rule: "unmarked" });
    expect(finding?.says).toContain("sets one at the prompt's end by itself");
    expect(JSON.stringify(finding)).not.toContain("only, so that nothing");
  });

  test("caches nothing where the client wants marks only and sets none", () => {
    const body = openai("gpt-6-luna", { prompt_cache_key: "app", prompt_cache_options: { mode: "explicit" } });
    expect(rules(body)).toEqual(["warning unmarked"]);
  });

  test("finds reliably what has a key only", () => {
    expect(rules(openai("gpt-6-luna"))).toEqual(["note unmarked", "warning cache-key-missing"]);
  });
});

describe("a key that is missing", () => {
  test("where a cache is asked for by it is a warning", () => {
    expect(rules(mistral())).toEqual(["warning cache-key-missing"]);
    expect(rules(mistral({ prompt_cache_key: "app" }))).toEqual([]);
    expect(found(mistral())[0]?.advice).toContain("only beside a boundary line, or with `cache: { mode: improve }`");
  });

  test("where it only helps is a note", () => {
    expect(rules(openai("gpt-5.4"))).toEqual(["note cache-key-missing"]);
    expect(found(openai("gpt-5.4"))[0]?.says).toContain("15 a minute");
  });

  test("is sent by Sluice where it translates, in `improve`, and where several tenants share an account", () => {
    const sent = (body: JsonObject, config: Partial<CacheLintConfig> = {}) =>
      found(body, config).flatMap(({ rule, level, advice }) =>
        rule === "cache-key-missing" ? [`${level}: ${advice}`] : [],
      );
    expect(sent(anthropic("mistral-small-2603"))).toEqual([
      "note: Sluice sends one where it translates the request, as for this model",
    ]);
    expect(sent(mistral(), { mode: "improve" })).toEqual(["note: Sluice sends one: `cache.mode` is `improve`"]);
    expect(sent(mistral(), { isIsolated: true })).toEqual([
      "note: Sluice sends one, as several tenants share the account",
    ]);
    // Whoever wants nothing cached shares nothing.
    expect(sent(mistral(), { isIsolated: true, mode: "off" })[0]).toContain("warning");
  });

  test("is none where prompts are not told apart by one", () => {
    expect(rules(anthropic("claude-sonnet-4-6", { cache_control: { type: "ephemeral" } }))).toEqual([]);
    expect(rules({ ...openai("ollama/qwen3:4b"), options: {} })).toEqual([]);
  });
});

describe("a prompt that is too short to be cached", () => {
  test.each([
    ["claude-haiku-4-5", 4096],
    ["gpt-5.4", 1024],
    ["gpt-6-luna", 1024],
  ])("by %s is said to be, and nothing else of it", (model, least) => {
    const messages = [{ role: "user", content: "Hello there" }];
    const [finding, ...others] = found({ model, max_tokens: 9, messages });
    expect(others).toEqual([]);
    expect(finding).toMatchObject({ level: "note", rule: "too-short" });
    expect(finding?.says).toContain(`under ${least}`);
  });
});

test("what goes on from a thread that the provider keeps is not judged by what is here", () => {
  const thread = { type: "continue", previous_message_id: "msg_1" };
  expect(rules(anthropic("claude-sonnet-4-6", { thread }))).toEqual(["note kept-elsewhere"]);
  expect(rules({ model: "gpt-5.4", input: PROSE, previous_response_id: "resp_1" })).toEqual(["note kept-elsewhere"]);
});

test("of a model that nobody knows it is said, and nothing is claimed of its cache", () => {
  const { output, exitCode } = lintRun([openai("house-model")]);
  expect(exitCode).toBe(0);
  expect(output).toContain("nothing is known of this model's cache");
  expect(rules(openai("house-model"))).toEqual([]);
});

test.each([
  ["claude-sonnet-4-6", "up to marks (`cache_control`), from 1024 tokens on"],
  ["gpt-6-luna", "to the prompt's end, from 1024 tokens on, found by `prompt_cache_key`"],
  ["gpt-5.4", "by itself, from 1024 tokens on, helped by `prompt_cache_key`"],
  ["mistral-small-2603", "with a `prompt_cache_key`, from 64 tokens on"],
  ["mistral-small-2503", "this model has no prompt cache"],
  ["ollama/qwen3:4b", "in the server's own memory"],
])("%s is said to cache as its record says: %s", (model, said) => {
  expect(lintRun([openai(model)]).output).toContain(said);
});

describe("what it says of Sluice is what Sluice does", () => {
  const marked = {
    messages: [{ role: "user", content: [{ type: "text", text: "Hi", cache_control: { type: "ephemeral" } }] }],
  };
  const lined = { system: `${PROSE}${BOUNDARY}The current time is 10:21:04.` };
  const linedChat = openai("", {
    messages: [
      { role: "system", content: lined.system },
      { role: "user", content: "Hello there" },
    ],
  });
  const bodies: readonly (readonly [string, JsonObject])[] = [
    ["in its own dialect", anthropic("claude-sonnet-4-6")],
    ["in its own dialect, marked", anthropic("claude-sonnet-4-6", marked)],
    ["in its own dialect, with a boundary line", anthropic("claude-sonnet-4-6", lined)],
    ["in another dialect", openai("claude-sonnet-4-6")],
    ["for Mistral in its own dialect", mistral()],
    ["for Mistral in its own dialect, with a boundary line", mistral({ messages: linedChat["messages"] ?? null })],
    ["for Mistral in another dialect", anthropic("mistral-small-2603")],
    ["for GPT-5.4 in its own dialect", openai("gpt-5.4")],
    ["for GPT-6 in its own dialect", openai("gpt-6-luna")],
    ["for GPT-6 in its own dialect, with a boundary line", { ...linedChat, model: "gpt-6-luna" }],
    ["for GPT-6 in another dialect", anthropic("gpt-6-luna")],
  ];
  const cases = CACHING_MODES.flatMap((mode) =>
    bodies.flatMap(([name, body]) => [false, true].map((isIsolated) => [mode, name, isIsolated, body] as const)),
  );

  test.each(cases)("in `%s`, %s, several tenants: %s", (mode, _name, isIsolated, body) => {
    const dialect = dialects.find(({ name }) => name === dialectOf(body));
    if (dialect === undefined) throw new Error("it is of a dialect");
    const request = dialect.readRequest(body);
    const to = target(request.model);
    const isTranslated = !to.instance.provider.dialects(request.model, to.record).includes(dialect.name);
    const sent = sentFor(request, to, { mode, isIsolated, isTranslated });
    const handling = { mode, isIsolated, isTranslated, isAskedFor: sent.isAskedFor };
    if (to.record?.cache.kind === "marks") expect(setsMarks(handling, request)).toBe(sent.hasOurMarks);
    expect(isFoundByKey(cacheOf(to)) && sendsKey(handling, cacheOf(to))).toBe(sent.hasOurKey);
  });
});

/** What is sent of the last of several calls that have all but their question in common. */
function sentFor(
  request: ChatRequest,
  to: Target,
  { mode, isIsolated, isTranslated }: Omit<Handling, "isAskedFor">,
): { readonly isAskedFor: boolean; readonly hasOurMarks: boolean; readonly hasOurKey: boolean } {
  const placer = createPlacer(createPlanner());
  const common = { siblings: 0, session: undefined, taskClass: undefined, namespace: "tenant" };
  let marks = "";
  let key: string | undefined;
  let isAskedFor = false;
  for (let at = 0; at < 6; at += 1) {
    const asked = asking(request, `Question ${at}`);
    const prefixes = readPrefixes(asked, "tenant", BOUNDARY.trim());
    isAskedFor = prefixes.saidPlace !== -1;
    const prompt: Prompt = { ...common, request: asked, prefixes, mode, isolates: isIsolated, task: `task ${at}` };
    const nowMs = NOW_MS + at * 1_000;
    const placed = placer.place(prompt, to, isTranslated === true, nowMs);
    placed.sent([], nowMs);
    placed.readable(nowMs);
    marks = placed.marksText ?? "";
    key = placed.placement?.key;
    placed.settled(undefined, nowMs);
  }
  const ours = marks.split(" ").filter((mark) => mark !== "" && !/\/(client|provider)/.test(mark));
  return { isAskedFor, hasOurMarks: ours.length > 0, hasOurKey: key !== undefined };
}

function asking(request: ChatRequest, question: string): ChatRequest {
  const messages = request.messages.map((message) => {
    if (message.role !== "user") return message;
    return {
      ...message,
      parts: message.parts.map((part) => (part.type === "text" ? { ...part, text: question } : part)),
    };
  });
  return { ...request, messages };
}

function cacheOf({ record }: Target): CacheContract {
  if (record === undefined) throw new Error("it is in the table");
  return record.cache;
}
