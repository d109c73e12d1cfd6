/** What Anthropic would not serve, and in which words: one row a rule. */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { JsonObject, JsonValue } from "../src/chat.ts";
import { startSandbox, type RunningSandbox } from "../bench/sandbox/index.ts";
import { at, call, FUNCTION_TOOL as TOOL, user, words } from "./sandbox-call.ts";

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

describe("Anthropic", () => {
  const HAIKU = "claude-haiku-4-5";
  const tool = { name: "look", input_schema: { type: "object" } };
  const use = (id: string): JsonObject => ({ type: "tool_use", id, name: "look", input: {} });
  const used = (id: string): JsonObject => ({ type: "tool_result", tool_use_id: id, content: "seen" });
  const assistant = (content: JsonValue): JsonObject => ({ role: "assistant", content });
  const picture = (mediaType: string, data: string): JsonValue => [
    user([{ type: "image", source: { type: "base64", media_type: mediaType, data } }]),
  ];
  const png = Buffer.from("89504e470d0a1a0a0000000d494844520000002000000020", "hex").toString("base64");
  const rows: readonly Row[] = [
    { rule: "no max_tokens", body: { max_tokens: undefined }, says: "max_tokens: Field required" },
    {
      rule: "more max_tokens than the model has",
      body: { max_tokens: 64_001 },
      says: "max_tokens: 64001 > 64000, which is the maximum allowed number of output tokens",
    },
    { rule: "an unknown field", body: { seed: 1 }, says: "seed: Extra inputs are not permitted" },
    {
      rule: "a beta's field without the beta",
      body: { context_management: {} },
      says: "context_management: Extra inputs are not permitted",
    },
    {
      rule: "no version",
      body: {},
      headers: { "anthropic-version": "" },
      says: "anthropic-version: header is required",
    },
    { rule: "no messages", body: { messages: [] }, says: "messages: at least one message is required" },
    {
      rule: "the assistant first",
      body: { messages: [assistant("a"), user("b")] },
      says: 'first message must use the "user" role',
    },
    {
      rule: "a role that there is not",
      body: { messages: [{ role: "tool", content: "a" }] },
      says: "messages.0.role: Input should be 'user' or 'assistant'",
    },
    {
      rule: "a system message in the middle, of a model that has none",
      body: { messages: [user("a"), { role: "system", content: "b" }, user("c")] },
      says: "role 'system' is not supported on this model",
    },
    {
      rule: "an empty message",
      body: { messages: [user(""), user("b")] },
      says: "all messages must have non-empty content",
    },
    {
      rule: "an empty text",
      body: { messages: [user([{ type: "text", text: "" }])] },
      says: "text content blocks must be non-empty",
    },
    {
      rule: "a text of blanks",
      body: { messages: [user([{ type: "text", text: "  " }])] },
      says: "text content blocks must contain non-whitespace text",
    },
    {
      rule: "a part of another dialect",
      body: { messages: [user([{ type: "image_url", image_url: { url: "x" } }])] },
      says: "Input tag 'image_url' found using 'type' does not match any of the expected tags",
    },
    {
      rule: "a picture of another kind than it says",
      body: { messages: picture("image/jpeg", png) },
      says: "specified using the image/jpeg media type, but the image appears to be a image/png image",
    },
    {
      rule: "a picture with a data URL's prefix",
      body: { messages: picture("image/png", `data:image/png;base64,${png}`) },
      says: "invalid base64 data",
    },
    {
      rule: "a kind of picture it cannot read",
      body: { messages: picture("image/bmp", png) },
      says: "Input should be 'image/jpeg', 'image/png', 'image/gif' or 'image/webp'",
    },
    {
      rule: "a call id with a dot",
      body: { messages: [user("a"), assistant([use("a.b")]), user([used("a.b")])] },
      says: "String should match pattern '^[a-zA-Z0-9_-]+$'",
    },
    {
      rule: "a call that nobody answers",
      body: { messages: [user("a"), assistant([use("x")]), user("b")] },
      says: "`tool_use` ids were found without `tool_result` blocks immediately after: x",
    },
    {
      rule: "results in two messages with words between",
      body: {
        messages: [
          user("a"),
          assistant([use("x"), use("y")]),
          user([used("x"), { type: "text", text: "b" }, used("y")]),
        ],
      },
      says: "immediately after: y",
    },
    {
      rule: "a result that answers nobody",
      body: { messages: [user([used("x")])] },
      says: "unexpected `tool_use_id` found in `tool_result` blocks: x",
    },
    {
      rule: "the same call twice",
      body: {
        messages: [user("a"), assistant([use("x")]), user([used("x")]), assistant([use("x")]), user([used("x")])],
      },
      says: "`tool_use` ids must be unique",
    },
    { rule: "a tool of another dialect", body: { tools: [TOOL] }, says: /tools\.0/ },
    { rule: "two tools of one name", body: { tools: [tool, tool] }, says: "Tool names must be unique" },
    {
      rule: "a choice without tools",
      body: { tool_choice: { type: "any" } },
      says: "may only be specified while providing tools",
    },
    {
      rule: "another dialect's word for a forced tool",
      body: { tools: [tool], tool_choice: { type: "required" } },
      says: "tool_choice: Input tag 'required'",
    },
    {
      rule: "a forced tool on Opus 5.5",
      body: { model: "claude-opus-5-5", tools: [tool], tool_choice: { type: "any" } },
      says: "is not supported for this model",
    },
    {
      rule: "a forced tool while thinking",
      body: {
        max_tokens: 2000,
        thinking: { type: "enabled", budget_tokens: 1024 },
        tools: [tool],
        tool_choice: { type: "any" },
      },
      says: "Thinking may not be enabled when tool_choice forces tool use.",
    },
    {
      rule: "a stop of blanks",
      body: { stop_sequences: [" "] },
      says: "each stop sequence must contain non-whitespace",
    },
    {
      rule: "temperature and top_p on Haiku 4.5",
      body: { temperature: 0.5, top_p: 0.5 },
      says: "cannot both be specified",
    },
    { rule: "a temperature above one", body: { temperature: 1.5 }, says: "temperature: range: 0..1" },
    {
      rule: "a temperature after Opus 4.6",
      body: { model: "claude-opus-4-7", temperature: 0.5 },
      says: "`temperature` is deprecated for this model.",
    },
    {
      rule: "sampling in the newest version",
      body: { temperature: 1 },
      headers: { "anthropic-version": "2026-10-21" },
      says: "temperature: Extra inputs are not permitted",
    },
    {
      rule: "a document in an assistant's message, in the newest version",
      body: {
        messages: [
          user("a"),
          assistant([{ type: "document", source: { type: "text", media_type: "text/plain", data: "x" } }]),
          user("b"),
        ],
      },
      headers: { "anthropic-version": "2026-10-21" },
      says: "'document' blocks are not permitted in assistant messages",
    },
    {
      rule: "a prefill from 4.6 on",
      body: { model: "claude-sonnet-4-6", messages: [user("a"), assistant("b")] },
      says: "does not support assistant message prefill",
    },
    {
      rule: "a prefill that ends in a blank",
      body: { messages: [user("a"), assistant("b ")] },
      says: "final assistant content cannot end with trailing whitespace",
    },
    {
      rule: "a budget below the least",
      body: { max_tokens: 2000, thinking: { type: "enabled", budget_tokens: 100 } },
      says: "Input should be greater than or equal to 1024",
    },
    {
      rule: "a budget above max_tokens",
      body: { max_tokens: 2000, thinking: { type: "enabled", budget_tokens: 2000 } },
      says: "`max_tokens` must be greater than `thinking.budget_tokens`.",
    },
    {
      rule: "a budget from 4.7 on",
      body: { model: "claude-opus-4-7", max_tokens: 2000, thinking: { type: "enabled", budget_tokens: 1024 } },
      says: '"thinking.type.enabled" is not supported for this model',
    },
    {
      rule: "adaptive thinking up to 4.5",
      body: { thinking: { type: "adaptive" } },
      says: "adaptive thinking is not supported on this model",
    },
    {
      rule: "no thinking where it is always on",
      body: { model: "claude-opus-5-5", thinking: { type: "disabled" } },
      says: '"thinking.type.disabled" is not supported for this model.',
    },
    {
      rule: "no thinking with the highest effort",
      body: { model: "claude-haiku-5-5", thinking: { type: "disabled" }, output_config: { effort: "max" } },
      says: "is not supported with effort 'max'",
    },
    {
      rule: "no thinking on Sonnet 5.5",
      body: { model: "claude-sonnet-5-5", thinking: { type: "disabled" } },
      says: "is not supported for this model",
    },
    {
      rule: "thinking between tools with the highest effort",
      body: { model: "claude-sonnet-5-5", thinking: { type: "between_tools" }, output_config: { effort: "xhigh" } },
      says: "is not supported with effort 'xhigh'",
    },
    {
      rule: "an effort where there is none",
      body: { output_config: { effort: "low" } },
      says: "This model does not support the effort parameter.",
    },
    {
      rule: "an effort of a later model",
      body: { model: "claude-sonnet-4-6", output_config: { effort: "xhigh" } },
      says: "Supported levels: high, low, max, medium.",
    },
    {
      rule: "a format with a name",
      body: {
        output_config: {
          format: { type: "json_schema", name: "x", schema: { type: "object", additionalProperties: false } },
        },
      },
      says: "output_config.format.name: Extra inputs are not permitted",
    },
    {
      rule: "an open object in the format",
      body: { output_config: { format: { type: "json_schema", schema: { type: "object" } } } },
      says: "'additionalProperties' must be explicitly set to false",
    },
    {
      rule: "a prompt larger than the window",
      body: { messages: [user(words(200_001))] },
      says: "prompt is too long: 200004 tokens > 200000 maximum",
    },
    { rule: "a message thread", body: { thread: { type: "create" } }, says: "threads are not supported" },
  ];

  test.each(rows)("$rule", async (row) => {
    const body = { model: HAIKU, max_tokens: 100, messages: [user("Hi")], ...row.body };
    const answer = await call(sandbox, "anthropic", body, { headers: row.headers ?? {} });
    expect(answer.status).toBe(400);
    expect(answer.body).toMatchObject({ type: "error", error: { type: "invalid_request_error" } });
    expect(answer.body["request_id"]).toBe(answer.headers.get("request-id"));
    expect(at(answer.body, "error", "message")).toMatch(
      typeof row.says === "string" ? new RegExp(row.says.replaceAll(/[.*+?^${}()|[\]\\]/g, "\\$&")) : row.says,
    );
  });

  test("replayed thoughts forbid changing what stood before them, on the newest models", async () => {
    const ask = (body: JsonObject) =>
      call(sandbox, "anthropic", { model: "claude-haiku-5-5", max_tokens: 400, ...body });
    const first = await ask({ system: "Be brief.", messages: [user("Hi")] });
    const answered = assistant(at(first.body, "content") ?? null);
    const next = { messages: [user("Hi"), answered, user("And now?")] };
    expect((await ask({ system: "Be brief.", ...next })).status).toBe(200);
    const changed = await ask({ system: "Be long.", ...next });
    expect(at(changed.body, "error", "message")).toContain("keep the conversation append-only");
    const other = await call(
      sandbox,
      "anthropic",
      { model: "claude-haiku-5-5", max_tokens: 400, system: "Be brief.", ...next },
      { key: "other" },
    );
    expect(at(other.body, "error", "message")).toContain("Invalid `signature`");
    const spoken = (at(first.body, "content") as JsonObject[]).filter((block) => block["type"] !== "thinking");
    expect(
      (await ask({ system: "Be long.", messages: [user("Hi"), assistant(spoken), user("And now?")] })).status,
    ).toBe(200);
  });

  test("a thread is refused in the words that make its client go on without", async () => {
    const answer = await call(sandbox, "anthropic", {
      model: HAIKU,
      max_tokens: 9,
      messages: [user("Hi")],
      thread: { type: "create" },
    });
    expect(at(answer.body, "error", "details", "error_code")).toBe("thread_unsupported_request");
  });

  test.each([
    ["neighbours of one role", { messages: [user("a"), user("b"), assistant("c"), assistant("d"), user("e")] }],
    ["a prefill on Haiku 4.5", { messages: [user("a"), assistant("b")] }],
    [
      "results of one turn in neighbouring messages",
      { messages: [user("a"), assistant([use("x"), use("y")]), user([used("x")]), user([used("y")])] },
    ],
    [
      "a system message in the middle, on Opus 5",
      { model: "claude-opus-5", messages: [user("a"), { role: "system", content: "b" }, user("c")] },
    ],
    ["a temperature of one after Opus 4.6", { model: "claude-opus-4-7", temperature: 1 }],
    ["a beta's field with a beta", { context_management: {} }],
  ])("%s: served", async (_what, body) => {
    const headers = { "anthropic-beta": "context-management-2025-06-27" };
    const answer = await call(
      sandbox,
      "anthropic",
      { model: HAIKU, max_tokens: 100, messages: [user("Hi")], ...body },
      { headers },
    );
    expect(answer.status).toBe(200);
  });
});
