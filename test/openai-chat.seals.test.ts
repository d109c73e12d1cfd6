import { describe, expect, test } from "vitest";
import type { JsonObject, Loss } from "../src/chat.ts";
import { anthropicMessages } from "../src/dialects/anthropic-messages.ts";
import { openaiChat } from "../src/dialects/openai-chat.ts";

describe("the seals of reasoning", () => {
  test("go to a client of this dialect and come back to their issuer as they were", () => {
    const answer = {
      id: "msg_1",
      type: "message",
      role: "assistant",
      model: "claude",
      content: [
        { type: "thinking", thinking: "hm", signature: "c2ln" },
        { type: "redacted_thinking", data: "ZW5j" },
        { type: "text", text: "ok" },
        { type: "tool_use", id: "toolu_1", name: "f", input: { a: 1 } },
      ],
      stop_reason: "tool_use",
      stop_sequence: null,
      usage: { input_tokens: 1, output_tokens: 1 },
    };
    const decoder = anthropicMessages.decoder(false);
    const events = [...decoder.push(Buffer.from(JSON.stringify(answer))), ...decoder.end()];
    const encoder = openaiChat.encoder(
      { stream: false, model: "m", includeUsage: false, id: "x", createdSeconds: 1 },
      [],
    );
    for (const event of events) encoder.push(event);
    const completion = JSON.parse(encoder.end()) as { choices: [{ message: JsonObject }] };
    const next = openaiChat.readRequest({
      model: "claude",
      messages: [
        { role: "user", content: "hi" },
        completion.choices[0].message,
        { role: "tool", tool_call_id: "toolu_1", content: "1" },
      ],
    });
    const losses: Loss[] = [];
    const back = anthropicMessages.writeRequest(next, { model: "claude", record: undefined }, losses);
    expect((back["messages"] as unknown as { content: unknown }[])[1]?.content).toEqual(answer.content);
    expect(losses).toEqual([]);
  });

  test("of another service are not sent to who cannot read them", () => {
    const next = openaiChat.readRequest({
      model: "claude",
      messages: [
        USER_WIRE,
        {
          role: "assistant",
          content: "ok",
          reasoning_details: [{ type: "reasoning.encrypted", data: "ZW5j", format: "google-gemini-v1" }],
        },
        USER_WIRE,
      ],
    });
    const back = anthropicMessages.writeRequest(next, { model: "claude", record: undefined }, []);
    expect(JSON.stringify(back)).not.toContain("ZW5j");
  });
});

const USER_WIRE = { role: "user", content: "hi" };
