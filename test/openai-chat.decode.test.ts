import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { JsonObject } from "../src/chat.ts";
import { calls, chunk, decode, DONE, error, finish, START, types, whole } from "./openai-chat-wire.ts";

describe("a stream", () => {
  const text =
    chunk({ role: "assistant", content: "" }) +
    chunk({ reasoning_content: "hm" }) +
    chunk({ content: "Grüße 🗽" }) +
    chunk({ tool_calls: [{ index: 0, id: "call_a", type: "function", function: { name: "f", arguments: "" } }] }) +
    chunk({ tool_calls: [{ index: 0, function: { arguments: '{"n":9007199254740993' } }] }) +
    chunk({ tool_calls: [{ index: 0, function: { arguments: ',"b":1.0}' } }] }) +
    finish("tool_calls") +
    `data: ${JSON.stringify({ id: "c1", choices: [], usage: { prompt_tokens: 100, completion_tokens: 9, prompt_tokens_details: { cached_tokens: 64 } } })}\n\n` +
    DONE;
  const events = decode(text);

  test("is read into events in their order", () => {
    expect(events).toEqual([
      START,
      { type: "reasoning-delta", text: "hm" },
      { type: "reasoning-end" },
      { type: "text-delta", text: "Grüße 🗽" },
      { type: "tool-call-start", index: 0, id: "call_a", name: "f" },
      { type: "tool-call-delta", index: 0, arguments: '{"n":9007199254740993' },
      { type: "tool-call-delta", index: 0, arguments: ',"b":1.0}' },
      { type: "tool-call-end", index: 0 },
      { type: "finish", reason: "tool-calls" },
      {
        type: "usage",
        usage: {
          inputUncached: 36,
          cacheRead: 64,
          cacheWrite5m: undefined,
          cacheWrite1h: undefined,
          cacheWriteOther: undefined,
          output: 9,
          reasoning: undefined,
        },
      },
      { type: "done" },
    ]);
  });

  test("gives the same events in any chunking", () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 1, max: 40 }), { maxLength: 80 }), (sizes) => {
        expect(decode(text, true, sizes)).toEqual(events);
      }),
    );
    expect(
      decode(
        text,
        true,
        Array.from({ length: Buffer.byteLength(text) }, () => 1),
      ),
    ).toEqual(events);
  });

  test.each([
    ["CRLF", text.replaceAll("\n", "\r\n")],
    ["CR only", text.replaceAll("\n", "\r")],
    ["comments between events", text.replaceAll("\n\n", "\n\n: keep-alive\n\n")],
    ["a byte-order mark", `\uFEFF${text}`],
    ["no blank line at its end", text.slice(0, -2)],
    ["no terminal mark", text.slice(0, -DONE.length)],
    ["bytes after the terminal mark", `${text}data: {"choices":[{"delta":{"content":"more"}}]}\n\ngarbage`],
    ["an event of a kind that nobody knows", text.replace("\n\n", '\n\nevent: news\ndata: {"x":1}\n\n')],
    ["no space after the colon", text.replaceAll("data: ", "data:")],
  ])("with %s is the same answer", (_what, variant) => {
    expect(decode(variant)).toEqual(events);
  });

  test("of any bytes at all throws nothing, and ends with `done` or `error`, once", () => {
    const piece = fc.oneof(
      fc.constantFrom(...text.split(/(?<=\n\n)/)),
      fc.string().map((said) => `data: ${said}\n\n`),
      fc.json().map((json) => `data: ${json}\n\n`),
      fc.json().map((json) => `data: {"choices":[{"delta":${json},"finish_reason":null}]}\n\n`),
      fc
        .json()
        .map((json) => `data: {"choices":[{"delta":{"tool_calls":${json},"content":${json}}}],"usage":${json}}\n\n`),
      fc.string(),
    );
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 12 }), fc.uint8Array({ maxLength: 20 }), (pieces, bytes) => {
        const read = decode(Buffer.concat([Buffer.from(pieces.join("")), bytes]));
        expect(["done", "error"]).toContain(read.at(-1)?.type);
        expect(read.filter((event) => event.type === "done" || event.type === "error")).toHaveLength(1);
        calls(read);
      }),
      { numRuns: 300 },
    );
  });

  test.each([
    [
      "ends without saying why it stopped",
      text.slice(
        0,
        text.indexOf(
          '{"id":"c1","object":"chat.completion.chunk","created":7,"model":"m","choices":[{"index":0,"delta":{},',
        ),
      ),
    ],
    ["has the terminal mark without saying why it stopped", chunk({ content: "half" }) + DONE],
    ["is empty", ""],
    ["is a page", "<html>502</html>"],
    ["has an event that is not JSON", `${chunk({ content: "a" })}data: {"id":"c1","choi\n\n${finish("stop")}${DONE}`],
    ["is cut in its last event", text.slice(0, 300)],
  ])("that %s is an error of ours", (_what, broken) => {
    expect(error(decode(broken))).toMatchObject({ ours: true, status: 502 });
  });

  test.each([
    [
      "{error: {…}}",
      `data: {"error":{"message":"no","type":"server_error","code":"boom","param":"x"}}\n\n`,
      { status: 500, message: "no", type: "server_error", code: "boom", param: "x" },
    ],
    [
      "{error} with a status as its code",
      `data: {"error":{"message":"no","type":"BadRequestError","code":400}}\n\n`,
      { status: 400, message: "no", type: "BadRequestError" },
    ],
    ["{error: text}", `data: {"error":"out of memory"}\n\n`, { status: 500, message: "out of memory" }],
    [
      "{object: error}",
      `data: {"object":"error","message":"no","type":"rate_limit_error","code":"1300"}\n\n`,
      { status: 429, message: "no", type: "rate_limit_error", code: "1300", foreign: true },
    ],
    ["an error event", `event: error\ndata: {"message":"no"}\n\n`, { status: 500, message: "no", foreign: true }],
    [
      "an overload",
      `data: {"error":{"message":"busy","code":"server_is_overloaded"}}\n\n`,
      { status: 503, message: "busy", code: "server_is_overloaded" },
    ],
  ])("that says %s fails with the provider's words", (_what, frame, expected) => {
    expect(error(decode(chunk({ content: "a" }) + frame + finish("stop") + DONE))).toEqual(expected);
  });

  test("with a null error beside its choices goes on", () => {
    expect(types(decode(chunk({ content: "a" }, { error: null }) + finish("stop") + DONE))).toEqual([
      "start",
      "text-delta",
      "finish",
      "done",
    ]);
  });

  test("does not begin with a chunk that holds no answer", () => {
    const azure = `data: {"id":"","model":"","created":0,"choices":[],"prompt_filter_results":[]}\n\n`;
    expect(decode(azure + chunk({ content: "a" }) + finish("stop") + DONE)[0]).toEqual(START);
  });

  test("keeps other choices out of the answer, and does not hide them", () => {
    const other = (delta: JsonObject, word: string | null) => chunk(delta, {}, { index: 1, finish_reason: word });
    const read = decode(
      chunk({ content: "a" }) + other({ content: "b" }, null) + other({}, "length") + finish("stop") + DONE,
    );
    expect(read.filter((event) => event.type === "text-delta")).toEqual([{ type: "text-delta", text: "a" }]);
    expect(read.filter((event) => event.type === "finish")).toEqual([{ type: "finish", reason: "stop" }]);
    expect(read.filter((event) => event.type === "opaque").map((event) => event.kind)).toEqual(["choice", "choice"]);
  });

  test("says log probabilities, citations and sound as what only this dialect knows", () => {
    const read = decode(
      chunk(
        { content: "a", annotations: [{ type: "url_citation" }], audio: { id: "x" } },
        {},
        { logprobs: { content: [] } },
      ) +
        finish("stop") +
        DONE,
    );
    expect(read.filter((event) => event.type === "opaque").map((event) => event.kind)).toEqual([
      "annotations",
      "audio",
      "logprobs",
    ]);
  });
});

describe("the finish", () => {
  test.each([
    ["stop", { reason: "stop" }],
    ["length", { reason: "length" }],
    ["model_length", { reason: "context-full" }],
    ["content_filter", { reason: "content-filter" }],
    ["eos_token", { reason: "stop" }],
    ["something_new", { reason: "other", details: { finish_reason: "something_new" } }],
  ])("%s is read", (word, expected) => {
    expect(decode(chunk({ content: "a" }) + finish(word) + DONE)).toContainEqual({ type: "finish", ...expected });
    expect(decode(whole({ content: "a" }, word), false)).toContainEqual({ type: "finish", ...expected });
  });

  test("says the sequence where the server does, and not its token numbers", () => {
    expect(decode(finish("stop", {}, { stop_reason: "END" }) + DONE)).toContainEqual({
      type: "finish",
      reason: "stop-sequence",
      stopSequence: "END",
    });
    expect(decode(finish("stop", {}, { stop_reason: 128009 }) + DONE)).toContainEqual({
      type: "finish",
      reason: "stop",
    });
  });

  test.each(["error", "abort", "insufficient_system_resource"])("%s is a failure, streamed or whole", (word) => {
    expect(error(decode(chunk({ content: "half" }) + finish(word) + DONE))).toMatchObject({ status: 502, code: word });
    expect(error(decode(whole({ content: "half" }, word), false))).toMatchObject({ status: 502, code: word });
  });

  test("is said once, whatever follows", () => {
    expect(types(decode(finish("stop") + finish("stop") + chunk({}, {}, { finish_reason: "" }) + DONE))).toEqual([
      "start",
      "finish",
      "done",
    ]);
  });
});

describe("a whole answer", () => {
  test("is read into events", () => {
    expect(decode(whole({ role: "assistant", content: "hi", refusal: null }), false)).toEqual([
      { type: "start", id: "c1", model: "m" },
      { type: "text-delta", text: "hi" },
      { type: "finish", reason: "stop" },
      { type: "done" },
    ]);
  });

  test("that refuses says so", () => {
    expect(decode(whole({ content: null, refusal: "no" }), false)).toContainEqual({
      type: "refusal-delta",
      text: "no",
    });
  });

  test("that was filtered has a finish and no message", () => {
    expect(
      decode(JSON.stringify({ id: "c1", choices: [{ index: 0, finish_reason: "content_filter" }] }), false),
    ).toContainEqual({ type: "finish", reason: "content-filter" });
  });

  test("without a finish is one that stopped", () => {
    expect(decode(whole({ content: "hi" }, null), false)).toContainEqual({ type: "finish", reason: "stop" });
  });

  test.each([
    ["empty", ""],
    ["a page", "<html></html>"],
    ["cut", whole({ content: "a long text" }).slice(0, 40)],
    ["an array", "[]"],
    ["without choices", '{"id":"c1"}'],
    ["with no choice in them", '{"id":"c1","choices":[]}'],
    ["with a choice that says nothing", '{"choices":[{}]}'],
  ])("that is %s is an error of ours", (_what, text) => {
    expect(error(decode(text, false))).toMatchObject({ status: 502, ours: true });
  });

  test("whose bytes are not UTF-8 is an error of ours", () => {
    const bytes = Buffer.concat([
      Buffer.from('{"choices":[{"message":{"content":"'),
      Buffer.from([0xff, 0xfe]),
      Buffer.from('"}}]}'),
    ]);
    expect(error(decode(bytes, false))).toMatchObject({ ours: true });
  });

  test("that is an error says the provider's words", () => {
    expect(
      error(decode('{"error":{"message":"filtered","code":"content_filter","param":"prompt","status":400}}', false)),
    ).toEqual({
      status: 400,
      message: "filtered",
      code: "content_filter",
      param: "prompt",
    });
  });

  test("of any JSON at all throws nothing", () => {
    fc.assert(
      fc.property(fc.json(), fc.json(), (one, other) => {
        for (const text of [
          one,
          `{"choices":[{"message":${one},"finish_reason":${other}}],"usage":${other},"error":${one}}`,
        ]) {
          expect(["done", "error"]).toContain(decode(text, false).at(-1)?.type);
        }
      }),
    );
  });
});
