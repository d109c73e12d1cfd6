/** `sluice cache-lint` of several requests: which of them go on, which part, by what, and how much of them a cache would give back. */
import { describe, expect, test } from "vitest";
import type { LintReport } from "../src/cache/lint.ts";
import type { JsonObject } from "../src/chat.ts";
import { lintReports, lintRun } from "./lint-given.ts";

const PROSE = "Say what is true and nothing else, in plain words. ".repeat(200);
const MARK = { type: "ephemeral" };
const KEY = { prompt_cache_key: "app" };
const LONG = "A long answer that is worth its tokens. ".repeat(20);

/** A conversation in Anthropic's dialect, marked at its system text and at its end. */
function turn(...texts: readonly string[]): JsonObject {
  const messages = texts.map((text, at) => ({
    role: at % 2 === 0 ? "user" : "assistant",
    content: [{ type: "text", text, ...(at === texts.length - 1 ? { cache_control: MARK } : {}) }],
  }));
  const system = [{ type: "text", text: PROSE, cache_control: MARK }];
  return { model: "claude-sonnet-4-6", max_tokens: 100, system, messages };
}
function gpt(system: string, ...texts: readonly string[]): JsonObject {
  const messages = texts.map((content, at) => ({ role: at % 2 === 0 ? "user" : "assistant", content }));
  return { model: "gpt-5.4", messages: [{ role: "system", content: system }, ...messages], ...KEY };
}

function last(...bodies: readonly JsonObject[]): LintReport {
  const report = lintReports(bodies).at(-1);
  if (report === undefined) throw new Error("there is a report for each");
  return report;
}
function found({ findings }: LintReport): readonly string[] {
  return findings.map(({ level, rule, path }) => `${level} ${rule} ${path}`);
}
function read({ follows }: LintReport): number | undefined {
  return follows === undefined || follows.how === "another-conversation" ? undefined : follows.read?.tokens;
}

describe("an ordinary conversation", () => {
  test("is fine: the second request goes on from the first, and reads it up to its mark", () => {
    const bodies = [turn("Hello"), turn("Hello", LONG, "And now?")];
    const [first, second] = lintReports(bodies);
    expect(lintRun(bodies)).toMatchObject({ exitCode: 0, problem: "" });
    expect(first?.follows).toBeUndefined();
    expect(second?.findings).toEqual([]);
    expect(second?.follows).toMatchObject({ how: "goes-on", from: "all.json#1", sharedTokens: first?.promptTokens });
    expect(second === undefined ? 0 : read(second)).toBe(first?.prefixes.at(-1)?.tokens);
  });

  test.each([
    ["gpt-5.4", KEY],
    ["gpt-6-luna", { ...KEY, prompt_cache_options: { mode: "implicit" } }],
    ["mistral-small-2603", { ...KEY, random_seed: 1 }],
  ])("is fine for %s", (model, given) => {
    const bodies = [
      { ...gpt(PROSE, "Hello"), model, ...given },
      { ...gpt(PROSE, "Hello", LONG, "And now?"), model, ...given },
    ];
    expect(lintRun(bodies).exitCode).toBe(0);
    const report = last(...bodies);
    expect(report.follows?.how).toBe("goes-on");
    expect(read(report)).toBeGreaterThan(1_900);
  });

  test("whose requests another one's stand between goes on all the same", () => {
    const report = last(turn("Hello"), gpt("Name the conversation.", "Hello"), turn("Hello", LONG, "And now?"));
    expect(report.follows).toMatchObject({ how: "goes-on", from: "all.json#1" });
  });

  test("may be tried again from an earlier turn", () => {
    const report = last(turn("Hello"), turn("Hello", LONG, "And now?"), turn("Hello", LONG, "Or else?"));
    expect(report.follows?.how).toBe("begins-alike");
    expect(found(report)).toEqual([]);
    expect(found(last(turn("Hello", LONG, "And now?"), turn("Hello")))).toEqual([]);
  });

  test("is another one where it only begins alike, and nothing is wrong with that", () => {
    const report = last(turn("Hello", LONG, "And now?"), turn("Something else entirely"));
    expect(report.follows?.how).toBe("begins-alike");
    expect(found(report)).toEqual([]);
    expect(read(report)).toBe(report.staticTokens);
    expect(last(turn("Hello"), gpt("Name the conversation.", "Hm")).follows).toEqual({ how: "another-conversation" });
  });
});

describe("what can be read", () => {
  test("is nothing below the model's minimum", () => {
    const report = last(gpt("Be brief.", "Hello"), gpt("Be brief.", "Hello", "Hi.", "And now?"));
    expect(read(report)).toBe(0);
    expect(lintRun([gpt("Be brief.", "Hello"), gpt("Be brief.", "Hello", "Hi.", "Now?")]).output).toContain(
      "none can be read (nothing under 1024 tokens is cached)",
    );
  });

  test("is nothing without a mark where marks are needed, and nothing without a key where a key is", () => {
    const bare = (...texts: readonly string[]) => ({
      ...turn(...texts),
      system: PROSE,
      messages: gpt("", ...texts)["messages"],
    });
    const unmarked = [
      { model: "claude-sonnet-4-6", max_tokens: 9, system: PROSE, messages: [{ role: "user", content: "Hello" }] },
      { ...bare("Hello"), messages: [{ role: "user", content: "Hello" }] },
    ];
    expect(last(...unmarked).follows).toMatchObject({
      read: { tokens: 0, because: expect.stringContaining("no mark") },
    });
    const keyless = { ...gpt(PROSE, "Hello"), model: "mistral-small-2603", random_seed: 1, prompt_cache_key: null };
    expect(last(keyless, keyless).follows).toMatchObject({
      read: { tokens: 0, because: expect.stringContaining("prompt_cache_key") },
    });
  });

  test("is not told where Sluice sets the marks, or nobody knows the model", () => {
    const toClaude = { ...gpt(PROSE, "Hello"), model: "claude-sonnet-4-6" };
    expect(last(toClaude, toClaude).follows).toMatchObject({ how: "goes-on" });
    expect(read(last(toClaude, toClaude))).toBeUndefined();
    const unknown = { ...gpt(PROSE, "Hello"), model: "house-model" };
    expect(read(last(unknown, unknown))).toBeUndefined();
  });

  test("is what any earlier request has written, not the latest alone", () => {
    const unmarked = {
      ...turn("Hello", LONG, "And now?"),
      messages: [{ role: "user", content: "Hello" }],
      system: PROSE,
    };
    const report = last(turn("Hello"), unmarked, turn("Hello", LONG, "And now?"));
    expect(read(report)).toBeGreaterThan(report.staticTokens);
  });

  test("ends where a mark looks back no farther", () => {
    const blocks = (count: number) =>
      Array.from({ length: count }, (_, at) => ({ type: "text", text: `Block ${at}. ${LONG}` }));
    const body = (count: number) => ({
      ...turn("Hello"),
      system: PROSE,
      messages: [{ role: "user", content: [...blocks(count), { type: "text", text: "Hm", cache_control: MARK }] }],
    });
    const marked = (count: number) => {
      const content = blocks(count).map((block, at) => (at === count - 1 ? { ...block, cache_control: MARK } : block));
      return { ...turn("Hello"), system: PROSE, messages: [{ role: "user", content }] };
    };
    expect(found(last(marked(3), body(10)))).toEqual([]);
    const far = last(marked(3), body(40));
    expect(found(far)).toEqual(["warning lookback "]);
    expect(read(far)).toBe(0);
  });
});

describe("one that parts", () => {
  test("is told where, to the character, and why", () => {
    const dated = (time: string) => gpt(`${PROSE}It is ${time}. ${PROSE}`, "Hello");
    const report = last(dated("10:21:04"), dated("10:21:59"));
    const finding = report.findings.at(-1);
    expect(finding).toMatchObject({
      level: "warning",
      rule: "timestamp",
      path: "messages[0].content[0]",
      offset: PROSE.length + "It is 10:21:".length,
    });
    expect(report.follows).toMatchObject({ how: "parts", from: "all.json#1" });
    // What stands before it is the same, and is read in the provider's steps.
    expect(read(report)).toBeGreaterThan(report.promptTokens * 0.45);
    expect((read(report) ?? 1) % 128).toBe(0);
  });

  const tool = (name: string, given: JsonObject = {}) => ({
    name,
    description: `${name}: ${PROSE}`,
    input_schema: { type: "object" },
    ...given,
  });
  const schema = (...keys: readonly string[]) => ({
    input_schema: { type: "object", properties: Object.fromEntries(keys.map((key) => [key, {}])) },
  });
  const user = (text: string) => ({ role: "user", content: text });
  const said = (text: string) => ({ role: "assistant", content: text });
  test.each<[string, JsonObject, JsonObject, string]>([
    [
      "a UUID",
      { system: `0b0e7a51-3a0f-4c0e-9d8e-000000000001 ${PROSE}` },
      { system: `0b0e7a51-3a0f-4c0e-9d8e-000000000002 ${PROSE}` },
      "uuid system[0]",
    ],
    [
      "tools in another order",
      { tools: [tool("a"), tool("b")] },
      { tools: [tool("b"), tool("a")] },
      "tools-reordered tools[0].name",
    ],
    [
      "another tool",
      { tools: [tool("a"), tool("b")] },
      { tools: [tool("a"), tool("c")] },
      "tools-changed tools[1].name",
    ],
    [
      "keys in another order",
      { tools: [tool("a", schema("x", "y"))] },
      { tools: [tool("a", schema("y", "x"))] },
      "key-order tools[0].parameters",
    ],
    [
      "a word at the system text's beginning",
      { system: `For Ann. ${PROSE}` },
      { system: `For Bob. ${PROSE}` },
      "changed system[0]",
    ],
    ["white space", { system: `${PROSE}\n` }, { system: PROSE }, "whitespace system[0]"],
    [
      "a message that is gone from the history",
      { messages: [user("Hello"), said(LONG), user("And?"), said(`${LONG} Indeed.`), user("So?")] },
      { messages: [user("And?"), said(`${LONG} Indeed.`), user("So?")] },
      "message-removed messages[0].content[0]",
    ],
  ])("by %s has that named", (_, before, now, expected) => {
    const report = last({ ...turn("Hello"), ...before }, { ...turn("Hello"), ...now });
    expect(found(report)).toContain(`warning ${expected}`);
    expect(report.follows?.how).toBe("parts");
  });

  test("by a history that is cut at its beginning is found without any system text", () => {
    const words = ["Ash", "Birch", "Cedar", "Elm", "Fir", "Hazel", "Larch", "Maple", "Oak"];
    const texts = words.map((word) => `${word}. ${LONG}`);
    const window = (from: number, to: number) => ({
      model: "gpt-5.4",
      ...KEY,
      messages: texts.slice(from, to).map((content, at) => ({ role: at % 2 === 0 ? "user" : "assistant", content })),
    });
    const report = last(window(0, 7), window(2, 9));
    expect(found(report)).toEqual(["warning message-removed messages[0].content[0]"]);
    expect(report.follows).toMatchObject({ how: "parts", sharedTokens: 0 });
  });

  test("by a billing line does not part", () => {
    const billed = (version: string) => ({
      ...turn("Hello"),
      system: [
        { type: "text", text: `x-anthropic-billing-header: cc_version=2.1.330.${version};` },
        { type: "text", text: PROSE, cache_control: MARK },
      ],
    });
    const report = last(billed("f8c"), billed("a01"));
    expect(report.follows?.how).toBe("goes-on");
    expect(found(report)).toEqual(["note billing-line system[0]"]);
  });

  test("behind the boundary line is a note in a conversation that goes on, and nothing in another one", () => {
    const dated = (time: string, ...texts: readonly string[]) =>
      gpt(`${PROSE}\n<!-- sluice:dynamic -->\nIt is ${time}.`, ...texts);
    const goesOn = last(dated("10:21:04", LONG), dated("10:22:05", LONG, "Well.", "And now?"));
    expect(found(goesOn)).toEqual(["note timestamp messages[0].content[0]"]);
    expect(goesOn.findings[0]?.says).toContain("still stands before all messages");
    expect(read(goesOn)).toBeGreaterThan(1_900);
    expect(lintRun([dated("10:21:04", "Hello"), dated("10:22:05", "Something else")]).exitCode).toBe(0);
  });

  test("by what is no text has that named: model, key, and what the model's cache tells apart", () => {
    const next = turn("Hello", LONG, "And now?");
    const other = last(turn("Hello"), { ...next, model: "claude-opus-4-8" });
    expect(found(other)).toContain("warning model model");
    expect(read(other)).toBe(0);
    // The same prompt may be meant to be asked of another.
    expect(found(last(next, { ...next, model: "claude-opus-4-8" }))).toEqual(["note model model"]);
    const [first, second] = [gpt(PROSE, "Hello"), gpt(PROSE, "Hello", LONG, "And now?")];
    const keyed = last(first, { ...second, prompt_cache_key: "other" });
    expect(found(keyed)).toEqual(["warning cache-key prompt_cache_key"]);
    expect(read(keyed)).toBe(0);
    const reasoned = last({ ...first, reasoning_effort: "low" }, { ...second, reasoning_effort: "high" });
    expect(found(reasoned)).toEqual(["warning setting reasoning"]);
    expect(read(reasoned)).toBe(0);
    const forced = last({ ...turn("Hello"), tool_choice: { type: "none" } }, next);
    expect(found(forced)).toEqual(["warning setting toolChoice"]);
    expect(read(forced)).toBe(forced.staticTokens);
  });
});
