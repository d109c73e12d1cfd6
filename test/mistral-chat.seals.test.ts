import { describe, expect, test } from "vitest";
import type { ChatEvent, JsonObject, Loss } from "../src/chat.ts";
import { anthropicMessages } from "../src/dialects/anthropic-messages.ts";
import type { Dialect } from "../src/dialects/dialect.ts";
import { mistralChat } from "../src/dialects/mistral-chat.ts";
import { openaiChat } from "../src/dialects/openai-chat.ts";
import { expectAccepted } from "./mistral-chat-accepted.ts";
import { recordOf } from "./providers-edited.ts";

/** What a whole answer of one dialect is to a client of another. */
function told(from: Dialect, to: Dialect, answer: JsonObject): JsonObject {
  const decoder = from.decoder(false);
  const events = [...decoder.push(Buffer.from(JSON.stringify(answer))), ...decoder.end()];
  const encoder = to.encoder({ stream: false, model: "m", includeUsage: false, id: "x", createdSeconds: 1 }, []);
  for (const event of events) encoder.push(event);
  return JSON.parse(encoder.end()) as JsonObject;
}

/** The message of a chat completion, as the official client sends it back: what its schemas do not name is gone. */
function sentBack(completion: JsonObject): JsonObject {
  const [{ message }] = completion["choices"] as unknown as [{ message: JsonObject }];
  const { role, content, tool_calls: calls } = message;
  return { role, content, tool_calls: calls, prefix: false };
}

const CLAUDE = {
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
const MISTRAL = {
  id: "d4",
  object: "chat.completion",
  created: 7,
  model: "mistral-small-2603",
  choices: [
    {
      index: 0,
      finish_reason: "tool_calls",
      message: {
        role: "assistant",
        content: [
          { type: "thinking", thinking: [{ type: "text", text: "hm" }], signature: "c2ln", closed: true },
          { type: "text", text: "ok" },
        ],
        tool_calls: [{ id: "abcdefghi", type: "function", function: { name: "f", arguments: '{"a":1}' } }],
      },
    },
  ],
  usage: { prompt_tokens: 1, completion_tokens: 1, total_tokens: 2 },
};
const small = { model: "mistral-small-2603", record: recordOf("mistral-small-2603") };

describe("the seals of reasoning", () => {
  test("of Anthropic go to Mistral's client and come back as they were", () => {
    const message = sentBack(told(anthropicMessages, mistralChat, CLAUDE));
    const [call] = message["tool_calls"] as unknown as [{ id: string }];
    const request = mistralChat.readRequest({
      model: "claude",
      messages: [{ role: "user", content: "hi" }, message, { role: "tool", tool_call_id: call.id, content: "1" }],
    });
    const losses: Loss[] = [];
    const back = anthropicMessages.writeRequest(request, { model: "claude", record: undefined }, losses);
    const [, assistant, result] = back["messages"] as unknown as { content: unknown }[];
    expect(assistant?.content).toEqual([...CLAUDE.content.slice(0, 3), { ...CLAUDE.content[3], id: call.id }]);
    expect(result?.content).toMatchObject([{ type: "tool_result", tool_use_id: call.id }]);
    expect(losses).toEqual([]);
  });

  test.each([
    ["anthropic-messages", anthropicMessages],
    ["openai-chat", openaiChat],
  ] as const)("of Mistral go to a client of %s and come back as they were", (_name, dialect) => {
    const answer = told(mistralChat, dialect, MISTRAL);
    const messages =
      dialect === anthropicMessages
        ? [
            { role: "user", content: "hi" },
            { role: "assistant", content: answer["content"] ?? null },
            { role: "user", content: [{ type: "tool_result", tool_use_id: "abcdefghi", content: "1" }] },
          ]
        : [
            { role: "user", content: "hi" },
            (answer["choices"] as unknown as [{ message: JsonObject }])[0].message,
            { role: "tool", tool_call_id: "abcdefghi", content: "1" },
          ];
    const request = dialect.readRequest({ model: "m", max_tokens: 9, messages });
    const losses: Loss[] = [];
    const back = mistralChat.writeRequest(request, small, losses);
    expectAccepted(back);
    const { message } = MISTRAL.choices[0] ?? {};
    expect((back["messages"] as unknown as JsonObject[])[1]).toEqual(message);
    expect(losses).toEqual([]);
  });

  test("of Anthropic do not reach Mistral, on neither lane; what was thought does", () => {
    const message = sentBack(told(anthropicMessages, mistralChat, CLAUDE));
    const body: JsonObject = {
      model: "mistral-small-2603",
      messages: [{ role: "user", content: "hi" }, message, { role: "tool", tool_call_id: "null", content: "1" }],
    };
    const edits = mistralChat.edits(body, { model: "mistral-small-2603", askStreamUsage: false });
    expect(edits.map((edit) => edit.path.slice(2).join("."))).toEqual(["content.0.signature", "content.1"]);
    const anthropic = anthropicMessages.readRequest({
      model: "claude",
      max_tokens: 9,
      messages: [
        { role: "user", content: "hi" },
        { role: "assistant", content: CLAUDE.content },
        { role: "user", content: [{ type: "tool_result", tool_use_id: "toolu_1", content: "1" }] },
      ],
    });
    const losses: Loss[] = [];
    const written = JSON.stringify(mistralChat.writeRequest(anthropic, small, losses));
    expect(written).not.toMatch(/c2ln|ZW5j|signature/);
    expect(written).toContain('"thinking":[{"type":"text","text":"hm"}]');
    expect(losses.map((loss) => loss.field)).toEqual(["reasoning"]);
  });
});

test("an answer in any pieces is the same answer to Mistral's client", () => {
  const event = (events: readonly ChatEvent[]) => {
    const options = { stream: true, model: "m", includeUsage: true, id: "x", createdSeconds: 1 };
    const encoder = mistralChat.encoder(options, []);
    const decoder = mistralChat.decoder(true);
    const text = events.map((one) => encoder.push(one)).join("") + encoder.end();
    return [...decoder.push(Buffer.from(text)), ...decoder.end()];
  };
  const whole = event([
    { type: "start" },
    { type: "text-delta", text: "hello" },
    { type: "tool-call-start", index: 0, id: "abcdefghi", name: "f" },
    { type: "tool-call-delta", index: 0, arguments: '{"a":1}' },
    { type: "tool-call-end", index: 0 },
    { type: "finish", reason: "tool-calls" },
    { type: "done" },
  ]);
  const pieces = event([
    { type: "start" },
    { type: "text-delta", text: "hello" },
    { type: "tool-call-start", index: 0, id: "abcdefghi", name: "f" },
    ...[...'{"a":1}'].map((letter): ChatEvent => ({ type: "tool-call-delta", index: 0, arguments: letter })),
    { type: "finish", reason: "tool-calls" },
    { type: "done" },
  ]);
  expect(pieces).toEqual(whole);
});
