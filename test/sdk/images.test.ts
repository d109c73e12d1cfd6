/** Pictures: read by every provider in its own form, and refused by every one when they are none. */
import Anthropic from "@anthropic-ai/sdk";
import OpenAI from "openai";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { echoOf, failure, type Simulation, startSimulation, TARGETS } from "./simulated.ts";

let simulation: Simulation;
beforeAll(async () => {
  simulation = await startSimulation();
});
afterAll(() => simulation.close());

/** The smallest PNG that there is: one pixel. */
const PIXEL = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==";
const NO_IMAGE = Buffer.from("These bytes are a sentence, and no picture of anything.").toString("base64");

describe.each(TARGETS)("OpenAI's SDK with $name", (target) => {
  const ask = (data: string | undefined) =>
    simulation.openai.chat.completions.create({
      model: target.name,
      messages: [
        {
          role: "user",
          content: [
            { type: "text", text: "What is this?" },
            ...(data === undefined
              ? []
              : [{ type: "image_url" as const, image_url: { url: `data:image/png;base64,${data}` } }]),
          ],
        },
      ],
    });

  test.runIf(target.seesImages)("a picture arrives: the prompt is larger by it", async () => {
    const [without, withPicture] = await Promise.all([ask(undefined), ask(PIXEL)]);
    expect(withPicture.choices[0]?.message.content).toBe(echoOf("What is this?"));
    expect(withPicture.usage?.prompt_tokens).toBeGreaterThan(without.usage?.prompt_tokens ?? Infinity);
  });

  test("bytes that are no picture are a BadRequestError", async () => {
    const error = await failure(ask(NO_IMAGE));
    expect(error).toBeInstanceOf(OpenAI.BadRequestError);
    expect((error as Error).message).toMatch(/image/i);
  });
});

describe.each(TARGETS)("Anthropic's SDK with $name", (target) => {
  const ask = (data: string | undefined) =>
    simulation.anthropic.messages.create({
      model: target.name,
      max_tokens: 256,
      messages: [
        {
          role: "user",
          content: [
            ...(data === undefined
              ? []
              : [
                  {
                    type: "image" as const,
                    source: { type: "base64" as const, media_type: "image/png" as const, data },
                  },
                ]),
            { type: "text", text: "What is this?" },
          ],
        },
      ],
    });

  test.runIf(target.seesImages)("a picture arrives: the prompt is larger by it", async () => {
    const [without, withPicture] = await Promise.all([ask(undefined), ask(PIXEL)]);
    expect(withPicture.content.find((block) => block.type === "text")?.text).toBe(echoOf("What is this?"));
    expect(withPicture.usage.input_tokens).toBeGreaterThan(without.usage.input_tokens);
  });

  test("bytes that are no picture are a BadRequestError", async () => {
    const error = await failure(ask(NO_IMAGE));
    expect(error).toBeInstanceOf(Anthropic.BadRequestError);
    expect((error as Error).message).toMatch(/image/i);
  });
});
