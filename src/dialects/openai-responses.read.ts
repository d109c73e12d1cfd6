/**
 * Reads a Responses request. Tolerant of what it does not know, plain about what cannot be.
 *
 * What leans on state at the provider (`previous_response_id`, `conversation`, `background`, `prompt`) stays in `extra`, and is a
 * need: it can be said to the one who has that state only.
 */
import type { ChatRequest, JsonObject, JsonValue, Kept, Message, ReasoningWish, ResponseFormat } from "../chat.ts";
import { defined, isBoolean, isCount, isNumber, isString, member, optional } from "./openai-chat.fields.ts";

import { isArray, isObject, textOf, without } from "./openai-chat.words.ts";
import { isReference, readInput } from "./openai-responses.items.ts";
import { readToolChoice, readTools } from "./openai-responses.tools.ts";
import { INCLUDE_LOGPROBS, INCLUDE_SEALS, NAME } from "./openai-responses.words.ts";
import { invalid, told } from "./refused.ts";

export function readRequest(body: JsonObject): ChatRequest {
  const text = optional(body, "text", "an object", isObject) ?? {};
  const format = readFormat(text["format"]);
  const reasoning = optional(body, "reasoning", "an object", isObject) ?? {};
  const toolChoice = readToolChoice(body["tool_choice"]);
  const include = (optional(body, "include", "an array of text", isArray) ?? []).filter(isString);
  const topLogprobs = optional(body, "top_logprobs", "a whole number", isCount);
  const hasLogprobs = include.includes(INCLUDE_LOGPROBS) || (topLogprobs ?? 0) > 0;
  const user = optional(body, "user", "text", isString);
  const safetyIdentifier = optional(body, "safety_identifier", "text", isString);
  const messages = [...readInstructions(body["instructions"]), ...readMessages(body)];
  return {
    dialect: NAME,
    model: readModel(body["model"]),
    stream: optional(body, "stream", "true or false", isBoolean) ?? false,
    wantsStreamUsage: true,
    messages,
    tools: readTools(body["tools"]),
    ...defined({
      toolChoice,
      parallelToolCalls: optional(body, "parallel_tool_calls", "true or false", isBoolean),
      maxOutputTokens: optional(body, "max_output_tokens", "a whole number of 0 or more", isCount),
      temperature: optional(body, "temperature", "a number", isNumber),
      topP: optional(body, "top_p", "a number", isNumber),
      responseFormat: format,
      reasoning: readWish(reasoning),
      verbosity: textOf(text["verbosity"]),
      endUser: safetyIdentifier ?? user,
      metadata: optional(body, "metadata", "an object", isObject),
      serviceTier: optional(body, "service_tier", "text", isString),
      saysCaching: isObject(body["prompt_cache_options"]) ? true : undefined,
      promptCacheKey: optional(body, "prompt_cache_key", "text", isString),
      logprobs: hasLogprobs ? defined({ top: topLogprobs }) : undefined,
      envelope: readEnvelope(body, reasoning),
      onlyHere: listOf(wordsOfState(body, messages)),
      continues: listOf(keptIn(body)),
    }),
    extra: {
      ...without(body, [...READ_FIELDS, ...Object.keys(SILENT).filter((key) => body[key] === SILENT[key])]),
      ...member("text", without(text, format === undefined ? ["verbosity"] : ["verbosity", "format"])),
      ...member("reasoning", without(reasoning, ["effort", ...SUMMARIES])),
      ...member("tool_choice", toolChoice === undefined ? body["tool_choice"] : undefined),
      ...member("include", listOf(include.filter((word) => word !== INCLUDE_SEALS && word !== INCLUDE_LOGPROBS))),
      ...member("stream_options", without(objectIn(body, "stream_options"), ["include_obfuscation"])),
      ...member("user", safetyIdentifier === undefined || safetyIdentifier === user ? undefined : user),
    },
  };
}

const READ_FIELDS: readonly string[] = [
  "model",
  "input",
  "instructions",
  "stream",
  "stream_options",
  "tools",
  "tool_choice",
  "parallel_tool_calls",
  "max_output_tokens",
  "temperature",
  "top_p",
  "text",
  "reasoning",
  "include",
  "top_logprobs",
  "user",
  "safety_identifier",
  "metadata",
  "service_tier",
  "prompt_cache_key",
];

/** Values by which nothing is asked for that others would not do anyway. */
const SILENT: Readonly<Record<string, JsonValue>> = { store: false, background: false, truncation: "disabled" };

/** Both names that the wish for a summary has had. */
const SUMMARIES: readonly string[] = ["summary", "generate_summary"];

/** What only says in which form this wire is to answer. */
function readEnvelope(body: JsonObject, reasoning: JsonObject): JsonObject | undefined {
  return without(
    {
      ...Object.fromEntries(
        Object.keys(SILENT)
          .filter((key) => body[key] === SILENT[key])
          .map((key) => [key, body[key]]),
      ),
      include: isArray(body["include"]) && body["include"].length > 0 ? body["include"] : undefined,
      stream_options: listed(objectIn(body, "stream_options"), ["include_obfuscation"]),
      reasoning: listed(reasoning, SUMMARIES),
    },
    [],
  );
}

/** These members of an object; `undefined` when it has none of them. */
function listed(object: JsonObject, keys: readonly string[]): JsonObject | undefined {
  return without(
    object,
    Object.keys(object).filter((key) => !keys.includes(key)),
  );
}

function objectIn(holder: JsonObject, key: string): JsonObject {
  return isObject(holder[key]) ? holder[key] : {};
}

function listOf<Value>(values: readonly Value[]): readonly Value[] | undefined {
  return values.length === 0 ? undefined : values;
}

function readModel(value: JsonValue | undefined): string {
  if (typeof value === "string" && value !== "") return value;
  throw invalid("model", `\`model\` is ${told(value)}; name the model to use, as text`);
}

/** Fields by which a part of what the model is to know, or of the answer, is at the provider: in words for an error. */
const STATE_FIELDS: Readonly<Record<string, string>> = {
  previous_response_id: "an earlier response (previous_response_id)",
  conversation: "a conversation kept at the provider",
  prompt: "a prompt kept at the provider",
  background: "background mode",
};
/** Items likewise; or without which the rest would mean something else. */
const STATE_ITEMS: Readonly<Record<string, string>> = {
  // Those that the gateway remembers itself stand whole in the body by now.
  item_reference: "an item kept at the provider (item_reference, which clients send whole under `store: false`)",
  compaction: "a compacted conversation",
  compaction_trigger: "compaction",
  additional_tools: "tools given with the input",
};

function wordsOfState(body: JsonObject, messages: readonly Message[]): readonly string[] {
  const fields = Object.keys(STATE_FIELDS).filter((key) => (body[key] ?? false) !== false);
  const items = messages.flatMap((message) =>
    message.parts.flatMap((part) => (part.type === "opaque" && part.envelope?.["item"] === true ? [part.kind] : [])),
  );
  const words = [...fields.map((key) => STATE_FIELDS[key]), ...items.map((kind) => STATE_ITEMS[kind])];
  return [...new Set(words.filter((word) => word !== undefined))];
}

/** An earlier response, or a conversation, which may be named as an object; and items that are named instead of said. */
function keptIn(body: JsonObject): readonly Kept[] {
  const named = ["previous_response_id", "conversation"].flatMap((field) => {
    const given = body[field];
    const id = textOf(isObject(given) ? given["id"] : given);
    return id === undefined || id === "" ? [] : [{ field, id }];
  });
  const items = isArray(body["input"]) ? body["input"] : [];
  const referenced = items.flatMap((item, at) => {
    const id = isObject(item) && isReference(item) ? textOf(item["id"]) : undefined;
    return id === undefined || id === "" ? [] : [{ field: `input[${at}].id`, id }];
  });
  return [...named, ...referenced];
}

/** They come before all input, and are for this answer only: the next one does not inherit them from its predecessor. */
function readInstructions(value: JsonValue | undefined): Message[] {
  if (value === undefined || value === null || value === "") return [];
  if (typeof value !== "string") {
    throw invalid("instructions", `\`instructions\` is ${told(value)}; text is expected`);
  }
  return [
    { role: "system", parts: [{ type: "text", text: value }], isUnmarkable: true, envelope: { instructions: true } },
  ];
}

function readMessages(body: JsonObject): Message[] {
  const isElsewhere = ["previous_response_id", "conversation", "prompt"].some((key) => (body[key] ?? null) !== null);
  if ((body["input"] ?? null) !== null || isElsewhere) return readInput(body["input"]);
  throw invalid("input", `\`input\` is ${told(body["input"])}; text or an array of input items is required`);
}

/** A summary is asked for by how long it should be; elsewhere it is shown or not. */
function readWish(reasoning: JsonObject): ReasoningWish | undefined {
  const effort = textOf(reasoning["effort"]);
  const isShown = SUMMARIES.some((key) => textOf(reasoning[key]) !== undefined);
  if (effort === undefined && !isShown) return undefined;
  return { ...(effort === undefined ? {} : { effort }), ...(isShown ? { display: "summarized" } : {}) };
}

/** @returns `undefined` for a form that only this dialect's servers know (a grammar). */
function readFormat(value: JsonValue | undefined): ResponseFormat | undefined {
  if (value === undefined || value === null) return undefined;
  if (!isObject(value)) throw invalid("text.format", `\`text.format\` is ${told(value)}; an object is expected`);
  switch (value["type"]) {
    case "text":
      return { type: "text" };
    case "json_object":
      return { type: "json-object" };
    case "json_schema":
      return readSchema(value);
    default:
      return undefined;
  }
}

function readSchema(format: JsonObject): ResponseFormat {
  const schema = format["schema"] ?? {};
  if (!isObject(schema)) {
    throw invalid("text.format.schema", `\`text.format.schema\` is ${told(schema)}; a JSON Schema object is expected`);
  }
  const { strict } = format;
  return {
    type: "json-schema",
    schema,
    ...defined({
      name: textOf(format["name"]),
      strict: typeof strict === "boolean" ? strict : undefined,
      description: textOf(format["description"]),
    }),
  };
}
