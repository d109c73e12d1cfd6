/** Tool loops as the SDKs run them: parallel calls, several turns, both directions across dialects. */
import type Anthropic from "@anthropic-ai/sdk";
import { betaZodTool } from "@anthropic-ai/sdk/helpers/beta/zod";
import type OpenAI from "openai";
import { zodFunction } from "openai/helpers/zod";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { z } from "zod";
import { echoOf, present, resultsOf, type Simulation, startSimulation, TARGETS } from "./simulated.ts";

let simulation: Simulation;
beforeAll(async () => {
  simulation = await startSimulation();
});
afterAll(() => simulation.close());

const Weather = z.object({ city: z.string(), unit: z.enum(["celsius", "fahrenheit"]) });
const Time = z.object({ zone: z.string(), offset: z.number().int().min(-12).max(14) });

/** Two tools that say what they were called with, in the form of each SDK. */
function tools() {
  const called: { readonly tool: string; readonly input: unknown }[] = [];
  const weather = (input: z.infer<typeof Weather>) => {
    called.push({ tool: "get_weather", input });
    return "18 degrees";
  };
  const time = (input: z.infer<typeof Time>) => {
    called.push({ tool: "get_time", input });
    return "noon";
  };
  return {
    called,
    openai: [
      zodFunction({ name: "get_weather", parameters: Weather, function: weather, description: "The weather." }),
      zodFunction({ name: "get_time", parameters: Time, function: time, description: "The time." }),
    ],
    anthropic: [
      betaZodTool({ name: "get_weather", inputSchema: Weather, run: weather, description: "The weather." }),
      betaZodTool({ name: "get_time", inputSchema: Time, run: time, description: "The time." }),
    ],
  };
}

/** The same two, as what a client sends by hand. */
const SCHEMAS = {
  get_weather: {
    type: "object",
    properties: { city: { type: "string" }, unit: { type: "string", enum: ["celsius", "fahrenheit"] } },
    required: ["city", "unit"],
  },
  get_time: {
    type: "object",
    properties: { zone: { type: "string" }, offset: { type: "integer", minimum: -12, maximum: 14 } },
    required: ["zone", "offset"],
  },
} as const;
const FUNCTIONS: OpenAI.Chat.ChatCompletionTool[] = Object.entries(SCHEMAS).map(([name, parameters]) => ({
  type: "function",
  function: { name, parameters },
}));
const DEFINITIONS: Anthropic.Tool[] = Object.entries(SCHEMAS).map(([name, { type, properties, required }]) => ({
  name,
  input_schema: { type, properties, required: [...required] },
}));

const ASKED = "Use get_weather and get_time for me.";
const ANSWER = resultsOf("18 degrees", "noon");

describe.each(TARGETS)("OpenAI's SDK with $name", (target) => {
  const model = target.name;

  test.each([false, true])("runTools runs parallel calls to the end (stream: %s)", async (stream) => {
    const { called, openai } = tools();
    const messages = [{ role: "user" as const, content: ASKED }];
    const runner = stream
      ? simulation.openai.chat.completions.runTools({ model, messages, tools: openai, stream: true })
      : simulation.openai.chat.completions.runTools({ model, messages, tools: openai });
    expect(await runner.finalContent()).toBe(ANSWER);
    expect(called.map(({ tool }) => tool).toSorted()).toEqual(["get_time", "get_weather"]);
    for (const { tool, input } of called) {
      expect((tool === "get_time" ? Time : Weather).safeParse(input).success, JSON.stringify(input)).toBe(true);
    }
    const [first] = runner.allChatCompletions();
    expect(first?.choices[0]?.finish_reason).toBe("tool_calls");
    const calls = first?.choices[0]?.message.tool_calls ?? [];
    expect(new Set(calls.map((call) => call.id)).size).toBe(2);
  });

  test("a second round of tools continues the first one's history", async () => {
    const first = tools();
    const runner = simulation.openai.chat.completions.runTools({
      model,
      messages: [{ role: "user", content: ASKED }],
      tools: first.openai,
    });
    await runner.done();
    const second = tools();
    const again = simulation.openai.chat.completions.runTools({
      model,
      messages: [...runner.messages.map(withoutNulls), { role: "user", content: "Once more get_time, please." }],
      tools: second.openai,
    });
    expect(await again.finalContent()).toBe(resultsOf("noon"));
    expect(second.called.map(({ tool }) => tool)).toEqual(["get_time"]);
  });

  test.runIf(target.choosesTools)("`parallel_tool_calls: false` means one call", async () => {
    const completion = await simulation.openai.chat.completions.create({
      model,
      messages: [{ role: "user", content: ASKED }],
      tools: FUNCTIONS,
      parallel_tool_calls: false,
    });
    expect(completion.choices[0]?.message.tool_calls).toHaveLength(1);
  });

  test.runIf(target.choosesTools)("a named choice is that tool, and `none` is none", async () => {
    const body = {
      model,
      messages: [{ role: "user" as const, content: ASKED }],
      tools: FUNCTIONS,
    };
    const named = await simulation.openai.chat.completions.create({
      ...body,
      tool_choice: { type: "function", function: { name: "get_time" } },
    });
    expect(named.choices[0]?.message.tool_calls?.map(nameOf)).toEqual(["get_time"]);
    const none = await simulation.openai.chat.completions.create({ ...body, tool_choice: "none" });
    expect(none.choices[0]?.message.tool_calls ?? []).toEqual([]);
    expect(none.choices[0]?.message.content).toBe(echoOf(ASKED));
  });
});

describe.each(TARGETS)("Anthropic's SDK with $name", (target) => {
  const model = target.name;

  test.each([false, true])("the tool runner runs parallel calls to the end (stream: %s)", async (stream) => {
    const { called, anthropic } = tools();
    const asked = { model, max_tokens: 1024, messages: [{ role: "user" as const, content: ASKED }], tools: anthropic };
    const runner = simulation.anthropic.beta.messages.toolRunner(stream ? { ...asked, stream: true } : asked);
    const message = await runner.runUntilDone();
    expect(textOf(message.content)).toBe(ANSWER);
    expect(message.stop_reason).toBe("end_turn");
    expect(called.map(({ tool }) => tool).toSorted()).toEqual(["get_time", "get_weather"]);
    for (const { tool, input } of called) {
      expect((tool === "get_time" ? Time : Weather).safeParse(input).success, JSON.stringify(input)).toBe(true);
    }
  });

  test("a second round of tools continues the first one's history", async () => {
    const first = simulation.anthropic.beta.messages.toolRunner({
      model,
      max_tokens: 1024,
      messages: [{ role: "user", content: ASKED }],
      tools: tools().anthropic,
    });
    const answer = await first.runUntilDone();
    const second = tools();
    const again = simulation.anthropic.beta.messages.toolRunner({
      model,
      max_tokens: 1024,
      messages: [
        ...withoutLast(first.params.messages, answer),
        { role: "assistant", content: answer.content },
        { role: "user", content: "Once more get_time, please." },
      ],
      tools: second.anthropic,
    });
    expect(textOf((await again.runUntilDone()).content)).toBe(resultsOf("noon"));
    expect(second.called.map(({ tool }) => tool)).toEqual(["get_time"]);
  });

  test("the message thread that the tool runner asks for first is refused in words by which it goes on without", async () => {
    const before = (await simulation.gateway.allAttempts()).length;
    const runner = simulation.anthropic.beta.messages.toolRunner({
      model,
      max_tokens: 1024,
      messages: [{ role: "user", content: ASKED }],
      tools: tools().anthropic,
    });
    await runner.runUntilDone();
    const rows = (await simulation.gateway.allAttempts()).slice(before);
    expect(rows.map((row) => row.status)).toEqual([400, 200, 200]);
    expect(rows[0]).toMatchObject({ cost_pico_usd: "0", cost_basis: "not-billed" });
  });

  test("the stream helper puts parallel calls together, each with its whole input", async () => {
    const message = await simulation.anthropic.messages
      .stream({ model, max_tokens: 1024, messages: [{ role: "user", content: ASKED }], tools: DEFINITIONS })
      .finalMessage();
    expect(message.stop_reason).toBe("tool_use");
    const calls = message.content.filter((block) => block.type === "tool_use");
    expect(calls.map((call) => call.name)).toEqual(["get_weather", "get_time"]);
    expect(Weather.safeParse(calls[0]?.input).success).toBe(true);
    expect(Time.safeParse(calls[1]?.input).success).toBe(true);
    expect(new Set(calls.map((call) => call.id)).size).toBe(2);
  });

  test.runIf(target.choosesTools)("`disable_parallel_tool_use` means one call, and `none` is none", async () => {
    const asked = {
      model,
      max_tokens: 1024,
      messages: [{ role: "user" as const, content: ASKED }],
      tools: DEFINITIONS,
    };
    const alone = await simulation.anthropic.messages.create({
      ...asked,
      tool_choice: { type: "auto", disable_parallel_tool_use: true },
    });
    expect(alone.content.filter((block) => block.type === "tool_use")).toHaveLength(1);
    const none = await simulation.anthropic.messages.create({ ...asked, tool_choice: { type: "none" } });
    expect(none.content.filter((block) => block.type === "tool_use")).toHaveLength(0);
  });

  test("a failed tool's result is told, and the answer goes on", async () => {
    const first = await simulation.anthropic.messages.create({
      model,
      max_tokens: 1024,
      messages: [{ role: "user", content: "get_weather please" }],
      tools: DEFINITIONS,
    });
    const call = present(
      first.content.find((block) => block.type === "tool_use"),
      "the call",
    );
    const second = await simulation.anthropic.messages.create({
      model,
      max_tokens: 1024,
      messages: [
        { role: "user", content: "get_weather please" },
        { role: "assistant", content: first.content },
        {
          role: "user",
          content: [{ type: "tool_result", tool_use_id: call.id, content: "no such city", is_error: true }],
        },
      ],
      tools: DEFINITIONS,
    });
    expect(textOf(second.content)).toMatch(/no such city/);
  });
});

/** Mistral says `tool_calls: null`, which reaches the client as it is, and which the SDK's runner cannot send back. */
function withoutNulls<Message extends object>(message: Message): Message {
  return Object.fromEntries(Object.entries(message).filter(([, value]) => value !== null)) as Message;
}

function nameOf(call: OpenAI.Chat.ChatCompletionMessageToolCall): string {
  return call.type === "function" ? call.function.name : call.type;
}

/** The history without the answer that ends it, where the runner has put it there. */
function withoutLast<Message extends { readonly role: string }>(
  history: readonly Message[],
  answer: object,
): Message[] {
  const last = history.at(-1);
  return last?.role === "assistant" && answer !== undefined ? history.slice(0, -1) : [...history];
}

function textOf(content: readonly { readonly type: string; readonly text?: string }[]): string {
  return content.map((block) => (block.type === "text" ? (block.text ?? "") : "")).join("");
}
