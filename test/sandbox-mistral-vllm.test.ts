/** What Mistral and vLLM would not serve, and in which words: one row a rule. */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { JsonObject, JsonValue } from "../src/chat.ts";
import { startSandbox, type RunningSandbox } from "../bench/sandbox/index.ts";
import { at, call, calling, FUNCTION_TOOL as TOOL, result, user, words } from "./sandbox-call.ts";

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

describe("Mistral", () => {
  const nine = "abcDEF123";
  const said: JsonObject = { role: "assistant", content: "ok" };
  const rows: readonly (Row & { readonly loc?: JsonValue })[] = [
    ...["stream_options", "user", "max_completion_tokens", "seed", "store", "logit_bias", "cache_control"].map(
      (field) => ({
        rule: `the unknown field ${field}`,
        body: { [field]: {} },
        says: "Extra inputs are not permitted",
        loc: ["body", field],
        status: 422,
      }),
    ),
    {
      rule: "an unknown field in a message",
      body: { messages: [{ ...user("a"), name: "Ann" }] },
      says: "Extra inputs are not permitted",
      loc: ["body", "messages", 0, "user", "name"],
      status: 422,
    },
    {
      rule: "a developer's message",
      body: { messages: [{ role: "developer", content: "a" }, user("b")] },
      says: "Input tag 'developer'",
      status: 422,
    },
    {
      rule: "a temperature above 1.5",
      body: { temperature: 1.6 },
      says: "Input should be less than or equal to 1.5",
      loc: ["body", "temperature"],
      status: 422,
    },
    {
      rule: "an effort between none and high",
      body: { reasoning_effort: "low" },
      says: "Input should be 'none' or 'high'",
      status: 422,
    },
    {
      rule: "OpenAI's subset of tools",
      body: { tools: [TOOL], tool_choice: { type: "allowed_tools", allowed_tools: {} } },
      says: "Field required",
      status: 422,
    },
    {
      rule: "a part of another dialect",
      body: { messages: [user([{ type: "tool_result", content: "x" }])] },
      says: "Input tag 'tool_result'",
      status: 422,
    },
    {
      rule: "a call id that is not nine letters and digits",
      body: { messages: [user("a"), calling("call_1"), result("call_1")] },
      says: "must be a-z, A-Z, 0-9, with a length of 9",
      code: "3280",
    },
    {
      rule: "the assistant last",
      body: { messages: [user("a"), said] },
      says: "Expected last role User or Tool (or Assistant with prefix True) for serving but got assistant",
      code: "3230",
    },
    {
      rule: "a system message after a tool",
      body: { messages: [user("a"), calling(nine), result(nine), { role: "system", content: "b" }, user("c")] },
      says: "Unexpected role 'system' after role 'tool'",
      code: "3230",
    },
    {
      rule: "a tool after nothing it answers",
      body: { messages: [user("a"), result(nine)] },
      says: "Unexpected role 'tool' after role 'user'",
      code: "3230",
    },
    {
      rule: "a call without its answer",
      body: { messages: [user("a"), calling(nine, "xyzXYZ987"), result(nine)] },
      says: "Not the same number of function calls and responses",
      code: "3230",
    },
    {
      rule: "an assistant that says nothing",
      body: { messages: [user("a"), { role: "assistant", content: "" }, user("b")] },
      says: "must have either content or tool_calls",
      code: "3240",
    },
    {
      rule: "a model that there is not",
      body: { model: "gpt-5.4-nano" },
      says: "Invalid model: gpt-5.4-nano",
      code: "1500",
    },
    { rule: "logprobs", body: { logprobs: true }, says: "Logprobs are not enabled for this model", code: "3051" },
    {
      rule: "greedy sampling with another top_p",
      body: { temperature: 0, top_p: 0.5 },
      says: "top_p must be 1 when using greedy sampling",
      code: "3051",
    },
    {
      rule: "JSON without the word",
      body: { response_format: { type: "json_object" } },
      says: "must contain the word 'JSON'",
      code: "3051",
    },
    {
      rule: "an effort for a model without",
      body: { model: "mistral-large-latest", reasoning_effort: "high" },
      says: "reasoning_effort is not enabled for this model",
      code: "3051",
    },
    {
      rule: "a prompt larger than the window",
      body: { messages: [user(words(256_001))] },
      says: "too large for model with 256000 maximum context length",
    },
  ];

  test.each(rows)("$rule", async (row) => {
    const answer = await call(sandbox, "mistral", {
      model: "mistral-small-latest",
      messages: [user("Hi")],
      ...row.body,
    });
    expect(answer.status).toBe(row.status ?? 400);
    const detail = at(answer.body, "detail", 0);
    expect(at(detail, "msg") ?? answer.body["message"]).toContain(row.says);
    if (row.loc !== undefined) expect(at(detail, "loc")).toEqual(row.loc);
    if (row.code !== undefined) expect(answer.body).toMatchObject({ object: "error", code: row.code, param: null });
  });

  test.each([
    ["metadata", { metadata: { a: "b" } }],
    ["OpenAI's word for a forced tool", { tools: [TOOL], tool_choice: "required" }],
    ["its own", { tools: [TOOL], tool_choice: "any" }],
    [
      "a picture as a plain string",
      { messages: [user([{ type: "image_url", image_url: "https://example.com/a.png" }])] },
    ],
    ["the beginning of an answer, marked as such", { messages: [user("a"), { ...said, prefix: true }] }],
    [
      "thoughts sent back",
      {
        messages: [
          user("a"),
          {
            role: "assistant",
            content: [
              { type: "thinking", thinking: [{ type: "text", text: "hm" }], closed: true },
              { type: "text", text: "ok" },
            ],
          },
          user("b"),
        ],
      },
    ],
    ["the user after a tool", { messages: [user("a"), calling(nine), result(nine), user("b")] }],
    ["a tool loop", { messages: [user("a"), calling(nine), { ...result(nine), name: "look" }] }],
  ])("%s: served", async (_what, body) => {
    expect(
      (await call(sandbox, "mistral", { model: "mistral-small-latest", messages: [user("Hi")], ...body })).status,
    ).toBe(200);
  });

  test("all violations are listed at once", async () => {
    const answer = await call(sandbox, "mistral", {
      model: "mistral-small-latest",
      messages: [user("Hi")],
      seed: 1,
      user: "a",
    });
    expect((answer.body["detail"] as JsonValue[]).map((one) => at(one, "loc", 1))).toEqual(["seed", "user"]);
  });
});

describe("vLLM", () => {
  const MISTRAL_WEIGHTS = "mistralai/Mistral-Small-4-119B-2603";
  test.each([
    ["unknown fields", { nonsense: 1, prompt_cache_key: "k", metadata: {} }],
    [
      "call ids of any form, unless the tokenizer is Mistral's",
      { messages: [user("a"), calling("call_1"), result("call_1")] },
    ],
    ["no model named", { model: undefined }],
  ])("%s: served", async (_what, body) => {
    expect((await call(sandbox, "vllm", { model: "Qwen/Qwen9", messages: [user("Hi")], ...body })).status).toBe(200);
  });

  const rows: readonly Row[] = [
    { rule: "no messages", body: { messages: undefined }, says: "Field required" },
    { rule: "a temperature below zero", body: { temperature: -1 }, says: "temperature must be non-negative" },
    { rule: "no tokens", body: { max_tokens: 0 }, says: "max_tokens must be at least 1" },
    { rule: "an empty salt", body: { cache_salt: "" }, says: "'cache_salt' must be a non-empty string" },
    {
      rule: "stream options without a stream",
      body: { stream_options: {} },
      says: "can only be defined when `stream=True`",
    },
    { rule: "a choice without tools", body: { tool_choice: "required" }, says: "`tools` must be set" },
    {
      rule: "a choice of a tool that is not there",
      body: { tools: [TOOL], tool_choice: { type: "function", function: { name: "x" } } },
      says: "does not match any of the specified `tools`",
    },
    {
      rule: "call ids of another form before Mistral's tokenizer",
      body: { model: MISTRAL_WEIGHTS, messages: [user("a"), calling("call_1"), result("call_1")] },
      says: "with a length of 9",
    },
    {
      rule: "more than the window holds",
      body: { model: MISTRAL_WEIGHTS, max_tokens: 256_000 },
      says: "maximum context length is 256000 tokens",
    },
  ];
  test.each(rows)("$rule", async (row) => {
    const answer = await call(sandbox, "vllm", { model: "Qwen/Qwen9", messages: [user("Hi")], ...row.body });
    expect(answer.status).toBe(400);
    expect(answer.body).toMatchObject({ error: { type: "BadRequestError", code: 400 } });
    expect(at(answer.body, "error", "message")).toContain(row.says);
  });

  test("a server without a parser for calls refuses to choose, one with a key whoever lacks it; neither hides its health", async () => {
    const other = await startSandbox({ vllm: { autoToolChoice: false, apiKey: "secret" } });
    const body = { model: "Qwen/Qwen9", messages: [user("Hi")], tools: [TOOL] };
    const unparsed = await call(other, "vllm", body, { key: "secret" });
    expect(at(unparsed.body, "error", "message")).toContain("--enable-auto-tool-choice");
    expect((await call(other, "vllm", body)).body).toEqual({ error: "Unauthorized" });
    expect((await call(other, "vllm", undefined, { path: "/health" })).status).toBe(200);
    await other.close();
  });

  test("tokens are counted without being asked for", async () => {
    const answer = await call(sandbox, "vllm", { prompt: words(17) }, { path: "/tokenize" });
    expect(answer.body["count"]).toBe(17);
  });
});
