/**
 * Writes the canonical reading as a Chat Completions request, in OpenAI's own words: what other servers want otherwise is their
 * provider's to edit. Same request, same bytes; what finds no word is a loss.
 */
import { hash } from "node:crypto";
import type { ChatRequest, FunctionTool, JsonObject, Loss, Tool, ToolChoice } from "../chat.ts";
import { GatewayError } from "../errors.ts";
import type { ModelRecord } from "../model.ts";
import type { WriteOptions } from "./dialect.ts";
import { fieldWord } from "./field-words.ts";
import { withJsonWord } from "./json-object.ts";
import { markWriter, takesKey, writeMarksOnly } from "./openai-chat.marks.ts";
import { writeEffort } from "./openai-chat.reasoning.ts";
import { schemaFormat, takesStrict } from "./openai-chat.schema.ts";
import { wireTurn, writeTurns } from "./openai-chat.turns.ts";
import { isObject, NAME } from "./openai-chat.words.ts";
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
  const turns = writeTurns(request, record?.prefill ?? false, lose);
  const callsFunctions = request.tools.some((tool) => tool.type === "function");
  const effort = writeEffort(request, record, { own, callsFunctions }, lose);
  const extra = own ? request.extra : {};
  if (!own) for (const key of Object.keys(request.extra)) lose(fieldWord(key), key);
  const wire = markWriter(
    turns.flatMap((turn) => (turn.role === "assistant" ? [] : turn.content)),
    record,
  );
  return {
    model: options.model,
    messages: turns.map((turn) => wireTurn(turn, wire)),
    ...(tools.length === 0 ? {} : { tools }),
    ...writeChoice(request, tools.length > 0, record, lose),
    ...(request.parallelToolCalls === undefined || tools.length === 0
      ? {}
      : { parallel_tool_calls: request.parallelToolCalls }),
    ...writeFormat(request, lose),
    ...(effort.said === undefined ? {} : { reasoning_effort: effort.said }),
    ...(request.verbosity === undefined ? {} : { verbosity: request.verbosity }),
    ...writeMaxTokens(request, record, lose),
    ...writeStop(request, lose),
    ...writeSampling(request, record, effort.thinks, lose),
    ...writeAlternatives(request),
    ...writeCaller(request, record, lose),
    ...writeMarksOnly(request, record),
    ...extra,
    ...(request.stream
      ? { stream: true, stream_options: { ...objectIn(extra, "stream_options"), include_usage: true } }
      : {}),
  };
}

type Lose = (field: string, path?: string) => void;

function objectIn(holder: JsonObject, key: string): JsonObject {
  const value = holder[key];
  return isObject(value) ? value : {};
}

// ---- Tools

/**
 * Tools that are only loaded later stand last, so that one more of them does not move the others. Another dialect's hosted tools
 * can be done without where there are others to call.
 */
function writeTools({ tools, dialect }: ChatRequest, lose: Lose): JsonObject[] {
  const isHosted = (tool: Tool): boolean => tool.type === "opaque" && tool.dialect !== NAME;
  const hosted = tools.filter(isHosted);
  const [first] = hosted;
  if (first?.type === "opaque" && hosted.length === tools.length) {
    throw new GatewayError(
      "unsupported",
      `the hosted tool "${first.kind.slice(0, 64)}" does not exist in ${NAME}; offer it as a function or choose another model`,
      { param: "tools" },
    );
  }
  for (const tool of hosted) if (tool.type === "opaque") lose("hosted-tool", `tools ${tool.kind.slice(0, 64)}`);
  const isDeferred = (tool: Tool): boolean => tool.type === "function" && tool.deferred === true;
  const said = tools.filter((tool) => !isHosted(tool));
  return [...said.filter((tool) => !isDeferred(tool)), ...said.filter(isDeferred)].map((tool) =>
    tool.type === "opaque" ? tool.value : functionTool(tool, dialect, lose),
  );
}

function functionTool(tool: FunctionTool, dialect: string, lose: Lose): JsonObject {
  const own = dialect === NAME;
  if (!own) for (const key of Object.keys(tool.extra ?? {})) lose(fieldWord(key), `tools.${key}`);
  const { function: inner, ...outer } = own ? (tool.extra ?? {}) : {};
  const strict = own || tool.strict !== true || takesStrict(tool.parameters ?? {}) ? tool.strict : undefined;
  if (strict !== tool.strict) lose("strict", `tools ${tool.name.slice(0, 64)}`);
  return {
    type: "function",
    function: {
      name: tool.name,
      ...(tool.description === undefined ? {} : { description: tool.description }),
      ...(tool.parameters === undefined ? {} : { parameters: tool.parameters }),
      ...(strict === undefined ? {} : { strict }),
      ...(isObject(inner) ? inner : {}),
    },
    ...outer,
  };
}

function writeChoice(request: ChatRequest, hasTools: boolean, record: ModelRecord | undefined, lose: Lose): JsonObject {
  const { toolChoice } = request;
  if (toolChoice === undefined) return {};
  const forces =
    toolChoice.type === "required" ||
    toolChoice.type === "named" ||
    (toolChoice.type === "subset" && toolChoice.mode === "required");
  const isGone = toolChoice.type === "named" && isHostedElsewhere(request, toolChoice.name);
  if (!hasTools || isGone) {
    if (forces) lose("tool_choice", "tool_choice");
    return {};
  }
  if (forces && record?.forcedTools === false) {
    lose("tool_choice", "tool_choice");
    return { tool_choice: "auto" };
  }
  return { tool_choice: choiceValue(toolChoice, request) };
}

function isHostedElsewhere({ tools }: ChatRequest, name: string): boolean {
  return tools.some((tool) => tool.type === "opaque" && tool.dialect !== NAME && tool.name === name);
}

function choiceValue(choice: ToolChoice, request: ChatRequest): string | JsonObject {
  const custom = customNames(request);
  switch (choice.type) {
    case "none":
    case "auto":
    case "required":
      return choice.type;
    case "named":
      return toolReference(choice.name, custom);
    case "subset":
      return {
        type: "allowed_tools",
        allowed_tools: { mode: choice.mode, tools: choice.names.map((name) => toolReference(name, custom)) },
      };
  }
}

function customNames({ tools }: ChatRequest): ReadonlySet<string | undefined> {
  return new Set(tools.filter((tool) => tool.type === "opaque" && tool.kind === "custom").map((tool) => tool.name));
}

function toolReference(name: string, custom: ReadonlySet<string | undefined>): JsonObject {
  return custom.has(name) ? { type: "custom", custom: { name } } : { type: "function", function: { name } };
}

// ---- What shapes the output

function writeFormat({ responseFormat, dialect }: ChatRequest, lose: Lose): JsonObject {
  if (responseFormat === undefined) return {};
  switch (responseFormat.type) {
    case "text":
      return dialect === NAME ? { response_format: { type: "text" } } : {};
    case "json-object":
      return { response_format: { type: "json_object" } };
    case "json-schema":
      return {
        response_format: { type: "json_schema", json_schema: schemaFormat(responseFormat, dialect === NAME, lose) },
      };
  }
}

/** Nothing to generate (a prompt that is only to be cached) has no word here: the least there is. */
function writeMaxTokens(
  { maxOutputTokens, dialect }: ChatRequest,
  record: ModelRecord | undefined,
  lose: Lose,
): JsonObject {
  if (maxOutputTokens === undefined) return {};
  const least = dialect === NAME ? 0 : 1;
  if (maxOutputTokens < least) lose("max_tokens", "max_tokens");
  const most = record?.maxOutputTokens ?? Number.POSITIVE_INFINITY;
  return { max_completion_tokens: Math.max(least, Math.min(maxOutputTokens, most)) };
}

const STOPS_MAX = 4;

function writeStop({ stop }: ChatRequest, lose: Lose): JsonObject {
  const said = (stop ?? []).filter((sequence) => sequence !== "");
  if (said.length === 0) return {};
  if (said.length > STOPS_MAX) lose("stop", "stop");
  return { stop: said.slice(0, STOPS_MAX) };
}

/** A value that is the default in any case is nothing to lose. */
const SAMPLING_DEFAULT = 1;

function writeSampling(request: ChatRequest, record: ModelRecord | undefined, thinks: boolean, lose: Lose): JsonObject {
  const { temperature, topP, topK, seed, frequencyPenalty, presencePenalty, dialect } = request;
  const keep = (field: string, value: number | undefined, takes: boolean, standard: number): JsonObject => {
    if (value === undefined) return {};
    if (takes) return { [field]: value };
    if (value !== standard) lose(field, field);
    return {};
  };
  const samples = record?.sampling !== "none" && !(record?.sampling === "effort-none-only" && thinks);
  const penalizes = record === undefined || record.sampling === "free";
  const highest = record?.temperatureMax ?? Number.POSITIVE_INFINITY;
  if (samples && temperature !== undefined && temperature > highest) lose("temperature", "temperature");
  const both = !(record?.sampling === "temperature-xor-top-p" && temperature !== undefined);
  return {
    ...keep(
      "temperature",
      temperature === undefined ? undefined : Math.min(temperature, highest),
      samples,
      SAMPLING_DEFAULT,
    ),
    ...keep("top_p", topP, samples && both, SAMPLING_DEFAULT),
    ...keep("top_k", topK, dialect === NAME, Number.NaN),
    ...keep("frequency_penalty", frequencyPenalty, penalizes, 0),
    ...keep("presence_penalty", presencePenalty, penalizes, 0),
    ...(seed === undefined ? {} : { seed }),
  };
}

function writeAlternatives({ choices, logprobs }: ChatRequest): JsonObject {
  return {
    ...(choices === undefined ? {} : { n: choices }),
    ...(logprobs === undefined
      ? {}
      : { logprobs: true, ...(logprobs.top === undefined ? {} : { top_logprobs: logprobs.top }) }),
  };
}

// ---- What goes along

const SERVICE_TIERS: ReadonlyMap<string, string> = new Map(
  Object.entries<string>({ auto: "auto", standard_only: "default" }),
);

function writeCaller(request: ChatRequest, record: ModelRecord | undefined, lose: Lose): JsonObject {
  const { endUser, metadata, serviceTier, promptCacheKey } = request;
  if (request.dialect === NAME) {
    return {
      ...(endUser === undefined ? {} : { safety_identifier: endUser }),
      ...(metadata === undefined ? {} : { metadata }),
      ...(serviceTier === undefined ? {} : { service_tier: serviceTier }),
      ...(promptCacheKey === undefined ? {} : { prompt_cache_key: promptCacheKey }),
    };
  }
  if (metadata !== undefined && Object.keys(metadata).length > 0) lose("metadata", "metadata");
  // A server that no table knows may refuse what it does not know.
  if (endUser !== undefined && record === undefined) lose("user", "user");
  const tier = serviceTier === undefined ? undefined : SERVICE_TIERS.get(serviceTier);
  if (serviceTier !== undefined && tier === undefined) lose("service_tier", "service_tier");
  return {
    // Other dialects' ids may be longer than what is taken here, and may say more of the user than was meant for this provider.
    ...(endUser === undefined || record === undefined ? {} : { safety_identifier: hash("sha256", endUser, "hex") }),
    ...(tier === undefined ? {} : { service_tier: tier }),
    ...(promptCacheKey === undefined || !takesKey(record) ? {} : { prompt_cache_key: promptCacheKey }),
  };
}
