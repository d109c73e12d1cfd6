/**
 * Writes the canonical reading as a Responses request. Same request, same bytes; what finds no word is a loss.
 *
 * Clients of other dialects bring the whole conversation each time: nothing is stored for them, and what the model thinks comes
 * back sealed so that they can bring that, too.
 */
import { hash } from "node:crypto";
import type { ChatRequest, JsonObject, Loss } from "../chat.ts";
import type { ModelRecord } from "../model.ts";
import type { WriteOptions } from "./dialect.ts";
import { fieldWord } from "./field-words.ts";
import { withJsonWord } from "./json-object.ts";
import { markWriter, takesKey, writeMarksOnly } from "./openai-chat.marks.ts";
import { writeEffort } from "./openai-chat.reasoning.ts";
import { schemaFormat } from "./openai-chat.schema.ts";
import { isObject } from "./openai-chat.words.ts";
import { wireItem, writeTurns } from "./openai-responses.turns.ts";
import { INCLUDE_LOGPROBS, INCLUDE_SEALS, NAME } from "./openai-responses.words.ts";
import type { Lose } from "./openai-responses.write-parts.ts";
import { writeTools } from "./openai-responses.write-tools.ts";
import { saysNothing } from "./refused.ts";

export function writeRequest(said: ChatRequest, options: WriteOptions, losses: Loss[]): JsonObject {
  const { record } = options;
  const own = said.dialect === NAME;
  const request = own ? said : withJsonWord(said, losses);
  if (said.messages.length === 0 && !own) {
    throw saysNothing();
  }
  const lose = (field: string, path?: string) => void losses.push(path === undefined ? { field } : { field, path });
  const extra = own ? request.extra : {};
  if (!own) for (const key of Object.keys(request.extra)) lose(fieldWord(key), key);
  // Unlike the older API this one has functions called by models that think.
  const effort = writeEffort(request, record, { own, callsFunctions: false }, lose);
  const { instructions, items } = writeTurns(request, lose);
  const wire = markWriter(
    items.flatMap(({ content }) => content ?? []),
    record,
  );
  const marks = record?.cache.kind === "marks";
  loseUnsayable(request, lose);
  return {
    model: options.model,
    ...(instructions === undefined ? {} : { instructions }),
    ...(own && items.length === 0 ? {} : { input: items.map((item) => wireItem(item, wire, marks)) }),
    ...writeTools(request, record, lose),
    ...writeText(request, objectIn(extra, "text"), lose),
    ...writeReasoning(request, effort.said, objectIn(extra, "reasoning")),
    ...writeMaxTokens(request, record, lose),
    ...writeSampling(request, record, effort.thinks, lose),
    ...writeCaller(request, record, lose),
    ...writeMarksOnly(request, record),
    ...without(extra, JOINED_FIELDS),
    ...writeForm(request, record, effort.thinks, extra),
    ...(request.stream ? { stream: true } : {}),
  };
}

/** Members of `extra` that only add to what is written anyway. */
const JOINED_FIELDS: readonly string[] = ["text", "reasoning", "include", "stream_options"];

function without(object: JsonObject, keys: readonly string[]): JsonObject {
  return Object.fromEntries(Object.entries(object).filter(([key]) => !keys.includes(key)));
}

function objectIn(holder: JsonObject | undefined, key: string): JsonObject {
  const value = holder?.[key];
  return isObject(value) ? value : {};
}

function unlessEmpty(key: string, value: JsonObject): JsonObject {
  return Object.keys(value).length === 0 ? {} : { [key]: value };
}

// ---- What shapes the output

function writeText({ responseFormat, verbosity, dialect }: ChatRequest, extra: JsonObject, lose: Lose): JsonObject {
  const format = (): JsonObject => {
    switch (responseFormat?.type) {
      case undefined:
        return {};
      case "text":
        return dialect === NAME ? { format: { type: "text" } } : {};
      case "json-object":
        return { format: { type: "json_object" } };
      case "json-schema":
        return { format: { type: "json_schema", ...schemaFormat(responseFormat, dialect === NAME, lose) } };
    }
  };
  return unlessEmpty("text", { ...extra, ...format(), ...(verbosity === undefined ? {} : { verbosity }) });
}

/** A summary is shown only to who asks: some accounts may not have one, and are refused. */
function writeReasoning(
  { reasoning, envelope }: ChatRequest,
  effort: string | undefined,
  extra: JsonObject,
): JsonObject {
  const own = objectIn(envelope, "reasoning");
  const summary = reasoning?.display === "summarized" && Object.keys(own).length === 0 ? { summary: "auto" } : own;
  return unlessEmpty("reasoning", { ...extra, ...(effort === undefined ? {} : { effort }), ...summary });
}

/** "Invalid 'max_output_tokens': integer below minimum value. Expected a value >= 16". */
export const MAX_TOKENS_LEAST = 16;

function writeMaxTokens(
  { maxOutputTokens, dialect }: ChatRequest,
  record: ModelRecord | undefined,
  lose: Lose,
): JsonObject {
  if (maxOutputTokens === undefined) return {};
  const least = dialect === NAME ? 0 : MAX_TOKENS_LEAST;
  if (maxOutputTokens < least) lose("max_tokens", "max_tokens");
  const most = record?.maxOutputTokens ?? Number.POSITIVE_INFINITY;
  return { max_output_tokens: Math.max(least, Math.min(maxOutputTokens, most)) };
}

/** A value that is the default in any case is nothing to lose. */
const SAMPLING_DEFAULT = 1;

function writeSampling(request: ChatRequest, record: ModelRecord | undefined, thinks: boolean, lose: Lose): JsonObject {
  const { temperature, topP } = request;
  const keep = (field: string, value: number | undefined, takes: boolean): JsonObject => {
    if (value === undefined) return {};
    if (takes) return { [field]: value };
    if (value !== SAMPLING_DEFAULT) lose(field, field);
    return {};
  };
  const samples = record?.sampling !== "none" && !(record?.sampling === "effort-none-only" && thinks);
  const highest = record?.temperatureMax ?? Number.POSITIVE_INFINITY;
  if (samples && temperature !== undefined && temperature > highest) lose("temperature", "temperature");
  const both = !(record?.sampling === "temperature-xor-top-p" && temperature !== undefined);
  return {
    ...keep("temperature", temperature === undefined ? undefined : Math.min(temperature, highest), samples),
    ...keep("top_p", topP, samples && both),
  };
}

function loseUnsayable(request: ChatRequest, lose: Lose): void {
  const { topK, stop = [], seed, frequencyPenalty = 0, presencePenalty = 0, choices = 1 } = request;
  if (topK !== undefined) lose("top_k", "top_k");
  if (stop.some((sequence) => sequence !== "")) lose("stop", "stop");
  if (seed !== undefined) lose("seed", "seed");
  if (frequencyPenalty !== 0) lose("frequency_penalty", "frequency_penalty");
  if (presencePenalty !== 0) lose("presence_penalty", "presence_penalty");
  if (choices > 1) lose("n", "n");
  // They could be asked for; the answer's way back has no word for them.
  if (request.logprobs !== undefined && request.dialect !== NAME) lose("logprobs", "logprobs");
}

// ---- What goes along

/** Words that are the same in OpenAI's older API, and Anthropic's. */
const SERVICE_TIERS: ReadonlyMap<string, string> = new Map(
  Object.entries<string>({
    auto: "auto",
    default: "default",
    flex: "flex",
    priority: "priority",
    scale: "scale",
    fast: "fast",
    standard_only: "default",
  }),
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

/** In which form the answer is to come, and that nothing of it is kept. Models that do not think refuse to be asked for seals. */
function writeForm(
  request: ChatRequest,
  record: ModelRecord | undefined,
  thinks: boolean,
  extra: JsonObject,
): JsonObject {
  if (request.dialect === NAME) return ownForm(request, extra);
  return {
    store: false,
    ...(thinks ? { include: [INCLUDE_SEALS] } : {}),
    // Random text beside every delta, for twice the bytes; a server that no table knows may not know the field.
    ...(request.stream && record !== undefined ? { stream_options: { include_obfuscation: false } } : {}),
  };
}

function ownForm({ envelope = {}, logprobs }: ChatRequest, extra: JsonObject): JsonObject {
  const { reasoning: _written, include, stream_options: _joined, ...rest } = envelope;
  const wanted = logprobs === undefined ? undefined : [INCLUDE_LOGPROBS];
  return {
    ...rest,
    ...(include === undefined && wanted === undefined ? {} : { include: include ?? wanted }),
    ...(logprobs?.top === undefined ? {} : { top_logprobs: logprobs.top }),
    ...unlessEmpty("stream_options", { ...objectIn(extra, "stream_options"), ...objectIn(envelope, "stream_options") }),
  };
}
