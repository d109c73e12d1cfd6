/** Answers as they are written for Mistral's clients, checked, and read again. */
import { expect } from "vitest";
import type { ChatEvent, JsonObject, Loss } from "../src/chat.ts";
import { mistralChat } from "../src/dialects/mistral-chat.ts";
import { mistralEncoder } from "../src/dialects/mistral-chat.encode.ts";
import { completion, completionChunk } from "./mistral-chat-schema.ts";
import { seals } from "./openai-chat-readings.ts";

export interface Options {
  readonly stream?: boolean;
  readonly wantsReasoning?: boolean;
  readonly losses?: Loss[];
}

export function encode(events: readonly ChatEvent[], { stream = true, losses = [], ...rest }: Options = {}): string {
  const options = { stream, model: "asked", includeUsage: true, id: "x-1", createdSeconds: 99, ...rest };
  const encoder = mistralEncoder(options, losses);
  return events.map((event) => encoder.push(event)).join("") + encoder.end();
}

export function decode(
  text: string | Uint8Array,
  stream: boolean,
  size: number = Number.POSITIVE_INFINITY,
): ChatEvent[] {
  const bytes = Buffer.from(text);
  const decoder = mistralChat.decoder(stream);
  const events: ChatEvent[] = [];
  const step = Math.max(1, Math.min(size, bytes.length));
  for (let at = 0; at < bytes.length; at += step) events.push(...decoder.push(bytes.subarray(at, at + step)));
  return [...events, ...decoder.end()];
}

export interface Call {
  readonly id: string;
  readonly type: string;
  readonly index: number;
  readonly function: { readonly name: string; readonly arguments: string };
}
export interface Chunk {
  readonly id: string;
  readonly object: string;
  readonly created: number;
  readonly model: string;
  readonly usage?: JsonObject;
  readonly choices: readonly [
    {
      readonly delta: { readonly role?: string; readonly content?: unknown; readonly tool_calls?: readonly Call[] };
      readonly finish_reason: string | null;
    },
  ];
}

/** Every rule of the stream's grammar, checked on the text a client would get. */
export function checked(text: string): Chunk[] {
  const frames = text.split("\n\n");
  expect(frames.pop()).toBe("");
  expect(frames.pop()).toBe("data: [DONE]");
  const chunks = frames.map((frame) => {
    expect(frame).toMatch(/^data: \{[^\n]*\}$/);
    const value: unknown = JSON.parse(frame.slice("data: ".length));
    completionChunk.parse(value);
    return value as Chunk;
  });
  expect(new Set(chunks.map((chunk) => [chunk.id, chunk.object, chunk.created, chunk.model].join())).size).toBe(1);
  expect(chunks[0]).toMatchObject({
    id: expect.stringMatching(/^[0-9a-f]{32}$/),
    object: "chat.completion.chunk",
    choices: [{ delta: { role: "assistant", content: "" } }],
  });
  let places = 0;
  const ids = new Set<string>();
  for (const [at, chunk] of chunks.entries()) {
    const isLast = at === chunks.length - 1;
    expect(chunk.choices).toHaveLength(1);
    const { delta, finish_reason: finish } = chunk.choices[0];
    expect(finish === null).toBe(!isLast);
    expect(chunk.usage !== undefined).toBe(isLast);
    expect(delta.role !== undefined).toBe(at === 0);
    for (const call of delta.tool_calls ?? []) {
      expect(call).toMatchObject({ id: expect.stringMatching(/^[a-zA-Z0-9]{9}$/), type: "function", index: places });
      expect(call.function.name).not.toBe("");
      expect(ids.has(call.id)).toBe(false);
      ids.add(call.id);
      places += 1;
    }
  }
  expect(chunks.at(-1)?.usage).toMatchObject(COUNTS);
  return chunks;
}

const COUNTS = {
  prompt_tokens: expect.any(Number),
  completion_tokens: expect.any(Number),
  total_tokens: expect.any(Number),
};

export interface Whole {
  readonly id: string;
  readonly created: number;
  readonly model: string;
  readonly usage: JsonObject;
  readonly choices: readonly [{ readonly finish_reason: string; readonly message: JsonObject }];
}

/** The same of a whole answer. */
export function checkedWhole(text: string): Whole {
  const value: unknown = JSON.parse(text);
  completion.parse(value);
  expect(value).toMatchObject({ object: "chat.completion", choices: [{ index: 0 }], usage: COUNTS });
  return value as Whole;
}

/** The seals of an answer that its client must be given: all, where there are calls or thoughts that are shown; else the content stays text. */
export function sealsBrought(events: readonly ChatEvent[]): readonly string[] {
  const isList = events.some((event) => event.type === "tool-call-start" || event.type === "reasoning-delta");
  return isList ? seals(events) : [];
}
