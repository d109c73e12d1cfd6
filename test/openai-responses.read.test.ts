import { describe, expect, test } from "vitest";
import type { ChatRequest, JsonObject } from "../src/chat.ts";
import { openaiResponses } from "../src/dialects/openai-responses.ts";
import { GatewayError } from "../src/errors.ts";
import { needs } from "../src/needs.ts";

const read = (rest: JsonObject): ChatRequest => openaiResponses.readRequest({ model: "m", input: "hi", ...rest });
const PLAIN: ChatRequest = {
  dialect: "openai-responses",
  model: "m",
  stream: false,
  wantsStreamUsage: true,
  messages: [{ role: "user", parts: [{ type: "text", text: "hi" }] }],
  tools: [],
  extra: {},
};

describe("fields", () => {
  test("the shortest request says only what it says", () => {
    expect(read({})).toEqual(PLAIN);
  });

  test.each<[JsonObject, Partial<ChatRequest>]>([
    [{ stream: true }, { stream: true }],
    [{ max_output_tokens: 0 }, { maxOutputTokens: 0 }],
    [{ temperature: 0 }, { temperature: 0 }],
    [{ top_p: 0.5 }, { topP: 0.5 }],
    [{ parallel_tool_calls: false }, { parallelToolCalls: false }],
    [{ metadata: { a: "b" } }, { metadata: { a: "b" } }],
    [{ service_tier: "flex" }, { serviceTier: "flex" }],
    [{ prompt_cache_key: "k" }, { promptCacheKey: "k" }],
    [{ user: "u" }, { endUser: "u" }],
    [{ user: "u", safety_identifier: "u" }, { endUser: "u" }],
    [
      { user: "u", safety_identifier: "s" },
      { endUser: "s", extra: { user: "u" } },
    ],
    [{ text: { verbosity: "low" } }, { verbosity: "low" }],
    [{ text: { format: { type: "text" } } }, { responseFormat: { type: "text" } }],
    [{ text: { format: { type: "json_object" } } }, { responseFormat: { type: "json-object" } }],
    [
      { text: { format: { type: "json_schema", name: "n", schema: { a: 1 }, strict: true, description: "d" } } },
      { responseFormat: { type: "json-schema", name: "n", schema: { a: 1 }, strict: true, description: "d" } },
    ],
    [
      { text: { format: { type: "json_schema", name: "n", schema: {}, strict: null }, verbosity: null } },
      { responseFormat: { type: "json-schema", name: "n", schema: {} } },
    ],
    [
      { text: { format: { type: "grammar", grammar: "x" }, verbosity: "high" } },
      { verbosity: "high", extra: { text: { format: { type: "grammar", grammar: "x" } } } },
    ],
    [{ reasoning: { effort: "high" } }, { reasoning: { effort: "high" } }],
    [{ reasoning: null }, {}],
    [
      { reasoning: { effort: "low", summary: "detailed", mode: "pro" } },
      {
        reasoning: { effort: "low", display: "summarized" },
        envelope: { reasoning: { summary: "detailed" } },
        extra: { reasoning: { mode: "pro" } },
      },
    ],
    [
      { reasoning: { generate_summary: "auto" } },
      { reasoning: { display: "summarized" }, envelope: { reasoning: { generate_summary: "auto" } } },
    ],
    [
      { include: ["reasoning.encrypted_content", "file_search_call.results"] },
      {
        envelope: { include: ["reasoning.encrypted_content", "file_search_call.results"] },
        extra: { include: ["file_search_call.results"] },
      },
    ],
    [
      { include: ["message.output_text.logprobs"], top_logprobs: 3 },
      { logprobs: { top: 3 }, envelope: { include: ["message.output_text.logprobs"] } },
    ],
    [{ top_logprobs: 2 }, { logprobs: { top: 2 } }],
    [{ top_logprobs: 0 }, {}],
    [
      { store: false, background: false, truncation: "disabled", stream_options: { include_obfuscation: false } },
      {
        envelope: {
          store: false,
          background: false,
          truncation: "disabled",
          stream_options: { include_obfuscation: false },
        },
      },
    ],
    [
      { store: true, truncation: "auto", background: true },
      { extra: { store: true, truncation: "auto", background: true }, onlyHere: ["background mode"] },
    ],
    [
      { client_metadata: { a: "b" }, prompt_cache_options: { mode: "explicit" }, max_tool_calls: 3 },
      {
        saysCaching: true,
        extra: { client_metadata: { a: "b" }, prompt_cache_options: { mode: "explicit" }, max_tool_calls: 3 },
      },
    ],
  ])("%j", (body, wanted) => {
    expect(read(body)).toEqual({ ...PLAIN, ...wanted });
  });

  test.each([
    ["previous_response_id", "an earlier response (previous_response_id)"],
    ["conversation", "a conversation kept at the provider"],
    ["prompt", "a prompt kept at the provider"],
  ])("%s stands for the input that is not there, and only here", (key, word) => {
    const wanted = { ...PLAIN, messages: [], extra: { [key]: "x_1" }, onlyHere: [word] };
    const { continues = [], ...rest } = openaiResponses.readRequest({ model: "m", [key]: "x_1" });
    expect(rest).toEqual(wanted);
    expect(continues).toEqual(key === "prompt" ? [] : [{ field: key, id: "x_1" }]);
    expect(openaiResponses.readRequest({ model: "m", input: "hi", [key]: null })).toEqual(PLAIN);
  });

  test("a conversation may be named as an object", () => {
    const { continues } = openaiResponses.readRequest({ model: "m", input: "hi", conversation: { id: "conv_1" } });
    expect(continues).toEqual([{ field: "conversation", id: "conv_1" }]);
  });

  test.each([
    [
      { type: "item_reference", id: "msg_1" },
      "an item kept at the provider (item_reference, which clients send whole under `store: false`)",
    ],
    [{ type: "compaction", encrypted_content: "x" }, "a compacted conversation"],
    [{ type: "additional_tools", role: "developer", tools: [] }, "tools given with the input"],
    [{ type: "web_search_call", id: "ws_1" }, undefined],
  ])("%j is a need, or can be done without", (item, word) => {
    const { onlyHere } = read({ input: [item, item, { role: "user", content: "hi" }] });
    expect(onlyHere).toEqual(word === undefined ? undefined : [word]);
    const needed = needs(read({ input: [item] })).filter(({ kind }) => kind !== "ability");
    const words = needed.map((need) => [need.word, need.kind]);
    expect(words).toEqual(word === undefined ? [] : [[word, "dialect"]]);
  });

  test("instructions come first, and say that they are some", () => {
    expect(read({ instructions: "be brief" }).messages).toEqual([
      {
        role: "system",
        parts: [{ type: "text", text: "be brief" }],
        isUnmarkable: true,
        envelope: { instructions: true },
      },
      ...PLAIN.messages,
    ]);
    expect(read({ instructions: "" })).toEqual(PLAIN);
  });
});

describe("tools", () => {
  test("are functions, and whatever this dialect has beside them", () => {
    const custom = { type: "custom", name: "apply_patch", format: { type: "grammar" } };
    const namespace = { type: "namespace", name: "clock", tools: [{ type: "function", name: "now" }] };
    const search = { type: "web_search" };
    expect(
      read({
        tools: [
          { type: "function", name: "f", description: "d", parameters: { type: "object" }, strict: true },
          { type: "function", name: "g", parameters: null, strict: null, defer_loading: true, output_schema: { a: 1 } },
          custom,
          namespace,
          search,
        ],
      }).tools,
    ).toEqual([
      { type: "function", name: "f", description: "d", parameters: { type: "object" }, strict: true },
      { type: "function", name: "g", deferred: true, extra: { output_schema: { a: 1 } } },
      { type: "opaque", dialect: "openai-responses", kind: "custom", name: "apply_patch", value: custom },
      { type: "opaque", dialect: "openai-responses", kind: "namespace", name: "clock", value: namespace },
      { type: "opaque", dialect: "openai-responses", kind: "web_search", value: search },
    ]);
  });

  test.each<[unknown, Partial<ChatRequest>]>([
    ["none", { toolChoice: { type: "none" } }],
    ["auto", { toolChoice: { type: "auto" } }],
    ["required", { toolChoice: { type: "required" } }],
    [{ type: "function", name: "f" }, { toolChoice: { type: "named", name: "f" } }],
    [{ type: "function", function: { name: "f" } }, { toolChoice: { type: "named", name: "f" } }],
    [{ type: "custom", name: "f" }, { toolChoice: { type: "named", name: "f" } }],
    [
      {
        type: "allowed_tools",
        mode: "required",
        tools: [
          { type: "function", name: "f" },
          { type: "custom", name: "g" },
        ],
      },
      { toolChoice: { type: "subset", mode: "required", names: ["f", "g"] } },
    ],
    [
      { type: "allowed_tools", mode: "auto", tools: [{ type: "function", name: "f" }, { type: "web_search" }] },
      {
        extra: {
          tool_choice: {
            type: "allowed_tools",
            mode: "auto",
            tools: [{ type: "function", name: "f" }, { type: "web_search" }],
          },
        },
      },
    ],
    [{ type: "web_search" }, { extra: { tool_choice: { type: "web_search" } } }],
    [{ type: "mcp", server_label: "s" }, { extra: { tool_choice: { type: "mcp", server_label: "s" } } }],
    [null, {}],
  ])("choice %j", (choice, wanted) => {
    expect(read({ tool_choice: choice as JsonObject })).toEqual({ ...PLAIN, ...wanted });
  });
});

describe("what no reading is possible of is refused by its name", () => {
  test.each<[JsonObject, string]>([
    [{ model: "" }, "model"],
    [{ input: null }, "input"],
    [{ input: 3 }, "input"],
    [{ input: ["hi"] }, "input[0]"],
    [{ input: [{}] }, "input[0].type"],
    [{ input: [{ type: 3 }] }, "input[0].type"],
    [{ input: [{ role: "robot", content: "hi" }] }, "input[0].role"],
    [{ input: [{ role: "user" }] }, "input[0].content"],
    [{ input: [{ role: "user", content: [{ text: "a" }] }] }, "input[0].content[0].type"],
    [{ input: [{ role: "user", content: [{ type: "input_text" }] }] }, "input[0].content[0].text"],
    [{ input: [{ type: "function_call", name: "f", arguments: "{}" }] }, "input[0].call_id"],
    [{ input: [{ type: "function_call", call_id: "c", arguments: "{}" }] }, "input[0].name"],
    [{ input: [{ type: "function_call", call_id: "c", name: "f", arguments: 3 }] }, "input[0].arguments"],
    [{ input: [{ type: "custom_tool_call", call_id: "c", name: "f" }] }, "input[0].input"],
    [{ input: [{ type: "function_call_output", output: "x" }] }, "input[0].call_id"],
    [{ input: [{ type: "function_call_output", call_id: "c", output: 3 }] }, "input[0].output"],
    [{ instructions: ["x"] }, "instructions"],
    [{ stream: "yes" }, "stream"],
    [{ max_output_tokens: 1.5 }, "max_output_tokens"],
    [{ temperature: "hot" }, "temperature"],
    [{ tools: {} }, "tools"],
    [{ tools: ["f"] }, "tools[0]"],
    [{ tools: [{ name: "f" }] }, "tools[0].type"],
    [{ tools: [{ type: "function" }] }, "tools[0].name"],
    [{ tools: [{ type: "function", name: "f", parameters: "x" }] }, "tools[0].parameters"],
    [{ tool_choice: "maybe" }, "tool_choice"],
    [{ tool_choice: { type: "function" } }, "tool_choice.name"],
    [{ tool_choice: { type: "allowed_tools" } }, "tool_choice.tools"],
    [{ text: "json" }, "text"],
    [{ text: { format: "json" } }, "text.format"],
    [{ text: { format: { type: "json_schema", schema: 3 } } }, "text.format.schema"],
    [{ reasoning: "high" }, "reasoning"],
    [{ include: "x" }, "include"],
  ])("%j", (rest, param) => {
    const failure = (() => {
      try {
        read(rest);
        return undefined;
      } catch (error) {
        return error;
      }
    })();
    expect(failure).toBeInstanceOf(GatewayError);
    expect(failure).toMatchObject({ kind: "invalid-request", param });
    expect((failure as GatewayError).message).toContain(`\`${param}\``);
  });
});
