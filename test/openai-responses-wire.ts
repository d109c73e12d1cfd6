/** Responses on the wire, and what a decoder makes of it. */
import type { ChatEvent, JsonObject } from "../src/chat.ts";
import { openaiResponses } from "../src/dialects/openai-responses.ts";

export const RESPONSE: JsonObject = { id: "resp_1", object: "response", created_at: 7, model: "m", output: [] };
export const START = { type: "start", id: "resp_1", model: "m", createdSeconds: 7 };

export function event(type: string, members: JsonObject): string {
  return `event: ${type}\ndata: ${JSON.stringify({ type, ...members })}\n\n`;
}

export const CREATED: string =
  event("response.created", { response: { ...RESPONSE, status: "in_progress", usage: null } }) +
  event("response.in_progress", { response: { ...RESPONSE, status: "in_progress", usage: null } });

export function added(index: number, item: JsonObject): string {
  return event("response.output_item.added", { output_index: index, item });
}

export function done(index: number, item: JsonObject): string {
  return event("response.output_item.done", { output_index: index, item });
}

export function completed(rest: JsonObject = {}): string {
  return event("response.completed", { response: { ...RESPONSE, status: "completed", ...rest } });
}

export function textDelta(index: number, delta: string, part = 0): string {
  return event("response.output_text.delta", { output_index: index, content_index: part, delta, obfuscation: "abc" });
}

export function decode(text: string | Uint8Array, stream = true, sizes: readonly number[] = []): ChatEvent[] {
  const bytes = Buffer.from(text);
  const decoder = openaiResponses.decoder(stream);
  const events: ChatEvent[] = [];
  let at = 0;
  for (const size of sizes) {
    events.push(...decoder.push(bytes.subarray(at, at + size)));
    at += size;
  }
  events.push(...decoder.push(bytes.subarray(at)));
  return [...events, ...decoder.end()];
}

export function types(events: readonly ChatEvent[]): string[] {
  return events.map((one) => one.type);
}

export const MESSAGE: JsonObject = {
  id: "msg_1",
  type: "message",
  role: "assistant",
  status: "in_progress",
  content: [],
};
export const CALL: JsonObject = { id: "fc_1", type: "function_call", call_id: "call_1", name: "f", arguments: "" };

export const USAGE: JsonObject = {
  input_tokens: 30,
  input_tokens_details: { cached_tokens: 20, cache_write_tokens: 4 },
  output_tokens: 9,
  output_tokens_details: { reasoning_tokens: 5 },
  total_tokens: 39,
};
