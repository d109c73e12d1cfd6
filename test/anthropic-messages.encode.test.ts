import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { ChatEvent, FinishReason, JsonObject, Loss } from "../src/chat.ts";
import { anthropicMessages } from "../src/dialects/anthropic-messages.ts";
import { GatewayError, type ErrorKindName } from "../src/errors.ts";
import { UNKNOWN_USAGE, type Usage } from "../src/usage.ts";

const USAGE: Usage = {
  inputUncached: 10,
  cacheRead: 20,
  cacheWrite5m: 3,
  cacheWrite1h: 4,
  cacheWriteOther: undefined,
  output: 7,
  reasoning: 2,
};

const ANSWER: readonly ChatEvent[] = [
  { type: "start", id: "msg_up", model: "upstream-model" },
  { type: "reasoning-delta", text: "hm" },
  { type: "reasoning-delta", text: " so" },
  { type: "reasoning-end", signature: "c2ln", issuer: "anthropic-messages" },
  { type: "text-delta", text: "hel" },
  { type: "text-delta", text: "lo 🗽" },
  { type: "tool-call-start", index: 0, id: "toolu_1", name: "f" },
  { type: "tool-call-delta", index: 0, arguments: '{"n":9007199254740993' },
  { type: "tool-call-delta", index: 0, arguments: ',"b":1.0}' },
  { type: "tool-call-end", index: 0 },
  { type: "usage", usage: USAGE },
  { type: "finish", reason: "tool-calls" },
  { type: "done" },
];

function encode(events: readonly ChatEvent[], stream: boolean, losses: Loss[] = []): string {
  const encoder = anthropicMessages.encoder(
    { stream, model: "asked", includeUsage: true, id: "x-1", createdSeconds: 0 },
    losses,
  );
  return events.map((event) => encoder.push(event)).join("") + encoder.end();
}

function decode(text: string, stream: boolean): ChatEvent[] {
  const decoder = anthropicMessages.decoder(stream);
  return [...decoder.push(Buffer.from(text)), ...decoder.end()];
}

interface Wire {
  readonly type: string;
  readonly index?: number;
  readonly message?: { readonly usage: JsonObject; readonly id: string; readonly model: string };
  readonly content_block?: { readonly type: string; readonly id?: string };
  readonly delta?: JsonObject;
  readonly usage?: JsonObject;
}

/** Every rule of the stream's grammar, checked on the text a client would get. */
function checked(text: string): Wire[] {
  const events = text
    .split("\n\n")
    .filter((frame) => frame !== "")
    .map((frame) => {
      const [name, data, ...rest] = frame.split("\n");
      expect(rest).toEqual([]);
      const event = JSON.parse(String(data).replace(/^data: /, "")) as Wire;
      expect(name).toBe(`event: ${event.type}`);
      return event;
    });
  expect(events[0]?.type).toBe("message_start");
  expect(events[0]?.message?.usage["output_tokens"]).toBe(0);
  expect(typeof events[0]?.message?.usage["input_tokens"]).toBe("number");
  expect(events.at(-1)?.type).toBe("message_stop");
  expect(events.at(-2)?.type).toBe("message_delta");
  expect(typeof events.at(-2)?.delta?.["stop_reason"]).toBe("string");
  expect(typeof events.at(-2)?.usage?.["output_tokens"]).toBe("number");
  const deltasOf: Record<string, readonly string[]> = {
    text: ["text_delta"],
    thinking: ["thinking_delta", "signature_delta"],
    tool_use: ["input_json_delta"],
    redacted_thinking: [],
  };
  let next = 0;
  let open: string | undefined;
  const ids = new Set<string>();
  for (const event of events.slice(1, -2)) {
    expect(["content_block_start", "content_block_delta", "content_block_stop"]).toContain(event.type);
    expect(event.index).toBe(next);
    if (event.type === "content_block_start") {
      expect(open).toBeUndefined();
      open = event.content_block?.type ?? "";
      if (open === "tool_use") {
        expect(event.content_block?.id).toMatch(/^[a-zA-Z0-9_-]{1,64}$/);
        expect(ids.has(String(event.content_block?.id))).toBe(false);
        ids.add(String(event.content_block?.id));
      }
    } else if (event.type === "content_block_delta") {
      expect(deltasOf[String(open)]).toContain(event.delta?.["type"]);
    } else {
      expect(open).toBeDefined();
      open = undefined;
      next += 1;
    }
  }
  expect(open).toBeUndefined();
  return events;
}

/** Random answers by the contract of `ChatEvent`: calls may interleave, ids may be bad, ends may be missing. */
const step = fc.oneof(
  fc.record({
    kind: fc.constantFrom("text", "refusal", "reasoning", "reasoning-end", "redacted", "opaque", "usage"),
    text: fc.string({ unit: "binary" }),
  }),
  fc.record({ kind: fc.constantFrom("tool-start", "tool-delta", "tool-end"), call: fc.nat(3), text: fc.string() }),
);
type Step = typeof step extends fc.Arbitrary<infer One> ? One : never;

function eventsOf(steps: readonly Step[], reason: FinishReason): ChatEvent[] {
  const events: ChatEvent[] = [{ type: "start" }];
  let calls = 0;
  for (const one of steps) {
    if ("call" in one) {
      if (one.kind === "tool-start") {
        events.push({ type: "tool-call-start", index: calls, id: one.text, name: "f" });
        calls += 1;
      } else if (one.call < calls) {
        events.push(
          one.kind === "tool-end"
            ? { type: "tool-call-end", index: one.call }
            : { type: "tool-call-delta", index: one.call, arguments: one.text },
        );
      }
      continue;
    }
    if (one.kind === "text") events.push({ type: "text-delta", text: one.text });
    if (one.kind === "refusal") events.push({ type: "refusal-delta", text: one.text });
    if (one.kind === "reasoning") events.push({ type: "reasoning-delta", text: one.text });
    if (one.kind === "reasoning-end")
      events.push({ type: "reasoning-end", ...(one.text === "" ? {} : { signature: one.text }) });
    if (one.kind === "redacted") events.push({ type: "reasoning-redacted", data: one.text });
    if (one.kind === "opaque") events.push({ type: "opaque", kind: "citations", value: null });
    if (one.kind === "usage") events.push({ type: "usage", usage: USAGE });
  }
  return [...events, { type: "finish", reason }, { type: "done" }];
}

function said(events: readonly ChatEvent[]) {
  const text = { text: "", reasoning: "" };
  const calls = new Map<number, string>();
  const ended = new Set<number>();
  for (const event of events) {
    if (event.type === "text-delta" || event.type === "refusal-delta") text.text += event.text;
    if (event.type === "reasoning-delta") text.reasoning += event.text;
    if (event.type === "tool-call-start") calls.set(event.index, "");
    if (event.type === "tool-call-delta" && !ended.has(event.index))
      calls.set(event.index, (calls.get(event.index) ?? "") + event.arguments);
    if (event.type === "tool-call-end") ended.add(event.index);
  }
  return { ...text, calls: [...calls.values()].map((argumentsText) => (argumentsText === "" ? "{}" : argumentsText)) };
}

describe("a streamed answer", () => {
  test("is written with its blocks, its usage and its end", () => {
    const events = checked(encode(ANSWER, true));
    expect(events[0]?.message).toMatchObject({ id: "msg_up", model: "upstream-model" });
    expect(events.at(-2)).toEqual({
      type: "message_delta",
      delta: { stop_reason: "tool_use", stop_sequence: null },
      usage: {
        input_tokens: 10,
        cache_creation_input_tokens: 7,
        cache_read_input_tokens: 20,
        cache_creation: { ephemeral_5m_input_tokens: 3, ephemeral_1h_input_tokens: 4 },
        output_tokens: 7,
        output_tokens_details: { thinking_tokens: 2 },
      },
    });
  });

  test("read again says the same", () => {
    const wanted = ANSWER.filter((event) => event.type !== "usage");
    expect(decode(encode(ANSWER, true), true).filter((event) => event.type !== "usage")).toEqual(wanted);
    const usage = decode(encode(ANSWER, true), true).findLast((event) => event.type === "usage");
    expect(usage).toEqual({ type: "usage", usage: USAGE });
  });

  test("keeps the grammar and loses nothing, whatever comes in whatever order", () => {
    fc.assert(
      fc.property(
        fc.array(step, { maxLength: 40 }),
        fc.constantFrom<FinishReason>("stop", "length", "refusal", "other"),
        (steps, reason) => {
          const events = eventsOf(steps, reason);
          const text = encode(events, true);
          checked(text);
          expect(said(decode(text, true))).toEqual(said(events));
        },
      ),
    );
  });

  test("a second call that streams into the first waits for its turn", () => {
    const events = checked(
      encode(
        [
          { type: "start" },
          { type: "tool-call-start", index: 0, id: "a", name: "f" },
          { type: "tool-call-start", index: 1, id: "b", name: "g" },
          { type: "tool-call-delta", index: 1, arguments: '{"b":' },
          { type: "tool-call-delta", index: 0, arguments: "{}" },
          { type: "tool-call-delta", index: 1, arguments: "1}" },
          { type: "tool-call-end", index: 0 },
          { type: "tool-call-end", index: 1 },
          { type: "finish", reason: "tool-calls" },
          { type: "done" },
        ],
        true,
      ),
    );
    expect(
      events
        .filter((event) => event.type === "content_block_delta")
        .map((event) => [event.index, event.delta?.["partial_json"]]),
    ).toEqual([
      [0, "{}"],
      [1, '{"b":1}'],
    ]);
  });

  test("says its first words at once, before the usage is known", () => {
    const encoder = anthropicMessages.encoder(
      { stream: true, model: "asked", includeUsage: true, id: "x-1", createdSeconds: 0 },
      [],
    );
    expect(encoder.push({ type: "start" })).toContain("message_start");
    expect(encoder.push({ type: "text-delta", text: "hi" })).toContain('"text":"hi"');
  });

  test("usage that comes after the finish is still told", () => {
    const events = checked(
      encode(
        [{ type: "start" }, { type: "finish", reason: "stop" }, { type: "usage", usage: USAGE }, { type: "done" }],
        true,
      ),
    );
    expect(events.at(-2)?.usage?.["output_tokens"]).toBe(7);
  });

  test("unknown counts are left out, but for the output, which must be a number", () => {
    const events = checked(
      encode(
        [{ type: "start" }, { type: "usage", usage: { ...UNKNOWN_USAGE, inputUncached: 5 } }, { type: "done" }],
        true,
      ),
    );
    expect(events.at(-2)?.usage).toEqual({ input_tokens: 5, output_tokens: 0 });
  });

  test("an error ends it, and nothing follows", () => {
    const text = encode(
      [
        { type: "start" },
        { type: "error", error: { status: 529, type: "overloaded_error", message: "busy" } },
        { type: "done" },
      ],
      true,
    );
    expect(text).toContain('event: error\ndata: {"type":"error","error":{"type":"overloaded_error","message":"busy"}');
    expect(text).not.toContain("message_stop");
  });

  test("events that stop coming are an error, never a clean end", () => {
    const text = encode([{ type: "start" }, { type: "text-delta", text: "hal" }], true);
    expect(text).toContain("event: error");
    expect(text).not.toContain("message_stop");
  });

  test.each([
    ["stop", "end_turn"],
    ["stop-sequence", "stop_sequence"],
    ["length", "max_tokens"],
    ["context-full", "model_context_window_exceeded"],
    ["tool-calls", "tool_use"],
    ["content-filter", "refusal"],
    ["refusal", "refusal"],
    ["paused", "pause_turn"],
    ["other", "end_turn"],
  ] as const)("%s is said as %s", (reason, stopReason) => {
    const events = checked(
      encode([{ type: "start" }, { type: "finish", reason, stopSequence: "S" }, { type: "done" }], true),
    );
    expect(events.at(-2)?.delta).toMatchObject({ stop_reason: stopReason, stop_sequence: "S" });
  });

  test("a refusal in words is a refusal, a stop with calls is a call for tools", () => {
    const refused = checked(
      encode(
        [
          { type: "start" },
          { type: "refusal-delta", text: "no" },
          { type: "finish", reason: "stop" },
          { type: "done" },
        ],
        true,
      ),
    );
    expect(refused.at(-2)?.delta?.["stop_reason"]).toBe("refusal");
    const called = checked(
      encode(
        [
          { type: "start" },
          { type: "tool-call-start", index: 0, id: "", name: "f" },
          { type: "finish", reason: "stop" },
          { type: "done" },
        ],
        true,
      ),
    );
    expect(called.at(-2)?.delta?.["stop_reason"]).toBe("tool_use");
  });

  test("blocks of another dialect are a loss each kind once", () => {
    const losses: Loss[] = [];
    encode(
      [
        { type: "start" },
        { type: "opaque", kind: "logprobs", value: 1 },
        { type: "opaque", kind: "logprobs", value: 2 },
        { type: "done" },
      ],
      true,
      losses,
    );
    expect(losses).toEqual([{ field: "answer-block", path: "logprobs" }]);
  });
});

describe("a whole answer", () => {
  test("read again says the same, tool inputs to the letter", () => {
    const text = encode(ANSWER, false);
    expect(text).toContain('"input":{"n":9007199254740993,"b":1.0}');
    const events = decode(text, false);
    expect(said(events)).toEqual(said(ANSWER));
    expect(events).toContainEqual({ type: "usage", usage: USAGE });
    expect(JSON.parse(text)).toMatchObject({
      type: "message",
      role: "assistant",
      id: "msg_up",
      stop_reason: "tool_use",
      stop_sequence: null,
    });
  });

  test("is JSON whatever comes, and calls whose arguments are none are a loss", () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 40 }), (steps) => {
        const message = JSON.parse(encode(eventsOf(steps, "stop"), false)) as {
          content: { type: string; input?: unknown }[];
        };
        for (const block of message.content) if (block.type === "tool_use") expect(block.input).toBeTypeOf("object");
      }),
    );
    const losses: Loss[] = [];
    const text = encode(
      [
        { type: "start" },
        { type: "tool-call-start", index: 0, id: "a", name: "f" },
        { type: "tool-call-delta", index: 0, arguments: '{"a":' },
        { type: "finish", reason: "length" },
        { type: "done" },
      ],
      false,
      losses,
    );
    expect(JSON.parse(text)).toMatchObject({
      content: [{ type: "tool_use", id: "a", name: "f", input: { _raw: '{"a":' } }],
    });
    expect(losses).toMatchObject([{ field: "tool-arguments" }]);
  });

  test("an id of another dialect becomes one of this, the same each time", () => {
    const id = () =>
      (JSON.parse(encode([{ type: "start", id: "chatcmpl-1" }, { type: "done" }], false)) as { id: string }).id;
    expect(id()).toMatch(/^msg_[a-z0-9]+$/);
    expect(id()).toBe(id());
  });
});

describe("errors", () => {
  test.each<[ErrorKindName, number, string]>([
    ["invalid-request", 400, "invalid_request_error"],
    ["unauthenticated", 401, "authentication_error"],
    ["budget-exceeded", 402, "billing_error"],
    ["forbidden", 403, "permission_error"],
    ["model-not-found", 404, "not_found_error"],
    ["method-not-allowed", 405, "invalid_request_error"],
    ["conflict", 409, "conflict_error"],
    ["too-large", 413, "request_too_large"],
    ["unprocessable", 422, "invalid_request_error"],
    ["rate-limited", 429, "rate_limit_error"],
    ["quota-exhausted", 429, "rate_limit_error"],
    ["internal", 500, "api_error"],
    ["upstream-failed", 502, "api_error"],
    ["overloaded", 503, "overloaded_error"],
    ["upstream-timeout", 504, "timeout_error"],
  ])("%s (%d) is a %s", (kind, status, type) => {
    const error = new GatewayError(kind, "why");
    expect(error.status).toBe(status);
    expect(anthropicMessages.writeError(error, "r-1")).toEqual({
      type: "error",
      error: { type, message: "why" },
      request_id: "r-1",
    });
  });

  test("our credential's failure is not told as the caller's, an overload keeps its word and details stay", () => {
    const credential = new GatewayError("upstream-credential", "why", { type: "authentication_error" });
    expect(anthropicMessages.writeError(credential, "r")).toMatchObject({ error: { type: "api_error" } });
    const overloaded = new GatewayError("overloaded", "why", { status: 529, details: { error_code: "x" } });
    expect(anthropicMessages.writeError(overloaded, "r")).toMatchObject({
      error: { type: "overloaded_error", details: { error_code: "x" } },
    });
    expect(anthropicMessages.errorEvent(overloaded, "r")).toBe(
      `event: error\ndata: ${JSON.stringify(anthropicMessages.writeError(overloaded, "r"))}\n\n`,
    );
  });

  test("a prompt that does not fit is said in the words that Anthropic's clients look for, once", () => {
    for (const said of ["request (9 tokens) exceeds the context size", "prompt is too long: 9 tokens"]) {
      const body = JSON.stringify(anthropicMessages.writeError(new GatewayError("context-too-long", said), "r"));
      expect(body.match(/prompt is too long/g)).toHaveLength(1);
      expect(body).toContain(said);
    }
  });

  test("read again says the same", () => {
    const error = new GatewayError("not-found", "gone", { details: { error_code: "thread_not_found" } });
    const body = Buffer.from(JSON.stringify(anthropicMessages.writeError(error, "r")));
    expect(anthropicMessages.readError(404, body)).toEqual({
      status: 404,
      type: "not_found_error",
      message: "gone",
      details: { error_code: "thread_not_found" },
    });
  });
});

test("the model's name is edited only where it differs", () => {
  const options = { model: "a", askStreamUsage: true };
  expect(anthropicMessages.edits({ model: "a" }, options)).toEqual([]);
  expect(anthropicMessages.edits({ model: "b" }, options)).toEqual([{ op: "set", path: ["model"], value: "a" }]);
});
