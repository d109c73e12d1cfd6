/**
 * What OpenAI's Responses API refuses by its schema alone: fields it does not know, their types and ranges, in the order in which it
 * reports them. `null` is absence everywhere but in `model` and `input`.
 */
import type { JsonObject, JsonValue } from "../../../src/chat.ts";
import { checkMetadata, checkRange, invalidType, invalidValue, listed, refuse } from "./openai.parameters.ts";
import { isObject, numberIn } from "./wire.ts";

/** @throws Refusal for the first field it would not take. */
export function checkResponseFields(body: JsonObject, needsInput: boolean = true): void {
  const { model, input } = body;
  if (model === undefined) throw missing("model");
  // Its own words: null is a string that failed.
  if (model === null) throw invalidType("model", "a string", {});
  if (typeof model !== "string") throw invalidType("model", "a string", model);
  if (model === "") throw noSuchModel(model);
  if (input === undefined && needsInput && body["prompt"] === undefined) throw missing("input");
  if (input === null) throw invalidType("input", "a string", {});
  if (body["messages"] !== undefined) throw refuse(MESSAGES_MOVED, undefined, "unsupported_parameter");
  const unknown = Object.keys(body).find((field) => field !== "model" && !KNOWN.has(field));
  if (unknown !== undefined) throw refuse(`Unknown parameter: '${unknown}'.`, unknown, "unknown_parameter");
  for (const [field, check] of CHECKS) {
    const value = body[field];
    if (value !== undefined && value !== null) check(value, field, body);
  }
}

export function missing(param: string): Error {
  return refuse(`Missing required parameter: '${param}'.`, param, "missing_required_parameter");
}

export function noSuchModel(model: string): Error {
  return refuse(`The requested model '${model}' does not exist.`, "model", "model_not_found");
}

const MESSAGES_MOVED =
  "Unsupported parameter: 'messages'. In the Responses API, this parameter has moved to 'input'. Try again with the new parameter. See the API documentation for more information: https://platform.openai.com/docs/api-reference/responses/create.";

type Check = (value: JsonValue, field: string, body: JsonObject) => void;

const anything: Check = () => {};

function typed(type: "boolean" | "string", words: string): Check {
  return (value, field) => {
    if (typeof value !== type) throw invalidType(field, words, value);
  };
}
const text = typed("string", "a string");
const flag = typed("boolean", "a boolean");

function object(...known: readonly string[]): Check {
  return (value, field) => {
    if (!isObject(value)) throw invalidType(field, "an object", value);
    const unknown = known.length === 0 ? undefined : Object.keys(value).find((key) => !known.includes(key));
    if (unknown === undefined) return;
    throw refuse(`Unknown parameter: '${field}.${unknown}'.`, `${field}.${unknown}`, "unknown_parameter");
  };
}

function list(words: string): Check {
  return (value, field) => {
    if (!Array.isArray(value)) throw invalidType(field, words, value);
  };
}

function oneOf(...words: readonly string[]): Check {
  return (value, field) => {
    if (typeof value !== "string") throw invalidType(field, `one of ${alternatives(words)}`, value);
    if (!words.includes(value)) throw invalidValue(field, value, words);
  };
}

function within(least: number, most: number, whole: boolean): Check {
  return (value, field) => checkRange(value, { field, least, most, whole, asCame: true });
}

/** "'a', 'b', or 'c'". */
function alternatives(words: readonly string[]): string {
  const quoted = words.map((word) => `'${word}'`);
  return quoted.length < 3 ? quoted.join(" or ") : `${quoted.slice(0, -1).join(", ")}, or ${quoted.at(-1)}`;
}

const EFFORTS = ["none", "minimal", "low", "medium", "high", "xhigh", "max"];
const SUMMARIES = ["concise", "detailed", "auto"];
const INCLUDABLE = [
  "file_search_call.results",
  "web_search_call.results",
  "web_search_call.action.sources",
  "message.input_image.image_url",
  "computer_call_output.output.image_url",
  "code_interpreter_call.outputs",
  "reasoning.encrypted_content",
  "message.output_text.logprobs",
];

const include: Check = (value) => {
  if (!Array.isArray(value)) throw invalidType("include", "an array", value);
  for (const [index, one] of (value as readonly JsonValue[]).entries()) {
    if (!INCLUDABLE.includes(String(one))) throw invalidValue(`include[${index}]`, one, INCLUDABLE);
  }
};

const reasoning: Check = (value) => {
  object("effort", "summary", "mode", "context")(value, "reasoning", {});
  const { effort, summary, context } = value as JsonObject;
  if (effort !== undefined && effort !== null) {
    if (typeof effort !== "string") throw invalidType("reasoning.effort", `one of ${alternatives(EFFORTS)}`, effort);
    if (!EFFORTS.includes(effort)) throw invalidValue("reasoning.effort", effort, EFFORTS);
  }
  if (summary !== undefined && summary !== null && !SUMMARIES.includes(String(summary)))
    throw invalidValue("reasoning.summary", summary, SUMMARIES);
  if (context !== undefined && context !== null)
    oneOf("auto", "current_turn", "all_turns")(context, "reasoning.context", {});
};

const cacheOptions: Check = (value) => {
  object("mode", "ttl", "prewarm", "comparison_response_id")(value, "prompt_cache_options", {});
};

const answerText: Check = (value) => {
  object("format", "verbosity")(value, "text", {});
  const { verbosity } = value as JsonObject;
  if (verbosity !== undefined && verbosity !== null) oneOf("low", "medium", "high")(verbosity, "text.verbosity", {});
};

const choice: Check = (value) => {
  if (isObject(value)) return;
  if (typeof value !== "string")
    throw invalidType("tool_choice", "one of an object or 'none', 'auto', or 'required'", value);
  if (!["none", "auto", "required"].includes(value))
    throw invalidValue("tool_choice", value, ["none", "auto", "required"]);
};

const streamOptions: Check = (value, field, body) => {
  object("include_obfuscation")(value, field, body);
  if (body["stream"] === true) return;
  throw refuse("The 'stream_options' parameter is only allowed when 'stream' is enabled.", field, "invalid_value");
};

/** In the order of its reports. */
const CHECKS: readonly (readonly [field: string, check: Check])[] = [
  [
    "input",
    (value) => {
      if (typeof value !== "string" && !Array.isArray(value))
        throw invalidType("input", "one of a string or array of input items", value);
    },
  ],
  ["previous_response_id", text],
  ["prompt", object()],
  ["moderation", object()],
  ["include", include],
  ["tools", list("an array of tools")],
  ["tool_choice", choice],
  ["metadata", (value) => checkMetadata(value, "a metadata object")],
  ["text", answerText],
  ["temperature", within(0, 2, false)],
  ["top_p", within(0, 1, false)],
  ["presence_penalty", within(-2, 2, false)],
  ["frequency_penalty", within(-2, 2, false)],
  ["parallel_tool_calls", flag],
  ["stream", flag],
  ["stream_options", streamOptions],
  ["background", flag],
  ["max_output_tokens", within(16, Infinity, true)],
  ["max_tool_calls", within(1, Infinity, true)],
  ["reasoning", reasoning],
  ["user", text],
  ["safety_identifier", text],
  ["prompt_cache_options", cacheOptions],
  ["prompt_cache_key", text],
  ["prompt_cache_retention", oneOf("in_memory", "24h")],
  ["truncation", oneOf("auto", "disabled")],
  ["instructions", text],
  ["store", flag],
  ["service_tier", oneOf("auto", "default", "fast", "flex", "priority")],
  ["top_logprobs", within(0, 20, true)],
  ["context_management", list("an array of objects")],
  ["conversation", anything],
  // Of the newest client types, and of Codex.
  ["image", object()],
  ["access_programs", object()],
  ["client_metadata", object()],
];
const KNOWN: ReadonlySet<string> = new Set(CHECKS.map(([field]) => field));

/** What a model does not take although the schema allows it. */
export interface Abilities {
  readonly id: string;
  readonly reasons: boolean;
  readonly efforts: readonly string[];
  /** Whether sampling may be steered under this effort. */
  readonly samples: boolean;
}

/** @throws Refusal for what goes beyond the model, in the order of its reports. */
export function checkAbilities(body: JsonObject, model: Abilities): void {
  const effort = isObject(body["reasoning"]) ? (body["reasoning"]["effort"] ?? undefined) : undefined;
  if (!model.reasons && effort !== undefined) {
    throw refuse(
      "Unsupported parameter: 'reasoning.effort' is not supported with this model.",
      "reasoning.effort",
      "unsupported_parameter",
    );
  }
  if (model.reasons) checkReasoner(body, model);
  if (effort === undefined || model.efforts.includes(String(effort))) return;
  throw refuse(
    `Unsupported value: '${String(effort)}' is not supported with the '${model.id}' model. Supported values are: ${listed(model.efforts)}.`,
    "reasoning.effort",
    "unsupported_value",
  );
}

function checkReasoner(body: JsonObject, model: Abilities): void {
  if (!model.samples) {
    for (const field of ["temperature", "top_p"]) {
      const value = numberIn(body[field]);
      if (value !== undefined && value !== 1) throw unsupportedHere(field);
    }
  }
  for (const field of ["presence_penalty", "frequency_penalty"]) {
    if ((numberIn(body[field]) ?? 0) !== 0) throw unsupportedHere(field);
  }
  if (model.samples) return;
  const asksInInclude = Array.isArray(body["include"]) && body["include"].includes("message.output_text.logprobs");
  if (asksInInclude) throw noLogprobs("include");
  if ((numberIn(body["top_logprobs"]) ?? 0) > 0) throw noLogprobs("top_logprobs");
}

/** Without the code that Chat Completions gives. */
function unsupportedHere(param: string): Error {
  return refuse(`Unsupported parameter: '${param}' is not supported with this model.`, param);
}

function noLogprobs(param: string): Error {
  return refuse("logprobs are not supported with reasoning models.", param, "unsupported_parameter");
}
