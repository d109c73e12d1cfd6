/** Anthropic's `POST /v1/messages` as a request: what is refused, and what its cache sees. */
import type { JsonObject, JsonValue } from "../../../src/chat.ts";
import type { ModelRecord } from "../../../src/model.ts";
import { type Ask, seedOf } from "../answer.ts";
import type { AnthropicMarks } from "../cache/anthropic-marks.ts";
import { type CachePlan, uncachedPlan } from "../cache/cache.ts";
import type { Directives } from "../directives.ts";
import { canonical, type Prompt, promptOf } from "../prompt.ts";
import { digest } from "../tokens.ts";
import { blockOf, identityOf, marked, scaler, systemBlocks, toolBlocks } from "./anthropic.blocks.ts";
import type { Fingerprint } from "./anthropic.diagnostics.ts";
import { checkLoopOpensWithThought, checkToolTraffic, readMessages, turnsOf, type Turn } from "./anthropic.messages.ts";
import { invalid, type Signer, type Thinking, thinkingOf } from "./anthropic.thinking.ts";
import { canonicalChoice, readTools, toolChoiceOf } from "./anthropic.tools.ts";
import { isObject, numberIn, objects, type ReadContext, Refusal, stringOf } from "./wire.ts";

export interface AnthropicReading {
  readonly model: string;
  readonly record: ModelRecord;
  readonly prompt: Prompt;
  readonly ask: Ask;
  readonly thinking: Thinking;
  readonly redacted: boolean;
  readonly signer: Signer;
  readonly contentHash: string;
  /** Room in the window is less than the cap asked for: running into it has its own stop reason. */
  readonly windowIsTight: boolean;
  readonly fingerprint: Fingerprint;
  plan(nowMs: number): CachePlan;
}

const FIELDS: ReadonlySet<string> = new Set([
  "model",
  "messages",
  "max_tokens",
  "system",
  "stream",
  "stop_sequences",
  "temperature",
  "top_p",
  "top_k",
  "metadata",
  "tools",
  "tool_choice",
  "thinking",
  "output_config",
  "cache_control",
  "service_tier",
  "container",
  "diagnostics",
  "inference_geo",
  "speed",
  "user_profile_id",
  "workspace_id",
  "thread",
]);
/** Known with a beta header only. */
const BETA_FIELDS: ReadonlySet<string> = new Set([
  "context_management",
  "mcp_servers",
  "fallback",
  "fallbacks",
  "output_format",
  "betas",
]);
const VERSIONS: ReadonlySet<string> = new Set(["2023-01-01", "2023-06-01", "2026-10-21"]);
const VERSION_WITHOUT_SAMPLING = "2026-10-21";

export function readAnthropic(
  body: JsonObject,
  context: ReadContext,
  cache: AnthropicMarks,
  directives: (lastUserText: string) => Directives,
  options: { readonly checksSignatures: boolean; readonly counts: boolean },
): AnthropicReading {
  const version = String(context.headers["anthropic-version"] ?? "");
  if (version === "") throw invalid("anthropic-version: header is required");
  if (!VERSIONS.has(version)) throw invalid(`anthropic-version: "${version}" is not a valid version`);
  const model = stringOf(body["model"]);
  if (model === undefined) throw invalid("model: Field required");
  const maxTokens = numberIn(body["max_tokens"]);
  if (maxTokens === undefined && !options.counts) throw invalid("max_tokens: Field required");
  if (maxTokens !== undefined && (!Number.isInteger(maxTokens) || maxTokens < 0))
    throw invalid("max_tokens: Input should be greater than or equal to 0");
  checkFields(body, context.headers["anthropic-beta"] !== undefined);
  const record = context.lookup(model);
  if (record === undefined) throw new Refusal(404, `model: ${model}`, { type: "not_found_error" });
  if (maxTokens !== undefined && maxTokens > (record.maxOutputTokens ?? Infinity)) {
    throw invalid(
      `max_tokens: ${maxTokens} > ${record.maxOutputTokens}, which is the maximum allowed number of output tokens for ${record.id}`,
    );
  }
  checkSampling(body, record, version);
  const thinking = thinkingOf(body, record);
  const turns = turnsOf(body["messages"], record);
  if (version === VERSION_WITHOUT_SAMPLING) checkPlaces(turns);
  const tools = readTools(body["tools"]);
  const system = readSystem(body["system"]);
  const choice = toolChoiceOf(body["tool_choice"], tools, record, thinking);
  checkStop(body["stop_sequences"]);
  checkToolTraffic(turns);
  if (thinking.on) checkLoopOpensWithThought(turns, record);
  checkPrefill(turns, record);
  checkPrewarm(body, maxTokens, thinking);
  const format = formatOf(body);

  const scale = scaler(record.tokenRatio);
  const signer: Signer = { account: context.account, model: record.id };
  const contentHash = digest(
    "content",
    ...tools.filter((tool) => tool["defer_loading"] !== true).map(identityOf),
    ...system.map(identityOf),
  );
  const deferred = (name: string) => {
    const tool = tools.find((one) => one["defer_loading"] === true && one["name"] === name);
    return tool === undefined ? undefined : blockOf("messages", tool, 2, scale);
  };
  const { checksSignatures } = options;
  const reading = readMessages(turns, { record, signer, contentHash, scale, checksSignatures, deferred });
  const blocks = [...toolBlocks(tools, scale), ...systemBlocks(system, format, scale), ...reading.blocks];
  const prompt = promptOf(marked(blocks, body["cache_control"], record));
  const windowTokens = record.contextTokens ?? Infinity;
  if (prompt.tokens > windowTokens)
    throw invalid(`prompt is too long: ${prompt.tokens} tokens > ${windowTokens} maximum`);

  const scope = digest(context.account, record.id);
  const seed = seedOf(
    record.id,
    ...prompt.blocks.map((block) => block.identity),
    canonical(body["tool_choice"]),
    String(body["max_tokens"] === 0),
  );
  const said = directives(reading.lastUserText);
  const messageState = canonical([canonicalChoice(body["tool_choice"]), reading.hasImages, thinking.state]);
  return {
    model: record.id,
    record,
    prompt,
    thinking,
    redacted: said.has("redacted"),
    signer,
    contentHash: reading.contentHash,
    windowIsTight: prompt.tokens + (maxTokens ?? 0) > windowTokens,
    fingerprint: {
      account: context.account,
      model: canonical([record.id, body["speed"] ?? "standard"]),
      blocks: prompt.blocks,
      others: messageState,
    },
    ask: {
      seed,
      lastUserText: reading.lastUserText,
      toolResults: reading.toolResults,
      tools: tools
        .filter((tool) => tool["input_schema"] !== undefined)
        .map((tool) => ({ name: String(tool["name"]), schema: tool["input_schema"] })),
      toolChoice: choice.choice,
      parallel: choice.parallel,
      schema: format,
      maxTokens: Math.min(maxTokens ?? Infinity, windowTokens - prompt.tokens),
      stop: Array.isArray(body["stop_sequences"]) ? body["stop_sequences"].map(String) : [],
      thinkingTokens: thinking.on ? Number(said.get("thinking") ?? thinking.tokens) : 0,
      ...(reading.prefill === undefined ? {} : { prefill: reading.prefill }),
    },
    plan: (nowMs) => {
      if (record.cache.kind !== "marks") return uncachedPlan(prompt.tokens);
      return cache.plan({
        scope,
        prompt,
        systemState: canonical([
          body["speed"] ?? "standard",
          tools.some((tool) => String(tool["type"]).startsWith("web_search")),
          reading.hasCitations,
        ]),
        messageState,
        minTokens: record.cache.minTokens,
        lookback: record.cache.lookback,
        nowMs,
      });
    },
  };
}

function checkFields(body: JsonObject, hasBeta: boolean): void {
  const thread = body["thread"];
  if (thread !== undefined) {
    throw new Refusal(400, "thread: message threads are not supported for this request", {
      type: "invalid_request_error",
      details: { error_code: "thread_unsupported_request", unsupported: ["thread"] },
    });
  }
  for (const field of Object.keys(body)) {
    if (FIELDS.has(field) || (hasBeta && BETA_FIELDS.has(field))) continue;
    throw invalid(`${field}: Extra inputs are not permitted`);
  }
  if (body["stream"] !== undefined && typeof body["stream"] !== "boolean")
    throw invalid("stream: Input should be a valid boolean");
}

function checkSampling(body: JsonObject, record: ModelRecord, version: string): void {
  const given = (["temperature", "top_p", "top_k"] as const).filter(
    (field) => body[field] !== undefined && body[field] !== null,
  );
  const first = given[0];
  if (first === undefined) return;
  if (version === VERSION_WITHOUT_SAMPLING) throw invalid(`${first}: Extra inputs are not permitted`);
  const temperature = numberIn(body["temperature"]);
  const topP = numberIn(body["top_p"]);
  if (temperature !== undefined && (temperature < 0 || temperature > 1)) throw invalid("temperature: range: 0..1");
  if (record.sampling === "temperature-xor-top-p" && temperature !== undefined && topP !== undefined) {
    throw invalid("`temperature` and `top_p` cannot both be specified for this model. Please use only one.");
  }
  if (record.sampling !== "none") return;
  if (temperature !== undefined && temperature !== 1) throw invalid("`temperature` is deprecated for this model.");
  if (topP !== undefined && topP < 0.99) throw invalid("`top_p` is deprecated for this model.");
  if (body["top_k"] !== undefined && body["top_k"] !== null) throw invalid("`top_k` is deprecated for this model.");
}

/** Which blocks stand where, as the newest version has it. */
function checkPlaces(turns: readonly Turn[]): void {
  for (const turn of turns) {
    for (const [index, block] of turn.content.entries()) {
      const path = `messages.${turn.index}.content.${index}`;
      if (turn.role === "assistant" && block["type"] === "document") {
        throw invalid(`${path}: 'document' blocks are not permitted in assistant messages`);
      }
      const { citations } = block;
      if (turn.role === "user" && block["type"] === "text" && Array.isArray(citations) && citations.length > 0) {
        throw invalid(`${path}.text.citations: Extra inputs are not permitted`);
      }
    }
  }
}

function readSystem(value: JsonValue | undefined): JsonObject[] {
  if (value === undefined || value === null || value === "") return [];
  if (typeof value === "string") return [{ type: "text", text: value }];
  if (!Array.isArray(value)) throw invalid("system: Input should be a valid list");
  for (const [index, block] of objects(value).entries()) {
    if (block["type"] !== "text") throw invalid(`system.${index}.type: Input should be 'text'`);
    if (stringOf(block["text"]) === undefined) throw invalid(`system.${index}.text: Field required`);
    if (block["text"] === "") throw invalid("system: text content blocks must be non-empty");
  }
  return objects(value);
}

function checkStop(value: JsonValue | undefined): void {
  if (!Array.isArray(value)) return;
  if (value.some((one) => typeof one !== "string" || one.trim() === ""))
    throw invalid("stop_sequences: each stop sequence must contain non-whitespace");
}

function checkPrefill(turns: readonly Turn[], record: ModelRecord): void {
  const last = turns.at(-1);
  if (last?.role !== "assistant") return;
  if (!record.prefill)
    throw invalid(
      "This model does not support assistant message prefill. The conversation must end with a user message.",
    );
  const text = stringOf(last.content.at(-1)?.["text"]);
  if (text !== undefined && text !== text.trimEnd())
    throw invalid("messages: final assistant content cannot end with trailing whitespace");
}

/** `max_tokens: 0` only fills the cache. */
function checkPrewarm(body: JsonObject, maxTokens: number | undefined, thinking: Thinking): void {
  if (maxTokens !== 0) return;
  const choice = isObject(body["tool_choice"]) ? body["tool_choice"]["type"] : undefined;
  if (body["stream"] === true) throw invalid("max_tokens: 0 is not supported with stream");
  if (thinking.state.startsWith("enabled")) throw invalid("max_tokens: 0 is not supported with thinking.enabled");
  if (formatOf(body) !== undefined) throw invalid("max_tokens: 0 is not supported with output_config.format");
  if (choice === "any" || choice === "tool") throw invalid("max_tokens: 0 is not supported with forced tool_choice");
}

function formatOf(body: JsonObject): JsonObject | undefined {
  const config = isObject(body["output_config"]) ? body["output_config"] : undefined;
  const format = config?.["format"];
  if (!isObject(format)) return undefined;
  if (format["type"] !== "json_schema") throw invalid("output_config.format.type: Input should be 'json_schema'");
  const unknown = Object.keys(format).find((field) => field !== "type" && field !== "schema");
  if (unknown !== undefined) throw invalid(`output_config.format.${unknown}: Extra inputs are not permitted`);
  if (!isObject(format["schema"])) throw invalid("output_config.format.schema: Field required");
  checkClosed(format["schema"], "output_config.format.schema");
  return format["schema"];
}

/** Structured output wants every object closed. */
function checkClosed(schema: JsonValue | undefined, path: string): void {
  if (Array.isArray(schema)) {
    for (const [index, item] of (schema as readonly JsonValue[]).entries()) checkClosed(item, `${path}.${index}`);
    return;
  }
  if (!isObject(schema)) return;
  if (schema["type"] === "object" && schema["additionalProperties"] !== false)
    throw invalid(`${path}: For 'object' type, 'additionalProperties' must be explicitly set to false`);
  for (const [key, value] of Object.entries(schema))
    if (key !== "const" && key !== "enum" && key !== "default") checkClosed(value, `${path}.${key}`);
}
