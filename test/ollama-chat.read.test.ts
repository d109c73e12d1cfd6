import { describe, expect, test } from "vitest";
import type { JsonObject } from "../src/chat.ts";
import { ollamaChat } from "../src/dialects/ollama-chat.ts";
import { GatewayError } from "../src/errors.ts";

const USER: JsonObject = { role: "user", content: "hi" };
const PNG = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==";

function read(rest: JsonObject) {
  return ollamaChat.readRequest({ model: "m", messages: [USER], ...rest });
}

function messages(...list: JsonObject[]) {
  return read({ messages: list }).messages;
}

function refusal(rest: JsonObject): { message: string; param: string | undefined } {
  try {
    read(rest);
  } catch (error) {
    if (error instanceof GatewayError && error.kind === "invalid-request")
      return { message: error.message, param: error.param };
    throw error;
  }
  throw new Error("it was read");
}

describe("a request", () => {
  test("is read whole", () => {
    const request = read({
      messages: [{ role: "system", content: "Be brief." }, USER],
      tools: [
        {
          type: "function",
          function: { name: "f", description: "d", parameters: { type: "object", properties: {} } },
        },
      ],
      format: { type: "object" },
      think: "high",
      keep_alive: "10m",
      truncate: true,
      shift: false,
      logprobs: true,
      top_logprobs: 3,
      options: {
        temperature: 0,
        top_p: 0.9,
        top_k: 40,
        seed: 42,
        frequency_penalty: 0.1,
        presence_penalty: 0.2,
        num_predict: 128,
        stop: ["END"],
        num_ctx: 8192,
        min_p: 0.05,
        mirostat: null,
      },
      news: { x: 1 },
    });
    expect(request).toEqual({
      dialect: "ollama-chat",
      model: "m",
      stream: true,
      wantsStreamUsage: true,
      messages: [
        { role: "system", parts: [{ type: "text", text: "Be brief." }] },
        { role: "user", parts: [{ type: "text", text: "hi" }] },
      ],
      tools: [{ type: "function", name: "f", description: "d", parameters: { type: "object", properties: {} } }],
      responseFormat: { type: "json-schema", schema: { type: "object" } },
      reasoning: { enabled: true, effort: "high" },
      logprobs: { top: 3 },
      temperature: 0,
      topP: 0.9,
      topK: 40,
      seed: 42,
      frequencyPenalty: 0.1,
      presencePenalty: 0.2,
      maxOutputTokens: 128,
      stop: ["END"],
      extra: {
        keep_alive: "10m",
        truncate: true,
        shift: false,
        news: { x: 1 },
        options: { num_ctx: 8192, min_p: 0.05 },
      },
    });
  });

  test.each([
    [{}, true],
    [{ stream: null }, true],
    [{ stream: true }, true],
    [{ stream: false }, false],
  ])("that says %j of streaming streams: %s", (rest, streams) => {
    expect(read(rest).stream).toBe(streams);
  });

  test.each([
    [true, { enabled: true }],
    [false, { enabled: false }],
    ["low", { enabled: true, effort: "low" }],
    ["max", { enabled: true, effort: "max" }],
    ["none", { enabled: false, effort: "none" }],
    [null, undefined],
    ["", undefined],
  ])("that says think %j wishes for %j", (think, wish) => {
    expect(read({ think }).reasoning).toEqual(wish);
  });

  test.each([
    ["json", { type: "json-object" }],
    ["", undefined],
    [null, undefined],
  ])("with the format %j wants %j", (format, wanted) => {
    expect(read({ format }).responseFormat).toEqual(wanted);
  });

  test.each([
    [{ num_predict: -1 }, undefined, { num_predict: -1 }],
    [{ num_predict: -2 }, undefined, { num_predict: -2 }],
    [{ num_predict: 0 }, undefined, { num_predict: 0 }],
    [{ num_predict: 7 }, 7, undefined],
    [{}, undefined, undefined],
    [null, undefined, undefined],
  ])("with the options %j has the cap %j, and keeps %j for its own dialect", (options, cap, kept) => {
    const request = read({ options });
    expect(request.maxOutputTokens).toBe(cap);
    expect(request.extra["options"]).toEqual(kept);
  });

  test.each([
    [
      ["a", "b"],
      ["a", "b"],
    ],
    ["a", ["a"]],
    ["", undefined],
    [[], undefined],
    [null, undefined],
  ])("with the stop %j stops at %j", (stop, wanted) => {
    expect(read({ options: { stop } }).stop).toEqual(wanted);
  });

  test("as older clients send it, with nothing in most fields, says nothing by them", () => {
    expect(read({ tools: [], format: "", options: {}, keep_alive: null })).toEqual(read({}));
  });

  test("without messages loads a model", () => {
    for (const messages of [undefined, null, []])
      expect(ollamaChat.readRequest({ model: "m", messages, keep_alive: 0 })).toMatchObject({
        messages: [],
        extra: { keep_alive: 0 },
      });
  });

  test.each<[string, JsonObject]>([
    ["model", { model: "" }],
    ["model", { model: 7 }],
    ["stream", { stream: "yes" }],
    ["messages", { messages: "A secret." }],
    ["messages[0]", { messages: ["A secret."] }],
    ["messages[0].role", { messages: [{ content: "A secret." }] }],
    ["messages[0].content", { messages: [{ role: "user", content: [{ type: "text", text: "A secret." }] }] }],
    ["messages[0].images", { messages: [{ role: "user", content: "a", images: "x" }] }],
    ["messages[0].images[0]", { messages: [{ role: "user", content: "a", images: [7] }] }],
    ["messages[0].tool_calls", { messages: [{ role: "assistant", tool_calls: {} }] }],
    ["messages[0].tool_calls[0]", { messages: [{ role: "assistant", tool_calls: [{}] }] }],
    ["messages[0].tool_calls[0].function.name", { messages: [{ role: "assistant", tool_calls: [{ function: {} }] }] }],
    [
      "messages[0].tool_calls[0].function.arguments",
      { messages: [{ role: "assistant", tool_calls: [{ function: { name: "f", arguments: 7 } }] }] },
    ],
    ["tools", { tools: {} }],
    ["tools[0]", { tools: ["f"] }],
    ["tools[0].function", { tools: [{ type: "function" }] }],
    ["tools[0].function.name", { tools: [{ type: "function", function: {} }] }],
    ["tools[0].function.parameters", { tools: [{ type: "function", function: { name: "f", parameters: 7 } }] }],
    ["format", { format: "xml" }],
    ["think", { think: 7 }],
    ["options", { options: [] }],
    ["options.temperature", { options: { temperature: "hot" } }],
    ["options.stop", { options: { stop: [7] } }],
    ["logprobs", { logprobs: 1 }],
    ["top_logprobs", { top_logprobs: -1 }],
  ])("with a wrong %s is refused by its name, and nothing of it is repeated", (param, rest) => {
    const refused = refusal(rest);
    expect(refused.param).toBe(param);
    expect(refused.message).toContain(`\`${param}\``);
    expect(refused.message).not.toContain("secret");
  });
});

describe("messages", () => {
  test("stay where they stand, whatever their role", () => {
    const roles = messages(
      { role: "System", content: "a" },
      USER,
      { role: "developer", content: "b" },
      { role: "assistant", content: "c" },
      { role: "tool", content: "d" },
    );
    expect(roles.map((message) => message.role)).toEqual(["system", "user", "system", "assistant", "tool"]);
  });

  test("have their pictures before their text, with the type that their bytes tell", () => {
    const bytes = (...head: number[]) => Buffer.concat([Buffer.from(head), Buffer.alloc(32)]).toString("base64");
    const ascii = (text: string) => bytes(...Buffer.from(text, "latin1"));
    const [message] = messages({
      role: "user",
      content: "look",
      images: [
        PNG,
        bytes(0xff, 0xd8, 0xff, 0xe0),
        ascii("GIF89a"),
        ascii("RIFF\u0010\n\r\u0000WEBP"),
        ascii("RIFF\u0010\n\r\u0000WAVE"),
        ascii("ID3"),
        `data:image/png;base64,${PNG}`,
        "aGVsbG8=",
      ],
    });
    const kinds = message?.parts.map((part) => {
      if (part.type === "image") return part.source.type === "base64" ? part.source.mediaType : part.source.type;
      return part.type === "audio" ? `audio ${part.format}` : part.type;
    });
    expect(kinds).toEqual([
      "image/png",
      "image/jpeg",
      "image/gif",
      "image/webp",
      "audio wav",
      "audio mp3",
      "image/png",
      "application/octet-stream",
      "text",
    ]);
    expect(message?.parts[6]).toEqual({
      type: "image",
      source: { type: "base64", mediaType: "image/png", data: PNG },
    });
  });

  test("of an assistant are thought, text and calls", () => {
    const [message] = messages({
      role: "assistant",
      content: "a",
      thinking: "hm",
      tool_calls: [
        { id: "call_1", function: { index: 0, name: "f", arguments: { b: 1, a: 2 } } },
        { type: "function", function: { name: "g", arguments: '{"x":1}' } },
        { function: { name: "h" } },
      ],
      note: "x",
    });
    expect(message).toEqual({
      role: "assistant",
      extra: { note: "x" },
      parts: [
        { type: "reasoning", text: "hm" },
        { type: "text", text: "a" },
        { type: "tool-call", id: "call_1", name: "f", arguments: '{"b":1,"a":2}' },
        { type: "tool-call", id: expect.stringMatching(/^call_[0-9a-f]{24}$/), name: "g", arguments: '{"x":1}' },
        { type: "tool-call", id: expect.stringMatching(/^call_[0-9a-f]{24}$/), name: "h", arguments: "{}" },
      ],
    });
  });

  test("of a role that only a model's template knows stay what they are", () => {
    const control = { role: "control", content: "thinking" };
    expect(messages(control)).toEqual([
      { role: "user", parts: [{ type: "opaque", dialect: "ollama-chat", kind: "message", value: control }] },
    ]);
  });

  const calling = (...names: string[]): JsonObject => ({
    role: "assistant",
    tool_calls: names.map((name) => ({ function: { name, arguments: {} } })),
  });
  /** Of each result, the place of its call among all calls; -1 for none. */
  const pairs = (...list: JsonObject[]) => {
    const read = messages(...list);
    const ids = read.flatMap(({ parts }) => parts.flatMap((part) => (part.type === "tool-call" ? [part.id] : [])));
    return read.flatMap(({ parts }) =>
      parts.flatMap((part) => (part.type === "tool-result" ? [ids.indexOf(part.callId)] : [])),
    );
  };
  const result = (rest: JsonObject = {}): JsonObject => ({ role: "tool", content: "1", ...rest });

  test("with results that say nothing of whose they are belong to the calls in their order", () => {
    expect(pairs(calling("f", "g"), result(), result(), calling("f"), result())).toEqual([0, 1, 2]);
  });

  test("with results that name their tool belong to its first call that has none", () => {
    expect(
      pairs(calling("f", "g", "f"), result({ tool_name: "g" }), result({ tool_name: "f" }), result({ tool_name: "f" })),
    ).toEqual([1, 0, 2]);
  });

  test("with results that name their call belong to it", () => {
    const call = (id: string) => ({ id, function: { name: "f", arguments: {} } });
    const assistant = { role: "assistant", tool_calls: [call("a"), call("b")] };
    const list = [assistant, result({ tool_call_id: "b" }), result({ tool_call_id: "a", tool_name: "f" })];
    expect(pairs(...list)).toEqual([1, 0]);
    expect(messages(...list)[2]).toEqual({
      role: "tool",
      parts: [{ type: "tool-result", callId: "a", content: [{ type: "text", text: "1" }] }],
    });
  });

  test("with results that name a call whose own id was forgotten belong to it by their place", () => {
    expect(pairs(calling("f", "g"), result({ tool_call_id: "x" }), result({ tool_call_id: "y" }))).toEqual([0, 1]);
    expect(pairs(calling("f", "g"), result({ tool_call_id: "x", tool_name: "g" }))).toEqual([1]);
    const named = { role: "assistant", tool_calls: [{ id: "a", function: { name: "f" } }] };
    expect(pairs(named, result({ tool_call_id: "x" }))).toEqual([-1]);
  });

  test("with results of nobody's call are results all the same", () => {
    expect(pairs(result(), result({ tool_name: "f" }))).toEqual([-1, -1]);
    const [first, second] = messages(result(), result({ tool_name: "f" }));
    expect(first?.parts).not.toEqual(second?.parts);
    expect(second?.extra).toEqual({ tool_name: "f" });
  });

  test("give calls without an id the same one in every turn of a conversation", () => {
    const opening = [USER, calling("f"), result()];
    expect(messages(...opening, { role: "assistant", content: "x" }, USER).slice(0, 3)).toEqual(messages(...opening));
  });
});

describe("tools", () => {
  test("keep what only this dialect knows of them", () => {
    const odd = { type: "web_search", max: 3 };
    const [first, second, third] = read({
      tools: [
        { type: "function", items: [1], function: { name: "f", strict: true, kind: "x" } },
        { function: { name: "g", parameters: null } },
        odd,
      ],
    }).tools;
    expect(first).toEqual({
      type: "function",
      name: "f",
      strict: true,
      extra: { items: [1], function: { kind: "x" } },
    });
    expect(second).toEqual({ type: "function", name: "g" });
    expect(third).toEqual({ type: "opaque", dialect: "ollama-chat", kind: "web_search", value: odd });
  });
});

describe("on the lane of its own dialect", () => {
  test("the model's name is all there is to change", () => {
    const options = { model: "qwen3:4b", askStreamUsage: true };
    expect(ollamaChat.edits({ model: "alias", messages: [] }, options)).toEqual([
      { op: "set", path: ["model"], value: "qwen3:4b" },
    ]);
    expect(ollamaChat.edits({ model: "qwen3:4b", messages: [] }, options)).toEqual([]);
  });
});
