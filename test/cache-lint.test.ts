/** `sluice cache-lint`: request bodies in, what keeps them from being cached out. */
import { execFileSync } from "node:child_process";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { cacheLint } from "../src/cache-lint.ts";
import type { LintReport } from "../src/cache/lint.ts";
import type { JsonObject } from "../src/chat.ts";
import { dialectOf } from "../src/dialects/shape.ts";

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
    messages: [
      { role: "system", content: system },
      { role: "user", content: "Hello there" },
    ],
    ...given,
  };
}

function run(bodies: readonly JsonObject[], ...flags: readonly string[]) {
  const files = bodies.map((_, at) => `${at}.json`);
  return cacheLint([...flags, ...files], (path) => JSON.stringify(bodies[Number.parseInt(path, 10)]));
}
function lint(...bodies: readonly JsonObject[]): {
  readonly exitCode: number;
  readonly reports: readonly LintReport[];
} {
  const { exitCode, output, problem } = run(bodies, "--json");
  if (exitCode === 2) throw new Error(problem);
  return { exitCode, reports: JSON.parse(output) as LintReport[] };
}
function rules(...bodies: readonly JsonObject[]): readonly string[] {
  return (lint(...bodies).reports.at(-1)?.findings ?? []).map(({ level, rule, path }) => `${level} ${rule} ${path}`);
}

describe("one request", () => {
  test("with nothing wrong ends with 0 and says its prefixes, with their tokens", () => {
    const { exitCode, reports } = lint(claude());
    expect(exitCode).toBe(0);
    const [report] = reports;
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
    expect(lint(gpt(system)).exitCode).toBe(rule.startsWith("warning") ? 1 : 0);
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
    expect(rules({ model: "gpt-5.4", messages })).toEqual([]);
  });

  test("an agent's billing line is a note", () => {
    const system = [
      { type: "text", text: "x-anthropic-billing-header: cc_version=2.1.330.f8c;" },
      { type: "text", text: PROSE, cache_control: MARK },
    ];
    expect(rules(claude({ system }))).toEqual(["note billing-line system[0]"]);
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
    const short = { system: [{ type: "text", text: "Be brief.", cache_control: MARK }] };
    expect(rules(claude(short))).toEqual(["warning mark-below-minimum system[0].cache_control"]);
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

  test("none at all on a model that caches nothing else is a note, where there is enough to cache", () => {
    expect(rules(claude({ system: PROSE }))).toEqual(["note unmarked "]);
    expect(rules(claude({ system: "Be brief." }))).toEqual([]);
  });
});

describe("requests that follow each other", () => {
  const turn = (...texts: readonly string[]) =>
    claude({ messages: texts.map((content, at) => ({ role: at % 2 === 0 ? "user" : "assistant", content })) });

  test("one that goes on is said to", () => {
    const { exitCode, reports } = lint(turn("Hello"), turn("Hello", "Hi.", "And now?"));
    expect(exitCode).toBe(0);
    expect(reports[0]?.follows).toBeUndefined();
    expect(reports[1]?.follows).toMatchObject({ how: "goes-on", sharedTokens: reports[0]?.promptTokens });
  });

  test("one that parts is told where, to the character, and why", () => {
    const dated = (time: string) => gpt(`${PROSE}It is ${time}. ${PROSE}`);
    const { exitCode, reports } = lint(dated("10:21:04"), dated("10:21:59"));
    expect(exitCode).toBe(1);
    expect(reports[1]?.follows).toMatchObject({ how: "parts", sharedTokens: 0 });
    expect(reports[1]?.findings.at(-1)).toMatchObject({
      rule: "timestamp",
      path: "messages[0].content[0]",
      offset: PROSE.length + "It is 10:21:".length,
    });
    expect(reports[1]?.findings.at(-1)?.says).toContain("by the client's change");
  });

  test("what stands before the change can be read", () => {
    const tools = (word: string) =>
      ["alpha", "beta"].map((name, at) => ({
        name,
        description: `${PROSE}${at === 1 ? word : ""}`,
        input_schema: { type: "object" },
      }));
    const { reports } = lint(claude({ tools: tools("one") }), claude({ tools: tools("other") }));
    const follows = reports[1]?.follows;
    if (follows?.how !== "parts") throw new Error("they part");
    const whole = reports[0]?.promptTokens ?? 0;
    expect(follows.sharedTokens).toBeGreaterThan(whole * 0.3);
    expect(follows.sharedTokens).toBeLessThan(whole * 0.36);
    expect(follows.lostTokens + follows.sharedTokens).toBeLessThanOrEqual(whole + 1);
  });

  test("another model loses everything", () => {
    const { reports } = lint(turn("Hello"), { ...turn("Hello", "Hi.", "And?"), model: "claude-opus-4-6" });
    expect(reports[1]?.findings.map(({ rule }) => rule)).toContain("model");
    expect(reports[1]?.follows).toMatchObject({ how: "parts", sharedTokens: 0 });
  });

  test("another conversation is not compared", () => {
    const { reports } = lint(turn("Hello"), gpt("Name the conversation."));
    expect(reports[1]?.follows).toEqual({ how: "another-conversation" });
  });

  test("a file may hold several", () => {
    const bodies = [turn("Hello"), turn("Hello", "Hi.", "And now?")];
    const { output } = cacheLint(["--json", "-"], () => JSON.stringify(bodies));
    const reports = JSON.parse(output) as LintReport[];
    expect(reports.map(({ name }) => name)).toEqual(["standard input#1", "standard input#2"]);
    expect(reports[1]?.follows?.how).toBe("goes-on");
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
    ["ollama-chat", { model: "m", messages: [], options: {} }],
    ["ollama-generate", { model: "m", prompt: "Hello" }],
    [undefined, { model: "m", messages: "Hello" }],
    [undefined, { query: "Hello" }],
  ])("%s: %j", (name, body) => {
    expect(dialectOf(body)).toBe(name);
  });
});

describe("the command", () => {
  test.each([
    [[], "name a file"],
    [["--verbose", "0.json"], "--verbose"],
    [["--dialect", "openai-chatt", "0.json"], "did you mean openai-chat?"],
    [["gone.json"], "gone.json: cannot be read (ENOENT)"],
    [["text.json"], "text.json: no JSON"],
    [["number.json"], "number.json: no request body"],
    [["query.json"], "--dialect"],
  ])("%j ends with 2 and says what is wrong", (given, problem) => {
    const files: Readonly<Record<string, string>> = {
      "text.json": "Hello",
      "number.json": "7",
      "query.json": "{}",
      "0.json": "{}",
    };
    const result = cacheLint(given, (path) => {
      const text = files[path];
      if (text === undefined) throw Object.assign(new Error("gone"), { code: "ENOENT" });
      return text;
    });
    expect(result).toMatchObject({ exitCode: 2, output: "" });
    expect(result.problem).toContain(problem);
  });

  test("is one of sluice's, needs no configuration, and reads standard input", () => {
    const main = join(import.meta.dirname, "../src/main.ts");
    const run = (input: JsonObject) =>
      execFileSync(process.execPath, [main, "cache-lint", "-"], {
        input: JSON.stringify(input),
        encoding: "utf8",
        env: { PORT: "nonsense" },
      });
    expect(run(claude())).toContain("nothing was found");
    expect(() => run(gpt(`It is 10:21:04 now. ${PROSE}`))).toThrow(expect.objectContaining({ status: 1 }));
  });
});
