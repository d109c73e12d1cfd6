/** OpenAI's wire: what its operations share, and the answers and streams of Chat Completions. */
import type { JsonObject, JsonValue } from "../../../src/chat.ts";
import type { ModelRecord } from "../../../src/model.ts";
import type { Answer } from "../answer.ts";
import type { PromptBill } from "../cache/cache.ts";
import type { BucketState, LimitState } from "../limits.ts";
import { countTokens, digest, tokensOf } from "../tokens.ts";
import { readOpenaiCompletion } from "./openai.completions.ts";
import { readOpenaiEmbeddings } from "./openai.embeddings.ts";
import { errorOf, fault, KEY_REFUSED } from "./openai.errors.ts";
import { createResponsesApi } from "./openai.responses.ts";
import type { ResponsesOptions } from "./openai.responses.read.ts";
import { createOpenaiCaches, readOpenai, type OpenaiReading } from "./openai.read.ts";
import { refuse } from "./openai.parameters.ts";
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

export function openaiWire(options: ResponsesOptions = {}): Wire {
  const caches = createOpenaiCaches();
  const responses = createResponsesApi(caches, options);
  const chat: Surface = {
    path: "/v1/chat/completions",
    form: SSE,
    wantsStream: asksForStream,
    refusalFrame: (refusal) => data({ error: errorOf(refusal) }),
    read: (body, context, directives): Call => {
      const reading = readOpenai(body, context, caches, directives);
      return {
        model: reading.model,
        prompt: reading.prompt,
        asks: asksOf(reading.ask, reading.choices),
        stream: body["stream"] === true,
        plan: (nowMs) => reading.plan(nowMs),
        json: (reply) => completion(reading, reply),
        frames: (reply) => frames(reading, reply),
      };
    },
  };
  return {
    provider: "openai",
    base: "/v1",
    surfaces: [
      chat,
      responses.surface,
      { ...chat, path: "/v1/completions", read: readOpenaiCompletion },
      { ...chat, path: "/v1/embeddings", read: readOpenaiEmbeddings },
    ],
    bodyBytesMax: BODY_BYTES_MAX,
    limitCountsCacheRead: true,
    limitReservesOutput: false,
    overloadedStatus: 503,
    account: (headers) => {
      const key = credentialOf(headers);
      if (key === undefined) {
        throw new Refusal(
          401,
          "You didn't provide an API key. You need to provide your API key in an Authorization header using Bearer auth (i.e. Authorization: Bearer YOUR_KEY).",
          { type: "invalid_request_error" },
        );
      }
      if (isRefusedKey(key))
        throw new Refusal(401, KEY_REFUSED, { type: "invalid_request_error", code: "invalid_api_key" });
      return digest("openai", key);
    },
    models: (records) => ({ object: "list", data: records.map(modelOf) }),
    malformed: () =>
      refuse(
        "We could not parse the JSON body of your request. (HINT: This likely means you aren't using your HTTP library correctly. The OpenAI API expects a JSON payload, but what was sent was not valid JSON.)",
      ),
    refusal: (refusal) => ({ error: errorOf(refusal) }),
    fault,
    headers: (requestId, limits) => ({
      "x-request-id": requestId,
      "openai-organization": "sandbox",
      "openai-processing-ms": "1",
      "openai-version": "2020-10-01",
      ...(limits === undefined ? {} : limitHeaders(limits)),
    }),
    other: (method, path, body, context) => {
      const done = responses.other(method, path, body, context);
      if (done !== undefined) return done;
      const id = /^\/v1\/models\/(.+)$/.exec(path)?.[1];
      if (method !== "GET" || id === undefined) return undefined;
      const record = context.lookup(decodeURIComponent(id));
      if (record === undefined) {
        throw new Refusal(404, `The model '${id}' does not exist`, {
          type: "invalid_request_error",
          param: "model",
          code: "model_not_found",
        });
      }
      return { body: modelOf(record) };
    },
    reset: () => {
      caches.clear();
      responses.clear();
    },
  };
}

function modelOf(record: ModelRecord): JsonObject {
  return {
    id: record.id,
    object: "model",
    created: 1_767_225_600,
    owned_by: "openai",
    shutdown_date: record.retires ?? null,
  };
}

function limitHeaders(limits: LimitState): Record<string, string> {
  const headers: Record<string, string> = {};
  const add = (name: string, bucket: BucketState) => {
    headers[`x-ratelimit-limit-${name}`] = String(bucket.limit);
    headers[`x-ratelimit-remaining-${name}`] = String(bucket.remaining);
    headers[`x-ratelimit-reset-${name}`] = durationText(bucket.resetMs);
  };
  add("requests", limits.requests);
  add("tokens", limits.inputTokens);
  return headers;
}

/** "2ms", "8.64s", "6m0s". */
function durationText(milliseconds: number): string {
  if (milliseconds === 0) return "0s";
  if (milliseconds < 1000) return `${milliseconds}ms`;
  const minutes = Math.floor(milliseconds / 60_000);
  const seconds = `${Number(((milliseconds % 60_000) / 1000).toFixed(3))}s`;
  return minutes === 0 ? seconds : `${minutes}m${seconds}`;
}

function completion(reading: OpenaiReading, reply: Reply): JsonObject {
  return {
    id: `chatcmpl-${reply.id}`,
    object: "chat.completion",
    created: reply.createdSeconds,
    model: reading.model,
    choices: reply.answers.map((answer, index) => ({
      index,
      message: {
        role: "assistant",
        content: answer.finish === "refusal" || (answer.text === "" && answer.calls.length > 0) ? null : answer.text,
        refusal: answer.finish === "refusal" ? answer.text : null,
        annotations: [],
        ...(answer.calls.length === 0
          ? {}
          : {
              tool_calls: answer.calls.map((call, at) => ({
                id: callId(reply, index, at),
                type: "function",
                function: { name: call.name, arguments: call.argumentsText },
              })),
            }),
      },
      logprobs: reading.logprobs ? logprobsOf(answer.finish === "refusal" ? [] : tokensOf(answer.text)) : null,
      finish_reason: finishReason(reading, answer),
    })),
    usage: usageOf(reading, reply),
    service_tier: reading.serviceTier,
    system_fingerprint: null,
  };
}

function* frames(reading: OpenaiReading, reply: Reply): Iterable<Frame> {
  const envelope = {
    id: `chatcmpl-${reply.id}`,
    object: "chat.completion.chunk",
    created: reply.createdSeconds,
    model: reading.model,
    service_tier: reading.serviceTier,
    system_fingerprint: null,
  };
  let count = 0;
  const chunk = (choices: JsonValue, tokens: number, usage: JsonObject | null = null): Frame =>
    data(
      {
        ...envelope,
        choices,
        ...(reading.includesUsage ? { usage } : {}),
        ...(reading.obfuscates ? { obfuscation: PADDING.slice(0, 1 + (count++ % PADDING.length)) } : {}),
      },
      tokens,
    );
  for (const [index, answer] of reply.answers.entries()) {
    const said = (delta: JsonObject, tokens: number, logprobs: JsonValue = null) =>
      chunk([{ index, delta, logprobs, finish_reason: null }], tokens);
    const hasCalls = answer.calls.length > 0 && answer.text === "";
    yield said({ role: "assistant", content: hasCalls || answer.finish === "refusal" ? null : "", refusal: null }, 0);
    // What it thought is billed, never shown: it only takes its time.
    let hidden = answer.thinkingTokens;
    const key = answer.finish === "refusal" ? "refusal" : "content";
    for (const text of tokensOf(answer.text)) {
      yield said({ [key]: text }, 1 + hidden, reading.logprobs ? logprobsOf([text]) : null);
      hidden = 0;
    }
    for (const [at, call] of answer.calls.entries()) {
      const id = callId(reply, index, at);
      const start = { index: at, id, type: "function", function: { name: call.name, arguments: "" } };
      yield said({ tool_calls: [start] }, hidden + countTokens(call.name) + 8);
      hidden = 0;
      for (const text of tokensOf(call.argumentsText)) {
        yield said({ tool_calls: [{ index: at, function: { arguments: text } }] }, 1);
      }
    }
    yield chunk([{ index, delta: {}, logprobs: null, finish_reason: finishReason(reading, answer) }], hidden);
  }
  if (reading.includesUsage) yield chunk([], 0, usageOf(reading, reply));
  yield { text: "data: [DONE]\n\n", tokens: 0 };
}

/** Random in the original, so that lengths of chunks tell nothing. */
const PADDING = "sandboxsandboxsandbox";

function data(value: JsonObject, tokens: number = 0): Frame {
  return { text: `data: ${JSON.stringify(value)}\n\n`, tokens };
}

function callId(reply: Reply, choice: number, index: number): string {
  return `call_${digest(reply.id, String(choice), String(index))
    .replaceAll(/[^A-Za-z0-9]/g, "0")
    .slice(0, 24)}`;
}

function logprobsOf(tokens: readonly string[]): JsonObject {
  return {
    content: tokens.map((token) => ({ token, logprob: -0.01, bytes: [...Buffer.from(token)], top_logprobs: [] })),
    refusal: null,
  };
}

function finishReason(reading: OpenaiReading, answer: Answer): string {
  switch (answer.finish) {
    case "length":
      return "length";
    case "tool-calls":
      // A call that was forced by name ends in "stop".
      return reading.ask.toolChoice.kind === "named" ? "stop" : "tool_calls";
    case "stop":
    case "stop-sequence":
    case "refusal":
      return "stop";
  }
}

function usageOf(reading: OpenaiReading, reply: Reply): JsonObject {
  const prompt = promptTokensOf(reply.bill);
  const output = reply.answers.reduce((sum, answer) => sum + answer.outputTokens, 0);
  const reasoning = reply.answers.reduce((sum, answer) => sum + answer.thinkingTokens, 0);
  return {
    prompt_tokens: prompt,
    completion_tokens: output,
    total_tokens: prompt + output,
    prompt_tokens_details: {
      cached_tokens: reply.bill.read,
      ...(reading.reportsWrites ? { cache_write_tokens: reply.bill.writeOther } : {}),
      audio_tokens: 0,
    },
    completion_tokens_details: {
      reasoning_tokens: reasoning,
      audio_tokens: 0,
      accepted_prediction_tokens: 0,
      rejected_prediction_tokens: 0,
    },
  };
}

function promptTokensOf(bill: PromptBill): number {
  return bill.uncached + bill.read + bill.write5m + bill.write1h + bill.writeOther;
}
