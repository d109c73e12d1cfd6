/** Requests of another dialect, written to this one. */
import { expect } from "vitest";
import type { ChatRequest, FunctionTool, JsonObject, JsonValue, Loss, Message } from "../src/chat.ts";
import { ollamaChat } from "../src/dialects/ollama-chat.ts";
import { GatewayError } from "../src/errors.ts";
import { RECORD_DEFAULTS, type ModelRecord } from "../src/model.ts";

export const OTHER = "openai-chat";
export const F: FunctionTool = {
  type: "function",
  name: "f",
  description: "d",
  parameters: { type: "object", properties: { b: { type: "string" }, a: { type: "integer" } } },
};
export const G: FunctionTool = { type: "function", name: "g" };
export const text = (said: string) => ({ type: "text", text: said }) as const;
export const USER: Message = { role: "user", parts: [text("hi")] };
export const call = (id: string, name = "f", args = "{}") =>
  ({ type: "tool-call", id, name, arguments: args }) as const;
export const result = (callId: string, said: string) =>
  ({ type: "tool-result", callId, content: [text(said)] }) as const;

export function write(
  rest: Partial<ChatRequest>,
  known?: Partial<ModelRecord>,
): { readonly body: JsonObject; readonly lost: string[] } {
  const request: ChatRequest = {
    dialect: OTHER,
    model: "gpt",
    stream: false,
    wantsStreamUsage: true,
    messages: [USER],
    tools: [],
    extra: {},
    ...rest,
  };
  const losses: Loss[] = [];
  const record = known === undefined ? undefined : { ...RECORD_DEFAULTS, id: "m", provider: "p", ...known };
  const body = ollamaChat.writeRequest(request, { model: "m", record }, losses);
  expect(JSON.stringify(ollamaChat.writeRequest(request, { model: "m", record }, []))).toBe(JSON.stringify(body));
  return { body, lost: losses.map((loss) => loss.field) };
}

export function messages(...list: Message[]): { readonly messages: JsonValue | undefined; readonly lost: string[] } {
  const { body, lost } = write({ messages: list });
  return { messages: body["messages"], lost };
}

export function refusal(rest: Partial<ChatRequest>): GatewayError {
  try {
    write(rest);
  } catch (error) {
    if (error instanceof GatewayError) return error;
    throw error;
  }
  throw new Error("it was written");
}
