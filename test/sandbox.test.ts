/**
 * The sandbox as its users meet it: through the official clients, and with an invoice.
 */
import Anthropic, { APIError as AnthropicError } from "@anthropic-ai/sdk";
import OpenAI, { APIError as OpenaiError } from "openai";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { JsonObject } from "../src/chat.ts";
import { startSandbox, type RunningSandbox } from "../bench/sandbox/index.ts";
import { at, call, CHATS, eventsIn, hello, withoutIds, words } from "./sandbox-call.ts";

let sandbox: RunningSandbox;
beforeEach(async () => {
  sandbox = await startSandbox();
});
afterEach(() => sandbox.close());

const openai = (key: string = "key") => new OpenAI({ baseURL: `${sandbox.url}/openai/v1`, apiKey: key, maxRetries: 0 });
const anthropic = (key: string = "key") =>
  new Anthropic({ baseURL: `${sandbox.url}/anthropic`, apiKey: key, maxRetries: 0 });

const WEATHER = {
  type: "object",
  properties: { city: { type: "string" }, days: { type: "integer", minimum: 1, maximum: 5 } },
  required: ["city", "days"],
  additionalProperties: false,
};
describe("through the OpenAI client", () => {
  test("an answer says whose it is, and the same prompt gets the same one", async () => {
    const ask = () =>
      openai().chat.completions.create({ model: "gpt-5.4-nano", messages: [{ role: "user", content: "Hello there" }] });
    const [first, second] = [await ask(), await ask()];
    expect(first.choices[0]?.message.content).toBe("This is the sandbox, not a model. You said: Hello there");
    expect(second.choices[0]?.message).toEqual(first.choices[0]?.message);
    expect(second.id).not.toBe(first.id);
  });

  test("a stream adds up to the answer in one piece, usage last and only when it was asked for", async () => {
    const body = { model: "gpt-5.4-nano", messages: [{ role: "user" as const, content: "Tell me a lot" }] };
    const whole = await openai().chat.completions.create(body);
    let text = "";
    let usage: unknown;
    const stream = await openai().chat.completions.create({
      ...body,
      stream: true,
      stream_options: { include_usage: true },
    });
    for await (const chunk of stream) {
      expect(usage).toBeUndefined();
      text += chunk.choices[0]?.delta.content ?? "";
      usage = chunk.usage ?? undefined;
    }
    expect(text).toBe(whole.choices[0]?.message.content);
    expect(usage).toEqual(whole.usage);
    for await (const chunk of await openai().chat.completions.create({ ...body, stream: true })) {
      expect(chunk).not.toHaveProperty("usage");
      expect(chunk.choices).toHaveLength(1);
    }
  });

  test("a tool loop: the named tool is called with arguments of its schema, and its result is quoted", async () => {
    const tools = [{ type: "function" as const, function: { name: "get_weather", strict: true, parameters: WEATHER } }];
    const question = { role: "user" as const, content: "Use get_weather for Paris" };
    const first = await openai().chat.completions.create({ model: "gpt-5.4-nano", messages: [question], tools });
    const message = first.choices[0]?.message;
    expect(first.choices[0]?.finish_reason).toBe("tool_calls");
    const made = message?.tool_calls?.[0];
    if (message === undefined || made?.type !== "function") throw new Error("no call was made");
    const said = JSON.parse(made.function.arguments) as { city: unknown; days: number };
    expect(typeof said.city).toBe("string");
    expect(said.days).toBeGreaterThanOrEqual(1);
    expect(said.days).toBeLessThanOrEqual(5);
    const second = await openai().chat.completions.create({
      model: "gpt-5.4-nano",
      messages: [question, message, { role: "tool", tool_call_id: made.id, content: "18 degrees" }],
      tools,
    });
    expect(second.choices[0]?.message.content).toContain("The tool said: 18 degrees");
  });

  test("structured output fits its schema", async () => {
    const completion = await openai().chat.completions.parse({
      model: "gpt-5.4-nano",
      messages: [{ role: "user", content: "Weather" }],
      response_format: { type: "json_schema", json_schema: { name: "weather", strict: true, schema: WEATHER } },
    });
    const parsed = completion.choices[0]?.message.parsed as { city: string; days: number } | null;
    expect(Object.keys(parsed ?? {}).sort()).toEqual(["city", "days"]);
    expect(Number.isInteger(parsed?.days)).toBe(true);
  });

  test("a refusal is an API error with status, code, param and request id", async () => {
    const asked = openai().chat.completions.create({
      model: "gpt-5.4-nano",
      messages: [{ role: "user", content: "Hi" }],
      max_tokens: 5,
    });
    const error = await asked.catch((caught: unknown) => caught);
    expect(error).toBeInstanceOf(OpenaiError);
    expect(error).toMatchObject({ status: 400, code: "unsupported_parameter", param: "max_tokens" });
    expect((error as OpenaiError).requestID).toMatch(/^req_/);
  });

  test("models are listed with their end", async () => {
    const models = await openai().models.list();
    expect(models.data.map((model) => model.id)).toContain("gpt-6-luna");
    expect((await openai().models.retrieve("gpt-5.4-nano")).id).toBe("gpt-5.4-nano");
    await expect(openai().models.retrieve("claude-opus-5")).rejects.toMatchObject({ status: 404 });
  });
});

describe("through the Anthropic client", () => {
  const ask = { model: "claude-haiku-5-5", max_tokens: 400 } as const;

  test("a stream adds up to the message in one piece, thought and signature included", async () => {
    const thinking = { type: "adaptive" as const, display: "summarized" as const };
    const body = { ...ask, thinking, messages: [{ role: "user" as const, content: "Hello" }] };
    const whole = await anthropic().messages.create(body);
    const streamed = await anthropic().messages.stream(body).finalMessage();
    expect(streamed.content).toEqual(whole.content);
    expect(streamed.usage.output_tokens).toBe(whole.usage.output_tokens);
    expect(streamed.content.map((block) => block.type)).toEqual(["thinking", "text"]);
  });

  test("a tool loop goes on with the thought it began with, and refuses one that was tampered with", async () => {
    const tools = [
      { name: "get_weather", input_schema: { type: "object" as const, properties: { city: { type: "string" } } } },
    ];
    const question = { role: "user" as const, content: "Use get_weather" };
    const first = await anthropic().messages.create({ ...ask, messages: [question], tools });
    const made = first.content.find((block) => block.type === "tool_use");
    if (made === undefined) throw new Error("no call was made");
    const result = {
      role: "user" as const,
      content: [{ type: "tool_result" as const, tool_use_id: made.id, content: "18 degrees" }],
    };
    const continued = (content: typeof first.content) =>
      anthropic().messages.create({ ...ask, messages: [question, { role: "assistant", content }, result], tools });
    expect((await continued(first.content)).content.at(-1)).toMatchObject({
      text: expect.stringContaining("18 degrees") as string,
    });
    const forged = first.content.map((block) =>
      block.type === "thinking" ? { ...block, thinking: "Something else" } : block,
    );
    const error = await continued(forged).catch((caught: unknown) => caught);
    expect(error).toBeInstanceOf(AnthropicError);
    expect((error as Error).message).toContain("Invalid `signature` in `thinking` block");
  });

  test("counting tokens agrees with the bill", async () => {
    const messages = [{ role: "user" as const, content: words(300) }];
    const counted = await anthropic().messages.countTokens({ model: "claude-haiku-4-5", messages });
    const answered = await anthropic().messages.create({ model: "claude-haiku-4-5", max_tokens: 10, messages });
    expect(counted.input_tokens).toBe(answered.usage.input_tokens);
    expect(sandbox.invoice.lines).toHaveLength(1);
  });

  test("models are listed", async () => {
    const models = await anthropic().models.list();
    expect(models.data.map((model) => model.id)).toContain("claude-haiku-5-5");
  });

  test("an error in the middle of a stream is one to the client", async () => {
    sandbox.faults.next({ name: "error-event" });
    const stream = anthropic().messages.stream({ ...ask, messages: [{ role: "user", content: "Hello" }] });
    await expect(stream.finalMessage()).rejects.toThrow("Overloaded");
  });
});

describe("every provider", () => {
  test.each(CHATS)("$provider: a missing and a wrong key are 401, where keys are asked for", async (chat) => {
    const { provider, body } = chat;
    const wrong = await call(sandbox, provider, body, { key: "invalid-key" });
    expect(wrong.status).toBe(provider === "ollama" ? 200 : 401);
    const keyless = await fetch(`${sandbox.url}/${provider}/v1/models`);
    expect(keyless.status).toBe(provider === "vllm" || provider === "ollama" ? 200 : 401);
  });

  test.each([
    { provider: "openai", model: "claude-haiku-4-5", status: 404 },
    { provider: "openai", model: "gpt-5.4-nano-2099-01-01", status: 200 },
    { provider: "anthropic", model: "gpt-5.4-nano", status: 404 },
    { provider: "anthropic", model: "claude-opus-9-9", status: 200 },
    { provider: "mistral", model: "gpt-5.4-nano", status: 400 },
    { provider: "mistral", model: "ministral-99b-latest", status: 200 },
    { provider: "vllm", model: "gpt-5.4-nano", status: 404 },
    { provider: "vllm", model: "Qwen/Qwen9", status: 200 },
    { provider: "ollama", model: "gpt-5.4-nano", status: 404 },
    { provider: "ollama", model: "qwen9:70b-q8_0", status: 200 },
  ])("$provider answers $status to $model", async ({ provider, model, status }) => {
    const answer = await call(sandbox, provider, {
      ...hello(model),
      max_tokens: provider === "openai" ? undefined : 400,
    });
    expect(answer.status).toBe(status);
  });

  test.each(CHATS)("$provider: a body that is not JSON is refused in its own words", async ({ provider }) => {
    const answer = await call(sandbox, provider, '{"model":');
    expect(answer.status).toBe(provider === "mistral" ? 422 : 400);
    expect(answer.body["error"] ?? answer.body["detail"]).toBeDefined();
  });

  test.each(CHATS)("$provider: a path that is none is 404 in its own words", async ({ provider }) => {
    const answer = await call(sandbox, provider, undefined, { path: "/v1/nothing" });
    expect(answer.status).toBe(404);
    expect(answer.body["error"] ?? answer.body["object"]).toBeDefined();
  });

  test.each(CHATS)("$provider: a stream's events come whole through any framing", async ({ provider, body }) => {
    const plain = eventsIn((await call(sandbox, provider, { ...body, stream: true })).text).map(withoutIds);
    expect(plain.length).toBeGreaterThan(5);
    for (const framing of ["chunk=1", "chunk=7 crlf", "comments", "bytes-after-done", "no-final-newline"]) {
      const headers = Object.fromEntries(
        framing.split(" ").map((one) => [`x-sandbox-${one.split("=")[0]}`, one.split("=")[1] ?? "1"]),
      );
      sandbox.reset();
      const odd = await call(sandbox, provider, { ...body, stream: true }, { headers });
      expect(eventsIn(odd.text).map(withoutIds)).toEqual(plain);
    }
  });

  test("a marker in the text directs where headers do not arrive, and is not repeated in the answer", async () => {
    const body = {
      ...hello("gpt-5.4-nano"),
      messages: [{ role: "user", content: 'Say it [[sandbox: text="As told."]]' }],
    };
    expect(at((await call(sandbox, "openai", body)).body, "choices", 0, "message", "content")).toBe("As told.");
    const quoted = { ...hello("gpt-5.4-nano"), messages: [{ role: "user", content: "Hi [[sandbox: tps=100000]]" }] };
    expect(at((await call(sandbox, "openai", quoted)).body, "choices", 0, "message", "content")).toMatch(
      /You said: Hi$/,
    );
  });
});

describe("the invoice", () => {
  test("prices each part by the table, and a long prompt beyond its mark from the first token on", async () => {
    const haiku = (count: number) => ({
      model: "claude-haiku-5-5",
      max_tokens: 1,
      thinking: { type: "disabled" },
      messages: [
        { role: "user", content: [{ type: "text", text: words(count), cache_control: { type: "ephemeral" } }] },
      ],
    });
    await call(sandbox, "anthropic", haiku(1000));
    await call(sandbox, "anthropic", haiku(1000));
    await call(sandbox, "anthropic", haiku(100_000));
    const [written, read, long] = sandbox.invoice.lines;
    const prompt = BigInt(written?.tokens.cacheWrite5m ?? 0);
    expect(prompt).toBe(1304n);
    expect(written?.costPicoUsd).toBe(prompt * 125_000n + 500_000n);
    expect(read?.costPicoUsd).toBe(prompt * 10_000n + 500_000n);
    const steep = BigInt(long?.tokens.cacheWrite5m ?? 0);
    expect(long?.costPicoUsd).toBe(steep * 625_000n + 2_500_000n);
    expect(sandbox.invoice.costPicoUsd).toBe(
      sandbox.invoice.lines.reduce((sum, line) => sum + (line.costPicoUsd ?? 0n), 0n),
    );
  });

  test("what nobody prices stays without a price", async () => {
    await call(sandbox, "vllm", hello("Qwen/Qwen9"));
    expect(sandbox.invoice.lines[0]).toMatchObject({ costPicoUsd: undefined, tokens: { cacheRead: 0 } });
    expect(sandbox.invoice.totals).toMatchObject([{ provider: "vllm", requests: 1, costPicoUsd: undefined }]);
  });

  test("agrees with the usage each answer reports", async () => {
    for (const { provider, body } of CHATS) {
      const answer = await call(sandbox, provider, body);
      const usage = (at(answer.body, "usage") ?? answer.body) as JsonObject;
      const { tokens } = sandbox.invoice.lines.at(-1) ?? {};
      expect(usage["completion_tokens"] ?? usage["output_tokens"] ?? usage["eval_count"]).toBe(tokens?.output);
      expect(usage["prompt_tokens"] ?? usage["input_tokens"] ?? usage["prompt_eval_count"]).toBe(tokens?.uncached);
    }
  });

  test("is read over HTTP with exact amounts, and reset the same way", async () => {
    await call(sandbox, "openai", hello("gpt-5.4-nano"));
    const invoice = (await (await fetch(`${sandbox.url}/sandbox/invoice`)).json()) as {
      lines: { costPicoUsd: string }[];
    };
    expect(invoice.lines[0]?.costPicoUsd).toBe(String(sandbox.invoice.lines[0]?.costPicoUsd));
    await fetch(`${sandbox.url}/sandbox/reset`, { method: "POST" });
    expect(sandbox.invoice.lines).toHaveLength(0);
    expect(sandbox.requests).toHaveLength(0);
  });
});

describe("what arrived", () => {
  test("is kept as it came: path, headers, the very bytes", async () => {
    const bytes = '{ "model":"gpt-5.4-nano", "messages":[{"role":"user","content":"Hi"}],"seed": 9007199254740993}';
    await call(sandbox, "openai", bytes, { headers: { "x-something": "1" } });
    const [request] = sandbox.requests;
    expect(request).toMatchObject({ provider: "openai", method: "POST", path: "/v1/chat/completions", status: 200 });
    expect(request?.headers["x-something"]).toBe("1");
    expect(request?.bodyBytes.toString()).toBe(bytes);
    expect(at(request?.body, "model")).toBe("gpt-5.4-nano");
  });

  test("is bounded", async () => {
    // No JSON, so that nothing but the keeping is done with it.
    const large = "x".repeat(12 * 1024 * 1024);
    for (let count = 0; count < 4; count++) await call(sandbox, "openai", large);
    const bytes = sandbox.requests.reduce((sum, request) => sum + request.bodyBytes.length, 0);
    expect(bytes).toBeLessThanOrEqual(32 * 1024 * 1024);
    expect(sandbox.requests.length).toBeGreaterThan(0);
  });
});
