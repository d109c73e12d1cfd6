/** vLLM's OpenAI-compatible server: no bill, no limits, and a memory of its own. */
import type { JsonObject, JsonValue } from "../../../src/chat.ts";
import type { Answer } from "../answer.ts";
import { VllmBlocks } from "../cache/vllm-blocks.ts";
import { countTokens, digest, tokensOf } from "../tokens.ts";
import { readVllmCompletion } from "./vllm.completions.ts";
import { readVllmEmbeddings } from "./vllm.embeddings.ts";
import { vllmRefusal, readVllm, type VllmReading } from "./vllm.read.ts";
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

export interface VllmOptions {
  /** `--enable-prompt-tokens-details`: whether usage says how much was read from cache. Off, as in the original. */
  readonly reportsCached?: boolean;
  /** `--api-key`; without it anybody may ask. */
  readonly apiKey?: string;
  /** `--enable-auto-tool-choice --tool-call-parser …`. On here: without it `tool_choice: auto` is refused. */
  readonly autoToolChoice?: boolean;
  /** Blocks of 16 tokens that fit into memory. */
  readonly blocksMax?: number;
}

const BODY_BYTES_MAX = 64 * 1024 * 1024;
const BLOCKS_MAX = 65_536;

export function vllmWire(options: VllmOptions = {}): Wire {
  const cache = new VllmBlocks(options.blocksMax ?? BLOCKS_MAX);
  const reportsCached = options.reportsCached ?? false;
  const counted = { prompt: 0, generated: 0 };
  const chat: Surface = {
    path: "/v1/chat/completions",
    form: SSE,
    wantsStream: asksForStream,
    refusalFrame: (refused) => data(refusal(refused)),
    read: (body, context, directives): Call => {
      const reading = readVllm(body, context, cache, directives, options.autoToolChoice ?? true);
      return {
        model: reading.model,
        prompt: reading.prompt,
        asks: asksOf(reading.ask, reading.choices),
        stream: body["stream"] === true,
        plan: () => reading.plan(),
        json: (reply) => completion(reading, reply, reportsCached),
        frames: (reply) => frames(reading, reply, reportsCached),
      };
    },
  };
  return {
    provider: "vllm",
    base: "/v1",
    surfaces: [
      chat,
      {
        ...chat,
        path: "/v1/completions",
        read: (body, context, directives) =>
          readVllmCompletion(body, context, cache, directives, (reply) => usageOf(reply, reportsCached)),
      },
      { ...chat, path: "/v1/embeddings", read: readVllmEmbeddings },
    ],
    bodyBytesMax: BODY_BYTES_MAX,
    limitCountsCacheRead: true,
    limitReservesOutput: false,
    overloadedStatus: 503,
    account: (headers, path) => {
      const key = credentialOf(headers);
      const isPublic = !path.startsWith("/v1/");
      const isWrong = options.apiKey === undefined ? key !== undefined && isRefusedKey(key) : key !== options.apiKey;
      if (!isPublic && isWrong) throw new Refusal(401, "Unauthorized");
      return "vllm";
    },
    models: (records) => ({
      object: "list",
      data: records.map((record) => ({
        id: record.id,
        object: "model",
        created: 1_767_225_600,
        owned_by: "vllm",
        root: record.id,
        parent: null,
        max_model_len: record.contextTokens ?? null,
      })),
    }),
    malformed: () => vllmRefusal("[{'type': 'json_invalid', 'loc': ('body', 0), 'msg': 'JSON decode error'}]"),
    refusal,
    fault,
    headers: (requestId) => ({ "x-request-id": requestId }),
    other: (method, path, body, context) => {
      if (method === "GET" && path === "/health") return { body: "", type: "text/plain" };
      if (method === "GET" && path === "/version") return { body: { version: "0.32.0" } };
      if (method === "GET" && path === "/metrics") {
        return { body: metrics(cache, counted, context.running), type: "text/plain; version=0.0.4; charset=utf-8" };
      }
      if (method === "POST" && path === "/tokenize") return { body: tokenized(body()) };
      if (method === "POST" && path === "/reset_prefix_cache") {
        cache.clear();
        return { body: "", type: "text/plain" };
      }
      return undefined;
    },
    billed: (usage) => {
      counted.prompt += (usage.inputUncached ?? 0) + (usage.cacheRead ?? 0);
      counted.generated += usage.output ?? 0;
    },
    reset: () => cache.clear(),
  };
}

function refusal(refused: Refusal): JsonObject {
  if (refused.status === 401) return { error: refused.message };
  const { type, param } = refused.said;
  return {
    error: {
      message: refused.message,
      type: type ?? "BadRequestError",
      param: param ?? null,
      code: refused.status,
    },
  };
}

const FAULTS: Readonly<Record<number, readonly [message: string, type: string]>> = {
  400: ["The sandbox was told to refuse this.", "BadRequestError"],
  403: ["Forbidden", "PermissionDeniedError"],
  404: ["The model does not exist.", "NotFoundError"],
  413: ["Request entity too large", "RequestEntityTooLargeError"],
  429: ["Too many requests", "RateLimitError"],
  503: [
    "EngineDead: EngineCore encountered an issue. See stack trace (above) for the root cause.",
    "ServiceUnavailableError",
  ],
};

function fault(status: number, _kind: "plain" | "quota", retryAfterMs?: number): Refusal {
  if (status === 401) return new Refusal(401, "Unauthorized");
  const [message, type] = FAULTS[status] ?? ["Internal server error", "InternalServerError"];
  const headers =
    retryAfterMs === undefined ? {} : { headers: { "retry-after": String(Math.ceil(retryAfterMs / 1000)) } };
  return new Refusal(status, message, { type, ...headers });
}

function metrics(
  cache: VllmBlocks,
  counted: { readonly prompt: number; readonly generated: number },
  running: number,
): string {
  const lines: readonly (readonly [name: string, type: string, help: string, value: number])[] = [
    ["vllm:num_requests_running", "gauge", "Number of requests in model execution batches.", running],
    ["vllm:num_requests_waiting", "gauge", "Number of requests waiting to be processed.", 0],
    ["vllm:kv_cache_usage_perc", "gauge", "KV-cache usage. 1 means 100 percent usage.", cache.usage],
    [
      "vllm:prefix_cache_queries_total",
      "counter",
      "Prefix cache queries, in terms of number of queried tokens.",
      cache.queries,
    ],
    ["vllm:prefix_cache_hits_total", "counter", "Prefix cache hits, in terms of number of cached tokens.", cache.hits],
    ["vllm:prompt_tokens_total", "counter", "Number of prefill tokens processed.", counted.prompt],
    ["vllm:generation_tokens_total", "counter", "Number of generation tokens processed.", counted.generated],
  ];
  return lines
    .map(
      ([name, type, help, value]) =>
        `# HELP ${name} ${help}\n# TYPE ${name} ${type}\n${name}{engine="0",model_name="sandbox"} ${value}\n`,
    )
    .join("");
}

function tokenized(body: JsonObject): JsonObject {
  const text = typeof body["prompt"] === "string" ? body["prompt"] : JSON.stringify(body["messages"] ?? []);
  const count = countTokens(text);
  return { count, max_model_len: 262_144, tokens: tokensOf(text).map((_, index) => index), token_strs: null };
}

function completion(reading: VllmReading, reply: Reply, reportsCached: boolean): JsonObject {
  return {
    id: `chatcmpl-${reply.id}`,
    object: "chat.completion",
    created: reply.createdSeconds,
    model: reading.model,
    choices: reply.answers.map((answer, index) => ({
      index,
      message: {
        role: "assistant",
        content: answer.text === "" && answer.calls.length > 0 ? null : answer.text,
        refusal: null,
        annotations: null,
        audio: null,
        function_call: null,
        tool_calls: answer.calls.map((call, at) => ({
          id: callId(reply, index, at, reading.nineCharacterIds),
          type: "function",
          function: { name: call.name, arguments: call.argumentsText },
        })),
        reasoning: answer.thinkingTokens === 0 ? null : answer.thinking,
      },
      logprobs: null,
      ...finish(answer),
      token_ids: null,
    })),
    service_tier: null,
    system_fingerprint: null,
    usage: usageOf(reply, reportsCached),
    prompt_logprobs: null,
    prompt_token_ids: null,
    kv_transfer_params: null,
  };
}

function* frames(reading: VllmReading, reply: Reply, reportsCached: boolean): Iterable<Frame> {
  const envelope = {
    id: `chatcmpl-${reply.id}`,
    object: "chat.completion.chunk",
    created: reply.createdSeconds,
    model: reading.model,
  };
  let generated = 0;
  const chunk = (choices: JsonValue, tokens: number, usage?: JsonObject | null): Frame => {
    generated += tokens;
    const running = reading.countsOn ? partialUsage(reply, generated, reportsCached) : undefined;
    const said = usage === undefined ? running : usage;
    return data({ ...envelope, choices, ...(said === undefined ? {} : { usage: said }) }, tokens);
  };
  for (const [index, answer] of reply.answers.entries()) {
    const said = (delta: JsonObject, tokens: number) =>
      chunk([{ index, delta, logprobs: null, finish_reason: null }], tokens);
    yield said({ role: "assistant", content: "" }, 0);
    for (const reasoning of tokensOf(answer.thinking)) yield said({ reasoning }, 1);
    for (const content of tokensOf(answer.text)) yield said({ content }, 1);
    for (const [at, call] of answer.calls.entries()) {
      const id = callId(reply, index, at, reading.nineCharacterIds);
      yield said(
        { tool_calls: [{ id, type: "function", index: at, function: { name: call.name, arguments: "" } }] },
        countTokens(call.name) + 8,
      );
      for (const text of tokensOf(call.argumentsText)) {
        yield said({ tool_calls: [{ index: at, function: { arguments: text } }] }, 1);
      }
    }
    yield chunk([{ index, delta: { content: "" }, logprobs: null, ...finish(answer) }], 0);
  }
  if (reading.includesUsage) yield chunk([], 0, usageOf(reply, reportsCached));
  yield { text: "data: [DONE]\n\n", tokens: 0 };
}

function data(value: JsonObject, tokens: number = 0): Frame {
  return { text: `data: ${JSON.stringify(value)}\n\n`, tokens };
}

function callId(reply: Reply, choice: number, index: number, nine: boolean): string {
  const id = digest(reply.id, String(choice), String(index)).replaceAll(/[^A-Za-z0-9]/g, "0");
  return nine ? id.slice(0, 9) : `chatcmpl-tool-${id.slice(0, 16).toLowerCase()}`;
}

function finish(answer: Answer): JsonObject {
  switch (answer.finish) {
    case "length":
      return { finish_reason: "length", stop_reason: null };
    case "tool-calls":
      return { finish_reason: "tool_calls", stop_reason: null };
    case "stop-sequence":
      return { finish_reason: "stop", stop_reason: answer.stopSequence ?? null };
    case "stop":
    case "refusal":
      return { finish_reason: "stop", stop_reason: null };
  }
}

function usageOf(reply: Reply, reportsCached: boolean): JsonObject {
  const output = reply.answers.reduce((sum, answer) => sum + answer.outputTokens, 0);
  return partialUsage(reply, output, reportsCached);
}

function partialUsage(reply: Reply, output: number, reportsCached: boolean): JsonObject {
  const prompt = reply.bill.uncached + reply.bill.read;
  return {
    prompt_tokens: prompt,
    total_tokens: prompt + output,
    completion_tokens: output,
    prompt_tokens_details: reportsCached ? { cached_tokens: reply.bill.read } : null,
  };
}
