/**
 * What OpenAI's Chat Completions refuses in everything but the messages: unknown fields, ranges, and what reasoning models do not take.
 */
import type { JsonObject, JsonValue } from "../../../src/chat.ts";
import type { ModelRecord } from "../../../src/model.ts";
import { isObject, numberIn, Refusal, stringOf } from "./wire.ts";

const FIELDS: ReadonlySet<string> = new Set([
  "messages",
  "model",
  "audio",
  "frequency_penalty",
  "function_call",
  "functions",
  "logit_bias",
  "logprobs",
  "max_completion_tokens",
  "max_tokens",
  "metadata",
  "modalities",
  "moderation",
  "n",
  "parallel_tool_calls",
  "prediction",
  "presence_penalty",
  "prompt_cache_key",
  "prompt_cache_options",
  "prompt_cache_retention",
  "reasoning_effort",
  "response_format",
  "safety_identifier",
  "seed",
  "service_tier",
  "stop",
  "store",
  "stream",
  "stream_options",
  "temperature",
  "tool_choice",
  "tools",
  "top_logprobs",
  "top_p",
  "user",
  "verbosity",
  "web_search_options",
]);

export function refuse(message: string, param?: string, code?: string): Refusal {
  return new Refusal(400, message, {
    type: "invalid_request_error",
    ...(param === undefined ? {} : { param }),
    ...(code === undefined ? {} : { code }),
  });
}

export function invalidType(param: string, wanted: string, value: JsonValue): Refusal {
  return refuse(
    `Invalid type for '${param}': expected ${wanted}, but got ${kindOf(value)} instead.`,
    param,
    "invalid_type",
  );
}

export function unsupported(param: string, advice: string = ""): Refusal {
  return refuse(
    `Unsupported parameter: '${param}' is not supported with this model.${advice}`,
    param,
    "unsupported_parameter",
  );
}

/** @throws Refusal for the first field it would not take. */
export function checkFields(body: JsonObject): void {
  for (const field of Object.keys(body)) {
    if (!FIELDS.has(field)) throw refuse(`Unknown parameter: '${field}'.`, field, "unknown_parameter");
  }
  for (const field of ["stream", "store", "logprobs", "parallel_tool_calls"]) checkType(body, field, "boolean");
  for (const field of ["user", "safety_identifier", "prompt_cache_key"]) checkType(body, field, "string");
  checkStreamOptions(body);
  checkMetadata(body["metadata"]);
}

function checkType(body: JsonObject, field: string, type: "boolean" | "string"): void {
  const value = body[field] ?? undefined;
  if (value === undefined || typeof value === type) return;
  const wanted = type === "boolean" ? "a boolean" : "a string";
  throw refuse(
    `Invalid type for '${field}': expected ${wanted}, but got ${kindOf(value)} instead.`,
    field,
    "invalid_type",
  );
}

export function kindOf(value: JsonValue): string {
  if (value === null) return "null";
  if (Array.isArray(value)) return "an array";
  if (typeof value === "number") return Number.isInteger(value) ? "an integer" : "a decimal";
  return typeof value === "object" ? "an object" : `a ${typeof value}`;
}

function checkStreamOptions(body: JsonObject): void {
  const options = body["stream_options"] ?? undefined;
  if (options === undefined) return;
  if (body["stream"] !== true) {
    throw refuse(
      "The 'stream_options' parameter is only allowed when 'stream' is enabled.",
      "stream_options",
      "invalid_value",
    );
  }
  if (!isObject(options)) {
    throw refuse(
      `Invalid type for 'stream_options': expected an object, but got ${kindOf(options)} instead.`,
      "stream_options",
      "invalid_type",
    );
  }
  const unknown = Object.keys(options).find((key) => key !== "include_usage" && key !== "include_obfuscation");
  if (unknown !== undefined) {
    throw refuse(`Unknown parameter: 'stream_options.${unknown}'.`, `stream_options.${unknown}`, "unknown_parameter");
  }
}

export function checkMetadata(metadata: JsonValue | undefined, wanted: string = "an object"): void {
  if (metadata === undefined || metadata === null) return;
  if (!isObject(metadata)) {
    throw invalidType("metadata", wanted, metadata);
  }
  const entries = Object.entries(metadata);
  if (entries.length > 16) {
    throw refuse(
      `Invalid 'metadata': too many properties. Expected an object with at most 16 properties, but got an object with ${entries.length} properties instead.`,
      "metadata",
      "object_above_max_properties",
    );
  }
  for (const [key, value] of entries) {
    if (typeof value === "string") continue;
    throw refuse(
      `Invalid type for 'metadata.${key}': expected a string, but got ${kindOf(value ?? null)} instead.`,
      `metadata.${key}`,
      "invalid_type",
    );
  }
}

export interface Range {
  readonly field: string;
  readonly least: number;
  readonly most: number;
  readonly whole: boolean;
  /** A decimal that is a whole number is said as it came, not with a zero behind its point. */
  readonly asCame?: boolean;
}

const RANGES: readonly Range[] = [
  { field: "temperature", least: 0, most: 2, whole: false },
  { field: "top_p", least: 0, most: 1, whole: false },
  { field: "frequency_penalty", least: -2, most: 2, whole: false },
  { field: "presence_penalty", least: -2, most: 2, whole: false },
  { field: "top_logprobs", least: 0, most: 20, whole: true },
  { field: "n", least: 1, most: 8, whole: true },
  { field: "max_tokens", least: 1, most: Infinity, whole: true },
  { field: "max_completion_tokens", least: 1, most: Infinity, whole: true },
];

export function checkRanges(body: JsonObject, record: ModelRecord | undefined): void {
  for (const range of RANGES) checkRange(body[range.field], range);
  const given = body["max_completion_tokens"] ?? body["max_tokens"];
  const most = record?.maxOutputTokens ?? Infinity;
  if (typeof given === "number" && given > most) {
    const field = typeof body["max_completion_tokens"] === "number" ? "max_completion_tokens" : "max_tokens";
    throw refuse(
      `${field} is too large: ${given}. This model supports at most ${most} completion tokens, whereas you provided ${given}.`,
      field,
      "invalid_value",
    );
  }
  if (typeof body["max_tokens"] === "number" && typeof body["max_completion_tokens"] === "number") {
    throw refuse("Setting 'max_tokens' and 'max_completion_tokens' at the same time is not supported.", "max_tokens");
  }
  if (numberIn(body["top_logprobs"]) !== undefined && body["logprobs"] !== true) {
    throw refuse("The 'top_logprobs' parameter is only allowed when 'logprobs' is enabled.", "top_logprobs");
  }
  checkStop(body["stop"]);
}

export function checkRange(value: JsonValue | undefined, { field, least, most, whole, asCame = false }: Range): void {
  if (value === undefined || value === null) return;
  if (typeof value !== "number" || (whole && !Number.isInteger(value))) {
    throw refuse(
      `Invalid type for '${field}': expected ${whole ? "an integer" : "a decimal"}, but got ${kindOf(value)} instead.`,
      field,
      "invalid_type",
    );
  }
  const number = whole ? "integer" : "decimal";
  if (value < least) {
    throw refuse(
      `Invalid '${field}': ${number} below minimum value. Expected a value >= ${least}, but got ${numberText(value, whole || asCame)} instead.`,
      field,
      `${number}_below_min_value`,
    );
  }
  if (value > most) {
    throw refuse(
      `Invalid '${field}': ${number} above maximum value. Expected a value <= ${most}, but got ${numberText(value, whole || asCame)} instead.`,
      field,
      `${number}_above_max_value`,
    );
  }
}

function numberText(value: number, plain: boolean): string {
  return plain || !Number.isInteger(value) ? String(value) : value.toFixed(1);
}

const STOPS_MAX = 4;

function checkStop(stop: JsonValue | undefined): void {
  if (stop === undefined || stop === null || typeof stop === "string") return;
  if (!Array.isArray(stop) || stop.some((one) => typeof one !== "string")) {
    throw refuse("Invalid type for 'stop': expected one of a string or array of strings.", "stop", "invalid_type");
  }
  if (stop.length > STOPS_MAX) {
    throw refuse(
      `Invalid 'stop': array too long. Expected an array with maximum length ${STOPS_MAX}, but got an array with length ${stop.length} instead.`,
      "stop",
      "array_above_max_length",
    );
  }
}

/** The effort in force, and whatever goes with thinking refused. */
export function effortOf(body: JsonObject, record: ModelRecord): string | undefined {
  const asked = body["reasoning_effort"] ?? undefined;
  const { kind, efforts, defaultEffort } = record.reasoning;
  if (kind === "none") {
    if (asked !== undefined) throw unsupported("reasoning_effort");
    return undefined;
  }
  if (asked !== undefined && !efforts.includes(String(asked))) {
    throw refuse(
      `Unsupported value: 'reasoning_effort' does not support '${String(asked)}' with this model. Supported values are: ${listed(efforts)}.`,
      "reasoning_effort",
      "unsupported_value",
    );
  }
  const effort = stringOf(asked) ?? defaultEffort ?? "medium";
  checkReasoning(body, record, effort);
  return effort;
}

/** "'low', 'medium', and 'high'". */
export function listed(words: readonly string[]): string {
  const quoted = words.map((word) => `'${word}'`);
  return quoted.length < 3 ? quoted.join(" and ") : `${quoted.slice(0, -1).join(", ")}, and ${quoted.at(-1)}`;
}

function checkReasoning(body: JsonObject, record: ModelRecord, effort: string): void {
  if (body["max_tokens"] !== undefined && body["max_tokens"] !== null) {
    throw unsupported("max_tokens", " Use 'max_completion_tokens' instead.");
  }
  for (const field of ["frequency_penalty", "presence_penalty"]) {
    if ((numberIn(body[field]) ?? 0) !== 0) throw unsupported(field);
  }
  if (isObject(body["logit_bias"]) && Object.keys(body["logit_bias"]).length > 0) throw unsupported("logit_bias");
  if (record.chatToolsNeedEffortNone && effort !== "none" && hasFunctionTools(body)) {
    throw refuse(
      `Function tools with reasoning_effort are not supported for ${record.id} in /v1/chat/completions. To use function tools, use /v1/responses or set reasoning_effort to 'none'.`,
      "reasoning_effort",
    );
  }
  const isFree = record.sampling === "free" || (record.sampling === "effort-none-only" && effort === "none");
  if (isFree) return;
  const temperature = numberIn(body["temperature"]);
  if (temperature !== undefined && temperature !== 1) {
    throw refuse(
      `Unsupported value: 'temperature' does not support ${temperature} with this model. Only the default (1) value is supported.`,
      "temperature",
      "unsupported_value",
    );
  }
  const topP = numberIn(body["top_p"]);
  if (topP !== undefined && topP !== 1) throw unsupported("top_p");
  if (body["logprobs"] === true) throw unsupported("logprobs");
}

function hasFunctionTools(body: JsonObject): boolean {
  const tools = body["tools"];
  return Array.isArray(tools) && tools.some((tool: JsonValue) => isObject(tool) && tool["type"] === "function");
}

export interface CacheWish {
  readonly key: string | undefined;
  readonly mode: "implicit" | "explicit";
  readonly retention: string | undefined;
  /** How long what is written without a lifetime of its own is kept; absent: the model's least. */
  readonly ttlSeconds?: number;
}

const TTL_SECONDS: Readonly<Record<string, number>> = { "30m": 1800, "12h": 43_200 };

/** The fields that steer the cache: those of the other contract are refused. */
export function cacheWishOf(body: JsonObject, record: ModelRecord, ttls: readonly string[] = ["30m"]): CacheWish {
  const options = body["prompt_cache_options"] ?? undefined;
  const retention = body["prompt_cache_retention"] ?? undefined;
  if (options !== undefined && record.cache.kind !== "marks") throw unsupported("prompt_cache_options");
  if (options !== undefined && !isObject(options)) {
    throw refuse(
      `Invalid type for 'prompt_cache_options': expected an object, but got ${kindOf(options)} instead.`,
      "prompt_cache_options",
      "invalid_type",
    );
  }
  const mode = options?.["mode"] ?? "implicit";
  if (mode !== "implicit" && mode !== "explicit") {
    throw invalidValue("prompt_cache_options.mode", mode, ["implicit", "explicit"]);
  }
  const ttl = options?.["ttl"] ?? "30m";
  if (!ttls.includes(String(ttl))) throw invalidValue("prompt_cache_options.ttl", ttl, ttls);
  if (retention !== undefined && retention !== "in_memory" && retention !== "24h") {
    throw invalidValue("prompt_cache_retention", retention, ["in_memory", "24h"]);
  }
  const ttlSeconds = options?.["ttl"] === undefined ? undefined : TTL_SECONDS[String(ttl)];
  return {
    key: stringOf(body["prompt_cache_key"]),
    mode,
    retention,
    ...(ttlSeconds === undefined ? {} : { ttlSeconds }),
  };
}

export function invalidValue(param: string, value: JsonValue, wanted: readonly string[]): Refusal {
  const said = typeof value === "string" ? `'${value}'` : JSON.stringify(value);
  return refuse(`Invalid value: ${said}. Supported values are: ${listed(wanted)}.`, param, "invalid_value");
}
