/** Thoughts in the `ai` package: heard where a provider shows them, and sealed ones taken back by who sealed them. */
import { generateText, isStepCount, streamText, tool } from "ai";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { z } from "zod";
import { AI_PROVIDERS } from "./ai.ts";
import { echoOf, resultsOf, type Simulation, startSimulation } from "./simulated.ts";

let simulation: Simulation;
beforeAll(async () => {
  simulation = await startSimulation();
});
afterAll(() => simulation.close());

/** Models that think when told to; whether what they think can be seen without more being asked for. */
const THINKERS = [
  { id: "openai/gpt-5.4-nano", shows: false },
  { id: "anthropic/claude-haiku-5-5", shows: false },
  { id: "anthropic/claude-haiku-4-5", shows: true },
  { id: "sandbox/claude-haiku-4-5", shows: true },
  { id: "mistral/mistral-small-2603", shows: true },
  { id: "vllm/mistralai/Mistral-Small-4-119B-2603", shows: true },
] as const;
const ASKED = "[[sandbox: thinking=30]] Think about it.";

describe.each(AI_PROVIDERS)("$name", ({ paths: [path], thinks, hearsThoughts, model: modelAt }) => {
  describe.each(THINKERS)("with $id", ({ id, shows }) => {
    const asked = () => ({
      model: modelAt(`${simulation.gateway.url}${path}`, id),
      maxRetries: 0,
      maxOutputTokens: 8_000,
      providerOptions: thinks,
    });

    test("a thought is heard where it is shown, whole and streamed, apart from the answer", async () => {
      const whole = await generateText({ ...asked(), prompt: ASKED });
      expect(whole.text).toBe(echoOf("Think about it."));
      const streamed = streamText({ ...asked(), prompt: ASKED });
      expect(await streamed.text).toBe(echoOf("Think about it."));
      if (!shows || !hearsThoughts) return;
      expect(whole.reasoningText).toMatch(/the|quick|brown|fox|jumps/);
      expect(await streamed.reasoningText).toMatch(/the|quick|brown|fox|jumps/);
    });

    test.each([false, true])(
      "thoughts go back in the middle of a tool loop, and after it (stream: %s)",
      async (stream) => {
        const tools = { get_weather: tool({ inputSchema: z.object({ city: z.string() }), execute: () => "rain" }) };
        const prompt = "[[sandbox: thinking=30]] Think, then get_weather.";
        const looped = { ...asked(), tools, stopWhen: isStepCount(3), prompt };
        const first = stream ? streamText(looped) : await generateText(looped);
        expect(await first.text).toBe(resultsOf("rain"));
        const messages = [
          { role: "user" as const, content: prompt },
          ...(await first.responseMessages),
          { role: "user" as const, content: "And now?" },
        ];
        // As before: to Anthropic it says something else of a tool when it streams, and other tools are another conversation.
        const after = stream
          ? streamText({ ...asked(), tools, messages })
          : generateText({ ...asked(), tools, messages });
        expect(await (await after).text).toBe(echoOf("And now?"));
      },
    );
  });
});
