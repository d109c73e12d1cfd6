/** Mistral's official client, which validates every answer, in front of every provider: at the official path and under the prefix. */
import { Mistral } from "@mistralai/mistralai";
import type { ChatCompletionRequestMessage } from "@mistralai/mistralai/models/components";
import { HTTPValidationError, MistralError } from "@mistralai/mistralai/models/errors";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { z } from "zod";
import { until } from "../running.ts";
import { echoOf, failure, isSame, present, resultsOf, type Simulation, startSimulation, TARGETS } from "./simulated.ts";

let simulation: Simulation;
let prefixed: Mistral;
beforeAll(async () => {
  simulation = await startSimulation();
  prefixed = new Mistral({
    serverURL: `${simulation.gateway.url}/mistral`,
    apiKey: "any",
    retryConfig: { strategy: "none" },
  });
});
afterAll(() => simulation.close());

const SAID = "Grüße an alle 🌍, and a second sentence.";
const ASKED = "Use get_weather and get_time for me.";
const TOOLS = ["get_weather", "get_time"].map((name) => ({
  type: "function" as const,
  function: {
    name,
    parameters: { type: "object", properties: { place: { type: "string" } }, required: ["place"] },
  },
}));

describe.each([
  ["at the official path", () => simulation.mistral],
  ["under its prefix", () => prefixed],
])("Mistral's client %s", (_where, client) => {
  describe.each(TARGETS)("with $name", (target) => {
    const model = target.name;

    test("a completion is whole and one row", async () => {
      const before = (await simulation.gateway.allAttempts()).length;
      const answer = await client().chat.complete({ model, messages: [{ role: "user", content: SAID }] });
      expect(answer.choices[0]?.message?.content).toBe(echoOf(SAID));
      expect(answer.choices[0]?.finishReason).toBe("stop");
      expect(answer.usage.completionTokens).toBeGreaterThan(0);
      const added = (await simulation.gateway.allAttempts()).slice(before);
      expect(added).toHaveLength(1);
      expect(added[0]).toMatchObject({
        outcome: "complete",
        client_dialect: "mistral-chat",
        lane: isSame(target, "mistral-chat") ? "same" : "translated",
        usage: { output: answer.usage.completionTokens },
      });
    });

    test("a stream's pieces are the answer, and its last one has the usage", async () => {
      const stream = await client().chat.stream({ model, messages: [{ role: "user", content: SAID }] });
      let text = "";
      let finish: string | null = null;
      let tokens = 0;
      for await (const { data } of stream) {
        const [choice] = data.choices;
        if (typeof choice?.delta.content === "string") text += choice.delta.content;
        finish = choice?.finishReason ?? finish;
        tokens = data.usage?.completionTokens ?? tokens;
      }
      expect({ text, finish }).toEqual({ text: echoOf(SAID), finish: "stop" });
      expect(tokens).toBeGreaterThan(0);
    });

    test("tools are called, and their results end the loop", async () => {
      const messages: ChatCompletionRequestMessage[] = [{ role: "user", content: ASKED }];
      const first = await client().chat.complete({ model, messages, tools: TOOLS });
      expect(first.choices[0]?.finishReason).toBe("tool_calls");
      const message = present(first.choices[0]?.message, "the message");
      const calls = present(message.toolCalls, "the calls");
      expect(calls.map((call) => call.function.name)).toEqual(["get_weather", "get_time"]);
      expect(new Set(calls.map((call) => call.id)).size).toBe(2);
      const results = calls.map((call, at) => ({
        role: "tool" as const,
        toolCallId: call.id ?? "",
        name: call.function.name,
        content: ["18 degrees", "noon"][at] ?? "",
      }));
      messages.push({ ...message, role: "assistant" }, ...results);
      const second = await client().chat.complete({ model, messages, tools: TOOLS });
      expect(second.choices[0]?.message?.content).toBe(resultsOf("18 degrees", "noon"));
    });

    test("tools are called in a stream, too", async () => {
      const stream = await client().chat.stream({ model, messages: [{ role: "user", content: ASKED }], tools: TOOLS });
      const names: string[] = [];
      for await (const { data } of stream) {
        for (const call of data.choices[0]?.delta.toolCalls ?? []) names.push(call.function.name);
      }
      expect(names).toEqual(["get_weather", "get_time"]);
    });

    test("`parse` gives an object of the schema", async () => {
      const Report = z.object({ title: z.string(), severity: z.enum(["low", "high"]) });
      const answer = await client().chat.parse({
        model,
        messages: [{ role: "user", content: "Report on the outage." }],
        responseFormat: Report,
      });
      expect(Report.safeParse(answer.choices?.[0]?.message?.parsed).success).toBe(true);
    });

    test("what goes wrong is a MistralError with its status", async () => {
      for (const status of [400, 404, 429]) {
        const error = await failure(
          client().chat.complete({
            model,
            messages: [{ role: "user", content: `[[sandbox: fault=${status}]] hello` }],
          }),
        );
        expect(error).toBeInstanceOf(MistralError);
        expect((error as MistralError).statusCode).toBe(status);
      }
    });

    test("a client that leaves is one canceled row, and nothing goes on upstream", async () => {
      const before = (await simulation.gateway.allAttempts()).length;
      const leave = new AbortController();
      const asked = client().chat.complete(
        { model, messages: [{ role: "user", content: "[[sandbox: fault=hang]] hello" }] },
        { fetchOptions: { signal: leave.signal } },
      );
      const ended = failure(asked);
      await until(() => simulation.sandbox.openRequests > 0);
      leave.abort();
      expect(await ended).toBeInstanceOf(Error);
      await until(() => simulation.sandbox.openRequests === 0);
      const added = (await simulation.gateway.allAttempts()).slice(before);
      expect(added.map((row) => row.outcome)).toEqual(["canceled"]);
    });
  });

  describe.each(TARGETS.filter((target) => target.embeds !== undefined && target.provider === target.kind))(
    "with $name's provider",
    (target) => {
      test("embeddings have what the client insists on", async () => {
        const model = `${target.provider}/${target.embeds}`;
        const answer = await client().embeddings.create({ model, inputs: ["one", "two"] });
        expect(answer.id).toMatch(/./);
        expect(answer.data.map((one) => one.embedding?.length ?? 0).every((length) => length > 10)).toBe(true);
        expect(answer.data).toHaveLength(2);
        expect(answer.usage.promptTokens).toBeGreaterThan(0);
      });
    },
  );

  test("the models are the gateway's, each as the client insists on, and one by its name", async () => {
    const { data = [] } = await client().models.list();
    const cards = data.filter((model) => model.type === "base");
    expect(cards).toHaveLength(data.length);
    const names = cards.map((model) => model.id);
    expect(names).toContain("auto");
    for (const { provider, model } of TARGETS.filter(({ isPriced, provider }) => isPriced && provider !== "sandbox")) {
      const id = `${provider}/${model}`;
      expect(names).toContain(id);
      expect(await client().models.retrieve({ modelId: id })).toMatchObject({
        id,
        ownedBy: provider,
        type: "base",
        capabilities: { completionChat: true, completionFim: provider === "mistral" },
      });
    }
    const claude = cards.find((model) => model.id === "anthropic/claude-haiku-5-5");
    expect(claude).toMatchObject({ maxContextLength: 1_000_000, capabilities: { vision: true, reasoning: true } });
    const error = await failure(client().models.retrieve({ modelId: "no-such-model" }));
    expect(error).toBeInstanceOf(MistralError);
    expect((error as MistralError).statusCode).toBe(404);
  });

  test("embeddings that a provider does not have are refused in words", async () => {
    const error = await failure(client().embeddings.create({ model: "anthropic/claude-haiku-5-5", inputs: "one" }));
    expect(error).toBeInstanceOf(MistralError);
    expect((error as MistralError).statusCode).toBe(400);
    expect((error as MistralError).body).toMatch(/embeddings/);
  });

  test("the text in the middle comes from Mistral, whole and streamed", async () => {
    const asked = { model: "mistral/codestral-2508", prompt: "def f(", suffix: "return a" };
    const answer = await client().fim.complete(asked);
    expect(answer.choices[0]?.message?.content).toMatch(/./);
    let finish: string | null = null;
    for await (const { data } of await client().fim.stream(asked)) {
      finish = data.choices[0]?.finishReason ?? finish;
    }
    expect(finish).toMatch(/stop|length/);
    const rows = (await simulation.gateway.allAttempts()).slice(-2);
    for (const row of rows) expect(row).toMatchObject({ outcome: "complete", usage_basis: "reported", lane: "same" });
  });

  test("the text in the middle is refused in words where a provider has none", async () => {
    const error = await failure(client().fim.complete({ model: "openai/gpt-5.4-nano", prompt: "def f(" }));
    expect(error).toBeInstanceOf(MistralError);
    expect((error as MistralError).statusCode).toBe(400);
    expect((error as MistralError).body).toMatch(/FIM/);
  });

  test("a field that Mistral's schema lacks is an HTTPValidationError", async () => {
    const error = await failure(
      client().chat.complete({
        model: "mistral/mistral-small-2603",
        messages: [{ role: "user", content: "hello" }],
        topP: 7,
      }),
    );
    expect(error).toBeInstanceOf(MistralError);
    if ((error as MistralError).statusCode === 422) expect(error).toBeInstanceOf(HTTPValidationError);
  });
});
