/** Conversations that change over: what another server put into its answers does not keep the next one from reading them. */
import { describe, expect, test } from "vitest";
import { anthropic } from "../providers/anthropic.ts";
import { mistral } from "../providers/mistral.ts";
import { CHAT } from "../providers/openai-compatible.ts";
import { openai } from "../providers/openai.ts";
import { vllm } from "../providers/vllm.ts";
import type { JsonObject } from "../src/chat.ts";
import { RECORD_DEFAULTS } from "../src/model.ts";
import { edited, recordOf } from "./providers-edited.ts";

const hello: JsonObject = { role: "user", content: "Hello" };
const calls = [{ id: "call_1", type: "function", function: { name: "look", arguments: "{}" } }];

describe("OpenAI is not told", () => {
  const said = (message: JsonObject, model: string | undefined = "gpt-5.4-nano") => {
    const result = edited(openai, CHAT, { messages: [hello, message, hello] }, recordOf(model));
    const messages = result.body["messages"] as readonly JsonObject[];
    expect([messages[0], messages[2]]).toEqual([hello, hello]);
    return { message: messages[1], losses: result.losses, isUntouched: result.isUntouched };
  };

  test.each(["reasoning", "reasoning_content", "reasoning_details"])("what was thought, as `%s`", (name) => {
    const thought = name === "reasoning_details" ? [{ type: "reasoning.text", text: "Hm." }] : "Hm.";
    for (const model of ["gpt-5.4-nano", undefined]) {
      expect(said({ role: "assistant", content: "Hi", [name]: thought }, model)).toMatchObject({
        message: { role: "assistant", content: "Hi" },
        losses: ["reasoning"],
      });
    }
    expect(said({ role: "assistant", content: "Hi", [name]: null }).losses).toEqual([]);
  });

  test("what was thought, in chunks of content", () => {
    const thought = { type: "thinking", thinking: [{ type: "text", text: "Hm." }], closed: true };
    const text = { type: "text", text: "Hi" };
    expect(said({ role: "assistant", content: [thought, text] }).message).toEqual({
      role: "assistant",
      content: [text],
    });
    expect(said({ role: "assistant", content: [thought] }).message).toEqual({ role: "assistant", content: "" });
    expect(said({ role: "assistant", content: [thought], tool_calls: calls })).toMatchObject({
      message: { role: "assistant", content: null, tool_calls: calls },
      losses: ["reasoning"],
    });
  });

  test.each([[null], [[]]])("that there was no call, as %j", (none) => {
    expect(said({ role: "assistant", content: "Hi", tool_calls: none })).toMatchObject({
      message: { role: "assistant", content: "Hi" },
      losses: [],
    });
  });

  test("anything else: its own answers keep their bytes", () => {
    const own = { role: "assistant", content: null, refusal: null, annotations: [], tool_calls: calls };
    expect(said(own).isUntouched).toBe(true);
    expect(said({ role: "assistant", content: [{ type: "text", text: "Hi" }] }).isUntouched).toBe(true);
  });
});

test("Mistral is not told of sealed thoughts", () => {
  const message = { role: "assistant", content: "Hi", reasoning_details: [{ type: "reasoning.encrypted", data: "x" }] };
  expect(edited(mistral, CHAT, { messages: [hello, message] }, recordOf("mistral-small-2603"))).toMatchObject({
    body: { messages: [hello, { role: "assistant", content: "Hi" }] },
    losses: ["reasoning_details"],
  });
});

test("vLLM gets ids of Mistral's form for Mistral's own models, without a row that says so, and for no others", () => {
  const loop = { messages: [hello, { role: "assistant", content: null, tool_calls: calls }] };
  const record = (id: string) => ({ ...RECORD_DEFAULTS, id, provider: "vllm" });
  const mistrals = edited(vllm, CHAT, loop, record("mistralai/Mistral-Small-4-119B-2603")).body;
  expect(JSON.stringify(mistrals)).toMatch(/"id":"[a-zA-Z0-9]{9}"/);
  // Some templates show the id to the model in a form of their own.
  expect(edited(vllm, CHAT, loop, record("moonshotai/Kimi-K2")).isUntouched).toBe(true);
});

describe("Anthropic is not told", () => {
  const MESSAGES = "anthropic-messages";
  const said = (content: readonly JsonObject[]) =>
    edited(
      anthropic,
      MESSAGES,
      { messages: [hello, { role: "assistant", content }, hello] },
      recordOf("claude-haiku-5-5"),
    );
  const text = { type: "text", text: "Hi" };

  test.each([[{ signature: "" }], [{}], [{ signature: null }]])("thoughts that nobody signed (%j)", (seal) => {
    const thought = { type: "thinking", thinking: "Hm.", ...seal };
    expect(said([thought, text])).toMatchObject({
      body: { messages: [hello, { role: "assistant", content: [text] }, hello] },
      losses: ["reasoning"],
    });
    // A message of nothing is refused.
    expect(said([thought])).toMatchObject({ body: { messages: [hello, hello] }, losses: ["reasoning"] });
  });

  test("anything less than it said itself: signed thoughts keep their bytes", () => {
    const signed = { type: "thinking", thinking: "", signature: "c2ln" };
    expect(said([signed, { type: "redacted_thinking", data: "x" }, text]).isUntouched).toBe(true);
  });
});
