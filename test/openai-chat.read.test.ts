import { describe, expect, test } from "vitest";
import type { JsonObject, JsonValue } from "../src/chat.ts";
import { openaiChat } from "../src/dialects/openai-chat.ts";
import { GatewayError } from "../src/errors.ts";

const USER: JsonObject = { role: "user", content: "hi" };

function read(body: JsonObject) {
  return openaiChat.readRequest({ model: "m", messages: [USER], ...body });
}

function refused(body: JsonObject): GatewayError {
  try {
    openaiChat.readRequest(body);
  } catch (error) {
    if (error instanceof GatewayError) return error;
  }
  throw new Error("it was read");
}

describe("a request", () => {
  test("that says little is read as it is", () => {
    expect(read({})).toEqual({
      dialect: "openai-chat",
      model: "m",
      stream: false,
      wantsStreamUsage: false,
      messages: [{ role: "user", parts: [{ type: "text", text: "hi" }] }],
      tools: [],
      extra: {},
    });
  });

  test("is read with all its settings", () => {
    const request = read({
      stream: true,
      stream_options: { include_usage: true, include_obfuscation: false },
      max_completion_tokens: 100,
      max_tokens: 7,
      temperature: 0,
      top_p: 0.5,
      top_k: 40,
      stop: "END",
      seed: 7,
      frequency_penalty: 0.1,
      presence_penalty: 0,
      reasoning_effort: "minimal",
      verbosity: "low",
      safety_identifier: "someone",
      metadata: { task: "t" },
      service_tier: "flex",
      prompt_cache_key: "k",
      n: 2,
      logprobs: true,
      top_logprobs: 3,
      parallel_tool_calls: false,
      store: true,
      unheard_of: { x: [1] },
      user: null,
    });
    expect(request).toMatchObject({
      stream: true,
      wantsStreamUsage: true,
      maxOutputTokens: 100,
      temperature: 0,
      topP: 0.5,
      topK: 40,
      stop: ["END"],
      seed: 7,
      frequencyPenalty: 0.1,
      presencePenalty: 0,
      reasoning: { effort: "minimal" },
      verbosity: "low",
      endUser: "someone",
      metadata: { task: "t" },
      serviceTier: "flex",
      promptCacheKey: "k",
      choices: 2,
      logprobs: { top: 3 },
      parallelToolCalls: false,
    });
    expect(request.extra).toEqual({
      store: true,
      unheard_of: { x: [1] },
      stream_options: { include_obfuscation: false },
    });
  });

  test.each([
    [{ max_tokens: 7 }, { maxOutputTokens: 7 }],
    [{ max_tokens: 7, max_completion_tokens: null }, { maxOutputTokens: 7 }],
    [{ user: "u" }, { endUser: "u" }],
    [
      { user: "u", safety_identifier: "s" },
      { endUser: "s", extra: { user: "u" } },
    ],
    [{ stop: ["a", "b"] }, { stop: ["a", "b"] }],
    [{ logprobs: true }, { logprobs: {} }],
    [{ response_format: { type: "text" } }, { responseFormat: { type: "text" } }],
    [{ response_format: { type: "json_object" } }, { responseFormat: { type: "json-object" } }],
    [
      {
        response_format: {
          type: "json_schema",
          json_schema: { name: "n", strict: true, description: "d", schema: { type: "object" } },
        },
      },
      {
        responseFormat: { type: "json-schema", name: "n", strict: true, description: "d", schema: { type: "object" } },
      },
    ],
    [
      { response_format: { type: "grammar", grammar: "x" } },
      { extra: { response_format: { type: "grammar", grammar: "x" } } },
    ],
    [
      { response_format: { type: "json_object", schema: {} } },
      { extra: { response_format: { type: "json_object", schema: {} } } },
    ],
  ] as [JsonObject, object][])("with %j is read", (body, expected) => {
    expect(read(body)).toMatchObject(expected);
  });

  test.each([
    [{ stop: null }, "stop"],
    [{ stop: [] }, "stop"],
    [{ logprobs: false, top_logprobs: null }, "logprobs"],
    [{ temperature: null }, "temperature"],
    [{ reasoning_effort: null }, "reasoning"],
    [{ tools: null, tool_choice: null }, "toolChoice"],
  ] as [JsonObject, string][])("with %j says nothing of it", (body, key) => {
    expect(read(body)).not.toHaveProperty(key);
    expect(read(body).extra).toEqual({});
  });
});

describe("tools", () => {
  const f = {
    type: "function",
    function: { name: "f", description: "d", parameters: { type: "object" }, strict: false },
  };

  test("are read, functions and others", () => {
    const custom = { type: "custom", custom: { name: "c", format: { type: "text" } } };
    const { tools } = read({ tools: [f, custom, { type: "web_search", x: 1 }] });
    expect(tools).toEqual([
      { type: "function", name: "f", description: "d", parameters: { type: "object" }, strict: false },
      { type: "opaque", dialect: "openai-chat", kind: "custom", name: "c", value: custom },
      { type: "opaque", dialect: "openai-chat", kind: "web_search", value: { type: "web_search", x: 1 } },
    ]);
  });

  test("keep what only this dialect knows, and their marks", () => {
    const { tools } = read({
      tools: [
        {
          ...f,
          cache_control: { type: "ephemeral", ttl: "1h" },
          eager: true,
          function: { name: "f", odd: 1, strict: null },
        },
      ],
    });
    expect(tools).toEqual([
      { type: "function", name: "f", cache: { ttl: "1h" }, extra: { eager: true, function: { odd: 1 } } },
    ]);
  });

  test("of the older kind and without a type are functions", () => {
    expect(read({ functions: [{ name: "f" }] }).tools).toEqual([{ type: "function", name: "f" }]);
    expect(read({ tools: [{ function: { name: "f" } }] }).tools).toEqual([{ type: "function", name: "f" }]);
  });

  test.each([
    [{ tool_choice: "none" }, { type: "none" }],
    [{ tool_choice: "auto" }, { type: "auto" }],
    [{ tool_choice: "required" }, { type: "required" }],
    [{ tool_choice: "any" }, { type: "required" }],
    [{ tool_choice: { type: "function", function: { name: "f" } } }, { type: "named", name: "f" }],
    [{ tool_choice: { type: "custom", custom: { name: "c" } } }, { type: "named", name: "c" }],
    [
      {
        tool_choice: {
          type: "allowed_tools",
          allowed_tools: {
            mode: "required",
            tools: [
              { type: "function", function: { name: "f" } },
              { type: "custom", custom: { name: "c" } },
            ],
          },
        },
      },
      { type: "subset", mode: "required", names: ["f", "c"] },
    ],
    [{ function_call: "auto" }, { type: "auto" }],
    [{ function_call: { name: "f" } }, { type: "named", name: "f" }],
  ] as [JsonObject, object][])("are chosen by %j", (body, choice) => {
    expect(read({ tools: [f], ...body }).toolChoice).toEqual(choice);
    expect(read({ tools: [f], ...body }).extra).toEqual({});
  });

  test("chosen in a way that only this dialect knows stay so", () => {
    const choice = { type: "mcp", server_label: "s" };
    expect(read({ tools: [f], tool_choice: choice })).toMatchObject({ extra: { tool_choice: choice } });
  });
});

describe("what no reading is possible of", () => {
  const at = (message: JsonValue) => ({ model: "m", messages: [USER, message] });
  test.each([
    [{ messages: [USER] }, "model"],
    [{ model: 7, messages: [USER] }, "model"],
    [{ model: "m" }, "messages"],
    [{ model: "m", messages: {} }, "messages"],
    [{ model: "m", messages: [USER], temperature: "hot" }, "temperature"],
    [{ model: "m", messages: [USER], max_tokens: -1 }, "max_tokens"],
    [{ model: "m", messages: [USER], max_completion_tokens: 1.5 }, "max_completion_tokens"],
    [{ model: "m", messages: [USER], stream: "yes" }, "stream"],
    [{ model: "m", messages: [USER], stream_options: true }, "stream_options"],
    [{ model: "m", messages: [USER], stop: 7 }, "stop"],
    [{ model: "m", messages: [USER], n: "2" }, "n"],
    [{ model: "m", messages: [USER], tools: {} }, "tools"],
    [{ model: "m", messages: [USER], tools: [7] }, "tools[0]"],
    [{ model: "m", messages: [USER], tools: [{ type: "function" }] }, "tools[0].function"],
    [{ model: "m", messages: [USER], tools: [{ type: "function", function: {} }] }, "tools[0].function.name"],
    [
      { model: "m", messages: [USER], tools: [{ type: "function", function: { name: "f", parameters: "x" } }] },
      "tools[0].function.parameters",
    ],
    [{ model: "m", messages: [USER], tool_choice: "sometimes" }, "tool_choice"],
    [{ model: "m", messages: [USER], tool_choice: { type: "function" } }, "tool_choice.function.name"],
    [{ model: "m", messages: [USER], tool_choice: { type: "allowed_tools" } }, "tool_choice.allowed_tools.tools"],
    [{ model: "m", messages: [USER], response_format: "json" }, "response_format"],
    [{ model: "m", messages: [USER], response_format: { type: "json_schema" } }, "response_format.json_schema"],
    [at("hi"), "messages[1]"],
    [at({ role: "wizard", content: "a" }), "messages[1].role"],
    [at({ role: "user" }), "messages[1].content"],
    [at({ role: "user", content: 7 }), "messages[1].content"],
    [at({ role: "user", content: [7] }), "messages[1].content[0]"],
    [at({ role: "user", content: [{ type: "text" }] }), "messages[1].content[0].text"],
    [at({ role: "user", content: [{ type: "image_url" }] }), "messages[1].content[0].image_url.url"],
    [at({ role: "user", content: [{ type: "file" }] }), "messages[1].content[0].file"],
    [at({ role: "assistant", content: null, tool_calls: 7 }), "messages[1].tool_calls"],
    [at({ role: "assistant", content: null, tool_calls: [{ id: "a" }] }), "messages[1].tool_calls[0].function"],
    [
      at({ role: "assistant", content: null, tool_calls: [{ id: "a", function: { arguments: "{}" } }] }),
      "messages[1].tool_calls[0].function.name",
    ],
    [
      at({ role: "assistant", content: null, tool_calls: [{ id: "a", function: { name: "f", arguments: 7 } }] }),
      "messages[1].tool_calls[0].function.arguments",
    ],
    [at({ role: "tool", content: "a" }), "messages[1].tool_call_id"],
  ] as [JsonObject, string][])("%j is refused, naming the field", (body, param) => {
    const error = refused(body);
    expect(error).toMatchObject({ kind: "invalid-request", status: 400, param });
    expect(error.message).toContain(`\`${param.replace(/\.name$/, "")}`);
  });

  test("is told without repeating what may be a prompt", () => {
    const error = refused({ model: "m", messages: "My Secret Prompt" });
    expect(error.message).not.toContain("Secret");
  });
});
