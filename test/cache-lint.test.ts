/** `sluice cache-lint`: request bodies in, what keeps them from being cached out. */
import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { CACHE_LINT_USAGE, cacheLint } from "../src/cache-lint.ts";
import type { LintReport } from "../src/cache/lint.ts";
import type { JsonObject } from "../src/chat.ts";
import { dialectOf } from "../src/dialects/shape.ts";
import { lintParts, lintReports, lintRules as rules, lintRun as run } from "./lint-given.ts";

const PROSE = "Say what is true and nothing else, in plain words. ".repeat(200);
const MARK = { type: "ephemeral" };

function claude(given: JsonObject = {}): JsonObject {
  return {
    model: "claude-sonnet-4-6",
    max_tokens: 100,
    system: [{ type: "text", text: PROSE, cache_control: MARK }],
    messages: [{ role: "user", content: "Hello there" }],
    ...given,
  };
}
function gpt(system: string, given: JsonObject = {}): JsonObject {
  return {
    model: "gpt-5.4",
    prompt_cache_key: "app",
    messages: [
      { role: "system", content: system },
      { role: "user", content: "Hello there" },
    ],
    ...given,
  };
}

describe("one request", () => {
  test("with nothing wrong ends with 0 and says its prefixes, with their tokens", () => {
    expect(run([claude()]).exitCode).toBe(0);
    const [report] = lintReports([claude()]);
    expect(report).toMatchObject({ dialect: "anthropic-messages", model: "claude-sonnet-4-6", findings: [] });
    expect(report?.prefixes).toMatchObject([
      { path: "system[0]", isStatic: true, isMarked: true },
      { path: "messages[0].content[0]", isStatic: false, isMarked: false },
    ]);
    expect(report?.staticTokens).toBe(report?.prefixes[0]?.tokens);
    expect(report?.promptTokens).toBeGreaterThan(report?.staticTokens ?? Infinity);
  });

  test.each([
    [`The current time is 10:21:04. ${PROSE}`, "warning timestamp messages[0].content[0]"],
    [`Today is November 25, 2026. ${PROSE}`, "warning timestamp messages[0].content[0]"],
    [`Your knowledge ends in a model of May 3, 2025. ${PROSE}`, "note timestamp messages[0].content[0]"],
    [`Conversation 0b0e7a51-3a0f-4c0e-9d8e-000000000001. ${PROSE}`, "warning uuid messages[0].content[0]"],
    [`Request id: x8Fq2Lk9ZtQ1. ${PROSE}`, "warning nonce messages[0].content[0]"],
    [`The file is called x8Fq2Lk9ZtQ1. ${PROSE}`, "note nonce messages[0].content[0]"],
  ])("text that changes by itself in the system text: %.48s", (system, rule) => {
    expect(rules(gpt(system))).toEqual([rule]);
    expect(run([gpt(system)]).exitCode).toBe(rule.startsWith("warning") ? 1 : 0);
  });

  test("is told with an excerpt, where it is, and what to do", () => {
    const { output } = run([gpt(`${PROSE}The current time is 10:21:04.`)]);
    expect(output).toContain(`warning timestamp at messages[0].content[0], character ${PROSE.length + 20}`);
    expect(output).toContain("10:21:04");
    expect(output).toContain("→ move it behind what does not change");
  });

  test("what people say may hold any time, and so may plain numbers in the system text", () => {
    const messages = [
      { role: "system", content: `Answer in 3 steps of at most 20 words. ${PROSE}` },
      { role: "user", content: "It is 10:21:04 now, session 0b0e7a51-3a0f-4c0e-9d8e-000000000001" },
    ];
    expect(rules(gpt("", { messages }))).toEqual([]);
  });

  test("an agent's billing line is a note", () => {
    const system = [
      { type: "text", text: "x-anthropic-billing-header: cc_version=2.1.330.f8c;" },
      { type: "text", text: PROSE, cache_control: MARK },
    ];
    expect(rules(claude({ system }))).toEqual(["note billing-line system[0]"]);
  });

  test("is told once, however often the same text comes again", () => {
    const dated = gpt(`The current time is 10:21:04. ${PROSE}`);
    const reports = lintReports([dated, dated]);
    expect(reports.map(({ findings }) => findings.length)).toEqual([1, 0]);
  });
});

describe("behind the boundary line", () => {
  const clock = "The current time is 10:21:04.";
  const system = (before: string, behind: string) => `${before}\n<!-- sluice:dynamic -->\n${behind}`;

  test("what changes by itself is where it belongs, and in front of it it is not", () => {
    expect(rules(gpt(system(PROSE, clock)))).toEqual([]);
    expect(rules(gpt(system(`${clock} ${PROSE}`, "Be kind.")))).toEqual(["warning timestamp messages[0].content[0]"]);
  });

  test("nor are later texts of the system looked at", () => {
    const texts = [PROSE, system("Be brief.", "You are kind."), clock].map((text) => ({ type: "text", text }));
    const marked = texts.map((text, at) => (at === 0 ? { ...text, cache_control: MARK } : text));
    expect(rules(claude({ system: marked }))).toEqual([]);
  });

  test("nothing is static, and the line is among the prefixes", () => {
    const [report] = lintReports([gpt(system(PROSE, PROSE))]);
    const line = report?.prefixes.find(({ path }) => path.endsWith("the boundary line"));
    expect(line?.isStatic).toBe(true);
    expect(report?.staticTokens).toBe(line?.tokens);
    expect(report?.staticTokens).toBeLessThan((report?.promptTokens ?? 0) * 0.55);
    expect(report?.prefixes.filter(({ isStatic }) => isStatic)).toHaveLength(1);
  });

  test("is meant the line that the config names, or none", () => {
    const body = gpt(`${PROSE}\n=====\n${clock}`);
    expect(lintReports([body], { boundaryLine: "=====" })[0]?.findings).toEqual([]);
    expect(lintReports([body], { boundaryLine: "" })[0]?.findings).toHaveLength(1);
    expect(lintReports([gpt(`${clock} ${PROSE}`)], { boundaryLine: "=====" })[0]?.findings[0]?.advice).toContain(
      "`=====`",
    );
  });
});

describe("marks", () => {
  const text = (given: JsonObject = {}) => ({ type: "text", text: PROSE, ...given });
  const marked = (ttl?: string) => text({ cache_control: ttl === undefined ? MARK : { ...MARK, ttl } });

  test("more than four are too many, the fifth is named; the request's own counts", () => {
    const four = { system: [marked(), marked(), marked(), marked()] };
    expect(rules(claude(four))).toEqual([]);
    expect(rules(claude({ system: [...four.system, marked()] }))).toEqual([
      "warning marks-too-many system[4].cache_control",
    ]);
    expect(rules(claude({ ...four, cache_control: MARK }))).toEqual(["warning marks-too-many cache_control"]);
  });

  test("below the model's minimum", () => {
    const brief = { type: "text", text: "Be brief.", cache_control: MARK };
    const messages = [{ role: "user", content: PROSE }];
    expect(rules(claude({ system: [brief], messages }))).toEqual([
      "warning mark-below-minimum system[0].cache_control",
    ]);
    // A deeper one covers what it was to cover.
    expect(rules(claude({ system: [brief, marked()] }))).toEqual(["note mark-below-minimum system[0].cache_control"]);
    // Where all of the prompt is below it, that says it.
    expect(rules(claude({ system: [brief] }))).toEqual(["note too-short "]);
  });

  test("an hour behind five minutes, and not the other way round", () => {
    expect(rules(claude({ system: [marked("1h"), marked(), marked("5m")] }))).toEqual([]);
    expect(rules(claude({ system: [marked(), marked("1h")] }))).toEqual(["warning mark-order system[1].cache_control"]);
    const tools = [{ name: "alpha", description: PROSE, input_schema: { type: "object" }, cache_control: MARK }];
    expect(rules(claude({ tools, system: [marked("1h")] }))).toEqual(["warning mark-order system[0].cache_control"]);
  });

  test("on thinking and on empty text", () => {
    const messages = [
      { role: "user", content: "Hello there" },
      { role: "assistant", content: [{ type: "thinking", thinking: "Hm", signature: "s", cache_control: MARK }] },
      { role: "user", content: [{ type: "text", text: " ", cache_control: MARK }] },
    ];
    const found = rules(claude({ messages }));
    expect(found).toContain("warning mark-place messages[1].content[0].cache_control");
    expect(found).toContain("warning mark-place messages[2].content[0].cache_control");
  });

  test("of a lifetime that there is not", () => {
    expect(rules(claude({ system: [marked("2h")] }))).toEqual(["warning mark-ttl system[0].cache_control"]);
    expect(rules(claude({ system: [marked("30m")] }))).toEqual(["warning mark-ttl system[0].cache_control"]);
  });

  test("of another lifetime are not wrong for being another model's", () => {
    const parts = [{ type: "text", text: PROSE, prompt_cache_breakpoint: { mode: "explicit", ttl: "12h" } }];
    const messages = [{ role: "user", content: parts }];
    expect(rules({ model: "gpt-6-luna", prompt_cache_key: "app", messages })).toEqual([]);
  });

  test("on what is no content part, of a model whose content parts bear them", () => {
    const mark = { prompt_cache_breakpoint: { mode: "explicit" } };
    const tool = { type: "function", name: "alpha", description: PROSE, parameters: {}, ...mark };
    const body = { model: "gpt-6-luna", prompt_cache_key: "app", tools: [tool], input: "Hello" };
    expect(rules(body)).toContain("warning mark-place tools[0].prompt_cache_breakpoint");
  });

  test("of a kind that the model's provider does not read mark nothing", () => {
    const parts = (mark: JsonObject) => [{ role: "user", content: [{ type: "text", text: PROSE, ...mark }] }];
    const strange = { prompt_cache_breakpoint: { mode: "explicit" } };
    expect(rules({ model: "gpt-5.4", prompt_cache_key: "app", messages: parts(strange) })).toEqual([
      "warning mark-foreign messages[0].content[0].prompt_cache_breakpoint",
    ]);
    const mistral = { model: "mistral-small-2603", prompt_cache_key: "app", random_seed: 1 };
    expect(rules({ ...mistral, messages: parts({ cache_control: MARK }) })).toContain(
      "warning mark-foreign messages[0].content[0].cache_control",
    );
  });

  test("that a provider would refuse are a note where Sluice sends only what it takes", () => {
    const system = [marked(), marked(), marked(), marked(), marked()];
    const [own] = lintReports([claude({ system })]);
    const [improved] = lintReports([claude({ system })], { mode: "improve" });
    expect(own?.findings.map(({ level }) => level)).toEqual(["warning"]);
    expect(improved?.findings.map(({ level }) => level)).toEqual(["note"]);
    expect(improved?.findings[0]?.advice).toContain("only what the provider takes is left");
  });

  test("of a model that sets one at the end: the last three are written beside it, and more are a note", () => {
    const part = { type: "text", text: PROSE, prompt_cache_breakpoint: { mode: "explicit" } };
    const body = (count: number, given: JsonObject = {}) => ({
      model: "gpt-6-luna",
      prompt_cache_key: "app",
      messages: [{ role: "user", content: Array.from({ length: count }, () => part) }],
      ...given,
    });
    expect(rules(body(3))).toEqual([]);
    expect(rules(body(4))).toEqual(["note marks-too-many messages[0].content[0].prompt_cache_breakpoint"]);
    expect(rules(body(4, { prompt_cache_options: { mode: "explicit" } }))).toEqual([]);
  });
});

describe("a body's dialect is known by its form", () => {
  test.each<[string | undefined, JsonObject]>([
    ["openai-responses", { model: "gpt-5.4", input: "Hello" }],
    ["openai-chat", { model: "gpt-5.4", messages: [] }],
    [
      "openai-chat",
      { model: "mistral-small-2603", messages: [], tools: [{ type: "function", function: { name: "a" } }] },
    ],
    ["anthropic-messages", { model: "m", messages: [], system: "Be brief." }],
    ["anthropic-messages", { model: "m", messages: [], tools: [{ name: "a", input_schema: {} }] }],
    [
      "anthropic-messages",
      { model: "m", messages: [{ role: "user", content: [{ type: "tool_result", tool_use_id: "1" }] }] },
    ],
    ["anthropic-messages", { model: "claude-opus-4-6", messages: [] }],
    ["mistral-chat", { model: "m", messages: [], random_seed: 1 }],
    ["openai-chat", { model: "m", messages: [], thinking: { type: "enabled" }, tool_choice: "auto" }],
    ["openai-chat", { model: "claude-opus-4-6", messages: [{ role: "system", content: "Be brief." }] }],
    [
      "openai-chat",
      { model: "m", messages: [{ role: "developer", content: [{ type: "text", text: "Hi", cache_control: MARK }] }] },
    ],
    ["ollama-chat", { model: "m", messages: [], options: {} }],
    ["ollama-generate", { model: "m", prompt: "Hello" }],
    [undefined, { model: "m", messages: "Hello" }],
    [undefined, { query: "Hello" }],
  ])("%s: %j", (name, body) => {
    expect(dialectOf(body)).toBe(name);
  });
});

describe("the command", () => {
  const files: Readonly<Record<string, string>> = {
    "text.json": "Hello",
    "broken.json": '{\n  "model": "m",\n  "messages": [}\n}',
    "cut.json": '{"model": "m", "messages": [',
    "blank.json": " \n",
    "number.json": "7",
    "query.json": "{}",
    "answer.json": '{"id": "1", "object": "chat.completion", "choices": []}',
    "empty.json": "[]",
    "mixed.json": JSON.stringify([claude(), "Hello"]),
    "alien.json": '{"model": "gpt-5.4", "messages": [{"role": "alien", "content": "Hello"}]}',
    "no-prompt.json": '{"model": "gpt-5.4", "messages": []}',
    "0.json": "{}",
  };
  const readText = (path: string) => {
    const text = files[path];
    if (text === undefined) throw Object.assign(new Error("gone"), { code: "ENOENT" });
    return text;
  };

  test.each([
    [[], "name a file"],
    [["--verbose", "0.json"], "--verbose"],
    [["--dialect", "openai-chatt", "0.json"], "did you mean openai-chat?"],
    [["--dialect", "openai-chat", "0.json"], "0.json: "],
    [["gone.json"], "gone.json: cannot be read (ENOENT)"],
    [["text.json"], "text.json: no JSON at line 1, column 1"],
    [["broken.json"], "broken.json: no JSON at line 3, column 16"],
    [["cut.json"], "cut.json: no JSON: it ends too early"],
    [["blank.json"], "blank.json: is empty"],
    [["number.json"], "number.json: no request body"],
    [["query.json"], "--dialect"],
    [["answer.json"], "answer.json: no request of any dialect"],
    [["empty.json"], "empty.json: an empty array"],
    [["mixed.json"], "mixed.json#2: no request body"],
    [["no-prompt.json"], "no-prompt.json: no prompt"],
    [
      ["alien.json"],
      '"alien"; one of "system", "developer", "user", "assistant", "tool" is expected (taken for openai-chat',
    ],
    [["-", "-"], "read once"],
  ])("%j ends with 2 and says what is wrong", (given, problem) => {
    const result = cacheLint(given, lintParts(readText));
    expect(result).toMatchObject({ exitCode: 2, output: "" });
    expect(result.problem).toContain(problem);
  });

  test("says nothing of a text that is no JSON", () => {
    const { problem } = cacheLint(
      ["-"],
      lintParts(() => '{"messages": "a secret", x}'),
    );
    expect(problem).toContain("standard input: no JSON at line 1, column 26");
    expect(problem).not.toContain("secret");
  });

  test("a config that is wrong is its problem, and without --config there is none", () => {
    const parts = {
      ...lintParts(() => JSON.stringify(claude())),
      readConfig: () => {
        throw new Error("The configuration has a problem");
      },
    };
    expect(cacheLint(["--config", "sluice.yaml", "-"], parts)).toMatchObject({ exitCode: 2, output: "" });
    expect(cacheLint(["-"], parts).exitCode).toBe(0);
  });

  test("--help says what each end means", () => {
    const { exitCode, output } = cacheLint(["--help"], lintParts(readText));
    expect([exitCode, output]).toEqual([0, CACHE_LINT_USAGE]);
    expect(output).toMatch(/0: no warning.*1: a warning.*2: it could not look/);
  });

  test("a file may hold several, with a byte order mark in front", () => {
    const { output } = cacheLint(
      ["--json", "-"],
      lintParts(() => `\uFEFF${JSON.stringify([claude(), claude()])}`),
    );
    expect((JSON.parse(output) as LintReport[]).map(({ name }) => name)).toEqual([
      "standard input#1",
      "standard input#2",
    ]);
  });

  test("is one of sluice's, needs no configuration, and reads standard input", () => {
    const sluice = (input: JsonObject, ...flags: readonly string[]) =>
      execFileSync(process.execPath, [join(import.meta.dirname, "../src/main.ts"), "cache-lint", ...flags, "-"], {
        input: JSON.stringify(input),
        encoding: "utf8",
        stdio: "pipe",
        env: { PORT: "nonsense" },
      });
    expect(sluice(claude())).toContain("nothing was found");
    expect(() => sluice(gpt(`It is 10:21:04 now. ${PROSE}`))).toThrow(expect.objectContaining({ status: 1 }));
    expect(() => sluice(claude(), "--config", "gone.yaml")).toThrow(expect.objectContaining({ status: 2 }));
  });

  test("takes the mode, the boundary line and the models from a config", () => {
    const folder = mkdtempSync(join(tmpdir(), "sluice-lint-"));
    try {
      const config = join(folder, "sluice.yaml");
      writeFileSync(config, "cache: { mode: improve, boundaryLine: '====' }\n");
      const body = gpt(`${PROSE}\n====\nIt is 10:21:04 now.`, { prompt_cache_key: null });
      const output = execFileSync(
        process.execPath,
        [join(import.meta.dirname, "../src/main.ts"), "cache-lint", "--config", config, "-"],
        { input: JSON.stringify(body), encoding: "utf8", env: {} },
      );
      expect(output).toContain("Sluice sends one: `cache.mode` is `improve`");
      expect(output).not.toContain("timestamp");
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});
