import { describe, expect, test } from "vitest";
import type { ChatRequest, FunctionTool, JsonValue, Message, OpaqueTool } from "../src/chat.ts";
import type { ModelRecord } from "../src/model.ts";
import { F, OTHER, text, USER, write } from "./openai-chat-written.ts";

describe("tools", () => {
  const hosted: OpaqueTool = {
    type: "opaque",
    dialect: OTHER,
    kind: "web_search_20250305",
    name: "web_search",
    value: {},
  };

  test("that are loaded later stand last, the others in their order", () => {
    const named = (name: string, deferred?: boolean): FunctionTool => ({
      type: "function",
      name,
      ...(deferred === undefined ? {} : { deferred }),
    });
    const { body, lost } = write({ tools: [named("a"), named("late", true), named("b", false)] });
    expect((body["tools"] as unknown as { function: { name: string } }[]).map((tool) => tool.function.name)).toEqual([
      "a",
      "b",
      "late",
    ]);
    expect(lost).toEqual([]);
  });

  test("that another provider hosts are done without where there are others, and refused where there are none", () => {
    const { body, lost } = write({ tools: [hosted, F], toolChoice: { type: "named", name: "web_search" } });
    expect(body["tools"]).toHaveLength(1);
    expect(body).not.toHaveProperty("tool_choice");
    expect(lost).toEqual(["hosted-tool", "tool_choice"]);
    expect(() => write({ tools: [hosted] })).toThrow(/web_search_20250305/);
  });

  const closed = {
    type: "object",
    properties: { a: { type: "string" } },
    required: ["a"],
    additionalProperties: false,
  };
  test.each([
    ["closed and required", closed, true],
    ["with an optional property", { ...closed, required: [] }, false],
    ["open", { type: "object", properties: {} }, false],
    ["open below", { ...closed, properties: { a: { type: "object", properties: {} } } }, false],
    ["open in a definition", { ...closed, $defs: { d: { type: "object" } } }, false],
    ["with a keyword that is refused", { ...closed, properties: { a: { allOf: [] } } }, false],
  ])("that are strict elsewhere are strict here only as far as that goes: %s", (_what, parameters, strict) => {
    const { body, lost } = write({ tools: [{ ...F, parameters, strict: true }] });
    expect(body["tools"]).toEqual([
      { type: "function", function: { name: "f", description: "d", parameters, ...(strict ? { strict } : {}) } },
    ]);
    expect(lost).toEqual(strict ? [] : ["strict"]);
  });

  test.each([
    [{ type: "none" }, "none"],
    [{ type: "auto" }, "auto"],
    [{ type: "required" }, "required"],
    [
      { type: "named", name: "f" },
      { type: "function", function: { name: "f" } },
    ],
    [
      { type: "subset", mode: "required", names: ["f"] },
      {
        type: "allowed_tools",
        allowed_tools: { mode: "required", tools: [{ type: "function", function: { name: "f" } }] },
      },
    ],
  ] as [ChatRequest["toolChoice"], JsonValue][])("chosen as %j are said so", (toolChoice, expected) => {
    expect(write({ tools: [F], ...(toolChoice === undefined ? {} : { toolChoice }) }).body["tool_choice"]).toEqual(
      expected,
    );
  });

  test("that are none have no choice", () => {
    expect(write({ toolChoice: { type: "auto" }, parallelToolCalls: false })).toMatchObject({ lost: [] });
    expect(write({ toolChoice: { type: "auto" }, parallelToolCalls: false }).body).not.toHaveProperty("tool_choice");
    expect(write({ toolChoice: { type: "required" } }).lost).toEqual(["tool_choice"]);
  });
});

describe("a structured output", () => {
  test("has a name that is the same for the same schema", () => {
    const schema = { type: "object", properties: {}, additionalProperties: false };
    const { body } = write({ responseFormat: { type: "json-schema", schema } });
    expect(body["response_format"]).toEqual({
      type: "json_schema",
      json_schema: { name: expect.stringMatching(/^schema_[0-9a-f]{16}$/), schema, strict: true },
    });
  });

  test("that strict mode would refuse is asked for without it", () => {
    const schema = { type: "object", properties: { a: {} } };
    const { body, lost } = write({ responseFormat: { type: "json-schema", schema, name: "n" } });
    expect(body["response_format"]).toEqual({ type: "json_schema", json_schema: { name: "n", schema, strict: false } });
    expect(lost).toEqual(["strict"]);
  });

  test("of the client's own dialect stays as it was", () => {
    const schema = { type: "object", properties: { a: {} } };
    const { body, lost } = write({
      dialect: "openai-chat",
      responseFormat: { type: "json-schema", schema, name: "n", strict: true },
    });
    expect(body["response_format"]).toEqual({ type: "json_schema", json_schema: { name: "n", schema, strict: true } });
    expect(lost).toEqual([]);
  });
});

describe("reasoning", () => {
  const five = {
    reasoning: { kind: "effort", efforts: ["none", "low", "medium", "high", "xhigh"], defaultEffort: "none" },
  } as const;
  const old = { reasoning: { kind: "effort", efforts: ["minimal", "low", "medium", "high"] } } as const;
  const mistral = { reasoning: { kind: "effort", efforts: ["none", "high"], defaultEffort: "none" } } as const;
  const plain = { reasoning: { kind: "none", efforts: [] } } as const;

  test.each([
    ["a word the model knows", five, { effort: "low" }, "low", []],
    ["a stronger one", five, { effort: "max", enabled: true }, "xhigh", ["reasoning_effort"]],
    ["a weaker one", five, { effort: "minimal" }, "low", ["reasoning_effort"]],
    ["a word between two", mistral, { effort: "medium" }, "high", ["reasoning_effort"]],
    ["a budget", five, { enabled: true, budgetTokens: 10_000 }, "high", ["budget_tokens"]],
    ["on", five, { enabled: true }, "medium", []],
    ["off", five, { enabled: false }, "none", []],
    ["off by word", five, { effort: "none" }, "none", []],
    ["off, at a model that cannot", old, { enabled: false }, "minimal", ["reasoning"]],
    ["on, at a model that does not", plain, { enabled: true }, undefined, ["reasoning"]],
    ["off, at a model that does not", plain, { enabled: false }, undefined, []],
    ["anything, at a model that nobody knows", undefined, { effort: "high" }, undefined, ["reasoning"]],
  ] as [string, Partial<ModelRecord> | undefined, ChatRequest["reasoning"], string | undefined, string[]][])(
    "%s",
    (_what, known, reasoning, word, lost) => {
      const written = write(reasoning === undefined ? {} : { reasoning }, known);
      expect(written.body["reasoning_effort"]).toBe(word);
      expect(written.lost).toEqual(lost);
    },
  );

  test("in the client's own dialect is said to a model that nobody knows", () => {
    expect(write({ dialect: "openai-chat", reasoning: { effort: "high" } }).body["reasoning_effort"]).toBe("high");
  });

  test("gives way to functions where the model takes only one of them", () => {
    const known = { ...five, chatToolsNeedEffortNone: true, sampling: "effort-none-only" } as const;
    expect(write({ tools: [F], reasoning: { effort: "high" }, temperature: 0.2 }, known)).toMatchObject({
      body: { reasoning_effort: "none", temperature: 0.2 },
      lost: ["reasoning_effort"],
    });
    expect(write({ tools: [F] }, known)).toMatchObject({ body: { reasoning_effort: "none" }, lost: [] });
    // What nobody said is the model's default, and it thinks less than that.
    const thinking = { ...known, reasoning: { ...known.reasoning, defaultEffort: "medium" } };
    expect(write({ tools: [F] }, thinking)).toMatchObject({
      body: { reasoning_effort: "none" },
      lost: ["reasoning_effort"],
    });
    expect(write({ tools: [F], reasoning: { enabled: false } }, thinking).lost).toEqual([]);
    expect(write({ reasoning: { effort: "high" } }, known)).toMatchObject({
      body: { reasoning_effort: "high" },
      lost: [],
    });
  });

  test("forbids sampling where it does", () => {
    const known = { ...five, sampling: "effort-none-only" } as const;
    const sampling = { temperature: 0.5, topP: 0.5, frequencyPenalty: 1 };
    expect(write({ ...sampling, reasoning: { effort: "high" } }, known).lost).toEqual([
      "temperature",
      "top_p",
      "frequency_penalty",
    ]);
    expect(write({ ...sampling }, known)).toMatchObject({
      body: { temperature: 0.5, top_p: 0.5 },
      lost: ["frequency_penalty"],
    });
    expect(write({ ...sampling }, { sampling: "none" }).lost).toEqual(["temperature", "top_p", "frequency_penalty"]);
    expect(write({ temperature: 1, topP: 1, frequencyPenalty: 0 }, { sampling: "none" })).toEqual({
      body: { model: "m", messages: [{ role: "user", content: "hi" }] },
      lost: [],
    });
  });
});

describe("limits", () => {
  test("of the model hold", () => {
    expect(
      write({ maxOutputTokens: 64_000, temperature: 1.8 }, { maxOutputTokens: 1000, temperatureMax: 1.5 }),
    ).toMatchObject({ body: { max_completion_tokens: 1000, temperature: 1.5 }, lost: ["temperature"] });
  });

  test("of the API hold", () => {
    expect(write({ stop: ["a", "b", "c", "d", "e"], maxOutputTokens: 0 })).toMatchObject({
      body: { stop: ["a", "b", "c", "d"], max_completion_tokens: 1 },
      lost: ["max_tokens", "stop"],
    });
  });
});

describe("cache marks", () => {
  const marked = (said: string, ttl?: "5m" | "30m" | "1h" | "12h"): Message => ({
    role: "user",
    parts: [{ type: "text", text: said, cache: ttl === undefined ? {} : { ttl } }],
  });
  const breakpoints = {
    cache: {
      kind: "marks",
      style: "prompt_cache_breakpoint",
      minTokens: 1024,
      maxMarks: 2,
      ttlSeconds: [1800],
      lookback: 80,
    },
  } as const;

  test("are breakpoints for models that have them, the latest where there are too many", () => {
    const { body, lost } = write({ messages: [marked("a"), marked("b", "1h"), marked("c", "30m")] }, breakpoints);
    expect(body["messages"]).toEqual([
      { role: "user", content: "a" },
      { role: "user", content: [{ ...text("b"), prompt_cache_breakpoint: { mode: "explicit" } }] },
      { role: "user", content: [{ ...text("c"), prompt_cache_breakpoint: { mode: "explicit", ttl: "30m" } }] },
    ]);
    expect(lost).toEqual([]);
  });

  test("are `cache_control` for servers that take it", () => {
    const known = {
      cache: {
        kind: "marks",
        style: "cache_control",
        minTokens: 1024,
        maxMarks: 4,
        ttlSeconds: [300, 3600],
        lookback: 20,
      },
    } as const;
    expect(write({ messages: [marked("b", "1h")] }, known).body["messages"]).toEqual([
      { role: "user", content: [{ ...text("b"), cache_control: { type: "ephemeral", ttl: "1h" } }] },
    ]);
  });

  test("are left out for all others, which changes no other byte", () => {
    const { body, lost } = write({ messages: [marked("a"), marked("b")] });
    expect(body["messages"]).toEqual([
      { role: "user", content: "a" },
      { role: "user", content: "b" },
    ]);
    expect(lost).toEqual([]);
  });

  test("do not stand on what the assistant said", () => {
    const { body } = write(
      { messages: [USER, { role: "assistant", parts: [{ type: "text", text: "a", cache: {} }] }] },
      breakpoints,
    );
    expect(JSON.stringify(body)).not.toContain("breakpoint");
  });
});

describe("what goes along", () => {
  test("says the end user by a hash, to providers that are known", () => {
    expect(write({ endUser: "someone" }, {}).body["safety_identifier"]).toMatch(/^[0-9a-f]{64}$/);
    expect(write({ endUser: "someone" })).toMatchObject({ lost: ["user"] });
  });

  test("says a tier in OpenAI's words", () => {
    expect(write({ serviceTier: "standard_only" }).body["service_tier"]).toBe("default");
    expect(write({ serviceTier: "priority" }).lost).toEqual(["service_tier"]);
  });
});
