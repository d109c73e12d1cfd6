/** Structured output: what the SDKs' parse helpers accept was made by the schema, whoever made it. */
import { betaZodOutputFormat } from "@anthropic-ai/sdk/helpers/beta/zod";
import { zodOutputFormat } from "@anthropic-ai/sdk/helpers/zod";
import { zodResponseFormat } from "openai/helpers/zod";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { z } from "zod";
import { present, startSimulation, TARGETS, type Simulation } from "./simulated.ts";

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
const ASKED = "Report on the outage.";

describe.each(TARGETS)("OpenAI's SDK with $name", (target) => {
  const asked = {
    model: target.name,
    messages: [{ role: "user" as const, content: ASKED }],
    response_format: zodResponseFormat(Report, "report"),
  };

  test("`parse` gives an object of the schema", async () => {
    const completion = await simulation.openai.chat.completions.parse(asked);
    const parsed = present(completion.choices[0]?.message.parsed, "the parsed answer");
    expect(Report.parse(parsed)).toEqual(parsed);
    expect(parsed).toEqual(JSON.parse(completion.choices[0]?.message.content ?? ""));
  });

  test("a stream ends with an object of the schema", async () => {
    const stream = simulation.openai.chat.completions.stream(asked);
    const completion = await stream.finalChatCompletion();
    expect(Report.safeParse(completion.choices[0]?.message.parsed).success).toBe(true);
  });

  test("some JSON object is one, or its loss is named", async () => {
    const { data, response } = await simulation.openai.chat.completions
      .create({
        model: target.name,
        messages: [{ role: "user", content: `${ASKED} Answer in JSON.` }],
        response_format: { type: "json_object" },
      })
      .withResponse();
    const losses = response.headers.get("x-sluice-losses") ?? "";
    expect(losses.includes("json_object")).toBe(!target.takesJsonObject);
    if (target.takesJsonObject) expect(JSON.parse(data.choices[0]?.message.content ?? "")).toBeTypeOf("object");
  });
});

describe.each(TARGETS)("Anthropic's SDK with $name", (target) => {
  const asked = { model: target.name, max_tokens: 1024, messages: [{ role: "user" as const, content: ASKED }] };

  test("`parse` gives an object of the schema", async () => {
    const message = await simulation.anthropic.messages.parse({
      ...asked,
      output_config: { format: zodOutputFormat(Report) },
    });
    const parsed = present(message.parsed_output, "the parsed answer");
    expect(Report.parse(parsed)).toEqual(parsed);
  });

  test("a stream ends with an object of the schema", async () => {
    const message = await simulation.anthropic.messages
      .stream({ ...asked, output_config: { format: zodOutputFormat(Report) } })
      .finalMessage();
    expect(Report.safeParse(message.parsed_output).success).toBe(true);
  });

  test("the beta surface's `parse` gives one too", async () => {
    const message = await simulation.anthropic.beta.messages.parse({
      ...asked,
      output_config: { format: betaZodOutputFormat(Report) },
    });
    expect(Report.safeParse(message.parsed_output).success).toBe(true);
  });
});

test("two schemas give two objects: the answer is made from what was sent, not by heart", async () => {
  const other = z.strictObject({ apples: z.number() });
  for (const target of TARGETS) {
    const completion = await simulation.openai.chat.completions.parse({
      model: target.name,
      messages: [{ role: "user", content: ASKED }],
      response_format: zodResponseFormat(other, "other"),
    });
    expect(Object.keys(completion.choices[0]?.message.parsed ?? {}), target.name).toEqual(["apples"]);
  }
});
