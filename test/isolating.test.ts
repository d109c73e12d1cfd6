/** A body that is kept apart from other tenants': what is put where, and that the reading is otherwise the client's own. */
import { describe, expect, test } from "vitest";
import type { JsonObject } from "../src/chat.ts";
import { anthropicMessages } from "../src/dialects/anthropic-messages.ts";
import type { Dialect } from "../src/dialects/dialect.ts";
import { mistralChat } from "../src/dialects/mistral-chat.ts";
import { ollamaChat, ollamaGenerate } from "../src/dialects/ollama-chat.ts";
import { mistralFim, openaiCompletions } from "../src/dialects/openai-completions.ts";
import { openaiChat } from "../src/dialects/openai-chat.ts";
import { openaiEmbeddings } from "../src/dialects/openai-embeddings.ts";
import { openaiResponses } from "../src/dialects/openai-responses.ts";
import { isolatedCall, isolationOf, withoutLine } from "../src/isolated.ts";

const ANN = { name: "ann", tenant: "key:1", keySha256: "a".repeat(64) };
const BEN = { name: "ben", tenant: "key:2", keySha256: "b".repeat(64) };
const LIMITS = { bodyBytesMax: 1e6, jsonDepthMax: 50 };

function isolated(dialect: Dialect, body: JsonObject, caller = ANN, mode: "off" | "keys" | "strict" = "strict") {
  const raw = Buffer.from(JSON.stringify(body));
  return isolatedCall({ raw, body, request: dialect.readRequest(body) }, dialect, isolationOf(caller, mode), LIMITS);
}

const LINE = isolationOf(ANN, "strict")?.line ?? "";
const user = { role: "user", content: "Hi" };
const picture = { type: "image_url", image_url: { url: "https://example.com/a.png" } };

interface Case {
  readonly name: string;
  readonly dialect: Dialect;
  readonly body: JsonObject;
  /** Of the body that is sent. */
  readonly at: (body: JsonObject) => unknown;
  readonly is: unknown;
}

const member = (value: unknown, ...path: readonly (string | number)[]): unknown =>
  path.reduce<unknown>((held, step) => (held as Record<string | number, unknown>)[step], value);
const firstContent = (body: JsonObject) => member(body, "messages", 0, "content");
const part = { type: "text", text: `${LINE}\n` };

const CASES: readonly Case[] = [
  ...[openaiChat, mistralChat, ollamaChat].map((dialect): Case => ({
    name: "a system text",
    dialect,
    body: { messages: [{ role: "system", content: "Be brief." }, user] },
    at: firstContent,
    is: `${LINE}\nBe brief.`,
  })),
  ...[openaiChat, mistralChat, ollamaChat].map((dialect): Case => ({
    name: "no system text: whoever begins",
    dialect,
    body: { messages: [user] },
    at: firstContent,
    is: `${LINE}\nHi`,
  })),
  {
    name: "parts",
    dialect: openaiChat,
    body: { messages: [{ role: "user", content: [picture, { type: "text", text: "What is it?" }] }] },
    at: firstContent,
    is: [part, picture, { type: "text", text: "What is it?" }],
  },
  {
    name: "a beginning without content",
    dialect: openaiChat,
    body: {
      messages: [
        {
          role: "assistant",
          content: null,
          tool_calls: [{ id: "c", type: "function", function: { name: "f", arguments: "{}" } }],
        },
        { role: "tool", tool_call_id: "c", content: "1" },
      ],
    },
    at: (body) => member(body, "messages", 0),
    is: { role: "system", content: LINE },
  },
  {
    name: "a tool",
    dialect: openaiChat,
    body: {
      messages: [user],
      tools: [{ type: "function", function: { name: "f", description: "Finds.", parameters: {} } }],
    },
    at: (body) => member(body, "tools", 0, "function", "description"),
    is: `${LINE}\nFinds.`,
  },
  {
    name: "a tool without a description, behind one of the provider's",
    dialect: openaiResponses,
    body: { input: "Hi", tools: [{ type: "web_search" }, { type: "function", name: "f", parameters: {} }] },
    at: (body) => member(body, "tools", 1, "description"),
    is: `${LINE}\n`,
  },
  {
    name: "instructions",
    dialect: openaiResponses,
    body: { instructions: "Be brief.", input: "Hi", previous_response_id: "resp_1" },
    at: (body) => [body["instructions"], body["input"]],
    is: [`${LINE}\nBe brief.`, "Hi"],
  },
  {
    name: "an input",
    dialect: openaiResponses,
    body: { input: "Hi" },
    at: (body) => body["input"],
    is: `${LINE}\nHi`,
  },
  {
    name: "items",
    dialect: openaiResponses,
    body: { input: [{ role: "user", content: [{ type: "input_text", text: "Hi" }] }] },
    at: (body) => member(body, "input", 0, "content"),
    is: [
      { type: "input_text", text: `${LINE}\n` },
      { type: "input_text", text: "Hi" },
    ],
  },
  {
    name: "what goes on from a kept answer: that one's prompt began with it",
    dialect: openaiResponses,
    body: { input: "Hi", previous_response_id: "resp_1" },
    at: (body) => body["input"],
    is: "Hi",
  },
  {
    name: "system blocks",
    dialect: anthropicMessages,
    body: { max_tokens: 1, system: [{ type: "text", text: "Be brief." }], messages: [user] },
    at: (body) => body["system"],
    is: [part, { type: "text", text: "Be brief." }],
  },
  {
    name: "Claude Code's billing line, which stays the first",
    dialect: anthropicMessages,
    body: {
      max_tokens: 1,
      system: [
        { type: "text", text: "x-anthropic-billing-header: cc_version=2.1.0; cch=00000;" },
        { type: "text", text: "Be brief." },
      ],
      messages: [user],
    },
    at: (body) => member(body, "system", 1),
    is: part,
  },
  {
    name: "an empty system text",
    dialect: anthropicMessages,
    body: { max_tokens: 1, system: "", messages: [user] },
    at: firstContent,
    is: `${LINE}\nHi`,
  },
  {
    name: "a tool of the client's",
    dialect: anthropicMessages,
    body: {
      max_tokens: 1,
      messages: [user],
      tools: [
        { type: "web_search_20250305", name: "web_search" },
        { name: "f", input_schema: { type: "object" } },
      ],
    },
    at: (body) => member(body, "tools", 1, "description"),
    is: `${LINE}\n`,
  },
  {
    name: "a prompt",
    dialect: ollamaGenerate,
    body: { prompt: "Hi" },
    at: (body) => body["prompt"],
    is: `${LINE}\nHi`,
  },
];

describe("the line", () => {
  test.each(CASES)("$dialect.name: stands in front of $name", ({ dialect, body, at, is }) => {
    expect(at(isolated(dialect, { model: "m", ...body }).body)).toEqual(is);
  });

  test.each(CASES)("$dialect.name, $name: without it the reading is the client's", ({ dialect, body }) => {
    const said = { model: "m", ...body };
    expect(withoutLine(isolated(dialect, said).request, LINE)).toEqual(dialect.readRequest(said));
  });

  test("stands in front of a completion's prompts, and one of tokens is refused", () => {
    for (const dialect of [openaiCompletions, mistralFim]) {
      expect(isolated(dialect, { model: "m", prompt: "Once" }).body["prompt"]).toBe(`${LINE}\nOnce`);
    }
    const several = isolated(openaiCompletions, { model: "m", prompt: ["a", "b"] });
    expect(several.body["prompt"]).toEqual([`${LINE}\na`, `${LINE}\nb`]);
    expect(() => isolated(openaiCompletions, { model: "m", prompt: [1, 2] })).toThrow("cache.isolate: strict");
  });

  test.each([{ raw: true }, { context: [1, 2] }, { template: "{{ .Prompt }}" }])(
    "is refused where %j comes before it",
    (more) => {
      expect(() => isolated(ollamaGenerate, { model: "m", prompt: "Hi", ...more })).toThrow("cache.isolate: strict");
    },
  );

  test("is a tenant's own, always the same, and says nobody's name or hash", () => {
    const [ann, ben] = [ANN, BEN].map((caller) => isolationOf(caller, "strict")?.line);
    expect(ann).toBe(LINE);
    expect(ben).not.toBe(ann);
    for (const line of [ann, ben]) expect(line).toMatch(/^<!-- [\w-]{16} -->$/);
  });
});

describe("what is left as it is", () => {
  const body = { model: "m", messages: [user] };
  test("is what nobody's cache keeps, and everything where nothing is to be kept apart", () => {
    const vectors = { model: "m", input: "Hi" };
    const raw = Buffer.from(JSON.stringify(vectors));
    const received = { raw, body: vectors, request: openaiEmbeddings.readRequest(vectors) };
    expect(isolatedCall(received, openaiEmbeddings, isolationOf(ANN, "strict"), LIMITS)).toBe(received);
    const chat = { raw: Buffer.from(JSON.stringify(body)), body, request: openaiChat.readRequest(body) };
    for (const isolation of [isolationOf(ANN, "off"), isolationOf(ANN, "keys"), undefined])
      expect(isolatedCall(chat, openaiChat, isolation, LIMITS)).toBe(chat);
  });

  test("is every byte but the key's, where a client says one", () => {
    const raw = Buffer.from(
      '{"model":"m", "seed":9007199254740993,"prompt_cache_key":"a","messages":[{"role":"user","content":"Hi"}]}',
    );
    const said = JSON.parse(raw.toString()) as JsonObject;
    const own = isolatedCall(
      { raw, body: said, request: openaiChat.readRequest(said) },
      openaiChat,
      isolationOf(ANN, "keys"),
      LIMITS,
    );
    expect(own.body["prompt_cache_key"]).toMatch(/^[\w-]{43}$/);
    expect(Buffer.from(own.raw).toString().replace(String(own.body["prompt_cache_key"]), "a")).toBe(raw.toString());
    expect(own.request.promptCacheKey).toBe(own.body["prompt_cache_key"]);
    expect(isolated(openaiChat, said, BEN, "keys").body["prompt_cache_key"]).not.toBe(own.body["prompt_cache_key"]);
  });
});
