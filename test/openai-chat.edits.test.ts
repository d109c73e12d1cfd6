import { describe, expect, test } from "vitest";
import type { JsonObject } from "../src/chat.ts";
import { openaiChat } from "../src/dialects/openai-chat.ts";
import { applyEdits } from "../src/edit.ts";

describe("edits on the same lane", () => {
  const edited = (body: JsonObject, askStreamUsage: boolean): unknown =>
    JSON.parse(
      Buffer.from(
        applyEdits(Buffer.from(JSON.stringify(body)), openaiChat.edits(body, { model: "m", askStreamUsage })),
      ).toString(),
    );

  test("are none where there is nothing to change", () => {
    expect(openaiChat.edits({ model: "m" }, { model: "m", askStreamUsage: false })).toEqual([]);
    expect(
      openaiChat.edits({ model: "m", stream_options: { include_usage: true } }, { model: "m", askStreamUsage: true }),
    ).toEqual([]);
  });

  test.each([
    [{ model: "x" }, { model: "m", stream_options: { include_usage: true } }],
    [
      { model: "m", stream_options: null },
      { model: "m", stream_options: { include_usage: true } },
    ],
    [
      { model: "m", stream_options: { include_obfuscation: false } },
      { model: "m", stream_options: { include_obfuscation: false, include_usage: true } },
    ],
    [
      { model: "m", stream_options: { include_usage: false } },
      { model: "m", stream_options: { include_usage: true } },
    ],
  ] as [JsonObject, JsonObject][])("name the model and ask for usage: %j", (body, expected) => {
    expect(edited(body, true)).toEqual(expected);
  });
});
