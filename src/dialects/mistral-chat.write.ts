/**
 * Writes the canonical reading as a request that Mistral takes as it is: its schema knows no field but its own. Same request, same
 * bytes; what finds no word is a loss.
 */
import type { ChatRequest, JsonObject, Loss, ToolChoice } from "../chat.ts";
import type { ModelRecord } from "../model.ts";
import type { WriteOptions } from "./dialect.ts";
import { fieldWord } from "./field-words.ts";
import { withJsonWord } from "./json-object.ts";
import { isHostedElsewhere, writeTools } from "./mistral-chat.tools.ts";
import { writeMessages } from "./mistral-chat.turns.ts";
import { NAME } from "./mistral-chat.words.ts";
import type { Lose } from "./mistral-chat.write-parts.ts";
import { takesKey } from "./openai-chat.marks.ts";
import { writeEffort } from "./openai-chat.reasoning.ts";
import { schemaFormat } from "./openai-chat.schema.ts";
import { saysNothing } from "./refused.ts";

export function writeRequest(said: ChatRequest, options: WriteOptions, losses: Loss[]): JsonObject {
  const { record } = options;
  // On the lane of its own dialect this is the provider's to say.
  if (said.messages.length === 0) {
    throw saysNothing();
  }
  const lose = (field: string, path?: string) => void losses.push(path === undefined ? { field } : { field, path });
  const own = said.dialect === NAME;
  const request = own ? said : withJsonWord(said, losses);
  const tools = writeTools(request, lose);
  const thinks = record !== undefined && record.reasoning.kind !== "none";
  if (!own) for (const key of Object.keys(request.extra)) lose(fieldWord(key), key);
  return {
    model: options.model,
    messages: writeMessages(request, record?.prefill ?? true, { dialect: request.dialect, thinks, lose }),
    ...(tools.length === 0 ? {} : { tools }),
    ...writeChoice(request, tools.length > 0, record, lose),
    ...(request.parallelToolCalls === undefined || (tools.length === 0 && !own)
      ? {}
      : { parallel_tool_calls: request.parallelToolCalls }),
    ...writeFormat(request, lose),
    ...writeReasoning(request, record, lose),
    ...writeMaxTokens(request, record, lose),
    ...writeStop(request),
    ...writeSampling(request, record, lose),
    ...writeAlternatives(request, lose),
    ...writeCaller(request, record, lose),
    ...(own ? { ...request.extra, ...request.envelope } : {}),
    ...(request.stream ? { stream: true } : {}),
  };
}

// ---- Tools

function writeChoice(request: ChatRequest, hasTools: boolean, record: ModelRecord | undefined, lose: Lose): JsonObject {
  const { toolChoice, dialect } = request;
  if (toolChoice === undefined) return {};
  const forces =
    toolChoice.type === "required" ||
    toolChoice.type === "named" ||
    (toolChoice.type === "subset" && toolChoice.mode === "required");
  const isGone = toolChoice.type === "named" && isHostedElsewhere(request, toolChoice.name);
  if ((!hasTools && dialect !== NAME) || isGone) {
    if (forces) lose("tool_choice", "tool_choice");
    return {};
  }
  if (forces && record?.forcedTools === false) {
    lose("tool_choice", "tool_choice");
    return { tool_choice: "auto" };
  }
  return { tool_choice: choiceValue(toolChoice, lose) };
}

function choiceValue(choice: ToolChoice, lose: Lose): string | JsonObject {
  switch (choice.type) {
    case "none":
    case "auto":
      return choice.type;
    case "required":
      return "any";
    case "named":
      return { type: "function", function: { name: choice.name } };
    case "subset":
      // Some of the tools cannot be named: the mode stays.
      lose("tool_choice", "tool_choice");
      return choice.mode === "required" ? "any" : "auto";
  }
}

// ---- What shapes the output

/** Another dialect's format is strict where it does not say so. */
function writeFormat({ responseFormat, dialect }: ChatRequest, lose: Lose): JsonObject {
  const own = dialect === NAME;
  switch (responseFormat?.type) {
    case undefined:
      return {};
    case "text":
      return own ? { response_format: { type: "text" } } : {};
    case "json-object":
      return { response_format: { type: "json_object" } };
    case "json-schema": {
      const format = own ? responseFormat : { ...responseFormat, strict: responseFormat.strict ?? true };
      // That strictness would ask something of a schema is not known of this API.
      return { response_format: { type: "json_schema", json_schema: schemaFormat(format, true, lose) } };
    }
  }
}

function writeReasoning(request: ChatRequest, record: ModelRecord | undefined, lose: Lose): JsonObject {
  const own = request.dialect === NAME;
  // The mode that switched it on goes back as it came.
  const said = own
    ? request.reasoning?.effort
    : writeEffort(request, record, { own, callsFunctions: false }, lose).said;
  return said === undefined ? {} : { reasoning_effort: said };
}

/** Nothing to generate (a prompt that is only to be cached) has no word here: the least there is. */
function writeMaxTokens(
  { maxOutputTokens, dialect }: ChatRequest,
  record: ModelRecord | undefined,
  lose: Lose,
): JsonObject {
  if (maxOutputTokens === undefined) return {};
  if (dialect === NAME) return { max_tokens: maxOutputTokens };
  if (maxOutputTokens < 1) lose("max_tokens", "max_tokens");
  const most = record?.maxOutputTokens ?? Number.POSITIVE_INFINITY;
  return { max_tokens: Math.max(1, Math.min(maxOutputTokens, most)) };
}

function writeStop({ stop }: ChatRequest): JsonObject {
  const said = (stop ?? []).filter((sequence) => sequence !== "");
  return said.length === 0 ? {} : { stop: said };
}

/** Mistral's own bound, for models that no table knows. */
const TEMPERATURE_MAX = 1.5;

function writeSampling(request: ChatRequest, record: ModelRecord | undefined, lose: Lose): JsonObject {
  const { temperature, topP, topK, seed, frequencyPenalty, presencePenalty, verbosity, dialect } = request;
  const own = dialect === NAME;
  const highest = record?.temperatureMax ?? TEMPERATURE_MAX;
  if (!own && temperature !== undefined && temperature > highest) lose("temperature", "temperature");
  if (topK !== undefined) lose("top_k", "top_k");
  if (verbosity !== undefined) lose("verbosity", "verbosity");
  // "top_p must be 1 when using greedy sampling": it would change nothing there.
  const isGreedy = !own && temperature === 0;
  return {
    ...(temperature === undefined ? {} : { temperature: own ? temperature : Math.min(temperature, highest) }),
    ...(topP === undefined || isGreedy ? {} : { top_p: topP }),
    ...(frequencyPenalty === undefined ? {} : { frequency_penalty: frequencyPenalty }),
    ...(presencePenalty === undefined ? {} : { presence_penalty: presencePenalty }),
    ...(seed === undefined ? {} : { random_seed: seed }),
  };
}

/** Probabilities are in no answer that crosses dialects: they are asked for where they can be told. */
function writeAlternatives({ choices, logprobs, dialect }: ChatRequest, lose: Lose): JsonObject {
  const many = choices === undefined ? {} : { n: choices };
  if (logprobs === undefined) return many;
  if (dialect !== NAME) {
    lose("logprobs", "logprobs");
    return many;
  }
  return { ...many, logprobs: true, ...(logprobs.top === undefined ? {} : { top_logprobs: logprobs.top }) };
}

// ---- What goes along

const SERVICE_TIERS: ReadonlyMap<string, string> = new Map(
  Object.entries<string>({
    auto: "auto",
    standard_only: "standard_only",
    default: "standard_only",
  }),
);

function writeCaller(request: ChatRequest, record: ModelRecord | undefined, lose: Lose): JsonObject {
  const { endUser, metadata, serviceTier, promptCacheKey, dialect } = request;
  const own = dialect === NAME;
  if (endUser !== undefined) lose("user", "user");
  const tier = serviceTier === undefined || own ? serviceTier : SERVICE_TIERS.get(serviceTier);
  if (serviceTier !== undefined && tier === undefined) lose("service_tier", "service_tier");
  const takesCacheKey = own || takesKey(record);
  return {
    ...(metadata === undefined || (!own && Object.keys(metadata).length === 0) ? {} : { metadata }),
    ...(tier === undefined ? {} : { service_tier: tier }),
    ...(promptCacheKey === undefined || !takesCacheKey ? {} : { prompt_cache_key: promptCacheKey }),
  };
}
