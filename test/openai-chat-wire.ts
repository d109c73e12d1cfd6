/** Chat Completions on the wire, and what a decoder makes of it. */
import { expect } from "vitest";
import type { ChatEvent, JsonObject } from "../src/chat.ts";
import { openaiChat } from "../src/dialects/openai-chat.ts";

export function decode(text: string | Uint8Array, stream = true, sizes: readonly number[] = []): ChatEvent[] {
  const bytes = Buffer.from(text);
  const decoder = openaiChat.decoder(stream);
  const events: ChatEvent[] = [];
  let at = 0;
  for (const size of sizes) {
    events.push(...decoder.push(bytes.subarray(at, at + size)));
    at += size;
  }
  events.push(...decoder.push(bytes.subarray(at)));
  return [...events, ...decoder.end()];
}

export function chunk(delta: JsonObject, rest: JsonObject = {}, choice: JsonObject = {}): string {
  const choices = [{ index: 0, delta, finish_reason: null, ...choice }];
  return `data: ${JSON.stringify({ id: "c1", object: "chat.completion.chunk", created: 7, model: "m", choices, ...rest })}\n\n`;
}

export function finish(word: string, rest: JsonObject = {}, choice: JsonObject = {}): string {
  return chunk({}, rest, { finish_reason: word, ...choice });
}

export const DONE = "data: [DONE]\n\n";

export function whole(message: JsonObject, word: string | null = "stop", rest: JsonObject = {}): string {
  return JSON.stringify({ id: "c1", model: "m", choices: [{ index: 0, message, finish_reason: word }], ...rest });
}

export const START = { type: "start", id: "c1", model: "m", createdSeconds: 7 };

export function calls(events: readonly ChatEvent[]): { id: string; name: string; arguments: string; ended: boolean }[] {
  const found: { id: string; name: string; arguments: string; ended: boolean }[] = [];
  for (const event of events) {
    if (event.type === "tool-call-start") {
      expect(event.index).toBe(found.length);
      found.push({ id: event.id, name: event.name, arguments: "", ended: false });
    }
    if (event.type === "tool-call-delta") {
      const call = found[event.index];
      expect(call?.ended).toBe(false);
      if (call !== undefined) call.arguments += event.arguments;
    }
    if (event.type === "tool-call-end") {
      const call = found[event.index];
      expect(call?.ended).toBe(false);
      if (call !== undefined) call.ended = true;
    }
  }
  return found;
}

export function types(events: readonly ChatEvent[]): string[] {
  return events.map((event) => event.type);
}

export function error(events: readonly ChatEvent[]) {
  const last = events.at(-1);
  if (last?.type !== "error") throw new Error(`no error, but ${types(events).join(" ")}`);
  expect(types(events)).not.toContain("done");
  return last.error;
}
