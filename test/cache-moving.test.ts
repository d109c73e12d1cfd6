/** Lines that change by themselves: which are taken, where they go, and that nothing else happens. */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  createMovers,
  MOVE_RULES,
  MOVED_HEADING,
  moveRuleAt,
  withoutTail,
  type MoveRow,
  type Mover,
} from "../src/cache/moving.ts";
import { readPrefixes } from "../src/cache/prefixes.ts";
import { openingText } from "../src/cache/opening.ts";
import type { ChatRequest, JsonObject, JsonValue, Message, Part } from "../src/chat.ts";
import { dialects } from "../src/dialects/index.ts";
import type { Dialect } from "../src/dialects/dialect.ts";
import { receive } from "../src/exchange.ts";
import { movedCall } from "../src/moved.ts";
import { lintRun } from "./lint-given.ts";

const LIMITS = { bodyBytesMax: 1_000_000, jsonDepthMax: 100 };
const LINE = "<!-- sluice:dynamic -->";
const ALL: MoveRow = { rules: [...MOVE_RULES], patterns: ["^Build: .+$", "^weather"] };

function moverOf(row: Partial<MoveRow>): Mover {
  const mover = createMovers({ "*": { rules: [], patterns: [], ...row } }, LINE)("any");
  if (mover === undefined) throw new Error("nothing is moved");
  return mover;
}

describe("a line that is taken", () => {
  test.each([
    ["timestamps", "Current time: 2026-11-25T10:15:00Z"],
    ["timestamps", "Today is Wednesday, November 25, 2026."],
    ["timestamps", "The current date is 2026-11-25."],
    ["timestamps", "Session began 2026-11-25 10:15:00"],
    ["timestamps", "ts=1764065700"],
    ["timestamps", "Current time: 10:15 a.m. UTC, Nov. 25"],
    ["uuids", "conversation 6f1f64ba-3c9a-4d5b-9d53-0c2f4ad1c7aa"],
    ["ids", "Request id: 8fa3c2d1e0b7"],
    ["ids", "nonce=k2j4h5g6d7"],
    ["ids", "session: 88124512"],
  ])("by %s: %s", (rule, line) => {
    expect(moverOf(ALL).move([`Be brief.\n${line}\nBe kind.\n`])).toEqual({
      left: ["Be brief.\nBe kind.\n"],
      text: `${MOVED_HEADING}\n${line}`,
      counts: new Map([[rule, 1]]),
    });
    expect(moveRuleAt(`Be brief.\n${line}`, 12)).toBe(rule);
  });

  test.each([
    ["of the client's own pattern", "Build: 17", "patterns"],
    ["with a CRLF at its end", "Build: 17\r", "patterns"],
  ])("%s", (_name, line, rule) => {
    expect(moverOf(ALL).move([`Be brief.\r\n${line}\nBe kind.`])).toEqual({
      left: ["Be brief.\r\nBe kind."],
      text: `${MOVED_HEADING}\nBuild: 17`,
      counts: new Map([[rule, 1]]),
    });
  });
});

describe("a line that stays", () => {
  test.each([
    ["a date that nobody calls the current one", "The contract of 2019-03-01 is the one that counts."],
    ["opening hours", "We are open Mon-Fri, 9:00 to 17:00."],
    ["more than one sentence", "You are a helpful assistant. Current time: 10:15:00."],
    ["an instruction behind the time", "It is now 10:15. answer in German"],
    ["an instruction behind it in Chinese", "当前 time: 10:15:00。请用德语回答"],
    ["a long one", `Current time: 10:15:00 ${"and more of it ".repeat(12)}`],
    ["a hash that nobody calls an id", "Look at commit 8fa3c2d1e0b7."],
    ["the boundary line", LINE],
    ["fenced code", "```\nCurrent time: 10:15:00\nBuild: 1\n```"],
    ["more than a pattern may take", `Build: ${"1".repeat(512)}`],
  ])("%s", (_name, text) => {
    expect(moverOf(ALL).move([`Be brief.\n${text}\nBe kind.`])).toBeUndefined();
    expect(moverOf({ patterns: [".*kind.*"] }).move([text])).toBeUndefined();
  });

  test("what is beyond the first 131,072 characters", () => {
    const text = `${"Be brief.\n".repeat(13_107)}Build: 1\nBuild: 2\n`;
    expect(moverOf(ALL).move([text])).toBeUndefined();
    expect(moverOf(ALL).move([text.slice(10)])?.text).toBe(`${MOVED_HEADING}\nBuild: 1`);
    expect(moverOf(ALL).move(["Build: 0\n", text])?.left.join("")).toBe(text);
  });
});

test("`sluice cache-lint` names the rule that would take what it found, and none that would not", () => {
  const clock = { model: "gpt-6-luna", messages: systemAndUser("Be brief.\nCurrent time: 10:15:00\nBe kind.") };
  const spoken = { model: "gpt-6-luna", messages: systemAndUser("You are kind. Current time: 10:15:00") };
  const later = { model: "gpt-6-luna", messages: systemAndUser("Be brief.\nCurrent time: 10:16:00\nBe kind.") };
  const said = (...bodies: readonly JsonObject[]) => lintRun(bodies).output;
  expect(said(clock)).toContain("cache: { move: { <class>: { rules: [timestamps] } } }");
  expect(said(spoken)).toContain("warning timestamp");
  expect(said(spoken)).not.toContain("move: {");
  // Where it is by its change that it is found, too.
  expect(said(clock, later).split("rules: [timestamps]").length).toBe(4);
});

function systemAndUser(system: string): readonly JsonObject[] {
  return [
    { role: "system", content: system },
    { role: "user", content: `And is the current time 10:15:00? ${"More of it. ".repeat(40)}` },
  ];
}

describe("a class", () => {
  const movers = createMovers(
    { "*": ALL, triage: { rules: ["uuids"], patterns: [] }, none: { rules: [], patterns: [] } },
    LINE,
  );
  test("has its own rules in the place of those for all", () => {
    expect(movers("triage")?.move(["Build: 1"])).toBeUndefined();
    expect(movers("other")?.move(["Build: 1"])).toBeDefined();
    expect(movers(undefined)?.move(["Build: 1"])).toBeDefined();
  });
  test("may have none", () => {
    expect(movers("none")).toBeUndefined();
    expect(movers("constructor")).toBe(movers("other"));
  });
  test("that is not listed has none where nothing is said for all", () => {
    expect(createMovers({ triage: ALL }, LINE)("other")).toBeUndefined();
    expect(createMovers({ triage: ALL }, LINE)(undefined)).toBeUndefined();
  });
});

const CHANGING = ["Current time: 10:15:00", "id: 8fa3c2d1e0b7", "Build: 17", "weather: fine"];
const STAYING = ["", "Be brief.", "  - and kind", "```", "~~~ts", LINE, "The contract of 2019-03-01.", "é😀 \ud83d"];
const line = fc.oneof(fc.constantFrom(...CHANGING), fc.constantFrom(...STAYING), fc.string());
const text = fc
  .tuple(fc.array(line, { maxLength: 8 }), fc.constantFrom("\n", "\r\n"))
  .map(([all, end]) => all.join(end));

test("lines are put elsewhere, and none is lost, made or changed", () => {
  fc.assert(
    fc.property(fc.array(text, { maxLength: 4 }), (texts) => {
      const moved = moverOf(ALL).move(texts);
      const before = texts.map(linesIn);
      if (moved === undefined) return;
      expect(moved.left.length).toBe(texts.length);
      const [heading, ...lines] = moved.text.split("\n");
      expect(heading).toBe(MOVED_HEADING);
      expect([...moved.left.flatMap(linesIn), ...lines].toSorted()).toEqual(before.flat().toSorted());
      for (const [at, left] of moved.left.entries()) expect(isWithin(linesIn(left), before[at] ?? [])).toBe(true);
      expect(isWithin(lines, before.flat())).toBe(true);
      expect([...moved.counts.values()].reduce((sum, count) => sum + count, 0)).toBe(lines.length);
    }),
    { numRuns: 500 },
  );
});

test("what has been moved is moved once", () => {
  fc.assert(
    fc.property(fc.array(text, { maxLength: 4 }), (texts) => {
      const moved = moverOf(ALL).move(texts);
      if (moved !== undefined) expect(moverOf(ALL).move(moved.left)).toBeUndefined();
    }),
  );
});

/** Lines that say something, without what ends them. */
function linesIn(said: string): readonly string[] {
  return said.split(/\r?\n/).filter((one) => one.trim() !== "");
}

function isWithin(some: readonly string[], all: readonly string[]): boolean {
  let at = 0;
  for (const one of all) if (one === some[at]) at += 1;
  return at === some.length;
}

// ---- In a client's own bytes.

const TEXTS: Readonly<Record<string, string>> = { "openai-responses": "input_text" };
const DIALECTS = [
  "openai-chat",
  "openai-responses",
  "anthropic-messages",
  "mistral-chat",
  "ollama-chat",
  "ollama-generate",
].map((name) => dialects.find((dialect) => dialect.name === name) as Dialect);

type Content = string | readonly string[];

/** A body of the dialect, and how its conversation ends. */
function bodyOf({ name }: Dialect, system: readonly Content[], user: Content, ends: "user" | "tool"): JsonObject {
  const content = (said: Content): JsonValue =>
    typeof said === "string" || name.startsWith("ollama")
      ? typeof said === "string"
        ? said
        : said.join("\n")
      : said.map((one) => ({ type: TEXTS[name] ?? "text", text: one }));
  const first = system[0];
  const turns = system.map((said): JsonObject => ({ role: "system", content: content(said) }));
  const asks: JsonObject = { role: "user", content: content(user) };
  switch (name) {
    case "anthropic-messages": {
      const call = { type: "tool_use", id: "toolu_1", name: "look", input: {} };
      const result = { type: "tool_result", tool_use_id: "toolu_1", content: "It rains." };
      return {
        model: "m",
        max_tokens: 10,
        ...(first === undefined ? {} : { system: content(first) }),
        messages: [
          asks,
          ...(ends === "user"
            ? []
            : [
                { role: "assistant", content: [call] },
                { role: "user", content: [result] },
              ]),
        ],
      };
    }
    case "openai-responses": {
      const call = { type: "function_call", call_id: "call_1", name: "look", arguments: "{}" };
      const result = { type: "function_call_output", call_id: "call_1", output: "It rains." };
      return { model: "m", input: [...turns, asks, ...(ends === "user" ? [] : [call, result])] };
    }
    case "ollama-generate":
      return { model: "m", system: typeof first === "string" ? first : "", prompt: String(content(user)) };
    default: {
      const isText = name === "ollama-chat";
      const call = { id: "call_1aaaa", type: "function", function: { name: "look", arguments: isText ? {} : "{}" } };
      const result = { role: "tool", tool_call_id: "call_1aaaa", content: "It rains." };
      const end = [{ role: "assistant", content: "", tool_calls: [call] }, result];
      return { model: "m", messages: [...turns, asks, ...(ends === "user" ? [] : end)] };
    }
  }
}

const said = fc.oneof(text, fc.array(text, { minLength: 1, maxLength: 3 }));
const user = fc.constantFrom<Content>("Hello", ["Hello", "there"]);
const ends = fc.constantFrom<"user" | "tool">("user", "tool");

describe.each(DIALECTS)("in $name", (dialect) => {
  const body = fc
    .tuple(fc.array(said, { minLength: 1, maxLength: 2 }), user, ends)
    .map(([system, asks, end]) => bodyOf(dialect, system, asks, end));

  test("the bytes say what the reading says, and say it each time", () => {
    let count = 0;
    fc.assert(
      fc.property(body, (sent) => {
        const raw = Buffer.from(JSON.stringify(sent));
        const received = receive(raw, dialect, LIMITS);
        const moved = movedCall(received, dialect, moverOf(ALL), LIMITS);
        if (moved === undefined) return;
        count += 1;
        const { call } = moved;
        expect(saidBy(dialect.readRequest(call.body))).toEqual(saidBy(call.request));
        expect(movedCall(receive(raw, dialect, LIMITS), dialect, moverOf(ALL), LIMITS)?.call.raw).toEqual(call.raw);
        const again = receive(call.raw, dialect, LIMITS);
        expect(movedCall(again, dialect, moverOf(ALL), LIMITS)).toBeUndefined();
      }),
      { numRuns: 200 },
    );
    expect(count).toBeGreaterThan(10);
  });

  test("the next prompt goes on from it, whatever the time is", () => {
    const prompts = ["10:15:00", "10:16:00"].map((clock, turn) => {
      const system = `Be brief.\nCurrent time: ${clock}\nBe kind.`;
      const sent = bodyOf(
        dialect,
        [system],
        "Hello",
        turn === 0 || dialect.name === "ollama-generate" ? "user" : "tool",
      );
      const received = receive(Buffer.from(JSON.stringify(sent)), dialect, LIMITS);
      return movedCall(received, dialect, moverOf(ALL), LIMITS)?.call.request ?? received.request;
    });
    const [first, second] = prompts.map((request) => readPrefixes(request, "", LINE));
    expect(first?.hasTail).toBe(true);
    expect(first?.hashes.length).toBeGreaterThan(0);
    expect(second?.hashes.slice(0, first?.hashes.length)).toEqual(first?.hashes);
    expect(new Set(prompts.map((one) => openingText(withoutTail(one)))).size).toBe(1);
    // Who asks what the client has said is told nothing of it.
    expect(prompts.slice(0, 1).map((one) => withoutTail(one).messages.map(({ parts }) => parts.length))).toEqual([
      [1, 1],
    ]);
    expect(prompts.map((one) => withoutTail(one).messages.at(-1)?.role)[1]).toBe(second?.lastKind);
    // What was moved is read by the model, and so is counted.
    expect(first?.promptTokens).toBeGreaterThan((first?.tokens.at(-1) ?? 0) + 10);
    expect(second?.lastKind).toBe(dialect.name === "ollama-generate" ? "user" : "tool");
  });

  test("an answer that was begun, and a prompt without a user, stay as they are", () => {
    const sent = bodyOf(dialect, ["Build: 17"], "Hello", "user");
    const begun: JsonObject = { role: "assistant", content: "Well," };
    for (const field of ["messages", "input"]) {
      const turns = sent[field];
      if (!Array.isArray(turns)) continue;
      for (const others of [[...(turns as readonly JsonValue[]), begun], []]) {
        expect(dialect.movable?.({ ...sent, [field]: others })).toBeUndefined();
      }
    }
    expect(dialect.movable?.(sent)).toBeDefined();
  });
});

/** What each message says, text that follows text as one: a server that knows no parts has them joined. */
function saidBy({ messages }: ChatRequest): JsonValue {
  const said = messages.map((message: Message) => ({
    role: message.role,
    said: (message.parts as readonly Part[]).reduce<string[]>((all, part) => {
      if (part.type !== "text") return [...all, JSON.stringify(part)];
      return part.text === "" ? all : [...all.slice(0, -1), `${all.at(-1) ?? ""}${part.text}`];
    }, []),
  }));
  // A message of which nothing is left may stand there empty.
  return said.filter((message) => message.said.join("") !== "");
}
