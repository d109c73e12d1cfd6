import { describe, expect, test } from "vitest";
import type { Message, Part } from "../src/chat.ts";
import { openaiResponses } from "../src/dialects/openai-responses.ts";
import { GatewayError } from "../src/errors.ts";
import { call, request, result, text, USER } from "./openai-chat-written.ts";
import { input, write } from "./openai-responses-written.ts";

const system = (...parts: Part[]): Message => ({ role: "system", parts });
const user = (...parts: Part[]): Message => ({ role: "user", parts });
const assistant = (...parts: Part[]): Message => ({ role: "assistant", parts });
const seal = (data: string, sealId?: string): Part => ({
  type: "reasoning",
  text: "",
  redacted: data,
  issuer: "openai-responses",
  ...(sealId === undefined ? {} : { sealId }),
});

const said = (role: string, value: string) => ({ role, content: [{ type: "input_text", text: value }] });
const answered = (...values: string[]) => ({
  type: "message",
  role: "assistant",
  content: values.map((value) => ({ type: "output_text", text: value })),
});
const called = (id: string, args = "{}") => ({ type: "function_call", call_id: id, name: "f", arguments: args });
const output = (id: string, value: unknown) => ({ type: "function_call_output", call_id: id, output: value });

describe("messages", () => {
  test("stand where they stood, the system's among them", () => {
    expect(
      input(
        system(text("be brief")),
        USER,
        assistant(text("a"), text("b"), { type: "refusal", text: "no" }),
        system(text("now be long")),
        user(text("go on")),
      ),
    ).toEqual({
      input: [
        said("system", "be brief"),
        said("user", "hi"),
        { ...answered("a", "b"), content: [...answered("a", "b").content, { type: "refusal", refusal: "no" }] },
        said("system", "now be long"),
        said("user", "go on"),
      ],
      lost: [],
    });
  });

  test("without anything in them are said, and those of which nothing is left are not", () => {
    const noise: Part = { type: "opaque", dialect: "anthropic-messages", kind: "note", value: {}, volatile: true };
    expect(input(user(), user(noise), USER)).toEqual({
      input: [{ role: "user", content: "" }, said("user", "hi")],
      lost: [],
    });
  });

  test("that end with the assistant's are gone on with, in words", () => {
    expect(input(USER, assistant(text("a")))).toEqual({
      input: [said("user", "hi"), answered("a"), said("user", "Continue from where you left off.")],
      lost: ["prefill"],
    });
  });

  test("are needed", () => {
    expect(() => write({ messages: [] })).toThrow(GatewayError);
  });

  test("lose what only their own dialect can say, by name", () => {
    const { lost } = input({ ...USER, extra: { name: "Bob" } }, user({ ...text("a"), extra: { citations: [] } }));
    expect(lost).toEqual(["name", "citations"]);
  });
});

describe("pictures and documents", () => {
  const image = (source: object, detail?: string): Part =>
    ({ type: "image", source, ...(detail === undefined ? {} : { detail }) }) as Part;
  const file = (source: object, name?: string): Part =>
    ({ type: "document", source, ...(name === undefined ? {} : { name }) }) as Part;
  const base64 = (mediaType: string, data: string) => ({ type: "base64", mediaType, data });

  test.each<[Part, object]>([
    [
      image(base64("image/png", "AAAA")),
      { type: "input_image", image_url: "data:image/png;base64,AAAA", detail: "auto" },
    ],
    [
      image({ type: "url", url: "https://a.example" }, "low"),
      { type: "input_image", image_url: "https://a.example", detail: "low" },
    ],
    [
      file(base64("application/pdf", "AAAA"), "a.pdf"),
      { type: "input_file", filename: "a.pdf", file_data: "data:application/pdf;base64,AAAA" },
    ],
    [
      file(base64("application/pdf", "AAAA")),
      { type: "input_file", filename: "document.pdf", file_data: "data:application/pdf;base64,AAAA" },
    ],
    [
      file({ type: "url", url: "https://a.example/b.pdf" }),
      { type: "input_file", file_url: "https://a.example/b.pdf" },
    ],
    [file({ type: "text", text: "words" }, "a.txt"), { type: "input_text", text: "a.txt\n\nwords" }],
    [file(base64("text/plain", "d29yZHM=")), { type: "input_text", text: "words" }],
  ])("%j", (part, wanted) => {
    expect(input(user(part))).toEqual({ input: [{ role: "user", content: [wanted] }], lost: [] });
  });

  test.each<[string, Message]>([
    ["a picture kept elsewhere", user(image({ type: "file", id: "file_1" }))],
    ["a document kept elsewhere", user(file({ type: "file", id: "file_1" }))],
    ["sound", user({ type: "audio", format: "wav", data: "AAAA" })],
    ["a picture that the assistant drew", assistant(image(base64("image/png", "AAAA")))],
  ])("%s is refused", (_what, message) => {
    const write = () => input(USER, message);
    expect(write).toThrow(expect.objectContaining({ kind: "unsupported", param: "messages[1].content[0]" }));
  });
});

describe("calls", () => {
  test("are items, with the very text of their arguments, and so are their results", () => {
    const args = '{"n":9007199254740993,"b":1.0}';
    expect(
      input(USER, assistant(text("a"), call("c1", args), call("c2", " ")), result("c1", "x"), result("c2", "")),
    ).toEqual({
      input: [said("user", "hi"), answered("a"), called("c1", args), called("c2"), output("c1", "x"), output("c2", "")],
      lost: [],
    });
  });

  test("have pictures in their results, and several parts", () => {
    const picture: Part = { type: "image", source: { type: "url", url: "https://a.example" } };
    const tool: Message = {
      role: "tool",
      parts: [{ type: "tool-result", callId: "c1", content: [text("see"), picture] }],
    };
    expect(input(USER, assistant(call("c1")), tool).input).toEqual([
      said("user", "hi"),
      called("c1"),
      output("c1", [
        { type: "input_text", text: "see" },
        { type: "input_image", image_url: "https://a.example", detail: "auto" },
      ]),
    ]);
  });

  test("that nobody answered are answered, right behind the message that made them", () => {
    expect(input(USER, assistant(call("c1"), call("c2")), result("c2", "x"), USER)).toEqual({
      input: [
        said("user", "hi"),
        called("c1"),
        called("c2"),
        output("c1", "no result was provided"),
        output("c2", "x"),
        said("user", "hi"),
      ],
      lost: ["orphan-tool-call"],
    });
  });

  test("that nobody made have no result: it is said by the user", () => {
    const empty: Message = { role: "tool", parts: [{ type: "tool-result", callId: "c9", content: [] }] };
    expect(input(USER, result("c9", "x"), empty)).toEqual({
      input: [said("user", "hi"), said("user", "x"), said("user", "no result was provided")],
      lost: ["orphan-tool-result", "orphan-tool-result"],
    });
  });

  test("numbered anew in each turn belong to the results behind them", () => {
    const turn = [assistant(call("0")), result("0", "x"), USER];
    expect(input(USER, ...turn, ...turn, assistant(call("0")))).toMatchObject({ lost: ["orphan-tool-call"] });
  });

  test("may be answered behind what the system says between", () => {
    expect(input(USER, assistant(call("c1")), system(text("hurry")), result("c1", "x"))).toEqual({
      input: [said("user", "hi"), called("c1"), said("system", "hurry"), output("c1", "x")],
      lost: [],
    });
  });

  test("with ids that are too long have shorter ones, the same for call and result", () => {
    const long = "c".repeat(65);
    const { input: items } = input(USER, assistant(call(long)), result(long, "x"));
    const [, made, answer] = items as unknown as { call_id: string }[];
    expect(made?.call_id).toMatch(/^call_[0-9a-f]{40}$/);
    expect(answer?.call_id).toBe(made?.call_id);
  });

  test("that failed lose that they did", () => {
    const failed: Message = {
      role: "tool",
      parts: [{ type: "tool-result", callId: "c1", content: [text("x")], isError: true }],
    };
    expect(input(USER, assistant(call("c1")), failed).lost).toEqual(["is_error"]);
  });
});

describe("thoughts", () => {
  test("of this dialect's servers go before what they led to, with their id", () => {
    const shown: Part = { type: "reasoning", text: "hm", signature: "x", issuer: "openai-responses", sealId: "rs_2" };
    expect(input(USER, assistant(seal("y"), text("a"), shown, call("c1")), result("c1", "x"))).toEqual({
      input: [
        said("user", "hi"),
        { type: "reasoning", summary: [], encrypted_content: "y" },
        answered("a"),
        { type: "reasoning", id: "rs_2", summary: [{ type: "summary_text", text: "hm" }], encrypted_content: "x" },
        called("c1"),
        output("c1", "x"),
      ],
      lost: [],
    });
  });

  test("that led to nothing that is left are left out", () => {
    const block: Part = { type: "opaque", dialect: "anthropic-messages", kind: "server_tool_use", value: {} };
    expect(input(USER, assistant(seal("a"), seal("b"), text("x"), seal("c"), block), USER)).toEqual({
      input: [
        said("user", "hi"),
        { type: "reasoning", summary: [], encrypted_content: "b" },
        answered("x"),
        said("user", "hi"),
      ],
      lost: ["unknown-block", "orphan-reasoning", "orphan-reasoning"],
    });
  });

  test.each<[string, Part]>([
    ["that nobody sealed", { type: "reasoning", text: "hm" }],
    ["that another sealed", { type: "reasoning", text: "hm", signature: "x", issuer: "anthropic-messages" }],
    ["of which nobody knows who sealed them", { type: "reasoning", text: "", redacted: "x" }],
  ])("%s are left out", (_what, part) => {
    expect(input(USER, assistant(part, text("a")), USER)).toEqual({
      input: [said("user", "hi"), answered("a"), said("user", "hi")],
      lost: ["reasoning"],
    });
  });
});

describe("marks", () => {
  const BREAKPOINTS = {
    cache: {
      kind: "marks",
      style: "prompt_cache_breakpoint",
      minTokens: 1024,
      maxMarks: 2,
      ttlSeconds: [1800],
      lookback: 80,
    },
  } as const;
  const marked = (value: string, ttl?: "30m" | "1h"): Part => ({
    ...text(value),
    cache: ttl === undefined ? {} : { ttl },
  });
  const breakpoint = (value: string, ttl?: string) => ({
    type: "input_text",
    text: value,
    prompt_cache_breakpoint: { mode: "explicit", ...(ttl === undefined ? {} : { ttl }) },
  });
  const conversation: readonly Message[] = [
    system(marked("a", "30m")),
    user(marked("b", "1h")),
    assistant({ ...text("c"), cache: {} }, { ...call("c1"), cache: {} }),
    { role: "tool", parts: [{ type: "tool-result", callId: "c1", content: [text("d")], cache: {} }] },
  ];

  test("are breakpoints for the models that match there, the latest of them, and outputs keep one form", () => {
    const { body } = write({ messages: conversation }, BREAKPOINTS);
    expect(body["input"]).toEqual([
      said("system", "a"),
      { role: "user", content: [breakpoint("b")] },
      answered("c"),
      called("c1"),
      output("c1", [breakpoint("d")]),
    ]);
    const { body: later } = write({ messages: [...conversation, user(marked("e", "30m"))] }, BREAKPOINTS);
    expect((later["input"] as unknown[]).slice(-2)).toEqual([
      output("c1", [breakpoint("d")]),
      { role: "user", content: [breakpoint("e", "30m")] },
    ]);
    const { body: unmarked } = write({ messages: [USER, assistant(call("c1")), result("c1", "d")] }, BREAKPOINTS);
    expect((unmarked["input"] as unknown[])[2]).toEqual(output("c1", [{ type: "input_text", text: "d" }]));
  });

  test("on what can bear none stand on what comes before it", () => {
    const messages = [USER, assistant({ ...text("c"), cache: {} }), user(text("d"))];
    expect(write({ messages }, BREAKPOINTS).body["input"]).toEqual([
      { role: "user", content: [breakpoint("hi")] },
      answered("c"),
      said("user", "d"),
    ]);
  });

  test("are left out for all other models, and nothing is lost", () => {
    for (const known of [undefined, {}]) {
      const { body, lost } = write({ messages: conversation }, known);
      expect(JSON.stringify(body)).not.toContain("prompt_cache_breakpoint");
      expect(lost).toEqual([]);
    }
  });
});

test("a conversation that grows only grows", () => {
  const all: readonly Message[] = [
    system(text("s")),
    USER,
    assistant(seal("a", "rs_1"), call("c1"), call("c2")),
    result("c1", "x"),
    result("c2", "y"),
    assistant(seal("b", "rs_2"), text("done")),
    USER,
    assistant(text("more"), call("c3")),
    result("c3", "z"),
  ];
  const items = (count: number) =>
    openaiResponses.writeRequest(request({ messages: all.slice(0, count) }), { model: "m", record: undefined }, [])[
      "input"
    ] as unknown as unknown[];
  for (const [shorter, longer] of [
    [2, 5],
    [5, 7],
    [7, 9],
  ] as const) {
    expect(items(longer).slice(0, items(shorter).length)).toEqual(items(shorter));
  }
});
