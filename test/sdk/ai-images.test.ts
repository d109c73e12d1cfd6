/** Pictures in the `ai` package: read by every provider in its own form, and refused in words when they are none. */
import { APICallError, generateText } from "ai";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { AI_PROVIDERS } from "./ai.ts";
import { echoOf, failure, type Simulation, startSimulation, TARGETS } from "./simulated.ts";

let simulation: Simulation;
beforeAll(async () => {
  simulation = await startSimulation();
});
afterAll(() => simulation.close());

/** The smallest PNG that there is: one pixel. */
const PIXEL = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==";
const NO_IMAGE = Buffer.from("These bytes are a sentence, and no picture of anything.").toString("base64");

describe.each(AI_PROVIDERS)("$name", ({ paths: [path], model: modelAt }) => {
  describe.each(TARGETS)("with $name", (target) => {
    const ask = (data: string | undefined) =>
      generateText({
        model: modelAt(`${simulation.gateway.url}${path}`, target.name),
        maxRetries: 0,
        messages: [
          {
            role: "user",
            content: [
              { type: "text", text: "What is this?" },
              ...(data === undefined ? [] : [{ type: "file" as const, mediaType: "image/png", data }]),
            ],
          },
        ],
      });

    test.runIf(target.seesImages)("a picture arrives: the prompt is larger by it", async () => {
      const [without, withPicture] = await Promise.all([ask(undefined), ask(PIXEL)]);
      expect(withPicture.text).toBe(echoOf("What is this?"));
      expect(withPicture.usage.inputTokens).toBeGreaterThan(without.usage.inputTokens ?? Infinity);
    });

    test("bytes that are no picture are refused, and the words arrive", async () => {
      const error = await failure(ask(NO_IMAGE));
      expect(APICallError.isInstance(error) && error.statusCode).toBe(400);
      expect((error as Error).message).toMatch(/image/i);
    });
  });
});
