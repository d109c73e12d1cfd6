/** Structured output by the `ai` package: an object of the schema, however its provider asks for one. */
import { generateText, Output, streamText } from "ai";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { z } from "zod";
import { AI_PROVIDERS } from "./ai.ts";
import { type Simulation, startSimulation, TARGETS } from "./simulated.ts";

let simulation: Simulation;
beforeAll(async () => {
  simulation = await startSimulation();
});
afterAll(() => simulation.close());

const Report = z.strictObject({
  title: z.string(),
  severity: z.enum(["low", "high"]),
  steps: z.array(z.strictObject({ text: z.string(), minutes: z.number() })),
  owner: z.nullable(z.string()),
  done: z.boolean(),
});

describe.each(AI_PROVIDERS)("$name", ({ paths: [path], structures, model: modelAt }) => {
  describe.each(TARGETS)("with $name", (target) => {
    const asked = () => ({
      model: modelAt(`${simulation.gateway.url}${path}`, target.name),
      maxRetries: 0,
      prompt: "Report on the outage.",
      ...(target.choosesTools || structures === undefined ? {} : { providerOptions: structures }),
    });

    test("`generateText` gives an object of the schema", async () => {
      const { output } = await generateText({ ...asked(), output: Output.object({ schema: Report }) });
      expect(Report.parse(output)).toEqual(output);
    });

    test("`streamText` gives growing parts of one, and the whole at the end", async () => {
      const result = streamText({ ...asked(), output: Output.object({ schema: Report }) });
      const partials: unknown[] = [];
      for await (const partial of result.partialOutputStream) partials.push(partial);
      const output = await result.output;
      expect(Report.parse(output)).toEqual(output);
      // Where it is asked for as a tool's input it may come in one piece.
      expect(partials.length).toBeGreaterThan(0);
      expect(partials.at(-1)).toEqual(output);
    });

    test.runIf(structures !== undefined)(
      "`generateText` gives one in the other way that its provider knows",
      async () => {
        const { output } = await generateText({
          ...asked(),
          output: Output.object({ schema: Report }),
          providerOptions: structures ?? {},
        });
        expect(Report.parse(output)).toEqual(output);
      },
    );

    test("a list and a choice are what they were asked to be", async () => {
      const list = await generateText({
        ...asked(),
        output: Output.array({ element: z.strictObject({ apples: z.number() }) }),
      });
      expect(z.array(z.strictObject({ apples: z.number() })).safeParse(list.output).success).toBe(true);
      const choice = await generateText({ ...asked(), output: Output.choice({ options: ["sunny", "rainy"] }) });
      expect(["sunny", "rainy"]).toContain(choice.output);
    });
  });
});
