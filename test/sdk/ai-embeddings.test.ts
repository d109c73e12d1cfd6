/** `embed` and `embedMany` of the `ai` package, by each of its providers that has them, where the target has them. */
import { createMistral } from "@ai-sdk/mistral";
import { createOpenAI } from "@ai-sdk/openai";
import { createOpenAICompatible } from "@ai-sdk/openai-compatible";
import { APICallError, cosineSimilarity, embed, embedMany, type EmbeddingModel } from "ai";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { failure, type Simulation, startSimulation, TARGETS } from "./simulated.ts";

let simulation: Simulation;
beforeAll(async () => {
  simulation = await startSimulation();
});
afterAll(() => simulation.close());

interface Embedder {
  readonly name: string;
  readonly paths: readonly string[];
  readonly model: (baseURL: string, id: string) => EmbeddingModel;
}

const EMBEDDERS: readonly Embedder[] = [
  {
    name: "openai",
    paths: ["/v1", "/openai/v1"],
    model: (baseURL, id) => createOpenAI({ baseURL, apiKey: "any" }).embedding(id),
  },
  {
    name: "openai-compatible",
    paths: ["/v1", "/openai/v1"],
    model: (baseURL, id) => createOpenAICompatible({ name: "sluice", baseURL, apiKey: "any" }).embeddingModel(id),
  },
  {
    name: "mistral",
    paths: ["/mistral/v1"],
    model: (baseURL, id) => createMistral({ baseURL, apiKey: "any" }).embedding(id),
  },
];
const OWN = TARGETS.filter((target) => target.provider === target.kind);
const EMBED = [
  ...OWN.flatMap(({ kind, embeds }) => (embeds === undefined ? [] : [{ kind, id: `${kind}/${embeds}` }])),
  { kind: "ollama", id: "ollama/nomic-embed-text:latest" },
];
// Ollama embeds with whatever it has.
const EMBED_NOTHING = OWN.filter((target) => target.embeds === undefined && target.kind !== "ollama");

describe.each(EMBEDDERS)("$name", ({ paths, model: modelAt }) => {
  describe.each(EMBED)("embeddings of $kind", ({ id }) => {
    test.each(paths)("one and many at %s: in their order, each call a row that is counted", async (path) => {
      const model = modelAt(`${simulation.gateway.url}${path}`, id);
      const one = await embed({ model, value: "two words", maxRetries: 0 });
      const many = await embedMany({ model, values: ["the sea", "two words", "the high sea"], maxRetries: 0 });
      expect(many.embeddings[1]).toEqual(one.embedding);
      const [sea = [], other = [], high = []] = many.embeddings;
      expect(cosineSimilarity(sea, high)).toBeGreaterThan(cosineSimilarity(sea, other));
      for (const [headers, usage] of [
        [one.response?.headers, one.usage],
        ...(many.responses ?? []).map((response) => [response?.headers, many.usage] as const),
      ] as const) {
        const rows = await simulation.gateway.attempts(new Headers(headers).get("x-sluice-exchange"));
        expect(rows).toMatchObject([{ outcome: "complete", usage: { input_uncached: usage.tokens, output: 0 } }]);
      }
    });
  });

  test.each(EMBED_NOTHING)("embeddings that $kind does not have are refused, naming them", async (target) => {
    for (const path of paths) {
      const model = modelAt(`${simulation.gateway.url}${path}`, target.name);
      const error = await failure(embed({ model, value: "one", maxRetries: 0 }));
      expect(APICallError.isInstance(error) && error.statusCode, path).toBe(400);
      expect((error as Error).message, path).toMatch(/embeddings/);
    }
  });
});
