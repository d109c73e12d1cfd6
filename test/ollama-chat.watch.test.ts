import fc from "fast-check";
import { describe, expect, test, vi } from "vitest";
import type { ChatEvent } from "../src/chat.ts";
import type { WatchedFrame } from "../src/dialects/dialect.ts";
import { ollamaChat, ollamaGenerate } from "../src/dialects/ollama-chat.ts";
import { call, CREATED, last, line, START } from "./ollama-chat-wire.ts";

function watch(text: string | Uint8Array, size = Number.POSITIVE_INFINITY, dialect = ollamaChat): WatchedFrame[] {
  const bytes = Buffer.from(text);
  const watcher = dialect.watcher();
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

const FIRST = line({ content: "Hel" });
const ANSWER = [
  FIRST,
  line({ content: 'lo "done":true {"error":"x"} "tool_calls":' }),
  line({ thinking: "hm" }),
  last(),
];

test("frames keep their bytes and tell what the meter needs", () => {
  const frames = watch(ANSWER.join(""));
  expect(frames.map(textOf)).toEqual(ANSWER);
  expect(frames.map((frame) => frame.events.map((event) => event.type))).toEqual([
    ["start"],
    [],
    [],
    ["usage", "finish", "done"],
  ]);
  expect(frames.map((frame) => frame.isDelta)).toEqual([true, true, true, false]);
  expect(frames.some((frame) => frame.usageOnly)).toBe(false);
  expect(eventsOf(frames)[0]).toEqual(START);
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
    fc.json().map((json) => `${json}\n`),
    fc.json().map((json) => `{"message":{"content":${json}},"done":false}\n`),
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
    const many = Array.from({ length: 500 }, (_, at) => line({ content: `word ${at} "done":true "error" ` }));
    const spaced = '{"model": "m", "message": {"role": "assistant", "content": "a"}, "done" : false }\n';
    const frames = watch([FIRST, ...many, spaced, last()].join(""));
    expect(frames.filter((frame) => frame.isDelta)).toHaveLength(502);
    expect(eventsOf(frames).at(-1)).toEqual({ type: "done" });
    // The first, the last, and the one that no server writes.
    expect(parse.mock.calls.length).toBeLessThanOrEqual(3);
  } finally {
    parse.mockRestore();
  }
});

describe("what is told", () => {
  test("is that it stopped for calls, which the server calls a plain stop", () => {
    const calls = line({ tool_calls: [call("f", { done: true, error: "x" }, "a")] });
    const frames = watch(FIRST + calls + last());
    expect(eventsOf(frames)).toContainEqual({ type: "finish", reason: "tool-calls" });
    expect(frames[1]).toMatchObject({ isDelta: true, events: [] });
    const plain = line({ tool_calls: [call("f", { a: 1 }, "a")] });
    expect(eventsOf(watch(FIRST + plain + last()))).toContainEqual({ type: "finish", reason: "tool-calls" });
    expect(eventsOf(watch(FIRST + line({ content: "a", tool_calls: [] }) + last()))).toContainEqual({
      type: "finish",
      reason: "stop",
    });
  });

  test("is the output of a last line that has some", () => {
    expect(watch(FIRST + last({}, { content: "end" }))[1]).toMatchObject({ isDelta: true });
  });

  test("is that a model was loaded, in an answer that was never a stream", () => {
    const load = `{"model":"m","created_at":"${CREATED}","message":{"role":"assistant","content":""},"done":true,"done_reason":"load"}`;
    const events = eventsOf(watch(load));
    expect(events.map((event) => event.type)).toEqual(["start", "usage", "finish", "done"]);
    expect(events).toContainEqual({ type: "finish", reason: "other", details: { done_reason: "load" } });
  });

  test("is nothing of lines that nobody knows, or that are blank", () => {
    const frames = watch(`\n{"status":"queued"}\n\r\n${ANSWER.join("")}`);
    expect(frames.slice(0, 3).map((frame) => [frame.events.length, frame.isDelta])).toEqual([
      [0, false],
      [0, false],
      [0, false],
    ]);
    expect(eventsOf(frames)[0]).toEqual(START);
  });

  test("is the same of the other end of the API", () => {
    const said = (text: string) => `{"model":"m","created_at":"${CREATED}","response":"${text}","done":false}\n`;
    const end = `{"model":"m","created_at":"${CREATED}","response":"","done":true,"done_reason":"length","context":[1,2],"prompt_eval_count":5,"eval_count":2}\n`;
    const frames = watch(said("a") + said("b") + end, 7, ollamaGenerate);
    expect(frames.filter((frame) => frame.isDelta)).toHaveLength(2);
    expect(eventsOf(frames)).toMatchObject([
      { type: "start", model: "m" },
      { type: "usage", usage: { inputUncached: 5, output: 2 } },
      { type: "finish", reason: "length" },
      { type: "done" },
    ]);
  });
});

describe("a failure", () => {
  test.each([
    ["a cut without a last line", FIRST + line({ content: "half" })],
    ["a line that is cut", `${FIRST}{"model":"m","message":{"role":"assistant","content":"ha\n${last()}`],
    [
      "a line that is cut behind a brace",
      `${FIRST}{"model":"m","message":{"role":"assistant","content":"ha"}\n${last()}`,
    ],
    ["a line that is not JSON", `${FIRST}oops\n${last()}`],
    ["a line whose beginning is gone", `${FIRST}ontent":"ha"},"done":false}\n${last()}`],
    ["nothing", ""],
    ["a page", "<html></html>"],
  ])("is %s, which is ours", (_what, text) => {
    expect(eventsOf(watch(text)).at(-1)).toMatchObject({ type: "error", error: { ours: true, status: 502 } });
  });

  test("is the provider's own error line, in its own words and bytes", () => {
    const said = '{"error":"an error was encountered while running the model: unexpected EOF"}\n';
    const frames = watch(FIRST + line({ content: "half" }) + said + last());
    const broken = frames.find((frame) => frame.events.some((event) => event.type === "error"));
    expect(textOf(broken)).toBe(said);
    expect(broken?.events).toEqual([
      {
        type: "error",
        error: { status: 500, message: "an error was encountered while running the model: unexpected EOF" },
      },
    ]);
    expect(eventsOf(frames).map((event) => event.type)).toEqual(["start", "error"]);
  });

  test("is an error line that also says it is not done", () => {
    const said = '{"error":"no","done":false}\n';
    expect(eventsOf(watch(FIRST + said + last())).at(-1)).toMatchObject({ type: "error", error: { message: "no" } });
  });

  test("is an error that only clients of other APIs can read, to be said again", () => {
    const events = eventsOf(watch(`${FIRST}{"error":{"message":"no"}}\n`));
    expect(events.at(-1)).toMatchObject({ type: "error", error: { message: "no", foreign: true } });
  });

  test("is not what follows the last line", () => {
    expect(eventsOf(watch(`${ANSWER.join("")}garbage\n{"error":"late"}\n`)).at(-1)).toEqual({ type: "done" });
  });

  test("is a line that never ends", () => {
    const watcher = ollamaChat.watcher();
    const chunk = Buffer.alloc(16 * 1024 * 1024, "a");
    watcher.push(chunk);
    watcher.push(chunk);
    expect(() => watcher.push(chunk)).toThrow(RangeError);
  });
});
