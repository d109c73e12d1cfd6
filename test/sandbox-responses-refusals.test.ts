/** What OpenAI's Responses API would not serve of fields and tools, and in which words: one row a rule. */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { JsonObject } from "../src/chat.ts";
import { startSandbox, type RunningSandbox } from "../bench/sandbox/index.ts";
import { at, call, words } from "./sandbox-call.ts";

let sandbox: RunningSandbox;
beforeAll(async () => {
  sandbox = await startSandbox();
});
afterAll(() => sandbox.close());

const TOOL: JsonObject = { type: "function", name: "look", parameters: { type: "object", properties: {} } };
const thinking = { reasoning: { effort: "low" } };

interface Row {
  readonly rule: string;
  /** Laid over a good request. */
  readonly body: JsonObject;
  readonly says: string;
  readonly param?: string | null;
  readonly code?: string | null;
  readonly status?: number;
}

const fields: readonly Row[] = [
  { rule: "no model", body: { model: undefined }, says: "Missing required parameter: 'model'.", param: "model" },
  { rule: "a model that is null", body: { model: null }, says: "expected a string, but got an object instead." },
  {
    rule: "a model that there is not",
    body: { model: "claude-opus-5" },
    says: "The requested model 'claude-opus-5' does not exist.",
    param: "model",
    code: "model_not_found",
  },
  { rule: "no input", body: { input: undefined }, says: "Missing required parameter: 'input'.", param: "input" },
  { rule: "an empty input", body: { input: "" }, says: 'One of "input" or "previous_response_id"', param: null },
  {
    rule: "a number for an input",
    body: { input: 7 },
    says: "one of a string or array of input items, but got an integer",
  },
  ...["n", "stop", "seed", "logit_bias", "max_tokens", "response_format", "zzz"].map((field) => ({
    rule: `the unknown field ${field}`,
    body: { [field]: 1 },
    says: `Unknown parameter: '${field}'.`,
    param: field,
    code: "unknown_parameter",
  })),
  {
    rule: "Chat's messages",
    body: { messages: [] },
    says: "In the Responses API, this parameter has moved to 'input'.",
    param: null,
    code: "unsupported_parameter",
  },
  {
    rule: "Chat's usage option",
    body: { stream: true, stream_options: { include_usage: true } },
    says: "Unknown parameter: 'stream_options.include_usage'.",
  },
  {
    rule: "a cap below 16",
    body: { max_output_tokens: 15 },
    says: "Expected a value >= 16, but got 15 instead.",
    code: "integer_below_min_value",
  },
  {
    rule: "no tool calls at all",
    body: { max_tool_calls: 0 },
    says: "Expected a value >= 1, but got 0",
    param: "max_tool_calls",
  },
  {
    rule: "a temperature below zero",
    body: { temperature: -1 },
    says: "Expected a value >= 0, but got -1 instead.",
    code: "decimal_below_min_value",
  },
  {
    rule: "a store that is no flag",
    body: { store: "yes" },
    says: "expected a boolean, but got a string",
    code: "invalid_type",
  },
  {
    rule: "an effort that there is not",
    body: { reasoning: { effort: "bogus" } },
    says: "'none', 'minimal', 'low', 'medium', 'high', 'xhigh', and 'max'.",
    code: "invalid_value",
  },
  {
    rule: "an effort that this model has not",
    body: { reasoning: { effort: "minimal" } },
    says: "'minimal' is not supported with the 'gpt-5.4-nano' model.",
    code: "unsupported_value",
  },
  {
    rule: "an effort for a model that does not reason",
    body: { model: "gpt-4.1-nano", ...thinking },
    says: "'reasoning.effort' is not supported with this model.",
    code: "unsupported_parameter",
  },
  {
    rule: "an unknown member of reasoning",
    body: { reasoning: { bogus: 1 } },
    says: "Unknown parameter: 'reasoning.bogus'.",
  },
  {
    rule: "a temperature with an effort",
    body: { temperature: 0.5, ...thinking },
    says: "'temperature' is not supported with this model.",
    param: "temperature",
    code: null,
  },
  {
    rule: "log probabilities with an effort",
    body: { top_logprobs: 1, ...thinking },
    says: "logprobs are not supported with reasoning models.",
    param: "top_logprobs",
  },
  {
    rule: "something to include that there is not",
    body: { include: ["bogus.thing"] },
    says: "Invalid value: 'bogus.thing'.",
    param: "include[0]",
  },
  {
    rule: "a truncation that there is not",
    body: { truncation: "bogus" },
    says: "Supported values are: 'auto' and 'disabled'.",
  },
  {
    rule: "a tier that there is not",
    body: { service_tier: "gold" },
    says: "'auto', 'default', 'fast', 'flex', and 'priority'.",
  },
  {
    rule: "cache options before 5.6",
    body: { prompt_cache_options: { mode: "explicit" } },
    says: "Unsupported parameter: 'prompt_cache_options'",
  },
  {
    rule: "memory alone from 5.6 on",
    body: { model: "gpt-6-luna", prompt_cache_retention: "in_memory" },
    says: "compatible only with 24h extended prompt caching",
    code: "invalid_parameter",
  },
  {
    rule: "a conversation",
    body: { conversation: "conv_x" },
    says: "Conversation with id 'conv_x' not found.",
    status: 404,
    param: null,
  },
  {
    rule: "a prompt that is kept elsewhere",
    body: { prompt: { id: "pmpt_x" } },
    says: "Prompt with id 'pmpt_x' not found.",
    status: 404,
  },
  {
    rule: "a response that is not there",
    body: { previous_response_id: "resp_x" },
    says: "Previous response with id 'resp_x' not found.",
    code: "previous_response_not_found",
  },
  {
    rule: "two states at once",
    body: { previous_response_id: "resp_x", conversation: "conv_x" },
    says: "Mutually exclusive parameters",
    code: "mutually_exclusive_parameters",
  },
  {
    rule: "a prompt larger than the window's input part",
    body: { input: words(272_001) },
    says: "Your input exceeds the context window of this model.",
    code: "context_length_exceeded",
  },
  {
    rule: "JSON without the word",
    body: { text: { format: { type: "json_object" } } },
    says: "must contain the word 'json' in some form to use 'text.format'",
    param: "input",
  },
  {
    rule: "a format without a name",
    body: { text: { format: { type: "json_schema", schema: {} } } },
    says: "Missing required parameter: 'text.format.name'.",
  },
  {
    rule: "an open object in strict mode",
    body: {
      text: { format: { type: "json_schema", name: "x", strict: true, schema: { type: "object", properties: {} } } },
    },
    says: "'additionalProperties' is required to be supplied and to be false.",
  },
];

const tools: readonly Row[] = [
  {
    rule: "Chat's form of a tool",
    body: { tools: [{ type: "function", function: { name: "look" } }] },
    says: "Missing required parameter: 'tools[0].name'.",
    param: "tools[0].name",
  },
  {
    rule: "a tool without a type",
    body: { tools: [{ name: "look" }] },
    says: "Missing required parameter: 'tools[0].type'.",
  },
  {
    rule: "a tool that there is not",
    body: { tools: [{ type: "bogus" }] },
    says: "Invalid value: 'bogus'.",
    param: "tools[0].type",
  },
  {
    rule: "an open object that is to be strict",
    body: { tools: [{ ...TOOL, strict: true }] },
    says: "Invalid schema for function 'look'",
    code: "invalid_function_parameters",
  },
  {
    rule: "Chat's form of a choice",
    body: { tools: [TOOL], tool_choice: { type: "function", function: { name: "look" } } },
    says: "Missing required parameter: 'tool_choice.name'.",
  },
  {
    rule: "a choice of what is not there",
    body: { tools: [TOOL], tool_choice: { type: "function", name: "other" } },
    says: "not found in 'tools' parameter.",
    param: "tool_choice",
  },
  {
    rule: "Mistral's word for a forced tool",
    body: { tools: [TOOL], tool_choice: "any" },
    says: "Supported values are: 'none', 'auto', and 'required'.",
  },
];

describe.each([
  ["fields", fields],
  ["tools", tools],
])("%s", (_what, rows) => {
  test.each(rows)("$rule", async (row) => {
    const answer = await call(
      sandbox,
      "openai",
      { model: "gpt-5.4-nano", input: "Hi", ...row.body },
      { path: "/v1/responses" },
    );
    expect(answer.status).toBe(row.status ?? 400);
    const error = at(answer.body, "error") as JsonObject;
    expect(error["message"]).toContain(row.says);
    expect(Object.keys(error).sort()).toEqual(["code", "message", "param", "type"]);
    if (row.param !== undefined) expect(error["param"]).toBe(row.param);
    if (row.code !== undefined) expect(error["code"]).toBe(row.code);
  });
});
