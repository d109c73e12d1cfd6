/**
 * Reads a request of `/api/chat`, and what it shares with one of `/api/generate`. Tolerant of what it does not know, plain about
 * what cannot be.
 */
import type {
  ChatRequest,
  DialectName,
  JsonObject,
  JsonValue,
  Message,
  ReasoningWish,
  ResponseFormat,
  Tool,
} from "../chat.ts";
import { readMessages } from "./ollama-chat.messages.ts";
import { readOptions } from "./ollama-chat.options.ts";
import { isBoolean, isCount, isString, optional } from "./ollama-chat.fields.ts";
import { readTools } from "./ollama-chat.tools.ts";
import { isObject, NAME, without } from "./ollama-chat.words.ts";
import { invalid, told } from "./refused.ts";

export function readRequest(body: JsonObject): ChatRequest {
  return readShared(body, NAME, readMessages(body["messages"]), readTools(body["tools"]), ["messages", "tools"]);
}

/** @param read Members that are read already. */
export function readShared(
  body: JsonObject,
  dialect: DialectName,
  messages: readonly Message[],
  tools: readonly Tool[],
  read: readonly string[],
): ChatRequest {
  const format = readFormat(body["format"]);
  const reasoning = readThink(body["think"]);
  const { sampling, rest } = readOptions(body["options"]);
  const logprobs = optional(body, "logprobs", "true or false", isBoolean) === true;
  const top = optional(body, "top_logprobs", "a whole number", isCount);
  const model = optional(body, "model", "text", isString) ?? "";
  if (model === "") throw invalid("model", "`model` is missing; name the model to use, as text");
  return {
    dialect,
    model,
    // Silence means a stream in this API.
    stream: optional(body, "stream", "true or false", isBoolean) ?? true,
    wantsStreamUsage: true,
    messages,
    tools,
    ...sampling,
    ...(format === undefined ? {} : { responseFormat: format }),
    ...(reasoning === undefined ? {} : { reasoning }),
    ...(logprobs ? { logprobs: top === undefined ? {} : { top } } : {}),
    extra: {
      // Not to be cut is what everybody else's prompts are.
      ...without(body, [...READ_FIELDS, ...read, ...(body["truncate"] === false ? ["truncate"] : [])]),
      ...(rest === undefined ? {} : { options: rest }),
      ...(top === undefined || logprobs ? {} : { top_logprobs: top }),
    },
  };
}

const READ_FIELDS: readonly string[] = ["model", "stream", "format", "think", "options", "logprobs", "top_logprobs"];

/** An empty word is how older clients leave it out. */
function readFormat(value: JsonValue | undefined): ResponseFormat | undefined {
  if (value === undefined || value === null || value === "") return undefined;
  if (value === "json") return { type: "json-object" };
  if (isObject(value)) return { type: "json-schema", schema: value };
  throw invalid("format", `\`format\` is ${told(value)}; "json" or a JSON Schema object is expected`);
}

function readThink(value: JsonValue | undefined): ReasoningWish | undefined {
  if (value === undefined || value === null || value === "") return undefined;
  if (typeof value === "boolean") return { enabled: value };
  if (typeof value === "string") return { enabled: value !== "none", effort: value };
  throw invalid("think", `\`think\` is ${told(value)}; true, false or a level ("low", "medium", "high") is expected`);
}
