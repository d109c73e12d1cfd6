/** The answer of OpenAI's Responses API: its items, and the object that they stand in, at each state. */
import type { JsonObject, JsonValue } from "../../../src/chat.ts";
import type { Answer, Call } from "../answer.ts";
import { digest, identifier, tokensOf } from "../tokens.ts";
import type { ResponsesReading } from "./openai.responses.read.ts";
import { seal, type Thought } from "./openai.responses.thought.ts";
import { isObject, type Reply, stringOf } from "./wire.ts";

export type ResponseStatus = "queued" | "in_progress" | "completed" | "incomplete" | "failed" | "cancelled";

/** An item of the answer, and what it is made of. */
export type OutputPart =
  | { readonly kind: "reasoning"; readonly id: string; readonly summary: string; readonly tokens: number }
  | { readonly kind: "text" | "refusal"; readonly id: string; readonly text: string }
  | { readonly kind: "call"; readonly id: string; readonly call: Call; readonly index: number };

export function partsOf(reading: ResponsesReading, reply: Reply): OutputPart[] {
  const answer = reply.answers[0];
  if (answer === undefined) return [];
  const parts: OutputPart[] = [];
  if (answer.thinkingTokens > 0) {
    const summary = wantsSummary(reading) ? answer.thinking : "";
    parts.push({ kind: "reasoning", id: itemId(reply, "rs", 0), summary, tokens: answer.thinkingTokens });
  }
  // What ran into its cap while it thought says nothing at all; who has nothing to say says that.
  if (answer.text !== "" || (answer.calls.length === 0 && answer.finish !== "length")) {
    const kind = answer.finish === "refusal" ? "refusal" : "text";
    parts.push({ kind, id: itemId(reply, "msg", 0), text: answer.text });
  }
  for (const [index, call] of answer.calls.entries()) {
    const prefix = reading.callable(call.name)?.isCustom === true ? "ctc" : "fc";
    parts.push({ kind: "call", id: itemId(reply, prefix, index), call, index });
  }
  return parts;
}

/** What the reasoning item of an answer stands for. */
export function thoughtOf(answer: Answer): Thought {
  return { content: digest("thought", answer.thinking), tokens: answer.thinkingTokens };
}

function wantsSummary({ body }: ResponsesReading): boolean {
  return isObject(body["reasoning"]) && stringOf(body["reasoning"]["summary"]) !== undefined;
}

/** @param isWhole False: as it is announced, with nothing in it yet. */
export function itemOf(part: OutputPart, reading: ResponsesReading, reply: Reply, isWhole: boolean): JsonObject {
  const status = !isWhole ? "in_progress" : isCutIn(part, reading, reply) ? "incomplete" : "completed";
  switch (part.kind) {
    case "reasoning":
      return {
        id: part.id,
        type: "reasoning",
        ...sealed(part.id, reading, reply),
        summary: isWhole && part.summary !== "" ? [{ type: "summary_text", text: part.summary }] : [],
      };
    case "text":
    case "refusal":
      return {
        id: part.id,
        type: "message",
        status,
        content: isWhole ? [contentOf(part, reading)] : [],
        ...phaseOf(reading, reply),
        role: "assistant",
      };
    case "call":
      return callItem(part, reading, reply, status, isWhole);
  }
}

function sealed(id: string, reading: ResponsesReading, reply: Reply): JsonObject {
  const answer = reply.answers[0];
  if (answer === undefined || !reading.includes("reasoning.encrypted_content")) return {};
  return { encrypted_content: seal(reading.account, id, thoughtOf(answer)) };
}

/** Only the last item of an answer that ran into its cap is cut. */
function isCutIn(part: OutputPart, reading: ResponsesReading, reply: Reply): boolean {
  return reply.answers[0]?.finish === "length" && partsOf(reading, reply).at(-1)?.id === part.id;
}

export function contentOf(
  part: { readonly kind: "text" | "refusal"; readonly text: string },
  reading: ResponsesReading,
): JsonObject {
  return part.kind === "refusal"
    ? { type: "refusal", refusal: part.text }
    : { type: "output_text", annotations: [], logprobs: logprobsOf(reading, part.text), text: part.text };
}

export function logprobsOf(reading: ResponsesReading, text: string): JsonValue {
  if (!reading.includes("message.output_text.logprobs")) return [];
  return tokensOf(text).map((token) => ({ token, bytes: [...Buffer.from(token)], logprob: -0.01, top_logprobs: [] }));
}

/** The newest models say whether a message goes along with calls or is the answer. */
function phaseOf({ record }: ResponsesReading, reply: Reply): JsonObject {
  if (record.reasoning.kind === "none" || record.sampling !== "effort-none-only") return {};
  return { phase: (reply.answers[0]?.calls.length ?? 0) > 0 ? "commentary" : "final_answer" };
}

function callItem(
  { id, call, index }: Extract<OutputPart, { kind: "call" }>,
  reading: ResponsesReading,
  reply: Reply,
  status: string,
  isWhole: boolean,
): JsonObject {
  const tool = reading.callable(call.name);
  const namespace = tool?.namespace === undefined ? {} : { namespace: tool.namespace };
  const call_id = `call_${identifier(reply.id, "call", String(index))}`;
  if (tool?.isCustom === true)
    return {
      id,
      type: "custom_tool_call",
      status,
      call_id,
      input: isWhole ? inputOf(call) : "",
      name: call.name,
      ...namespace,
    };
  return {
    id,
    type: "function_call",
    status,
    arguments: isWhole ? call.argumentsText : "",
    call_id,
    name: call.name,
    ...namespace,
  };
}

/** The text a custom tool is called with: what was made for it is a JSON string. */
export function inputOf({ argumentsText }: Call): string {
  try {
    const value: unknown = JSON.parse(argumentsText);
    return typeof value === "string" ? value : argumentsText;
  } catch {
    return argumentsText;
  }
}

export function responseId(reply: Reply): string {
  return `resp_${hex(reply.id, "response")}`;
}

function itemId(reply: Reply, prefix: string, index: number): string {
  return `${prefix}_${hex(reply.id, prefix, String(index))}`;
}

function hex(...parts: readonly string[]): string {
  return Buffer.from(digest(...parts))
    .toString("hex")
    .slice(0, 50);
}

/** The response, whole or on its way. */
export function responseOf(reading: ResponsesReading, reply: Reply, status: ResponseStatus): JsonObject {
  const { body, record } = reading;
  const isOver = status === "completed" || status === "incomplete";
  const reasons = record.reasoning.kind !== "none";
  const asked = isObject(body["reasoning"]) ? body["reasoning"] : {};
  const text = isObject(body["text"]) ? body["text"] : {};
  return {
    id: responseId(reply),
    object: "response",
    created_at: reply.createdSeconds,
    status,
    background: body["background"] === true,
    completed_at: status === "completed" ? Math.floor(reply.nowMs() / 1000) : null,
    error: null,
    frequency_penalty: 0,
    incomplete_details: status === "incomplete" ? { reason: "max_output_tokens" } : null,
    instructions: body["instructions"] ?? null,
    max_output_tokens: body["max_output_tokens"] ?? null,
    max_tool_calls: body["max_tool_calls"] ?? null,
    model: String(body["model"]),
    moderation: null,
    output: isOver ? partsOf(reading, reply).map((part) => itemOf(part, reading, reply, true)) : [],
    parallel_tool_calls: body["parallel_tool_calls"] !== false,
    presence_penalty: 0,
    previous_response_id: body["previous_response_id"] ?? null,
    prompt_cache_key: body["prompt_cache_key"] ?? null,
    ...cacheEcho(reading),
    reasoning: {
      context: reasons ? reading.context : null,
      effort: reading.effort ?? null,
      ...(reasons ? { mode: asked["mode"] ?? "standard" } : {}),
      summary: summaryEcho(asked["summary"]),
    },
    safety_identifier: body["safety_identifier"] ?? null,
    service_tier: isOver ? reading.serviceTier : String(body["service_tier"] ?? "auto"),
    store: body["store"] !== false,
    temperature: body["temperature"] ?? 1,
    text: { format: reading.format, verbosity: text["verbosity"] ?? "medium" },
    tool_choice: body["tool_choice"] ?? "auto",
    tools: reading.tools.echoed,
    top_logprobs: body["top_logprobs"] ?? 0,
    top_p: body["top_p"] ?? (record.sampling === "effort-none-only" ? 0.98 : 1),
    truncation: body["truncation"] ?? "disabled",
    usage: isOver ? usageOf(reading, reply) : null,
    user: body["user"] ?? null,
    metadata: body["metadata"] ?? {},
  };
}

function summaryEcho(summary: JsonValue | undefined): JsonValue {
  // "auto" is the most that the model gives.
  return summary === "auto" ? "detailed" : (summary ?? null);
}

function cacheEcho({ wish, record, body }: ResponsesReading): JsonObject {
  const { cache } = record;
  const keepsADay = cache.kind === "marks" || (cache.kind === "automatic" && cache.idleSeconds >= 86_400);
  const options = isObject(body["prompt_cache_options"]) ? body["prompt_cache_options"] : undefined;
  const asksToCompare = stringOf(options?.["comparison_response_id"]) !== undefined;
  return {
    prompt_cache_retention: wish.retention ?? (keepsADay ? "24h" : "in_memory"),
    ...(options === undefined ? {} : { prompt_cache_options: { mode: wish.mode, ttl: options["ttl"] ?? "30m" } }),
    // Two prompts are not compared here.
    ...(asksToCompare ? { prompt_cache_diagnostics: { type: "unavailable" } } : {}),
  };
}

export function usageOf(reading: ResponsesReading, { bill, answers }: Reply): JsonObject {
  const input = bill.uncached + bill.read + bill.writeOther;
  const output = answers.reduce((sum, answer) => sum + answer.outputTokens, 0);
  return {
    input_tokens: input,
    input_tokens_details: {
      cached_tokens: bill.read,
      cache_write_tokens: bill.writeOther,
      ...(bill.writeOther === 0 ? {} : { cache_write_tokens_details: lifetimes(reading, bill.writeOther) }),
    },
    output_tokens: output,
    output_tokens_details: { reasoning_tokens: answers.reduce((sum, answer) => sum + answer.thinkingTokens, 0) },
    total_tokens: input + output,
  };
}

/** Split where one lifetime is meant for all that was written; a part's own is counted with the request's. */
function lifetimes({ wish }: ResponsesReading, written: number): JsonObject {
  const isLong = (wish.ttlSeconds ?? 0) > 1800;
  return { ttl_30m_tokens: isLong ? 0 : written, ttl_12h_tokens: isLong ? written : 0 };
}
