/** Embeddings and text completions by OpenAI's client, and Anthropic's count of tokens: forwarded, counted and priced. */
import OpenAI from "openai";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { failure, startSimulation, TARGETS, type Simulation } from "./simulated.ts";

let simulation: Simulation;
beforeAll(async () => {
  simulation = await startSimulation();
});
afterAll(() => simulation.close());

const OWN = TARGETS.filter((target) => target.provider === target.kind);

describe.each(OWN.filter((target) => target.embeds !== undefined))("embeddings of $kind", (target) => {
  const model = `${target.kind}/${target.embeds}`;

  // The client asks for base64 by itself, and reads it.
  test.each([undefined, "float", "base64"] as const)(
    "come as %s, and are one row that is counted",
    async (encoding) => {
      const { data, response } = await simulation.openai.embeddings
        .create({
          model,
          input: ["one", "two words"],
          ...(encoding === undefined ? {} : { encoding_format: encoding }),
        })
        .withResponse();
      expect(data.data).toHaveLength(2);
      for (const { embedding } of data.data) {
        if (encoding === "base64") expect(embedding).toBeTypeOf("string");
        else expect(embedding.length).toBeGreaterThan(10);
      }
      const rows = await simulation.gateway.attempts(response.headers.get("x-sluice-exchange"));
      expect(rows).toHaveLength(1);
      expect(rows[0]).toMatchObject({
        outcome: "complete",
        lane: "same",
        client_dialect: "openai-embeddings",
        usage: { input_uncached: data.usage.prompt_tokens, output: 0 },
        usage_basis: "reported",
        cost_basis: target.isPriced ? "reported" : "unpriced",
      });
      if (target.isPriced) expect(rows[0]?.cost_usd).toBeGreaterThan(0);
    },
  );
});

// Ollama embeds with whatever it has.
test.each(OWN.filter((target) => target.embeds === undefined && target.kind !== "ollama"))(
  "embeddings that $kind does not have are refused, naming them",
  async (target) => {
    const error = await failure(simulation.openai.embeddings.create({ model: target.name, input: "one" }));
    expect(error).toBeInstanceOf(OpenAI.BadRequestError);
    expect((error as Error).message).toMatch(/embeddings/);
  },
);

describe.each([
  ["openai/gpt-3.5-turbo-instruct", true],
  ["vllm/facebook/opt-125m", false],
])("text completions of %s", (model, isPriced) => {
  test("are whole, counted and priced", async () => {
    const { data, response } = await simulation.openai.completions
      .create({ model, prompt: "Once upon a time", max_tokens: 20 })
      .withResponse();
    expect(data.choices[0]?.text).toMatch(/./);
    const [row] = await simulation.gateway.attempts(response.headers.get("x-sluice-exchange"));
    expect(row).toMatchObject({
      outcome: "complete",
      lane: "same",
      usage: { input_uncached: data.usage?.prompt_tokens, output: data.usage?.completion_tokens },
      cost_basis: isPriced ? "reported" : "unpriced",
    });
  });

  test("are streamed, and counted although nobody asked", async () => {
    const { data, response } = await simulation.openai.completions
      .create({ model, prompt: "Once upon a time", max_tokens: 20, stream: true })
      .withResponse();
    let text = "";
    let usages = 0;
    for await (const chunk of data) {
      text += chunk.choices[0]?.text ?? "";
      if (chunk.usage !== null && chunk.usage !== undefined) usages += 1;
    }
    expect(text).toMatch(/./);
    expect(usages).toBe(0);
    const [row] = await simulation.gateway.attempts(response.headers.get("x-sluice-exchange"));
    expect(row).toMatchObject({ outcome: "complete", usage_basis: "reported" });
  });
});

test("text completions that a provider does not have are refused, naming them", async () => {
  const error = await failure(
    simulation.openai.completions.create({ model: "anthropic/claude-haiku-5-5", prompt: "Once" }),
  );
  expect(error).toBeInstanceOf(OpenAI.BadRequestError);
  expect((error as Error).message).toMatch(/text completions/);
});

describe.each(TARGETS)("Anthropic's count of tokens for $name", (target) => {
  test("is the provider's own, or ours with how far it may be off", async () => {
    const text = "The house rules are long and do not change from call to call. ".repeat(40);
    const asked = { model: target.name, messages: [{ role: "user" as const, content: text }] };
    const { data, response } = await simulation.anthropic.messages.countTokens(asked).withResponse();
    const message = await simulation.anthropic.messages.create({ ...asked, max_tokens: 20 });
    const { input_tokens: own, cache_read_input_tokens: read, cache_creation_input_tokens: written } = message.usage;
    const billed = own + (read ?? 0) + (written ?? 0);
    if (target.kind === "anthropic") {
      expect(data.input_tokens).toBe(billed);
      expect(response.headers.get("x-sluice-count")).toBeNull();
      const [row] = await simulation.gateway.attempts(response.headers.get("x-sluice-exchange"));
      expect(row).toMatchObject({ outcome: "complete", lane: "same", cost_pico_usd: "0" });
    } else {
      expect(response.headers.get("x-sluice-count")).toBe("estimated; within 33%");
      // The simulator's tokenizer is nobody's.
      expect(data.input_tokens / billed).toBeGreaterThan(0.5);
      expect(data.input_tokens / billed).toBeLessThan(2);
    }
  });
});

test("what is wrong with a count is said as in Messages, and recorded", async () => {
  const error = await failure(
    simulation.anthropic.messages.countTokens({ model: "openai/gpt-5.4-nano", messages: "none" as never }),
  );
  expect((error as Error).message).toMatch(/messages/);
  const row = (await simulation.gateway.allAttempts()).at(-1);
  expect(row).toMatchObject({ outcome: "rejected", status: 400, client_dialect: "anthropic-count-tokens" });
});
