/** What the answers of each dialect can say, one thing at a time: whole, as their servers send them. */
import type { DialectName, JsonObject, JsonValue } from "../../src/chat.ts";
import { instead, mark, type Said } from "./said.ts";

export const answersSaid: Readonly<Record<DialectName, readonly Said[]>> = {
  "openai-chat": openaiChat(),
  "openai-responses": openaiResponses(),
  "anthropic-messages": anthropicMessages(),
  "mistral-chat": mistralChat(),
  "ollama-chat": ollamaChat(),
};

function openaiChat(): Said[] {
  const usage = { prompt_tokens: 40, completion_tokens: 7, total_tokens: 47 };
  const answer = (message: JsonObject, choice: JsonObject = {}, given: JsonObject = {}): JsonObject => ({
    id: "chatcmpl-1",
    object: "chat.completion",
    created: 1_763_800_000,
    model: "gpt",
    choices: [
      { index: 0, message: { role: "assistant", content: "Hi", ...message }, finish_reason: "stop", ...choice },
    ],
    usage,
    ...given,
  });
  const said = (what: string, ...given: Parameters<typeof answer>) => instead(what, answer({}), answer(...given));
  const call = { id: "call_1", type: "function", function: { name: "weather", arguments: '{"city":"Rome"}' } };
  const custom = { id: "call_1", type: "custom", custom: { name: "sql", input: mark("input") } };
  const second = { index: 1, message: { role: "assistant", content: mark("second") }, finish_reason: "stop" };
  return [
    said("content", { content: mark("text") }),
    said("tool_calls", { tool_calls: [call] }, { finish_reason: "tool_calls" }),
    said("tool_calls: custom", { tool_calls: [custom] }, { finish_reason: "tool_calls" }),
    said("function_call", { function_call: call.function }, { finish_reason: "function_call" }),
    said("refusal", { content: null, refusal: mark("refusal") }),
    said("reasoning_content", { reasoning_content: mark("thought") }),
    said("reasoning_details (sealed)", {
      reasoning_details: [{ type: "reasoning.encrypted", data: mark("sealed"), format: "openai-responses-v1" }],
    }),
    said("annotations", { annotations: [{ type: "url_citation", url_citation: { url: mark("cited") } }] }),
    said("audio", { audio: { id: mark("audio"), data: "AA==", transcript: "Hi" } }),
    said("images", { images: [{ type: "image_url", image_url: { url: mark("image") } }] }),
    said("logprobs", {}, { logprobs: { content: [{ token: mark("token"), logprob: -1 }] } }),
    instead("choices: a second one", answer({}), {
      ...answer({}),
      choices: [...(answer({})["choices"] as readonly JsonValue[]), second],
    }),
    ...["length", "content_filter"].map((reason) => said(`finish_reason: ${reason}`, {}, { finish_reason: reason })),
    said("moderation", {}, {}, { moderation: { flagged: true, why: mark("moderation") } }),
    said("service_tier: priority", {}, {}, { service_tier: "priority" }),
    said("service_tier: default", {}, {}, { service_tier: "default" }),
    said("system_fingerprint", {}, {}, { system_fingerprint: mark("fingerprint") }),
    ...Object.entries(usageDetails()).map(([what, details]) =>
      said(`usage: ${what}`, {}, {}, { usage: { ...usage, ...details } }),
    ),
  ];
}

function usageDetails(): Readonly<Record<string, JsonObject>> {
  return {
    cached_tokens: { prompt_tokens_details: { cached_tokens: 11 } },
    cache_write_tokens: { prompt_tokens_details: { cache_write_tokens: 11 } },
    reasoning_tokens: { completion_tokens_details: { reasoning_tokens: 3 } },
    audio_tokens: { prompt_tokens_details: { audio_tokens: 3 } },
    accepted_prediction_tokens: { completion_tokens_details: { accepted_prediction_tokens: 3 } },
  };
}

function openaiResponses(): Said[] {
  const usage = { input_tokens: 40, output_tokens: 7, total_tokens: 47 };
  const message = (part: JsonObject = {}, item: JsonObject = {}): JsonObject => ({
    type: "message",
    id: "msg_1",
    status: "completed",
    role: "assistant",
    content: [{ type: "output_text", text: "Hi", annotations: [], ...part }],
    ...item,
  });
  const answer = (output: readonly JsonValue[], given: JsonObject = {}): JsonObject => ({
    id: "resp_1",
    object: "response",
    created_at: 1_763_800_000,
    status: "completed",
    model: "gpt",
    output,
    usage,
    ...given,
  });
  const said = (what: string, output: readonly JsonValue[], given: JsonObject = {}) =>
    instead(what, answer([message()]), answer(output, given));
  const call = { type: "function_call", id: "fc_1", call_id: "call_1", name: "weather", arguments: "{}" };
  const custom = { type: "custom_tool_call", id: "ctc_1", call_id: "call_1", name: "sql", input: mark("input") };
  const thought = { type: "reasoning", id: "rs_1", summary: [{ type: "summary_text", text: mark("thought") }] };
  const cut = (reason: string) => ({ status: "incomplete", incomplete_details: { reason } });
  return [
    said("output_text", [message({ text: mark("text") })]),
    said("refusal", [message({}, { content: [{ type: "refusal", refusal: mark("refusal") }] })]),
    said("function_call", [message(), call]),
    said("function_call: namespace", [message(), { ...call, namespace: mark("space") }]),
    said("custom_tool_call", [message(), custom]),
    said("reasoning", [thought, message()]),
    said("reasoning.encrypted_content", [{ ...thought, encrypted_content: mark("sealed") }, message()]),
    said("annotations", [message({ annotations: [{ type: "url_citation", url: mark("cited") }] })]),
    said("logprobs", [message({ logprobs: [{ token: mark("token"), logprob: -1 }] })]),
    said("phase of a message", [message({}, { phase: mark("phase") })]),
    ...["web_search_call", "code_interpreter_call", "image_generation_call", "mcp_call", "compaction"].map((type) =>
      said(type, [{ type, id: mark(type.replaceAll("_", "-")), status: "completed" }, message()]),
    ),
    said("incomplete: max_output_tokens", [message()], cut("max_output_tokens")),
    said("incomplete: content_filter", [message()], cut("content_filter")),
    said("service_tier: priority", [message()], { service_tier: "priority" }),
    said("usage: cached_tokens", [message()], { usage: { ...usage, input_tokens_details: { cached_tokens: 11 } } }),
    said("usage: cache_write_tokens", [message()], {
      usage: { ...usage, input_tokens_details: { cache_write_tokens: 11 } },
    }),
    said("usage: reasoning_tokens", [message()], {
      usage: { ...usage, output_tokens_details: { reasoning_tokens: 3 } },
    }),
  ];
}

function anthropicMessages(): Said[] {
  const usage = { input_tokens: 40, output_tokens: 7 };
  const text = { type: "text", text: "Hi" };
  const answer = (content: readonly JsonValue[], given: JsonObject = {}): JsonObject => ({
    id: "msg_1",
    type: "message",
    role: "assistant",
    model: "claude",
    content,
    stop_reason: "end_turn",
    stop_sequence: null,
    usage,
    ...given,
  });
  const said = (what: string, content: readonly JsonValue[], given: JsonObject = {}) =>
    instead(what, answer([text]), answer(content, given));
  const use = { type: "tool_use", id: "toolu_1", name: "weather", input: { city: "Rome" } };
  const served = { type: "server_tool_use", id: "srvtoolu_1", name: "web_search", input: { query: mark("query") } };
  const found = { type: "web_search_tool_result", tool_use_id: "srvtoolu_1", content: [{ url: mark("found") }] };
  return [
    said("text", [{ ...text, text: mark("text") }]),
    said("text.citations", [{ ...text, citations: [{ type: "char_location", cited_text: mark("cited") }] }]),
    said("thinking", [{ type: "thinking", thinking: mark("thought"), signature: "" }, text]),
    said("thinking.signature", [{ type: "thinking", thinking: "Hm", signature: mark("signature") }, text]),
    said("redacted_thinking", [{ type: "redacted_thinking", data: mark("redacted") }, text]),
    said("tool_use", [text, use], { stop_reason: "tool_use" }),
    said("tool_use.caller", [text, { ...use, caller: { type: mark("caller") } }], { stop_reason: "tool_use" }),
    said("server_tool_use and its result", [served, found, text]),
    said("container_upload", [text, { type: "container_upload", file_id: mark("file") }]),
    ...["max_tokens", "model_context_window_exceeded", "refusal", "pause_turn"].map((reason) =>
      said(`stop_reason: ${reason}`, [text], { stop_reason: reason }),
    ),
    said("stop_sequence", [text], { stop_reason: "stop_sequence", stop_sequence: mark("stop") }),
    said("stop_details", [text], {
      stop_reason: "refusal",
      stop_details: { type: "refusal", category: mark("category") },
    }),
    said("container", [text], { container: { id: mark("container"), expires_at: "2026-11-25T00:00:00Z" } }),
    said("context_management", [text], { context_management: { applied_edits: [{ type: mark("edit") }] } }),
    said("usage: cache_read_input_tokens", [text], { usage: { ...usage, cache_read_input_tokens: 11 } }),
    said("usage: cache_creation_input_tokens", [text], { usage: { ...usage, cache_creation_input_tokens: 11 } }),
    said("usage: cache_creation by lifetime", [text], {
      usage: {
        ...usage,
        cache_creation_input_tokens: 11,
        cache_creation: { ephemeral_5m_input_tokens: 5, ephemeral_1h_input_tokens: 6 },
      },
    }),
    said("usage: server_tool_use", [text], { usage: { ...usage, server_tool_use: { web_search_requests: 3 } } }),
    said("usage: service_tier", [text], { usage: { ...usage, service_tier: "priority" } }),
  ];
}

function mistralChat(): Said[] {
  const answer = (message: JsonObject, choice: JsonObject = {}, given: JsonObject = {}): JsonObject => ({
    id: "a1",
    object: "chat.completion",
    created: 1_763_800_000,
    model: "mistral",
    choices: [
      { index: 0, message: { role: "assistant", content: "Hi", ...message }, finish_reason: "stop", ...choice },
    ],
    usage: { prompt_tokens: 40, completion_tokens: 7, total_tokens: 47 },
    ...given,
  });
  const said = (what: string, ...given: Parameters<typeof answer>) => instead(what, answer({}), answer(...given));
  const call = { id: "abcdefghi", function: { name: "weather", arguments: '{"city":"Rome"}' } };
  const thinking = { type: "thinking", thinking: [{ type: "text", text: mark("thought") }] };
  const text = { type: "text", text: "Hi" };
  return [
    said("content", { content: mark("text") }),
    said("content: thinking", { content: [thinking, text] }),
    said("content: thinking.signature", { content: [{ ...thinking, signature: mark("signature") }, text] }),
    said("content: reference", { content: [text, { type: "reference", reference_ids: [mark("reference")] }] }),
    said("tool_calls", { tool_calls: [call] }, { finish_reason: "tool_calls" }),
    ...["length", "model_length"].map((reason) => said(`finish_reason: ${reason}`, {}, { finish_reason: reason })),
    said("logprobs", {}, { logprobs: { content: [{ token: mark("token"), logprob: -1 }] } }),
    said(
      "usage: num_cached_tokens",
      {},
      {},
      {
        usage: { prompt_tokens: 40, completion_tokens: 7, total_tokens: 47, num_cached_tokens: 11 },
      },
    ),
    said(
      "usage: prompt_audio_seconds",
      {},
      {},
      {
        usage: { prompt_tokens: 40, completion_tokens: 7, total_tokens: 47, prompt_audio_seconds: 3 },
      },
    ),
  ];
}

function ollamaChat(): Said[] {
  const answer = (message: JsonObject, given: JsonObject = {}): JsonObject => ({
    model: "qwen",
    created_at: "2026-11-22T12:00:00Z",
    message: { role: "assistant", content: "Hi", ...message },
    done: true,
    done_reason: "stop",
    prompt_eval_count: 40,
    eval_count: 7,
    ...given,
  });
  const said = (what: string, ...given: Parameters<typeof answer>) => instead(what, answer({}), answer(...given));
  return [
    said("content", { content: mark("text") }),
    said("thinking", { thinking: mark("thought") }),
    said("tool_calls", { tool_calls: [{ function: { name: "weather", arguments: { city: mark("city") } } }] }),
    said("done_reason: length", {}, { done_reason: "length" }),
    said("logprobs", {}, { logprobs: [{ token: mark("token"), logprob: -1 }] }),
    said("image", {}, { image: mark("image") }),
    said("durations", {}, { total_duration: 123_456_789, eval_duration: 12_345_678 }),
    said("prompt_eval_cached_count", {}, { prompt_eval_cached_count: 11 }),
  ];
}
