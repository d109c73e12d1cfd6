import { describe, expect, test } from "vitest";
import type { JsonObject } from "../src/chat.ts";
import { calls, chunk, decode, DONE, finish, whole } from "./openai-chat-wire.ts";

describe("tool calls", () => {
  const end = finish("tool_calls") + DONE;
  const fragment = (...fragments: JsonObject[]) => chunk({ tool_calls: fragments });
  const call = (
    index: number | undefined,
    id: string | null | undefined,
    name: string | null | undefined,
    args: unknown,
  ): JsonObject => ({
    ...(index === undefined ? {} : { index }),
    ...(id === undefined ? {} : { id }),
    function: { ...(name === undefined ? {} : { name }), ...(args === undefined ? {} : { arguments: args as string }) },
  });
  const both = [
    { id: "a", name: "f", arguments: '{"x":1}', ended: true },
    { id: "b", name: "g", arguments: '{"y":2}', ended: true },
  ];

  test.each([
    [
      "interleaved by index",
      fragment(call(0, "a", "f", "")) +
        fragment(call(1, "b", "g", '{"y"')) +
        fragment(call(0, undefined, undefined, '{"x":1}')) +
        fragment(call(1, undefined, undefined, ":2}")),
    ],
    [
      "whole, all at index 0, told apart by id",
      fragment(call(0, "a", "f", '{"x":1}')) + fragment(call(0, "b", "g", '{"y":2}')),
    ],
    [
      "in one delta without indexes",
      fragment(call(undefined, "a", "f", '{"x":1}'), call(undefined, "b", "g", '{"y":2}')),
    ],
    ["in one delta, all at index 0", fragment(call(0, "a", "f", '{"x":1}'), call(0, "b", "g", '{"y":2}'))],
    ["with arguments as objects", fragment(call(0, "a", "f", { x: 1 })) + fragment(call(1, "b", "g", { y: 2 }))],
    [
      "with the id and name said again in each fragment",
      fragment(call(0, "a", "f", '{"x"')) + fragment(call(0, "a", "f", ":1}")) + fragment(call(1, "b", "g", '{"y":2}')),
    ],
    [
      "with null ids and names after the first fragment",
      fragment(call(0, "a", "f", null)) +
        fragment(call(0, null, null, '{"x":1}')) +
        fragment(call(1, "b", "g", '{"y":2}')),
    ],
    [
      "with the name after the index",
      fragment({ index: 0, id: "a" }) +
        fragment(call(0, undefined, "f", '{"x":1}')) +
        fragment(call(1, "b", "g", '{"y":2}')),
    ],
  ])("%s are two calls", (_what, text) => {
    expect(calls(decode(text + end))).toEqual(both);
  });

  test.each([["null"], [""], [null], [undefined]])("without an id (%j) get one each, the same every time", (id) => {
    const text = fragment(call(0, id, "f", '{"x":1}')) + fragment(call(0, id, "g", '{"y":2}')) + end;
    const read = calls(decode(text));
    expect(read.map(({ name, arguments: args }) => [name, args])).toEqual([
      ["f", '{"x":1}'],
      ["g", '{"y":2}'],
    ]);
    expect(read.map((one) => one.id)).toEqual(calls(decode(text)).map((one) => one.id));
    for (const one of read) expect(one.id).toMatch(/^call_[0-9a-f]{24}$/);
    expect(read[0]?.id).not.toBe(read[1]?.id);
  });

  test("that are cut keep the text they had", () => {
    const read = decode(fragment(call(0, "a", "f", '{"x": "half')) + finish("length") + DONE);
    expect(calls(read)).toEqual([{ id: "a", name: "f", arguments: '{"x": "half', ended: true }]);
    expect(read).toContainEqual({ type: "finish", reason: "length" });
  });

  test("of the older kind are calls", () => {
    const read = decode(
      chunk({ function_call: { name: "f", arguments: "" } }) +
        chunk({ function_call: { arguments: '{"x":1}' } }) +
        finish("function_call") +
        DONE,
    );
    expect(calls(read)).toMatchObject([{ name: "f", arguments: '{"x":1}', ended: true }]);
    expect(read).toContainEqual({ type: "finish", reason: "tool-calls" });
  });

  test("make a plain stop a stop for calls", () => {
    expect(decode(fragment(call(0, "a", "f", "{}")) + finish("stop") + DONE)).toContainEqual({
      type: "finish",
      reason: "tool-calls",
    });
    expect(decode(whole({ content: null, tool_calls: [call(undefined, "a", "f", "{}")] }), false)).toContainEqual({
      type: "finish",
      reason: "tool-calls",
    });
  });

  test("of a whole message are told apart by their places, whatever their indexes say", () => {
    const list = [call(0, "null", "f", '{"x": "cut'), call(0, "null", "f", '{"y":2}'), call(0, "c", "g", {})];
    const read = calls(decode(whole({ content: null, tool_calls: list }, "tool_calls"), false));
    expect(read.map((one) => [one.name, one.arguments])).toEqual([
      ["f", '{"x": "cut'],
      ["f", '{"y":2}'],
      ["g", "{}"],
    ]);
    expect(new Set(read.map((one) => one.id)).size).toBe(3);
  });
});
