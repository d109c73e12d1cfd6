import { describe, expect, test } from "vitest";
import { chunk, decode, DONE, finish, START, types, whole } from "./openai-chat-wire.ts";

describe("reasoning", () => {
  test.each([
    ["reasoning_content", chunk({ reasoning_content: "hm" })],
    ["reasoning", chunk({ reasoning: "hm" })],
    ["both at once, with the same text", chunk({ reasoning: "hm", reasoning_content: "hm" })],
    [
      "thinking chunks",
      chunk({
        content: [
          {
            type: "thinking",
            thinking: [
              { type: "text", text: "h" },
              { type: "text", text: "m" },
            ],
          },
        ],
      }),
    ],
    ["thinking as text", chunk({ thinking: "hm" })],
    ["details alone", chunk({ reasoning_details: [{ type: "reasoning.summary", summary: "hm" }] })],
    [
      "details beside the text",
      chunk({ reasoning: "hm", reasoning_details: [{ type: "reasoning.text", text: "hm" }] }),
    ],
  ])("said as %s is said once", (_what, text) => {
    expect(decode(text + chunk({ content: "yes" }) + finish("stop") + DONE)).toEqual([
      START,
      { type: "reasoning-delta", text: "hm" },
      { type: "reasoning-end" },
      { type: "text-delta", text: "yes" },
      { type: "finish", reason: "stop" },
      { type: "done" },
    ]);
  });

  test("keeps what seals it", () => {
    const details = [
      { type: "reasoning.text", text: "hm", signature: "c2ln", index: 0 },
      { type: "reasoning.encrypted", data: "ZW5j", index: 1 },
    ];
    const sealed = [
      { type: "reasoning-delta", text: "hm" },
      { type: "reasoning-end", signature: "c2ln" },
      { type: "reasoning-redacted", data: "ZW5j" },
      { type: "text-delta", text: "yes" },
    ];
    const streamed = decode(
      chunk({ reasoning: "hm" }) +
        chunk({ reasoning_details: [{ type: "reasoning.text", signature: "c2ln" }] }) +
        chunk({ reasoning_details: [details[1] ?? {}] }) +
        chunk({ content: "yes" }) +
        finish("stop") +
        DONE,
    );
    expect(streamed.slice(1, -2)).toEqual(sealed);
    expect(decode(whole({ content: "yes", reasoning_details: details }), false).slice(1, -2)).toEqual(sealed);
  });

  test("that is open at the end is ended", () => {
    expect(types(decode(chunk({ reasoning: "hm" }) + finish("length") + DONE))).toEqual([
      "start",
      "reasoning-delta",
      "reasoning-end",
      "finish",
      "done",
    ]);
  });

  test("a Mistral reference is not text", () => {
    const read = decode(
      chunk({
        content: [
          { type: "text", text: "a" },
          { type: "reference", reference_ids: [1] },
          { type: "text", text: "b" },
        ],
      }) +
        finish("stop") +
        DONE,
    );
    expect(types(read)).toEqual(["start", "text-delta", "opaque", "text-delta", "finish", "done"]);
  });
});
