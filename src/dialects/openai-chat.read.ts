/**
 * Reads a Chat Completions request. Tolerant of what it does not know, plain about what cannot be.
 */
import type { ChatRequest, JsonObject, JsonValue, ResponseFormat, Tool, ToolChoice } from "../chat.ts";
import type { Ability } from "../model.ts";
import { defined, isBoolean, isCount, isNumber, isString, member, optional } from "./openai-chat.fields.ts";
import { readMessages } from "./openai-chat.messages.ts";

import { readFunctionCall, readFunctions, readToolChoice, readTools } from "./openai-chat.tools.ts";
import { isArray, isObject, NAME, textOf, without } from "./openai-chat.words.ts";
import { invalid, told } from "./refused.ts";

export function readRequest(body: JsonObject): ChatRequest {
  const format = readFormat(body["response_format"]);
  const toolChoice = readChoice(body);
  const topLogprobs = optional(body, "top_logprobs", "a whole number", isCount);
  const logprobs = optional(body, "logprobs", "true or false", isBoolean) === true;
  const maxTokens = optional(body, "max_tokens", "a whole number of 0 or more", isCount);
  const user = optional(body, "user", "text", isString);
  const safetyIdentifier = optional(body, "safety_identifier", "text", isString);
  const effort = optional(body, "reasoning_effort", "text", isString);
  const tools = [...readTools(body["tools"]), ...readFunctions(body["functions"])];
  const abilities = abilitiesOf(body, tools);
  const streamOptions = optional(body, "stream_options", "an object", isObject);
  return {
    dialect: NAME,
    model: readModel(body["model"]),
    stream: optional(body, "stream", "true or false", isBoolean) ?? false,
    wantsStreamUsage: streamOptions?.["include_usage"] === true,
    messages: readMessages(body["messages"]),
    tools,
    ...defined({
      toolChoice,
      parallelToolCalls: optional(body, "parallel_tool_calls", "true or false", isBoolean),
      maxOutputTokens: optional(body, "max_completion_tokens", "a whole number of 0 or more", isCount) ?? maxTokens,
      temperature: optional(body, "temperature", "a number", isNumber),
      topP: optional(body, "top_p", "a number", isNumber),
      topK: optional(body, "top_k", "a number", isNumber),
      stop: readStop(body["stop"]),
      seed: optional(body, "seed", "a number", isNumber),
      frequencyPenalty: optional(body, "frequency_penalty", "a number", isNumber),
      presencePenalty: optional(body, "presence_penalty", "a number", isNumber),
      responseFormat: format,
      reasoning: effort === undefined ? undefined : { effort },
      verbosity: optional(body, "verbosity", "text", isString),
      endUser: safetyIdentifier ?? user,
      metadata: optional(body, "metadata", "an object", isObject),
      serviceTier: optional(body, "service_tier", "text", isString),
      saysCaching: isObject(body["prompt_cache_options"]) ? true : undefined,
      promptCacheKey: optional(body, "prompt_cache_key", "text", isString),
      choices: optional(body, "n", "a whole number", isCount),
      logprobs: logprobs ? defined({ top: topLogprobs }) : undefined,
      abilities: abilities.length === 0 ? undefined : abilities,
    }),
    extra: {
      ...without(body, READ_FIELDS),
      ...member("stream_options", streamOptions === undefined ? undefined : without(streamOptions, ["include_usage"])),
      ...member("response_format", format === undefined ? body["response_format"] : undefined),
      ...member("tool_choice", toolChoice === undefined ? body["tool_choice"] : undefined),
      ...member("top_logprobs", logprobs ? undefined : topLogprobs),
      ...member("user", safetyIdentifier === undefined || safetyIdentifier === user ? undefined : user),
    },
  };
}

const READ_FIELDS: readonly string[] = [
  "model",
  "messages",
  "stream",
  "stream_options",
  "tools",
  "functions",
  "tool_choice",
  "function_call",
  "parallel_tool_calls",
  "max_completion_tokens",
  "max_tokens",
  "temperature",
  "top_p",
  "top_k",
  "stop",
  "seed",
  "frequency_penalty",
  "presence_penalty",
  "response_format",
  "reasoning_effort",
  "verbosity",
  "user",
  "safety_identifier",
  "metadata",
  "service_tier",
  "prompt_cache_key",
  "n",
  "logprobs",
  "top_logprobs",
];

function readModel(value: JsonValue | undefined): string {
  if (typeof value === "string" && value !== "") return value;
  throw invalid("model", `\`model\` is ${told(value)}; name the model to use, as text`);
}

function readChoice(body: JsonObject): ToolChoice | undefined {
  const choice = body["tool_choice"] ?? undefined;
  if (choice !== undefined) return readToolChoice(choice);
  const legacy = body["function_call"] ?? undefined;
  return legacy === undefined ? undefined : readFunctionCall(legacy);
}

function readStop(value: JsonValue | undefined): readonly string[] | undefined {
  if (value === undefined || value === null) return undefined;
  if (typeof value === "string") return [value];
  if (isArray(value) && value.every(isString)) return value.length === 0 ? undefined : value;
  throw invalid("stop", `\`stop\` is ${told(value)}; text or an array of text is expected`);
}

/** @returns `undefined` for a form that only this dialect's servers know (a grammar). */
function readFormat(value: JsonValue | undefined): ResponseFormat | undefined {
  if (value === undefined || value === null) return undefined;
  if (!isObject(value))
    throw invalid("response_format", `\`response_format\` is ${told(value)}; an object is expected`);
  switch (value["type"]) {
    case "text":
      return { type: "text" };
    case "json_object":
      return Object.keys(value).length === 1 ? { type: "json-object" } : undefined;
    case "json_schema":
      return readSchema(value["json_schema"]);
    default:
      return undefined;
  }
}

function readSchema(held: JsonValue | undefined): ResponseFormat {
  if (!isObject(held)) {
    throw invalid(
      "response_format.json_schema",
      `\`response_format.json_schema\` is ${told(held)}; an object with \`name\` and \`schema\` is expected`,
    );
  }
  const schema = held["schema"] ?? {};
  if (!isObject(schema)) {
    throw invalid(
      "response_format.json_schema.schema",
      `\`response_format.json_schema.schema\` is ${told(schema)}; a JSON Schema object is expected`,
    );
  }
  const { strict } = held;
  return {
    type: "json-schema",
    schema,
    ...defined({
      name: textOf(held["name"]),
      strict: typeof strict === "boolean" ? strict : undefined,
      description: textOf(held["description"]),
    }),
  };
}

/** What only some models do, and what the client would miss in the answer or wait for in vain. */
function abilitiesOf(body: JsonObject, tools: readonly Tool[]): readonly Ability[] {
  const { modalities } = body;
  const isHeard = isArray(modalities) ? modalities.includes("audio") : isObject(body["audio"]);
  return [
    ...(isHeard ? ["audio-output" as const] : []),
    ...(isObject(body["web_search_options"]) ? ["web-search-options" as const] : []),
    ...(tools.some((tool) => tool.type === "opaque" && tool.kind === "custom") ? ["custom-tools" as const] : []),
  ];
}
