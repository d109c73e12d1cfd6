/**
 * An answer in one form, to compare by: from a decoder's events, and from the wire by a reading as naive as a client's.
 */
import { expect } from "vitest";
import type { ChatEvent, FinishReason } from "../src/chat.ts";
import type { Dialect } from "../src/dialects/dialect.ts";
import { laterUsage, promptTokens, UNKNOWN_USAGE, type Usage } from "../src/usage.ts";
import type { RecordEntry } from "./openai-chat-material.ts";

export function decode(dialect: Dialect, body: Buffer, stream: boolean, size: number): ChatEvent[] {
  const decoder = dialect.decoder(stream);
  return [...chunks(body, size).flatMap((chunk) => decoder.push(chunk)), ...decoder.end()];
}

export function chunks(body: Buffer, size: number): Buffer[] {
  if (!Number.isFinite(size)) return [body];
  const parts: Buffer[] = [];
  for (let at = 0; at < body.length; at += size) parts.push(body.subarray(at, at + size));
  return parts;
}

export function seals(events: readonly ChatEvent[]): string[] {
  return events.flatMap((event) => {
    if (event.type === "reasoning-redacted") return [event.data];
    return event.type === "reasoning-end" && event.signature !== undefined ? [event.signature] : [];
  });
}

export interface Reading {
  text: string;
  refusal: string;
  reasoning: string;
  calls: { id: string; name: string; arguments: string }[];
  finish: string | undefined;
  input: number | undefined;
  cacheRead: number | undefined;
  cacheWrite: number | undefined;
  output: number | undefined;
  reasoningTokens: number | undefined;
}

export function reading(events: readonly ChatEvent[]): Reading {
  let usage: Usage = UNKNOWN_USAGE;
  const result = {
    text: "",
    refusal: "",
    reasoning: "",
    calls: [] as Reading["calls"],
    finish: undefined as string | undefined,
  };
  for (const event of events) {
    if (event.type === "usage") usage = laterUsage(usage, event.usage);
    if (event.type === "finish") result.finish = FINISH_WORDS[event.reason];
    if (event.type === "text-delta") result.text += event.text;
    if (event.type === "refusal-delta") result.refusal += event.text;
    if (event.type === "reasoning-delta") result.reasoning += event.text;
    if (event.type === "tool-call-start") {
      expect(event.index).toBe(result.calls.length);
      result.calls.push({ id: event.id, name: event.name, arguments: "" });
    }
    if (event.type === "tool-call-delta") {
      const call = result.calls[event.index];
      if (call !== undefined) call.arguments += event.arguments;
    }
    if (event.type === "error") throw new Error(event.error.message);
  }
  expect(events[0]?.type).toBe("start");
  expect(events.at(-1)).toEqual({ type: "done" });
  const ids = result.calls.map((call) => call.id);
  expect(new Set(ids).size).toBe(ids.length);
  const writes = [usage.cacheWrite5m, usage.cacheWrite1h, usage.cacheWriteOther].filter((one) => one !== undefined);
  return {
    ...result,
    input: promptTokens(usage),
    cacheRead: usage.cacheRead,
    cacheWrite: writes.length === 0 ? undefined : writes.reduce((sum, one) => sum + one, 0),
    output: usage.output,
    reasoningTokens: usage.reasoning,
  };
}

const FINISH_WORDS: Record<FinishReason, string> = {
  stop: "stop",
  "stop-sequence": "stop",
  length: "length",
  "context-full": "length",
  "tool-calls": "tool",
  "content-filter": "filter",
  refusal: "filter",
  paused: "stop",
  other: "stop",
};

/**
 * What every dialect can say, with what stands in for what nobody said.
 *
 * @param takesAnyText Whether arguments may be any text; the other dialect's whole form takes objects only.
 */
export function portable(
  { text, refusal, calls, finish, input, cacheRead, output }: Reading,
  takesAnyText = true,
): unknown {
  const json = (text: string) => {
    try {
      const value = JSON.parse(text === "" ? "{}" : text) as unknown;
      return takesAnyText || (typeof value === "object" && value !== null) ? value : expect.any(Object);
    } catch {
      return takesAnyText ? "not JSON" : expect.any(Object);
    }
  };
  return {
    text: text + refusal,
    calls: calls.map((call) => ({ name: call.name, input: json(call.arguments) })),
    // A refusal that can be read is a plain stop here and a refusal there.
    finish: finish === "filter" ? "stop" : finish,
    input: input ?? 0,
    cacheRead: cacheRead ?? 0,
    output: output ?? 0,
  };
}

// ---- An independent reading: as naive as a client's, and for the first choice only.

interface Wire {
  choices?: { index?: number; delta?: WireMessage; message?: WireMessage; finish_reason?: string | null }[];
  usage?: WireUsage | null;
  x_groq?: { usage?: WireUsage };
}
interface WireMessage {
  content?: string | { type: string; text?: string; thinking?: { text: string }[] }[] | null;
  refusal?: string | null;
  reasoning_content?: string | null;
  reasoning?: string | null;
  reasoning_details?: { type: string; text?: string; summary?: string }[];
  tool_calls?:
    | { index?: number; id?: string | null; function?: { name?: string | null; arguments?: string | null } }[]
    | null;
  function_call?: { name?: string; arguments?: string } | null;
}
interface WireUsage {
  prompt_tokens?: number;
  completion_tokens?: number;
  num_cached_tokens?: number;
  prompt_tokens_details?: { cached_tokens?: number; cache_write_tokens?: number } | null;
  completion_tokens_details?: { reasoning_tokens?: number } | null;
}

export function simpleReading(body: unknown, kind: string): Reading {
  const wires =
    kind === "sse"
      ? dataLines(String(body)).map((line) => JSON.parse(line) as Wire)
      : [(typeof body === "string" ? JSON.parse(body) : body) as Wire];
  const result: Reading = {
    text: "",
    refusal: "",
    reasoning: "",
    calls: [],
    finish: undefined,
    input: undefined,
    cacheRead: undefined,
    cacheWrite: undefined,
    output: undefined,
    reasoningTokens: undefined,
  };
  for (const wire of wires) {
    const usage = wire.usage ?? wire.x_groq?.usage;
    if (usage !== undefined && usage !== null) {
      result.input = usage.prompt_tokens;
      result.output = usage.completion_tokens;
      const cached = usage.num_cached_tokens ?? usage.prompt_tokens_details?.cached_tokens;
      // Azure has counted more from the cache than the prompt had.
      result.cacheRead = cached === undefined ? undefined : Math.min(cached, usage.prompt_tokens ?? cached);
      result.cacheWrite = usage.prompt_tokens_details?.cache_write_tokens;
      result.reasoningTokens = usage.completion_tokens_details?.reasoning_tokens;
    }
    const choice = wire.choices?.find((one) => (one.index ?? 0) === 0);
    const message = choice?.delta ?? choice?.message;
    result.finish ??= choice?.finish_reason ?? undefined;
    if (message !== undefined) simpleMessage(message, result, kind === "sse");
  }
  result.finish = simpleFinish(result.finish, result.calls.length > 0);
  return result;
}

function simpleMessage(message: WireMessage, result: Reading, isDelta: boolean): void {
  const content = message.content ?? "";
  if (typeof content === "string") result.text += content;
  else {
    for (const chunk of content) {
      if (chunk.type === "text") result.text += chunk.text;
      if (chunk.type === "thinking") result.reasoning += (chunk.thinking ?? []).map((one) => one.text).join("");
    }
  }
  result.refusal += message.refusal ?? "";
  const details = (message.reasoning_details ?? []).map((one) => one.text ?? one.summary ?? "").join("");
  result.reasoning += message.reasoning_content || message.reasoning || details;
  for (const call of message.tool_calls ?? []) {
    if (!isDelta || typeof call.id === "string") result.calls.push({ id: call.id ?? "", name: "", arguments: "" });
    const current = result.calls.at(-1);
    if (current === undefined) continue;
    current.name += call.function?.name ?? "";
    current.arguments += call.function?.arguments ?? "";
  }
  if (message.function_call !== undefined && message.function_call !== null) {
    result.calls.push({
      id: expect.any(String) as string,
      name: message.function_call.name ?? "",
      arguments: message.function_call.arguments ?? "",
    });
  }
}

function simpleFinish(word: string | undefined, hasCalls: boolean): string | undefined {
  if (word === "tool_calls" || word === "function_call" || (word === "stop" && hasCalls)) return "tool";
  return word === "content_filter" ? "filter" : word;
}

function dataLines(text: string): string[] {
  return text
    .split(/\r?\n/)
    .filter((line) => line.startsWith("data:"))
    .map((line) => line.slice("data:".length).trim())
    .filter((data) => data !== "" && data !== "[DONE]");
}

/** Frames that hold nothing but usage, found another way than by the watcher. */
export function usageOnlyFrames(text: string): string[] {
  return text.split(/(?<=\n\n)/).filter((frame) => {
    const [data] = dataLines(frame);
    if (data === undefined) return false;
    const wire = JSON.parse(data) as Wire;
    return wire.choices?.length === 0 && wire.usage !== undefined && wire.usage !== null;
  });
}

export function indexed({
  text,
  refusal,
  reasoning,
  calls,
  finish,
  input,
  cacheRead,
  output,
  reasoningTokens,
}: Reading): unknown {
  return {
    text: text.length,
    refused: refusal !== "",
    reasoning: reasoning.length,
    tools: calls.map((call) => call.name),
    finish,
    input: input ?? 0,
    cacheRead: cacheRead ?? 0,
    output: output ?? 0,
    reasoningTokens: reasoningTokens ?? 0,
  };
}

/** The record's own reading, made by others. */
export function ofIndex(entry: RecordEntry): unknown {
  const { canonical } = entry;
  const number = (key: string) => canonical.usage?.[key] ?? 0;
  const word = canonical.finish ?? expect.anything();
  return {
    text: canonical.text_chars,
    refused: expect.any(Boolean) as boolean,
    // The index leaves summaries of reasoning out.
    reasoning: entry.id.includes("gpt-5_2_searches") ? expect.any(Number) : canonical.reasoning_chars,
    tools: canonical.tools,
    // A call that was forced ends with a plain stop on the wire, and is a call all the same.
    finish: word === "stop" && canonical.tools.length > 0 ? "tool" : word,
    input: number("input"),
    cacheRead: Math.min(number("cache_read"), number("input")),
    output: number("output"),
    reasoningTokens: number("reasoning"),
  };
}
