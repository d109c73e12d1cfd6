/** Tool loops as the `ai` package runs them: parallel calls, several steps, whole and streamed, across dialects. */
import { APICallError, generateText, isStepCount, streamText, tool } from "ai";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { z } from "zod";
import { AI_PROVIDERS } from "./ai.ts";
import { echoOf, failure, isSame, present, resultsOf, type Simulation, startSimulation, TARGETS } from "./simulated.ts";

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

describe("openai, Responses, without being told to send what was said before", () => {
  test.each(TARGETS)("with $name: goes on where it is kept, else hears how to send it", async (target) => {
    const [responses] = AI_PROVIDERS;
    const model = present(responses, "Responses").model(`${simulation.gateway.url}/v1`, target.name);
    const first = await generateText({ model, maxRetries: 0, prompt: "Good morning" });
    const second = generateText({
      model,
      maxRetries: 0,
      messages: [
        { role: "user", content: "Good morning" },
        ...first.responseMessages,
        { role: "user", content: "And now?" },
      ],
    });
    if (isSame(target, "openai-responses")) {
      expect((await second).text).toBe(echoOf("And now?"));
      return;
    }
    const error = await failure(second);
    expect(APICallError.isInstance(error) && [error.statusCode, error.message]).toEqual([
      400,
      expect.stringMatching(/item_reference.*`store: false`/),
    ]);
  });
});

/** Both were called once, each with what its schema allows, and neither under the other's id. */
function areFit(called: readonly { readonly tool: string; readonly input: unknown; readonly id: string }[]): void {
  expect(called.map(({ tool }) => tool).toSorted()).toEqual(["get_time", "get_weather"]);
  expect(new Set(called.map(({ id }) => id)).size).toBe(2);
  for (const { tool, input } of called)
    expect((tool === "get_time" ? Time : Weather).safeParse(input).success, JSON.stringify(input)).toBe(true);
}
