/** A conversation is its client's: begun with one provider, it goes on with any other, tool calls, thoughts and all. */
import type Anthropic from "@anthropic-ai/sdk";
import type OpenAI from "openai";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { echoOf, present, PROVIDERS, resultsOf, startSimulation, type Simulation } from "./simulated.ts";

let simulation: Simulation;
beforeAll(async () => {
  simulation = await startSimulation();
});
afterAll(() => simulation.close());

const NAMES = PROVIDERS.map(({ kind, model }) => `${kind}/${model}`);
const SCHEMA = { type: "object" as const, properties: { city: { type: "string" } }, required: ["city"] };
const ASKED = "Ask get_weather and get_time.";
const AFTER = "Thank you, and now?";

describe.each(NAMES)("a tool loop begun with %s", (from) => {
  test.each(NAMES)("goes on with %s in OpenAI's SDK, and so does its answer", async (to) => {
    const tools: OpenAI.Chat.ChatCompletionTool[] = ["get_weather", "get_time"].map((name) => ({
      type: "function",
      function: { name, parameters: SCHEMA },
    }));
    const say = async (model: string, messages: OpenAI.Chat.ChatCompletionMessageParam[]) => {
      const completion = await simulation.openai.chat.completions.create({ model, messages, tools });
      return present(completion.choices[0]?.message, "the message");
    };
    const messages: OpenAI.Chat.ChatCompletionMessageParam[] = [{ role: "user", content: ASKED }];
    const called = await say(from, messages);
    messages.push(called);
    const results = (called.tool_calls ?? []).map((call, index) => {
      messages.push({ role: "tool", tool_call_id: call.id, content: `result ${index}` });
      return `result ${index}`;
    });
    expect(results).toHaveLength(2);
    const answered = await say(to, messages);
    expect(answered.content).toBe(resultsOf(...results));
    messages.push(answered, { role: "user", content: AFTER });
    expect((await say(from, messages)).content).toBe(echoOf(AFTER));
  });

  test.each(NAMES)("goes on with %s in Anthropic's SDK, and so does its answer", async (to) => {
    const tools: Anthropic.Tool[] = ["get_weather", "get_time"].map((name) => ({ name, input_schema: SCHEMA }));
    const say = async (model: string, messages: Anthropic.MessageParam[]) => {
      const { content } = await simulation.anthropic.messages.create({ model, max_tokens: 1_000, messages, tools });
      return content;
    };
    const messages: Anthropic.MessageParam[] = [{ role: "user", content: ASKED }];
    const called = await say(from, messages);
    const results = called
      .filter((block) => block.type === "tool_use")
      .map(({ id }, index) => ({ type: "tool_result" as const, tool_use_id: id, content: `result ${index}` }));
    expect(results).toHaveLength(2);
    messages.push({ role: "assistant", content: called }, { role: "user", content: results });
    const answered = await say(to, messages);
    expect(textOf(answered)).toBe(resultsOf("result 0", "result 1"));
    messages.push({ role: "assistant", content: answered }, { role: "user", content: AFTER });
    expect(textOf(await say(from, messages))).toBe(echoOf(AFTER));
  });
});

/** Where each provider thinks aloud, so that there is a thought to bring along. */
const THINK = `[[sandbox: thinking=30]] Think about it.`;

describe.each(NAMES)("what %s thought", (from) => {
  test.each(NAMES)("does not keep %s from answering OpenAI's SDK", async (to) => {
    const say = async (model: string, messages: OpenAI.Chat.ChatCompletionMessageParam[]) => {
      const completion = await simulation.openai.chat.completions.create({ model, messages, reasoning_effort: "high" });
      return present(completion.choices[0]?.message, "the message");
    };
    const messages: OpenAI.Chat.ChatCompletionMessageParam[] = [{ role: "user", content: THINK }];
    messages.push(await say(from, messages), { role: "user", content: AFTER });
    expect(contentText((await say(to, messages)).content)).toBe(echoOf(AFTER));
  });

  test.each(NAMES)("does not keep %s from answering Anthropic's SDK", async (to) => {
    const say = async (model: string, messages: Anthropic.MessageParam[]) => {
      const asked = { model, max_tokens: 4_000, messages, thinking: { type: "adaptive" as const } };
      return (await simulation.anthropic.messages.create(asked)).content;
    };
    const messages: Anthropic.MessageParam[] = [{ role: "user", content: THINK }];
    messages.push({ role: "assistant", content: await say(from, messages) }, { role: "user", content: AFTER });
    expect(textOf(await say(to, messages))).toBe(echoOf(AFTER));
  });
});

function textOf(content: readonly { readonly type: string; readonly text?: string }[]): string {
  return content.map((block) => (block.type === "text" ? (block.text ?? "") : "")).join("");
}

/** In the words of a provider of the client's own dialect, which pass as they are, content may be a list of chunks. */
function contentText(content: unknown): string {
  return Array.isArray(content) ? textOf(content as Parameters<typeof textOf>[0]) : String(content);
}
