/** What calls and answers show of how a task goes, and what is made of it. */
import { describe, expect, test } from "vitest";
import type { ChatEvent, JsonObject, Message, Tool } from "../src/chat.ts";
import { answerCheck } from "../src/tasks/answer-check.ts";
import { fits } from "../src/tasks/schema-fit.ts";
import { isOfferedCall, isValidCall, outcomeOf, requestSignals, type ToldExchange } from "../src/tasks/signals.ts";
import { request, said } from "./made-target.ts";

const WEATHER: Tool = {
  type: "function",
  name: "weather",
  parameters: {
    type: "object",
    properties: { city: { type: "string" }, days: { type: "integer", minimum: 1 } },
    required: ["city"],
    additionalProperties: false,
  },
};

describe("whether a value fits a schema", () => {
  test.each<[unknown, JsonObject, boolean]>([
    [{ city: "Paris" }, WEATHER.parameters ?? {}, true],
    [{ city: "Paris", days: 3 }, WEATHER.parameters ?? {}, true],
    [{ days: 3 }, WEATHER.parameters ?? {}, false],
    [{ city: 7 }, WEATHER.parameters ?? {}, false],
    [{ city: "Paris", days: 1.5 }, WEATHER.parameters ?? {}, false],
    [{ city: "Paris", days: 0 }, WEATHER.parameters ?? {}, false],
    [{ city: "Paris", more: 1 }, WEATHER.parameters ?? {}, false],
    [[1, "a"], { type: "array", items: { type: "number" } }, false],
    [[], { type: "array", minItems: 1 }, false],
    ["b", { enum: ["a", "b"] }, true],
    ["c", { enum: ["a", "b"] }, false],
    [null, { type: ["string", "null"] }, true],
    [null, { type: "string", nullable: true }, true],
    [{ a: 1 }, { const: { a: 1 } }, true],
    [3, { anyOf: [{ type: "string" }, { type: "number" }] }, true],
    [true, { oneOf: [{ type: "string" }, { type: "number" }] }, false],
    [{ a: 1, b: "x" }, { allOf: [{ required: ["a"] }, { required: ["c"] }] }, false],
    [
      { child: { child: {} } },
      { $ref: "#/$defs/node", $defs: { node: { properties: { child: { $ref: "#/$defs/node" } } } } },
      true,
    ],
    [
      { child: 7 },
      { $ref: "#/$defs/node", $defs: { node: { type: "object", properties: { child: { $ref: "#/$defs/node" } } } } },
      false,
    ],
    // What is not looked at fits.
    ["x", { pattern: "^y$", format: "date", $ref: "https://example.com/schema" }, true],
    ["x", { type: "wurst" }, true],
  ])("%j in %j: %s", (value, schema, isFit) => {
    expect(fits(value, schema)).toBe(isFit);
  });

  test("a schema that refers to itself for ever ends", () => {
    expect(fits({}, { $ref: "#" })).toBe(true);
    expect(fits([[[]]], { anyOf: [{ $ref: "#" }, { $ref: "#" }], items: { $ref: "#" } })).toBe(true);
  });
});

describe("a tool call", () => {
  test.each([
    ["weather", '{"city":"Paris"}', true],
    ["weather", '{"city":', false],
    ["weather", "{}", false],
    ["weather", "", false],
    // It is not offered any more.
    ["forecast", "{}", true],
    ["forecast", "{", false],
  ])("%s(%s) is valid: %s", (name, args, isValid) => {
    expect(isValidCall({ name, arguments: args }, { tools: [WEATHER] })).toBe(isValid);
  });
});

describe("a call in an answer", () => {
  const opaque = (kind: string, value: JsonObject, name?: string): Tool => {
    return { type: "opaque", dialect: "openai-responses", kind, value, ...(name === undefined ? {} : { name }) };
  };
  test.each<[string, Tool[], JsonObject, boolean]>([
    ["weather", [WEATHER], {}, true],
    ["delete_everything", [WEATHER], {}, false],
    ["delete_everything", [], {}, false],
    // It is told by a name; a server of many, and tools in a tool, are not seen.
    ["shout", [WEATHER, opaque("custom", {}, "shout")], {}, true],
    ["shout", [WEATHER, opaque("custom", {}, "whisper")], {}, false],
    ["shout", [WEATHER, opaque("mcp", {})], {}, true],
    ["shout", [WEATHER, opaque("namespace", { tools: [] }, "voices")], {}, true],
    // The provider keeps it.
    ["shout", [], { prompt: { id: "pmpt_1" } }, true],
  ])("of %s is of a tool that was offered (%j, %j): %s", (name, tools, extra, isOffered) => {
    expect(isOfferedCall({ name, arguments: '{"city":"Paris"}' }, { tools, extra })).toBe(isOffered);
  });
});

describe("a request shows of the turn before it", () => {
  const called = (args: string): Message => ({
    role: "assistant",
    parts: [{ type: "tool-call", id: "1", name: "weather", arguments: args }],
  });
  const result = (isError: boolean): Message => ({
    role: "tool",
    parts: [{ type: "tool-result", callId: "1", content: [{ type: "text", text: "…" }], isError }],
  });

  test("whether its calls were valid, and whether tools failed", () => {
    const of = (...messages: Message[]) =>
      requestSignals(request({ tools: [WEATHER], messages: [said("Rain?"), ...messages] }), []);
    expect(of()).toEqual([]);
    expect(of(called('{"city":"Paris"}'), result(false))).toEqual(["calls-valid"]);
    expect(of(called("{}"), result(true))).toEqual(["call-broken", "tool-failed"]);
    // Only the last turn is: those before it were looked at before.
    expect(of(called("{}"), result(true), said("Sorry.", "assistant"), said("Again."))).toEqual([]);
  });

  test("words of frustration, where the operator has some", () => {
    const messages = [said("Fix it."), said("Done.", "assistant"), said("No, THAT IS WRONG.")];
    expect(requestSignals(request({ messages }), ["that is wrong"])).toEqual(["frustrated"]);
    expect(requestSignals(request({ messages }), [])).toEqual([]);
    // What nobody has answered yet cannot be about an answer.
    expect(requestSignals(request({ messages: [said("That is wrong: fix it.")] }), ["that is wrong"])).toEqual([]);
  });
});

describe("an answer", () => {
  const schema = { type: "object", required: ["a"] };
  const text = (...texts: string[]): ChatEvent[] => texts.map((one) => ({ type: "text-delta", text: one }));
  const signals = (given: Parameters<typeof request>[0], events: readonly ChatEvent[]) => {
    const check = answerCheck(request(given), undefined);
    for (const event of events) check?.event(event);
    return check?.signals();
  };

  test("is judged where JSON was asked for", () => {
    const asked = { responseFormat: { type: "json-schema", schema } } as const;
    expect(signals(asked, text('{"a"', ":1}"))).toEqual(["answer-valid"]);
    expect(signals(asked, text('{"b":1}'))).toEqual(["answer-broken"]);
    expect(signals(asked, text("Sure! {"))).toEqual(["answer-broken"]);
    expect(signals({ responseFormat: { type: "json-object" } }, text("[]"))).toEqual(["answer-broken"]);
    expect(signals(asked, [])).toEqual([]);
    // Several answers in one.
    expect(signals({ ...asked, choices: 2 }, text("{}{}"))).toBeUndefined();
    expect(signals({}, text("Hello"))).toBeUndefined();
  });

  test("is judged by its calls where it has some", () => {
    const call = (args: string): ChatEvent[] => [
      { type: "tool-call-start", index: 0, id: "1", name: "weather" },
      { type: "tool-call-delta", index: 0, arguments: args },
      { type: "tool-call-end", index: 0 },
    ];
    expect(signals({ tools: [WEATHER] }, call('{"city":"Paris"}'))).toEqual(["calls-valid"]);
    expect(signals({ tools: [WEATHER] }, call("{}"))).toEqual(["call-broken"]);
    const other: Tool = { type: "function", name: "look" };
    expect(signals({ tools: [other] }, call("{}"))).toEqual(["call-broken"]);
  });

  test("that is very long is not judged, and not kept", () => {
    const long = text(
      '{"a":"',
      ..."x"
        .repeat(3)
        .split("")
        .map(() => "y".repeat(400_000)),
      '"}',
    );
    expect(signals({ responseFormat: { type: "json-schema", schema } }, long)).toEqual([]);
  });
});

describe("what the answers show of the outcome", () => {
  const one = (given: Partial<ToldExchange> = {}, ...words: string[]): ToldExchange => ({
    isComplete: true,
    isCanceled: false,
    finishReason: "stop",
    signals: new Set(words),
    ...given,
  });

  test.each<[string, readonly ToldExchange[], number | undefined]>([
    ["an answer that says nothing of itself", [one()], undefined],
    ["JSON as it was asked for", [one({}, "answer-valid")], 1],
    ["JSON that is none", [one({}, "answer-broken")], 0],
    ["a refusal at the end", [one(), one({ finishReason: "refusal" })], 0],
    ["a refusal on the way", [one({ finishReason: "refusal" }), one()], undefined],
    ["an answer that was cut", [one({ finishReason: "length" })], 0],
    ["no answer at the end", [one(), one({ isComplete: false })], 0],
    ["a client that left", [one({ isComplete: false, isCanceled: true })], undefined],
    ["a prompt that was sent again", [one(), one({}, "resend")], 0.5],
    ["frustration, twice", [one(), one({}, "frustrated"), one({}, "frustrated")], 0.25],
    ["a good answer at the second time", [one({}, "answer-broken"), one({}, "answer-valid", "resend")], 0.5],
    ["a title that was refused", [one({}, "answer-valid"), one({ finishReason: "refusal" }, "side")], 1],
    ["nothing", [], undefined],
  ])("%s", (_what, exchanges, success) => {
    expect(outcomeOf(exchanges)).toEqual(success === undefined ? undefined : { success, source: "signals" });
  });
});
