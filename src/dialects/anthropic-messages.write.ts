/**
 * Writes the canonical reading as a Messages request. Same request, same bytes; what finds no word is a loss.
 */
import type { CacheMark, ChatRequest, FunctionTool, JsonObject, JsonValue, Loss, Tool, ToolChoice } from "../chat.ts";
import { GatewayError } from "../errors.ts";
import { MARKS_MAX, placeMarks, type Markable } from "./anthropic-messages.marks.ts";
import { fewestTokens } from "./anthropic-messages.prewarming.ts";
import { writeReasoning, type ReasoningFields } from "./anthropic-messages.reasoning.ts";
import { writeTurns, type Block } from "./anthropic-messages.turns.ts";
import { NAME } from "./anthropic-messages.words.ts";
import type { WriteOptions } from "./dialect.ts";
import { fieldWord } from "./field-words.ts";
import { JSON_INSTRUCTION } from "./json-object.ts";
import { saysNothing } from "./refused.ts";

/** The cap on output where the client gave none, as this dialect needs one: enough for a long answer of any model. */
export const MAX_TOKENS_DEFAULT = 8192;

export function writeRequest(request: ChatRequest, options: WriteOptions, losses: Loss[]): JsonObject {
  const { record } = options;
  if (request.messages.length === 0) {
    throw saysNothing();
  }
  const lose = (field: string, path?: string) => void losses.push(path === undefined ? { field } : { field, path });
  const reasoning = writeReasoning(request, record, MAX_TOKENS_DEFAULT, lose);
  const choice = writeToolChoice(request, record?.forcedTools !== false && !reasoning.thinks, lose);
  const format = writeFormat(request, lose);
  const turns = writeTurns(
    request,
    { systemInMessages: record?.systemInMessages ?? false, prefill: record?.prefill ?? false },
    lose,
  );
  const tools = writeTools(request, lose);
  const instructions = [choice.instruction, format.instruction].flatMap((text) =>
    text === undefined ? [] : [textBlock(text)],
  );
  const system = [...turns.system, ...instructions];
  placeMarks([...tools, ...system, ...turns.messages.flatMap((turn) => turn.content)], request.cache, MARKS_MAX, lose);
  loseUnsayable(request, lose);
  const outputConfig = { ...reasoning.outputConfig, ...format.outputConfig };
  const fewest = fewestTokens({ output_config: outputConfig, tool_choice: choice.value });
  if (reasoning.maxTokens < fewest) lose("max_tokens", "max_tokens");
  const maxTokens = Math.max(reasoning.maxTokens, fewest);
  const stop = writeStop(request, lose);
  const own = request.dialect === NAME ? request.extra : {};
  return {
    model: options.model,
    max_tokens: maxTokens,
    ...(system.length === 0 ? {} : { system: system.map(wire) }),
    messages: turns.messages.map((turn) => ({ role: turn.role, content: turn.content.map(wire), ...turn.extra })),
    ...(tools.length === 0 ? {} : { tools: tools.map(wire) }),
    ...(choice.value === undefined ? {} : { tool_choice: choice.value }),
    ...(reasoning.thinking === undefined ? {} : { thinking: reasoning.thinking }),
    ...own,
    ...(Object.keys(outputConfig).length === 0
      ? {}
      : { output_config: { ...objectIn(own, "output_config"), ...outputConfig } }),
    ...(stop.length === 0 ? {} : { stop_sequences: stop }),
    ...writeSampling(request, options, reasoning, lose),
    ...writeMetadata(request, lose),
    ...writeServiceTier(request, lose),
    ...(request.cache === undefined ? {} : { cache_control: wireMark(request.cache) }),
    ...(request.stream ? { stream: true } : {}),
  };
}

function objectIn(holder: JsonObject, key: string): JsonObject {
  const value = holder[key];
  return typeof value === "object" && value !== null && !Array.isArray(value) ? (value as JsonObject) : {};
}

function textBlock(text: string): Block {
  return { value: { type: "text", text }, mark: undefined };
}

function wire({ value, mark }: Markable): JsonObject {
  return mark === undefined ? value : { ...value, cache_control: wireMark(mark) };
}

/** Lifetimes that Anthropic lacks become the next longer one, and the longest it has where there is none. */
function wireMark({ ttl }: CacheMark): JsonObject {
  if (ttl === undefined) return { type: "ephemeral" };
  return { type: "ephemeral", ttl: ttl === "5m" ? "5m" : "1h" };
}

type Lose = (field: string, path?: string) => void;

// ---- Tools

/**
 * A hosted tool of another dialect cannot be offered here: alone that is a refusal, as nothing would be left to call, and beside
 * others a loss.
 */
function writeTools({ tools, dialect }: ChatRequest, lose: Lose): Block[] {
  const blocks: Block[] = [];
  let foreign: string | undefined;
  for (const tool of tools) {
    if (tool.type === "function") {
      blocks.push({ value: functionValue(tool, dialect, lose), mark: tool.cache });
    } else if (isForeign(tool)) {
      foreign ??= tool.kind.slice(0, 64);
      lose("hosted-tool", `tools ${tool.kind.slice(0, 64)}`);
    } else {
      blocks.push({ value: tool.value, mark: undefined });
    }
  }
  if (blocks.length > 0 || foreign === undefined) return blocks;
  throw new GatewayError(
    "unsupported",
    `the hosted tool "${foreign}" does not exist in ${NAME}; offer it as a function or choose another model`,
    { param: "tools" },
  );
}

function isForeign(tool: Tool): boolean {
  return tool.type === "opaque" && tool.dialect !== NAME;
}

function functionValue(tool: FunctionTool, dialect: string, lose: Lose): JsonObject {
  const own = dialect === NAME;
  if (!own) for (const key of Object.keys(tool.extra ?? {})) lose(fieldWord(key), `tools.${key}`);
  return {
    name: tool.name,
    ...(tool.description === undefined ? {} : { description: tool.description }),
    input_schema: {
      ...(tool.parameters?.["type"] === undefined ? { type: "object" } : {}),
      ...(tool.parameters ?? { properties: {} }),
    },
    ...(tool.strict === true ? { strict: true } : {}),
    ...(tool.deferred === true ? { defer_loading: true } : {}),
    ...(own ? tool.extra : {}),
  };
}

interface WrittenChoice {
  readonly value: JsonObject | undefined;
  /** What the model is told in words, where the wire has none. */
  readonly instruction: string | undefined;
}

/** @param mayForce Whether this model, thinking as it will, takes a forced choice. */
function writeToolChoice(request: ChatRequest, mayForce: boolean, lose: Lose): WrittenChoice {
  const { toolChoice, parallelToolCalls, tools } = request;
  if (tools.length === 0) {
    if (toolChoice !== undefined && toolChoice.type !== "auto" && toolChoice.type !== "none")
      lose("tool_choice", "tool_choice");
    return { value: undefined, instruction: undefined };
  }
  const alone = parallelToolCalls === false ? { disable_parallel_tool_use: true } : {};
  if (toolChoice === undefined) {
    return { value: parallelToolCalls === false ? { type: "auto", ...alone } : undefined, instruction: undefined };
  }
  if (toolChoice.type === "none" || toolChoice.type === "auto") {
    return {
      value: toolChoice.type === "none" ? { type: "none" } : { type: "auto", ...alone },
      instruction: undefined,
    };
  }
  if (toolChoice.type === "named" && tools.some((tool) => isForeign(tool) && tool.name === toolChoice.name)) {
    lose("tool_choice", "tool_choice");
    return { value: { type: "auto", ...alone }, instruction: undefined };
  }
  const forces = toolChoice.type !== "subset" || toolChoice.mode === "required";
  if (toolChoice.type === "subset" || (forces && !mayForce)) {
    lose("tool_choice", "tool_choice");
    const type = forces && mayForce ? "any" : "auto";
    return { value: { type, ...alone }, instruction: choiceInWords(toolChoice, forces) };
  }
  const value =
    toolChoice.type === "named" ? { type: "tool", name: toolChoice.name, ...alone } : { type: "any", ...alone };
  return { value, instruction: undefined };
}

function choiceInWords(choice: ToolChoice, forces: boolean): string {
  if (choice.type === "named") return `You must call the tool ${choice.name}.`;
  if (choice.type !== "subset") return "You must call one of the tools.";
  const names = choice.names.join(", ");
  return forces
    ? `You must call one of these tools, and no other: ${names}.`
    : `Of the tools, use only these: ${names}.`;
}

// ---- What shapes the output

interface WrittenFormat {
  readonly outputConfig: JsonObject;
  readonly instruction: string | undefined;
}

/** A schema's name and its `strict` have no place here and change nothing: the format is always strict. */
function writeFormat({ responseFormat }: ChatRequest, lose: Lose): WrittenFormat {
  if (responseFormat === undefined || responseFormat.type === "text")
    return { outputConfig: {}, instruction: undefined };
  if (responseFormat.type === "json-object") {
    lose("json_object", "response_format");
    return { outputConfig: {}, instruction: JSON_INSTRUCTION };
  }
  if (responseFormat.description !== undefined) lose("response_format.description", "response_format");
  const schema = responseFormat.strict === false ? responseFormat.schema : closedSchema(responseFormat.schema);
  return { outputConfig: { format: { type: "json_schema", schema } }, instruction: undefined };
}

/** The schema with `additionalProperties: false` on every object that does not speak of it: the API asks for it. */
function closedSchema(schema: JsonObject): JsonObject {
  const closed = Object.fromEntries(Object.entries(schema).map(([key, value]) => [key, closedMember(key, value)]));
  const isObjectSchema =
    schema["type"] === "object" || (schema["type"] === undefined && schema["properties"] !== undefined);
  return isObjectSchema && schema["additionalProperties"] === undefined
    ? { ...closed, additionalProperties: false }
    : closed;
}

/** Keywords whose value holds data rather than schemas. */
const DATA_KEYWORDS: ReadonlySet<string> = new Set(["enum", "const", "default", "examples", "required"]);
/** Keywords whose value is a map of names to schemas. */
const MAP_KEYWORDS: ReadonlySet<string> = new Set([
  "properties",
  "$defs",
  "definitions",
  "patternProperties",
  "dependentSchemas",
]);

function closedMember(key: string, value: JsonValue | undefined): JsonValue | undefined {
  if (typeof value !== "object" || value === null || DATA_KEYWORDS.has(key)) return value;
  if (Array.isArray(value)) return (value as readonly JsonValue[]).map((item) => closedMember("", item) ?? null);
  const object = value as JsonObject;
  if (!MAP_KEYWORDS.has(key)) return closedSchema(object);
  return Object.fromEntries(Object.entries(object).map(([name, schema]) => [name, closedMember("", schema)]));
}

/** Sequences of white space alone are refused by the API. */
function writeStop({ stop }: ChatRequest, lose: Lose): readonly string[] {
  const sayable = (stop ?? []).filter((sequence) => sequence.trim() !== "");
  if (sayable.length < (stop?.length ?? 0)) lose("stop", "stop");
  return sayable;
}

function writeSampling(
  request: ChatRequest,
  { record }: WriteOptions,
  { thinks }: ReasoningFields,
  lose: Lose,
): JsonObject {
  const { temperature, topP, topK } = request;
  // A model that thinks takes no sampling either, whatever it takes otherwise.
  const none = thinks || record?.sampling === "none" || record?.sampling === "effort-none-only";
  if (none) {
    if (temperature !== undefined) lose("temperature", "temperature");
    if (topP !== undefined) lose("top_p", "top_p");
    if (topK !== undefined) lose("top_k", "top_k");
    return {};
  }
  const highest = record?.temperatureMax ?? 1;
  if (temperature !== undefined && temperature > highest) lose("temperature", "temperature");
  const dropsTopP = record?.sampling === "temperature-xor-top-p" && temperature !== undefined && topP !== undefined;
  if (dropsTopP) lose("top_p", "top_p");
  return {
    ...(temperature === undefined ? {} : { temperature: Math.min(temperature, highest) }),
    ...(topP === undefined || dropsTopP ? {} : { top_p: topP }),
    ...(topK === undefined ? {} : { top_k: topK }),
  };
}

// ---- What goes along

function writeMetadata({ endUser, metadata, dialect }: ChatRequest, lose: Lose): JsonObject {
  const own = dialect === NAME ? metadata : undefined;
  if (metadata !== undefined && own === undefined && Object.keys(metadata).length > 0) lose("metadata", "metadata");
  if (endUser === undefined && own === undefined) return {};
  return { metadata: { ...(endUser === undefined ? {} : { user_id: endUser }), ...own } };
}

const SERVICE_TIERS: ReadonlyMap<string, string> = new Map(
  Object.entries<string>({
    auto: "auto",
    standard_only: "standard_only",
    default: "standard_only",
  }),
);

function writeServiceTier({ serviceTier }: ChatRequest, lose: Lose): JsonObject {
  if (serviceTier === undefined) return {};
  const tier = SERVICE_TIERS.get(serviceTier);
  if (tier !== undefined) return { service_tier: tier };
  lose("service_tier", "service_tier");
  return {};
}

function loseUnsayable(request: ChatRequest, lose: Lose): void {
  if (request.seed !== undefined) lose("seed", "seed");
  if (request.frequencyPenalty !== undefined) lose("frequency_penalty", "frequency_penalty");
  if (request.presencePenalty !== undefined) lose("presence_penalty", "presence_penalty");
  if (request.verbosity !== undefined) lose("verbosity", "verbosity");
  if (request.promptCacheKey !== undefined) lose("prompt_cache_key", "prompt_cache_key");
  if (request.choices !== undefined && request.choices > 1) lose("n", "n");
  if (request.logprobs !== undefined) lose("logprobs", "logprobs");
  if (request.dialect !== NAME) for (const key of Object.keys(request.extra)) lose(fieldWord(key), key);
}
