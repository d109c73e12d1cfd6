/**
 * Recorded Responses answers, and a reading of them as naive as a client's: the terminal event's items, not the deltas.
 */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect } from "vitest";
import { material, present, type RecordEntry } from "./openai-chat-material.ts";
import type { Reading } from "./openai-chat-readings.ts";

export function responsesEntries(): readonly RecordEntry[] {
  if (!present) return [];
  const index = JSON.parse(readFileSync(join(material, "recordings/index.json"), "utf8")) as { records: RecordEntry[] };
  return index.records.filter((entry) => entry.api === "responses");
}

interface WireItem {
  readonly type: string;
  readonly content?: readonly { readonly type: string; readonly text?: string; readonly refusal?: string }[];
  readonly summary?: readonly { readonly text: string }[];
  readonly call_id?: string;
  readonly name?: string;
  readonly arguments?: string;
  readonly input?: string;
  readonly encrypted_content?: string | null;
}
export interface WireResponse {
  readonly status?: string;
  readonly incomplete_details?: { readonly reason: string } | null;
  readonly output: readonly WireItem[];
  readonly usage?: {
    readonly input_tokens: number;
    readonly output_tokens: number;
    readonly input_tokens_details?: { readonly cached_tokens?: number; readonly cache_write_tokens?: number };
    readonly output_tokens_details?: { readonly reasoning_tokens?: number };
  } | null;
}

/** The response that a stream's (first) terminal event holds, or the answer itself. */
export function finalResponse(body: unknown, kind: string): WireResponse {
  if (kind !== "sse") return (typeof body === "string" ? JSON.parse(body) : body) as WireResponse;
  const events = String(body)
    .split(/\r?\n/)
    .filter((line) => line.startsWith("data:"))
    .map((line) => JSON.parse(line.slice("data:".length)) as { type: string; response?: WireResponse });
  const last = events.find((event) => /^response\.(completed|incomplete)$/.test(event.type));
  if (last?.response === undefined) throw new Error("no terminal event");
  return last.response;
}

export function simpleResponse(response: WireResponse): Reading {
  const texts = (type: string, key: "text" | "refusal") =>
    response.output
      .filter((item) => item.type === "message")
      .flatMap((item) => item.content ?? [])
      .map((part) => (part.type === type ? (part[key] ?? "") : ""))
      .join("");
  const calls = response.output
    .filter((item) => item.type === "function_call" || item.type === "custom_tool_call")
    .map((item) => ({ id: item.call_id ?? "", name: item.name ?? "", arguments: item.arguments ?? item.input ?? "" }));
  const usage = response.usage ?? undefined;
  return {
    text: texts("output_text", "text"),
    refusal: texts("refusal", "refusal"),
    reasoning: response.output
      .filter((item) => item.type === "reasoning")
      .map((item) => {
        const parts = (item.summary ?? []).length > 0 ? item.summary : item.content;
        return (parts ?? []).map((part) => part.text ?? "").join("\n\n");
      })
      .join(""),
    calls,
    finish: finishWord(response, calls.length > 0),
    input: usage?.input_tokens,
    cacheRead: usage?.input_tokens_details?.cached_tokens,
    cacheWrite: usage?.input_tokens_details?.cache_write_tokens,
    output: usage?.output_tokens,
    reasoningTokens: usage?.output_tokens_details?.reasoning_tokens,
  };
}

function finishWord(response: WireResponse, hasCalls: boolean): string {
  if (response.status === "incomplete") {
    return response.incomplete_details?.reason === "content_filter" ? "filter" : "length";
  }
  return hasCalls ? "tool" : "stop";
}

/** The seals of a response's thoughts, in order. */
export function wireSeals(response: WireResponse): string[] {
  return response.output.flatMap((item) =>
    item.type === "reasoning" && typeof item.encrypted_content === "string" ? [item.encrypted_content] : [],
  );
}

/** The record's own reading, made by others. */
export function ofResponsesIndex({ canonical }: RecordEntry): unknown {
  const number = (key: string) => canonical.usage?.[key] ?? 0;
  const isWhole = ["stop", "tool", "length", "filter"].includes(canonical.finish ?? "");
  return {
    text: canonical.text_chars,
    refused: expect.any(Boolean) as boolean,
    // The index puts one line break between a summary's parts, where clients show two.
    reasoning: canonical.reasoning_chars > 1_000 ? expect.any(Number) : canonical.reasoning_chars,
    tools: canonical.tools,
    finish: isWhole ? canonical.finish : "stop",
    input: number("input"),
    cacheRead: number("cache_read"),
    output: number("output"),
    reasoningTokens: number("reasoning"),
  };
}
