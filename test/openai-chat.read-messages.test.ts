import { describe, expect, test } from "vitest";
import type { JsonObject } from "../src/chat.ts";
import { openaiChat } from "../src/dialects/openai-chat.ts";

const USER: JsonObject = { role: "user", content: "hi" };

function messages(...list: JsonObject[]) {
  return openaiChat.readRequest({ model: "m", messages: list }).messages;
}

describe("messages", () => {
  test("stay where they stand, whatever their role", () => {
    const roles = messages(
      { role: "developer", content: "a" },
      USER,
      { role: "system", content: [{ type: "text", text: "b" }] },
      USER,
    );
    expect(roles.map((message) => message.role)).toEqual(["system", "user", "system", "user"]);
  });

  test("of a user are read part by part", () => {
    const [message] = messages({
      role: "user",
      name: "ann",
      content: [
        { type: "text", text: "a" },
        { type: "image_url", image_url: { url: "data:image/PNG;base64,AAAA", detail: "low" } },
        { type: "image_url", image_url: "https://x.test/a.png" },
        { type: "file", file: { filename: "a.pdf", file_data: "data:application/pdf;base64,BBBB" } },
        { type: "file", file: { file_id: "file-1" } },
        { type: "file", file: { file_data: "CCCC" } },
        { type: "document_url", document_url: "https://x.test/a.pdf", document_name: "a" },
        { type: "input_audio", input_audio: { data: "DDDD", format: "wav" } },
        { type: "input_audio", input_audio: "https://x.test/a.wav" },
        { type: "hologram", x: 1 },
      ],
    });
    expect(message).toEqual({
      role: "user",
      extra: { name: "ann" },
      parts: [
        { type: "text", text: "a" },
        { type: "image", source: { type: "base64", mediaType: "image/png", data: "AAAA" }, detail: "low" },
        { type: "image", source: { type: "url", url: "https://x.test/a.png" } },
        { type: "document", source: { type: "base64", mediaType: "application/pdf", data: "BBBB" }, name: "a.pdf" },
        { type: "document", source: { type: "file", id: "file-1" } },
        { type: "document", source: { type: "base64", mediaType: "application/pdf", data: "CCCC" } },
        { type: "document", source: { type: "url", url: "https://x.test/a.pdf" }, name: "a" },
        { type: "audio", format: "wav", data: "DDDD" },
        {
          type: "opaque",
          dialect: "openai-chat",
          kind: "input_audio",
          value: { type: "input_audio", input_audio: "https://x.test/a.wav" },
        },
        { type: "opaque", dialect: "openai-chat", kind: "hologram", value: { type: "hologram", x: 1 } },
      ],
    });
  });

  test("of an assistant are reasoning, text, refusal and calls", () => {
    const [message] = messages({
      role: "assistant",
      content: "a",
      refusal: "no",
      reasoning_content: "hm",
      tool_calls: [
        {
          id: "c1",
          type: "function",
          index: 0,
          function: { name: "f", arguments: '{ "b":1.0, "a":9007199254740993 }' },
        },
        { id: "c2", type: "custom", custom: { name: "c", input: "text" } },
      ],
      annotations: [{ type: "url_citation" }],
      audio: null,
    });
    expect(message).toEqual({
      role: "assistant",
      extra: { annotations: [{ type: "url_citation" }] },
      parts: [
        { type: "reasoning", text: "hm" },
        { type: "text", text: "a" },
        { type: "refusal", text: "no" },
        { type: "tool-call", id: "c1", name: "f", arguments: '{ "b":1.0, "a":9007199254740993 }' },
        {
          type: "opaque",
          dialect: "openai-chat",
          kind: "custom_tool_call",
          value: { id: "c2", type: "custom", custom: { name: "c", input: "text" } },
        },
      ],
    });
  });

  test.each([null, undefined, ""])("of an assistant may have no content (%j)", (content) => {
    const [message] = messages({
      role: "assistant",
      content,
      tool_calls: [{ id: "a", function: { name: "f", arguments: "" } }],
    });
    expect(message?.parts).toEqual([{ type: "tool-call", id: "a", name: "f", arguments: "" }]);
  });

  test("bring the seals of reasoning back", () => {
    const [message] = messages({
      role: "assistant",
      content: "a",
      reasoning_content: "hm",
      reasoning_details: [
        { type: "reasoning.text", text: "hm", signature: "c2ln", index: 0 },
        { type: "reasoning.encrypted", data: "ZW5j", index: 1 },
        { type: "reasoning.encrypted", data: "Zm9y", format: "google-gemini-v1", id: "x", index: 2 },
      ],
    });
    expect(message?.parts).toEqual([
      { type: "reasoning", text: "hm", signature: "c2ln" },
      { type: "reasoning", text: "", redacted: "ZW5j" },
      { type: "reasoning", text: "", redacted: "Zm9y", issuer: "google-gemini-v1", sealId: "x" },
      { type: "text", text: "a" },
    ]);
  });

  test("with Mistral's thinking chunks are reasoning", () => {
    const [message] = messages({
      role: "assistant",
      content: [
        { type: "thinking", thinking: [{ type: "text", text: "hm" }], closed: true },
        { type: "text", text: "a" },
      ],
    });
    expect(message?.parts).toEqual([
      { type: "reasoning", text: "hm" },
      { type: "text", text: "a" },
    ]);
  });

  const called = {
    role: "assistant",
    content: null,
    tool_calls: [
      { id: "a", type: "function", function: { name: "f", arguments: "{}" } },
      { id: "b", type: "function", function: { name: "g", arguments: "{}" } },
    ],
  };

  test("with results are one each, and name their call", () => {
    const list = messages(
      called,
      { role: "tool", tool_call_id: "b", name: "g", content: "2" },
      { role: "tool", tool_call_id: "a", content: [{ type: "text", text: "1" }], cache_control: { type: "ephemeral" } },
    );
    expect(list.slice(1)).toEqual([
      { role: "tool", parts: [{ type: "tool-result", callId: "b", content: [{ type: "text", text: "2" }] }] },
      {
        role: "tool",
        parts: [{ type: "tool-result", callId: "a", content: [{ type: "text", text: "1" }], cache: {} }],
      },
    ]);
  });

  test("with results that name no call belong to the first that has none yet", () => {
    const list = messages(called, { role: "tool", name: "g", content: "2" }, { role: "tool", content: "1" });
    expect(list.slice(1).map((message) => message.parts[0])).toMatchObject([{ callId: "b" }, { callId: "a" }]);
  });

  test("of the older kind are a call and its result, with the same id in every turn", () => {
    const old = [
      USER,
      { role: "assistant", content: null, function_call: { name: "f", arguments: "{}" } },
      { role: "function", name: "f", content: "1" },
    ];
    const [, call, result] = messages(...old);
    const [part] = call?.parts ?? [];
    expect(part).toMatchObject({ type: "tool-call", name: "f", arguments: "{}" });
    expect(result).toEqual({
      role: "tool",
      parts: [
        {
          type: "tool-result",
          callId: part?.type === "tool-call" ? part.id : "",
          content: [{ type: "text", text: "1" }],
        },
      ],
    });
    expect(messages(...old, USER).slice(0, 3)).toEqual(messages(...old));
  });

  test.each(["null", "", undefined])("with calls that have no id (%j) get one, the same in every turn", (id) => {
    const list = [
      USER,
      {
        role: "assistant",
        content: null,
        tool_calls: [{ id, type: "function", function: { name: "f", arguments: { a: 1 } } }],
      },
      { role: "tool", tool_call_id: id, content: "1" },
    ];
    const [, call, result] = messages(...list);
    expect(call?.parts[0]).toMatchObject({
      type: "tool-call",
      arguments: '{"a":1}',
      id: expect.stringMatching(/^call_[0-9a-f]{24}$/),
    });
    expect(result?.parts[0]).toMatchObject({ callId: call?.parts[0]?.type === "tool-call" ? call.parts[0].id : "" });
    expect(messages(...list, USER).slice(0, 3)).toEqual(messages(...list));
  });

  test.each([
    [
      {
        role: "user",
        content: [{ type: "text", text: "a", prompt_cache_breakpoint: { mode: "explicit", ttl: "12h" } }],
      },
      { ttl: "12h" },
    ],
    [
      { role: "user", content: [{ type: "text", text: "a", cache_control: { type: "ephemeral", ttl: "1h" } }] },
      { ttl: "1h" },
    ],
    [{ role: "system", content: "a", cache_control: { type: "ephemeral" } }, {}],
    [{ role: "assistant", content: "a", cache_control: { type: "ephemeral", ttl: "7y" } }, {}],
  ] as [JsonObject, object][])("with a mark (%j) end a prefix there", (message, cache) => {
    const [first] = messages(message);
    expect(first?.parts).toEqual([{ type: "text", text: "a", cache }]);
    expect(first).not.toHaveProperty("extra");
  });
});
