/** Refusals: told in each SDK's own way where the provider has a word for them, as text where it has none. */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { startSimulation, TARGETS, type Simulation } from "./simulated.ts";

let simulation: Simulation;
beforeAll(async () => {
  simulation = await startSimulation();
});
afterAll(() => simulation.close());

const WORDS = "I cannot help with that.";
const ASKED = { role: "user" as const, content: `[[sandbox: refusal="${WORDS}"]] Do harm.` };

describe.each(TARGETS)("a refusal by $name", (target) => {
  test.each([false, true])("in OpenAI's SDK (stream: %s)", async (stream) => {
    const body = { model: target.name, messages: [ASKED] };
    const completion = stream
      ? await simulation.openai.chat.completions.stream(body).finalChatCompletion()
      : await simulation.openai.chat.completions.create(body);
    const choice = completion.choices[0];
    expect([choice?.message.content ?? "", choice?.message.refusal ?? ""].join("")).toBe(WORDS);
    const isSaid = (choice?.message.refusal ?? "") !== "" || choice?.finish_reason === "content_filter";
    expect(isSaid).toBe(target.tellsRefusal);
  });

  test.each([false, true])("in Anthropic's SDK (stream: %s)", async (stream) => {
    const body = { model: target.name, max_tokens: 1_000, messages: [ASKED] };
    const message = stream
      ? await simulation.anthropic.messages.stream(body).finalMessage()
      : await simulation.anthropic.messages.create(body);
    expect(message.content.find((block) => block.type === "text")?.text).toBe(WORDS);
    expect(message.stop_reason).toBe(target.tellsRefusal ? "refusal" : "end_turn");
  });
});
