/** Mistral's wire: headers, answers, streams, errors. */
import type { JsonObject, JsonValue } from "../../../src/chat.ts";
import type { Answer } from "../answer.ts";
import { MistralKeyed } from "../cache/mistral-keyed.ts";
import type { LimitState } from "../limits.ts";
import { countTokens, digest, tokensOf } from "../tokens.ts";
import { readMistralEmbeddings } from "./mistral.embeddings.ts";
import { readMistralFim } from "./mistral.fim.ts";
import { readMistral, type MistralReading } from "./mistral.read.ts";
import {
  asksForStream,
  asksOf,
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

const BODY_BYTES_MAX = 64 * 1024 * 1024;

export function mistralWire(): Wire {
  const cache = new MistralKeyed();
  const chat: Surface = {
    path: "/v1/chat/completions",
    form: SSE,
    wantsStream: asksForStream,
    refusalFrame: (refused) => data(refusal(refused)),
    read: (body, context, directives) => callOf(readMistral(body, context, cache, directives), body),
  };
  return {
    provider: "mistral",
    base: "/v1",
    surfaces: [
      chat,
      {
        ...chat,
        path: "/v1/fim/completions",
        read: (body, context, directives) => callOf(readMistralFim(body, context, cache, directives), body),
      },
      {
        ...chat,
        path: "/v1/embeddings",
        read: (body, _context, directives) => readMistralEmbeddings(body, directives),
      },
    ],
    bodyBytesMax: BODY_BYTES_MAX,
    limitCountsCacheRead: true,
    limitReservesOutput: false,
    overloadedStatus: 503,
    account: (headers) => {
      const key = credentialOf(headers);
      if (key === undefined || isRefusedKey(key)) throw new Refusal(401, "Unauthorized", { details: "Unauthorized" });
      return digest("mistral", key);
    },
    models: (records) => ({
      object: "list",
      data: records.map((record) => ({
        id: record.id,
        object: "model",
        created: 1_767_225_600,
        owned_by: "mistralai",
        capabilities: { completion_chat: true, function_calling: true, vision: record.input.includes("image") },
        max_context_length: record.contextTokens ?? null,
        aliases: record.aliases,
      })),
    }),
    malformed: () =>
      new Refusal(422, "Unprocessable Entity", {
        details: [{ type: "json_invalid", loc: ["body", 0], msg: "JSON decode error", input: {} }],
      }),
    refusal,
    fault,
    headers: (requestId, limits) => ({
      "mistral-correlation-id": requestId,
      "x-kong-request-id": requestId,
      ...(limits === undefined ? {} : limitHeaders(limits)),
    }),
    reset: () => cache.clear(),
  };
}

function callOf(reading: MistralReading, body: JsonObject): Call {
  return {
    model: reading.model,
    prompt: reading.prompt,
    asks: asksOf(reading.ask, reading.choices),
    stream: body["stream"] === true,
    plan: (nowMs) => reading.plan(nowMs),
    json: (reply) => completion(reading, reply),
    frames: (reply) => frames(reading, reply),
  };
}

/** What its schema refuses is a list of details; what its service refuses, an object with a code. */
function refusal(refused: Refusal): JsonObject {
  const { details, type, code } = refused.said;
  if (details !== undefined) return { detail: details };
  return {
    object: "error",
    message: refused.message,
    type: type ?? "invalid_request_error",
    param: null,
    code: code ?? null,
    raw_status_code: refused.status,
  };
}

const FAULTS: Readonly<Record<number, readonly [message: string, type: string, code: string]>> = {
  400: ["The sandbox was told to refuse this.", "invalid_request_invalid_args", "3051"],
  403: ["You do not have access to this model.", "forbidden", "1403"],
  404: ["Not found", "not_found", "1404"],
  413: ["Request entity too large", "request_too_large", "1413"],
  429: ["Rate limit exceeded", "rate_limited", "1300"],
  500: ["Internal server error", "internal_server_error", "1000"],
  502: ["Bad gateway", "internal_server_error", "1000"],
  503: ["Service unavailable.", "unreachable_backend", "1100"],
  504: ["Gateway timeout", "unreachable_backend", "1100"],
  529: ["Service tier capacity exceeded for this model.", "service_tier_capacity_exceeded", "3505"],
};

function fault(status: number, kind: "plain" | "quota", retryAfterMs?: number): Refusal {
  if (status === 401) return new Refusal(401, "Unauthorized", { details: "Unauthorized" });
  if (kind === "quota") {
    return new Refusal(429, "Monthly spend limit reached.", { type: "spend_limit_reached", code: "1301" });
  }
  const [message, type, code] = FAULTS[status] ?? ["Internal server error", "internal_server_error", "1000"];
  const headers =
    retryAfterMs === undefined ? {} : { headers: { "retry-after": String(Math.ceil(retryAfterMs / 1000)) } };
  return new Refusal(status, message, { type, code, ...headers });
}

function limitHeaders(limits: LimitState): Record<string, string> {
  return {
    "x-ratelimit-limit-req-minute": String(limits.requests.limit),
    "x-ratelimit-remaining-req-minute": String(limits.requests.remaining),
    "x-ratelimit-limit-tokens-minute": String(limits.inputTokens.limit),
    "x-ratelimit-remaining-tokens-minute": String(limits.inputTokens.remaining),
  };
}

function completion(reading: MistralReading, reply: Reply): JsonObject {
  return {
    id: reply.id,
    object: "chat.completion",
    created: reply.createdSeconds,
    model: reading.model,
    choices: reply.answers.map((answer, index) => ({
      index,
      finish_reason: finishReason(reading, answer),
      message: {
        role: "assistant",
        tool_calls: answer.calls.length === 0 ? null : callsOf(reply, answer, index),
        content: contentOf(reading, answer),
      },
    })),
    usage: usageOf(reply),
  };
}

function contentOf(reading: MistralReading, answer: Answer): JsonValue {
  if (!reading.reasons) return answer.text;
  return [
    { type: "thinking", thinking: [{ type: "text", text: answer.thinking }], closed: true },
    ...(answer.text === "" ? [] : [{ type: "text", text: answer.text }]),
  ];
}

function callsOf(reply: Reply, answer: Answer, choice: number): JsonObject[] {
  return answer.calls.map((call, index) => ({
    id: digest(reply.id, String(choice), String(index))
      .replaceAll(/[^A-Za-z0-9]/g, "0")
      .slice(0, 9),
    type: "function",
    function: { name: call.name, arguments: call.argumentsText },
    index,
  }));
}

function* frames(reading: MistralReading, reply: Reply): Iterable<Frame> {
  const envelope = {
    id: reply.id,
    object: "chat.completion.chunk",
    created: reply.createdSeconds,
    model: reading.model,
  };
  let count = 0;
  const chunk = (index: number, delta: JsonObject, tokens: number, finish?: string, usage?: JsonObject): Frame =>
    data(
      {
        ...envelope,
        choices: [{ index, delta, finish_reason: finish ?? null }],
        ...(usage === undefined ? {} : { usage }),
        p: PADDING.slice(0, 1 + (count++ % PADDING.length)),
      },
      tokens,
    );
  for (const [index, answer] of reply.answers.entries()) {
    yield chunk(index, { role: "assistant", content: "" }, 0);
    if (reading.reasons) {
      for (const text of tokensOf(answer.thinking)) {
        yield chunk(index, { content: [{ type: "thinking", thinking: [{ type: "text", text }] }] }, 1);
      }
    }
    for (const text of tokensOf(answer.text)) {
      yield chunk(index, { content: reading.reasons ? [{ type: "text", text }] : text }, 1);
    }
    // Calls come whole, in one delta, and with them the end and the bill.
    const calls = callsOf(reply, answer, index);
    const callTokens = answer.calls.reduce(
      (sum, call) => sum + countTokens(call.name) + 8 + countTokens(call.argumentsText),
      0,
    );
    const isLast = index === reply.answers.length - 1;
    yield chunk(
      index,
      calls.length === 0 ? { content: "" } : { content: "", tool_calls: calls },
      callTokens,
      finishReason(reading, answer),
      isLast ? usageOf(reply) : undefined,
    );
  }
  yield { text: "data: [DONE]\n\n", tokens: 0 };
}

const PADDING = "abcdefghijklmnopqrstuvwxyz0123456789";

function data(value: JsonObject, tokens: number = 0): Frame {
  return { text: `data: ${JSON.stringify(value)}\n\n`, tokens };
}

function finishReason(reading: MistralReading, answer: Answer): string {
  switch (answer.finish) {
    case "length":
      return reading.windowIsTight ? "model_length" : "length";
    case "tool-calls":
      return "tool_calls";
    case "stop":
    case "stop-sequence":
    case "refusal":
      return "stop";
  }
}

function usageOf(reply: Reply): JsonObject {
  const { uncached, read } = reply.bill;
  const output = reply.answers.reduce((sum, answer) => sum + answer.outputTokens, 0);
  return {
    prompt_tokens: uncached + read,
    total_tokens: uncached + read + output,
    completion_tokens: output,
    prompt_tokens_details: { cached_tokens: read },
    // The older name of the same count stands beside it when there is something to count.
    ...(read === 0 ? {} : { num_cached_tokens: read }),
    service_tier: "standard",
  };
}
