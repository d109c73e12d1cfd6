/** What a loss is called that only the client's dialect knows: by the field's own name where an official client has such a field. */

/**
 * The word for a member of a request, of one of its tools, messages or parts.
 *
 * A metric label, so never a client's own key: what no official client sends is `unknown-field`, and the loss's path tells which.
 */
export function fieldWord(key: string): string {
  return KNOWN.has(key) ? key : UNKNOWN_FIELD;
}

export const UNKNOWN_FIELD = "unknown-field";

const REQUEST_FIELDS: readonly string[] = [
  // Chat Completions
  "audio",
  "function_call",
  "functions",
  "logit_bias",
  "modalities",
  "moderation",
  "prediction",
  "prompt_cache_options",
  "prompt_cache_retention",
  "store",
  "stream_options",
  "tool_choice",
  "top_logprobs",
  "user",
  "web_search_options",
  // Responses
  "access_programs",
  "background",
  "context_management",
  "conversation",
  "include",
  "max_tool_calls",
  "previous_response_id",
  "prompt",
  "reasoning",
  "text",
  "truncation",
  // Messages
  "container",
  "diagnostics",
  "fallbacks",
  "inference_geo",
  "mcp_servers",
  "output_config",
  "output_format",
  "speed",
  "thinking",
  "thread",
  // Mistral
  "guardrails",
  "prompt_mode",
  "safe_prompt",
  // Ollama
  "context",
  "keep_alive",
  "options",
  "raw",
  "shift",
  "suffix",
  "template",
  "truncate",
  // Servers of open models, by way of OpenAI's client
  "cache_salt",
  "chat_template_kwargs",
  "ignore_eos",
  "min_p",
  "min_tokens",
  "priority",
  "prompt_logprobs",
  "repetition_penalty",
  "response_format",
  "stop_token_ids",
  "structured_outputs",
  "thinking_token_budget",
  "truncate_prompt_tokens",
  // Embeddings
  "encoding_format",
  "metadata",
];

const INNER_FIELDS: readonly string[] = [
  // Of tools
  "allowed_callers",
  "defer_loading",
  "eager_input_streaming",
  "input_examples",
  "output_schema",
  // Of messages and what they hold
  "annotations",
  "caller",
  "citations",
  "custom",
  "file",
  "filename",
  "image_url",
  "input_audio",
  "name",
  "namespace",
  "phase",
  "prefix",
  "prompt_cache_breakpoint",
  "provider_metadata",
  "reasoning_content",
  "reasoning_details",
  "refusal",
  "source",
  "title",
  "tool_name",
];

const KNOWN: ReadonlySet<string> = new Set([...REQUEST_FIELDS, ...INNER_FIELDS]);
