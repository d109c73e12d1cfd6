/** Ollama's native API in the sandbox: what it answers, and what it would not serve. */
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { JsonObject, JsonValue } from "../src/chat.ts";
import { startSandbox, type RunningSandbox } from "../bench/sandbox/index.ts";
import { at, call, user, words } from "./sandbox-call.ts";
import { checkedLines } from "./sandbox-ollama-lines.ts";

let sandbox: RunningSandbox;
beforeEach(async () => {
  sandbox = await startSandbox();
});
afterEach(() => sandbox.close());

const chat = (body: JsonObject) =>
  call(sandbox, "ollama", { model: "llama3.1", messages: [user("Hello there")], ...body });
const generate = (body: JsonObject) =>
  call(sandbox, "ollama", { model: "llama3.1", prompt: "Hello there", ...body }, { path: "/api/generate" });
const get = (path: string) => call(sandbox, "ollama", undefined, { path });

const LOOK: JsonObject = {
  type: "function",
  function: { name: "look", parameters: { type: "object", properties: { at: { type: "string" } }, required: ["at"] } },
};

describe("an answer", () => {
  test("is a stream of lines unless it is told not to be, and adds up to the one in one piece", async () => {
    const streamed = await chat({});
    expect(streamed.headers.get("content-type")).toBe("application/x-ndjson");
    const { text, last } = checkedLines(streamed.text);
    sandbox.reset();
    const whole = await chat({ stream: false });
    expect(whole.headers.get("content-type")).toBe("application/json; charset=utf-8");
    expect(at(whole.body, "message")).toEqual({ role: "assistant", content: text });
    expect(text).toBe("This is the sandbox, not a model. You said: Hello there");
    const { created_at: _, message: __, ...counts } = last;
    expect(whole.body).toMatchObject(counts);
    expect(last["prompt_eval_count"]).toBe(sandbox.invoice.lines[0]?.tokens.uncached);
    expect(last["eval_count"]).toBe(sandbox.invoice.lines[0]?.tokens.output);
    expect(sandbox.invoice.lines[0]?.costPicoUsd).toBeUndefined();
  });

  test("calls the tools that are named, with arguments as an object, without ids unless the version gives them", async () => {
    const body = { messages: [user("look around")], tools: [LOOK] };
    const [made] = checkedLines((await chat(body)).text).calls;
    expect(made).toEqual({ function: { name: "look", arguments: { at: expect.any(String) as string } } });
    await sandbox.close();
    sandbox = await startSandbox({ ollama: { callIds: true } });
    const [named] = checkedLines((await chat({ ...body, stream: false })).text).calls;
    expect(named).toMatchObject({ id: expect.stringMatching(/^call_[a-z0-9]{8}$/) as string, function: { index: 0 } });
  });

  test("goes on with results, and quotes them", async () => {
    const called = {
      role: "assistant",
      content: "",
      tool_calls: [{ function: { name: "look", arguments: { at: "it" } } }],
    };
    const result = { role: "tool", tool_name: "look", content: "18 degrees" };
    const { text } = checkedLines((await chat({ messages: [user("look"), called, result], tools: [LOOK] })).text);
    expect(text).toContain("The tool said: 18 degrees");
  });

  test.each([
    ["nothing is said", {}, 48],
    ["it is wished for", { think: true }, 48],
    ["it is wished for by a word", { think: "low" }, 16],
    ["it is not wished for", { think: false }, 0],
  ])("of a model that thinks: when %s", async (_what, more, tokens) => {
    const { thinking, last } = checkedLines((await chat({ model: "qwen3:4b", ...more })).text);
    expect(thinking.split(" ").length).toBe(tokens === 0 ? 1 : tokens);
    expect(sandbox.invoice.lines[0]?.tokens).toMatchObject({ reasoning: tokens, output: last["eval_count"] });
  });

  test("fits its format", async () => {
    const schema = { type: "object", properties: { city: { type: "string" } }, required: ["city"] };
    expect(Object.keys(JSON.parse(checkedLines((await chat({ format: schema })).text).text) as object)).toEqual([
      "city",
    ]);
    const loose = checkedLines((await generate({ format: "json", stream: false })).text);
    expect(typeof JSON.parse(loose.text)).toBe("object");
    expect(checkedLines((await chat({ format: "" })).text).text).toContain("You said");
  });

  test("ends at its cap and at its stops", async () => {
    const short = checkedLines((await chat({ options: { num_predict: 3 } })).text);
    expect(short.last).toMatchObject({ done_reason: "length", eval_count: 3 });
    const stopped = checkedLines((await chat({ options: { stop: ["not"] } })).text);
    expect(stopped.text).toBe("This is the sandbox, ");
    expect(checkedLines((await chat({ options: { num_predict: -1 } })).text).last["done_reason"]).toBe("stop");
  });

  test("of `generate` gives its tokens back, unless it was raw", async () => {
    const { last, text } = checkedLines((await generate({ system: "Be short." })).text);
    expect(text).toBe("This is the sandbox, not a model. You said: Hello there");
    expect((last["context"] as JsonValue[]).length).toBe(
      Number(last["prompt_eval_count"]) + Number(last["eval_count"]),
    );
    const raw = checkedLines((await generate({ raw: true })).text);
    expect(raw.last).not.toHaveProperty("context");
    expect(raw.last["prompt_eval_count"]).toBe(2);
  });

  test("takes the time it says it takes", async () => {
    await sandbox.close();
    sandbox = await startSandbox({
      ollama: { loadMs: 20 },
      pace: { prefillTokensPerSecond: 10_000, tokensPerSecond: 10_000 },
    });
    const { last } = checkedLines((await chat({ stream: false })).text);
    expect(last).toMatchObject({
      load_duration: 20_001_000,
      prompt_eval_duration: Number(last["prompt_eval_count"]) * 100_000,
      eval_duration: Number(last["eval_count"]) * 100_000,
    });
    expect(checkedLines((await chat({ stream: false })).text).last["load_duration"]).toBe(1000);
  });
});

describe("what goes wrong", () => {
  test("inside a stream is a line in a 200, and nothing after it", async () => {
    sandbox.faults.next({ name: "error-event" });
    const { status, text } = await chat({});
    const lines = text.trimEnd().split("\n");
    expect(status).toBe(200);
    expect(lines).toHaveLength(4);
    expect(lines.at(-1)).toBe('{"error":"an error was encountered while running the model: unexpected EOF"}');
  });

  test("is asked for by a marker, and directed in the text", async () => {
    expect((await chat({ messages: [user("Hi [[sandbox: fault=503]]")] })).status).toBe(503);
    expect((await generate({ prompt: '[[sandbox: text="As told."]]', stream: false })).body["response"]).toBe(
      "As told.",
    );
    const cut = await chat({ messages: [user("Hi [[sandbox: fault=cut-clean events=2]]")] });
    expect(cut.text.trimEnd().split("\n")).toHaveLength(2);
  });

  const rows: readonly { rule: string; body: JsonObject; status: number; says: string; path?: string }[] = [
    {
      rule: "a model that was not pulled",
      body: { model: "gpt-5.4-nano" },
      status: 404,
      says: "model 'gpt-5.4-nano' not found",
    },
    { rule: "no model", body: { model: undefined }, status: 400, says: "model is required" },
    {
      rule: "arguments as a text",
      body: {
        messages: [{ role: "assistant", content: "", tool_calls: [{ function: { name: "x", arguments: "{}" } }] }],
      },
      status: 400,
      says: "json: cannot unmarshal string into Go struct field ChatRequest.messages.tool_calls.function.arguments",
    },
    {
      rule: "content in parts",
      body: { messages: [user([{ type: "text", text: "a" }])] },
      status: 400,
      says: "json: cannot unmarshal array into Go struct field ChatRequest.messages.content of type string",
    },
    {
      rule: "a picture as a data URL",
      body: { model: "gemma3:4b", messages: [{ ...user("a"), images: ["data:image/png;base64,AAAA"] }] },
      status: 400,
      says: "illegal base64 data at input byte 4",
    },
    {
      rule: "a picture for a model that sees nothing",
      body: { messages: [{ ...user("a"), images: ["AAAA"] }] },
      status: 500,
      says: "missing data required for image input",
    },
    {
      rule: "tools for a model that calls none",
      body: { model: "gemma3:1b", tools: [LOOK] },
      status: 400,
      says: "registry.ollama.ai/library/gemma3:1b does not support tools",
    },
    {
      rule: "thought from a model that has none",
      body: { think: true },
      status: 400,
      says: '"llama3.1" does not support thinking',
    },
    {
      rule: "a think that is no such word",
      body: { model: "qwen3:4b", think: "much" },
      status: 400,
      says: 'invalid think value: "much"',
    },
    {
      rule: "a chat with a model that only embeds",
      body: { model: "nomic-embed-text" },
      status: 400,
      says: '"nomic-embed-text" does not support chat',
    },
    {
      rule: "a stop that is no list",
      body: { options: { stop: "a" } },
      status: 500,
      says: 'option "stop" must be of type array',
    },
    {
      rule: "a window that is no number",
      body: { options: { num_ctx: "4096" } },
      status: 500,
      says: 'option "num_ctx" must be of type integer',
    },
    { rule: "a format that is none", body: { format: "yaml" }, status: 500, says: 'invalid format: "yaml"' },
    {
      rule: "a duration without a unit",
      body: { keep_alive: "10" },
      status: 400,
      says: 'time: missing unit in duration "10"',
    },
    {
      rule: "a prompt that is too long and must not be cut",
      body: { messages: [user(words(5000))], truncate: false },
      status: 400,
      says: "exceeds the available context size (4096 tokens)",
    },
    {
      rule: "a prompt that fills a window that must not move",
      body: { messages: [user(words(5000))], shift: false },
      status: 400,
      says: "the prompt is longer than the context length currently available",
    },
    {
      rule: "a suffix for a model that inserts nothing",
      body: { prompt: "a", suffix: "b" },
      status: 400,
      says: "does not support insert",
      path: "/api/generate",
    },
    {
      rule: "raw text with a system prompt",
      body: { prompt: "a", raw: true, system: "b" },
      status: 400,
      says: "raw mode does not support template, system, or context",
      path: "/api/generate",
    },
    {
      rule: "numbers to be embedded",
      body: { input: [1] },
      status: 400,
      says: "invalid input type",
      path: "/api/embed",
    },
  ];
  test.each(rows)("$rule: refused", async ({ body, status, says, path }) => {
    const answer = await call(
      sandbox,
      "ollama",
      { model: "llama3.1", messages: [user("Hi")], ...body },
      { path: path ?? "/api/chat" },
    );
    expect(answer.status).toBe(status);
    expect(answer.body).toEqual({ error: expect.stringContaining(says) as string });
    expect(sandbox.invoice.lines).toHaveLength(0);
  });

  test.each([
    ["unknown fields and options", { nonsense: 1, tool_choice: "required", options: { nonsense: 1 } }],
    ["what a client's types leave empty", { format: "", options: {}, keep_alive: null, tools: [] }],
    [
      "any order of roles",
      {
        messages: [
          { role: "assistant", content: "a" },
          { role: "tool", content: "b" },
        ],
      },
    ],
    ["a picture", { model: "gemma3:4b", messages: [{ ...user("a"), images: ["AAAA"] }] }],
  ])("%s: served", async (_what, body) => {
    const answer = await chat(body);
    expect(answer.status, answer.text).toBe(200);
    checkedLines(answer.text);
  });
});

describe("beside it", () => {
  test("models are listed and described: what they can do, how much they hold", async () => {
    const tags = (await get("/api/tags")).body["models"] as readonly JsonObject[];
    expect(tags.map(({ name }) => name)).toContain("qwen3:4b");
    expect(tags[0]).toMatchObject({
      digest: expect.stringMatching(/^[0-9a-f]{64}$/) as string,
      details: { format: "gguf" },
    });
    const shown = await call(sandbox, "ollama", { model: "qwen3:4b" }, { path: "/api/show" });
    expect(shown.body).toMatchObject({
      capabilities: ["completion", "tools", "thinking"],
      model_info: { "general.architecture": "qwen3", "qwen3.context_length": 262_144 },
    });
    expect((await call(sandbox, "ollama", { name: "claude-opus-5" }, { path: "/api/show" })).status).toBe(404);
  });

  test.each([
    ["qwen3-vl:8b", ["completion", "tools", "thinking", "vision"]],
    ["qwen3-vl:8b-instruct", ["completion", "tools", "vision"]],
    ["gemma3:1b", ["completion"]],
    ["gemma3:4b", ["completion", "vision"]],
    ["nomic-embed-text", ["embedding"]],
    ["nobody-knows-it:7b", ["completion", "tools"]],
  ])("what %s can do", async (model, capabilities) => {
    const shown = await call(sandbox, "ollama", { model }, { path: "/api/show" });
    expect(shown.body).toMatchObject({ capabilities });
  });

  test("it says that it is there, and which version it is", async () => {
    expect((await get("/")).text).toBe("Ollama is running");
    expect((await get("/api/version")).body).toEqual({ version: "0.40.0" });
    expect((await call(sandbox, "ollama", undefined, { path: "/", method: "HEAD" })).status).toBe(200);
  });

  test("texts are embedded: of length one, cut at the window unless that is refused", async () => {
    const embed = (body: JsonObject) =>
      call(sandbox, "ollama", { model: "nomic-embed-text", ...body }, { path: "/api/embed" });
    const { body } = await embed({ input: ["red apple", "green apple", "car"] });
    const vectors = body["embeddings"] as readonly (readonly number[])[];
    expect(vectors.map((vector) => vector.length)).toEqual([768, 768, 768]);
    for (const vector of vectors) expect(Math.hypot(...vector)).toBeCloseTo(1, 5);
    expect(body["prompt_eval_count"]).toBe(5);
    expect(sandbox.invoice.lines[0]).toMatchObject({
      model: "nomic-embed-text:latest",
      tokens: { uncached: 5, output: 0 },
    });
    expect((await embed({ input: words(3000) })).body["prompt_eval_count"]).toBe(2048);
    expect((await embed({ input: words(3000), truncate: false })).status).toBe(400);
    expect((await embed({ input: [] })).body["embeddings"]).toEqual([]);
    expect(at((await embed({ input: "a", dimensions: 8 })).body, "embeddings", 0)).toHaveLength(8);
  });
});
