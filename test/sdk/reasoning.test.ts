/** Thinking and its seals: what a provider signed goes back to it untouched, in its own dialect and through OpenAI's. */
import Anthropic from "@anthropic-ai/sdk";
import { betaZodTool } from "@anthropic-ai/sdk/helpers/beta/zod";
import OpenAI from "openai";
import { zodFunction } from "openai/helpers/zod";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { z } from "zod";
import { echoOf, failure, present, resultsOf, type Simulation, startSimulation } from "./simulated.ts";

let simulation: Simulation;
beforeAll(async () => {
  simulation = await startSimulation({
    yaml: `
retries: { backoffMs: 1 }
aliases:
  either: [openai/gpt-5.4-nano, anthropic/claude-haiku-5-5]
policy: { default: ordered }
`,
  });
});
afterAll(() => simulation.close());

/** Models whose thinking is signed, with the way in which each is told to think and to show it. */
const THINKERS = [
  { model: "anthropic/claude-haiku-5-5", thinking: { type: "adaptive" as const, display: "summarized" as const } },
  { model: "sandbox/claude-haiku-5-5", thinking: { type: "adaptive" as const, display: "summarized" as const } },
  { model: "anthropic/claude-haiku-4-5", thinking: { type: "enabled" as const, budget_tokens: 1_024 } },
];
const QUESTION = { role: "user" as const, content: "Think about it." };
const NEXT = { role: "user" as const, content: "And now?" };

describe.each(THINKERS)("Anthropic's SDK with $model", ({ model, thinking }) => {
  const asked = { model, max_tokens: 4_000, thinking };

  test("a streamed thought comes with its signature, and both go back", async () => {
    const stream = simulation.anthropic.messages.stream({ ...asked, messages: [QUESTION] });
    const thoughts: string[] = [];
    const signatures: string[] = [];
    stream.on("thinking", (piece) => thoughts.push(piece));
    stream.on("signature", (signature) => signatures.push(signature));
    const first = await stream.finalMessage();
    const block = present(
      first.content.find((one) => one.type === "thinking"),
      "the thought",
    );
    expect(block.thinking).toBe(thoughts.join(""));
    expect(block.thinking).not.toBe("");
    expect(signatures).toEqual([block.signature]);
    expect(first.usage.output_tokens_details?.thinking_tokens).toBeGreaterThan(0);
    const second = await simulation.anthropic.messages.create({
      ...asked,
      messages: [QUESTION, { role: "assistant", content: first.content }, NEXT],
    });
    expect(second.content.find((one) => one.type === "text")?.text).toBe(echoOf("And now?"));
  });

  test("a signature that was tampered with is refused by who gave it", async () => {
    const first = await simulation.anthropic.messages.create({ ...asked, messages: [QUESTION] });
    const content = first.content.map((block) =>
      block.type === "thinking"
        ? { ...block, signature: Buffer.from("sandbox.forged.forged").toString("base64") }
        : block,
    );
    const error = await failure(
      simulation.anthropic.messages.create({
        ...asked,
        messages: [QUESTION, { role: "assistant", content }, NEXT],
      }),
    );
    expect(error).toBeInstanceOf(Anthropic.BadRequestError);
    expect((error as Error).message).toMatch(/signature/);
  });

  test("the tool runner brings thoughts back in the middle of a loop", async () => {
    const answers: string[] = [];
    const runner = simulation.anthropic.beta.messages.toolRunner({
      ...asked,
      messages: [{ role: "user", content: "Think, then get_weather." }],
      tools: [
        betaZodTool({
          name: "get_weather",
          inputSchema: z.object({ city: z.string() }),
          description: "The weather.",
          run: () => "rain",
        }),
      ],
    });
    for await (const message of runner) answers.push(message.content.map((block) => block.type).join("+"));
    expect(answers[0]).toBe("thinking+tool_use");
    expect((await runner.done()).content.find((block) => block.type === "text")?.text).toBe(resultsOf("rain"));
  });

  test("a thought that is not shown at all goes back, too", async () => {
    const question = { role: "user" as const, content: "[[sandbox: redacted]] Think about it." };
    const first = await simulation.anthropic.messages.create({ ...asked, messages: [question] });
    expect(first.content[0]?.type).toBe("redacted_thinking");
    const second = await simulation.anthropic.messages.create({
      ...asked,
      messages: [question, { role: "assistant", content: first.content }, NEXT],
    });
    expect(second.stop_reason).toBe("end_turn");
  });
});

/** An assistant message as the SDK gives it, with what this dialect has no type for. */
type Reasoned = OpenAI.Chat.ChatCompletionMessage & {
  readonly reasoning_content?: string;
  readonly reasoning_details?: readonly {
    readonly type: string;
    readonly text?: string;
    readonly signature?: string;
  }[];
};

function reasonedIn(completion: OpenAI.Chat.ChatCompletion | undefined): Reasoned {
  return present(completion?.choices[0]?.message, "the message");
}

describe.each(THINKERS)("OpenAI's SDK with $model", ({ model }) => {
  const asked = { model, reasoning_effort: "high" as const, max_completion_tokens: 40_000 };

  test.each([false, true])("the message goes back with its seals (stream: %s)", async (stream) => {
    const messages = [QUESTION];
    const first = stream
      ? await simulation.openai.chat.completions.stream({ ...asked, messages }).finalChatCompletion()
      : await simulation.openai.chat.completions.create({ ...asked, messages });
    const message = reasonedIn(first);
    expect(message.reasoning_details?.map((detail) => detail.type)).toEqual(["reasoning.text"]);
    expect(message.reasoning_details?.[0]?.signature).toMatch(/.{20}/);
    const second = await simulation.openai.chat.completions.create({ ...asked, messages: [QUESTION, message, NEXT] });
    expect(second.choices[0]?.message.content).toBe(echoOf("And now?"));

    const details = (message.reasoning_details ?? []).map((detail) => ({ ...detail, signature: "Zm9yZ2Vk" }));
    const forged = { ...message, reasoning_details: details };
    const error = await failure(
      simulation.openai.chat.completions.create({ ...asked, messages: [QUESTION, forged, NEXT] }),
    );
    expect(error, "the provider was told what the client sent").toBeInstanceOf(OpenAI.BadRequestError);
    expect((error as Error).message).toMatch(/signature/);
  });

  const weather = () =>
    zodFunction({
      name: "get_weather",
      parameters: z.object({ city: z.string() }),
      function: () => "rain",
      description: "The weather.",
    });

  test("the tool runner, which forgets what was thought, still comes to its end", async () => {
    const runner = simulation.openai.chat.completions.runTools({
      ...asked,
      messages: [{ role: "user", content: "Think, then get_weather." }],
      tools: [weather()],
    });
    expect(await runner.finalContent()).toBe(resultsOf("rain"));
    const [first, second] = runner.allChatCompletions();
    expect(reasonedIn(first).reasoning_details).toHaveLength(1);
    expect(second).toBeDefined();
  });

  test("a loop by hand brings thoughts back in its middle", async () => {
    const tools = [{ type: "function" as const, function: { name: "get_weather", parameters: { type: "object" } } }];
    const question = { role: "user" as const, content: "Think, then get_weather." };
    const message = reasonedIn(
      await simulation.openai.chat.completions.create({ ...asked, tools, messages: [question] }),
    );
    const result = { role: "tool" as const, tool_call_id: message.tool_calls?.[0]?.id ?? "", content: "rain" };
    const { data, response } = await simulation.openai.chat.completions
      .create({ ...asked, tools, messages: [question, message, result] })
      .withResponse();
    expect(data.choices[0]?.message.content).toBe(resultsOf("rain"));
    expect(response.headers.get("x-sluice-losses") ?? "").not.toMatch(/reasoning/);
    expect(JSON.stringify(simulation.sandbox.requests.at(-1)?.body)).toContain(
      present(message.reasoning_details?.[0]?.signature, "the signature"),
    );
  });

  test("a redacted thought goes back as the data it was", async () => {
    const question = { role: "user" as const, content: "[[sandbox: redacted]] Think about it." };
    const first = await simulation.openai.chat.completions.create({ ...asked, messages: [question] });
    const message = reasonedIn(first);
    expect(message.reasoning_details?.map((detail) => detail.type)).toEqual(["reasoning.encrypted"]);
    const second = await simulation.openai.chat.completions.create({ ...asked, messages: [question, message, NEXT] });
    expect(second.choices[0]?.finish_reason).toBe("stop");
  });
});

test("thinking that is shown is `reasoning_content` to OpenAI's SDK, piece by piece", async () => {
  for (const model of [
    "vllm/mistralai/Mistral-Small-4-119B-2603",
    "mistral/mistral-small-2603",
    "anthropic/claude-haiku-4-5",
  ]) {
    const stream = await simulation.openai.chat.completions.create({
      model,
      reasoning_effort: "high",
      messages: [QUESTION],
      stream: true,
    });
    let thought = "";
    for await (const chunk of stream) {
      const delta = chunk.choices[0]?.delta as { reasoning_content?: string; reasoning?: string; content?: unknown };
      thought += delta?.reasoning_content ?? delta?.reasoning ?? thoughtIn(delta?.content);
    }
    expect(thought.length, model).toBeGreaterThan(20);
  }
});

/** In Mistral's own words, which pass as they are, content is a list of chunks while it thinks. */
function thoughtIn(content: unknown): string {
  if (!Array.isArray(content)) return "";
  return content
    .flatMap((chunk: { type?: string; thinking?: readonly { text?: string }[] }) =>
      chunk.type === "thinking" ? (chunk.thinking ?? []).map((part) => part.text ?? "") : [],
    )
    .join("");
}

test.each(["mistral/mistral-small-2603", "vllm/mistralai/Mistral-Small-4-119B-2603"])(
  "Anthropic's SDK sees what %s thought as a thinking block",
  async (model) => {
    for (const stream of [false, true]) {
      const asked = {
        model,
        max_tokens: 4_000,
        thinking: { type: "enabled" as const, budget_tokens: 2_048 },
        messages: [{ role: "user" as const, content: "[[sandbox: thinking=30]] Think about it." }],
      };
      const message = stream
        ? await simulation.anthropic.messages.stream(asked).finalMessage()
        : await simulation.anthropic.messages.create(asked);
      expect(message.content.map((block) => block.type)).toEqual(["thinking", "text"]);
      expect(JSON.stringify(message.content[0])).toMatch(/the|quick|brown|fox|jumps/);
    }
  },
);

test("a conversation that carries a signature goes back to who gave it, whatever the policy would choose", async () => {
  const first = await simulation.anthropic.messages.create({
    model: "anthropic/claude-haiku-5-5",
    max_tokens: 2_000,
    thinking: { type: "adaptive" },
    messages: [QUESTION],
  });
  const plain = await simulation.anthropic.messages
    .create({ model: "either", max_tokens: 2_000, messages: [QUESTION] })
    .withResponse();
  expect(plain.response.headers.get("x-sluice-target")).toBe("openai/gpt-5.4-nano");
  const bound = await simulation.anthropic.messages
    .create({
      model: "either",
      max_tokens: 2_000,
      thinking: { type: "adaptive" },
      messages: [QUESTION, { role: "assistant", content: first.content }, NEXT],
    })
    .withResponse();
  expect(bound.response.headers.get("x-sluice-target")).toBe("anthropic/claude-haiku-5-5");
});
