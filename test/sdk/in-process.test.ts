/** The SDKs on the app itself, without a socket: their `fetch` option is the app. */
import Anthropic from "@anthropic-ai/sdk";
import { betaZodTool } from "@anthropic-ai/sdk/helpers/beta/zod";
import OpenAI from "openai";
import { zodResponseFormat } from "openai/helpers/zod";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { z } from "zod";
import { until } from "../running.ts";
import { echoOf, failure, resultsOf, type Simulation, startSimulation, TARGETS } from "./simulated.ts";

let simulation: Simulation;
let openai: OpenAI;
let anthropic: Anthropic;
beforeAll(async () => {
  simulation = await startSimulation();
  const fetch = async (url: string | URL | Request, init?: RequestInit) =>
    simulation.gateway.app.request(url instanceof Request ? url : String(url), init);
  openai = new OpenAI({ baseURL: "http://gateway.test/v1", apiKey: "any", maxRetries: 0, fetch });
  anthropic = new Anthropic({ baseURL: "http://gateway.test", apiKey: "any", maxRetries: 0, fetch });
});
afterAll(() => simulation.close());

const messages = [{ role: "user" as const, content: "Hello there." }];

describe.each(TARGETS)("$name", ({ name: model }) => {
  test("answers whole and streamed", async () => {
    const completion = await openai.chat.completions.create({ model, messages });
    expect(completion.choices[0]?.message.content).toBe(echoOf("Hello there."));
    expect(await openai.chat.completions.stream({ model, messages }).finalContent()).toBe(echoOf("Hello there."));
    const message = await anthropic.messages.create({ model, max_tokens: 500, messages });
    expect(message.stop_reason).toBe("end_turn");
    const streamed = await anthropic.messages.stream({ model, max_tokens: 500, messages }).finalText();
    expect(streamed).toBe(echoOf("Hello there."));
  });

  test("runs tools and fills schemas", async () => {
    const tool = betaZodTool({
      name: "get_weather",
      inputSchema: z.object({ city: z.string() }),
      description: "The weather.",
      run: () => "snow",
    });
    const message = await anthropic.beta.messages.toolRunner({
      model,
      max_tokens: 1_000,
      messages: [{ role: "user", content: "get_weather now" }],
      tools: [tool],
    });
    expect(message.content.find((block) => block.type === "text")?.text).toBe(resultsOf("snow"));
    const parsed = await openai.chat.completions.parse({
      model,
      messages,
      response_format: zodResponseFormat(z.object({ city: z.string() }), "place"),
    });
    expect(parsed.choices[0]?.message.parsed?.city).toBeTypeOf("string");
  });
});

test("errors are the SDKs' own classes here, too", async () => {
  expect(await failure(openai.chat.completions.create({ model: "openai/no-such-model", messages }))).toBeInstanceOf(
    OpenAI.NotFoundError,
  );
  expect(
    await failure(anthropic.messages.create({ model: "openai/no-such-model", max_tokens: 9, messages })),
  ).toBeInstanceOf(Anthropic.NotFoundError);
});

test("leaving a stream ends it upstream", async () => {
  const before = (await simulation.gateway.allAttempts()).length;
  const stream = openai.chat.completions.stream({
    model: TARGETS[0]?.name ?? "",
    messages: [{ role: "user", content: "[[sandbox: fault=stall events=8 tokens=100]] go on" }],
  });
  const ended = failure(stream.finalChatCompletion());
  await stream.emitted("content");
  stream.abort();
  expect(await ended).toBeInstanceOf(OpenAI.APIUserAbortError);
  await until(() => simulation.sandbox.openRequests === 0);
  const added = (await simulation.gateway.allAttempts()).slice(before);
  expect(added.map((row) => row.outcome)).toEqual(["canceled"]);
  expect(added[0]?.cost_usd).toBeGreaterThan(0);
});
