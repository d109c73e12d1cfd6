import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { ChatEvent, JsonObject } from "../src/chat.ts";
import { mistralChat } from "../src/dialects/mistral-chat.ts";
import type { WatchedFrame } from "../src/dialects/dialect.ts";
import { decode } from "./mistral-chat-wire.ts";

function chunk(delta: JsonObject, finish: string | null = null, rest: JsonObject = {}): string {
  const choices = [{ index: 0, delta, finish_reason: finish }];
  return `data: ${JSON.stringify({ id: "9f9d", object: "chat.completion.chunk", created: 7, model: "m", choices, ...rest })}\n\n`;
}
const DONE = "data: [DONE]\n\n";
const START = { type: "start", id: "9f9d", model: "m", createdSeconds: 7 };
const USAGE = { usage: { prompt_tokens: 10, total_tokens: 15, completion_tokens: 5, num_cached_tokens: 4 } };
const thought = (text: string, rest: JsonObject = {}): JsonObject => ({
  content: [{ type: "thinking", thinking: text === "" ? [] : [{ type: "text", text }], ...rest }],
});

const ANSWER = [
  chunk({ role: "assistant", content: "" }),
  chunk(thought("Oh")),
  chunk(thought(" so")),
  chunk(thought("", { signature: "c2ln", closed: true })),
  chunk({
    content: [
      { type: "text", text: "4" },
      { type: "reference", reference_ids: [1] },
    ],
  }),
  chunk({ content: " 🗽" }, null, { p: "abcdefgh" }),
  chunk({ tool_calls: [{ id: "abcdefghi", function: { name: "f", arguments: "{}" }, index: 0 }] }, "tool_calls", USAGE),
  DONE,
];

function watch(text: string, size: number = Number.POSITIVE_INFINITY): WatchedFrame[] {
  const bytes = Buffer.from(text);
  const watcher = mistralChat.watcher();
  const frames: WatchedFrame[] = [];
  const step = Math.min(size, Math.max(1, bytes.length));
  for (let at = 0; at < bytes.length; at += step) frames.push(...watcher.push(bytes.subarray(at, at + step)));
  return [...frames, ...watcher.end()];
}

const eventsOf = (frames: readonly WatchedFrame[]): ChatEvent[] => frames.flatMap((frame) => [...frame.events]);

describe("a stream", () => {
  test("is read with its thoughts, whose seal is Mistral's own", () => {
    expect(decode(ANSWER.join(""), true)).toEqual([
      START,
      { type: "reasoning-delta", text: "Oh" },
      { type: "reasoning-delta", text: " so" },
      { type: "reasoning-end", signature: "c2ln", issuer: "mistral-chat" },
      { type: "text-delta", text: "4" },
      { type: "opaque", kind: "reference", value: { type: "reference", reference_ids: [1] } },
      { type: "text-delta", text: " 🗽" },
      { type: "tool-call-start", index: 0, id: "abcdefghi", name: "f" },
      { type: "tool-call-delta", index: 0, arguments: "{}" },
      { type: "tool-call-end", index: 0 },
      {
        type: "usage",
        usage: {
          inputUncached: 6,
          cacheRead: 4,
          cacheWrite5m: undefined,
          cacheWrite1h: undefined,
          cacheWriteOther: undefined,
          output: 5,
          reasoning: undefined,
        },
      },
      { type: "finish", reason: "tool-calls" },
      { type: "done" },
    ]);
  });

  test("in any chunking says the same, to who reads it and to who watches it", () => {
    const text = ANSWER.join("");
    const [read, watched] = [decode(text, true), eventsOf(watch(text))];
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 400 }), (size) => {
        expect(decode(text, true, size)).toEqual(read);
        const frames = watch(text, size);
        expect(eventsOf(frames)).toEqual(watched);
        expect(Buffer.concat(frames.map((frame) => frame.bytes)).toString()).toBe(text);
      }),
    );
  });

  test("tells a watcher who sealed it, what it used and how it ended, and is never usage alone", () => {
    const frames = watch(ANSWER.join(""));
    expect(frames.map((frame) => frame.events.map((event) => event.type))).toEqual([
      ["start"],
      [],
      [],
      ["reasoning-end"],
      [],
      [],
      ["usage", "finish"],
      ["done"],
    ]);
    expect(frames[3]?.events).toEqual([{ type: "reasoning-end", signature: "c2ln", issuer: "mistral-chat" }]);
    expect(frames.some((frame) => frame.usageOnly)).toBe(false);
  });

  const failures: readonly (readonly [string, string, JsonObject])[] = [
    [
      "its own error",
      `data: {"object":"error","message":"no","type":"x","code":"1300"}\n\n`,
      { message: "no", code: "1300" },
    ],
    ["its own word for a failure", chunk({ content: "" }, "error"), { code: "error", status: 502 }],
    [
      "an error as OpenAI says it, at which its client throws as well",
      `data: {"error":{"message":"no"}}\n\n`,
      { message: "no" },
    ],
  ];
  test.each(failures)("that fails with %s need not be told again", (_what, frame, error) => {
    for (const events of [decode(ANSWER[0] + frame, true), eventsOf(watch(ANSWER[0] + frame))]) {
      const last = events.at(-1);
      expect(last).toMatchObject({ type: "error", error });
      expect(last).not.toHaveProperty("error.foreign");
      expect(last).not.toHaveProperty("error.ours");
    }
  });

  test("that fails with a word of somebody else's, or is cut, is told again", () => {
    expect(decode(ANSWER[0] + chunk({}, "abort"), true).at(-1)).toMatchObject({ error: { foreign: true } });
    expect(eventsOf(watch(ANSWER.slice(0, 3).join(""))).at(-1)).toMatchObject({ type: "error", error: { ours: true } });
  });
});

test("a whole answer is read with its chunks", () => {
  const content = [
    { type: "thinking", thinking: [{ type: "text", text: "8 by 2." }], closed: true },
    { type: "text", text: "16" },
  ];
  const message = { role: "assistant", tool_calls: null, content };
  const answer = { id: "d4", created: 7, model: "m", choices: [{ index: 0, finish_reason: "model_length", message }] };
  expect(decode(JSON.stringify(answer), false)).toEqual([
    { type: "start", id: "d4", model: "m", createdSeconds: 7 },
    { type: "reasoning-delta", text: "8 by 2." },
    { type: "reasoning-end" },
    { type: "text-delta", text: "16" },
    { type: "finish", reason: "context-full" },
    { type: "done" },
  ]);
});

describe("edits on the same lane", () => {
  const own = (content: JsonObject["content"]): JsonObject => ({
    model: "m",
    messages: [
      { role: "user", content: "hi" },
      { role: "assistant", content },
    ],
  });
  const foreign = "sluice:anthropic-messages:signature::c2ln";
  const text = { type: "text", text: "ok" };
  const of = (signature: string, thinking: JsonObject["thinking"]): JsonObject => ({
    type: "thinking",
    thinking,
    signature,
  });

  test("are the model's name, and nothing where that is right: usage is never asked for", () => {
    expect(mistralChat.edits(own([of("own", []), text]), { model: "m", askStreamUsage: true })).toEqual([]);
    expect(mistralChat.edits({ model: "x", stream: true }, { model: "m", askStreamUsage: true })).toEqual([
      { op: "set", path: ["model"], value: "m" },
    ]);
  });

  test("take other providers' seals out, and leave what can be read", () => {
    const path = ["messages", 1, "content"];
    const edits = (content: JsonObject["content"]) =>
      mistralChat.edits(own(content), { model: "m", askStreamUsage: false });
    expect(edits([of(foreign, [text]), of(foreign, []), text])).toEqual([
      { op: "delete", path: [...path, 0, "signature"], loss: "reasoning" },
      { op: "delete", path: [...path, 1], loss: "reasoning" },
    ]);
    expect(edits([of(foreign, [])])).toEqual([{ op: "set", path, value: "", loss: "reasoning" }]);
    expect(edits("sluice:anthropic-messages:signature::c2ln")).toEqual([]);
  });
});
