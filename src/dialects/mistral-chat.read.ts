/**
 * Reads a request to Mistral's chat API: Chat Completions' fields, with other names for some, and a few of its own.
 */
import type { ChatRequest, JsonObject, JsonValue, ReasoningWish } from "../chat.ts";
import { readMessages } from "./mistral-chat.messages.ts";
import { NAME } from "./mistral-chat.words.ts";
import { defined, isNumber, optional } from "./openai-chat.fields.ts";
import { readRequest as readChat } from "./openai-chat.read.ts";
import { isArray, isObject, without } from "./openai-chat.words.ts";

export function readRequest(body: JsonObject): ChatRequest {
  const seed = optional(body, "random_seed", "a number", isNumber);
  const { response_format: format, prompt_mode: mode, ...rest } = body;
  const read = readChat({
    ...without(rest, OWN_FIELDS),
    ...(format === undefined ? {} : { response_format: isObject(format) ? (without(format, []) ?? format) : format }),
    messages: [],
  });
  const isReasoningMode = mode === REASONING_MODE;
  const extra = {
    ...Object.fromEntries(Object.entries(read.extra).filter(([key, value]) => SILENT[key]?.(value ?? null) !== true)),
    ...(isReasoningMode || mode === undefined || mode === null ? {} : { prompt_mode: mode }),
  };
  return {
    ...read,
    dialect: NAME,
    // It always comes.
    wantsStreamUsage: true,
    messages: readMessages(body["messages"]),
    tools: read.tools.map((tool) => (tool.type === "opaque" ? { ...tool, dialect: NAME } : tool)),
    ...defined({
      seed: seed ?? read.seed,
      reasoning: isReasoningMode ? switchedOn(read.reasoning) : read.reasoning,
      envelope: isReasoningMode ? { prompt_mode: mode } : undefined,
    }),
    extra,
  };
}

const OWN_FIELDS: readonly string[] = ["messages", "random_seed"];
const REASONING_MODE = "reasoning";

/** The mode is the older way of asking a model to think. */
function switchedOn(wish: ReasoningWish | undefined): ReasoningWish {
  return wish?.effort === "none" ? wish : { ...wish, enabled: true };
}

/** Fields of its own that clients send as they stand by default: then nothing is asked for. */
const SILENT: Readonly<Record<string, (value: JsonValue) => boolean>> = {
  safe_prompt: (value) => value === false,
  guardrails: (value) => isArray(value) && value.length === 0,
};
