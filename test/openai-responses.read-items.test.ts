import { describe, expect, test } from "vitest";
import type { JsonObject, JsonValue, Message, Part } from "../src/chat.ts";
import { openaiResponses } from "../src/dialects/openai-responses.ts";
import { placesOf } from "./prefix-places.ts";

const D = "openai-responses";
const read = (...input: JsonValue[]) => openaiResponses.readRequest({ model: "m", input });
const messages = (...input: JsonValue[]): readonly Message[] => read(...input).messages;
const content = (...parts: JsonValue[]): readonly Part[] => messages({ role: "user", content: parts })[0]?.parts ?? [];

describe("messages", () => {
  test("are easy or typed, and their ids stand around them", () => {
    expect(
      messages(
        { role: "system", content: "a" },
        { type: "message", role: "developer", id: "msg_1", content: [{ type: "input_text", text: "b" }] },
        { role: "user", content: "c" },
        { role: "user", content: "" },
      ),
    ).toEqual([
      { role: "system", parts: [{ type: "text", text: "a" }] },
      { role: "system", parts: [{ type: "text", text: "b" }], envelope: { id: "msg_1", role: "developer" } },
      { role: "user", parts: [{ type: "text", text: "c" }] },
      { role: "user", parts: [] },
    ]);
  });

  test("of the assistant's in a row are one, with its thoughts and calls in their order", () => {
    expect(
      messages(
        { type: "reasoning", id: "rs_1", summary: [], encrypted_content: "c2Vh" },
        {
          type: "message",
          role: "assistant",
          id: "msg_1",
          status: "completed",
          phase: "commentary",
          content: [
            { type: "output_text", text: "a", annotations: [], logprobs: [] },
            { type: "refusal", refusal: "b" },
          ],
        },
        { type: "function_call", id: "fc_1", call_id: "c1", name: "f", arguments: '{"n":1.0}', status: "completed" },
        { role: "assistant", content: "d" },
        { role: "user", content: "e" },
        { role: "assistant", content: [{ type: "output_text", text: "g", annotations: [{ type: "url_citation" }] }] },
      ),
    ).toEqual([
      {
        role: "assistant",
        parts: [
          {
            type: "reasoning",
            text: "",
            redacted: "c2Vh",
            issuer: D,
            sealId: "rs_1",
            envelope: { id: "rs_1", summary: [] },
          },
          {
            type: "text",
            text: "a",
            extra: { message: { phase: "commentary" } },
            envelope: { item: { id: "msg_1", status: "completed" } },
          },
          { type: "refusal", text: "b" },
          {
            type: "tool-call",
            id: "c1",
            name: "f",
            arguments: '{"n":1.0}',
            envelope: { id: "fc_1", status: "completed" },
          },
          { type: "text", text: "d", envelope: { item: {} } },
        ],
      },
      { role: "user", parts: [{ type: "text", text: "e" }] },
      {
        role: "assistant",
        parts: [
          { type: "text", text: "g", extra: { annotations: [{ type: "url_citation" }] }, envelope: { item: {} } },
        ],
      },
    ]);
  });
});

describe("content", () => {
  test.each<[string, JsonObject, JsonObject]>([
    [
      "text with a mark",
      { type: "input_text", text: "a", prompt_cache_breakpoint: { mode: "explicit", ttl: "12h" } },
      { type: "text", text: "a", cache: { ttl: "12h" } },
    ],
    [
      "a picture in itself",
      { type: "input_image", image_url: "data:image/png;base64,AAAA", detail: "low" },
      { type: "image", source: { type: "base64", mediaType: "image/png", data: "AAAA" }, detail: "low" },
    ],
    [
      "a picture elsewhere",
      { type: "input_image", image_url: "https://a.example/b.png" },
      { type: "image", source: { type: "url", url: "https://a.example/b.png" } },
    ],
    [
      "a picture at the provider",
      { type: "input_image", file_id: "file_1", image_url: null },
      { type: "image", source: { type: "file", id: "file_1" } },
    ],
    [
      "a file in itself",
      { type: "input_file", file_data: "data:application/pdf;base64,AAAA", filename: "a.pdf" },
      { type: "document", source: { type: "base64", mediaType: "application/pdf", data: "AAAA" }, name: "a.pdf" },
    ],
    [
      "a file elsewhere",
      { type: "input_file", file_url: "https://a.example/b.pdf" },
      { type: "document", source: { type: "url", url: "https://a.example/b.pdf" } },
    ],
    [
      "a file at the provider",
      { type: "input_file", file_id: "file_1", detail: "high" },
      { type: "document", source: { type: "file", id: "file_1" }, extra: { detail: "high" } },
    ],
    [
      "sound",
      { type: "input_audio", input_audio: { data: "AAAA", format: "wav" } },
      { type: "audio", format: "wav", data: "AAAA" },
    ],
  ])("%s", (_what, part, wanted) => {
    expect(content(part)).toEqual([wanted]);
  });

  test.each([
    { type: "input_image" },
    { type: "input_file" },
    { type: "computer_screenshot", image_url: "x" },
    { type: "part_to_come", a: 1 },
  ])("%j is kept as it is", (part) => {
    expect(content(part)).toEqual([{ type: "opaque", dialect: D, kind: part.type, value: part }]);
  });
});

describe("calls and their outputs", () => {
  test("are paired by an id that both have", () => {
    expect(
      messages(
        { type: "function_call", call_id: "c1", name: "f", arguments: "", namespace: "clock" },
        { type: "function_call_output", call_id: "c1", output: "done", id: "fco_1", status: "completed" },
        {
          type: "function_call_output",
          call_id: "c2",
          output: [{ type: "input_image", image_url: "https://a.example" }],
        },
        { type: "function_call_output", call_id: "c3", output: "" },
      ),
    ).toEqual([
      {
        role: "assistant",
        parts: [{ type: "tool-call", id: "c1", name: "f", arguments: "", extra: { namespace: "clock" } }],
      },
      {
        role: "tool",
        parts: [
          {
            type: "tool-result",
            callId: "c1",
            content: [{ type: "text", text: "done" }],
            envelope: { id: "fco_1", status: "completed" },
          },
        ],
      },
      {
        role: "tool",
        parts: [
          {
            type: "tool-result",
            callId: "c2",
            content: [{ type: "image", source: { type: "url", url: "https://a.example" } }],
          },
        ],
      },
      { role: "tool", parts: [{ type: "tool-result", callId: "c3", content: [] }] },
    ]);
  });

  test("of custom tools are calls whose input is one of their arguments", () => {
    expect(
      messages(
        { type: "custom_tool_call", id: "ctc_1", call_id: "c1", name: "apply_patch", input: '*** "Begin"' },
        { type: "custom_tool_call_output", call_id: "c1", output: "ok" },
      ),
    ).toEqual([
      {
        role: "assistant",
        parts: [
          {
            type: "tool-call",
            id: "c1",
            name: "apply_patch",
            arguments: '{"input":"*** \\"Begin\\""}',
            envelope: { id: "ctc_1", type: "custom_tool_call" },
          },
        ],
      },
      {
        role: "tool",
        parts: [
          {
            type: "tool-result",
            callId: "c1",
            content: [{ type: "text", text: "ok" }],
            envelope: { type: "custom_tool_call_output" },
          },
        ],
      },
    ]);
  });
});

describe("thoughts", () => {
  test.each<[string, JsonObject, JsonObject]>([
    [
      "with a summary and a seal",
      {
        summary: [
          { type: "summary_text", text: "a" },
          { type: "summary_text", text: "b" },
        ],
        encrypted_content: "x",
      },
      { text: "a\n\nb", signature: "x", issuer: D, sealId: "rs_1" },
    ],
    [
      "with nothing shown",
      { summary: [], encrypted_content: "x" },
      { text: "", redacted: "x", issuer: D, sealId: "rs_1" },
    ],
    ["that are shown themselves", { summary: [], content: [{ type: "reasoning_text", text: "a" }] }, { text: "a" }],
    ["that are kept at the provider", { summary: [], encrypted_content: null }, { text: "" }],
    [
      "of another dialect's",
      { summary: [{ text: "a" }], encrypted_content: "sluice:anthropic-messages:signature::x" },
      { text: "a", signature: "x", issuer: "anthropic-messages" },
    ],
  ])("%s", (_what, item, wanted) => {
    const [message] = messages({ type: "reasoning", id: "rs_1", ...item });
    const part = message?.parts.map(({ envelope: _own, ...rest }) => rest);
    expect(part).toEqual([{ type: "reasoning", ...wanted }]);
  });
});

describe("items that only this dialect knows", () => {
  const opaque = (value: JsonObject, kind = String(value["type"])) => ({
    type: "opaque",
    dialect: D,
    kind,
    value,
    envelope: { item: true },
  });

  test.each(["web_search_call", "local_shell_call", "shell_call", "mcp_call", "compaction", "item_to_come"])(
    "%s is part of what the assistant did",
    (type) => {
      const item = { type, id: "x_1", a: 1 };
      expect(messages({ role: "user", content: "hi" }, item)[1]).toEqual({ role: "assistant", parts: [opaque(item)] });
    },
  );

  test.each(["local_shell_call_output", "shell_call_output", "mcp_approval_response", "computer_call_output"])(
    "%s is an answer to it",
    (type) => {
      const item = { type, call_id: "x_1" };
      expect(messages(item)).toEqual([{ role: "user", parts: [opaque(item)] }]);
    },
  );

  test("tools that come with the input are the developer's", () => {
    const item = { type: "additional_tools", role: "developer", tools: [] };
    expect(messages(item)).toEqual([{ role: "system", parts: [opaque(item)] }]);
  });

  test("a reference may leave out that it is one", () => {
    const item = { id: "msg_1" };
    expect(messages(item)).toEqual([{ role: "assistant", parts: [opaque(item, "item_reference")] }]);
  });
});

test("another session's ids do not make another prefix", () => {
  const turn = (id: string) =>
    read(
      { type: "message", role: "developer", id: `msg_${id}`, content: "a" },
      { type: "message", role: "assistant", id: `msg_2${id}`, status: "completed", content: "b" },
      { type: "function_call", id: `fc_${id}`, call_id: "c", name: "f", arguments: "{}" },
      { type: "function_call_output", id: `fco_${id}`, call_id: "c", output: "d" },
    );
  expect(placesOf(turn("one"))).toEqual(placesOf(turn("two")));
});
