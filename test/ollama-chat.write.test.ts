import { describe, expect, test } from "vitest";
import type { ChatRequest, JsonObject, JsonValue, Loss } from "../src/chat.ts";
import { anthropicMessages } from "../src/dialects/anthropic-messages.ts";
import { ollamaChat } from "../src/dialects/ollama-chat.ts";
import { openaiChat } from "../src/dialects/openai-chat.ts";
import type { ModelRecord } from "../src/model.ts";
import { F, G, OTHER, refusal, text, write } from "./ollama-chat-written.ts";

describe("a request of another dialect", () => {
  test("of a client of Messages is written whole, in Ollama's words", () => {
    const read = anthropicMessages.readRequest({
      model: "claude-opus-4-6",
      max_tokens: 500,
      system: [
        text("x-anthropic-billing-header: cc_version=1.abc; cc_entrypoint=cli;"),
        { ...text("Be brief."), cache_control: { type: "ephemeral" } },
      ],
      messages: [
        {
          role: "user",
          content: [
            text("look"),
            { type: "image", source: { type: "base64", media_type: "image/png", data: "iVBORw0KGgo=" } },
            text("closely"),
          ],
        },
        {
          role: "assistant",
          content: [
            { type: "thinking", thinking: "hm", signature: "c2ln" },
            text("ok"),
            { type: "tool_use", id: "toolu_1", name: "f", input: { b: 1, a: { c: [] } } },
          ],
        },
        { role: "user", content: [{ type: "tool_result", tool_use_id: "toolu_1", content: "done" }, text("go on")] },
        { role: "system", content: "New rules." },
      ],
      tools: [
        { name: "f", description: "d", input_schema: { type: "object", properties: { a: { type: "integer" } } } },
      ],
      stop_sequences: ["END"],
      temperature: 0.5,
      top_k: 3,
      stream: true,
    });
    const losses: Loss[] = [];
    const body = ollamaChat.writeRequest(read, { model: "qwen3:4b", record: undefined }, losses);
    expect(body).toEqual({
      model: "qwen3:4b",
      messages: [
        { role: "system", content: "Be brief." },
        { role: "user", content: "look\n\nclosely", images: ["iVBORw0KGgo="] },
        {
          role: "assistant",
          content: "ok",
          thinking: "hm",
          tool_calls: [{ id: "toolu_1", function: { name: "f", arguments: { b: 1, a: { c: [] } } } }],
        },
        { role: "tool", content: "done", tool_name: "f", tool_call_id: "toolu_1" },
        { role: "user", content: "go on" },
        { role: "system", content: "New rules." },
      ],
      tools: [
        {
          type: "function",
          function: {
            name: "f",
            description: "d",
            parameters: { type: "object", properties: { a: { type: "integer" } } },
          },
        },
      ],
      truncate: false,
      options: { temperature: 0.5, top_k: 3, num_predict: 500, stop: ["END"] },
      stream: true,
    });
    expect(losses).toEqual([]);
  });

  test("of a client of Chat Completions is written whole, in Ollama's words", () => {
    const read = openaiChat.readRequest({
      model: "gpt",
      messages: [
        { role: "developer", content: "Be brief." },
        { role: "user", content: [{ type: "image_url", image_url: { url: "data:image/jpeg;base64,/9j/4AAQ" } }] },
        {
          role: "assistant",
          content: null,
          tool_calls: [{ id: "call_1", type: "function", function: { name: "f", arguments: '{"b":1,"a":2}' } }],
        },
        { role: "tool", tool_call_id: "call_1", content: "done" },
      ],
      tools: [{ type: "function", function: { name: "f", parameters: { type: "object" } } }],
      tool_choice: "auto",
      response_format: { type: "json_schema", json_schema: { name: "x", strict: true, schema: { type: "object" } } },
      max_completion_tokens: 64,
      frequency_penalty: 0.5,
      presence_penalty: 0.25,
      seed: 7,
      top_p: 0.9,
      logprobs: true,
      top_logprobs: 2,
      prompt_cache_key: "k",
    });
    const losses: Loss[] = [];
    expect(ollamaChat.writeRequest(read, { model: "m", record: undefined }, losses)).toEqual({
      model: "m",
      messages: [
        { role: "system", content: "Be brief." },
        { role: "user", content: "", images: ["/9j/4AAQ"] },
        {
          role: "assistant",
          content: "",
          tool_calls: [{ id: "call_1", function: { name: "f", arguments: { b: 1, a: 2 } } }],
        },
        { role: "tool", content: "done", tool_name: "f", tool_call_id: "call_1" },
      ],
      tools: [{ type: "function", function: { name: "f", parameters: { type: "object" } } }],
      format: { type: "object" },
      logprobs: true,
      top_logprobs: 2,
      truncate: false,
      options: {
        top_p: 0.9,
        seed: 7,
        frequency_penalty: 0.5,
        presence_penalty: 0.25,
        num_predict: 64,
      },
      stream: false,
    });
    expect(losses).toEqual([]);
  });

  test("says whether it streams, as silence would mean that it does, and that it is not to be cut", () => {
    expect(write({ stream: true }).body).toMatchObject({ stream: true, truncate: false });
    expect(write({ stream: false }).body).toMatchObject({ stream: false, truncate: false });
    expect(Object.keys(write({}).body)).toEqual(["model", "messages", "truncate", "stream"]);
  });

  test("loses what has no word, and says so", () => {
    const { body, lost } = write({
      tools: [F],
      parallelToolCalls: false,
      verbosity: "low",
      endUser: "someone",
      metadata: { x: "y" },
      serviceTier: "priority",
      choices: 2,
      responseFormat: { type: "json-schema", schema: {}, name: "n", description: "d", strict: true },
      extra: { logit_bias: {}, store: true },
      messages: [{ role: "user", parts: [{ ...text("a"), extra: { citations: [] } }], extra: { name: "ann" } }],
    });
    expect(lost.toSorted()).toEqual([
      "citations",
      "logit_bias",
      "metadata",
      "n",
      "name",
      "parallel_tool_calls",
      "response_format.description",
      "service_tier",
      "store",
      "user",
      "verbosity",
    ]);
    expect(JSON.stringify(body)).not.toMatch(/ann|someone|logit_bias|store/);
  });

  test("does without what only says what is usual, and without marks for a cache that works by itself", () => {
    const { lost } = write({
      serviceTier: "auto",
      verbosity: "medium",
      choices: 1,
      metadata: {},
      promptCacheKey: "k",
      cache: {},
      responseFormat: { type: "text" },
      messages: [{ role: "user", parts: [{ ...text("a"), cache: { ttl: "1h" } }] }],
    });
    expect(lost).toEqual([]);
  });

  test("without messages is refused", () => {
    expect(refusal({ messages: [] })).toMatchObject({
      kind: "invalid-request",
      message: expect.stringContaining("no message"),
    });
  });
});

describe("the cap on output", () => {
  test.each([
    [7, undefined, 7, []],
    [500, { maxOutputTokens: 100 }, 100, []],
    [0, undefined, 1, ["max_tokens"]],
  ])("%d at a model of %j is %d", (maxOutputTokens, known, expected, losses) => {
    const { body, lost } = write({ maxOutputTokens }, known);
    expect(body["options"]).toEqual({ num_predict: expected });
    expect(lost).toEqual(losses);
  });
});

describe("a choice of tools", () => {
  const names = (body: JsonObject) =>
    ((body["tools"] ?? []) as { function: { name: string } }[]).map((tool) => tool.function.name);

  test.each<[ChatRequest["toolChoice"], string[], string[]]>([
    [undefined, ["f", "g"], []],
    [{ type: "auto" }, ["f", "g"], []],
    [{ type: "none" }, [], []],
    [{ type: "required" }, ["f", "g"], ["tool_choice"]],
    [{ type: "named", name: "g" }, ["f", "g"], ["tool_choice"]],
    [{ type: "subset", mode: "auto", names: ["g"] }, ["g"], []],
    [{ type: "subset", mode: "required", names: ["g"] }, ["g"], ["tool_choice"]],
  ])("%j offers %j and loses %j", (toolChoice, offered, losses) => {
    const { body, lost } = write({ tools: [F, G], ...(toolChoice === undefined ? {} : { toolChoice }) });
    expect(names(body)).toEqual(offered);
    expect(body).not.toHaveProperty("tool_choice");
    expect(lost).toEqual(losses);
  });

  test("has tools that are loaded later last, so that the others keep their place", () => {
    expect(names(write({ tools: [{ ...F, deferred: true }, G] }).body)).toEqual(["g", "f"]);
  });

  test("does without hosted tools beside others, and refuses them alone", () => {
    const hosted = { type: "opaque", dialect: OTHER, kind: "web_search", value: {} } as const;
    const { body, lost } = write({ tools: [hosted, F] });
    expect(names(body)).toEqual(["f"]);
    expect(lost).toEqual(["hosted-tool"]);
    expect(refusal({ tools: [hosted] })).toMatchObject({ kind: "unsupported", param: "tools" });
  });

  test("offers a tool without a schema as one without arguments, and cannot promise strictness", () => {
    const { body, lost } = write({ tools: [{ ...G, strict: true, extra: { x: 1 } }] });
    expect(body["tools"]).toEqual([
      { type: "function", function: { name: "g", parameters: { type: "object", properties: {} } } },
    ]);
    expect(lost).toEqual(["unknown-field", "strict"]);
  });
});

describe("reasoning", () => {
  const EFFORTS = { reasoning: { kind: "effort", efforts: ["low", "medium", "high"] } } as const;
  const SWITCHED = { reasoning: { kind: "effort", efforts: ["none", "low", "high", "max"] } } as const;
  const THINKS = { reasoning: { kind: "effort", efforts: [] } } as const;

  test.each<[string, ChatRequest["reasoning"], Partial<ModelRecord> | undefined, JsonValue | undefined, string[]]>([
    ["off is said to any model", { enabled: false }, undefined, false, []],
    ["off is said to a model of which nothing is known", { effort: "none" }, {}, false, []],
    ["off is said to a model that can be switched", { enabled: false }, SWITCHED, false, []],
    ["off is the least at a model that cannot", { enabled: false }, EFFORTS, "low", ["reasoning"]],
    ["on is left to a model that may not think at all", { enabled: true }, undefined, undefined, []],
    ["on is left to a model of which nothing is known", { enabled: true }, {}, undefined, []],
    ["on is said to a model that thinks", { enabled: true }, THINKS, true, []],
    ["on is said to a model of levels", { enabled: true }, EFFORTS, true, []],
    ["a level is lost where none is known", { effort: "high" }, undefined, undefined, ["reasoning_effort"]],
    ["a level is said where it is known", { effort: "high" }, EFFORTS, "high", []],
    ["a level too many is the next one down", { effort: "xhigh" }, SWITCHED, "high", ["reasoning_effort"]],
    ["a level too few is the least", { effort: "minimal" }, EFFORTS, "low", ["reasoning_effort"]],
    ["a level that nobody knows is the least", { effort: "hyper" }, EFFORTS, "low", ["reasoning_effort"]],
    ["a budget is a level", { enabled: true, budgetTokens: 8000 }, EFFORTS, "medium", ["budget_tokens"]],
    ["nothing is nothing", undefined, EFFORTS, undefined, []],
  ])("%s", (_what, reasoning, known, expected, losses) => {
    const { body, lost } = write(reasoning === undefined ? {} : { reasoning }, known);
    expect(body["think"]).toBe(expected);
    expect(lost).toEqual(losses);
  });
});

describe("a request of its own dialect", () => {
  test("is written as it was read, with what only it can say", () => {
    const body: JsonObject = {
      model: "m",
      messages: [
        { role: "system", content: "Be brief." },
        { role: "control", content: "thinking" },
        { role: "user", content: "look", images: ["iVBORw0KGgo="] },
        {
          role: "assistant",
          content: "a",
          thinking: "hm",
          tool_calls: [{ id: "call_1", function: { name: "f", arguments: { b: 1 } } }],
          note: "x",
        },
        { role: "tool", content: "1", tool_name: "f", tool_call_id: "call_1" },
      ],
      tools: [
        {
          type: "function",
          function: { name: "f", parameters: { type: "object", properties: {} }, strict: true, kind: "x" },
          items: [1],
        },
        { type: "web_search", max: 3 },
      ],
      format: "json",
      think: "high",
      truncate: true,
      keep_alive: "10m",
      shift: false,
      options: { temperature: 0, num_predict: 5, num_ctx: 8192 },
      stream: true,
    };
    const losses: Loss[] = [];
    const written = ollamaChat.writeRequest(ollamaChat.readRequest(body), { model: "m", record: undefined }, losses);
    expect(written).toEqual(body);
    expect(losses).toEqual([]);
  });

  test("without messages loads the model", () => {
    const read = ollamaChat.readRequest({ model: "m", keep_alive: 0 });
    expect(ollamaChat.writeRequest(read, { model: "m", record: undefined }, [])).toEqual({
      model: "m",
      messages: [],
      truncate: false,
      keep_alive: 0,
      stream: true,
    });
  });
});
