import { describe, expect, test } from "vitest";
import type { ChatRequest, JsonObject } from "../src/chat.ts";
import { openaiResponses } from "../src/dialects/openai-responses.ts";
import type { ModelRecord } from "../src/model.ts";
import { createModelTable } from "../src/models.ts";
import { F, OTHER, record, request } from "./openai-chat-written.ts";
import { write } from "./openai-responses-written.ts";

const BODY = { model: "m", input: [{ role: "user", content: [{ type: "input_text", text: "hi" }] }], store: false };
const THINKER: Partial<ModelRecord> = {
  reasoning: { kind: "effort", efforts: ["none", "low", "medium", "high"], defaultEffort: "medium", off: "none" },
  sampling: "effort-none-only",
};
const SEALS = { include: ["reasoning.encrypted_content"] };

test("the shortest request says nothing but what it must, and that nothing is kept", () => {
  expect(write({})).toEqual({ body: BODY, lost: [] });
});

describe("fields", () => {
  const rows: readonly [Partial<ChatRequest>, JsonObject, string[], Partial<ModelRecord>?][] = [
    [{ stream: true }, { stream: true }, []],
    [{ stream: true }, { stream: true, stream_options: { include_obfuscation: false } }, [], {}],
    [{ maxOutputTokens: 100 }, { max_output_tokens: 100 }, []],
    [{ maxOutputTokens: 100 }, { max_output_tokens: 50 }, [], { maxOutputTokens: 50 }],
    [{ maxOutputTokens: 1 }, { max_output_tokens: 16 }, ["max_tokens"]],
    [{ temperature: 0.5, topP: 0.9 }, { temperature: 0.5, top_p: 0.9 }, []],
    [{ temperature: 1.5 }, { temperature: 1 }, ["temperature"], { temperatureMax: 1 }],
    [{ temperature: 0.5, topP: 0.9 }, {}, ["temperature", "top_p"], { sampling: "none" }],
    [{ temperature: 1, topP: 1 }, {}, [], { sampling: "none" }],
    [{ temperature: 0.5, topP: 0.9 }, { temperature: 0.5 }, ["top_p"], { sampling: "temperature-xor-top-p" }],
    [{ topK: 3 }, {}, ["top_k"]],
    [{ stop: ["x"] }, {}, ["stop"]],
    [{ stop: [""] }, {}, []],
    [{ seed: 0 }, {}, ["seed"]],
    [{ frequencyPenalty: 0.1, presencePenalty: 0.1 }, {}, ["frequency_penalty", "presence_penalty"]],
    [{ frequencyPenalty: 0, presencePenalty: 0 }, {}, []],
    [{ choices: 2 }, {}, ["n"]],
    [{ choices: 1 }, {}, []],
    [{ logprobs: {} }, {}, ["logprobs"]],
    [{ extra: { logit_bias: {}, mine: 1 } }, {}, ["logit_bias", "unknown-field"]],
    [{ envelope: { store: true } }, {}, []],
    [{ metadata: { a: "b" } }, {}, ["metadata"]],
    [{ metadata: {} }, {}, []],
    [{ serviceTier: "standard_only" }, { service_tier: "default" }, []],
    [{ serviceTier: "flex" }, { service_tier: "flex" }, []],
    [{ serviceTier: "batch" }, {}, ["service_tier"]],
    [{ verbosity: "low" }, { text: { verbosity: "low" } }, []],
    [{ promptCacheKey: "k" }, {}, []],
    [
      { promptCacheKey: "k" },
      { prompt_cache_key: "k" },
      [],
      { cache: { kind: "automatic", minTokens: 1, stepTokens: 1, key: true, idleSeconds: 1 } },
    ],
    [{ endUser: "u" }, {}, ["user"]],
    [{ parallelToolCalls: false }, {}, []],
    [{ responseFormat: { type: "text" } }, {}, []],
    [
      {
        responseFormat: { type: "json-object" },
        messages: [{ role: "user", parts: [{ type: "text", text: "JSON!" }] }],
      },
      {
        input: [{ role: "user", content: [{ type: "input_text", text: "JSON!" }] }],
        text: { format: { type: "json_object" } },
      },
      [],
    ],
  ];
  test.each(rows)("%j", (rest, wanted, losses, known) => {
    expect(write(rest, known)).toEqual({ body: { ...BODY, ...wanted }, lost: losses });
  });

  test("the end user is told by a hash, to models that are known", () => {
    expect(write({ endUser: "someone" }, {}).body["safety_identifier"]).toMatch(/^[0-9a-f]{64}$/);
  });

  test("a format lies flat, and is strict as far as its schema allows", () => {
    const closed = { type: "object", properties: { a: {} }, required: ["a"], additionalProperties: false };
    const format = (responseFormat: ChatRequest["responseFormat"]) =>
      write(responseFormat === undefined ? {} : { responseFormat });
    expect(format({ type: "json-schema", schema: closed, name: "n", description: "d" })).toEqual({
      body: {
        ...BODY,
        text: { format: { type: "json_schema", name: "n", description: "d", schema: closed, strict: true } },
      },
      lost: [],
    });
    const { body, lost } = format({ type: "json-schema", schema: { type: "object" } });
    expect(body["text"]).toMatchObject({
      format: { name: expect.stringMatching(/^schema_/), strict: false },
    });
    expect(lost).toEqual(["strict"]);
  });
});

describe("reasoning", () => {
  const rows: readonly [string, ChatRequest["reasoning"], Partial<ModelRecord> | undefined, JsonObject, string[]][] = [
    ["is the model's own where nothing is said", undefined, THINKER, SEALS, []],
    ["is said in the model's words", { effort: "high" }, THINKER, { reasoning: { effort: "high" }, ...SEALS }, []],
    [
      "is as strong as the model takes",
      { effort: "max" },
      THINKER,
      { reasoning: { effort: "high" }, ...SEALS },
      ["reasoning_effort"],
    ],
    [
      "is off when that is said, and then there is nothing to seal",
      { enabled: false },
      THINKER,
      { reasoning: { effort: "none" } },
      [],
    ],
    [
      "of so many tokens is a word",
      { enabled: true, budgetTokens: 4000 },
      THINKER,
      { reasoning: { effort: "low" }, ...SEALS },
      ["budget_tokens"],
    ],
    [
      "is shown to who asks",
      { effort: "low", display: "summarized" },
      THINKER,
      { reasoning: { effort: "low", summary: "auto" }, ...SEALS },
      [],
    ],
    [
      "is shown to nobody else",
      { effort: "low", display: "omitted" },
      THINKER,
      { reasoning: { effort: "low" }, ...SEALS },
      [],
    ],
    ["is lost where the model has none", { effort: "low" }, {}, {}, ["reasoning"]],
    ["is lost where nobody knows the model", { effort: "low" }, undefined, {}, ["reasoning"]],
  ];
  test.each(rows)("%s", (_what, reasoning, known, wanted, losses) => {
    expect(write(reasoning === undefined ? {} : { reasoning }, known)).toEqual({
      body: { ...BODY, ...wanted },
      lost: losses,
    });
  });

  test("goes with functions, which the older API refuses", () => {
    const known = { ...THINKER, chatToolsNeedEffortNone: true };
    const { body, lost } = write({ tools: [F], reasoning: { effort: "high" } }, known);
    expect(body).toMatchObject({ reasoning: { effort: "high" }, tools: [{ name: "f" }] });
    expect(lost).toEqual([]);
  });

  test("leaves no sampling to a model that thinks", () => {
    expect(write({ temperature: 0.5, reasoning: { effort: "low" } }, THINKER).lost).toEqual(["temperature"]);
    expect(write({ temperature: 0.5, reasoning: { effort: "none" } }, THINKER).body["temperature"]).toBe(0.5);
  });

  test("is sealed for every model of the table that thinks, and for no other", () => {
    const table = createModelTable();
    for (const known of table.all().filter((one) => one.provider === "openai")) {
      const body = openaiResponses.writeRequest(
        request({ reasoning: { effort: "high" } }),
        { model: "m", record: known },
        [],
      );
      expect(body["include"] !== undefined, known.id).toBe(known.reasoning.efforts.length > 0);
    }
  });
});

describe("tools", () => {
  const closed = { type: "object", properties: {}, required: [], additionalProperties: false };
  const flat = {
    type: "function",
    name: "f",
    description: "d",
    parameters: { type: "object", properties: {} },
    strict: false,
  };

  test("lie flat and say whether they are strict", () => {
    expect(write({ tools: [F] }).body["tools"]).toEqual([flat]);
    expect(write({ tools: [{ ...F, parameters: closed, strict: true }] }).body["tools"]).toEqual([
      { ...flat, parameters: closed, strict: true },
    ]);
    expect(write({ tools: [{ ...F, strict: true }] })).toMatchObject({ body: { tools: [flat] }, lost: ["strict"] });
    expect(write({ tools: [{ type: "function", name: "g" }] }).body["tools"]).toEqual([
      { type: "function", name: "g", parameters: { type: "object", properties: {} }, strict: false },
    ]);
  });

  test("that are loaded later stand last, and lose nothing but what only their dialect knows", () => {
    const { body, lost } = write({
      tools: [
        { ...F, name: "late", deferred: true },
        { ...F, extra: { eager_input_streaming: true } },
      ],
    });
    expect((body["tools"] as unknown as { name: string }[]).map((tool) => tool.name)).toEqual(["f", "late"]);
    expect(lost).toEqual(["eager_input_streaming"]);
  });

  test("that another provider hosts are a loss beside others, and alone are refused", () => {
    const hosted = {
      type: "opaque",
      dialect: OTHER,
      kind: "web_search_20250305",
      name: "web_search",
      value: {},
    } as const;
    const { body, lost } = write({ tools: [F, hosted], toolChoice: { type: "named", name: "web_search" } });
    expect(body["tools"]).toHaveLength(1);
    expect(body["tool_choice"]).toBeUndefined();
    expect(lost).toEqual(["hosted-tool", "tool_choice"]);
    expect(() => write({ tools: [hosted] })).toThrow(expect.objectContaining({ kind: "unsupported", param: "tools" }));
  });

  test.each<[ChatRequest["toolChoice"], unknown]>([
    [{ type: "none" }, "none"],
    [{ type: "auto" }, "auto"],
    [{ type: "required" }, "required"],
    [
      { type: "named", name: "f" },
      { type: "function", name: "f" },
    ],
    [
      { type: "subset", mode: "required", names: ["f"] },
      { type: "allowed_tools", mode: "required", tools: [{ type: "function", name: "f" }] },
    ],
  ])("choice %j", (toolChoice, wanted) => {
    const rest = { tools: [F], parallelToolCalls: false, ...(toolChoice === undefined ? {} : { toolChoice }) };
    expect(write(rest).body).toMatchObject({ tool_choice: wanted, parallel_tool_calls: false });
  });

  test("that must be called may be called where the model takes no force", () => {
    const { body, lost } = write({ tools: [F], toolChoice: { type: "required" } }, { forcedTools: false });
    expect(body["tool_choice"]).toBe("auto");
    expect(lost).toEqual(["tool_choice"]);
  });

  test("that are not there cannot be chosen", () => {
    expect(write({ toolChoice: { type: "auto" } })).toEqual({ body: BODY, lost: [] });
    expect(write({ toolChoice: { type: "required" } })).toEqual({ body: BODY, lost: ["tool_choice"] });
  });
});

describe("a request of this dialect", () => {
  test("is written with everything that only it can say", () => {
    const body = {
      model: "m",
      instructions: "be brief",
      input: [
        { type: "additional_tools", role: "developer", tools: [] },
        { role: "developer", id: "msg_1", content: [{ type: "input_text", text: "a" }] },
        { type: "reasoning", id: "rs_1", summary: [], encrypted_content: "x" },
        {
          type: "message",
          role: "assistant",
          content: [{ type: "output_text", text: "b" }],
          id: "msg_2",
          status: "completed",
          phase: "commentary",
        },
        { type: "message", role: "assistant", content: [{ type: "output_text", text: "c" }], phase: "final_answer" },
        { type: "custom_tool_call", call_id: "c1", name: "p", input: "raw", id: "ctc_1" },
        { type: "custom_tool_call_output", call_id: "c1", output: "ok" },
        { type: "item_reference", id: "msg_3" },
      ],
      tools: [
        { type: "function", name: "f", parameters: null, defer_loading: true, output_schema: {} },
        { type: "custom", name: "p" },
      ],
      tool_choice: { type: "custom", name: "p" },
      parallel_tool_calls: true,
      text: { format: { type: "grammar" }, verbosity: "low" },
      reasoning: { mode: "pro", effort: "high", summary: "detailed" },
      max_output_tokens: 3,
      safety_identifier: "s",
      metadata: { a: "b" },
      previous_response_id: "resp_1",
      store: true,
      include: ["file_search_call.results", "reasoning.encrypted_content"],
      top_logprobs: 2,
      stream: true,
      stream_options: { include_obfuscation: true },
    };
    const losses: { field: string }[] = [];
    const written = openaiResponses.writeRequest(
      openaiResponses.readRequest(body),
      { model: "m", record: undefined },
      losses,
    );
    expect(written).toEqual(body);
    expect(losses).toEqual([]);
  });

  test("may lean on what the provider keeps: nothing of it is repaired", () => {
    const body = {
      model: "m",
      previous_response_id: "resp_1",
      input: [{ type: "function_call_output", call_id: "c1", output: "x" }],
    };
    const read = openaiResponses.readRequest(body);
    expect(openaiResponses.writeRequest(read, { model: "m", record: record({}) }, [])).toEqual(body);
    expect(
      openaiResponses.writeRequest(
        openaiResponses.readRequest({ model: "m", prompt: { id: "p" } }),
        { model: "m", record: undefined },
        [],
      ),
    ).toEqual({
      model: "m",
      prompt: { id: "p" },
    });
  });
});
