import { describe, expect, test } from "vitest";
import type { JsonObject } from "../src/chat.ts";
import { call, messages, OTHER, refusal, result, text, USER, write } from "./ollama-chat-written.ts";

describe("messages", () => {
  test("say several texts as one", () => {
    expect(messages({ role: "system", parts: [text("a"), text("b")] }, { role: "user", parts: [] }).messages).toEqual([
      { role: "system", content: "a\n\nb" },
      { role: "user", content: "" },
    ]);
  });

  test("have the results in the order of the calls, as most templates know of no ids", () => {
    const { messages: written, lost } = messages(
      { role: "assistant", parts: [call("a", "f"), call("b", "g")] },
      { role: "tool", parts: [result("b", "2")] },
      { role: "tool", parts: [result("nobody", "3"), result("a", "1")] },
      USER,
    );
    expect((written as JsonObject[]).slice(1)).toEqual([
      { role: "tool", content: "1", tool_name: "f", tool_call_id: "a" },
      { role: "tool", content: "2", tool_name: "g", tool_call_id: "b" },
      { role: "tool", content: "3", tool_call_id: "nobody" },
      { role: "user", content: "hi" },
    ]);
    expect(lost).toEqual([]);
  });

  test("have the results in the order of their own turn's calls, where ids are used again", () => {
    const { messages: written } = messages(
      { role: "assistant", parts: [call("a", "f"), call("b", "g")] },
      { role: "tool", parts: [result("a", "1"), result("b", "2")] },
      { role: "assistant", parts: [call("b", "g"), call("a", "f")] },
      { role: "tool", parts: [result("a", "4"), result("b", "3")] },
    );
    const results = (written as JsonObject[]).filter((message) => message["role"] === "tool");
    expect(results.map((message) => message["content"])).toEqual(["1", "2", "3", "4"]);
  });

  test("bring a result's pictures with it, keep an error's words, and have an empty text where there is none", () => {
    const picture = { type: "image", source: { type: "base64", mediaType: "image/png", data: "AA" } } as const;
    const { messages: written, lost } = messages(
      { role: "assistant", parts: [call("a"), call("b")] },
      {
        role: "tool",
        parts: [
          { type: "tool-result", callId: "a", content: [text("boom"), picture], isError: true },
          { type: "tool-result", callId: "b", content: [] },
        ],
      },
    );
    expect((written as JsonObject[]).slice(1)).toEqual([
      { role: "tool", content: "boom", images: ["AA"], tool_name: "f", tool_call_id: "a" },
      { role: "tool", content: "", tool_name: "f", tool_call_id: "b" },
    ]);
    expect(lost).toEqual(["is_error"]);
  });

  test.each([
    ["none", "", {}],
    ["an object", '{"b":1,"a":2}', { b: 1, a: 2 }],
    ["a call that was cut", '{"b":"cu', { _raw: '{"b":"cu' }],
    ["a list", "[1]", { _raw: "[1]" }],
  ])("say arguments that are %s as an object", (_what, args, expected) => {
    const { messages: written, lost } = messages({ role: "assistant", parts: [call("a", "f", args)] });
    const [message] = written as { tool_calls: { function: { arguments: JsonObject } }[] }[];
    const given = message?.tool_calls[0]?.function.arguments;
    expect(JSON.stringify(given)).toBe(JSON.stringify(expected));
    expect(lost).toEqual("_raw" in expected ? ["tool-arguments"] : []);
  });

  test("say thought that can be read, and lose what cannot", () => {
    const { messages: written, lost } = messages({
      role: "assistant",
      parts: [
        { type: "reasoning", text: "hm", signature: "c2ln", issuer: "anthropic-messages" },
        { type: "reasoning", text: "", redacted: "eA==", issuer: "anthropic-messages" },
        { type: "refusal", text: "no" },
      ],
    });
    expect(written).toEqual([{ role: "assistant", content: "no", thinking: "hm" }]);
    expect(lost).toEqual(["reasoning", "refusal"]);
  });

  test("of which nothing is left are left out", () => {
    const opaque = { type: "opaque", dialect: OTHER, kind: "x", value: { type: "x" } } as const;
    const { messages: written, lost } = messages(
      { role: "system", parts: [{ ...opaque, volatile: true }] },
      { role: "user", parts: [opaque] },
      { role: "assistant", parts: [{ type: "reasoning", text: "", redacted: "eA==" }] },
      USER,
    );
    expect(written).toEqual([{ role: "user", content: "hi" }]);
    expect(lost).toEqual(["unknown-block", "reasoning"]);
  });

  test("say a text document as text, and of any other that it is not there", () => {
    const pdf = { type: "base64", mediaType: "application/pdf", data: "AA" } as const;
    const note = { type: "base64", mediaType: "text/plain", data: Buffer.from("note").toString("base64") } as const;
    const { messages: written, lost } = messages({
      role: "user",
      parts: [
        { type: "document", source: { type: "text", text: "body" }, name: "a.txt" },
        { type: "document", source: note },
        { type: "document", source: pdf, name: "b.pdf" },
        { type: "document", source: { type: "url", url: "https://x.test/c.pdf" } },
        text("sum up"),
      ],
    });
    expect(written).toEqual([
      {
        role: "user",
        content: [
          "a.txt\n\nbody",
          "note",
          '(The document "b.pdf" was attached here, which this model cannot be given.)',
          "(A document was attached here, which this model cannot be given.)",
          "sum up",
        ].join("\n\n"),
      },
    ]);
    expect(lost).toEqual(["document", "document"]);
  });

  test("say sound to a model that is known to hear, in the forms that the server knows", () => {
    const parts = [
      { type: "audio", format: "wav", data: "UklGRg==" },
      { type: "audio", format: "flac", data: "ZkxhQw==" },
    ] as const;
    const deaf = write({ messages: [{ role: "user", parts }] });
    expect(deaf.body["messages"]).toEqual([
      {
        role: "user",
        content: Array.from({ length: 2 }, () => "(A sound was attached here, which this model cannot be given.)").join(
          "\n\n",
        ),
      },
    ]);
    expect(deaf.lost).toEqual(["audio", "audio"]);
    const hearing = write({ messages: [{ role: "user", parts }] }, { input: ["text", "audio"] });
    expect(hearing.body["messages"]).toMatchObject([{ images: ["UklGRg=="] }]);
    expect(hearing.lost).toEqual(["audio"]);
  });

  test.each([
    [{ type: "url", url: "https://x.test/a.png" } as const, "an image at a URL"],
    [{ type: "file", id: "file-1" } as const, "an image kept by another provider"],
  ])("with the picture %j are refused, with what would be right", (source, what) => {
    const error = refusal({ messages: [{ role: "user", parts: [{ type: "image", source }] }] });
    expect(error).toMatchObject({ kind: "unsupported", param: "messages[0].content[0]" });
    expect(error.message).toContain(what);
    expect(error.message).toContain("base64");
    expect(error.message).not.toContain("x.test");
  });

  test("lose how closely a picture was to be looked at", () => {
    const source = { type: "url", url: "data:image/png;base64,AA" } as const;
    const { messages: written, lost } = messages({
      role: "user",
      parts: [
        { type: "image", source, detail: "low" },
        { type: "image", source, detail: "auto" },
      ],
    });
    expect(written).toEqual([{ role: "user", content: "", images: ["AA", "AA"] }]);
    expect(lost).toEqual(["detail"]);
  });
});
