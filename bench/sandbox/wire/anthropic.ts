/** Anthropic's wire: headers, answers, streams, errors. */
import type { JsonObject } from "../../../src/chat.ts";
import type { Answer } from "../answer.ts";
import { AnthropicMarks } from "../cache/anthropic-marks.ts";
import type { PromptBill } from "../cache/cache.ts";
import type { LimitState } from "../limits.ts";
import { countTokens, digest, tokensOf } from "../tokens.ts";
import { Diagnoses } from "./anthropic.diagnostics.ts";
import { type AnthropicReading, readAnthropic } from "./anthropic.read.ts";
import { sign } from "./anthropic.thinking.ts";
import {
  asksForStream,
  type Call,
  credentialOf,
  type Frame,
  isRefusedKey,
  Refusal,
  type Reply,
  SSE,
  type Surface,
  type Wire,
} from "./wire.ts";

export interface AnthropicOptions {
  /** False: thinking blocks of others (recorded conversations) are taken as they are. */
  readonly checksSignatures?: boolean;
}

const BODY_BYTES_MAX = 32 * 1024 * 1024;

export function anthropicWire(options: AnthropicOptions = {}): Wire {
  const cache = new AnthropicMarks();
  const diagnoses = new Diagnoses();
  const checksSignatures = options.checksSignatures ?? true;
  const messages: Surface = {
    path: "/v1/messages",
    form: SSE,
    wantsStream: asksForStream,
    refusalFrame: (refusal) => event("error", { type: "error", error: errorOf(refusal) }),
    read: (body, context, directives): Call => {
      const reading = readAnthropic(body, context, cache, directives, { checksSignatures, counts: false });
      const diagnose = diagnoses.read(body["diagnostics"], reading.fingerprint);
      const diagnosis = (reply: Reply) => diagnose(`msg_${reply.id}`, reply.bill);
      return {
        model: reading.model,
        prompt: reading.prompt,
        asks: [reading.ask],
        stream: body["stream"] === true,
        plan: (nowMs) => reading.plan(nowMs),
        json: (reply) => message(reading, reply, diagnosis(reply)),
        frames: (reply) => frames(reading, reply, diagnosis(reply)),
      };
    },
  };
  return {
    provider: "anthropic",
    base: "",
    surfaces: [messages],
    bodyBytesMax: BODY_BYTES_MAX,
    limitCountsCacheRead: false,
    limitReservesOutput: true,
    overloadedStatus: 529,
    account: (headers) => {
      const key = credentialOf(headers, "x-api-key");
      if (key === undefined)
        throw new Refusal(401, "x-api-key header is required", {
          type: "authentication_error",
          headers: { "x-should-retry": "false" },
        });
      if (isRefusedKey(key))
        throw new Refusal(401, "invalid x-api-key", {
          type: "authentication_error",
          headers: { "x-should-retry": "false" },
        });
      return digest("anthropic", key);
    },
    models: (records) => ({
      data: records.map((record) => ({
        type: "model",
        id: record.id,
        display_name: record.id,
        created_at: "2026-01-01T00:00:00Z",
        max_input_tokens: record.contextTokens ?? null,
        max_tokens: record.maxOutputTokens ?? null,
      })),
      has_more: false,
      first_id: records[0]?.id ?? null,
      last_id: records.at(-1)?.id ?? null,
    }),
    refusal: (refusal, requestId) => ({ type: "error", error: errorOf(refusal), request_id: requestId }),
    malformed: () => new Refusal(400, "The request body is not valid JSON.", { type: "invalid_request_error" }),
    fault: (status, kind, retryAfterMs) => {
      if (kind === "quota")
        return new Refusal(429, "Your organization has reached its enforced spend limit.", {
          type: "rate_limit_error",
          details: { error_code: "enforced_spend_limit_reached" },
        });
      const [type, text] = FAULTS[status] ?? ["api_error", "Internal server error"];
      const headers =
        retryAfterMs === undefined ? {} : { headers: { "retry-after": String(Math.ceil(retryAfterMs / 1000)) } };
      return new Refusal(status, text, { type, ...headers });
    },
    headers: (requestId, limits, nowMs) => ({
      "request-id": requestId,
      "anthropic-organization-id": "sandbox",
      ...(limits === undefined ? {} : limitHeaders(limits, nowMs)),
    }),
    other: (method, path, body, context) => {
      if (method !== "POST" || path !== "/v1/messages/count_tokens") return undefined;
      const reading = readAnthropic(body(), context, cache, () => new Map(), { checksSignatures: false, counts: true });
      return { body: { input_tokens: reading.prompt.tokens } };
    },
    reset: () => {
      cache.clear();
      diagnoses.clear();
    },
  };
}

const FAULTS: Readonly<Record<number, readonly [string, string]>> = {
  400: ["invalid_request_error", "messages.0: the sandbox was told to refuse this"],
  401: ["authentication_error", "invalid x-api-key"],
  403: ["permission_error", "Your API key does not have permission to use the specified resource."],
  404: ["not_found_error", "model: not found"],
  413: ["request_too_large", "Request exceeds the maximum size"],
  429: ["rate_limit_error", "This request would exceed your account's rate limit. Please try again later."],
  500: ["api_error", "Internal server error"],
  502: ["api_error", "Bad gateway"],
  503: ["api_error", "Service unavailable"],
  504: ["timeout_error", "Request timed out"],
  529: ["overloaded_error", "Overloaded"],
};

function errorOf(refusal: Refusal): JsonObject {
  const { type, details } = refusal.said;
  return {
    ...(details === undefined ? {} : { details }),
    type: type ?? "invalid_request_error",
    message: refusal.message,
  };
}

function limitHeaders(limits: LimitState, nowMs: number): Record<string, string> {
  const headers: Record<string, string> = {};
  const tightest =
    limits.inputTokens.remaining <= limits.outputTokens.remaining ? limits.inputTokens : limits.outputTokens;
  for (const [name, bucket] of [
    ["requests", limits.requests],
    ["input-tokens", limits.inputTokens],
    ["output-tokens", limits.outputTokens],
    ["tokens", tightest],
  ] as const) {
    headers[`anthropic-ratelimit-${name}-limit`] = String(bucket.limit);
    headers[`anthropic-ratelimit-${name}-remaining`] = String(bucket.remaining);
    headers[`anthropic-ratelimit-${name}-reset`] = new Date(nowMs + bucket.resetMs)
      .toISOString()
      .replace(/\.\d+Z$/, "Z");
  }
  return headers;
}

function message(reading: AnthropicReading, reply: Reply, diagnosis: JsonObject): JsonObject {
  const answer = onlyAnswer(reply);
  return {
    id: `msg_${reply.id}`,
    type: "message",
    role: "assistant",
    model: reading.model,
    content: contentOf(reading, reply, answer),
    stop_reason: stopReason(reading, answer),
    stop_sequence: answer.stopSequence ?? null,
    stop_details: stopDetails(answer),
    ...diagnosis,
    usage: { ...promptUsage(reply.bill), ...outputUsage(answer) },
  };
}

function contentOf(reading: AnthropicReading, reply: Reply, answer: Answer): JsonObject[] {
  const blocks: JsonObject[] = [];
  if (answer.thinkingTokens > 0) {
    const shown = reading.thinking.shown ? answer.thinking : "";
    blocks.push(
      reading.redacted
        ? { type: "redacted_thinking", data: sign(reading.signer, "redacted", reading.contentHash) }
        : { type: "thinking", thinking: shown, signature: sign(reading.signer, shown, reading.contentHash) },
    );
  }
  if (answer.text !== "") blocks.push({ type: "text", text: answer.text });
  for (const [index, call] of answer.calls.entries()) {
    // What was cut short is no JSON, and a block cannot hold it.
    const input = parsed(call.argumentsText);
    if (input !== undefined)
      blocks.push({ type: "tool_use", id: toolId(reply, index), name: call.name, input, caller: { type: "direct" } });
  }
  return blocks;
}

function* frames(reading: AnthropicReading, reply: Reply, diagnosis: JsonObject): Iterable<Frame> {
  const answer = onlyAnswer(reply);
  yield event("message_start", {
    type: "message_start",
    message: {
      id: `msg_${reply.id}`,
      type: "message",
      role: "assistant",
      model: reading.model,
      content: [],
      stop_reason: null,
      stop_sequence: null,
      stop_details: null,
      ...diagnosis,
      usage: { ...promptUsage(reply.bill), output_tokens: 1, service_tier: "standard" },
    },
  });
  yield event("ping", { type: "ping" });
  for (const [index, block] of blocksOf(reading, reply, answer).entries()) {
    yield event("content_block_start", { type: "content_block_start", index, content_block: block.start });
    for (const [delta, tokens] of block.deltas) {
      yield event("content_block_delta", { type: "content_block_delta", index, delta }, tokens);
    }
    yield event("content_block_stop", { type: "content_block_stop", index });
  }
  const { cache_creation: _, ...totals } = promptUsage(reply.bill);
  yield event("message_delta", {
    type: "message_delta",
    delta: {
      stop_reason: stopReason(reading, answer),
      stop_sequence: answer.stopSequence ?? null,
      stop_details: stopDetails(answer),
    },
    // Cumulative totals, and no split by lifetime: that stood in message_start alone.
    usage: {
      ...totals,
      output_tokens: answer.outputTokens,
      output_tokens_details: { thinking_tokens: answer.thinkingTokens },
    },
  });
  yield event("message_stop", { type: "message_stop" });
}

/** A block of the answer: how it starts, and what is added to it, each with its tokens. */
interface StreamedBlock {
  readonly start: JsonObject;
  readonly deltas: Iterable<readonly [JsonObject, number]>;
}

function blocksOf(reading: AnthropicReading, reply: Reply, answer: Answer): StreamedBlock[] {
  const blocks: StreamedBlock[] = [];
  if (answer.thinkingTokens > 0) blocks.push(thinkingBlock(reading, answer));
  if (answer.text !== "") {
    blocks.push({
      start: { type: "text", text: "" },
      deltas: deltasOf(answer.text, (text) => ({ type: "text_delta", text })),
    });
  }
  for (const [at, call] of answer.calls.entries()) {
    blocks.push({
      start: { type: "tool_use", id: toolId(reply, at), name: call.name, input: {}, caller: { type: "direct" } },
      deltas: callDeltas(call),
    });
  }
  return blocks;
}

function thinkingBlock(reading: AnthropicReading, answer: Answer): StreamedBlock {
  if (reading.redacted) {
    const data = sign(reading.signer, "redacted", reading.contentHash);
    return { start: { type: "redacted_thinking", data }, deltas: [] };
  }
  const shown = reading.thinking.shown ? answer.thinking : "";
  const signature = { type: "signature_delta", signature: sign(reading.signer, shown, reading.contentHash) };
  return {
    start: { type: "thinking", thinking: "", signature: "" },
    deltas: [
      ...deltasOf(shown, (thinking) => ({ type: "thinking_delta", thinking })),
      [signature, shown === "" ? answer.thinkingTokens : 0] as const,
    ],
  };
}

function* callDeltas(call: {
  readonly name: string;
  readonly argumentsText: string;
}): Iterable<readonly [JsonObject, number]> {
  yield [{ type: "input_json_delta", partial_json: "" }, countTokens(call.name) + 8];
  // No input is said by saying nothing.
  if (call.argumentsText === "{}") return;
  yield* deltasOf(call.argumentsText, (partial_json) => ({ type: "input_json_delta", partial_json }));
}

function* deltasOf(text: string, delta: (token: string) => JsonObject): Iterable<readonly [JsonObject, number]> {
  for (const token of tokensOf(text)) yield [delta(token), 1];
}

function event(name: string, data: JsonObject, tokens: number = 0): Frame {
  return { text: `event: ${name}\ndata: ${JSON.stringify(data)}\n\n`, tokens };
}

function promptUsage(bill: PromptBill): JsonObject {
  return {
    input_tokens: bill.uncached,
    cache_creation_input_tokens: bill.write5m + bill.write1h,
    cache_read_input_tokens: bill.read,
    cache_creation: { ephemeral_5m_input_tokens: bill.write5m, ephemeral_1h_input_tokens: bill.write1h },
  };
}

function outputUsage(answer: Answer): JsonObject {
  return {
    output_tokens: answer.outputTokens,
    output_tokens_details: { thinking_tokens: answer.thinkingTokens },
    service_tier: "standard",
    inference_geo: "global",
  };
}

function stopReason(reading: AnthropicReading, answer: Answer): string {
  switch (answer.finish) {
    case "stop":
      return "end_turn";
    case "stop-sequence":
      return "stop_sequence";
    case "length":
      return reading.windowIsTight ? "model_context_window_exceeded" : "max_tokens";
    case "tool-calls":
      return "tool_use";
    case "refusal":
      return "refusal";
  }
}

function stopDetails(answer: Answer): JsonObject | null {
  return answer.finish === "refusal"
    ? { type: "refusal", category: "general_harms", explanation: "The sandbox was asked to refuse." }
    : null;
}

function toolId(reply: Reply, index: number): string {
  return `toolu_${digest(reply.id, String(index))
    .replaceAll(/[^A-Za-z0-9]/g, "0")
    .slice(0, 22)}`;
}

function onlyAnswer(reply: Reply): Answer {
  const answer = reply.answers[0];
  if (answer === undefined) throw new Error("a reply holds at least one answer");
  return answer;
}

function parsed(text: string): JsonObject | undefined {
  try {
    return JSON.parse(text) as JsonObject;
  } catch {
    return undefined;
  }
}
