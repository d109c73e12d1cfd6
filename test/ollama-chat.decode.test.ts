import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { ChatEvent, JsonObject } from "../src/chat.ts";
import { call, COUNTS, CREATED, decode, error, last, line, START, types, whole } from "./ollama-chat-wire.ts";

const USAGE = {
  inputUncached: 792,
  cacheRead: undefined,
  cacheWrite5m: undefined,
  cacheWrite1h: undefined,
  cacheWriteOther: undefined,
  output: 478,
  reasoning: undefined,
};

/** The number and the key order would not survive a parser. */
const ARGUMENTS = '{"n":9007199254740993, "10":1.0,"2":{"done":true}}';
const CALL_LINE = line({ tool_calls: [call("f", { n: 0 }, "call_2k7ryu9k")] }).replace('{"n":0}', ARGUMENTS);
const STREAM = line({ thinking: "h" }) + line({ thinking: "m" }) + line({ content: "Grüße 🗽\n" }) + CALL_LINE + last();

describe("a stream", () => {
  const events = decode(STREAM);

  test("is read into events in their order", () => {
    expect(events).toEqual([
      START,
      { type: "reasoning-delta", text: "h" },
      { type: "reasoning-delta", text: "m" },
      { type: "reasoning-end" },
      { type: "text-delta", text: "Grüße 🗽\n" },
      { type: "tool-call-start", index: 0, id: "call_2k7ryu9k", name: "f" },
      { type: "tool-call-delta", index: 0, arguments: ARGUMENTS },
      { type: "tool-call-end", index: 0 },
      { type: "usage", usage: USAGE },
      { type: "finish", reason: "tool-calls" },
      { type: "done" },
    ]);
  });

  test("gives the same events in any chunking", () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 1, max: 60 }), { maxLength: 80 }), (sizes) => {
        expect(decode(STREAM, true, sizes)).toEqual(events);
      }),
    );
    expect(
      decode(
        STREAM,
        true,
        Array.from({ length: Buffer.byteLength(STREAM) }, () => 1),
      ),
    ).toEqual(events);
  });

  test.each([
    ["CRLF", STREAM.replaceAll("\n", "\r\n")],
    ["CR only", STREAM.replaceAll("\n", "\r")],
    ["blank lines", STREAM.replaceAll("\n", "\n\n \n")],
    ["a byte-order mark", `\uFEFF${STREAM}`],
    ["no end of its last line", STREAM.trimEnd()],
    ["bytes after its end", `${STREAM}${line({ content: "more" })}garbage\n{"error":"late"}\n`],
    ["lines of a kind that nobody knows", `{"status":"queued","position":3}\n${STREAM.replace("\n", '\n{"x":1}\n')}`],
    ["spaces in its JSON", STREAM.replaceAll('","', '" , "').replaceAll('"done":false', '"done" : false ')],
  ])("with %s is the same answer", (_what, variant) => {
    expect(decode(variant)).toEqual(events);
  });

  test("of any bytes at all throws nothing, and ends with `done` or `error`, once", () => {
    const piece = fc.oneof(
      fc.constantFrom(...STREAM.split(/(?<=\n)/)),
      fc.json().map((json) => `${json}\n`),
      fc.json().map((json) => `{"message":${json},"done":${json}}\n`),
      fc.json().map((json) => `{"message":{"content":${json},"tool_calls":${json},"thinking":${json}}}\n`),
      fc.json().map((json) => `{"message":{"tool_calls":[{"function":{"name":"f","arguments":${json}}}]}}\n`),
      fc.json().map((json) => `{"done":true,"done_reason":${json},"eval_count":${json},"error":${json}}\n`),
      fc.string(),
    );
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 12 }), fc.uint8Array({ maxLength: 20 }), (pieces, bytes) => {
        const read = decode(Buffer.concat([Buffer.from(pieces.join("")), bytes]));
        expect(["done", "error"]).toContain(read.at(-1)?.type);
        expect(read.filter((event) => event.type === "done" || event.type === "error")).toHaveLength(1);
      }),
      { numRuns: 300 },
    );
  });

  test.each([
    ["ends without its last line", STREAM.slice(0, STREAM.lastIndexOf("{", STREAM.length - 500))],
    ["is empty", ""],
    ["is a page", "<html>502</html>"],
    ["has a line that is not JSON", `${line({ content: "a" })}{"model":"m","mess\n${last()}`],
    ["is cut in its last line", STREAM.slice(0, -30)],
    ["is cut behind a whole line", line({ content: "half" })],
    ["holds arrays", "[]\n"],
  ])("that %s is an error of ours", (_what, broken) => {
    expect(error(decode(broken))).toMatchObject({ ours: true, status: 502 });
  });

  test("whose bytes are not UTF-8 is an error of ours, not an answer with other letters in it", () => {
    const [before, after] = line({ content: "XX" }).split("XX");
    const bytes = Buffer.concat([
      Buffer.from(before ?? ""),
      Buffer.from([0xff, 0xfe]),
      Buffer.from((after ?? "") + last()),
    ]);
    expect(error(decode(bytes))).toMatchObject({ ours: true, status: 502 });
  });

  test.each([
    ["in words", `{"error":"out of memory"}\n`, { status: 500, message: "out of memory" }],
    [
      "that it is busy",
      `{"error":"server busy, please try again.  maximum pending requests exceeded"}\n`,
      { status: 503, message: "server busy, please try again.  maximum pending requests exceeded" },
    ],
    ["with a status", `{"error":"no","status":429}\n`, { status: 429, message: "no" }],
    [
      "as its engine told it",
      `${JSON.stringify({ error: JSON.stringify({ error: { code: 400, message: "request (9 tokens) exceeds the available context size (5 tokens)", type: "exceed_context_size_error", n_ctx: 5 } }) })}\n`,
      {
        status: 400,
        message: "request (9 tokens) exceeds the available context size (5 tokens)",
        type: "exceed_context_size_error",
        code: "context_length_exceeded",
      },
    ],
    [
      "as servers of other APIs do, which this one's clients cannot read",
      `{"error":{"message":"no","type":"server_error"}}\n`,
      { status: 500, message: "no", type: "server_error", foreign: true },
    ],
  ])("that says its failure %s fails with the provider's words", (_what, told, expected) => {
    expect(error(decode(line({ content: "a" }) + told + last()))).toEqual(expected);
  });

  test("with a null or empty error beside its text goes on", () => {
    const read = decode(line({ content: "a" }, { error: null }) + line({ content: "b" }, { error: "" }) + last());
    expect(types(read)).toEqual(["start", "text-delta", "text-delta", "usage", "finish", "done"]);
  });

  test("that says its last words in its last line is read to the end", () => {
    expect(decode(line({ content: "a" }) + last({}, { content: "b" }))).toContainEqual({
      type: "text-delta",
      text: "b",
    });
  });

  test("whose last line has no message, as older servers send it, is complete", () => {
    const old = `${JSON.stringify({ model: "m", created_at: CREATED, done: true, eval_count: 3 })}\n`;
    expect(types(decode(line({ content: "a" }) + old))).toEqual(["start", "text-delta", "usage", "finish", "done"]);
  });

  test("says log probabilities as what only this dialect knows", () => {
    const read = decode(line({ content: "a" }, { logprobs: [{ token: "a", logprob: -1 }] }) + last());
    expect(read.find((event) => event.type === "opaque")).toMatchObject({ kind: "logprobs" });
  });
});

describe("thought", () => {
  test.each([
    ["text", line({ content: "a" }), "text-delta"],
    ["a call", line({ tool_calls: [call("f", {})] }), "tool-call-start"],
    ["the end", last(), "usage"],
  ])("ends before %s", (_what, next, type) => {
    const read = types(decode(line({ thinking: "hm" }) + next + last()));
    expect(read.slice(1, 4)).toEqual(["reasoning-delta", "reasoning-end", type]);
    expect(read.filter((one) => one === "reasoning-end")).toHaveLength(1);
  });

  test("beside text in one line comes before it", () => {
    expect(types(decode(line({ content: "a", thinking: "hm" }) + last())).slice(1, 4)).toEqual([
      "reasoning-delta",
      "reasoning-end",
      "text-delta",
    ]);
  });
});

describe("calls", () => {
  const begun = (events: readonly ChatEvent[]) => events.filter((event) => event.type === "tool-call-start");

  test("without ids get one each, the same for the same bytes and another for another answer", () => {
    const text = line({ tool_calls: [call("f", {}), call("f", {})] }) + line({ tool_calls: [call("g", {})] }) + last();
    const ids = begun(decode(text)).map((event) => event.id);
    expect(new Set(ids).size).toBe(3);
    for (const id of ids) expect(id).toMatch(/^call_[0-9a-f]{24}$/);
    expect(begun(decode(text)).map((event) => event.id)).toEqual(ids);
    const later = begun(decode(text.replaceAll(CREATED, CREATED.replace("882Z", "883Z"))));
    expect(later.map((event) => event.id).filter((id) => ids.includes(id))).toEqual([]);
  });

  test("are numbered through the answer", () => {
    const text = line({ tool_calls: [call("f", {}, "a"), call("g", {}, "b")] }) + line({ tool_calls: [call("h", {})] });
    expect(begun(decode(text + last())).map((event) => [event.index, event.name])).toEqual([
      [0, "f"],
      [1, "g"],
      [2, "h"],
    ]);
  });

  test.each([
    ["an object", '{"a": 1}', '{"a": 1}'],
    ["text, as servers that stand before it send it", '"{\\"a\\":1}"', '{"a":1}'],
    ["null", "null", "{}"],
    ["a number", "7", "{}"],
  ])("have their arguments as text where they are %s", (_what, wire, text) => {
    const said = line({ tool_calls: [call("f", { x: 0 }, "a")] }).replace('{"x":0}', wire);
    expect(decode(said + last())).toContainEqual({ type: "tool-call-delta", index: 0, arguments: text });
  });

  test("of which nothing can be read are left out", () => {
    const said = line({ tool_calls: [null, 7, {}, { function: {} }, call("f", {}, "a")] });
    expect(begun(decode(said + last()))).toEqual([{ type: "tool-call-start", index: 0, id: "a", name: "f" }]);
  });

  test("more than an answer may hold are left out", () => {
    const many = Array.from({ length: 1_005 }, () => call("f", {}));
    expect(begun(decode(line({ tool_calls: many }) + last()))).toHaveLength(1_000);
  });
});

describe("the finish", () => {
  test.each([
    ["stop", { reason: "stop" }],
    ["length", { reason: "length" }],
    ["load", { reason: "other", details: { done_reason: "load" } }],
    ["unload", { reason: "other", details: { done_reason: "unload" } }],
    ["repeat", { reason: "other", details: { done_reason: "repeat" } }],
    ["", { reason: "other", details: { done_reason: "" } }],
  ])("%j is read", (word, expected) => {
    expect(decode(last({ done_reason: word }))).toContainEqual({ type: "finish", ...expected });
    expect(decode(whole({}, { done_reason: word }), false)).toContainEqual({ type: "finish", ...expected });
  });

  test("without a reason is a plain stop", () => {
    expect(decode(last({ done_reason: null }))).toContainEqual({ type: "finish", reason: "stop" });
  });

  test("is for calls where there were some, and for the cap where that was reached all the same", () => {
    const said = line({ tool_calls: [call("f", {}, "a")] });
    expect(decode(said + last())).toContainEqual({ type: "finish", reason: "tool-calls" });
    expect(decode(said + last({ done_reason: "length" }))).toContainEqual({ type: "finish", reason: "length" });
  });

  test("of a prompt that was only rendered is one, though it is not called done", () => {
    const debug = { done: false, _debug_info: { rendered_template: "<|user|>hi" } };
    expect(decode(line({}, debug)).at(-1)).toEqual({ type: "done" });
    expect(decode(line({}, debug), false).at(-1)).toEqual({ type: "done" });
  });
});

describe("usage", () => {
  const used = (rest: JsonObject) => decode(last({ ...without(COUNTS), ...rest })).find(({ type }) => type === "usage");
  const without = (counts: JsonObject) => Object.fromEntries(Object.keys(counts).map((key) => [key, undefined]));

  test.each([
    [
      "with what the cache gave, which the prompt includes",
      { prompt_eval_count: 100, prompt_eval_cached_count: 64, eval_count: 9 },
      { inputUncached: 36, cacheRead: 64, output: 9 },
    ],
    [
      "with nothing from the cache, which is not the same as not knowing",
      { prompt_eval_count: 100, prompt_eval_cached_count: 0, eval_count: 9 },
      { inputUncached: 100, cacheRead: 0, output: 9 },
    ],
    [
      "of a version that does not say what the cache gave",
      { prompt_eval_count: 100, eval_count: 9 },
      { inputUncached: 100, cacheRead: undefined, output: 9 },
    ],
    [
      "with more from the cache than the prompt has",
      { prompt_eval_count: 10, prompt_eval_cached_count: 64, eval_count: 9 },
      { inputUncached: 0, cacheRead: 10, output: 9 },
    ],
    [
      "without a prompt's count, which the server leaves out when it is zero",
      { eval_count: 9 },
      { inputUncached: 0, cacheRead: undefined, output: 9 },
    ],
    [
      "of loading a model, which is none",
      { done_reason: "load" },
      { inputUncached: 0, cacheRead: undefined, output: 0 },
    ],
  ])("is read %s", (_what, counts, expected) => {
    expect(used(counts)).toMatchObject({ usage: expected });
  });

  test.each([
    ["nothing was counted", {}],
    ["the counts are none", { prompt_eval_count: "many", eval_count: -1 }],
  ])("is unknown where %s", (_what, counts) => {
    expect(used(counts)).toBeUndefined();
  });
});

describe("a whole answer", () => {
  test("is read into events", () => {
    const text = whole({ content: "hi", thinking: "hm", tool_calls: [call("f", { a: 1 }, "a")] });
    expect(decode(text, false)).toEqual([
      START,
      { type: "reasoning-delta", text: "hm" },
      { type: "reasoning-end" },
      { type: "text-delta", text: "hi" },
      { type: "tool-call-start", index: 0, id: "a", name: "f" },
      { type: "tool-call-delta", index: 0, arguments: '{"a":1}' },
      { type: "tool-call-end", index: 0 },
      { type: "usage", usage: USAGE },
      { type: "finish", reason: "tool-calls" },
      { type: "done" },
    ]);
  });

  test("keeps arguments as they came, written over many lines or not", () => {
    const text = JSON.stringify(JSON.parse(whole({ tool_calls: [call("f", { a: 0 }, "a")] })), undefined, 2).replace(
      '"a": 0',
      '"b": 1.0, "a": 9007199254740993',
    );
    const delta = decode(text, false).find((event) => event.type === "tool-call-delta");
    expect(delta?.arguments).toContain('"b": 1.0, "a": 9007199254740993');
  });

  test("of thought alone ends it", () => {
    expect(types(decode(whole({ thinking: "hm" }), false))).toEqual([
      "start",
      "reasoning-delta",
      "reasoning-end",
      "usage",
      "finish",
      "done",
    ]);
  });

  test.each([
    ["empty", ""],
    ["a page", "<html></html>"],
    ["cut", whole({ content: "a long text" }).slice(0, 60)],
    ["an array", "[]"],
    ["without a message", '{"model":"m","done":true}'],
    ["one that is not done", line({ content: "half" })],
    ["an empty object", "{}"],
  ])("that is %s is an error of ours", (_what, text) => {
    expect(error(decode(text, false))).toMatchObject({ status: 502, ours: true });
  });

  test("that is an error says the provider's words", () => {
    expect(error(decode('{"error":"model is broken"}', false))).toEqual({ status: 500, message: "model is broken" });
  });

  test("of a model that was loaded is one without a message, too", () => {
    const load = JSON.stringify({ model: "m", created_at: CREATED, done: true, done_reason: "load" });
    expect(types(decode(load, false))).toEqual(["start", "usage", "finish", "done"]);
  });

  test("of any JSON at all throws nothing", () => {
    fc.assert(
      fc.property(fc.json(), fc.json(), (one, other) => {
        for (const text of [one, `{"message":${one},"done":${other}}`, `{"done":true,"message":{"tool_calls":${one}}}`])
          expect(["done", "error"]).toContain(decode(text, false).at(-1)?.type);
      }),
      { numRuns: 300 },
    );
  });

  test("whose time is none has no time", () => {
    for (const created of ["0001-01-01T00:00:00Z", "1970-01-01T00:00:00Z", "yesterday", null])
      expect(decode(whole({ content: "a" }, { created_at: created }), false)[0]).toEqual({
        type: "start",
        model: "qwen3:4b",
      });
  });
});
