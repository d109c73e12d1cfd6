import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { ChatEvent, JsonObject } from "../src/chat.ts";
import {
  added,
  CALL,
  completed,
  CREATED,
  decode,
  done,
  event,
  MESSAGE,
  RESPONSE,
  START,
  textDelta,
  types,
  USAGE,
} from "./openai-responses-wire.ts";

const thought = (more: JsonObject): JsonObject => ({ id: "rs_1", type: "reasoning", summary: [], ...more });
const summary = (index: number, part: number, delta: string) =>
  event("response.reasoning_summary_text.delta", { output_index: index, summary_index: part, delta });
const args = (index: number, delta: string) =>
  event("response.function_call_arguments.delta", { output_index: index, delta });

/** One of everything. */
const RICH =
  CREATED +
  added(0, thought({ encrypted_content: "early" })) +
  event("response.reasoning_summary_part.added", { output_index: 0, summary_index: 0 }) +
  summary(0, 0, "**One**") +
  summary(0, 1, "**Two** — «ünï»") +
  done(0, thought({ summary: [{ type: "summary_text", text: "x" }], encrypted_content: "c2Vh" })) +
  added(1, { id: "ws_1", type: "web_search_call", status: "in_progress" }) +
  event("response.web_search_call.searching", { output_index: 1, item_id: "ws_1" }) +
  done(1, { id: "ws_1", type: "web_search_call", status: "completed" }) +
  added(2, MESSAGE) +
  textDelta(2, "hel") +
  textDelta(2, "lo 🗽") +
  event("response.output_text.annotation.added", { output_index: 2, annotation: { type: "url_citation" } }) +
  event("response.refusal.delta", { output_index: 2, content_index: 1, delta: "but no" }) +
  done(2, {
    ...MESSAGE,
    content: [{ type: "output_text", text: "hello 🗽", annotations: [{ type: "url_citation" }] }],
  }) +
  added(3, CALL) +
  args(3, '{"n":9007199254740993') +
  args(3, ',"b":1.0}') +
  event("response.function_call_arguments.done", { output_index: 3, arguments: '{"n":9007199254740993,"b":1.0}' }) +
  done(3, { ...CALL, arguments: '{"n":9007199254740993,"b":1.0}' }) +
  added(4, thought({ id: "rs_2" })) +
  done(4, thought({ id: "rs_2", encrypted_content: "b25seQ" })) +
  added(5, { id: "ct_1", type: "custom_tool_call", call_id: "call_2", name: "sql", input: "" }) +
  event("response.custom_tool_call_input.delta", { output_index: 5, delta: "SELECT " }) +
  event("response.custom_tool_call_input.delta", { output_index: 5, delta: "1" }) +
  done(5, { id: "ct_1", type: "custom_tool_call", call_id: "call_2", name: "sql", input: "SELECT 1" }) +
  completed({ usage: USAGE });

const SEEN: readonly ChatEvent[] = [
  START as ChatEvent,
  { type: "reasoning-delta", text: "**One**" },
  { type: "reasoning-delta", text: "\n\n**Two** — «ünï»" },
  { type: "reasoning-end", signature: "c2Vh", issuer: "openai-responses", sealId: "rs_1" },
  { type: "opaque", kind: "web_search_call", value: { id: "ws_1", type: "web_search_call", status: "completed" } },
  { type: "text-delta", text: "hel" },
  { type: "text-delta", text: "lo 🗽" },
  { type: "opaque", kind: "annotations", value: { type: "url_citation" } },
  { type: "refusal-delta", text: "but no" },
  { type: "tool-call-start", index: 0, id: "call_1", name: "f" },
  { type: "tool-call-delta", index: 0, arguments: '{"n":9007199254740993' },
  { type: "tool-call-delta", index: 0, arguments: ',"b":1.0}' },
  { type: "tool-call-end", index: 0 },
  { type: "reasoning-redacted", data: "b25seQ", issuer: "openai-responses", sealId: "rs_2" },
  { type: "tool-call-start", index: 1, id: "call_2", name: "sql" },
  { type: "tool-call-delta", index: 1, arguments: "SELECT " },
  { type: "tool-call-delta", index: 1, arguments: "1" },
  { type: "tool-call-end", index: 1 },
  {
    type: "usage",
    usage: {
      inputUncached: 6,
      cacheRead: 20,
      cacheWrite5m: undefined,
      cacheWrite1h: undefined,
      cacheWriteOther: 4,
      output: 9,
      reasoning: 5,
    },
  },
  { type: "finish", reason: "tool-calls" },
  { type: "done" },
];

describe("a stream", () => {
  test("of everything is read in its order", () => {
    expect(decode(RICH)).toEqual(SEEN);
  });

  test.each(["\n", "\r\n", "\r"])("in any chunks gives the same events (line ends %j)", (newline) => {
    const bytes = Buffer.from(RICH.replaceAll("\n", newline));
    fc.assert(
      fc.property(fc.array(fc.nat(120), { maxLength: 400 }), (sizes) => {
        expect(decode(bytes, true, sizes)).toEqual(SEEN);
      }),
      { numRuns: 60 },
    );
  });

  test("without `event:` fields, with comments and a mark of the older API, is read the same", () => {
    const bare = RICH.replaceAll(/^event: .*\n/gm, ": ping\n\n") + "data: [DONE]\n\n";
    expect(decode(bare)).toEqual(SEEN);
  });

  test("that goes on behind its terminal event has said all it had to say", () => {
    expect(decode(RICH + textDelta(2, "more") + event("error", { code: "x" }))).toEqual(SEEN);
  });

  test("begins with the first item, so that an error before is one of an answer that has not begun", () => {
    expect(decode(CREATED.split("\n\n")[0] + "\n\n")).toMatchObject([{ type: "error" }]);
    expect(types(decode(CREATED + added(0, MESSAGE)))).toEqual(["start", "error"]);
  });

  test.each<[string, string, string[]]>([
    [
      "no deltas, but whole items",
      added(0, MESSAGE) + done(0, { ...MESSAGE, content: [{ type: "output_text", text: "whole" }] }),
      ["whole"],
    ],
    ["items that nobody began", done(0, { ...MESSAGE, content: [{ type: "output_text", text: "whole" }] }), ["whole"]],
    ["deltas of an item that nobody began", textDelta(0, "wh") + textDelta(0, "ole"), ["wh", "ole"]],
    [
      "deltas that were lost on the way",
      added(0, MESSAGE) +
        textDelta(0, "wh") +
        done(0, { ...MESSAGE, content: [{ type: "output_text", text: "whole" }] }),
      ["wh", "ole"],
    ],
    [
      "an end that says something else than the deltas did",
      added(0, MESSAGE) +
        textDelta(0, "whole") +
        done(0, { ...MESSAGE, content: [{ type: "output_text", text: "other" }] }),
      ["whole"],
    ],
  ])("with %s is read", (_what, items, texts) => {
    const events = decode(CREATED + items + completed());
    expect(events.flatMap((one) => (one.type === "text-delta" ? [one.text] : []))).toEqual(texts);
    expect(types(events).filter((type) => type === "start" || type === "done")).toEqual(["start", "done"]);
  });

  test("whose items come with the end only is read from there", () => {
    const output = [
      { ...MESSAGE, content: [{ type: "output_text", text: "a" }] },
      { ...CALL, arguments: "{}" },
    ];
    expect(decode(CREATED + completed({ output }))).toEqual([
      START,
      { type: "text-delta", text: "a" },
      { type: "tool-call-start", index: 0, id: "call_1", name: "f" },
      { type: "tool-call-delta", index: 0, arguments: "{}" },
      { type: "tool-call-end", index: 0 },
      { type: "finish", reason: "tool-calls" },
      { type: "done" },
    ]);
  });

  test("whose ids change on the way holds together by places", () => {
    const events = decode(
      CREATED +
        added(0, { ...CALL, id: "a" }) +
        event("response.function_call_arguments.delta", { output_index: 0, item_id: "b", delta: "{}" }) +
        done(0, { ...CALL, id: "c", arguments: "{}" }) +
        completed(),
    );
    expect(types(events)).toEqual(["start", "tool-call-start", "tool-call-delta", "tool-call-end", "finish", "done"]);
  });

  test("whose call is named at its end only begins it there, with all its arguments", () => {
    const nameless = { ...CALL, name: "" };
    const events = decode(
      CREATED + added(0, nameless) + args(0, '{"a"') + done(0, { ...CALL, arguments: '{"a":1}' }) + completed(),
    );
    expect(events.slice(1, -2)).toEqual([
      { type: "tool-call-start", index: 0, id: "call_1", name: "f" },
      { type: "tool-call-delta", index: 0, arguments: '{"a"' },
      { type: "tool-call-delta", index: 0, arguments: ":1}" },
      { type: "tool-call-end", index: 0 },
    ]);
  });

  test("whose items are not closed is closed by its end", () => {
    const events = decode(CREATED + added(0, thought({})) + summary(0, 0, "hm") + added(1, CALL) + completed());
    expect(types(events)).toEqual([
      "start",
      "reasoning-delta",
      "tool-call-start",
      "reasoning-end",
      "tool-call-end",
      "finish",
      "done",
    ]);
  });

  test("that shows a thought itself and not its summary is read, and never twice", () => {
    const raw = (delta: string) => event("response.reasoning_text.delta", { output_index: 0, content_index: 0, delta });
    const whole = thought({
      content: [{ type: "reasoning_text", text: "hmm" }],
      summary: [{ type: "summary_text", text: "s" }],
    });
    const events = decode(
      CREATED + added(0, thought({})) + raw("h") + summary(0, 0, "s") + raw("mm") + done(0, whole) + completed(),
    );
    expect(events.slice(1, -2)).toEqual([
      { type: "reasoning-delta", text: "h" },
      { type: "reasoning-delta", text: "mm" },
      { type: "reasoning-end" },
    ]);
  });
});

describe("an answer ends", () => {
  test.each<[string, JsonObject, ChatEvent]>([
    ["completed", {}, { type: "finish", reason: "stop" }],
    ["incomplete", { incomplete_details: { reason: "max_output_tokens" } }, { type: "finish", reason: "length" }],
    ["incomplete", { incomplete_details: { reason: "content_filter" } }, { type: "finish", reason: "content-filter" }],
    [
      "incomplete",
      { incomplete_details: { reason: "steered" } },
      { type: "finish", reason: "other", details: { status: "incomplete", reason: "steered" } },
    ],
    ["cancelled", {}, { type: "finish", reason: "other", details: { status: "cancelled" }, state: "canceled" }],
  ])("%s %j", (status, rest, finish) => {
    const streamed = CREATED + event(`response.${status}`, { response: { ...RESPONSE, ...rest } });
    expect(decode(streamed)).toEqual([START, finish, { type: "done" }]);
    expect(decode(JSON.stringify({ ...RESPONSE, status, ...rest }), false)).toEqual([START, finish, { type: "done" }]);
  });

  test("not at all while it is worked on in the background, and that is no error", () => {
    expect(decode(JSON.stringify({ ...RESPONSE, status: "queued" }), false)).toEqual([
      START,
      { type: "finish", reason: "other", details: { status: "queued" }, state: "under-way" },
      { type: "done" },
    ]);
  });
});

describe("an error", () => {
  const failed = (error: JsonObject) =>
    event("response.failed", { response: { ...RESPONSE, status: "failed", error } });

  test.each<[string, string, JsonObject]>([
    [
      "nested",
      event("error", { error: { type: "t", code: "rate_limit_exceeded", message: "slow" } }),
      { status: 429, type: "t" },
    ],
    ["flat", event("error", { code: "rate_limit_exceeded", message: "slow", param: null }), { status: 429 }],
    ["of the response", failed({ code: "rate_limit_exceeded", message: "slow" }), { status: 429 }],
    [
      "of a proxy",
      `data: ${JSON.stringify({ error: { code: "rate_limit_exceeded", message: "slow" } })}\n\n`,
      { status: 429 },
    ],
  ])("%s is told with its code", (_where, text, more) => {
    const events = decode(CREATED + text);
    expect(events).toEqual([{ type: "error", error: { message: "slow", code: "rate_limit_exceeded", ...more } }]);
  });

  test("that is told twice is one error", () => {
    const twice =
      event("error", { code: "server_error", message: "a" }) + failed({ code: "server_error", message: "a" });
    expect(decode(CREATED + added(0, MESSAGE) + textDelta(0, "x") + twice)).toEqual([
      START,
      { type: "text-delta", text: "x" },
      { type: "error", error: { status: 500, code: "server_error", message: "a" } },
    ]);
  });

  test.each([
    ["invalid_prompt", 400],
    ["image_too_large", 400],
    ["bio_policy", 400],
    ["server_error", 500],
    ["vector_store_timeout", 500],
    ["insufficient_quota", 429],
  ])("with the code %s is one of status %d", (code, status) => {
    expect(decode(failed({ code, message: "m" }))).toMatchObject([{ type: "error", error: { status, code } }]);
    const whole = JSON.stringify({ ...RESPONSE, status: "failed", error: { code, message: "m" } });
    expect(decode(whole, false)).toMatchObject([{ type: "error", error: { status, code } }]);
  });

  test.each([
    ["a stream that is cut", CREATED + added(0, MESSAGE) + textDelta(0, "hel"), true],
    ["a stream that is cut inside an event", CREATED + textDelta(0, "hello").slice(0, -12), true],
    ["an empty stream", "", true],
    ["an event that is not JSON", `${CREATED}data: {"type":\n\n`, true],
    ["no JSON", "<html>", false],
    ["JSON that is no response", '{"object":"response.input_tokens","input_tokens":3}', false],
    ["truncated JSON", JSON.stringify(RESPONSE).slice(0, -3), false],
  ])("is %s", (_what, text, stream) => {
    const events = decode(text, stream);
    expect(events.at(-1)).toMatchObject({ type: "error", error: { ours: true, status: 502 } });
    expect(types(events)).not.toContain("done");
  });

  test("is bytes that are no text", () => {
    expect(decode(Buffer.from([0x7b, 0xff, 0xfe, 0x7d]), false)).toMatchObject([
      { type: "error", error: { ours: true } },
    ]);
  });

  test("under status 200 is read in a whole answer", () => {
    expect(decode('{"error":{"message":"no","type":"server_error","code":null}}', false)).toEqual([
      { type: "error", error: { status: 500, message: "no", type: "server_error" } },
    ]);
  });
});

test("no answer holds more items than one can have", () => {
  const many = Array.from({ length: 10_001 }, (_, index) => added(index, MESSAGE)).join("");
  expect(decode(CREATED + many).at(-1)).toMatchObject({ type: "error", error: { ours: true } });
});
