/** Texts that go on: OpenAI's and vLLM's completions with the official client as the judge, and what Mistral fills in between. */
import OpenAI from "openai";
import { afterAll, beforeEach, describe, expect, test } from "vitest";
import type { JsonObject } from "../src/chat.ts";
import { startSandbox } from "../bench/sandbox/index.ts";
import { at, call, eventsIn, words } from "./sandbox-call.ts";

const sandbox = await startSandbox({ vllm: { reportsCached: true } });
afterAll(() => sandbox.close());
beforeEach(() => sandbox.reset());

const client = (provider: string) =>
  new OpenAI({ baseURL: `${sandbox.url}/${provider}/v1`, apiKey: "key", maxRetries: 0 });
const post = (provider: string, body: JsonObject) => call(sandbox, provider, body, { path: "/v1/completions" });

const MODELS = [
  { provider: "openai", model: "gpt-3.5-turbo-instruct" },
  { provider: "vllm", model: "Qwen/Qwen9" },
] as const;

describe.each(MODELS)("$provider", ({ provider, model }) => {
  test("goes on for sixteen tokens, or for as many as it is told to", async () => {
    const short = await client(provider).completions.create({ model, prompt: words(30) });
    expect(short).toMatchObject({
      object: "text_completion",
      choices: [{ index: 0, finish_reason: "length", logprobs: null }],
      usage: { prompt_tokens: 30, completion_tokens: 16, total_tokens: 46 },
    });
    const whole = await client(provider).completions.create({ model, prompt: "Once", max_tokens: 100 });
    expect(whole.choices[0]).toMatchObject({
      text: "This is the sandbox, not a model. You said: Once",
      finish_reason: "stop",
    });
    expect(sandbox.invoice.lines.map(({ tokens }) => tokens.output)).toEqual([16, whole.usage?.completion_tokens]);
  });

  test("several texts and several choices each have their own, in this order", async () => {
    const { choices, usage } = await client(provider).completions.create({
      model,
      prompt: ["One", "Two"],
      n: 2,
      max_tokens: 50,
      echo: true,
    });
    expect(choices.map(({ index }) => index)).toEqual([0, 1, 2, 3]);
    expect(choices.map(({ text }) => text.slice(0, 3))).toEqual(["One", "One", "Two", "Two"]);
    expect(usage?.prompt_tokens).toBe(2);
  });

  test("a stream adds up to the text in one piece, usage last and only when it was asked for", async () => {
    const body = { model, prompt: "Once upon a time", max_tokens: 50 };
    const whole = await client(provider).completions.create(body);
    let text = "";
    let usage: unknown;
    const stream = await client(provider).completions.create({
      ...body,
      stream: true,
      stream_options: { include_usage: true },
    });
    for await (const chunk of stream) {
      expect(usage).toBeUndefined();
      text += chunk.choices[0]?.text ?? "";
      usage = chunk.usage ?? undefined;
    }
    expect(text).toBe(whole.choices[0]?.text);
    expect(usage).toMatchObject({ completion_tokens: whole.usage?.completion_tokens });
    const events = eventsIn((await post(provider, { ...body, stream: true })).text);
    expect(events.at(-1)).toBe("[DONE]");
    expect(events.join("")).not.toContain('"usage"');
  });

  test("stops where it is told to, is directed and meets its faults", async () => {
    expect(at((await post(provider, { model, prompt: "a", stop: ["not"] })).body, "choices", 0)).toMatchObject({
      text: "This is the sandbox, ",
      finish_reason: "stop",
    });
    const told = { model, prompt: '[[sandbox: text="As told."]]' };
    expect(at((await post(provider, told)).body, "choices", 0, "text")).toBe("As told.");
    expect((await post(provider, { model, prompt: "[[sandbox: fault=500]]" })).status).toBe(500);
    const cut = await post(provider, { model, prompt: "[[sandbox: fault=cut-clean events=2]]", stream: true });
    expect(eventsIn(cut.text)).toHaveLength(2);
  });

  test("log probabilities stand beside the tokens", async () => {
    const { choices } = await client(provider).completions.create({ model, prompt: "a", logprobs: 2, max_tokens: 4 });
    expect(choices[0]?.logprobs?.tokens?.join("")).toBe(choices[0]?.text);
    expect(choices[0]?.logprobs?.text_offset?.[1]).toBe(choices[0]?.logprobs?.tokens?.[0]?.length);
  });
});

test("vLLM finds the beginning of each of several texts in its cache", async () => {
  const ask = (prompt: string[]) => post("vllm", { model: "Qwen/Qwen9", prompt, max_tokens: 1 });
  await ask([words(161), words(161, "other")]);
  const again = await ask([words(161, "other"), words(50, "third")]);
  expect(at(again.body, "usage", "prompt_tokens_details", "cached_tokens")).toBe(160);
});

interface Row {
  readonly rule: string;
  readonly provider: string;
  readonly body: JsonObject;
  readonly says: string;
  readonly status?: number;
}
const rows: readonly Row[] = [
  {
    rule: "a model that chats",
    provider: "openai",
    body: { model: "gpt-5.4-nano" },
    says: "This is a chat model and not supported in the v1/completions endpoint.",
    status: 404,
  },
  {
    rule: "a model that there is not",
    provider: "openai",
    body: { model: "nonsense" },
    says: "does not exist",
    status: 404,
  },
  { rule: "an unknown field", provider: "openai", body: { messages: [] }, says: "Unknown parameter: 'messages'." },
  {
    rule: "more than its window holds",
    provider: "openai",
    body: { prompt: words(4090) },
    says: "maximum context length is 4096 tokens",
  },
  { rule: "six log probabilities", provider: "openai", body: { logprobs: 6 }, says: "Expected a value <= 5" },
  {
    rule: "an end for a model that has no use for it",
    provider: "openai",
    body: { model: "davinci-002", suffix: "x" },
    says: "does not support the 'suffix' parameter",
  },
  { rule: "an end", provider: "vllm", body: { suffix: "x" }, says: "suffix is not currently supported" },
  {
    rule: "nothing",
    provider: "vllm",
    body: { prompt: undefined },
    says: "Either prompt or prompt_embeds must be provided",
  },
  {
    rule: "a temperature below zero",
    provider: "vllm",
    body: { temperature: -1 },
    says: "temperature must be non-negative",
  },
];
test.each(rows)("$provider would not go on with $rule", async ({ provider, body, says, status }) => {
  const { model } = MODELS.find((one) => one.provider === provider) ?? { model: "" };
  const answer = await post(provider, { model, prompt: "Hi", ...body });
  expect(answer.status).toBe(status ?? 400);
  expect(answer.text).toContain(says);
});

test("a model that only goes on with texts holds no conversation", async () => {
  const answer = await call(sandbox, "openai", { model: "davinci-002", messages: [{ role: "user", content: "Hi" }] });
  expect(answer.status).toBe(404);
  expect(at(answer.body, "error", "message")).toContain("Did you mean to use v1/completions?");
});

describe("Mistral, in between", () => {
  const fim = (body: JsonObject) =>
    call(
      sandbox,
      "mistral",
      { model: "codestral-2508", prompt: "def f(", suffix: "return 1", ...body },
      { path: "/v1/fim/completions" },
    );

  test("answers as its chat does, streamed or not", async () => {
    const { body } = await fim({});
    expect(body).toMatchObject({ object: "chat.completion", choices: [{ finish_reason: "stop" }] });
    const text = at(body, "choices", 0, "message", "content");
    expect(text).toContain("You said: def f(");
    const events = eventsIn((await fim({ stream: true })).text);
    expect(events.at(-1)).toBe("[DONE]");
    const deltas = events
      .slice(0, -1)
      .map((event) => at(JSON.parse(event) as JsonObject, "choices", 0, "delta", "content"));
    expect(deltas.join("")).toBe(text);
    expect(at(JSON.parse(events.at(-2) ?? "") as JsonObject, "usage")).toEqual(body["usage"]);
    expect(sandbox.invoice.lines).toMatchObject([{ model: "codestral-2508" }, { model: "codestral-2508" }]);
  });

  test("is cached by its key: what changes at the beginning's end leaves the rest", async () => {
    const cached = async (prompt: string) => {
      const { body } = await fim({ prompt, suffix: words(200), prompt_cache_key: "k" });
      return at(body, "usage", "prompt_tokens_details", "cached_tokens");
    };
    expect(await cached(`${words(100)} one`)).toBe(0);
    expect(await cached(`${words(100)} two`)).toBe(256);
  });

  test.each([
    ["an unknown field", { messages: [] }, 422, "Extra inputs are not permitted"],
    ["no beginning", { prompt: undefined }, 422, "Field required"],
    ["a temperature above 1.5", { temperature: 2 }, 422, "less than or equal to 1.5"],
    ["a model that is none of code", { model: "mistral-small-latest" }, 400, "does not support FIM completions"],
    ["a model that there is not", { model: "gpt-5.4-nano" }, 400, "Invalid model"],
  ] as readonly (readonly [string, JsonObject, number, string])[])("refuses %s", async (_what, body, status, says) => {
    const answer = await fim(body);
    expect(answer.status).toBe(status);
    expect(answer.text).toContain(says);
  });
});
