/** Tool loops as the `ai` package runs them: parallel calls, several steps, whole and streamed, across dialects. */
import { generateText, isStepCount, streamText, tool, type ModelMessage } from "ai";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { z } from "zod";
import { AI_PROVIDERS } from "./ai.ts";
import { echoOf, present, resultsOf, type Simulation, startSimulation, TARGETS } from "./simulated.ts";

let simulation: Simulation;
beforeAll(async () => {
  simulation = await startSimulation();
});
afterAll(() => simulation.close());

const Weather = z.object({ city: z.string(), unit: z.enum(["celsius", "fahrenheit"]) });
const Time = z.object({ zone: z.string(), offset: z.number().int().min(-12).max(14) });

/** Two tools that say what they were called with. */
function toolbox() {
  const called: { readonly tool: string; readonly input: unknown; readonly id: string }[] = [];
  return {
    called,
    tools: {
      get_weather: tool({
        description: "The weather.",
        inputSchema: Weather,
        execute: (input, { toolCallId: id }) => {
          called.push({ tool: "get_weather", input, id });
          return "18 degrees";
        },
      }),
      get_time: tool({
        description: "The time.",
        inputSchema: Time,
        execute: (input, { toolCallId: id }) => {
          called.push({ tool: "get_time", input, id });
          return "noon";
        },
      }),
    },
  };
}

const ASKED = "Use get_weather and get_time for me.";
const ANSWER = resultsOf("18 degrees", "noon");

describe.each(AI_PROVIDERS)("$name", ({ paths: [path], providerOptions, model: modelAt }) => {
  describe.each(TARGETS)("with $name", (target) => {
    const asked = () => ({
      model: modelAt(`${simulation.gateway.url}${path}`, target.name),
      stopWhen: isStepCount(4),
      maxRetries: 0,
      ...(providerOptions === undefined ? {} : { providerOptions }),
    });

    test("`generateText` runs parallel calls, and its last step says what they gave", async () => {
      const { called, tools } = toolbox();
      const result = await generateText({ ...asked(), tools, prompt: ASKED });
      expect(result.text).toBe(ANSWER);
      expect(result.steps.map((step) => step.finishReason)).toEqual(["tool-calls", "stop"]);
      areFit(called);
      const rows = (
        await Promise.all(
          result.steps.map(({ response }) =>
            simulation.gateway.attempts(new Headers(response.headers).get("x-sluice-exchange")),
          ),
        )
      ).flat();
      expect(rows.map((row) => row.outcome)).toEqual(["complete", "complete"]);
      expect(new Set(rows.map((row) => row.task)).size, "one task").toBe(1);
    });

    test("`streamText` hears each call's input in pieces, and goes on to the answer", async () => {
      const { called, tools } = toolbox();
      const result = streamText({ ...asked(), tools, prompt: ASKED });
      const inputs = new Map<string, string>();
      const wholes = new Map<string, unknown>();
      let text = "";
      for await (const part of result.stream) {
        if (part.type === "tool-input-delta") inputs.set(part.id, (inputs.get(part.id) ?? "") + part.delta);
        if (part.type === "tool-call") wholes.set(part.toolCallId, part.input);
        if (part.type === "text-delta") text += part.text;
        if (part.type === "error") throw part.error;
      }
      expect(text).toBe(ANSWER);
      expect((await result.steps).map((step) => step.finishReason)).toEqual(["tool-calls", "stop"]);
      areFit(called);
      for (const { id, input } of called) {
        expect(JSON.parse(inputs.get(id) ?? "")).toEqual(input);
        expect(wholes.get(id)).toEqual(input);
      }
    });

    test("a second round of tools continues the first one's history", async () => {
      const first = await generateText({ ...asked(), tools: toolbox().tools, prompt: ASKED });
      const second = toolbox();
      const again = await generateText({
        ...asked(),
        tools: second.tools,
        messages: [
          { role: "user", content: ASKED },
          ...first.responseMessages,
          { role: "user", content: "Once more get_time, please." },
        ],
      });
      expect(again.text).toBe(resultsOf("noon"));
      expect(second.called.map((call) => call.tool)).toEqual(["get_time"]);
    });

    test("a tool that fails is told to the model, and the answer goes on", async () => {
      const failing = tool({
        description: "The weather.",
        inputSchema: Weather,
        execute: (): string => {
          throw new Error("no such city");
        },
      });
      const result = await generateText({ ...asked(), tools: { get_weather: failing }, prompt: "get_weather please" });
      expect(result.text).toMatch(/no such city/);
      expect(result.finishReason).toBe("stop");
    });

    test.runIf(target.choosesTools)("a named choice is that tool, and `none` is none", async () => {
      const body = { ...asked(), stopWhen: isStepCount(1), tools: toolbox().tools, prompt: ASKED };
      const named = await generateText({ ...body, toolChoice: { type: "tool", toolName: "get_time" } });
      expect(named.toolCalls.map((call) => call.toolName)).toEqual(["get_time"]);
      const none = await generateText({ ...body, toolChoice: "none" });
      expect(none.toolCalls).toEqual([]);
      expect(none.text).toBe(echoOf(ASKED));
    });
  });
});

/** Several models of one provider answer by turns, or whoever the gateway chooses. */
const BY_TURNS = [
  ["auto", "auto", "auto"],
  ["anthropic/claude-haiku-5-5", "mistral/mistral-small-2603", "openai/gpt-5.4-nano"],
  ["mistral/mistral-small-2603", "anthropic/claude-haiku-5-5", "auto"],
  ["vllm/mistralai/Mistral-Small-4-119B-2603", "ollama/llama3.1:latest", "openai/gpt-5.4-nano"],
] as const;

describe("openai, Responses, which names what was said by its id", () => {
  const [responses] = AI_PROVIDERS;
  const modelOf = (id: string) => present(responses, "Responses").model(`${simulation.gateway.url}/v1`, id);

  test.each(BY_TURNS)("goes on from %s with %s and %s, tools and all", async (first, second, third) => {
    await goesOn([first, second, third], {}, ASKED);
  });

  test.each(BY_TURNS.filter((turns) => turns.every((id) => !id.startsWith("ollama/"))))(
    "goes on from %s with %s and %s, thoughts and all",
    async (first, second, third) => {
      const { thinks } = present(responses, "Responses");
      await goesOn([first, second, third], { providerOptions: thinks }, `[[sandbox: thinking=30]] ${ASKED}`);
    },
  );

  async function goesOn([first, second, third]: readonly [string, string, string], more: object, prompt: string) {
    const { called, tools } = toolbox();
    const messages: ModelMessage[] = [{ role: "user", content: prompt }];
    const looped = { tools, stopWhen: isStepCount(4), maxRetries: 0, ...more };
    const began = await generateText({ ...looped, model: modelOf(first), messages });
    expect(began.text).toBe(ANSWER);
    areFit(called);
    messages.push(...began.responseMessages, { role: "user", content: "And now?" });
    const streamed = streamText({ ...looped, model: modelOf(second), messages });
    expect(await streamed.text).toBe(echoOf("And now?"));
    messages.push(...(await streamed.responseMessages), { role: "user", content: "And then?" });
    expect((await generateText({ ...looped, model: modelOf(third), messages })).text).toBe(echoOf("And then?"));
    for (const { body } of simulation.sandbox.requests) expect(JSON.stringify(body ?? null)).not.toMatch(OURS);
  }
});

/** An id of the gateway's own making, which no provider is told. */
const OURS = /(?:resp|msg|fc|rs)_sluice_/;

/** Both were called once, each with what its schema allows, and neither under the other's id. */
function areFit(called: readonly { readonly tool: string; readonly input: unknown; readonly id: string }[]): void {
  expect(called.map(({ tool }) => tool).toSorted()).toEqual(["get_time", "get_weather"]);
  expect(new Set(called.map(({ id }) => id)).size).toBe(2);
  for (const { tool, input } of called)
    expect((tool === "get_time" ? Time : Weather).safeParse(input).success, JSON.stringify(input)).toBe(true);
}
