/** Requests of other dialects, written to this one. */
import { expect } from "vitest";
import type { ChatRequest, JsonObject, JsonValue, Loss, Message } from "../src/chat.ts";
import { openaiResponses } from "../src/dialects/openai-responses.ts";
import type { ModelRecord } from "../src/model.ts";
import { record, request } from "./openai-chat-written.ts";

export function write(rest: Partial<ChatRequest>, known?: Partial<ModelRecord>): { body: JsonObject; lost: string[] } {
  const losses: Loss[] = [];
  const options = { model: "m", record: known === undefined ? undefined : record(known) };
  const body = openaiResponses.writeRequest(request(rest), options, losses);
  expect(JSON.stringify(openaiResponses.writeRequest(request(rest), options, []))).toBe(JSON.stringify(body));
  return { body, lost: losses.map((loss) => loss.field) };
}

export function input(...messages: Message[]): { input: JsonValue | undefined; lost: string[] } {
  const { body, lost } = write({ messages });
  return { input: body["input"], lost };
}
