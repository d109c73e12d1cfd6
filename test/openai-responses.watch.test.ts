import { describe, expect, test } from "vitest";
import type { ChatEvent } from "../src/chat.ts";
import type { WatchedFrame } from "../src/dialects/dialect.ts";
import { openaiResponses } from "../src/dialects/openai-responses.ts";
import {
  added,
  CALL,
  completed,
  CREATED,
  done,
  event,
  MESSAGE,
  RESPONSE,
  START,
  textDelta,
  USAGE,
} from "./openai-responses-wire.ts";

function watch(text: string): WatchedFrame[] {
  const watcher = openaiResponses.watcher();
  return [...watcher.push(Buffer.from(text)), ...watcher.end()];
}

function seen(text: string): ChatEvent[] {
  return watch(text).flatMap((frame) => frame.events);
}

describe("a watched stream", () => {
  test("tells its start with the first item, and its usage, finish and end with the terminal event", () => {
    const frames = watch(
      CREATED + added(0, MESSAGE) + textDelta(0, "hi") + done(0, MESSAGE) + completed({ usage: USAGE }),
    );
    expect(frames.map((frame) => frame.events.map((one) => one.type))).toEqual([
      [],
      [],
      ["start"],
      [],
      [],
      ["usage", "finish", "done"],
    ]);
    expect(frames[2]?.events).toEqual([START]);
    expect(frames.map((frame) => frame.isDelta)).toEqual([false, false, false, true, false, false]);
  });

  test("weighs deltas without the random text beside them", () => {
    const [delta] = watch(CREATED + textDelta(0, '"obfuscation":"not this"')).filter((frame) => frame.isDelta);
    expect(delta?.paddingBytes).toBe("abc".length);
  });

  test.each(["function_call", "custom_tool_call"])("ends for its calls where it has a %s", (type) => {
    const call = { ...CALL, type };
    expect(seen(CREATED + added(0, call) + completed())).toContainEqual({ type: "finish", reason: "tool-calls" });
    expect(seen(CREATED + completed({ output: [call] }))).toContainEqual({ type: "finish", reason: "tool-calls" });
    const spoken = textDelta(0, '"type":"function_call"');
    expect(seen(CREATED + spoken + completed())).toContainEqual({ type: "finish", reason: "stop" });
  });

  test("tells the seals of a thought as the item has them, and as the response has them at its end", () => {
    const thought = (seal: string) => ({ id: "rs_1", type: "reasoning", summary: [], encrypted_content: seal });
    const text =
      CREATED + added(0, thought("early")) + done(0, thought("one")) + completed({ output: [thought("two")] });
    expect(seen(text).filter((one) => one.type === "reasoning-redacted")).toEqual([
      { type: "reasoning-redacted", data: "one", issuer: "openai-responses", sealId: "rs_1" },
      { type: "reasoning-redacted", data: "two", issuer: "openai-responses", sealId: "rs_1" },
    ]);
  });

  test("that fails tells so with its last event, and lets the one before pass", () => {
    const twice =
      event("error", { error: { code: "server_error", message: "a" } }) +
      event("response.failed", { response: { ...RESPONSE, error: { code: "server_error", message: "a" } } });
    const frames = watch(CREATED + twice);
    expect(frames.map((frame) => frame.events.length)).toEqual([0, 0, 0, 1]);
    expect(frames[3]?.events).toEqual([{ type: "error", error: { status: 500, code: "server_error", message: "a" } }]);
  });

  test("that ends behind its error event has failed by that", () => {
    const failed = event("error", { code: "server_error", message: "a" });
    const frames = watch(CREATED + failed);
    expect(frames.at(-1)).toMatchObject({
      bytes: Buffer.from(failed),
      events: [{ type: "error", error: { message: "a" } }],
    });
  });

  test("passes no error event on before it is told to be one, whatever comes behind it", () => {
    const failed = event("error", { code: "server_error", message: "a" });
    for (const behind of [": ping\n\n", completed(), textDelta(0, "x"), failed]) {
      const frames = watch(CREATED + failed + behind);
      const told = frames.findIndex(({ events }) => events.some(({ type }) => type === "error"));
      expect(Buffer.concat(frames.slice(0, told).map(({ bytes }) => bytes)).toString()).toBe(CREATED);
      expect(frames[told]?.bytes).toEqual(Buffer.from(failed + behind));
    }
  });

  test.each([
    ["is cut between events", CREATED + textDelta(0, "hel")],
    ["is cut inside a delta", CREATED + textDelta(0, "hello").slice(0, -9)],
    ["has an event that is not JSON", `${CREATED}event: response.output_text.delta\ndata: {"delta":\n\n`],
    ["is garbage", "\u0000\u0001"],
  ])("that %s is broken", (_how, text) => {
    expect(seen(text).at(-1)).toMatchObject({ type: "error", error: { ours: true } });
  });

  test("has nothing more to tell behind its end", () => {
    const frames = watch(CREATED + completed() + textDelta(0, "x") + event("error", { code: "x" }));
    expect(frames.slice(3).map((frame) => [frame.events.length, frame.isDelta])).toEqual([
      [0, false],
      [0, false],
    ]);
  });

  test("that refuses in words tells so before it finishes, and not in which", () => {
    const refused = { ...MESSAGE, content: [{ type: "refusal", refusal: "I cannot." }] };
    const told = seen(CREATED + added(0, MESSAGE) + done(0, refused) + completed({ output: [refused], usage: USAGE }));
    expect(told.map((one) => one.type)).toEqual(["start", "refusal-delta", "usage", "finish", "done"]);
    expect(JSON.stringify(told)).not.toContain("cannot");
  });

  test("without `event:` fields is watched as well", () => {
    const text = (CREATED + added(0, CALL) + textDelta(1, "x") + completed({ usage: USAGE })).replaceAll(
      /^event: .*\n/gm,
      "",
    );
    const frames = watch(text);
    expect(frames.flatMap((frame) => frame.events.map((one) => one.type))).toEqual([
      "start",
      "usage",
      "finish",
      "done",
    ]);
    expect(frames.filter((frame) => frame.isDelta)).toHaveLength(1);
  });
});
