/** Vectors from the sandbox: the official client asks OpenAI's and vLLM's, plain requests Mistral's; and what they would not embed. */
import OpenAI from "openai";
import { afterAll, beforeEach, describe, expect, test } from "vitest";
import type { JsonObject, JsonValue } from "../src/chat.ts";
import { startSandbox } from "../bench/sandbox/index.ts";
import { at, call, words } from "./sandbox-call.ts";

const sandbox = await startSandbox();
afterAll(() => sandbox.close());
beforeEach(() => sandbox.reset());

const client = (provider: string) =>
  new OpenAI({ baseURL: `${sandbox.url}/${provider}/v1`, apiKey: "key", maxRetries: 0 });
const post = (provider: string, body: JsonObject) => call(sandbox, provider, body, { path: "/v1/embeddings" });

const MODELS = [
  { provider: "openai", model: "text-embedding-3-small", dimensions: 1536 },
  { provider: "mistral", model: "mistral-embed", dimensions: 1024 },
  { provider: "vllm", model: "intfloat/e5-mistral-7b-instruct", dimensions: 1024 },
] as const;

/** What 30 tokens cost at the models that have a price. */
const PRICED: ReadonlyMap<string, bigint> = new Map([["mistral-embed", 3_000_000n]]);

/** The angle's cosine between two of length one. */
function nearness(a: readonly number[], b: readonly number[]): number {
  return a.reduce((sum, value, index) => sum + value * (b[index] ?? 0), 0);
}

describe.each(MODELS)("$provider", ({ provider, model, dimensions }) => {
  test("the same text gets the same vector, of length one, through the client too", async () => {
    const ask = () => client(provider).embeddings.create({ model, input: ["red apple", "blue car"] });
    const [first, second] = [await ask(), await ask()];
    expect(second.data).toEqual(first.data);
    expect(first.data.map(({ index }) => index)).toEqual([0, 1]);
    for (const { embedding } of first.data) {
      expect(embedding).toHaveLength(dimensions);
      expect(Math.hypot(...embedding)).toBeCloseTo(1, 5);
    }
  });

  test("numbers and base64 say the same, to the bit", async () => {
    const floats = (await post(provider, { model, input: "red apple", encoding_format: "float" })).body;
    const packed = (await post(provider, { model, input: "red apple", encoding_format: "base64" })).body;
    const bytes = Buffer.from(String(at(packed, "data", 0, "embedding")), "base64");
    const unpacked = Array.from({ length: dimensions }, (_, index) => bytes.readFloatLE(index * 4));
    expect(bytes).toHaveLength(dimensions * 4);
    expect(unpacked).toEqual(at(floats, "data", 0, "embedding"));
  });

  test("texts that share words are nearer than those that do not", async () => {
    const input = ["red apple pie", "green apple pie", "a car on the road"];
    const { data } = await client(provider).embeddings.create({ model, input });
    const [red = [], green = [], car = []] = data.map(({ embedding }) => embedding);
    expect(nearness(red, green)).toBeGreaterThan(0.5);
    expect(Math.abs(nearness(red, car))).toBeLessThan(0.2);
  });

  test("is counted by what was embedded, and on the invoice", async () => {
    const { usage } = await client(provider).embeddings.create({ model, input: [words(10), words(20)] });
    expect(usage).toMatchObject({ prompt_tokens: 30, total_tokens: 30 });
    expect(sandbox.invoice.lines).toMatchObject([
      { provider, model, tokens: { uncached: 30, output: 0 }, costPicoUsd: PRICED.get(model), ending: "complete" },
    ]);
  });

  test("faults and limits are met like everywhere else", async () => {
    expect((await post(provider, { model, input: "Hi [[sandbox: fault=503]]" })).status).toBe(503);
    sandbox.faults.next({ name: "429", provider });
    expect((await post(provider, { model, input: "Hi" })).status).toBe(429);
    expect(sandbox.invoice.lines).toHaveLength(0);
  });
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
    rule: "an unknown field",
    provider: "openai",
    body: { output_dimension: 8 },
    says: "Unknown parameter: 'output_dimension'.",
  },
  { rule: "nothing", provider: "openai", body: { input: "" }, says: "'$.input' is invalid." },
  { rule: "a list of nothing", provider: "openai", body: { input: [] }, says: "'$.input' is invalid." },
  { rule: "texts and numbers", provider: "openai", body: { input: ["a", 1] }, says: "'$.input' is invalid." },
  {
    rule: "more than 2048 texts",
    provider: "openai",
    body: { input: Array.from({ length: 2049 }, () => "a") },
    says: "maximum length 2048",
  },
  {
    rule: "a text of more than 8192 tokens",
    provider: "openai",
    body: { input: words(8193) },
    says: "maximum context length is 8192 tokens",
  },
  {
    rule: "more than 300,000 tokens",
    provider: "openai",
    body: { input: Array.from({ length: 41 }, () => words(7400)) },
    says: "max 300000 tokens per request",
  },
  {
    rule: "more dimensions than there are",
    provider: "openai",
    body: { dimensions: 1537 },
    says: "Must be less than or equal to 1536.",
  },
  {
    rule: "dimensions of the oldest",
    provider: "openai",
    body: { model: "text-embedding-ada-002", dimensions: 8 },
    says: "does not support specifying dimensions",
  },
  {
    rule: "an encoding that there is not",
    provider: "openai",
    body: { encoding_format: "hex" },
    says: "Invalid value: 'hex'.",
  },
  {
    rule: "a model that chats",
    provider: "openai",
    body: { model: "gpt-5.4-nano" },
    says: "not allowed to generate embeddings from this model",
    status: 403,
  },
  {
    rule: "a model that there is not",
    provider: "openai",
    body: { model: "text-embedding-9" },
    says: "does not exist",
    status: 404,
  },
  {
    rule: "an unknown field",
    provider: "mistral",
    body: { dimensions: 8 },
    says: "Extra inputs are not permitted",
    status: 422,
  },
  {
    rule: "more than 256 texts",
    provider: "mistral",
    body: { input: Array.from({ length: 257 }, () => "a") },
    says: "Too many inputs in request",
  },
  {
    rule: "dimensions of a model that has but one size",
    provider: "mistral",
    body: { output_dimension: 8 },
    says: "does not support output_dimension",
  },
  {
    rule: "a model that chats",
    provider: "mistral",
    body: { model: "mistral-small-latest" },
    says: "Invalid model: mistral-small-latest",
  },
  {
    rule: "a model that chats",
    provider: "vllm",
    body: { model: "Qwen/Qwen9" },
    says: "does not support Embeddings API",
  },
  { rule: "no input", provider: "vllm", body: { input: undefined }, says: "Field required" },
];
test.each(rows)("$provider would not embed $rule", async ({ provider, body, says, status }) => {
  const { model } = MODELS.find((one) => one.provider === provider) ?? { model: "" };
  const answer = await post(provider, { model, input: "Hi", ...body });
  expect(answer.status).toBe(status ?? 400);
  expect(answer.text).toContain(says);
});

test.each([
  ["openai", { model: "text-embedding-3-large", input: "a", dimensions: 256 }, 256],
  ["openai", { model: "text-embedding-ada-002", input: [[1, 2, 3], [4]] }, 1536],
  ["mistral", { model: "codestral-embed", input: "a", output_dimension: 64 }, 64],
  ["vllm", { model: "BAAI/bge-m3", input: [1, 2, 3] }, 1024],
] as readonly (readonly [string, JsonObject, number])[])("%s embeds %j", async (provider, body, dimensions) => {
  const answer = await post(provider, body);
  expect(answer.status).toBe(200);
  for (const one of answer.body["data"] as readonly JsonValue[]) expect(at(one, "embedding")).toHaveLength(dimensions);
});
