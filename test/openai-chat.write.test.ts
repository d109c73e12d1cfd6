import { describe, expect, test } from "vitest";
import type { JsonObject, Loss, Message } from "../src/chat.ts";
import { anthropicMessages } from "../src/dialects/anthropic-messages.ts";
import { openaiChat } from "../src/dialects/openai-chat.ts";
import { GatewayError } from "../src/errors.ts";
import { call, messages, OTHER, result, text, USER, write } from "./openai-chat-written.ts";

describe("a request of the other dialect", () => {
  test("is written whole, in OpenAI's words", () => {
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
          ],
        },
        {
          role: "assistant",
          content: [
            { type: "thinking", thinking: "hm", signature: "c2ln" },
            text("ok"),
            { type: "tool_use", id: "toolu_1", name: "f", input: { a: 1 } },
          ],
        },
        { role: "user", content: [{ type: "tool_result", tool_use_id: "toolu_1", content: "done" }, text("go on")] },
        { role: "system", content: "New rules." },
      ],
      tools: [
        { name: "f", description: "d", input_schema: { type: "object", properties: { a: { type: "integer" } } } },
      ],
      tool_choice: { type: "tool", name: "f", disable_parallel_tool_use: true },
      stop_sequences: ["END"],
      temperature: 0.5,
      metadata: { user_id: "someone" },
      stream: true,
    });
    const losses: Loss[] = [];
    expect(openaiChat.writeRequest(read, { model: "gpt", record: undefined }, losses)).toEqual({
      model: "gpt",
      messages: [
        { role: "system", content: "Be brief." },
        {
          role: "user",
          content: [text("look"), { type: "image_url", image_url: { url: "data:image/png;base64,iVBORw0KGgo=" } }],
        },
        {
          role: "assistant",
          content: "ok",
          tool_calls: [{ id: "toolu_1", type: "function", function: { name: "f", arguments: '{"a":1}' } }],
        },
        { role: "tool", content: "done", tool_call_id: "toolu_1" },
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
      tool_choice: { type: "function", function: { name: "f" } },
      parallel_tool_calls: false,
      max_completion_tokens: 500,
      stop: ["END"],
      temperature: 0.5,
      stream: true,
      stream_options: { include_usage: true },
    });
    expect(losses.map((loss) => loss.field)).toEqual(["reasoning", "user"]);
  });

  test("loses what only its own dialect knows, and says so", () => {
    const { lost } = write({
      topK: 5,
      metadata: { x: "y" },
      extra: { container: "c", context_management: {} },
      messages: [
        {
          role: "user",
          parts: [
            { type: "text", text: "a", extra: { citations: [] } },
            { type: "opaque", dialect: OTHER, kind: "search_result", value: { type: "search_result" } },
          ],
        },
        { role: "user", parts: [text("b")], extra: { output_config: {} } },
      ],
    });
    expect(lost.sort()).toEqual([
      "citations",
      "container",
      "context_management",
      "metadata",
      "output_config",
      "top_k",
      "unknown-block",
    ]);
  });
});

describe("messages", () => {
  test("that are none are refused", () => {
    expect(() => messages()).toThrow(/the request has no message/);
  });

  test("say one text plainly and several as parts", () => {
    expect(
      messages({ role: "system", parts: [text("a")] }, { role: "user", parts: [text("a"), text("b")] }).messages,
    ).toEqual([
      { role: "system", content: "a" },
      { role: "user", content: [text("a"), text("b")] },
    ]);
  });

  test("with results answer their calls right behind them, whatever came between", () => {
    const { messages: written, lost } = messages(
      USER,
      { role: "assistant", parts: [call("a"), call("b")] },
      result("b", "2"),
      { role: "system", parts: [text("rule")] },
      result("a", "1"),
      USER,
    );
    expect((written as JsonObject[]).map((message) => message["tool_call_id"] ?? message["role"])).toEqual([
      "user",
      "assistant",
      "b",
      "a",
      "system",
      "user",
    ]);
    expect(lost).toEqual([]);
  });

  test("with a call that has no result get one that says so", () => {
    const { messages: written, lost } = messages(USER, { role: "assistant", parts: [text("x"), call("a")] }, USER);
    expect((written as JsonObject[])[2]).toEqual({
      role: "tool",
      content: "no result was provided",
      tool_call_id: "a",
    });
    expect(lost).toEqual(["orphan-tool-call"]);
  });

  test("with a result that has no call say it as the user's", () => {
    const { messages: written, lost } = messages(USER, result("nobody", "1"));
    expect((written as JsonObject[])[1]).toEqual({ role: "user", content: "1" });
    expect(lost).toEqual(["orphan-tool-result"]);
  });

  test("with ids used again in a later turn stay as they are", () => {
    const { lost } = messages(
      USER,
      { role: "assistant", parts: [call("a")] },
      result("a", "1"),
      { role: "assistant", parts: [call("a")] },
      result("a", "2"),
    );
    expect(lost).toEqual([]);
  });

  test("with pictures in results bring them as the user's, after all results", () => {
    const picture = { type: "image", source: { type: "base64", mediaType: "image/png", data: "AA" } } as const;
    const { messages: written, lost } = messages(
      USER,
      { role: "assistant", parts: [call("a"), call("b")] },
      {
        role: "tool",
        parts: [
          { type: "tool-result", callId: "a", content: [picture] },
          { type: "tool-result", callId: "b", content: [text("2"), picture] },
        ],
      },
    );
    const image = { type: "image_url", image_url: { url: "data:image/png;base64,AA" } };
    expect((written as JsonObject[]).slice(2)).toEqual([
      { role: "tool", content: "The result is attached in the next user message.", tool_call_id: "a" },
      { role: "tool", content: "2", tool_call_id: "b" },
      { role: "user", content: [text("Attached to the result of tool call a:"), image] },
      { role: "user", content: [text("Attached to the result of tool call b:"), image] },
    ]);
    expect(lost).toEqual([]);
  });

  test("with an error in a result keep its text and lose its mark", () => {
    const { messages: written, lost } = messages(
      USER,
      { role: "assistant", parts: [call("a")] },
      { role: "tool", parts: [{ type: "tool-result", callId: "a", content: [text("boom")], isError: true }] },
    );
    expect((written as JsonObject[])[2]).toEqual({ role: "tool", content: "boom", tool_call_id: "a" });
    expect(lost).toEqual(["is_error"]);
  });

  test("keep the text of arguments, and say `{}` for none", () => {
    const { messages: written } = messages(
      USER,
      { role: "assistant", parts: [call("a", '{ "n":9007199254740993 }'), call("b", "")] },
      result("a", "1"),
      result("b", "2"),
    );
    const said = (written as JsonObject[])[1] ?? {};
    expect(said["content"]).toBe("");
    expect(
      (said["tool_calls"] as unknown as { function: { arguments: string } }[]).map((one) => one.function.arguments),
    ).toEqual(['{ "n":9007199254740993 }', "{}"]);
  });

  test("never say another dialect's reasoning as text", () => {
    const { messages: written, lost } = messages(
      USER,
      {
        role: "assistant",
        parts: [
          { type: "reasoning", text: "secret", signature: "s" },
          { type: "reasoning", text: "", redacted: "r" },
        ],
      },
      USER,
    );
    expect(JSON.stringify(written)).not.toContain("secret");
    expect(written).toHaveLength(2);
    expect(lost).toEqual(["reasoning", "reasoning"]);
  });

  test("that end with the assistant's are continued where the model can, and else asked to be", () => {
    const list: Message[] = [USER, { role: "assistant", parts: [text("Once upon")] }];
    const asked = { role: "user", content: "Continue from where you left off." };
    expect(messages(...list)).toMatchObject({ messages: [{}, { content: "Once upon" }, asked], lost: ["prefill"] });
    expect(write({ messages: list }, { prefill: true })).toMatchObject({
      body: { messages: [{}, { role: "assistant", content: "Once upon", prefix: true }] },
      lost: [],
    });
  });

  test("leave noise out without a loss", () => {
    const { messages: written, lost } = messages(
      {
        role: "system",
        parts: [{ type: "opaque", dialect: OTHER, kind: "billing-header", value: {}, volatile: true }],
      },
      USER,
    );
    expect(written).toEqual([{ role: "user", content: "hi" }]);
    expect(lost).toEqual([]);
  });

  test("have documents as files, and documents of text as text", () => {
    const { messages: written } = messages({
      role: "user",
      parts: [
        { type: "document", source: { type: "base64", mediaType: "application/pdf", data: "AA" }, name: "a.pdf" },
        { type: "document", source: { type: "base64", mediaType: "application/pdf", data: "AA" } },
        { type: "document", source: { type: "text", text: "plain" }, name: "notes" },
        {
          type: "document",
          source: { type: "base64", mediaType: "text/markdown", data: Buffer.from("# md").toString("base64") },
        },
      ],
    });
    expect((written as JsonObject[])[0]?.["content"]).toEqual([
      { type: "file", file: { filename: "a.pdf", file_data: "data:application/pdf;base64,AA" } },
      { type: "file", file: { filename: "document.pdf", file_data: "data:application/pdf;base64,AA" } },
      text("notes\n\nplain"),
      text("# md"),
    ]);
  });

  test.each([
    ["a file kept elsewhere", { role: "user", parts: [{ type: "image", source: { type: "file", id: "f" } }] }],
    [
      "a document at a URL",
      { role: "user", parts: [{ type: "document", source: { type: "url", url: "https://x.test/a.pdf" } }] },
    ],
    [
      "a picture from the assistant",
      { role: "assistant", parts: [{ type: "image", source: { type: "url", url: "https://x.test/a.png" } }] },
    ],
  ] as [string, Message][])("with %s are refused", (_what, message) => {
    expect(() => messages(USER, message)).toThrow(GatewayError);
  });
});
