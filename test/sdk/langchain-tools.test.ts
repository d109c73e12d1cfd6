/** Tools, thoughts and pictures by LangChain's OpenAI and Anthropic classes: there and back, with every simulated provider. */
import { type AIMessageChunk, type BaseMessage, HumanMessage, ToolMessage } from "@langchain/core/messages";
import { tool } from "@langchain/core/tools";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { z } from "zod";
import { LANGCHAIN_MODELS, type LangchainOptions, usageOf } from "./langchain.ts";
import { echoOf, failure, present, resultsOf, type Simulation, startSimulation, TARGETS } from "./simulated.ts";

let simulation: Simulation;
beforeAll(async () => {
  simulation = await startSimulation();
});
afterAll(() => simulation.close());

const Weather = z.object({ city: z.string(), unit: z.enum(["celsius", "fahrenheit"]) });
const Time = z.object({ zone: z.string(), offset: z.number().int().min(-12).max(14) });
const TOOLS = [
  tool(() => "18 degrees", { name: "get_weather", description: "The weather.", schema: Weather }),
  tool(() => "noon", { name: "get_time", description: "The time.", schema: Time }),
];
const RESULTS: Readonly<Record<string, string>> = { get_weather: "18 degrees", get_time: "noon" };
const ASKED = "Use get_weather and get_time for me.";
/** The smallest PNG that there is: one pixel. */
const PIXEL = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==";
/** Models that think when they are told to. */
const THINKERS = [
  "openai/gpt-5.4-nano",
  "anthropic/claude-haiku-4-5",
  "mistral/mistral-small-2603",
  "vllm/mistralai/Mistral-Small-4-119B-2603",
];

describe.each(LANGCHAIN_MODELS)("$name", ({ create }) => {
  /** Asks with both tools, as a whole or put together from a stream's chunks. */
  const ask = async (id: string, messages: BaseMessage[], stream: boolean, options?: LangchainOptions) => {
    const model = create(simulation.gateway.url, id, options).bindTools(TOOLS);
    if (!stream) return await model.invoke(messages);
    let whole: AIMessageChunk | undefined;
    for await (const chunk of await model.stream(messages)) whole = whole === undefined ? chunk : whole.concat(chunk);
    return present(whole, "the answer");
  };

  describe.each(TARGETS)("with $name", (target) => {
    test.each([false, true])(
      "parallel calls and their results end in the answer, and go on (stream: %s)",
      async (stream) => {
        const messages: BaseMessage[] = [new HumanMessage(ASKED)];
        const first = await ask(target.name, messages, stream);
        const calls = present(first.tool_calls, "the calls");
        expect(calls.map((call) => call.name)).toEqual(["get_weather", "get_time"]);
        expect(Weather.safeParse(calls[0]?.args).success).toBe(true);
        expect(Time.safeParse(calls[1]?.args).success).toBe(true);
        expect(new Set(calls.map((call) => call.id)).size).toBe(2);
        messages.push(first);
        for (const { id = "", name } of calls)
          messages.push(new ToolMessage({ tool_call_id: id, name, content: RESULTS[name] ?? "" }));
        const second = await ask(target.name, messages, stream);
        expect(second.text).toBe(resultsOf("18 degrees", "noon"));
        messages.push(second, new HumanMessage("Thank you."));
        expect((await ask(target.name, messages, stream)).text).toBe(echoOf("Thank you."));
      },
    );

    test.runIf(target.choosesTools)("a named choice is that tool", async () => {
      const model = create(simulation.gateway.url, target.name).bindTools(TOOLS, { tool_choice: "get_time" });
      const { tool_calls: calls = [] } = await model.invoke(ASKED);
      expect(calls.map((call) => call.name)).toEqual(["get_time"]);
    });

    test.runIf(target.seesImages)("a picture arrives: the prompt is larger by it", async () => {
      const model = create(simulation.gateway.url, target.name);
      const text = { type: "text" as const, text: "What is this?" };
      const picture = { type: "image_url" as const, image_url: { url: `data:image/png;base64,${PIXEL}` } };
      const without = await model.invoke([new HumanMessage({ content: [text] })]);
      const withPicture = await model.invoke([new HumanMessage({ content: [text, picture] })]);
      expect(withPicture.text).toBe(echoOf("What is this?"));
      expect(usageOf(withPicture).input_tokens).toBeGreaterThan(usageOf(without).input_tokens);
    });
  });

  test.each(THINKERS)("what %s thought goes back in the middle of a loop and after it", async (id) => {
    for (const stream of [false, true]) {
      const thinks = { thinks: true };
      const messages: BaseMessage[] = [new HumanMessage("[[sandbox: thinking=30]] Think, then get_weather.")];
      const first = await ask(id, messages, stream, thinks);
      const [call] = present(first.tool_calls, "the calls");
      expect(call?.name).toBe("get_weather");
      messages.push(first, new ToolMessage({ tool_call_id: call?.id ?? "", name: "get_weather", content: "rain" }));
      const second = await ask(id, messages, stream, thinks);
      expect(second.text).toBe(resultsOf("rain"));
      messages.push(second, new HumanMessage("And now?"));
      expect((await ask(id, messages, stream, thinks)).text).toBe(echoOf("And now?"));
    }
  });

  test("bytes that are no picture are refused in words", async () => {
    const data = Buffer.from("These bytes are a sentence, and no picture of anything.").toString("base64");
    const picture = { type: "image_url" as const, image_url: { url: `data:image/png;base64,${data}` } };
    for (const target of TARGETS) {
      const model = create(simulation.gateway.url, target.name);
      const error = await failure(model.invoke([new HumanMessage({ content: [picture] })]));
      expect(error, target.name).toMatchObject({ status: 400, message: expect.stringMatching(/image/i) });
    }
  });
});
