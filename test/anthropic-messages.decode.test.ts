import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { ChatEvent } from "../src/chat.ts";
import { anthropicMessages } from "../src/dialects/anthropic-messages.ts";
import { laterUsage, UNKNOWN_USAGE, type Usage } from "../src/usage.ts";

const START = {
  type: "message_start",
  message: {
    id: "msg_1",
    type: "message",
    role: "assistant",
    model: "claude-haiku-5-5",
    content: [],
    stop_reason: null,
    usage: {
      input_tokens: 10,
      cache_read_input_tokens: 20,
      cache_creation_input_tokens: 30,
      cache_creation: { ephemeral_5m_input_tokens: 12, ephemeral_1h_input_tokens: 18 },
      output_tokens: 1,
    },
  },
};
const STOP = { type: "message_stop" };
const ending = (stop_reason: string, usage: object = { output_tokens: 7 }, more: object = {}) => ({
  type: "message_delta",
  delta: { stop_reason, stop_sequence: null, ...more },
  usage,
});
const blockStart = (index: number, content_block: object) => ({ type: "content_block_start", index, content_block });
const blockDelta = (index: number, delta: object) => ({ type: "content_block_delta", index, delta });
const blockStop = (index: number) => ({ type: "content_block_stop", index });

type WireEvent = { readonly type: string };

function sse(events: readonly WireEvent[], newline = "\n"): string {
  return events
    .map((event) => `event: ${event.type}${newline}data: ${JSON.stringify(event)}${newline}${newline}`)
    .join("");
}

/** One of everything, with text beyond ASCII, so that chunks cut characters. */
const RICH: readonly WireEvent[] = [
  START,
  blockStart(0, { type: "thinking", thinking: "", signature: "" }),
  { type: "ping" },
  blockDelta(0, { type: "thinking_delta", thinking: "hm — «ünï»" }),
  blockDelta(0, { type: "signature_delta", signature: "c2ln" }),
  blockStop(0),
  blockStart(1, { type: "redacted_thinking", data: "ZGF0YQ" }),
  blockStop(1),
  blockStart(2, { type: "text", text: "" }),
  blockDelta(2, { type: "text_delta", text: 'says "signature_delta" 🗽' }),
  blockDelta(2, { type: "citations_delta", citation: { cited_text: "x" } }),
  blockStop(2),
  blockStart(3, { type: "server_tool_use", id: "srv_1", name: "web_search", input: {} }),
  blockDelta(3, { type: "input_json_delta", partial_json: '{"query":' }),
  blockDelta(3, { type: "input_json_delta", partial_json: '"q"}' }),
  blockStop(3),
  { type: "some_new_event" },
  blockStart(4, { type: "tool_use", id: "toolu_1", name: "get_weather", input: {} }),
  blockDelta(4, { type: "input_json_delta", partial_json: "" }),
  blockDelta(4, { type: "input_json_delta", partial_json: '{"n":9007199254740993,' }),
  blockDelta(4, { type: "input_json_delta", partial_json: '"a":1.0}' }),
  blockStop(4),
  blockStart(5, { type: "tool_use", id: "toolu_2", name: "get_time", input: {} }),
  blockStop(5),
  ending("tool_use"),
  STOP,
];

const RICH_EVENTS: readonly ChatEvent[] = [
  { type: "start", id: "msg_1", model: "claude-haiku-5-5" },
  {
    type: "usage",
    usage: {
      inputUncached: 10,
      cacheRead: 20,
      cacheWrite5m: 12,
      cacheWrite1h: 18,
      cacheWriteOther: undefined,
      output: 1,
      reasoning: undefined,
    },
  },
  { type: "reasoning-delta", text: "hm — «ünï»" },
  { type: "reasoning-end", signature: "c2ln", issuer: "anthropic-messages" },
  { type: "reasoning-redacted", data: "ZGF0YQ", issuer: "anthropic-messages" },
  { type: "text-delta", text: 'says "signature_delta" 🗽' },
  { type: "opaque", kind: "citations", value: { cited_text: "x" } },
  {
    type: "opaque",
    kind: "server_tool_use",
    value: { type: "server_tool_use", id: "srv_1", name: "web_search", input: { query: "q" } },
  },
  { type: "tool-call-start", index: 0, id: "toolu_1", name: "get_weather" },
  { type: "tool-call-delta", index: 0, arguments: '{"n":9007199254740993,' },
  { type: "tool-call-delta", index: 0, arguments: '"a":1.0}' },
  { type: "tool-call-end", index: 0 },
  { type: "tool-call-start", index: 1, id: "toolu_2", name: "get_time" },
  { type: "tool-call-delta", index: 1, arguments: "{}" },
  { type: "tool-call-end", index: 1 },
  {
    type: "usage",
    usage: {
      inputUncached: 10,
      cacheRead: 20,
      cacheWrite5m: 12,
      cacheWrite1h: 18,
      cacheWriteOther: undefined,
      output: 7,
      reasoning: undefined,
    },
  },
  { type: "finish", reason: "tool-calls" },
  { type: "done" },
];

function decode(text: string | Uint8Array, stream = true, cuts: readonly number[] = []): ChatEvent[] {
  const decoder = anthropicMessages.decoder(stream);
  return [...cut(Buffer.from(text), cuts).flatMap((chunk) => decoder.push(chunk)), ...decoder.end()];
}

function cut(bytes: Buffer, cuts: readonly number[]): Buffer[] {
  const places = [0, ...cuts.map((place) => place % (bytes.length + 1)).toSorted((a, b) => a - b), bytes.length];
  return places.slice(1).map((end, at) => bytes.subarray(places[at], end));
}

function lastUsage(events: readonly ChatEvent[]): Usage {
  return events.reduce(
    (usage, event) => (event.type === "usage" ? laterUsage(usage, event.usage) : usage),
    UNKNOWN_USAGE,
  );
}

describe("streams", () => {
  test("one of everything is read in its order", () => {
    expect(decode(sse(RICH))).toEqual(RICH_EVENTS);
  });

  test.each(["\n", "\r\n", "\r"])(
    "any chunking gives the same events, and the watcher the same bytes (line ends %j)",
    (newline) => {
      const text = Buffer.from(sse(RICH, newline));
      const wanted = decode(text);
      fc.assert(
        fc.property(fc.array(fc.nat(text.length), { maxLength: 24 }), (cuts) => {
          expect(decode(text, true, cuts)).toEqual(wanted);
          const watcher = anthropicMessages.watcher();
          const frames = [...cut(text, cuts).flatMap((chunk) => watcher.push(chunk)), ...watcher.end()];
          expect(Buffer.concat(frames.map((frame) => frame.bytes)).equals(text)).toBe(true);
          expect(frames.flatMap((frame) => frame.events)).toEqual([
            RICH_EVENTS[0],
            RICH_EVENTS[1],
            RICH_EVENTS[3],
            RICH_EVENTS[4],
            ...RICH_EVENTS.slice(-3),
          ]);
          expect(frames.filter((frame) => frame.isDelta)).toHaveLength(
            RICH.filter((event) => event.type === "content_block_delta").length,
          );
          expect(frames.some((frame) => frame.usageOnly)).toBe(false);
        }),
      );
    },
  );

  test.each([["a stream cut behind any event but the last two fails", RICH.length - 2]])("%s", (_, complete) => {
    for (let events = 0; events < complete; events += 1) {
      const text = sse(RICH.slice(0, events));
      expect(decode(text).at(-1)).toMatchObject({ type: "error", error: { status: 502, ours: true } });
      const watcher = anthropicMessages.watcher();
      watcher.push(Buffer.from(text));
      expect(watcher.end().at(-1)?.events).toMatchObject([{ type: "error", error: { ours: true } }]);
    }
    expect(decode(sse(RICH.slice(0, -1))).at(-1)).toEqual({ type: "done" });
  });

  test("a stream whose last event lacks its line ends is complete", () => {
    expect(decode(sse(RICH).trimEnd()).at(-1)).toEqual({ type: "done" });
  });

  test("what follows the terminal event is not read", () => {
    expect(decode(`${sse(RICH)}data: rubbish\n\n${sse([{ type: "error" }])}`)).toEqual(RICH_EVENTS);
  });

  test.each(['{"type":"content_block_delta","index":0,"delta":{"type":"text_de', "rubbish", "[]", "7"])(
    "an event that is not a JSON object is an error, decoded or watched: %s",
    (data) => {
      const text = `${sse(RICH.slice(0, 2))}event: content_block_delta\ndata: ${data}\n\n${sse(RICH.slice(2))}`;
      const events = decode(text);
      expect(events.at(-1)).toMatchObject({ type: "error", error: { status: 502, ours: true } });
      const frames = anthropicMessages.watcher().push(Buffer.from(text));
      const errors = frames.flatMap((frame) => frame.events).filter((event) => event.type === "error");
      expect(errors).toHaveLength(1);
      expect(frames.flatMap((frame) => frame.events).at(-1)).toEqual(errors[0]);
    },
  );

  test("a delta for a block that was never begun is an error, as what it belongs to is lost", () => {
    expect(decode(sse([START, blockDelta(0, { type: "text_delta", text: "x" })])).at(-1)).toMatchObject({
      type: "error",
    });
  });

  test.each([
    ["overloaded_error", 529],
    ["rate_limit_error", 429],
    ["api_error", 500],
    ["invalid_request_error", 400],
    ["timeout_error", 504],
    ["something_new", 500],
  ])("an error event of type %s has status %d and the provider's words", (type, status) => {
    const text = sse([
      START,
      { type: "error", error: { type, message: "no", details: { error_code: "x" } } } as WireEvent,
    ]);
    const error = { type: "error", error: { status, type, message: "no", details: { error_code: "x" } } };
    expect(decode(text).at(-1)).toEqual(error);
    expect(anthropicMessages.watcher().push(Buffer.from(text)).at(-1)?.events).toEqual([error]);
  });

  test("events without an `event:` field are told apart by their type", () => {
    const text = RICH.map((event) => `data: ${JSON.stringify(event)}\n\n`).join("");
    expect(decode(text)).toEqual(RICH_EVENTS);
    const frames = anthropicMessages.watcher().push(Buffer.from(text));
    expect(frames.flatMap((frame) => frame.events).at(-1)).toEqual({ type: "done" });
    expect(frames.filter((frame) => frame.isDelta)).toHaveLength(
      RICH.filter((event) => event.type === "content_block_delta").length,
    );
  });

  test("a tool's input that was cut stays the text it is", () => {
    const events = decode(
      sse([
        START,
        blockStart(0, { type: "tool_use", id: "t", name: "f", input: {} }),
        blockDelta(0, { type: "input_json_delta", partial_json: '{"a":"b' }),
        ending("max_tokens"),
        STOP,
      ]),
    );
    expect(events.filter((event) => event.type === "tool-call-delta")).toEqual([
      { type: "tool-call-delta", index: 0, arguments: '{"a":"b' },
    ]);
    expect(events.at(-2)).toEqual({ type: "finish", reason: "length" });
  });
});

describe("stop reasons", () => {
  test.each([
    ["end_turn", "stop"],
    ["max_tokens", "length"],
    ["tool_use", "tool-calls"],
    ["pause_turn", "paused"],
    ["model_context_window_exceeded", "context-full"],
    ["refusal", "refusal"],
  ])("%s is %s", (stopReason, reason) => {
    expect(decode(sse([START, ending(stopReason), STOP]))).toContainEqual({ type: "finish", reason });
  });

  test("a stop sequence is named, a refusal has its details, an unknown reason its word", () => {
    const details = { type: "refusal", category: "cyber", explanation: "why" };
    const finish = (delta: object) =>
      decode(sse([START, { type: "message_delta", delta } as WireEvent])).find((event) => event.type === "finish");
    expect(finish({ stop_reason: "stop_sequence", stop_sequence: "END" })).toEqual({
      type: "finish",
      reason: "stop-sequence",
      stopSequence: "END",
    });
    expect(finish({ stop_reason: "refusal", stop_details: details })).toEqual({
      type: "finish",
      reason: "refusal",
      details,
    });
    expect(finish({ stop_reason: "compaction" })).toEqual({
      type: "finish",
      reason: "other",
      details: { stop_reason: "compaction" },
    });
  });
});

describe("usage", () => {
  test("cumulative totals replace, and writes beyond the split are five-minute ones, counted once", () => {
    const events = decode(
      sse([
        START,
        ending("end_turn", {
          input_tokens: 11,
          cache_read_input_tokens: 25,
          cache_creation_input_tokens: 37,
          output_tokens: 9,
          output_tokens_details: { thinking_tokens: 4 },
        }),
        STOP,
      ]),
    );
    expect(lastUsage(events)).toEqual({
      inputUncached: 11,
      cacheRead: 25,
      cacheWrite5m: 19,
      cacheWrite1h: 18,
      cacheWriteOther: undefined,
      output: 9,
      reasoning: 4,
    });
  });

  test("a start that knows nothing is corrected at the end, and nulls say nothing", () => {
    const start = {
      ...START,
      message: { ...START.message, usage: { input_tokens: 0, output_tokens: 0, cache_read_input_tokens: null } },
    };
    const early = decode(sse([start]));
    expect(lastUsage(early).cacheRead).toBeUndefined();
    expect(lastUsage(early).cacheWrite5m).toBeUndefined();
    const events = decode(
      sse([
        start,
        ending("end_turn", {
          input_tokens: 5,
          cache_read_input_tokens: 6,
          cache_creation_input_tokens: 7,
          output_tokens: 8,
        }),
        STOP,
      ]),
    );
    expect(lastUsage(events)).toMatchObject({
      inputUncached: 5,
      cacheRead: 6,
      cacheWrite5m: 7,
      cacheWrite1h: 0,
      output: 8,
    });
  });

  test("compactions are added, as the totals leave them out; an advisor's tokens are another model's", () => {
    const iterations = [
      {
        type: "compaction",
        input_tokens: 100,
        cache_read_input_tokens: 1000,
        cache_creation_input_tokens: 3,
        output_tokens: 83,
      },
      {
        type: "message",
        input_tokens: 181,
        cache_read_input_tokens: 0,
        cache_creation_input_tokens: 0,
        output_tokens: 8,
      },
      { type: "advisor_message", model: "claude-opus-4-8", input_tokens: 2543, output_tokens: 18 },
    ];
    const events = decode(
      sse([
        START,
        ending("end_turn", {
          input_tokens: 181,
          cache_read_input_tokens: 0,
          cache_creation_input_tokens: 0,
          output_tokens: 8,
          iterations,
        }),
        STOP,
      ]),
    );
    expect(lastUsage(events)).toMatchObject({
      inputUncached: 281,
      cacheRead: 1000,
      cacheWrite5m: 3,
      cacheWrite1h: 0,
      output: 91,
    });
  });

  test("what is not a count is unknown", () => {
    const events = decode(
      sse([
        {
          ...START,
          message: { ...START.message, usage: { input_tokens: -1, output_tokens: "7", cache_read_input_tokens: 1.5 } },
        } as WireEvent,
      ]),
    );
    expect(lastUsage(events)).toEqual(UNKNOWN_USAGE);
  });
});

describe("whole answers", () => {
  const message = {
    id: "msg_1",
    type: "message",
    role: "assistant",
    model: "m",
    content: [
      { type: "thinking", thinking: "hm", signature: "c2ln" },
      { type: "text", text: "hello" },
      { type: "web_search_tool_result", tool_use_id: "s", content: [] },
    ],
    stop_reason: "end_turn",
    stop_sequence: null,
    usage: { input_tokens: 1, output_tokens: 2 },
  };

  test("are read as a stream would be", () => {
    expect(decode(JSON.stringify(message), false)).toEqual([
      { type: "start", id: "msg_1", model: "m" },
      { type: "reasoning-delta", text: "hm" },
      { type: "reasoning-end", signature: "c2ln", issuer: "anthropic-messages" },
      { type: "text-delta", text: "hello" },
      {
        type: "opaque",
        kind: "web_search_tool_result",
        value: { type: "web_search_tool_result", tool_use_id: "s", content: [] },
      },
      { type: "usage", usage: { ...UNKNOWN_USAGE, inputUncached: 1, output: 2 } },
      { type: "finish", reason: "stop" },
      { type: "done" },
    ]);
  });

  test("a tool's input keeps its very text: numbers, key order, spaces", () => {
    const input = '{ "10": 9007199254740993, "9": 1.0, "a\\"}": "\\u00e9" }';
    const text = `{"type":"message","content":[{"type":"text","text":"[{"},{"type":"tool_use","id":"t","name":"f","input":${input}}],"stop_reason":"tool_use"}`;
    expect(decode(text, false)).toContainEqual({ type: "tool-call-delta", index: 0, arguments: input });
  });

  test.each([
    ["nothing", ""],
    ["a page", "<html></html>"],
    ["half a message", JSON.stringify(message).slice(0, 60)],
    ["no message", "{}"],
    ["a message without content", '{"type":"message"}'],
    [
      "bytes that are not UTF-8",
      Buffer.concat([
        Buffer.from('{"type":"message","content":[{"type":"text","text":"'),
        Buffer.from([0xff, 0xfe]),
        Buffer.from('"}]}'),
      ]),
    ],
  ])("%s is an error and not an empty success", (_, body) => {
    const events = decode(body, false);
    expect(events).toHaveLength(1);
    expect(events[0]).toMatchObject({ type: "error", error: { status: 502, ours: true } });
  });

  test("an error in a 200 is the provider's error", () => {
    const events = decode('{"type":"error","error":{"type":"overloaded_error","message":"busy"}}', false);
    expect(events).toEqual([{ type: "error", error: { status: 529, type: "overloaded_error", message: "busy" } }]);
  });
});

describe("error answers", () => {
  test("keep type, message and details", () => {
    const body = {
      type: "error",
      error: { type: "not_found_error", message: "gone", details: { error_code: "thread_not_found" } },
    };
    expect(anthropicMessages.readError(404, Buffer.from(JSON.stringify(body)))).toEqual({
      status: 404,
      type: "not_found_error",
      message: "gone",
      details: { error_code: "thread_not_found" },
    });
  });

  test.each(["", "<html>nginx</html>", "[]", "\u0000"])("that cannot be read say only their status: %j", (body) => {
    const error = anthropicMessages.readError(502, Buffer.from(body));
    expect(error.status).toBe(502);
    expect(error.message).toContain("502");
    expect(error.message).not.toContain("nginx");
  });

  test("never throw, whatever the bytes", () => {
    fc.assert(fc.property(fc.uint8Array(), (bytes) => void anthropicMessages.readError(500, bytes)));
  });
});
