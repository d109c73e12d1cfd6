/** LangChain's `usage_metadata` is the ledger's row and the simulator's invoice, cached tokens included; and its embeddings. */
import { type AIMessageChunk, HumanMessage, SystemMessage, type UsageMetadata } from "@langchain/core/messages";
import { OpenAIEmbeddings } from "@langchain/openai";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { AttemptRow } from "../../src/ledger-query.ts";
import { addedInStreams, LANGCHAIN_MODELS, type LangchainChat, usageOf } from "./langchain.ts";
import { failure, isSame, present, type Simulation, startSimulation, TARGETS } from "./simulated.ts";

let simulation: Simulation;
beforeAll(async () => {
  simulation = await startSimulation();
});
afterAll(() => simulation.close());

/** Long enough for every provider's cache. */
const LONG = "The house rules are long and do not change from call to call. ".repeat(400);

describe.each(LANGCHAIN_MODELS)("$name", ({ name, dialect, create }) => {
  describe.each(TARGETS)("with $name", (target) => {
    test.each([false, true])("the client, the ledger and the invoice agree (stream: %s)", async (stream) => {
      const model = create(simulation.gateway.url, target.name);
      const key = `${name} ${stream}`;
      // A mark, which OpenAI's classes hand on as they get it, is Anthropic's word.
      const mark = dialect === "anthropic-messages" ? { cache_control: { type: "ephemeral" } } : {};
      const messages = [
        new SystemMessage({ content: [{ type: "text", text: `${key}. ${LONG}`, ...mark }] }),
        new HumanMessage("Hello there."),
      ];
      for (const turn of ["first", "second"]) {
        const billedBefore = simulation.sandbox.invoice.lines.length;
        const told = stream ? await streamed(model, messages) : usageOf(await model.invoke(messages));
        const row = present((await simulation.gateway.allAttempts()).at(-1), "the row");
        const [line, ...more] = simulation.sandbox.invoice.lines.slice(billedBefore);
        expect(more).toEqual([]);
        expect(row).toMatchObject({ outcome: "complete", usage_basis: "reported" });
        const { tokens } = present(line, "the invoice's line");
        expect({ input: promptTokens(row), output: row.usage.output }, turn).toEqual({
          input:
            tokens.uncached + tokens.cacheRead + tokens.cacheWrite5m + tokens.cacheWrite1h + tokens.cacheWriteOther,
          output: tokens.output,
        });
        const { input_tokens: input, output_tokens: output, input_token_details: details } = told;
        const added = stream ? addedInStreams(dialect, target) : 0;
        expect(output, turn).toBe((row.usage.output ?? 0) + added);
        // Of Anthropic's streams it reads the prompt's count at their beginning only, where no other provider tells it yet.
        if (stream && dialect === "anthropic-messages" && !isSame(target, dialect)) continue;
        expect({ input, read: details?.cache_read ?? 0 }, turn).toEqual({
          input: promptTokens(row),
          read: row.usage.cache_read ?? 0,
        });
      }
    });
  });
});

async function streamed(model: LangchainChat, messages: (SystemMessage | HumanMessage)[]): Promise<UsageMetadata> {
  let whole: AIMessageChunk | undefined;
  for await (const chunk of await model.stream(messages)) whole = whole === undefined ? chunk : whole.concat(chunk);
  return usageOf(whole);
}

function promptTokens({ usage }: AttemptRow): number {
  return (
    (usage.input_uncached ?? 0) +
    (usage.cache_read ?? 0) +
    (usage.cache_write_5m ?? 0) +
    (usage.cache_write_1h ?? 0) +
    (usage.cache_write_other ?? 0)
  );
}

const OWN = TARGETS.filter((target) => target.provider === target.kind);

describe.each(["/v1", "/openai/v1"])("OpenAIEmbeddings at %s", (path) => {
  const embeddings = (model: string) =>
    new OpenAIEmbeddings({
      model,
      apiKey: "any",
      configuration: { baseURL: `${simulation.gateway.url}${path}` },
      maxRetries: 0,
    });

  test.each(OWN.filter((target) => target.embeds !== undefined))("are $kind's, each call a row", async (target) => {
    const before = (await simulation.gateway.allAttempts()).length;
    const model = embeddings(`${target.kind}/${target.embeds}`);
    const one = await model.embedQuery("two words");
    const many = await model.embedDocuments(["the sea", "two words"]);
    expect(one.length).toBeGreaterThan(10);
    expect(many[1]).toEqual(one);
    const added = (await simulation.gateway.allAttempts()).slice(before);
    expect(added.map((row) => [row.outcome, row.provider])).toEqual([
      ["complete", target.kind],
      ["complete", target.kind],
    ]);
  });

  // Ollama embeds with whatever it has.
  test.each(OWN.filter((target) => target.embeds === undefined && target.kind !== "ollama"))(
    "of $kind, which has none, are refused",
    async (target) => {
      const error = await failure(embeddings(target.name).embedQuery("one"));
      expect(error).toMatchObject({ status: 400, message: expect.stringMatching(/embeddings/) });
    },
  );
});
