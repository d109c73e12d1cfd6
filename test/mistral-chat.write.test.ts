import { describe, expect, test } from "vitest";
import { mistral } from "../providers/mistral.ts";
import { CHAT } from "../providers/openai-compatible.ts";
import type { ChatRequest, JsonObject, Loss, Message, Part } from "../src/chat.ts";
import { anthropicMessages } from "../src/dialects/anthropic-messages.ts";
import { mistralChat } from "../src/dialects/mistral-chat.ts";
import { GatewayError } from "../src/errors.ts";
import { RECORD_DEFAULTS, type ModelRecord } from "../src/model.ts";
import { expectAccepted } from "./mistral-chat-accepted.ts";
import { edited, recordOf } from "./providers-edited.ts";

const text = (said: string) => ({ type: "text", text: said }) as const;
const USER: Message = { role: "user", parts: [text("hi")] };
const F = { type: "function", name: "f", description: "d", parameters: { type: "object", properties: {} } } as const;
const F_WIRE = { type: "function", function: { name: "f", description: "d", parameters: F.parameters } };
const call = (id: string, args = "{}") => ({ type: "tool-call", id, name: "f", arguments: args }) as const;
const called = (...ids: string[]): Message => ({ role: "assistant", parts: ids.map((id) => call(id)) });
const result = (callId: string, ...content: Part[]): Message => ({
  role: "tool",
  parts: [{ type: "tool-result", callId, content }],
});

function requestOf(rest: Partial<ChatRequest>): ChatRequest {
  return {
    dialect: "anthropic-messages",
    model: "claude",
    stream: false,
    wantsStreamUsage: true,
    messages: [USER],
    tools: [],
    extra: {},
    ...rest,
  };
}

/** Written for a model, and found to be what the API takes. */
function write(rest: Partial<ChatRequest>, known?: Partial<ModelRecord>): { body: JsonObject; lost: string[] } {
  const losses: Loss[] = [];
  const record =
    known === undefined ? undefined : { ...RECORD_DEFAULTS, id: "m", provider: "p", prefill: true, ...known };
  const body = mistralChat.writeRequest(requestOf(rest), { model: "m", record }, losses);
  expect(JSON.stringify(mistralChat.writeRequest(requestOf(rest), { model: "m", record }, []))).toBe(
    JSON.stringify(body),
  );
  if (requestOf(rest).dialect !== "mistral-chat") expectAccepted(body);
  return { body, lost: losses.map((loss) => loss.field) };
}

function messages(...list: Message[]) {
  const { body, lost } = write({ messages: list });
  return { messages: body["messages"], lost };
}

test("a request of another dialect is written whole, in Mistral's words", () => {
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
          { type: "document", source: { type: "url", url: "https://x/d.pdf" }, title: "d" },
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
    tools: [{ name: "f", description: "d", input_schema: { type: "object", properties: {} } }],
    tool_choice: { type: "any", disable_parallel_tool_use: true },
    thinking: { type: "enabled", budget_tokens: 2000 },
    stop_sequences: ["END"],
    temperature: 1,
    metadata: { user_id: "someone" },
    stream: true,
  });
  const losses: Loss[] = [];
  const body = mistralChat.writeRequest(
    read,
    { model: "mistral-small-2603", record: recordOf("mistral-small-2603") },
    losses,
  );
  expectAccepted(body);
  const id = expect.stringMatching(/^[a-zA-Z0-9]{9}$/);
  expect(body).toEqual({
    model: "mistral-small-2603",
    messages: [
      { role: "system", content: "Be brief." },
      {
        role: "user",
        content: [
          text("look"),
          { type: "image_url", image_url: "data:image/png;base64,iVBORw0KGgo=" },
          { type: "document_url", document_url: "https://x/d.pdf", document_name: "d" },
        ],
      },
      {
        role: "assistant",
        content: [{ type: "thinking", thinking: [text("hm")], closed: true }, text("ok")],
        tool_calls: [{ id, type: "function", function: { name: "f", arguments: '{"a":1}' } }],
      },
      { role: "tool", content: "done", tool_call_id: id },
      { role: "user", content: "go on" },
      { role: "user", content: "<system>\nNew rules.\n</system>" },
    ],
    tools: [F_WIRE],
    tool_choice: "any",
    parallel_tool_calls: false,
    reasoning_effort: "high",
    max_tokens: 500,
    stop: ["END"],
    temperature: 1,
    stream: true,
  });
  expect(losses.map((loss) => loss.field)).toEqual(["budget_tokens", "reasoning_effort", "user"]);
});

describe("messages", () => {
  test("ids of calls take Mistral's form, the same that its provider's edits give them in Chat Completions", () => {
    const body = write({
      messages: [USER, called("toolu_1", "abcdefghi"), result("toolu_1"), result("abcdefghi")],
    }).body;
    const wire = (id: string): JsonObject => ({ id, type: "function", function: { name: "f", arguments: "{}" } });
    const chat = {
      messages: [
        { role: "assistant", content: "", tool_calls: [wire("toolu_1"), wire("abcdefghi")] },
        { role: "tool", content: "", tool_call_id: "toolu_1" },
        { role: "tool", content: "", tool_call_id: "abcdefghi" },
      ],
    };
    const other = edited(mistral, CHAT, chat, undefined).body["messages"];
    expect((body["messages"] as unknown as JsonObject[]).slice(1)).toEqual(other);
    expect(JSON.stringify(body)).toContain('"tool_call_id":"abcdefghi"');
  });

  test("a system's words that end a turn are the user's, in tags, and stay so when the turn has been answered", () => {
    const late: Message = { role: "system", parts: [text("It is late.")] };
    const first = messages(USER, late).messages as unknown as JsonObject[];
    expect(first[1]).toEqual({ role: "user", content: "<system>\nIt is late.\n</system>" });
    const next = messages(USER, late, { role: "assistant", parts: [text("Hi")] }, USER)
      .messages as unknown as JsonObject[];
    expect(next.slice(0, 2)).toEqual(first);
    const opening: Message = { role: "system", parts: [text("Be brief.")] };
    const placed = messages(
      opening,
      USER,
      called("a"),
      late,
      result("a"),
      { role: "assistant", parts: [text("Hi")] },
      late,
      USER,
    );
    expect((placed.messages as unknown as { role: string }[]).map((one) => one.role)).toEqual([
      "system",
      "user",
      "assistant",
      "tool",
      "user",
      "assistant",
      "system",
      "user",
    ]);
  });

  test("a system's words stay its own where they open the conversation, and are the user's behind a result", () => {
    const rules: Message = { role: "system", parts: [text("a"), text("b")] };
    const hello: Message = { role: "assistant", parts: [text("Hi")] };
    expect(messages(rules, rules, hello, USER).messages).toMatchObject([
      { role: "system" },
      { role: "system" },
      { role: "assistant" },
      { role: "user" },
    ]);
    expect(messages(USER, called("a"), result("a"), rules, USER).messages).toMatchObject([
      { role: "user" },
      { role: "assistant" },
      { role: "tool" },
      { role: "user", content: [text("<system>\na\n</system>"), text("<system>\nb\n</system>")] },
      { role: "user", content: "hi" },
    ]);
  });

  test("what only another dialect says of a message, a call or a result is a loss", () => {
    const { lost } = messages(
      { ...USER, extra: { name: "n" } },
      { role: "assistant", parts: [{ ...call("a"), extra: { caller: {} } }] },
      {
        role: "tool",
        parts: [{ type: "tool-result", callId: "a", content: [text("x")], isError: true, extra: { y: 1 } }],
      },
    );
    expect(lost).toEqual(["name", "caller", "is_error", "unknown-field"]);
  });

  test("every call has its result behind it, and every result its call", () => {
    const { messages: written, lost } = messages(
      USER,
      called("a", "b"),
      result("b", text("of b")),
      result("x", text("of x")),
    );
    const [, , ofB, ofA, ofX] = written as unknown as JsonObject[];
    expect(ofB).toMatchObject({ role: "tool", content: "of b" });
    expect(ofA).toMatchObject({ role: "tool", content: "no result was provided" });
    expect(ofX).toEqual({ role: "user", content: "of x" });
    expect(lost).toEqual(["orphan-tool-result", "orphan-tool-call"]);
  });

  test("pictures in a result follow it as the user's", () => {
    const picture: Part = { type: "image", source: { type: "url", url: "https://x/y.png" }, detail: "original" };
    const { messages: written, lost } = messages(USER, called("abcdefghi"), result("abcdefghi", picture));
    expect((written as unknown as JsonObject[]).slice(2)).toEqual([
      { role: "tool", content: "The result is attached in the next user message.", tool_call_id: "abcdefghi" },
      {
        role: "user",
        content: [
          text("Attached to the result of tool call abcdefghi:"),
          { type: "image_url", image_url: "https://x/y.png" },
        ],
      },
    ]);
    expect(lost).toEqual(["detail"]);
  });

  test("an answer at the end is to be continued, where the model does that", () => {
    const begun: Message = { role: "assistant", parts: [text("The")] };
    expect(messages(USER, begun).messages).toEqual([
      { role: "user", content: "hi" },
      { role: "assistant", content: "The", prefix: true },
    ]);
    const { body, lost } = write({ messages: [USER, begun] }, { prefill: false });
    expect((body["messages"] as unknown as JsonObject[]).at(-1)?.["role"]).toBe("user");
    expect(lost).toEqual(["prefill"]);
  });

  test("an answer with nothing in it is left out", () => {
    expect(messages(USER, { role: "assistant", parts: [] }, USER).messages).toHaveLength(2);
    expect(messages(USER, { role: "assistant", parts: [text("")] }, USER).messages).toHaveLength(2);
  });

  test("what is no text of the user's has its place or is refused", () => {
    const parts: Part[] = [
      { type: "document", source: { type: "text", text: "t" }, name: "n" },
      { type: "document", source: { type: "base64", mediaType: "text/plain", data: "aGk=" } },
      { type: "document", source: { type: "base64", mediaType: "application/pdf", data: "JVBERi0=" }, name: "d.pdf" },
      { type: "audio", format: "wav", data: "UklGRg==" },
      { type: "refusal", text: "no" },
      { type: "opaque", dialect: "anthropic-messages", kind: "search_result", value: {} },
      { type: "opaque", dialect: "anthropic-messages", kind: "billing", value: {}, volatile: true },
    ];
    const { messages: written, lost } = messages({ role: "user", parts });
    expect(written).toEqual([
      {
        role: "user",
        content: [
          text("n\n\nt"),
          text("hi"),
          { type: "document_url", document_url: "data:application/pdf;base64,JVBERi0=", document_name: "d.pdf" },
          { type: "input_audio", input_audio: "UklGRg==" },
          text("no"),
        ],
      },
    ]);
    expect(lost).toEqual(["refusal", "unknown-block"]);
    const file: Part = { type: "document", source: { type: "file", id: "file_1" } };
    expect(() => messages({ role: "user", parts: [file] })).toThrow(GatewayError);
    const image: Part = { type: "image", source: { type: "url", url: "https://x" } };
    expect(() => messages({ role: "system", parts: [image] })).toThrow("role system");
  });

  const seal = { signature: "c2ln" } as const;
  test.each([
    ["text, where the model thinks", { text: "hm" }, true, { thinking: [text("hm")], closed: true }],
    ["text, where it does not", { text: "hm" }, false, undefined],
    [
      "text under another provider's seal",
      { text: "hm", ...seal, issuer: "anthropic-messages" },
      true,
      { thinking: [text("hm")], closed: true },
    ],
    ["another provider's seal alone", { text: "", redacted: "ZW5j", issuer: "openai-responses" }, true, undefined],
    ["a seal of nobody's", { text: "", ...seal }, true, undefined],
    [
      "Mistral's own seal",
      { text: "", ...seal, issuer: "mistral-chat" },
      false,
      { thinking: [], closed: true, ...seal },
    ],
    [
      "Mistral's own seal, carried in Chat Completions",
      { text: "hm", ...seal, issuer: "thinking-chunk" },
      true,
      { thinking: [text("hm")], closed: true, ...seal },
    ],
  ] as const)("a thought that is %s", (_what, said, thinks, chunk) => {
    const parts: Part[] = [{ type: "reasoning", ...said }, text("ok")];
    const reasoning = thinks ? ({ kind: "effort", efforts: ["none", "high"] } as const) : RECORD_DEFAULTS.reasoning;
    const { body, lost } = write({ messages: [USER, { role: "assistant", parts }, USER] }, { reasoning });
    const { content } = (body["messages"] as unknown as JsonObject[])[1] ?? {};
    expect(content).toEqual(chunk === undefined ? "ok" : [{ type: "thinking", ...chunk }, text("ok")]);
    expect(lost).toEqual(chunk === undefined ? ["reasoning"] : []);
  });
});

describe("fields", () => {
  const efforts = { kind: "effort", efforts: ["none", "high"] } as const;
  const keyed = { kind: "keyed", minTokens: 64, stepTokens: 64, idleSeconds: 300 } as const;
  const schema = { type: "object", properties: { a: { type: "string" } } };
  type Row = readonly [
    what: string,
    said: Partial<ChatRequest>,
    written: JsonObject,
    lost?: readonly string[],
    known?: Partial<ModelRecord>,
  ];
  const FIELDS: readonly Row[] = [
    ["the seed's name", { seed: 7 }, { random_seed: 7 }],
    ["the cap", { maxOutputTokens: 9 }, { max_tokens: 9 }],
    ["a cap above the model's", { maxOutputTokens: 900 }, { max_tokens: 100 }, [], { maxOutputTokens: 100 }],
    ["a cap of nothing", { maxOutputTokens: 0 }, { max_tokens: 1 }, ["max_tokens"]],
    ["a temperature above its own", { temperature: 2 }, { temperature: 1.5 }, ["temperature"]],
    ["a nucleus that greed makes meaningless", { temperature: 0, topP: 0.5 }, { temperature: 0 }],
    ["a nucleus", { temperature: 0.1, topP: 0.5 }, { temperature: 0.1, top_p: 0.5 }],
    ["penalties", { frequencyPenalty: 1, presencePenalty: 0 }, { frequency_penalty: 1, presence_penalty: 0 }],
    ["stops", { stop: ["a", "", "b", "c", "d", "e"] }, { stop: ["a", "b", "c", "d", "e"] }],
    ["what it has no word for", { topK: 4, verbosity: "low", logprobs: {} }, {}, ["top_k", "verbosity", "logprobs"]],
    ["choices", { choices: 2 }, { n: 2 }],
    ["who the user is", { endUser: "someone" }, {}, ["user"]],
    ["metadata", { metadata: { a: "b" } }, { metadata: { a: "b" } }],
    ["no metadata", { metadata: {} }, {}],
    ["the common tier", { serviceTier: "default" }, { service_tier: "standard_only" }],
    ["a tier of somebody else's", { serviceTier: "flex" }, {}, ["service_tier"]],
    ["a cache key", { promptCacheKey: "k" }, { prompt_cache_key: "k" }, [], { cache: keyed }],
    ["a cache key that no cache asks for", { promptCacheKey: "k" }, {}],
    ["marks for other caches", { cache: { ttl: "1h" } }, {}],
    ["fields of the other dialect", { extra: { thread: {}, mine: 1 } }, {}, ["thread", "unknown-field"]],
    [
      "an effort between",
      { reasoning: { effort: "low" } },
      { reasoning_effort: "high" },
      ["reasoning_effort"],
      { reasoning: efforts },
    ],
    ["no reasoning", { reasoning: { enabled: false } }, { reasoning_effort: "none" }, [], { reasoning: efforts }],
    ["an effort for who knows what", { reasoning: { effort: "high" } }, {}, ["reasoning"]],
    [
      "JSON, where the prompt says so",
      { responseFormat: { type: "json-object" }, messages: [{ role: "user", parts: [text("in JSON")] }] },
      { messages: [{ role: "user", content: "in JSON" }], response_format: { type: "json_object" } },
    ],
    [
      "JSON, which the API wants to read in the prompt, too",
      { responseFormat: { type: "json-object" } },
      {
        messages: [
          { role: "system", content: "Respond with one JSON object only." },
          { role: "user", content: "hi" },
        ],
        response_format: { type: "json_object" },
      },
      ["json_instruction"],
    ],
    ["text", { responseFormat: { type: "text" } }, {}],
    [
      "a schema, strict where nothing is said",
      { responseFormat: { type: "json-schema", schema, name: "s", description: "d" } },
      { response_format: { type: "json_schema", json_schema: { name: "s", description: "d", schema, strict: true } } },
    ],
    ["a stream", { stream: true }, { stream: true }],
  ];
  for (const [what, said, written, lost = [], known] of FIELDS) {
    test(what, () => {
      const { body, lost: found } = write(said, known);
      expect(body).toEqual({ model: "m", messages: [{ role: "user", content: "hi" }], ...written });
      expect(found).toEqual(lost);
    });
  }
});

describe("tools", () => {
  const hosted = (dialect: string) =>
    ({ type: "opaque", dialect, kind: "web_search", value: { type: "web_search" } }) as const;

  test.each([
    ["auto", { type: "auto" }, "auto", []],
    ["none", { type: "none" }, "none", []],
    ["required", { type: "required" }, "any", []],
    ["named", { type: "named", name: "f" }, { type: "function", function: { name: "f" } }, []],
    ["some", { type: "subset", mode: "auto", names: ["f"] }, "auto", ["tool_choice"]],
    ["one of some", { type: "subset", mode: "required", names: ["f"] }, "any", ["tool_choice"]],
  ] as const)("a choice that is %s", (_what, toolChoice, written, lost) => {
    const out = write({ tools: [F], toolChoice, parallelToolCalls: true });
    expect(out.body).toMatchObject({ tools: [F_WIRE], tool_choice: written, parallel_tool_calls: true });
    expect(out.lost).toEqual(lost);
  });

  test("none at all leave no choice", () => {
    const { body, lost } = write({ toolChoice: { type: "required" }, parallelToolCalls: false });
    expect(Object.keys(body)).toEqual(["model", "messages"]);
    expect(lost).toEqual(["tool_choice"]);
  });

  test("a choice of one that is hosted elsewhere is lost with it", () => {
    const other = { ...hosted("anthropic-messages"), name: "web_search" };
    const { body, lost } = write({ tools: [F, other], toolChoice: { type: "named", name: "web_search" } });
    expect(body).not.toHaveProperty("tool_choice");
    expect(lost).toEqual(["hosted-tool", "tool_choice"]);
  });

  test("that cannot be forced are offered", () => {
    const { body, lost } = write({ tools: [F], toolChoice: { type: "required" } }, { forcedTools: false });
    expect(body["tool_choice"]).toBe("auto");
    expect(lost).toEqual(["tool_choice"]);
  });

  test("have parameters in any case, and what is loaded later stands last", () => {
    const { body } = write({
      tools: [
        { type: "function", name: "late", deferred: true },
        { ...F, strict: true, cache: {}, extra: { input_examples: [] } },
      ],
    });
    expect(body["tools"]).toEqual([
      { type: "function", function: { ...F_WIRE.function, strict: true } },
      { type: "function", function: { name: "late", parameters: { type: "object", properties: {} } } },
    ]);
  });

  test("that others host are a loss beside functions, and refused alone", () => {
    const other = hosted("anthropic-messages");
    expect(write({ tools: [other, F] })).toMatchObject({ body: { tools: [F_WIRE] }, lost: ["hosted-tool"] });
    expect(() => write({ tools: [other] })).toThrow('the hosted tool "web_search" does not exist in mistral-chat');
    const own = write({ dialect: "mistral-chat", tools: [hosted("mistral-chat")] });
    expect(own).toMatchObject({ body: { tools: [{ type: "web_search" }] }, lost: [] });
  });
});

test("a request of its own is written again as it was", () => {
  const f = { type: "function", function: { name: "f", parameters: { type: "object" }, x: 1 } };
  const body: JsonObject = {
    model: "m",
    messages: [
      { role: "system", content: [text("s"), { type: "thinking", closed: true, thinking: [text("plan")] }], extra: 1 },
      {
        role: "user",
        content: [
          { ...text("t"), y: 1 },
          { type: "image_url", image_url: { url: "https://x/y.png", detail: "low" } },
          { type: "document_url", document_url: "data:text/plain;base64,aGk=", document_name: "d" },
          { type: "file", file_id: "f1" },
          { type: "input_audio", input_audio: "SUQzBAAA" },
          { type: "input_audio", input_audio: "https://x/y.mp3" },
        ],
      },
      {
        role: "assistant",
        content: [
          { type: "thinking", closed: false, thinking: [text("h"), text("m")], signature: "c2ln" },
          { type: "thinking", closed: true, thinking: [{ type: "reference", reference_ids: [2] }] },
          { type: "reference", reference_ids: [1] },
        ],
        tool_calls: [{ id: "abcdefghi", type: "function", function: { name: "f", arguments: '{"a": 1}' }, z: 1 }],
      },
      {
        role: "tool",
        content: [{ type: "image_url", image_url: "https://x/y.png" }],
        tool_call_id: "abcdefghi",
        name: "f",
      },
      { role: "system", content: "now" },
      { role: "assistant", content: "The", prefix: true },
    ],
    tools: [f, { type: "web_search" }],
    tool_choice: { type: "function", function: { name: "f" } },
    parallel_tool_calls: false,
    response_format: { type: "json_schema", json_schema: { name: "s", schema: { type: "object" } } },
    reasoning_effort: "high",
    max_tokens: 0,
    stop: ["a"],
    temperature: 0,
    top_p: 0.5,
    random_seed: 7,
    n: 1,
    logprobs: true,
    top_logprobs: 2,
    metadata: {},
    service_tier: "auto",
    prompt_cache_key: "k",
    prediction: { type: "content", content: "p" },
    safe_prompt: true,
    prompt_mode: "reasoning",
    stream: true,
  };
  const losses: Loss[] = [];
  const written = mistralChat.writeRequest(mistralChat.readRequest(body), { model: "m", record: undefined }, losses);
  expect(written).toEqual(body);
  expect(losses).toEqual([]);
});

test("no message at all is refused", () => {
  expect(() => write({ messages: [] })).toThrow("the request has no message");
});
