import { describe, expect, test } from "vitest";
import type { JsonObject, JsonValue, Part } from "../src/chat.ts";
import { mistralChat } from "../src/dialects/mistral-chat.ts";
import { GatewayError } from "../src/errors.ts";

const USER: JsonObject = { role: "user", content: "hi" };
const CALLED: JsonObject = {
  role: "assistant",
  content: "",
  tool_calls: [{ id: "abcdefghi", type: "function", function: { name: "f", arguments: { a: 1 } }, index: 0 }],
  prefix: false,
};

const read = (body: JsonObject) => mistralChat.readRequest({ model: "m", messages: [USER], ...body });
const messagesOf = (...messages: JsonObject[]) => read({ messages }).messages;

function partOf(chunk: JsonValue): Part | undefined {
  return messagesOf({ role: "user", content: [chunk] })[0]?.parts[0];
}

describe("a request", () => {
  test("that says little is read as it is; its usage always comes", () => {
    expect(read({})).toEqual({
      dialect: "mistral-chat",
      model: "m",
      stream: false,
      wantsStreamUsage: true,
      messages: [{ role: "user", parts: [{ type: "text", text: "hi" }] }],
      tools: [],
      extra: {},
    });
  });

  test("is read with all its settings", () => {
    const schema = { type: "object" };
    const request = read({
      stream: true,
      max_tokens: 100,
      temperature: 0,
      top_p: 0.5,
      stop: "END",
      random_seed: 7,
      frequency_penalty: 0.1,
      presence_penalty: 0,
      reasoning_effort: "high",
      metadata: { task: "t" },
      service_tier: "standard_only",
      prompt_cache_key: "k",
      n: 2,
      parallel_tool_calls: false,
      tool_choice: "any",
      tools: [
        { type: "function", function: { name: "f", description: "d", strict: true, parameters: schema } },
        { type: "web_search" },
      ],
      response_format: { type: "json_schema", json_schema: { name: "s", description: null, schema, strict: true } },
      prediction: { type: "content", content: "p" },
      guardrails: [{ block_on_error: true }],
      safe_prompt: true,
      unheard_of: { x: [1] },
    });
    expect(request).toMatchObject({
      stream: true,
      maxOutputTokens: 100,
      temperature: 0,
      topP: 0.5,
      stop: ["END"],
      seed: 7,
      frequencyPenalty: 0.1,
      presencePenalty: 0,
      reasoning: { effort: "high" },
      metadata: { task: "t" },
      serviceTier: "standard_only",
      promptCacheKey: "k",
      choices: 2,
      parallelToolCalls: false,
      toolChoice: { type: "required" },
      tools: [
        { type: "function", name: "f", description: "d", strict: true, parameters: schema },
        { type: "opaque", dialect: "mistral-chat", kind: "web_search", value: { type: "web_search" } },
      ],
      responseFormat: { type: "json-schema", name: "s", schema, strict: true },
    });
    expect(request.extra).toEqual({
      prediction: { type: "content", content: "p" },
      guardrails: [{ block_on_error: true }],
      safe_prompt: true,
      unheard_of: { x: [1] },
    });
  });

  test("asks for nothing by what clients send as it stands by default", () => {
    const request = read({
      safe_prompt: false,
      guardrails: [],
      prompt_mode: null,
      random_seed: null,
      response_format: null,
    });
    expect(request).toEqual(read({}));
    const json = { type: "json_object", json_schema: null };
    expect(read({ response_format: json }).responseFormat).toEqual({ type: "json-object" });
  });

  test("asks a model to think by its older mode, too, which no other dialect is told in its own words", () => {
    const asked = read({ prompt_mode: "reasoning" });
    expect(asked).toMatchObject({ reasoning: { enabled: true }, envelope: { prompt_mode: "reasoning" }, extra: {} });
    expect(read({ prompt_mode: "reasoning", reasoning_effort: "none" }).reasoning).toEqual({ effort: "none" });
    expect(read({ prompt_mode: "another" })).toMatchObject({ extra: { prompt_mode: "another" } });
  });

  test.each([
    ["messages", { messages: "hi" }],
    ["messages[0]", { messages: ["hi"] }],
    ["messages[0].role", { messages: [{ role: "function", content: "" }] }],
    ["messages[0].content", { messages: [{ role: "user", content: 7 }] }],
    ["messages[0].content[0].image_url", { messages: [{ role: "user", content: [{ type: "image_url" }] }] }],
    ["messages[0].content[0].document_url", { messages: [{ role: "user", content: [{ type: "document_url" }] }] }],
    ["messages[0].tool_calls", { messages: [{ role: "assistant", tool_calls: 7 }] }],
    ["messages[0].tool_calls[0].function", { messages: [{ role: "assistant", tool_calls: [{ id: "a" }] }] }],
    ["messages[0].tool_calls[0].function.name", { messages: [{ role: "assistant", tool_calls: [{ function: {} }] }] }],
    ["messages[0].tool_call_id", { messages: [{ role: "tool", content: "x" }] }],
    ["random_seed", { random_seed: "7" }],
    ["max_tokens", { max_tokens: -1 }],
    ["tool_choice", { tool_choice: "all" }],
    ["model", { model: 7 }],
  ] as [string, JsonObject][])("is refused naming %s", (param, body) => {
    let caught: unknown;
    try {
      read(body);
    } catch (error) {
      caught = error;
    }
    expect(caught).toBeInstanceOf(GatewayError);
    expect(caught).toMatchObject({ kind: "invalid-request", param });
  });
});

describe("messages", () => {
  test("are read with calls and their results", () => {
    expect(
      messagesOf(
        { role: "system", content: [{ type: "text", text: "s" }] },
        USER,
        CALLED,
        { role: "tool", content: "r", tool_call_id: "abcdefghi", name: "f" },
        { role: "assistant", content: null, tool_calls: null, metadata: { x: 1 } },
        { role: "assistant", content: "The", prefix: true },
      ),
    ).toEqual([
      { role: "system", parts: [{ type: "text", text: "s" }] },
      { role: "user", parts: [{ type: "text", text: "hi" }] },
      { role: "assistant", parts: [{ type: "tool-call", id: "abcdefghi", name: "f", arguments: '{"a":1}' }] },
      {
        role: "tool",
        parts: [{ type: "tool-result", callId: "abcdefghi", content: [{ type: "text", text: "r" }] }],
        envelope: { name: "f" },
      },
      { role: "assistant", parts: [], extra: { metadata: { x: 1 } } },
      { role: "assistant", parts: [{ type: "text", text: "The" }], envelope: { prefix: true } },
    ]);
  });

  test("arguments that are text stay that text", () => {
    const call = { function: { name: "f", arguments: '{"n": 9007199254740993}' } };
    expect(messagesOf(USER, { role: "assistant", tool_calls: [call] })[1]?.parts[0]).toMatchObject({
      arguments: '{"n": 9007199254740993}',
    });
  });

  test("a result without an id belongs to the first call that waits, or that has its name", () => {
    const calls = ["f", "g"].map((name) => ({ id: "null", function: { name, arguments: "" } }));
    const [, called, first, second] = messagesOf(
      USER,
      { role: "assistant", tool_calls: calls },
      { role: "tool", name: "g", content: "of g" },
      { role: "tool", tool_call_id: null, content: "of f" },
    );
    const ids = called?.parts.map((part) => (part.type === "tool-call" ? part.id : ""));
    expect(new Set(ids).size).toBe(2);
    expect([second, first].map((message) => message?.parts[0])).toMatchObject(ids?.map((callId) => ({ callId })) ?? []);
  });

  test("results that say nothing of their calls come in their order", () => {
    const calls = ["f", "g"].map((name, at) => ({ id: `aaaaaaaa${at}`, function: { name, arguments: "" } }));
    const [, , first, second] = messagesOf(
      USER,
      { role: "assistant", tool_calls: calls },
      { role: "tool", content: "of f" },
      { role: "tool", content: "of g" },
    );
    expect([first, second].map((message) => message?.parts[0])).toMatchObject([
      { callId: "aaaaaaaa0" },
      { callId: "aaaaaaaa1" },
    ]);
  });

  test("a name that no call gives is kept", () => {
    const result = { role: "tool", content: "r", tool_call_id: "zzzzzzzzz", name: "f" };
    expect(messagesOf(USER, result)[1]).toMatchObject({ extra: { name: "f" } });
  });
});

describe("chunks", () => {
  const wav = Buffer.from("RIFF\0\0\0\0WAVEfmt ", "latin1").toString("base64");
  const chunks: readonly (readonly [string, JsonValue, object])[] = [
    ["bare text", "hi", { type: "text", text: "hi" }],
    ["text", { type: "text", text: "hi", x: 1 }, { type: "text", text: "hi", extra: { x: 1 } }],
    [
      "a picture's address",
      { type: "image_url", image_url: "https://x/y.png" },
      { type: "image", source: { type: "url", url: "https://x/y.png" } },
    ],
    [
      "a picture with its detail",
      { type: "image_url", image_url: { url: "data:image/PNG;base64,AA==", detail: "low" } },
      { type: "image", source: { type: "base64", mediaType: "image/png", data: "AA==" }, detail: "low" },
    ],
    [
      "a document",
      { type: "document_url", document_url: "https://x/d.pdf", document_name: "d" },
      { type: "document", source: { type: "url", url: "https://x/d.pdf" }, name: "d" },
    ],
    ["a file", { type: "file", file_id: "f1" }, { type: "document", source: { type: "file", id: "f1" } }],
    [
      "sound, by how it begins",
      { type: "input_audio", input_audio: "SUQzBAAA" },
      { type: "audio", format: "mp3", data: "SUQzBAAA" },
    ],
    ["sound of another kind", { type: "input_audio", input_audio: wav }, { type: "audio", format: "wav", data: wav }],
    [
      "sound in a data URL",
      { type: "input_audio", input_audio: `data:audio/wav;base64,${wav}` },
      { type: "audio", format: "wav", data: wav },
    ],
    [
      "sound as OpenAI's clients say it",
      { type: "input_audio", input_audio: { data: "AAAA", format: "wav" } },
      { type: "audio", format: "wav", data: "AAAA" },
    ],
    [
      "sound at an address, which nobody else takes",
      { type: "input_audio", input_audio: "https://x/y.mp3" },
      { type: "opaque", dialect: "mistral-chat", kind: "input_audio" },
    ],
    [
      "a reference",
      { type: "reference", reference_ids: [1, "b"] },
      {
        type: "opaque",
        dialect: "mistral-chat",
        kind: "reference",
        value: { type: "reference", reference_ids: [1, "b"] },
      },
    ],
    [
      "a thought",
      { type: "thinking", thinking: [{ type: "text", text: "hm" }], closed: true },
      { type: "reasoning", text: "hm" },
    ],
    [
      "a thought that Mistral sealed",
      { type: "thinking", thinking: [{ type: "text", text: "h" }, { text: "m" }], signature: "c2ln", closed: false },
      {
        type: "reasoning",
        text: "hm",
        signature: "c2ln",
        issuer: "mistral-chat",
        envelope: { thinking: [{ type: "text", text: "h" }, { text: "m" }], closed: false },
      },
    ],
    [
      "a thought that another provider sealed",
      { type: "thinking", thinking: [], signature: "sluice:openai-responses:redacted:rs_1:ZW5j" },
      { type: "reasoning", text: "", redacted: "ZW5j", issuer: "openai-responses", sealId: "rs_1" },
    ],
    [
      "a thought with more than text in it",
      {
        type: "thinking",
        thinking: [
          { type: "text", text: "hm" },
          { type: "reference", reference_ids: [1] },
        ],
      },
      {
        type: "reasoning",
        text: "hm",
        extra: {
          thinking: [
            { type: "text", text: "hm" },
            { type: "reference", reference_ids: [1] },
          ],
        },
      },
    ],
  ];
  test.each(chunks)("%s", (_what, chunk, part) => {
    const value = { value: chunk };
    expect(partOf(chunk)).toEqual("kind" in part && !("value" in part) ? { ...part, ...value } : part);
  });
});
