import { describe, expect, test } from "vitest";
import type { ChatEvent, FinishReason, Loss } from "../src/chat.ts";
import { mistralChat } from "../src/dialects/mistral-chat.ts";
import { UNKNOWN_USAGE, type Usage } from "../src/usage.ts";
import { checked, checkedWhole, decode, encode } from "./mistral-chat-wire.ts";

const USAGE: Usage = {
  inputUncached: 10,
  cacheRead: 20,
  cacheWrite5m: 3,
  cacheWrite1h: 4,
  cacheWriteOther: undefined,
  output: 7,
  reasoning: 2,
};

const CALLS: readonly ChatEvent[] = [
  { type: "tool-call-start", index: 0, id: "toolu_1", name: "f" },
  { type: "tool-call-start", index: 1, id: "abcdefghi", name: "g" },
  { type: "tool-call-delta", index: 1, arguments: '{"y"' },
  { type: "tool-call-delta", index: 0, arguments: '{"n":9007199254740993,"b":1.0}' },
  { type: "tool-call-delta", index: 1, arguments: ":2}" },
  { type: "tool-call-end", index: 0 },
  { type: "tool-call-end", index: 1 },
];

const ANSWER: readonly ChatEvent[] = [
  { type: "start", id: "msg_up", model: "upstream-model" },
  { type: "reasoning-delta", text: "hm" },
  { type: "reasoning-delta", text: " so" },
  { type: "reasoning-end", signature: "c2ln", issuer: "anthropic-messages" },
  { type: "reasoning-redacted", data: "ZW5j", issuer: "anthropic-messages" },
  { type: "text-delta", text: "hel" },
  { type: "text-delta", text: "lo 🗽" },
  ...CALLS,
  { type: "usage", usage: USAGE },
  { type: "finish", reason: "tool-calls" },
  { type: "done" },
];
const END: readonly ChatEvent[] = [{ type: "finish", reason: "stop" }, { type: "done" }];

const F_CALL = {
  id: expect.stringMatching(/^[a-zA-Z0-9]{9}$/),
  type: "function",
  function: { name: "f", arguments: '{"n":9007199254740993,"b":1.0}' },
  index: 0,
};
const G_CALL = { id: "abcdefghi", type: "function", function: { name: "g", arguments: '{"y":2}' }, index: 1 };
const SIGNED = "sluice:anthropic-messages:signature::c2ln";
const REDACTED = "sluice:anthropic-messages:redacted::ZW5j";
const USAGE_WIRE = {
  prompt_tokens: 37,
  completion_tokens: 7,
  total_tokens: 44,
  prompt_tokens_details: { cached_tokens: 20, cache_write_tokens: 7 },
  completion_tokens_details: { reasoning_tokens: 2 },
};
const thought = (text: string) => ({ type: "thinking", thinking: [{ type: "text", text }] });
const sealed = (signature: string) => ({ type: "thinking", thinking: [], signature, closed: true });

describe("a stream", () => {
  test("says text as text, thoughts as chunks, each call whole, and the usage beside the finish", () => {
    const chunks = checked(encode(ANSWER));
    expect(chunks[0]).toMatchObject({ created: 99, model: "upstream-model" });
    expect(chunks.slice(1, -1).map((chunk) => chunk.choices[0].delta)).toEqual([
      { content: [thought("hm")] },
      { content: [thought(" so")] },
      { content: [sealed(SIGNED)] },
      { content: [sealed(REDACTED)] },
      { content: "hel" },
      { content: "lo 🗽" },
      { tool_calls: [F_CALL] },
      { tool_calls: [G_CALL] },
    ]);
    expect(chunks.at(-1)).toMatchObject({
      choices: [{ delta: { content: "" }, finish_reason: "tool_calls" }],
      usage: USAGE_WIRE,
    });
  });

  test("says a call only when all of it is known", () => {
    const encoder = mistralChat.encoder(
      { stream: true, model: "m", includeUsage: true, id: "x", createdSeconds: 1 },
      [],
    );
    encoder.push({ type: "start" });
    expect(CALLS.slice(0, 5).map((event) => encoder.push(event))).toEqual(["", "", "", "", ""]);
    expect(encoder.push({ type: "tool-call-end", index: 0 })).toContain('"name":"f"');
  });

  test("has its usage whether it was asked for or not, zeros where nobody counted", () => {
    const encoder = mistralChat.encoder(
      { stream: true, model: "m", includeUsage: false, id: "x", createdSeconds: 1 },
      [],
    );
    const text = [{ type: "text-delta", text: "a" } as const, ...END].map((event) => encoder.push(event)).join("");
    expect(checked(text + encoder.end()).at(-1)?.usage).toEqual({
      prompt_tokens: 0,
      completion_tokens: 0,
      total_tokens: 0,
    });
  });

  test("that says nothing still opens and ends", () => {
    expect(checked(encode(END))).toHaveLength(2);
    expect(checked(encode([{ type: "finish", reason: "stop" }]))).toHaveLength(2);
  });

  test("that fails ends with an error, and with no mark that it was complete", () => {
    const begun: ChatEvent[] = [{ type: "start" }, { type: "text-delta", text: "hel" }];
    const failed = encode([
      ...begun,
      { type: "error", error: { status: 529, message: "too much", type: "overloaded_error" } },
    ]);
    const cut = encode(begun);
    for (const [text, message, status] of [
      [failed, "too much", 529],
      [cut, "the answer ended before it was complete", 502],
    ] as const) {
      const frames = text.trimEnd().split("\n\n");
      expect(text).not.toContain("[DONE]");
      expect(JSON.parse(frames.at(-1)?.slice("data: ".length) ?? "")).toEqual({
        object: "error",
        message,
        type: "internal_server_error",
        param: null,
        code: null,
        raw_status_code: status,
      });
      expect(decode(text, true).at(-1)).toMatchObject({ type: "error", error: { message, status } });
    }
  });
});

describe("a whole answer", () => {
  test("has its content in the order in which it was said, and its calls beside it", () => {
    const { choices, usage, ...head } = checkedWhole(encode(ANSWER, { stream: false }));
    expect(choices[0]).toEqual({
      index: 0,
      finish_reason: "tool_calls",
      message: {
        role: "assistant",
        content: [
          { ...thought("hm so"), signature: SIGNED, closed: true },
          sealed(REDACTED),
          { type: "text", text: "hello 🗽" },
        ],
        tool_calls: [F_CALL, G_CALL],
      },
    });
    expect(usage).toEqual(USAGE_WIRE);
    expect(head).toMatchObject({ created: 99, model: "upstream-model" });
  });

  test("is plain text where nothing was thought, and empty text where nothing was said", () => {
    const message = (events: readonly ChatEvent[]) =>
      checkedWhole(encode([...events, ...END], { stream: false })).choices[0].message;
    expect(message([{ type: "text-delta", text: "a" }])).toEqual({ role: "assistant", content: "a", tool_calls: null });
    expect(message(CALLS)).toEqual({ role: "assistant", content: "", tool_calls: [F_CALL, G_CALL] });
  });

  test("that fails is the error alone", () => {
    const text = encode([{ type: "error", error: { status: 400, message: "no", code: "3051" } }], { stream: false });
    expect(JSON.parse(text)).toMatchObject({ object: "error", message: "no", code: "3051" });
  });
});

describe("a thought of which nothing is shown", () => {
  const seal = (data: string): ChatEvent => ({ type: "reasoning-end", signature: data, issuer: "anthropic-messages" });
  const JSON_TEXT = '{"a":1}';

  test.each([true, false])("leaves the content text, for a client that parses it (streamed: %s)", (stream) => {
    const losses: Loss[] = [];
    const text = encode([seal("c2ln"), { type: "text-delta", text: JSON_TEXT }, ...END], { stream, losses });
    const contents = stream
      ? checked(text).map((chunk) => chunk.choices[0].delta.content)
      : [checkedWhole(text).choices[0].message["content"]];
    expect(contents).toEqual(stream ? ["", JSON_TEXT, ""] : [JSON_TEXT]);
    expect(losses).toEqual([]);
  });

  test("is brought before calls, whose results may have to come back with it", () => {
    const events = [seal("c2ln"), { type: "text-delta", text: "ok" } as const, ...CALLS, seal("YWZ0ZXI="), ...END];
    const after = sealed("sluice:anthropic-messages:signature::YWZ0ZXI=");
    const deltas = checked(encode(events)).map((chunk) => chunk.choices[0].delta);
    expect(deltas.slice(1, -1)).toEqual([
      { content: "ok" },
      { content: [sealed(SIGNED)] },
      { tool_calls: [F_CALL] },
      { tool_calls: [G_CALL] },
      { content: [after] },
    ]);
    // A whole answer has it where it was thought.
    const { message } = checkedWhole(encode(events, { stream: false })).choices[0];
    expect(message["content"]).toEqual([sealed(SIGNED), { type: "text", text: "ok" }, after]);
  });

  test("is brought behind calls, too, and never under another thought's text", () => {
    const redacted: ChatEvent = { type: "reasoning-redacted", data: "ZW5j", issuer: "anthropic-messages" };
    const content = (events: readonly ChatEvent[]) =>
      checkedWhole(encode([...events, ...END], { stream: false })).choices[0].message["content"];
    expect(content([...CALLS, redacted])).toEqual([sealed(REDACTED)]);
    expect(content([{ type: "reasoning-delta", text: "hm" }, redacted])).toEqual([
      { ...thought("hm"), closed: true },
      sealed(REDACTED),
    ]);
  });

  test("is brought where there are thoughts that are shown", () => {
    const events: ChatEvent[] = [
      seal("c2ln"),
      { type: "reasoning-delta", text: "hm" },
      { type: "reasoning-end" },
      ...END,
    ];
    const deltas = checked(encode(events)).map((chunk) => chunk.choices[0].delta);
    expect(deltas.slice(1, -1)).toEqual([
      { content: [sealed(SIGNED)] },
      { content: [thought("hm")] },
      { content: [{ type: "thinking", thinking: [], closed: true }] },
    ]);
  });

  const ANSWERED: readonly ChatEvent[] = [
    { type: "reasoning-delta", text: "not sealed" },
    { type: "reasoning-end" },
    { type: "reasoning-delta", text: "hm" },
    seal("c2ln"),
    { type: "text-delta", text: JSON_TEXT },
  ];

  test.each([true, false])("is a loss where it has text that nobody asked for (streamed: %s)", (stream) => {
    for (const events of [ANSWERED.slice(0, 2), ANSWERED.slice(2, 4), ANSWERED.slice(0, 1)]) {
      const losses: Loss[] = [];
      const text = encode([...events, { type: "text-delta", text: "a" }, ...END], {
        stream,
        wantsReasoning: false,
        losses,
      });
      expect(text).not.toContain("thinking");
      expect(losses).toEqual([{ field: "reasoning", path: "reasoning" }]);
    }
  });

  test("goes with its seal, text and all, where there are calls", () => {
    const first = { ...thought("hm"), signature: SIGNED, closed: true };
    const events = [...ANSWERED, ...CALLS, ...ANSWERED.slice(0, 4), ...END];
    const deltas = checked(encode(events, { wantsReasoning: false })).map((chunk) => chunk.choices[0].delta);
    expect(deltas.slice(1, -1)).toEqual([
      { content: JSON_TEXT },
      { content: [first] },
      { tool_calls: [F_CALL] },
      { tool_calls: [G_CALL] },
      { content: [first] },
    ]);
    const { message } = checkedWhole(encode(events, { stream: false, wantsReasoning: false })).choices[0];
    expect(message["content"]).toEqual([first, { type: "text", text: JSON_TEXT }, first]);
  });
});

describe("either form", () => {
  test.each([true, false])("closes a thought that was not ended before what follows (streamed: %s)", (stream) => {
    const events: ChatEvent[] = [
      { type: "reasoning-delta", text: "hm" },
      { type: "text-delta", text: "a" },
      { type: "reasoning-delta", text: "so" },
      { type: "tool-call-start", index: 0, id: "a", name: "f" },
      { type: "reasoning-delta", text: "and" },
      ...END,
    ];
    const read = decode(encode(events, { stream }), stream);
    const thoughts = read.filter((event) => event.type === "reasoning-delta").map((event) => event.text);
    expect(thoughts).toEqual(["hm", "so", "and"]);
    expect(read.filter((event) => event.type === "reasoning-end")).toHaveLength(3);
  });

  test.each([true, false])("says `{}` for a call without arguments (streamed: %s)", (stream) => {
    const events: ChatEvent[] = [
      { type: "tool-call-start", index: 0, id: "a", name: "f" },
      { type: "tool-call-end", index: 0 },
      { type: "tool-call-delta", index: 0, arguments: "late" },
      { type: "tool-call-start", index: 1, id: "b", name: "g" },
      { type: "tool-call-delta", index: 1, arguments: " " },
      ...END,
    ];
    const read = decode(encode(events, { stream }), stream);
    expect(read.filter((event) => event.type === "tool-call-delta").map((event) => event.arguments)).toEqual([
      "{}",
      "{}",
    ]);
  });

  test.each([true, false])("keeps arguments that were cut off as the text they are (streamed: %s)", (stream) => {
    const events: ChatEvent[] = [
      { type: "tool-call-start", index: 0, id: "a", name: "f" },
      { type: "tool-call-delta", index: 0, arguments: '{"a": "half' },
      { type: "finish", reason: "length" },
      { type: "done" },
    ];
    const read = decode(encode(events, { stream }), stream);
    expect(read).toContainEqual({ type: "tool-call-delta", index: 0, arguments: '{"a": "half' });
    expect(read).toContainEqual({ type: "finish", reason: "length" });
  });

  test.each([true, false])("gives calls ids of nine characters, each once (streamed: %s)", (stream) => {
    const call = (index: number, id: string): ChatEvent => ({ type: "tool-call-start", index, id, name: "f" });
    const text = encode([call(0, "aaaaaaaaa"), call(1, "aaaaaaaaa"), call(2, ""), call(3, "null"), ...END], { stream });
    const ids = decode(text, stream).flatMap((event) => (event.type === "tool-call-start" ? [event.id] : []));
    expect(new Set(ids).size).toBe(4);
    expect(ids[0]).toBe("aaaaaaaaa");
    for (const id of ids) expect(id).toMatch(/^[a-zA-Z0-9]{9}$/);
    expect(encode(ANSWER, { stream })).toBe(encode(ANSWER, { stream }));
  });

  const finishes: readonly (readonly [FinishReason, string, isLost: boolean])[] = [
    ["stop", "stop", false],
    ["stop-sequence", "stop", false],
    ["length", "length", false],
    ["context-full", "model_length", false],
    ["tool-calls", "tool_calls", false],
    ["content-filter", "stop", true],
    ["refusal", "stop", true],
    ["paused", "stop", true],
    ["other", "stop", false],
  ];
  test.each(finishes)("says %s as %s", (reason, word, isLost) => {
    const events: ChatEvent[] = [{ type: "text-delta", text: "a" }, { type: "finish", reason }, { type: "done" }];
    const losses: Loss[] = [];
    expect(checkedWhole(encode(events, { stream: false, losses })).choices[0].finish_reason).toBe(word);
    expect(losses).toEqual(isLost ? [{ field: "finish_reason", path: reason }] : []);
    expect(checked(encode(events)).at(-1)?.choices[0].finish_reason).toBe(word);
  });

  test("says a stop with calls as one for calls, and a refusal in words that can be read", () => {
    expect(checkedWhole(encode([...CALLS, ...END], { stream: false })).choices[0].finish_reason).toBe("tool_calls");
    const losses: Loss[] = [];
    const refusal: ChatEvent[] = [
      { type: "refusal-delta", text: "no" },
      { type: "finish", reason: "refusal" },
      { type: "done" },
    ];
    const { choices } = checkedWhole(encode(refusal, { stream: false, losses }));
    expect(choices[0]).toMatchObject({ finish_reason: "stop", message: { content: "no" } });
    expect(losses).toEqual([{ field: "refusal", path: "refusal" }]);
  });

  test("keeps an id of Mistral's form, and makes the same one for the same exchange otherwise", () => {
    const id = "d434320c552f4823b3ce9b89312279e6";
    const own = checkedWhole(encode([{ type: "start", id, createdSeconds: 5 }, ...END], { stream: false }));
    expect([own.id, own.created, own.model]).toEqual([id, 5, "asked"]);
    const other = checkedWhole(encode([{ type: "start", id: "chatcmpl-1" }, ...END], { stream: false }));
    expect(other.id).toMatch(/^[0-9a-f]{32}$/);
    expect(other.id).toBe(checked(encode(ANSWER))[0]?.id);
  });

  test("does not make up details of usage that nobody counted", () => {
    const usage = { ...UNKNOWN_USAGE, inputUncached: 5, output: 2 };
    const whole = checkedWhole(encode([{ type: "usage", usage }, ...END], { stream: false }));
    expect(whole.usage).toEqual({ prompt_tokens: 5, completion_tokens: 2, total_tokens: 7 });
  });

  test("records what it has no word for, once each kind", () => {
    const losses: Loss[] = [];
    const opaque = (kind: string): ChatEvent => ({ type: "opaque", kind, value: null });
    encode([opaque("citations"), opaque("citations"), opaque("logprobs"), ...END], { losses });
    expect(losses).toEqual([
      { field: "answer-block", path: "citations" },
      { field: "answer-block", path: "logprobs" },
    ]);
  });
});
