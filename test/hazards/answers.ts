/** What a client was answered, read strictly: a promise of its dialect that is not kept fails the test. */
import { expect } from "vitest";
import { readAnswer } from "../conformance/answer.ts";
import { chatGrammar, messagesGrammar } from "../conformance/grammar.ts";
import { completion, completionChunk } from "../mistral-chat-schema.ts";
import { checked as mistralStream, checkedWhole as mistralWhole } from "../mistral-chat-wire.ts";
import { checked as ollamaStream } from "../ollama-chat-wire.ts";
import { checkedStream } from "../openai-responses-grammar.ts";
import { checkedResponse } from "../sandbox-responses-grammar.ts";

export interface Answer {
  readonly text: string;
  readonly calls: readonly { readonly id: string; readonly name: string; readonly arguments: string }[];
}

export function readChat(text: string, stream: boolean, isNative: boolean): Answer {
  const bytes = Buffer.from(text);
  if (stream && !isNative) expect(chatGrammar(bytes, true)).toEqual([]);
  if (stream) expect(text.trimEnd().endsWith("data: [DONE]")).toBe(true);
  else {
    expect(JSON.parse(text)).toMatchObject({
      id: expect.any(String),
      object: "chat.completion",
      created: expect.any(Number),
      model: expect.any(String),
      choices: [{ index: 0, message: { role: "assistant" }, finish_reason: expect.any(String) }],
      usage: { prompt_tokens: expect.any(Number), completion_tokens: expect.any(Number) },
    });
  }
  return answerOf("chat", stream, bytes);
}

export function readMessages(text: string, stream: boolean, isNative: boolean): Answer {
  const bytes = Buffer.from(text);
  if (stream && !isNative) expect(messagesGrammar(bytes)).toEqual([]);
  if (stream) expect(text).toContain("event: message_stop");
  else {
    expect(JSON.parse(text)).toMatchObject({
      id: expect.any(String),
      type: "message",
      role: "assistant",
      model: expect.any(String),
      content: expect.any(Array),
      stop_reason: expect.any(String),
      usage: { input_tokens: expect.any(Number), output_tokens: expect.any(Number) },
    });
  }
  return answerOf("messages", stream, bytes);
}

export function readMistral(text: string, stream: boolean, isNative: boolean): Answer {
  if (!isNative) void (stream ? mistralStream(text) : mistralWhole(text));
  else if (!stream) completion.parse(JSON.parse(text));
  else {
    const frames = text.trimEnd().split("\n\n");
    expect(frames.pop()).toBe("data: [DONE]");
    for (const frame of frames) completionChunk.parse(JSON.parse(frame.slice("data: ".length)));
  }
  return answerOf("chat", stream, Buffer.from(text));
}

function answerOf(api: "chat" | "messages", stream: boolean, bytes: Uint8Array): Answer {
  const { text, tools, finish } = readAnswer(api, stream, bytes);
  expect(finish).toMatch(/^(?:stop|tool|length)$/);
  return { text, calls: tools };
}

interface ResponseItem {
  readonly type: string;
  readonly call_id?: string;
  readonly name?: string;
  readonly arguments?: string;
  readonly content?: readonly { readonly type: string; readonly text?: string }[];
}

export function readResponses(text: string, stream: boolean, isNative: boolean): Answer {
  const response: unknown = stream
    ? isNative
      ? checkedResponse(text).response
      : checkedStream(text)
    : JSON.parse(text);
  expect(response).toMatchObject({
    id: expect.stringMatching(/^resp_/),
    object: "response",
    status: expect.stringMatching(/^(?:completed|incomplete)$/),
    error: null,
    output: expect.any(Array),
    usage: { input_tokens: expect.any(Number), output_tokens: expect.any(Number) },
  });
  const { output } = response as { output: readonly ResponseItem[] };
  return {
    text: output
      .flatMap(({ content = [] }) => content)
      .map((part) => (part.type === "output_text" ? (part.text ?? "") : ""))
      .join(""),
    calls: output
      .filter(({ type }) => type === "function_call")
      .map(({ call_id: id = "", name = "", arguments: given = "" }) => ({ id, name, arguments: given })),
  };
}

interface OllamaLine {
  readonly response?: string;
  readonly done: boolean;
  readonly message?: {
    readonly content: string;
    readonly tool_calls?: readonly {
      readonly id?: string;
      readonly function: { readonly name: string; readonly arguments: unknown };
    }[];
  };
}

export function readOllama(kind: "chat" | "generate", text: string, stream: boolean, isNative: boolean): Answer {
  const isLoad = text.includes('"done_reason":"load"');
  if (stream && !isLoad && !isNative) ollamaStream(text);
  const lines = text
    .trimEnd()
    .split("\n")
    .map((line) => JSON.parse(line) as OllamaLine);
  if (!stream) expect(lines).toHaveLength(1);
  expect(lines.at(-1)?.done).toBe(true);
  return {
    text: lines.map((line) => (kind === "chat" ? line.message?.content : line.response) ?? "").join(""),
    calls: lines
      .flatMap((line) => line.message?.tool_calls ?? [])
      .map(({ id = "", function: { name, arguments: given } }) => ({ id, name, arguments: JSON.stringify(given) })),
  };
}
