import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { ChatRequest, JsonObject, Loss } from "../src/chat.ts";
import { anthropicMessages } from "../src/dialects/anthropic-messages.ts";
import { ollamaChat, ollamaGenerate } from "../src/dialects/ollama-chat.ts";
import { openaiChat } from "../src/dialects/openai-chat.ts";
import { GatewayError } from "../src/errors.ts";
import { call, COUNTS, CREATED, decode, error, types } from "./ollama-chat-wire.ts";

const PNG = "iVBORw0KGgoAAAANSUhEUg==";

function read(rest: JsonObject): ChatRequest {
  return ollamaGenerate.readRequest({ model: "m", ...rest });
}

function kindOf(make: () => unknown): string {
  try {
    make();
  } catch (error) {
    if (error instanceof GatewayError) return `${error.kind} ${error.param}`;
    throw error;
  }
  return "written";
}

const line = (rest: JsonObject) => `${JSON.stringify({ model: "m", created_at: CREATED, done: false, ...rest })}\n`;
const LAST = line({ response: "", done: true, done_reason: "stop", context: [1, 2, 3], ...COUNTS });

describe("a request", () => {
  test("is a chat of one turn", () => {
    expect(read({ prompt: "hi", system: "Be brief.", images: [PNG], options: { seed: 1 }, think: true })).toEqual({
      dialect: "ollama-generate",
      model: "m",
      stream: true,
      wantsStreamUsage: true,
      messages: [
        { role: "system", parts: [{ type: "text", text: "Be brief." }] },
        {
          role: "user",
          parts: [
            { type: "image", source: { type: "base64", mediaType: "image/png", data: PNG } },
            { type: "text", text: "hi" },
          ],
        },
      ],
      tools: [],
      seed: 1,
      reasoning: { enabled: true },
      extra: {},
    });
  });

  test("keeps what only this end has", () => {
    const only = { suffix: "}", template: "{{ .Prompt }}", context: [1, 2], raw: true, keep_alive: 0 };
    expect(read({ prompt: "hi", ...only }).extra).toEqual(only);
  });

  test("as older clients send it, with nothing in most fields, says nothing by them", () => {
    const idle = { system: "", template: "", context: [], raw: false, images: [], format: "", keep_alive: null };
    expect(read({ prompt: "hi", ...idle })).toEqual(read({ prompt: "hi" }));
  });

  test("without a prompt loads a model", () => {
    for (const rest of [{}, { prompt: "" }, { prompt: null, system: "Be brief." }])
      expect(read(rest).messages).toEqual([]);
  });

  test.each<[string, JsonObject]>([
    ["prompt", { prompt: 7 }],
    ["system", { prompt: "hi", system: ["x"] }],
    ["images[0]", { prompt: "hi", images: [{}] }],
    ["options", { prompt: "hi", options: "x" }],
    ["model", { model: "", prompt: "hi" }],
  ])("with a wrong %s is refused by its name", (param, rest) => {
    expect(kindOf(() => read(rest))).toBe(`invalid-request ${param}`);
  });

  test.each([ollamaChat, openaiChat, anthropicMessages])("is written to $name as a chat", (dialect) => {
    const losses: Loss[] = [];
    const request = read({ prompt: "hi", system: "Be brief.", options: { num_predict: 9 }, stream: false });
    const body = dialect.writeRequest(request, { model: "m", record: undefined }, losses);
    const again = dialect.readRequest(body);
    expect(again.messages).toEqual(request.messages);
    expect(again.maxOutputTokens).toBe(9);
    expect(losses).toEqual([]);
  });

  test.each<[string, JsonObject]>([
    ["suffix", { suffix: "}" }],
    ["template", { template: "{{ .Prompt }}" }],
    ["context", { context: [1] }],
    ["raw", { raw: true }],
  ])("with a %s cannot be a chat", (field, rest) => {
    const request = read({ prompt: "hi", ...rest });
    expect(kindOf(() => ollamaChat.writeRequest(request, { model: "m", record: undefined }, []))).toBe(
      `unsupported ${field}`,
    );
  });

  test("to load a model is one to the other end, too", () => {
    expect(ollamaChat.writeRequest(read({ keep_alive: 0 }), { model: "m", record: undefined }, [])).toEqual({
      model: "m",
      messages: [],
      truncate: false,
      keep_alive: 0,
      stream: true,
    });
  });
});

describe("a request of another dialect", () => {
  const write = (request: ChatRequest) => ollamaGenerate.writeRequest(request, { model: "m", record: undefined }, []);

  test("of one turn is a prompt", () => {
    const request = ollamaChat.readRequest({
      model: "x",
      messages: [
        { role: "system", content: "Be brief." },
        { role: "user", content: "hi", images: [PNG] },
      ],
      options: { seed: 1 },
      stream: false,
    });
    expect(write(request)).toEqual({
      model: "m",
      prompt: "hi",
      system: "Be brief.",
      images: [PNG],
      truncate: false,
      options: { seed: 1 },
      stream: false,
    });
  });

  test("read back is the same, with what only this end has", () => {
    const body = {
      model: "m",
      prompt: "hi",
      system: "Be brief.",
      suffix: "}",
      context: [1],
      raw: true,
      template: "{{ .Prompt }}",
      truncate: true,
      options: { num_ctx: 4096 },
      stream: true,
    };
    expect(write(ollamaGenerate.readRequest(body))).toEqual(body);
  });

  test.each<[string, JsonObject]>([
    [
      "of more than one turn",
      {
        messages: [
          { role: "user", content: "a" },
          { role: "user", content: "b" },
        ],
      },
    ],
    ["that ends with an answer", { messages: [{ role: "assistant", content: "a" }] }],
    [
      "with tools",
      {
        messages: [{ role: "user", content: "a" }],
        tools: [{ type: "function", function: { name: "f" } }],
      },
    ],
  ])("%s is not one prompt", (_what, body) => {
    const request = openaiChat.readRequest({ model: "gpt", ...body });
    expect(kindOf(() => write(request))).toBe("unsupported messages");
  });

  test("without messages is refused", () => {
    expect(kindOf(() => write(openaiChat.readRequest({ model: "gpt", messages: [] })))).toBe(
      "invalid-request undefined",
    );
  });
});

describe("an answer", () => {
  const STREAM =
    line({ response: "", thinking: "hm" }) +
    line({ response: "Grüße " }) +
    line({ response: "🗽", tool_calls: [call("f", { a: 1 }, "a")] }) +
    LAST;
  const read = (text: string | Uint8Array, stream = true, sizes: readonly number[] = []) =>
    decode(text, stream, sizes, ollamaGenerate);
  const events = read(STREAM);

  test("has its text on the line itself", () => {
    expect(events).toMatchObject([
      { type: "start", model: "m" },
      { type: "reasoning-delta", text: "hm" },
      { type: "reasoning-end" },
      { type: "text-delta", text: "Grüße " },
      { type: "text-delta", text: "🗽" },
      { type: "tool-call-start", index: 0, id: "a", name: "f" },
      { type: "tool-call-delta", arguments: '{"a":1}' },
      { type: "tool-call-end" },
      { type: "usage", usage: { inputUncached: 792, cacheRead: undefined, output: 478 } },
      { type: "finish", reason: "tool-calls" },
      { type: "done" },
    ]);
  });

  test("is the same in any chunking", () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 1, max: 40 }), { maxLength: 80 }), (sizes) => {
        expect(read(STREAM, true, sizes)).toEqual(events);
      }),
    );
  });

  test("that is whole is read, and one that is not is an error", () => {
    expect(types(read(line({ response: "hi", done: true, done_reason: "stop", ...COUNTS }), false))).toEqual([
      "start",
      "text-delta",
      "usage",
      "finish",
      "done",
    ]);
    expect(error(read(line({ response: "half" }), false))).toMatchObject({ ours: true });
    expect(error(read(line({ message: { content: "of the other end" }, done: true }), false))).toMatchObject({
      ours: true,
    });
    expect(error(read(line({ response: "half" })))).toMatchObject({ ours: true });
  });

  test("of a model that draws is what only this dialect knows", () => {
    const drawn = line({ response: "", completed: 1, total: 2 }) + line({ response: "", image: PNG }) + LAST;
    expect(read(drawn).filter((event) => event.type === "opaque")).toEqual([
      { type: "opaque", kind: "image", value: PNG },
    ]);
  });
});
