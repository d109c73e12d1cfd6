/** What OpenAI's Responses API would not serve, and in which words: one row a rule. */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { JsonObject, JsonValue } from "../src/chat.ts";
import { startSandbox, type RunningSandbox } from "../bench/sandbox/index.ts";
import { at, call, words } from "./sandbox-call.ts";

let sandbox: RunningSandbox;
beforeAll(async () => {
  sandbox = await startSandbox();
});
afterAll(() => sandbox.close());

const post = (body: JsonObject, key: string = "key") =>
  call(sandbox, "openai", { model: "gpt-5.4-nano", input: "Hi", ...body }, { path: "/v1/responses", key });

const user = (content: JsonValue): JsonObject => ({ role: "user", content });
const made = (id: string, more: JsonObject = {}): JsonObject => ({
  type: "function_call",
  call_id: id,
  name: "look",
  arguments: "{}",
  ...more,
});
const result = (id: string): JsonObject => ({ type: "function_call_output", call_id: id, output: "seen" });
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

const items: readonly Row[] = [
  {
    rule: "an item that is none",
    body: { input: [7] },
    says: "expected an input item, but got an integer",
    param: "input[0]",
  },
  {
    rule: "an item of no known type",
    body: { input: [{ type: "bogus" }] },
    says: "Invalid value: 'bogus'.",
    param: "input[0]",
  },
  {
    rule: "a role that there is not",
    body: { input: [{ role: "tool", content: "x" }] },
    says: "'assistant', 'system', 'developer', and 'user'",
  },
  {
    rule: "a message without content",
    body: { input: [{ role: "user" }] },
    says: "Missing required parameter: 'input[0].content'.",
  },
  {
    rule: "an unknown member of a message",
    body: { input: [{ ...user("a"), name: "Ann" }] },
    says: "Unknown parameter: 'input[0].name'.",
    code: "unknown_parameter",
  },
  {
    rule: "a phase that is the user's",
    body: { input: [{ ...user("a"), phase: "commentary" }] },
    says: "Unknown parameter: 'input[0].phase'.",
  },
  {
    rule: "Chat's parts",
    body: { input: [user([{ type: "text", text: "a" }])] },
    says: "Invalid value: 'text'.",
    param: "input[0].content[0].type",
  },
  {
    rule: "what was told in a message of the assistant",
    body: { input: [{ role: "assistant", content: [{ type: "input_text", text: "a" }] }] },
    says: "'output_text' and 'refusal'",
    param: "input[0].content[0]",
  },
  {
    rule: "cache_control on a part",
    body: { input: [user([{ type: "input_text", text: "a", cache_control: {} }])] },
    says: "Unknown parameter: 'input[0].content[0].cache_control'.",
  },
  {
    rule: "a breakpoint before 5.6",
    body: { input: [user([{ type: "input_text", text: "a", prompt_cache_breakpoint: { mode: "explicit" } }])] },
    says: "is not supported with this model",
  },
  {
    rule: "Chat's form of a picture",
    body: { input: [user([{ type: "input_image", image_url: { url: "https://example.com/a.png" } }])] },
    says: "expected an image URL, but got an object",
  },
  {
    rule: "a picture that is none",
    body: {
      input: [
        user([
          { type: "input_image", image_url: `data:image/png;base64,${Buffer.from("no picture").toString("base64")}` },
        ]),
      ],
    },
    says: "unsupported image",
    code: "invalid_image_format",
  },
  {
    rule: "a file that is a sound",
    body: { input: [user([{ type: "input_file", file_data: "data:audio/mpeg;base64,AAAA" }])] },
    says: "unsupported MIME type 'audio/mpeg'",
    param: "input[0].content[0].file_data",
  },
  {
    rule: "arguments as an object",
    body: { input: [user("a"), made("x", { arguments: {} }), result("x")] },
    says: "Invalid type for 'input[1].arguments': expected a string, but got an object",
  },
  {
    rule: "a result without its call",
    body: { input: [user("a"), result("x")] },
    says: "No tool call found for function call output with call_id x.",
    param: "input",
  },
  {
    rule: "a result before its call",
    body: { input: [user("a"), result("x"), made("x")] },
    says: "No tool call found for function call output with call_id x.",
  },
  {
    rule: "a custom result to a function's call",
    body: { input: [user("a"), made("x"), { type: "custom_tool_call_output", call_id: "x", output: "b" }] },
    says: "No tool call found for custom tool call output with call_id x.",
  },
  {
    rule: "a call without its result",
    body: { input: [user("a"), made("x"), made("y"), result("x")] },
    says: "No tool output found for function call y.",
    param: "input",
  },
  {
    rule: "a reasoning item that was never kept",
    body: { input: [user("a"), { type: "reasoning", id: "rs_x", summary: [] }] },
    says: "Item with id 'rs_x' not found.",
    status: 404,
  },
  {
    rule: "encrypted reasoning that is none",
    body: {
      input: [
        user("a"),
        { type: "reasoning", summary: [], encrypted_content: "gAAAAABxyz" },
        { role: "assistant", content: "b" },
      ],
    },
    says: "could not be verified. Reason: Encrypted content could not be decrypted or parsed.",
    code: "invalid_encrypted_content",
  },
];

describe.each([
  ["fields", fields],
  ["tools", tools],
  ["items", items],
])("%s", (_what, rows) => {
  test.each(rows)("$rule", async (row) => {
    const answer = await post(row.body);
    expect(answer.status).toBe(row.status ?? 400);
    const error = at(answer.body, "error") as JsonObject;
    expect(error["message"]).toContain(row.says);
    expect(Object.keys(error).sort()).toEqual(["code", "message", "param", "type"]);
    if (row.param !== undefined) expect(error["param"]).toBe(row.param);
    if (row.code !== undefined) expect(error["code"]).toBe(row.code);
  });
});

describe("a reasoning item", () => {
  const sealed = { ...thinking, include: ["reasoning.encrypted_content"], store: false };
  /** The answer's items to a question that is answered by thinking and calling. */
  const thought = async (more: JsonObject = {}, key: string = "key") => {
    const { body } = await post({ input: "look", tools: [TOOL], ...sealed, ...more }, key);
    const [reasoning, made] = body["output"] as readonly JsonObject[];
    if (reasoning === undefined || made === undefined) throw new Error("nothing was thought, or nothing called");
    return { reasoning, made, answer: result(String(made["call_id"])) };
  };
  const refusal = async (input: JsonValue, key: string = "key") => {
    const answer = await post({ input, tools: [TOOL], ...sealed }, key);
    return answer.status === 200 ? undefined : String(at(answer.body, "error", "message"));
  };

  test("goes with the item that followed it, and not without", async () => {
    const { reasoning, made, answer } = await thought();
    expect(await refusal([user("look"), reasoning, made, answer])).toBeUndefined();
    const id = String(reasoning["id"]);
    const orphaned = `Item '${id}' of type 'reasoning' was provided without its required following item.`;
    expect(await refusal([user("look"), reasoning])).toBe(orphaned);
    expect(await refusal([user("look"), reasoning, user("and?")])).toBe(orphaned);
  });

  test("that goes by no id may stand alone", async () => {
    const { id: _, ...reasoning } = (await thought()).reasoning;
    expect(await refusal([user("look"), reasoning, user("and?")])).toBeUndefined();
  });

  test("is missed by the item that was said after it, where that one is kept", async () => {
    const { reasoning, made, answer } = await thought({ store: true });
    expect(await refusal([user("look"), made, answer])).toBe(
      `Item '${String(made["id"])}' of type 'function_call' was provided without its required 'reasoning' item: '${String(reasoning["id"])}'.`,
    );
    const { id: _, ...unnamed } = made;
    expect(await refusal([user("look"), unnamed, answer])).toBeUndefined();
  });

  test("is another account's, another item's or another content: not verified", async () => {
    const { reasoning, made, answer } = await thought();
    const conversation = (one: JsonObject) => [user("look"), one, made, answer];
    expect(await refusal(conversation(reasoning), "other")).toContain("could not be decrypted or parsed");
    expect(await refusal(conversation({ ...reasoning, id: "rs_other" }))).toContain("did not match the target item id");
    const content = String(reasoning["encrypted_content"]);
    const changed = `${content.slice(0, -8)}AAAAAAAA`;
    expect(await refusal(conversation({ ...reasoning, encrypted_content: changed }))).toContain(
      "could not be verified",
    );
  });

  test("without its content is known by its id, where it is kept", async () => {
    const { body } = await post({ input: "look", tools: [TOOL], ...thinking });
    const [reasoning, made] = body["output"] as readonly JsonObject[];
    expect(reasoning).not.toHaveProperty("encrypted_content");
    const input = [user("look"), reasoning ?? {}, made ?? {}, result(String(made?.["call_id"]))];
    const kept = await post({ input, tools: [TOOL], ...thinking });
    expect(kept.status).toBe(200);
    const goneOn = await post({
      input: [result(String(made?.["call_id"]))],
      previous_response_id: body["id"] ?? null,
      tools: [TOOL],
      ...thinking,
    });
    expect(at(goneOn.body, "usage", "input_tokens")).toBe(at(kept.body, "usage", "input_tokens"));
  });
});

describe("served", () => {
  test.each([
    ["tools with an effort, which Chat Completions refuses", { tools: [TOOL], reasoning: { effort: "high" } }],
    [
      "hosted tools",
      { tools: [{ type: "web_search" }, { type: "mcp", server_label: "x", server_url: "https://example.com" }] },
    ],
    ["results in another order than the calls", { input: [user("a"), made("x"), made("y"), result("y"), result("x")] }],
    [
      "a result in parts",
      { input: [user("a"), made("x"), { ...result("x"), output: [{ type: "input_text", text: "seen" }] }] },
    ],
    [
      "fields that are null",
      { temperature: null, store: null, instructions: null, tools: null, text: null, include: null },
    ],
    [
      "a breakpoint from 5.6 on",
      {
        model: "gpt-6-luna",
        input: [user([{ type: "input_text", text: "a", prompt_cache_breakpoint: { mode: "explicit" } }])],
      },
    ],
    ["twelve hours for the whole request", { model: "gpt-6-luna", prompt_cache_options: { ttl: "12h" } }],
    ["a temperature with effort none", { temperature: 0 }],
    [
      "a prompt that is too long, cut at its beginning",
      { truncation: "auto", input: [user(words(200_000)), user(words(100_000))] },
    ],
  ])("%s", async (_what, body) => {
    const answer = await post(body);
    expect(answer.status, answer.text.slice(0, 300)).toBe(200);
  });
});
