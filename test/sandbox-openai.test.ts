/** What OpenAI would not serve, and in which words: one row a rule. */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { JsonObject, JsonValue } from "../src/chat.ts";
import { startSandbox, type RunningSandbox } from "../bench/sandbox/index.ts";
import {
  at,
  call,
  calling,
  FUNCTION_TOOL as TOOL,
  functionTool as toolOf,
  result,
  user,
  words,
} from "./sandbox-call.ts";

let sandbox: RunningSandbox;
beforeAll(async () => {
  sandbox = await startSandbox();
});
afterAll(() => sandbox.close());

interface Row {
  readonly rule: string;
  /** Laid over a good request. */
  readonly body: JsonObject;
  readonly says: string | RegExp;
  readonly param?: string;
  readonly code?: string;
  readonly status?: number;
  readonly headers?: Readonly<Record<string, string>>;
}

const format = (schema: JsonObject): JsonObject => ({
  response_format: { type: "json_schema", json_schema: { name: "x", strict: true, schema } },
});
const imageOf = (url: string): JsonValue => [user([{ type: "image_url", image_url: { url } }])];

describe("OpenAI", () => {
  const rows: readonly Row[] = [
    {
      rule: "an unknown field",
      body: { top_k: 3 },
      says: "Unknown parameter: 'top_k'.",
      param: "top_k",
      code: "unknown_parameter",
    },
    { rule: "no model", body: { model: undefined }, says: "you must provide a model parameter" },
    { rule: "no messages", body: { messages: [] }, says: "empty array", param: "messages", code: "empty_array" },
    {
      rule: "nine choices",
      body: { n: 9 },
      says: "Invalid 'n': integer above maximum value",
      param: "n",
      code: "integer_above_max_value",
    },
    {
      rule: "a temperature out of range",
      body: { temperature: 2.5 },
      says: "decimal above maximum value",
      param: "temperature",
      code: "decimal_above_max_value",
    },
    {
      rule: "five stops",
      body: { stop: ["a", "b", "c", "d", "e"] },
      says: "array too long",
      param: "stop",
      code: "array_above_max_length",
    },
    {
      rule: "stream options without a stream",
      body: { stream_options: { include_usage: true } },
      says: "only allowed when 'stream' is enabled",
      param: "stream_options",
    },
    {
      rule: "seventeen pairs of metadata",
      body: { metadata: Object.fromEntries(Array.from({ length: 17 }, (_, index) => [`k${index}`, "v"])) },
      says: "at most 16 properties",
      param: "metadata",
    },
    {
      rule: "top_logprobs without logprobs",
      body: { top_logprobs: 2 },
      says: "only allowed when 'logprobs' is enabled",
      param: "top_logprobs",
    },
    {
      rule: "a service tier that there is not",
      body: { service_tier: "gold" },
      says: "Invalid value: 'gold'",
      param: "service_tier",
      code: "invalid_value",
    },
    {
      rule: "priority on nano",
      body: { service_tier: "priority" },
      says: "not supported for gpt-5.4-nano",
      param: "service_tier",
    },
    {
      rule: "more output than the model has",
      body: { max_completion_tokens: 128_001 },
      says: "supports at most 128000 completion tokens",
      param: "max_completion_tokens",
    },
    {
      rule: "max_tokens for a reasoning model",
      body: { max_tokens: 10 },
      says: "Use 'max_completion_tokens' instead.",
      param: "max_tokens",
      code: "unsupported_parameter",
    },
    {
      rule: "`minimal` from 5.1 on",
      body: { reasoning_effort: "minimal" },
      says: "Supported values are: 'none', 'low', 'medium', 'high', and 'xhigh'.",
      param: "reasoning_effort",
      code: "unsupported_value",
    },
    {
      rule: "`max` before 5.6",
      body: { reasoning_effort: "max" },
      says: "does not support 'max'",
      code: "unsupported_value",
    },
    {
      rule: "`none` on gpt-5-mini",
      body: { model: "gpt-5-mini", reasoning_effort: "none" },
      says: "'minimal', 'low', 'medium', and 'high'",
      code: "unsupported_value",
    },
    {
      rule: "an effort for a model that does not reason",
      body: { model: "gpt-4.1-nano", reasoning_effort: "low" },
      says: "Unsupported parameter: 'reasoning_effort'",
      code: "unsupported_parameter",
    },
    {
      rule: "function tools with an effort",
      body: { tools: [TOOL], reasoning_effort: "low" },
      says: "Function tools with reasoning_effort are not supported for gpt-5.4-nano in /v1/chat/completions. To use function tools, use /v1/responses or set reasoning_effort to 'none'.",
      param: "reasoning_effort",
    },
    {
      rule: "function tools with the default effort of 5.6 and later",
      body: { model: "gpt-6-luna", tools: [TOOL] },
      says: "not supported for gpt-6-luna",
    },
    {
      rule: "a temperature with an effort",
      body: { temperature: 0.2, reasoning_effort: "low" },
      says: "'temperature' does not support 0.2 with this model",
      param: "temperature",
      code: "unsupported_value",
    },
    {
      rule: "a temperature on gpt-5-nano",
      body: { model: "gpt-5-nano", temperature: 0 },
      says: "Only the default (1) value is supported",
      code: "unsupported_value",
    },
    {
      rule: "top_p with an effort",
      body: { top_p: 0.5, reasoning_effort: "low" },
      says: "Unsupported parameter: 'top_p'",
      param: "top_p",
    },
    {
      rule: "logprobs with an effort",
      body: { logprobs: true, reasoning_effort: "high" },
      says: "Unsupported parameter: 'logprobs'",
      param: "logprobs",
    },
    {
      rule: "a penalty for a reasoning model",
      body: { presence_penalty: 1 },
      says: "Unsupported parameter: 'presence_penalty'",
    },
    {
      rule: "a bias for a reasoning model",
      body: { logit_bias: { "1": 1 } },
      says: "Unsupported parameter: 'logit_bias'",
    },
    {
      rule: "cache options before 5.6",
      body: { prompt_cache_options: { mode: "explicit" } },
      says: "Unsupported parameter: 'prompt_cache_options'",
      code: "unsupported_parameter",
    },
    {
      rule: "a breakpoint before 5.6",
      body: { messages: [user([{ type: "text", text: "a", prompt_cache_breakpoint: { mode: "explicit" } }])] },
      says: "prompt_cache_breakpoint' is not supported with this model",
      code: "unsupported_parameter",
    },
    {
      rule: "twelve hours for the whole request",
      body: { model: "gpt-6-luna", prompt_cache_options: { ttl: "12h" } },
      says: "Invalid value: '12h'",
      param: "prompt_cache_options.ttl",
    },
    {
      rule: "a retention that there is not",
      body: { prompt_cache_retention: "1h" },
      says: "Invalid value: '1h'",
      param: "prompt_cache_retention",
    },
    {
      rule: "a role that there is not",
      body: { messages: [{ role: "robot", content: "a" }] },
      says: "Invalid value: 'robot'",
      param: "messages[0].role",
      code: "invalid_value",
    },
    {
      rule: "a message without content",
      body: { messages: [{ role: "user" }] },
      says: "Missing required parameter: 'messages[0].content'.",
      code: "missing_required_parameter",
    },
    {
      rule: "a message that says null",
      body: { messages: [user(null)] },
      says: "expected a string, got null",
      param: "messages[0].content",
    },
    {
      rule: "an unknown field in a message",
      body: { messages: [{ ...user("a"), reasoning_content: "b" }] },
      says: "Unknown parameter: 'messages[0].reasoning_content'.",
      code: "unknown_parameter",
    },
    {
      rule: "a part without a type",
      body: { messages: [user([{ text: "a" }])] },
      says: "Missing required parameter: 'messages[0].content[0].type'.",
      param: "messages[0].content[0].type",
    },
    {
      rule: "a part of another dialect",
      body: { messages: [user([{ type: "image", source: {} }])] },
      says: "Invalid value: 'image'. Supported values are:",
      code: "invalid_value",
    },
    {
      rule: "cache_control on a part",
      body: { messages: [user([{ type: "text", text: "a", cache_control: { type: "ephemeral" } }])] },
      says: "Unknown parameter: 'messages[0].content[0].cache_control'.",
      code: "unknown_parameter",
    },
    {
      rule: "a picture in a system message",
      body: {
        messages: [
          { role: "system", content: [{ type: "image_url", image_url: { url: "https://example.com/a.png" } }] },
          user("a"),
        ],
      },
      says: "Invalid value: 'image_url'",
    },
    {
      rule: "a picture that is none",
      body: { messages: imageOf(`data:image/png;base64,${Buffer.from("no picture").toString("base64")}`) },
      says: "You uploaded an unsupported image",
      code: "invalid_image_format",
    },
    {
      rule: "a picture that is not base64",
      body: { messages: imageOf("data:image/png;base64,%%%%") },
      says: "Invalid base64 image_url.",
      code: "invalid_base64_image",
    },
    {
      rule: "a picture that cannot be fetched",
      body: { messages: imageOf("https://nowhere.invalid/a.png") },
      says: "Error while downloading",
      code: "invalid_image_url",
    },
    {
      rule: "an image_url that is a string",
      body: { messages: [user([{ type: "image_url", image_url: "https://example.com/a.png" }])] },
      says: "expected an object, but got a string",
      code: "invalid_type",
    },
    {
      rule: "a tool message that answers nobody",
      body: { messages: [user("a"), result("x")] },
      says: "messages with role 'tool' must be a response to a preceeding message with 'tool_calls'",
      param: "messages.[1].role",
    },
    {
      rule: "a call without its answer",
      body: { messages: [user("a"), calling("x", "y"), result("x"), user("b")] },
      says: "The following tool_call_ids did not have response messages: y",
      param: "messages.[2].role",
    },
    {
      rule: "an answer to another call",
      body: { messages: [user("a"), calling("x"), result("z")] },
      says: "'tool_call_id' of 'z' not found",
    },
    {
      rule: "arguments as an object",
      body: {
        messages: [
          user("a"),
          { role: "assistant", tool_calls: [{ id: "x", type: "function", function: { name: "look", arguments: {} } }] },
          result("x"),
        ],
      },
      says: "expected a string, but got an object",
      code: "invalid_type",
    },
    { rule: "no tools in tools", body: { tools: [] }, says: "empty array", param: "tools", code: "empty_array" },
    {
      rule: "a tool of another dialect",
      body: { tools: [{ name: "look", input_schema: {} }] },
      says: "Missing required parameter: 'tools[0].type'.",
      code: "missing_required_parameter",
    },
    {
      rule: "a name with a space",
      body: { tools: [toolOf({ type: "object" }, { name: "look up" })] },
      says: "does not match pattern",
      param: "tools[0].function.name",
    },
    {
      rule: "a name of 65 characters",
      body: { tools: [toolOf({ type: "object" }, { name: "x".repeat(65) })] },
      says: "string too long",
      code: "string_above_max_length",
    },
    {
      rule: "parameters that are no object",
      body: { tools: [toolOf({ type: "string" })] },
      says: "Invalid schema for function 'look': schema must be a JSON Schema of 'type: \"object\"'",
      code: "invalid_function_parameters",
    },
    {
      rule: "a choice without tools",
      body: { tool_choice: "auto" },
      says: "'tool_choice' is only allowed when 'tools' are specified",
      param: "tool_choice",
    },
    {
      rule: "a choice of a tool that is not there",
      body: { tools: [TOOL], tool_choice: { type: "function", function: { name: "other" } } },
      says: "Tool choice 'other' not found",
      param: "tool_choice",
    },
    {
      rule: "Mistral's word for a forced tool",
      body: { tools: [TOOL], tool_choice: "any" },
      says: "Invalid value: 'any'",
      code: "invalid_value",
    },
    {
      rule: "parallel calls without tools",
      body: { parallel_tool_calls: false },
      says: "only allowed when 'tools' are specified",
    },
    {
      rule: "JSON without the word",
      body: { response_format: { type: "json_object" } },
      says: "must contain the word 'json'",
      param: "messages",
    },
    {
      rule: "an open object in strict mode",
      body: format({ type: "object", properties: {} }),
      says: "In context=(), 'additionalProperties' is required to be supplied and to be false.",
      param: "response_format",
    },
    {
      rule: "an optional property in strict mode",
      body: format({
        type: "object",
        properties: { a: { type: "string" } },
        required: [],
        additionalProperties: false,
      }),
      says: "Missing 'a'",
    },
    {
      rule: "allOf in strict mode",
      body: format({ type: "object", properties: { a: { allOf: [] } }, required: ["a"], additionalProperties: false }),
      says: "In context=('properties', 'a'), 'allOf' is not permitted.",
    },
    { rule: "eleven levels in strict mode", body: format(nested(11)), says: "levels of nesting exceeds limit of 10" },
    {
      rule: "a prompt larger than the window's input part",
      body: { messages: [user(words(272_001))] },
      says: "Input tokens exceed the configured limit of 272000 tokens",
      code: "context_length_exceeded",
    },
  ];

  test.each(rows)("$rule", async (row) => {
    const answer = await call(sandbox, "openai", { model: "gpt-5.4-nano", messages: [user("Hi")], ...row.body });
    expect(answer.status).toBe(400);
    const error = at(answer.body, "error") as JsonObject;
    expect(error["message"]).toContain(row.says);
    expect(Object.keys(error).sort()).toEqual(["code", "message", "param", "type"]);
    if (row.param !== undefined) expect(error["param"]).toBe(row.param);
    if (row.code !== undefined) expect(error["code"]).toBe(row.code);
  });

  test.each([
    ["tools with effort none said aloud", { model: "gpt-6-luna", reasoning_effort: "none", tools: [TOOL] }],
    ["tools with an effort on gpt-5-mini", { model: "gpt-5-mini", reasoning_effort: "low", tools: [TOOL] }],
    ["a temperature with effort none", { temperature: 0 }],
    ["max_tokens for a model that does not reason", { model: "gpt-4.1-nano", max_tokens: 10 }],
    [
      "a breakpoint from 5.6 on",
      {
        model: "gpt-6-luna",
        messages: [user([{ type: "text", text: "a", prompt_cache_breakpoint: { mode: "explicit" } }])],
      },
    ],
    ["a developer's message", { messages: [{ role: "developer", content: "a" }, user("b")] }],
    ["answers in another order than the calls", { messages: [user("a"), calling("x", "y"), result("y"), result("x")] }],
    [
      "a reference to itself in strict mode",
      format({
        type: "object",
        properties: { next: { anyOf: [{ $ref: "#" }, { type: "null" }] } },
        required: ["next"],
        additionalProperties: false,
      }),
    ],
  ])("%s: served", async (_what, body) => {
    expect((await call(sandbox, "openai", { model: "gpt-5.4-nano", messages: [user("Hi")], ...body })).status).toBe(
      200,
    );
  });
});

function nested(levels: number): JsonObject {
  if (levels === 0) return { type: "string" };
  return { type: "object", properties: { a: nested(levels - 1) }, required: ["a"], additionalProperties: false };
}
