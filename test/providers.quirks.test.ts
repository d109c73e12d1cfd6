/** Quirks: the few, listed changes without which a provider would refuse a body, and what each takes away from the caller. */
import { describe, expect, test } from "vitest";
import { anthropic } from "../providers/anthropic.ts";
import { groq } from "../providers/groq.ts";
import { providerKinds } from "../providers/index.ts";
import { CHAT } from "../providers/openai-compatible.ts";
import { openai } from "../providers/openai.ts";
import { sandbox } from "../providers/sandbox.ts";
import { vllm } from "../providers/vllm.ts";
import type { JsonObject } from "../src/chat.ts";
import { edited, recordOf } from "./providers-edited.ts";

const MESSAGES = "anthropic-messages";
const hello: JsonObject = { role: "user", content: "Hello" };
const tool: JsonObject = { type: "function", function: { name: "look", parameters: { type: "object" } } };

/** What the client sends besides its messages, what arrives, and what was lost on the way. */
type Row = readonly [
  what: string,
  model: string | undefined,
  sent: JsonObject,
  arrived: JsonObject,
  ...losses: readonly string[],
];

describe("OpenAI", () => {
  const ROWS: readonly Row[] = [
    ["the cap under its new name", "gpt-5.4-nano", { max_tokens: 9 }, { max_completion_tokens: 9 }],
    [
      "of two caps the new one",
      "gpt-5-nano",
      { max_tokens: 9, max_completion_tokens: 8 },
      { max_completion_tokens: 8 },
    ],
    [
      "an effort that was asked for, beside tools",
      "gpt-5.4-nano",
      { tools: [tool], reasoning_effort: "low" },
      { tools: [tool], reasoning_effort: "none" },
      "reasoning_effort",
    ],
    [
      "an effort that is the model's default, beside tools",
      "gpt-6-luna",
      { tools: [tool] },
      { tools: [tool], reasoning_effort: "none" },
      "reasoning_effort",
    ],
    [
      "an effort of null, beside tools",
      "gpt-6-luna",
      { tools: [tool], reasoning_effort: null },
      { tools: [tool], reasoning_effort: "none" },
      "reasoning_effort",
    ],
    [
      "`minimal`, which newer models do not know",
      "gpt-5.4-mini",
      { reasoning_effort: "minimal" },
      { reasoning_effort: "none" },
      "reasoning_effort",
    ],
    [
      "`none`, which older ones do not know",
      "gpt-5-mini",
      { reasoning_effort: "none" },
      { reasoning_effort: "minimal" },
      "reasoning_effort",
    ],
    ["`max` before 5.6", "gpt-5.5", { reasoning_effort: "max" }, { reasoning_effort: "xhigh" }, "reasoning_effort"],
    [
      "sampling of a model that always reasons",
      "gpt-5-nano",
      { temperature: 0, top_p: 0.5 },
      {},
      "temperature",
      "top_p",
    ],
    ["sampling while it reasons", "gpt-6-luna", { temperature: 0.2, logprobs: true }, {}, "temperature", "logprobs"],
    [
      "sampling while it was told to",
      "gpt-5.4-nano",
      { temperature: 0.2, reasoning_effort: "high" },
      { reasoning_effort: "high" },
      "temperature",
    ],
    [
      "penalties and biases of any model that can reason",
      "gpt-5.4-nano",
      { frequency_penalty: 1, presence_penalty: -1, logit_bias: { "5": 1 }, top_logprobs: 2 },
      {},
      "frequency_penalty",
      "presence_penalty",
      "logit_bias",
      "top_logprobs",
    ],
    [
      "how to cache, before 5.6",
      "gpt-5.4-nano",
      { prompt_cache_options: { mode: "explicit" } },
      {},
      "prompt_cache_options",
    ],
    ["the same where nothing reasons", "gpt-4.1-nano", { prompt_cache_options: {} }, {}, "prompt_cache_options"],
  ];
  for (const [what, model, sent, arrived, ...losses] of ROWS) {
    test(what, () => {
      const result = edited(openai, CHAT, { model: "m", messages: [hello], ...sent }, recordOf(model));
      expect(result.body).toEqual({ model: "m", messages: [hello], ...arrived });
      expect(result.losses).toEqual(losses);
    });
  }

  test("a breakpoint on a part, before 5.6", () => {
    const part = { type: "text", text: "Long." };
    const marked = { ...part, prompt_cache_breakpoint: { mode: "explicit" } };
    const body = { messages: [{ role: "developer", content: [marked, part] }, hello] };
    expect(edited(openai, CHAT, body, recordOf("gpt-5.5"))).toMatchObject({
      body: { messages: [{ role: "developer", content: [part, part] }, hello] },
      losses: ["prompt_cache_breakpoint"],
    });
    expect(edited(openai, CHAT, body, recordOf("gpt-5.6-luna")).isUntouched).toBe(true);
  });

  const UNTOUCHED: readonly (readonly [what: string, model: string | undefined, sent: JsonObject])[] = [
    ["a plain question", "gpt-5.4-nano", {}],
    [
      "every word of a model that does not reason",
      "gpt-4.1-nano",
      { max_tokens: 9, temperature: 0, logit_bias: { "1": 2 }, tools: [tool] },
    ],
    ["tools where not reasoning is the default", "gpt-5.4-nano", { tools: [tool] }],
    ["tools where it was said", "gpt-6-luna", { tools: [tool], reasoning_effort: "none" }],
    ["tools on models that do both", "gpt-5-mini", { tools: [tool], reasoning_effort: "high" }],
    ["no tools at all", "gpt-6-luna", { tools: [] }],
    ["sampling without reasoning", "gpt-5.4-nano", { temperature: 0, top_p: 0.1, logprobs: true }],
    ["sampling where reasoning was switched off", "gpt-6-luna", { temperature: 0, reasoning_effort: "none" }],
    [
      "values that say what holds anyway",
      "gpt-5-nano",
      { temperature: 1, top_p: 1, presence_penalty: 0, logit_bias: {}, logprobs: false, logit_scale: null },
    ],
    ["values of null", "gpt-5-nano", { temperature: null, top_p: null, logprobs: null, reasoning_effort: null }],
    ["a level that nobody knows: its refusal names those there are", "gpt-5.4-nano", { reasoning_effort: "ultra" }],
    ["how to cache, from 5.6 on", "gpt-6-luna", { prompt_cache_options: { mode: "explicit" } }],
    [
      "a model that no table knows",
      undefined,
      { max_tokens: 9, temperature: 0, tools: [tool], reasoning_effort: "minimal" },
    ],
  ];
  test.each(UNTOUCHED)("the very buffer for %s", (_what, model, sent) => {
    expect(edited(openai, CHAT, { messages: [hello], ...sent }, recordOf(model)).isUntouched).toBe(true);
  });
});

describe("Anthropic", () => {
  const ROWS: readonly Row[] = [
    [
      "what names the task, which only we read",
      "claude-haiku-4-5",
      { metadata: { user_id: "u", task: "t", task_class: "c" } },
      { metadata: { user_id: "u" } },
    ],
    ["the same for a model nobody knows", undefined, { metadata: { task: "t" } }, { metadata: {} }],
    [
      "sampling after 4.6",
      "claude-haiku-5-5",
      { temperature: 0.2, top_p: 0.9, top_k: 40 },
      {},
      "temperature",
      "top_p",
      "top_k",
    ],
    ["one of two on Haiku 4.5", "claude-haiku-4-5", { temperature: 0.2, top_p: 0.9 }, { temperature: 0.2 }, "top_p"],
    [
      "a forced tool",
      "claude-opus-5-5",
      { tool_choice: { type: "tool", name: "look" } },
      { tool_choice: { type: "auto" } },
      "tool_choice",
    ],
    [
      "any tool, one at a time",
      "claude-sonnet-5-5",
      { tool_choice: { type: "any", disable_parallel_tool_use: true } },
      { tool_choice: { type: "auto", disable_parallel_tool_use: true } },
      "tool_choice",
    ],
  ];
  for (const [what, model, sent, arrived, ...losses] of ROWS) {
    test(what, () => {
      const result = edited(anthropic, MESSAGES, { max_tokens: 9, messages: [hello], ...sent }, recordOf(model));
      expect(result.body).toEqual({ max_tokens: 9, messages: [hello], ...arrived });
      expect(result.losses).toEqual(losses);
    });
  }

  const UNTOUCHED: readonly (readonly [what: string, model: string | undefined, sent: JsonObject])[] = [
    ["a plain question", "claude-haiku-5-5", {}],
    ["the end user's id and words of others", "claude-haiku-5-5", { metadata: { user_id: "u", other: 1 } }],
    ["the values that may be said", "claude-haiku-5-5", { temperature: 1, top_p: 0.99 }],
    ["sampling up to 4.6", "claude-opus-4-6", { temperature: 0, top_p: 0.5, top_k: 4 }],
    ["a forced tool where it is taken", "claude-haiku-5-5", { tool_choice: { type: "any" } }],
    ["a free choice where forcing is not", "claude-opus-5-5", { tool_choice: { type: "auto" } }],
    [
      "thinking in any generation's words",
      "claude-haiku-4-5",
      { thinking: { type: "adaptive" }, output_config: { effort: "xhigh" } },
    ],
    ["a model that no table knows", undefined, { temperature: 0.2, top_k: 4, tool_choice: { type: "any" } }],
  ];
  test.each(UNTOUCHED)("the very buffer for %s", (_what, model, sent) => {
    expect(edited(anthropic, MESSAGES, { messages: [hello], ...sent }, recordOf(model)).isUntouched).toBe(true);
  });
});

describe("vLLM", () => {
  test("takes `system` for `developer`, which not every template knows", () => {
    const body = {
      messages: [{ role: "developer", content: "Be brief." }, hello, { role: "developer", content: "Now." }],
    };
    expect(edited(vllm, CHAT, body, undefined)).toMatchObject({
      body: { messages: [{ role: "system", content: "Be brief." }, hello, { role: "system", content: "Now." }] },
      losses: [],
    });
  });

  test("takes tool-call ids as Mistral's tokenizer wants them, where the model's row says so", () => {
    const body = toolLoop("call_1");
    const record = { ...recordOf("mistral-small-2603")!, provider: "vllm" };
    const ids = idsIn(edited(vllm, CHAT, body, record).body);
    expect(ids[0]).toMatch(/^[a-zA-Z0-9]{9}$/);
    expect(ids[1]).toBe(ids[0]);
    expect(edited(vllm, CHAT, body, recordOf("gpt-5.4-nano")).isUntouched).toBe(true);
  });
});

test("Groq takes what OpenAI's clients send", () => {
  const body = { messages: [{ role: "developer", content: "Hi" }], max_tokens: 9, tools: [tool], seed: 1 };
  expect(edited(groq, CHAT, body, undefined).isUntouched).toBe(true);
});

describe("the sandbox insists on what the provider of each model insists on", () => {
  test("quirks of OpenAI for its models, of Mistral for its own, none for models nobody knows", () => {
    const body = { messages: [hello], max_tokens: 9, seed: 1 };
    expect(edited(sandbox, CHAT, body, recordOf("gpt-5.4-nano")).body).toHaveProperty("max_completion_tokens", 9);
    expect(edited(sandbox, CHAT, body, recordOf("mistral-small-2603")).body).toHaveProperty("random_seed", 1);
    expect(edited(sandbox, CHAT, body, undefined).isUntouched).toBe(true);
  });

  test("who refuses to be asked for usage in a stream is not asked", () => {
    const body = { messages: [hello], stream: true, stream_options: { include_usage: true } };
    expect(edited(sandbox, CHAT, body, recordOf("mistral-small-2603")).body).not.toHaveProperty("stream_options");
    expect(edited(sandbox, CHAT, body, recordOf("gpt-5.4-nano")).isUntouched).toBe(true);
  });
});

describe("every kind", () => {
  const ODD: readonly JsonObject[] = [
    {},
    { messages: null, tools: null, tool_choice: null, metadata: null },
    { messages: "no list", tools: "none", tool_choice: 7, metadata: [], reasoning_effort: 3, temperature: "hot" },
    {
      messages: [
        null,
        1,
        "text",
        [],
        { role: 7, content: 7, tool_calls: "no" },
        { role: "assistant", tool_calls: [null, { id: 7 }] },
      ],
    },
    {
      messages: [
        { role: "user", content: [null, 1, { type: "text" }, { type: "file", file: null }, { type: "refusal" }] },
      ],
    },
  ];
  for (const kind of providerKinds) {
    test.each(ODD)(`${kind.kind} makes the same of the same body twice, and breaks on none: %j`, (body) => {
      for (const dialect of [CHAT, MESSAGES]) {
        for (const model of [undefined, "gpt-5-nano", "gpt-6-luna", "claude-opus-5-5", "mistral-small-2603"]) {
          const once = edited(kind, dialect, body, recordOf(model));
          expect(edited(kind, dialect, body, recordOf(model))).toEqual(once);
          // What was made to fit stays as it is.
          expect(edited(kind, dialect, once.body, recordOf(model)).isUntouched).toBe(true);
        }
      }
    });

    test(`${kind.kind} changes nothing in a dialect that is not its own`, () => {
      const foreign = { max_tokens: 9, seed: 1, temperature: 0.1, messages: [{ role: "developer", content: null }] };
      expect(edited(kind, "another-dialect", foreign, recordOf("gpt-5-nano")).isUntouched).toBe(true);
    });
  }
});

function toolLoop(id: string): JsonObject {
  const call = { id, type: "function", function: { name: "look", arguments: "{}" } };
  return {
    messages: [
      hello,
      { role: "assistant", content: "", tool_calls: [call] },
      { role: "tool", tool_call_id: id, content: "ok" },
    ],
  };
}

function idsIn(body: JsonObject): readonly unknown[] {
  const messages = body["messages"] as readonly JsonObject[];
  return messages.flatMap((message) => [
    ...((message["tool_calls"] ?? []) as readonly JsonObject[]).map((call) => call["id"]),
    ...(message["tool_call_id"] === undefined ? [] : [message["tool_call_id"]]),
  ]);
}
