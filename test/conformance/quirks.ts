/**
 * What a gateway may change in a request on its way to a provider of the client's own dialect, as the providers document it: the
 * model's name, asking for usage in a stream, and per provider the fields that it refuses or calls by another name.
 */
import { differences, type Difference } from "./difference.ts";
import type { Json } from "./material.ts";

export interface Changes {
  /** What happened to the request beyond its model's name and the question for usage. */
  readonly quirks: readonly Difference[];
  /** Those of them that no document of the provider asks for. */
  readonly unasked: readonly Difference[];
}

/** @param client What the client sent, under the model id that the provider knows. */
export function changesOf(provider: string, client: Json, upstream: Json): Changes {
  const quirks = differences(client, upstream).filter((difference) => !asksForUsage(difference, client));
  const documented = DOCUMENTED[provider] ?? DOCUMENTED_ELSEWHERE;
  return {
    quirks,
    unasked: quirks.filter(({ path }) => !documented.some((pattern) => pattern.test(path))),
  };
}

function asksForUsage({ path, before, after }: Difference, client: Json): boolean {
  if (client["stream"] !== true) return false;
  if (path === "stream_options.include_usage") return after === true;
  return path === "stream_options" && before === undefined && JSON.stringify(after) === '{"include_usage":true}';
}

const DOCUMENTED_ELSEWHERE: readonly RegExp[] = [];

const DOCUMENTED: Readonly<Record<string, readonly RegExp[]>> = {
  // Reasoning models: "Unsupported parameter: 'max_tokens'", and no function tools beside an effort on this surface.
  openai: [/^max_tokens$/, /^max_completion_tokens$/, /^reasoning_effort$/],
  anthropic: [],
  // A schema without additional properties, other names for some, ids of nine characters.
  mistral: [
    /^(seed|random_seed|max_tokens|max_completion_tokens|tool_choice|temperature|reasoning_effort)$/,
    /^(stream_options|user|safety_identifier|store|prompt_cache_options|prompt_cache_retention|service_tier)$/,
    /^(logit_bias|logprobs|top_logprobs|verbosity|modalities|audio|web_search_options|functions|function_call)$/,
    /^messages\[\d+\]\.(role|name|refusal|annotations|audio|function_call|reasoning|reasoning_content|tool_call_id)$/,
    /^messages\[\d+\]\.tool_calls\[\d+\]\.id$/,
    /^messages\[\d+\]\.content(\[\d+\].*)?$/,
  ],
  // A template that knows only `system`.
  vllm: [/^messages\[\d+\]\.role$/],
};
