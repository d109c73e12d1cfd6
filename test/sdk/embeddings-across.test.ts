/** Embeddings whose client and whose provider have different words for them: every official client, every provider that has some. */
import { MistralError } from "@mistralai/mistralai/models/errors";
import OpenAI from "openai";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { failure, startSimulation, type Simulation } from "./simulated.ts";

let simulation: Simulation;
beforeAll(async () => {
  simulation = await startSimulation();
});
afterAll(() => simulation.close());

/** What each embeds with, its own length of a vector, and one that it can be asked for. */
const MODELS = [
  { model: "openai/text-embedding-3-small", length: 1_536, fewer: 256 },
  { model: "mistral/codestral-embed", length: 1_536, fewer: 256 },
  { model: "vllm/intfloat/e5-mistral-7b-instruct", length: 1_024, fewer: 256 },
  { model: "ollama/nomic-embed-text:latest", length: 768, fewer: 256 },
  { model: "sandbox/nomic-embed-text:latest", length: 768, fewer: 256 },
] as const;
const TEXTS = ["one", "two words"];

async function rowOf(exchange: string | null) {
  const [row, ...more] = await simulation.gateway.attempts(exchange);
  expect(more).toEqual([]);
  return row;
}

describe.each(MODELS)("with $model", ({ model, length, fewer }) => {
  test("OpenAI's client gets the same vectors as numbers and as base64, as many as it asks for", async () => {
    const asked = { model, input: TEXTS };
    const float = await simulation.openai.embeddings.create({ ...asked, encoding_format: "float" });
    // By itself the client asks for base64, and reads it.
    const read = await simulation.openai.embeddings.create(asked);
    expect(float.data.map(({ embedding, index }) => [index, embedding.length])).toEqual([
      [0, length],
      [1, length],
    ]);
    for (const [at, { embedding }] of float.data.entries())
      for (const [place, number] of embedding.entries()) expect(read.data[at]?.embedding[place]).toBeCloseTo(number, 6);
    expect(float.usage.prompt_tokens).toBeGreaterThan(0);
    const short = await simulation.openai.embeddings
      .create({ ...asked, input: "one", dimensions: fewer })
      .withResponse();
    expect(short.data.data.map(({ embedding }) => embedding.length)).toEqual([fewer]);
    expect(await rowOf(short.response.headers.get("x-sluice-exchange"))).toMatchObject({
      outcome: "complete",
      losses: [],
      usage_basis: "reported",
      usage: { input_uncached: short.data.usage.prompt_tokens, output: 0 },
    });
  });

  test("OpenAI's own fields are losses where there is no word for them, and no reason to refuse", async () => {
    const { response } = await simulation.openai.embeddings
      .create({ model, input: "one", user: "somebody" })
      .withResponse();
    const knows = model.startsWith("openai/") || model.startsWith("vllm/");
    expect(response.headers.get("x-sluice-losses")).toBe(knows ? null : "user");
  });

  test("Mistral's client gets what it insists on, by its own words", async () => {
    const answer = await simulation.mistral.embeddings.create({
      model,
      inputs: TEXTS,
      outputDimension: fewer,
      outputDtype: "float",
    });
    expect(answer.id).toMatch(/./);
    expect(answer.data.map(({ embedding }) => embedding?.length)).toEqual([fewer, fewer]);
    expect(answer.usage.promptTokens).toBeGreaterThan(0);
  });

  test("other types of numbers are refused in words, save where they are known", async () => {
    const refused = await failure(simulation.mistral.embeddings.create({ model, inputs: TEXTS, outputDtype: "int8" }));
    expect(refused).toBeInstanceOf(MistralError);
    // The simulator has Mistral's word, and not its numbers.
    expect((refused as MistralError).statusCode).toBe(400);
    expect((refused as MistralError).body).toMatch(/output_dtype|int8/);
  });

  test("Ollama's client gets a list of vectors, of one text or of several", async () => {
    const several = await simulation.ollama.embed({ model, input: TEXTS });
    expect(several.embeddings.map((vector) => vector.length)).toEqual([length, length]);
    expect(several.prompt_eval_count).toBeGreaterThan(0);
    const one = await simulation.ollama.embed({ model, input: "one", dimensions: fewer });
    expect(one.embeddings.map((vector) => vector.length)).toEqual([fewer]);
    const row = (await simulation.gateway.allAttempts()).at(-1);
    expect(row).toMatchObject({ outcome: "complete", usage: { input_uncached: one.prompt_eval_count }, losses: [] });
  });
});

test.each(MODELS)("$model answers the older call, too, with one vector", async ({ model, length }) => {
  const answer = await simulation.ollama.embeddings({ model, prompt: "one" });
  expect(answer.embedding).toHaveLength(length);
  const own = await simulation.ollama.embed({ model, input: "one" });
  expect(answer.embedding).toEqual(own.embeddings[0]);
  const row = (await simulation.gateway.allAttempts()).at(-2);
  expect(row).toMatchObject({ outcome: "complete", client_dialect: "ollama-embeddings" });
  expect(row?.lane).toBe(/nomic/.test(model) ? "same" : "translated");
});

test("the lanes: the same words are passed on, others translated", async () => {
  const lanes: Record<string, string | null | undefined> = {};
  for (const { model } of MODELS) {
    const { response } = await simulation.openai.embeddings.create({ model, input: "one" }).withResponse();
    lanes[model] = (await rowOf(response.headers.get("x-sluice-exchange")))?.lane;
  }
  expect(Object.values(lanes)).toEqual(["same", "same", "same", "translated", "translated"]);
});

test("tokens are embedded by their own tokenizer's provider only", async () => {
  const error = await failure(
    simulation.openai.embeddings.create({ model: "ollama/nomic-embed-text:latest", input: [1, 2, 3] }),
  );
  expect(error).toBeInstanceOf(OpenAI.BadRequestError);
  expect((error as Error).message).toMatch(/embeddings of tokens/);
});

test("what is too long for Ollama's model is refused, as OpenAI would, and not cut", async () => {
  const input = "The house rules are long and do not change. ".repeat(4_000);
  const error = await failure(simulation.openai.embeddings.create({ model: "ollama/nomic-embed-text:latest", input }));
  expect(error).toBeInstanceOf(OpenAI.BadRequestError);
});

test("how Ollama is to run a model is a loss elsewhere", async () => {
  const answer = await fetch(`${simulation.gateway.url}/api/embed`, {
    method: "POST",
    body: JSON.stringify({
      model: "openai/text-embedding-3-small",
      input: "one",
      keep_alive: "1h",
      truncate: true,
      options: { num_ctx: 512 },
    }),
  });
  expect(answer.status).toBe(200);
  const row = await rowOf(answer.headers.get("x-sluice-exchange"));
  expect(row?.losses.map(({ path }) => path)).toEqual(["keep_alive", "truncate", "options"]);
});
