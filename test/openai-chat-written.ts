/** Requests of the other dialect, written to this one. */
import { expect } from "vitest";
import type { ChatRequest, FunctionTool, JsonObject, JsonValue, Loss, Message } from "../src/chat.ts";
import { openaiChat } from "../src/dialects/openai-chat.ts";
import { RECORD_DEFAULTS, type ModelRecord } from "../src/model.ts";

export const F: FunctionTool = {
  type: "function",
  name: "f",
  description: "d",
  parameters: { type: "object", properties: {} },
};
export const USER: Message = { role: "user", parts: [{ type: "text", text: "hi" }] };
export const OTHER = "anthropic-messages";

export function request(rest: Partial<ChatRequest>): ChatRequest {
  return {
    dialect: OTHER,
    model: "claude",
    stream: false,
    wantsStreamUsage: true,
    messages: [USER],
    tools: [],
    extra: {},
    ...rest,
  };
}

export function record(rest: Partial<ModelRecord>): ModelRecord {
  return { ...RECORD_DEFAULTS, id: "m", provider: "p", ...rest };
}

export function write(rest: Partial<ChatRequest>, known?: Partial<ModelRecord>): { body: JsonObject; lost: string[] } {
  const losses: Loss[] = [];
  const options = { model: "m", record: known === undefined ? undefined : record(known) };
  const body = openaiChat.writeRequest(request(rest), options, losses);
  expect(JSON.stringify(openaiChat.writeRequest(request(rest), options, []))).toBe(JSON.stringify(body));
  return { body, lost: losses.map((loss) => loss.field) };
}

export function messages(...list: Message[]): { messages: JsonValue | undefined; lost: string[] } {
  const { body, lost } = write({ messages: list });
  return { messages: body["messages"], lost };
}

export const text = (said: string) => ({ type: "text", text: said }) as const;
export const call = (id: string, args = "{}") => ({ type: "tool-call", id, name: "f", arguments: args }) as const;
export const result = (callId: string, said: string): Message => ({
  role: "tool",
  parts: [{ type: "tool-result", callId, content: [text(said)] }],
});
