/** Mistral's quirks: Chat Completions with other names and fewer fields, where an unknown one is a 422. */
import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { mistral } from "../providers/mistral.ts";
import { CHAT } from "../providers/openai-compatible.ts";
import type { JsonObject, JsonValue } from "../src/chat.ts";
import { request } from "./made-target.ts";
import { edited, recordOf } from "./providers-edited.ts";

const hello: JsonObject = { role: "user", content: "Hello" };
const small = recordOf("mistral-small-2603");

/** What the client sends besides the rest, what arrives, and what was lost on the way. */
type Row = readonly [what: string, sent: JsonObject, arrived: JsonObject, ...losses: readonly string[]];

describe("fields", () => {
  const FIELDS: readonly Row[] = [
    ["the seed's other name", { seed: 7 }, { random_seed: 7 }],
    ["its own name, where both are said", { seed: 7, random_seed: 8 }, { random_seed: 8 }],
    ["the cap's older name", { max_completion_tokens: 9 }, { max_tokens: 9 }],
    ["of two caps the older", { max_completion_tokens: 9, max_tokens: 8 }, { max_tokens: 8 }],
    ["what says nothing to the model", { store: false, stream_options: { include_usage: true } }, {}],
    [
      "who the user is, and that the answer is to be kept",
      { user: "u", store: true, safety_identifier: "s" },
      {},
      "user",
      "safety_identifier",
      "store",
    ],
    [
      "what it cannot do",
      { logit_bias: { "1": 2 }, verbosity: "low", web_search_options: {} },
      {},
      "logit_bias",
      "verbosity",
      "web_search_options",
    ],
    ["what it cannot do, said to be off", { logit_bias: null, moderation: false }, {}],
    ["a tier of somebody else's", { service_tier: "priority" }, {}, "service_tier"],
    ["the tier that holds anyway", { service_tier: "default" }, {}],
    ["a level between none and high", { reasoning_effort: "medium" }, { reasoning_effort: "high" }, "reasoning_effort"],
    ["next to no reasoning", { reasoning_effort: "minimal" }, { reasoning_effort: "none" }, "reasoning_effort"],
    ["a temperature above its own", { temperature: 2 }, { temperature: 1.5 }, "temperature"],
    [
      "a choice among some of the tools",
      { tool_choice: { type: "allowed_tools", allowed_tools: { mode: "required", tools: [] } } },
      { tool_choice: "any" },
      "tool_choice",
    ],
  ];
  for (const [what, sent, arrived, ...losses] of FIELDS) {
    test(what, () => {
      const result = edited(mistral, CHAT, { messages: [hello], ...sent }, small);
      expect(result.body).toEqual({ messages: [hello], ...arrived });
      expect(result.losses).toEqual(losses);
    });
  }

  test("the very buffer for everything in its own words", () => {
    const body = {
      model: "mistral-small-latest",
      messages: [hello, { role: "assistant", content: "Hi", prefix: true }],
      max_tokens: 9,
      temperature: 1.5,
      top_p: 1,
      random_seed: 7,
      stop: ["."],
      n: 2,
      presence_penalty: 1,
      frequency_penalty: 1,
      response_format: { type: "json_object" },
      tools: [{ type: "function", function: { name: "look", parameters: {}, strict: true } }],
      tool_choice: "any",
      parallel_tool_calls: false,
      reasoning_effort: "high",
      prompt_mode: "reasoning",
      prompt_cache_key: "k",
      prediction: { type: "content", content: "x" },
      guardrails: [],
      safe_prompt: true,
      service_tier: "standard_only",
      metadata: { a: "b" },
      stream: true,
      // Known there, and for some models only: its refusal says so.
      logprobs: true,
    };
    expect(edited(mistral, CHAT, body, small).isUntouched).toBe(true);
    expect(edited(mistral, CHAT, body, undefined).isUntouched).toBe(true);
  });

  test("no field of Chat Completions is left that its schema lacks", () => {
    /** What its API reference lists. */
    const TAKEN = new Set(
      `model messages temperature top_p max_tokens stream stop random_seed metadata response_format tools tool_choice
      presence_penalty frequency_penalty n prediction parallel_tool_calls prompt_mode reasoning_effort prompt_cache_key guardrails
      safe_prompt service_tier logprobs top_logprobs`.split(/\s+/),
    );
    const fields = chatFields();
    expect(fields.length).toBeGreaterThan(30);
    for (const field of fields) {
      const body = edited(
        mistral,
        CHAT,
        { messages: [hello], [field]: field === "messages" ? [hello] : "x" },
        small,
      ).body;
      expect(
        Object.keys(body).filter((key) => !TAKEN.has(key)),
        field,
      ).toEqual([]);
    }
  });

  /** The fields of OpenAI's own client. */
  function chatFields(): readonly string[] {
    const path = "../node_modules/openai/resources/chat/completions/completions.d.ts";
    const types = readFileSync(new URL(path, import.meta.url), "utf8");
    const begin = types.indexOf("export interface ChatCompletionCreateParamsBase {");
    const block = types.slice(begin, types.indexOf("\n}\n", begin));
    return [...block.matchAll(/^ {4}(\w+)\??:/gm)].flatMap(([, name]) => name ?? []);
  }
});

describe("messages", () => {
  test("`developer` is `system` here", () => {
    const body = { messages: [{ role: "developer", content: "Be brief." }, hello] };
    expect(edited(mistral, CHAT, body, small)).toMatchObject({
      body: { messages: [{ role: "system", content: "Be brief." }, hello] },
      losses: [],
    });
  });

  const MESSAGES: readonly Row[] = [
    [
      "an answer as OpenAI's clients send it back",
      { role: "assistant", content: "Hi", refusal: null, annotations: [], audio: null },
      { role: "assistant", content: "Hi" },
    ],
    [
      "reasoning of somebody else's",
      { role: "assistant", content: "Hi", reasoning_content: "Hm." },
      { role: "assistant", content: "Hi" },
      "reasoning_content",
    ],
    ["a refusal", { role: "assistant", content: null, refusal: "No." }, { role: "assistant", content: "" }, "refusal"],
    ["a speaker's name", { role: "user", name: "Ann", content: "Hi" }, { role: "user", content: "Hi" }, "name"],
    [
      "a tool's name",
      { role: "tool", name: "look", tool_call_id: "abcdefghi", content: "ok" },
      { role: "tool", name: "look", tool_call_id: "abcdefghi", content: "ok" },
    ],
    [
      "a part that refuses",
      { role: "assistant", content: [{ type: "refusal", refusal: "No." }] },
      { role: "assistant", content: [{ type: "text", text: "No." }] },
    ],
    [
      "a document",
      {
        role: "user",
        content: [{ type: "file", file: { filename: "a.pdf", file_data: "data:application/pdf;base64,AA==" } }],
      },
      {
        role: "user",
        content: [{ type: "document_url", document_url: "data:application/pdf;base64,AA==", document_name: "a.pdf" }],
      },
    ],
    [
      "marks for other caches",
      {
        role: "user",
        content: [
          {
            type: "text",
            text: "Hi",
            prompt_cache_breakpoint: { mode: "explicit" },
            cache_control: { type: "ephemeral" },
          },
        ],
      },
      { role: "user", content: [{ type: "text", text: "Hi" }] },
    ],
    [
      "thinking of its own",
      {
        role: "assistant",
        content: [
          { type: "thinking", thinking: [{ type: "text", text: "Hm." }], closed: true },
          { type: "text", text: "Hi" },
        ],
      },
      {
        role: "assistant",
        content: [
          { type: "thinking", thinking: [{ type: "text", text: "Hm." }], closed: true },
          { type: "text", text: "Hi" },
        ],
      },
    ],
  ];
  for (const [what, sent, arrived, ...losses] of MESSAGES) {
    test(what, () => {
      const result = edited(mistral, CHAT, { messages: [hello, sent] }, small);
      expect(result.body).toEqual({ messages: [hello, arrived] });
      expect(result.losses).toEqual(losses);
    });
  }
});

describe("tool-call ids", () => {
  const loop = (...ids: readonly string[]): JsonObject => ({
    messages: [
      hello,
      {
        role: "assistant",
        content: "",
        tool_calls: ids.map((id) => ({ id, type: "function", function: { name: "look", arguments: "{}" } })),
      },
      ...ids.map((id) => ({ role: "tool", tool_call_id: id, content: "ok" })),
    ],
  });

  test("of another form become nine letters and digits, for a call and its result alike", () => {
    const { body, losses } = edited(mistral, CHAT, loop("call_1", "call_2"), small);
    const [first, second, third, fourth] = ids(body);
    expect([first, second].every((id) => /^[a-zA-Z0-9]{9}$/.test(id ?? ""))).toBe(true);
    expect([third, fourth]).toEqual([first, second]);
    expect(first).not.toBe(second);
    expect(losses).toEqual([]);
  });

  test("are the same in every turn, so that the prefix stays the same", () => {
    const [first] = ids(edited(mistral, CHAT, loop("call_1"), small).body);
    const [again] = ids(edited(mistral, CHAT, loop("call_1", "call_2"), small).body);
    expect(again).toBe(first);
    // A new release may not change it either: conversations go on across it.
    expect(first).toBe("RksXkbv4v");
  });

  test("of its own form stay, and so do the bytes", () => {
    expect(edited(mistral, CHAT, loop("aB3dE5gH9"), small).isUntouched).toBe(true);
  });

  test("are not run into each other: ten thousand ids stay ten thousand", () => {
    const many = Array.from({ length: 10_000 }, (_, index) => `call_${index}`);
    const made = ids(edited(mistral, CHAT, loop(...many), small).body);
    expect(new Set(made).size).toBe(many.length);
  });

  function ids(body: JsonObject): readonly string[] {
    const messages = body["messages"] as readonly JsonObject[];
    return messages.flatMap((message) => [
      ...((message["tool_calls"] ?? []) as readonly JsonObject[]).map((call) => String(call["id"])),
      ...[message["tool_call_id"]].flatMap((id: JsonValue | undefined) => (typeof id === "string" ? [id] : [])),
    ]);
  }
});

test("a request to think is told in Mistral's own words, as thoughts in chunks are no text of Chat Completions", () => {
  const prefers = (given: Parameters<typeof request>[0]) => mistral.prefers?.(request(given), undefined);
  expect(prefers({ dialect: CHAT, reasoning: { effort: "high" } })).toBe("mistral-chat");
  expect(prefers({ dialect: CHAT, reasoning: { effort: "none" } })).toBeUndefined();
  expect(prefers({ dialect: CHAT })).toBeUndefined();
  expect(prefers({ dialect: "mistral-chat", reasoning: { effort: "high" } })).toBeUndefined();
});
