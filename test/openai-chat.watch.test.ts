import fc from "fast-check";
import { describe, expect, test, vi } from "vitest";
import type { ChatEvent } from "../src/chat.ts";
import type { WatchedFrame } from "../src/dialects/dialect.ts";
import { openaiChat } from "../src/dialects/openai-chat.ts";

function watch(text: string | Uint8Array, size = Number.POSITIVE_INFINITY): WatchedFrame[] {
  const bytes = Buffer.from(text);
  const watcher = openaiChat.watcher();
  const frames: WatchedFrame[] = [];
  const step = Math.min(size, Math.max(1, bytes.length));
  for (let at = 0; at < bytes.length; at += step) frames.push(...watcher.push(bytes.subarray(at, at + step)));
  return [...frames, ...watcher.end()];
}

function eventsOf(frames: readonly WatchedFrame[]): ChatEvent[] {
  return frames.flatMap((frame) => frame.events);
}

function textOf(frame: WatchedFrame | undefined): string {
  return Buffer.from(frame?.bytes ?? []).toString();
}

const HEAD = '"id":"c1","object":"chat.completion.chunk","created":7,"model":"m"';
const chunk = (choice: string, rest = "") => `data: {${HEAD},"choices":[{"index":0,${choice}}]${rest}}\n\n`;
const delta = (content: string, rest = "") =>
  chunk(`"delta":{"content":${JSON.stringify(content)}},"finish_reason":null`, rest);
const ROLE = chunk('"delta":{"role":"assistant","content":""},"finish_reason":null');
const FINISH = chunk('"delta":{},"finish_reason":"stop"');
const USAGE = `data: {${HEAD},"choices":[],"usage":{"prompt_tokens":5,"completion_tokens":2,"total_tokens":7}}\n\n`;
const DONE = "data: [DONE]\n\n";
const ANSWER = [
  ROLE,
  delta("Hel", ',"usage":null'),
  delta('lo "usage": {"finish_reason": "x"} [DONE]'),
  FINISH,
  USAGE,
  DONE,
];

test("frames keep their bytes and tell what the meter needs", () => {
  const frames = watch(ANSWER.join(""));
  expect(frames.map(textOf)).toEqual(ANSWER);
  expect(frames.map((frame) => frame.events.map((event) => event.type))).toEqual([
    ["start"],
    [],
    [],
    ["finish"],
    ["usage"],
    ["done"],
  ]);
  expect(frames.map((frame) => frame.isDelta)).toEqual([false, true, true, false, false, false]);
  expect(frames.map((frame) => frame.usageOnly)).toEqual([false, false, false, false, true, false]);
});

test("in any chunking the frames tell the same, and their bytes joined are what came", () => {
  const expected = eventsOf(watch(ANSWER.join("")));
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 300 }), (size) => {
      const frames = watch(ANSWER.join(""), size);
      expect(Buffer.concat(frames.map((frame) => frame.bytes)).toString()).toBe(ANSWER.join(""));
      expect(eventsOf(frames)).toEqual(expected);
    }),
  );
});

test("any bytes pass as they are, and end with `done` or `error`", () => {
  const piece = fc.oneof(
    fc.constantFrom(...ANSWER),
    fc.json().map((json) => `data: ${json}\n\n`),
    fc.string(),
  );
  fc.assert(
    fc.property(fc.array(piece, { maxLength: 10 }), fc.uint8Array({ maxLength: 20 }), (pieces, tail) => {
      const bytes = Buffer.concat([Buffer.from(pieces.join("")), tail]);
      const frames = watch(bytes);
      expect(Buffer.concat(frames.map((frame) => frame.bytes)).equals(bytes)).toBe(true);
      expect(["done", "error"]).toContain(eventsOf(frames).at(-1)?.type);
    }),
    { numRuns: 300 },
  );
});

test("text is not parsed", () => {
  const parse = vi.spyOn(JSON, "parse");
  try {
    const many = Array.from({ length: 500 }, (_, at) =>
      delta(`word ${at} "usage" 'error' null `, at % 2 === 0 ? ',"usage":null' : ', "usage" : null'),
    );
    const tools = chunk(
      '"delta":{"tool_calls":[{"index":0,"function":{"arguments":"{\\"usage\\": 1, \\"error\\": \\"x\\"}"}}]},"finish_reason":null',
    );
    const frames = watch([ROLE, ...many, tools, FINISH, USAGE, DONE].join(""));
    expect(frames.filter((frame) => frame.isDelta)).toHaveLength(501);
    expect(eventsOf(frames).at(-1)).toEqual({ type: "done" });
    expect(parse.mock.calls.length).toBeLessThanOrEqual(4);
  } finally {
    parse.mockRestore();
  }
});

describe("what is told", () => {
  test.each([
    [
      "with spaces in its JSON",
      'data: {"id": "c1", "choices": [{"index": 0, "delta": {}, "finish_reason" : "length"}], "usage" : {"prompt_tokens": 5, "completion_tokens": 1}}\n\n',
    ],
    [
      "beside the finish",
      chunk('"delta":{},"finish_reason":"length"', ',"usage":{"prompt_tokens":5,"completion_tokens":1}'),
    ],
    [
      "in Groq's corner, after a null",
      chunk(
        '"delta":{},"finish_reason":"length"',
        ',"usage":null,"x_groq":{"usage":{"prompt_tokens":5,"completion_tokens":1}}',
      ),
    ],
  ])("is the usage %s", (_what, last) => {
    const events = eventsOf(watch(ROLE + delta("a") + last + DONE));
    expect(events.map((event) => event.type)).toEqual(["start", "usage", "finish", "done"]);
    expect(events[1]).toMatchObject({ usage: { inputUncached: 5, output: 1, cacheRead: undefined } });
  });

  test("is usage that comes with every chunk, without hiding the chunk", () => {
    const frames = watch(ROLE + delta("a", ',"usage":{"prompt_tokens":5,"completion_tokens":1}') + FINISH + DONE);
    expect(frames[1]).toMatchObject({ usageOnly: false, isDelta: true });
    expect(frames[1]?.events.map((event) => event.type)).toEqual(["usage"]);
  });

  test("is that it stopped for calls, also where the server calls it a plain stop", () => {
    const call = chunk(
      '"delta":{"tool_calls":[{"index":0,"id":"a","function":{"name":"f","arguments":"{}"}}]},"finish_reason":null',
    );
    expect(eventsOf(watch(ROLE + call + FINISH + DONE))).toContainEqual({ type: "finish", reason: "tool-calls" });
    const none = chunk('"delta":{"content":"a","tool_calls":null,"function_call":null},"finish_reason":null');
    expect(eventsOf(watch(ROLE + none + FINISH + DONE))).toContainEqual({ type: "finish", reason: "stop" });
  });

  test("are the seals of reasoning", () => {
    const sealed = chunk(
      '"delta":{"reasoning_details":[{"type":"reasoning.text","signature":"c2ln"},{"type":"reasoning.encrypted","data":"ZW5j"}]},"finish_reason":null',
    );
    const events = eventsOf(watch(ROLE + sealed + FINISH + DONE));
    expect(events).toContainEqual({ type: "reasoning-end", signature: "c2ln" });
    expect(events).toContainEqual({ type: "reasoning-redacted", data: "ZW5j" });
  });

  test("is not what a first chunk about the prompt holds", () => {
    const azure = 'data: {"id":"","model":"","choices":[],"prompt_filter_results":[]}\n\n';
    const frames = watch(azure + ROLE + FINISH + DONE);
    expect(frames[0]).toMatchObject({ events: [], usageOnly: false });
    expect(eventsOf(frames)[0]).toEqual({ type: "start", id: "c1", model: "m", createdSeconds: 7 });
  });
});

describe("a failure", () => {
  test.each([
    ["a cut without a finish", ROLE + delta("half")],
    ["the terminal mark without a finish", ROLE + delta("half") + DONE],
    ["an event that is cut", `${ROLE}data: {${HEAD},"choices":[{"index":0,"delta":{"content":"ha\n\n${FINISH}${DONE}`],
    [
      "an event that is cut behind a brace",
      `${ROLE}data: {${HEAD},"choices":[{"index":0,"delta":{"content":"ha"}\n\n${FINISH}${DONE}`,
    ],
    ["an event that is not JSON", `${ROLE}data: oops\n\n${FINISH}${DONE}`],
    ["nothing", ""],
    ["a page", "<html></html>"],
  ])("is %s, which is ours", (_what, text) => {
    const last = eventsOf(watch(text)).at(-1);
    expect(last).toMatchObject({ type: "error", error: { ours: true, status: 502 } });
  });

  test("is the provider's own error event, in its own words and bytes", () => {
    const said = 'data: {"error":{"message":"overloaded","code":"server_is_overloaded"}}\n\n';
    const frames = watch(ROLE + delta("half") + said + FINISH + DONE);
    const broken = frames.find((frame) => frame.events.some((event) => event.type === "error"));
    expect(textOf(broken)).toBe(said);
    expect(broken?.events).toEqual([
      { type: "error", error: { status: 503, message: "overloaded", code: "server_is_overloaded" } },
    ]);
    expect(eventsOf(frames).map((event) => event.type)).toEqual(["start", "error"]);
  });

  test("is a finish that says the server gave up", () => {
    const gaveUp = chunk('"delta":{},"finish_reason":"error"');
    expect(eventsOf(watch(ROLE + delta("half") + gaveUp + DONE)).at(-1)).toMatchObject({
      type: "error",
      error: { code: "error" },
    });
  });

  test("is not a missing terminal mark after the finish, nor what follows the mark", () => {
    expect(eventsOf(watch(ROLE + FINISH)).at(-1)).toEqual({ type: "done" });
    expect(eventsOf(watch(`${ANSWER.join("")}garbage\n\ndata: {"error":{}}\n\n`)).at(-1)).toEqual({ type: "done" });
  });
});
