/** Ollama's API on the wire, and what a decoder makes of it. */
import { expect } from "vitest";
import type { ChatEvent, JsonObject, Loss } from "../src/chat.ts";
import type { Dialect, EncodeOptions } from "../src/dialects/dialect.ts";
import { ollamaChat } from "../src/dialects/ollama-chat.ts";

export const CREATED = "2026-08-04T19:59:21.358882Z";
export const START: ChatEvent = { type: "start", model: "qwen3:4b", createdSeconds: 1_785_873_561 };

/** A line of a chat's stream. */
export function line(message: JsonObject, rest: JsonObject = {}): string {
  const said = { role: "assistant", content: "", ...message };
  return `${JSON.stringify({ model: "qwen3:4b", created_at: CREATED, message: said, done: false, ...rest })}\n`;
}

export const COUNTS: JsonObject = {
  total_duration: 9_127_309_042,
  load_duration: 59_622_792,
  prompt_eval_count: 792,
  prompt_eval_duration: 808_018_167,
  eval_count: 478,
  eval_duration: 7_603_807_420,
};

export function last(rest: JsonObject = {}, message: JsonObject = {}): string {
  return line(message, { done: true, done_reason: "stop", ...COUNTS, ...rest });
}

/** A whole answer. */
export function whole(message: JsonObject, rest: JsonObject = {}): string {
  return last(rest, message).trimEnd();
}

export function call(name: string, args: JsonObject, id?: string): JsonObject {
  return { ...(id === undefined ? {} : { id }), function: { index: 0, name, arguments: args } };
}

export function decode(
  text: string | Uint8Array,
  stream = true,
  sizes: readonly number[] = [],
  dialect: Dialect = ollamaChat,
): ChatEvent[] {
  const bytes = Buffer.from(text);
  const decoder = dialect.decoder(stream);
  const events: ChatEvent[] = [];
  let at = 0;
  for (const size of sizes) {
    events.push(...decoder.push(bytes.subarray(at, at + size)));
    at += size;
  }
  events.push(...decoder.push(bytes.subarray(at)));
  return [...events, ...decoder.end()];
}

export const OPTIONS: EncodeOptions = {
  stream: true,
  model: "asked",
  includeUsage: true,
  id: "x-1",
  createdSeconds: 1_785_873_561,
};

export function encode(
  events: readonly ChatEvent[],
  options: Partial<EncodeOptions> = {},
  losses: Loss[] = [],
  dialect: Dialect = ollamaChat,
): string {
  const encoder = dialect.encoder({ ...OPTIONS, ...options }, losses);
  return events.map((event) => encoder.push(event)).join("") + encoder.end();
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

export interface WireLine {
  readonly model: string;
  readonly created_at: string;
  readonly message?: WireSaid & { readonly role: string; readonly content: string };
  readonly response?: string;
  readonly done: boolean;
  readonly done_reason?: string;
  readonly prompt_eval_count?: number;
  readonly prompt_eval_cached_count?: number;
  readonly eval_count?: number;
  readonly total_duration?: number;
  readonly load_duration?: number;
  readonly prompt_eval_duration?: number;
  readonly eval_duration?: number;
}
export interface WireSaid {
  readonly thinking?: string;
  readonly tool_calls?: readonly {
    readonly id: string;
    readonly function: { readonly index: number; readonly name: string; readonly arguments: unknown };
  }[];
}

/** Every rule of the stream's grammar, checked on the text a client would get. */
export function checked(text: string): WireLine[] {
  expect(text.endsWith("\n")).toBe(true);
  const lines = text
    .slice(0, -1)
    .split("\n")
    .map((one) => JSON.parse(one) as WireLine);
  const ids = new Set<string>();
  let calls = 0;
  for (const [at, one] of lines.entries()) {
    expect(one.model).toBe(lines[0]?.model);
    expect(one.created_at).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}Z$/);
    expect(Number.isNaN(Date.parse(one.created_at))).toBe(false);
    expect(one.done).toBe(at === lines.length - 1);
    const said: WireSaid | undefined = one.message ?? (one as WireSaid);
    if (one.message !== undefined) expect(one.message.role).toBe("assistant");
    expect(typeof (one.message?.content ?? one.response)).toBe("string");
    for (const { id, function: held } of said.tool_calls ?? []) {
      expect(id).not.toBe("");
      expect(ids.has(id)).toBe(false);
      ids.add(id);
      expect(held.index).toBe(calls);
      expect(typeof held.arguments).toBe("object");
      expect(held.arguments).not.toBeNull();
      calls += 1;
    }
  }
  const end = lines.at(-1);
  expect(["stop", "length"]).toContain(end?.done_reason);
  expect(typeof end?.prompt_eval_count).toBe("number");
  expect(typeof end?.eval_count).toBe("number");
  return lines;
}
