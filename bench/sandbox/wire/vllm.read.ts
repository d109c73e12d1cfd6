/** vLLM's `POST /v1/chat/completions` as a request. What it does not know it ignores; a mistral tokenizer brings Mistral's rules along. */
import type { JsonObject, JsonValue } from "../../../src/chat.ts";
import { type Ask, seedOf } from "../answer.ts";
import type { CachePlan } from "../cache/cache.ts";
import type { VllmBlocks } from "../cache/vllm-blocks.ts";
import { type Directives, numberOf } from "../directives.ts";
import { canonical, type Prompt, promptOf } from "../prompt.ts";
import { brokenPictureIn, readChat } from "./chat.prompt.ts";
import { isObject, numberIn, objects, type ReadContext, Refusal, stringOf } from "./wire.ts";

export interface VllmReading {
  readonly model: string;
  readonly prompt: Prompt;
  readonly ask: Ask;
  readonly choices: number;
  readonly includesUsage: boolean;
  /** `continuous_usage_stats`: the count so far in every chunk. */
  readonly countsOn: boolean;
  readonly nineCharacterIds: boolean;
  plan(): CachePlan;
}

export function vllmRefusal(message: string, param?: string): Refusal {
  return new Refusal(400, message, { type: "BadRequestError", ...(param === undefined ? {} : { param }) });
}

/** @throws Refusal for what vLLM would not serve. */
export function readVllm(
  body: JsonObject,
  context: ReadContext,
  cache: VllmBlocks,
  directives: (lastUserText: string) => Directives,
  autoToolChoice: boolean,
): VllmReading {
  const model = stringOf(body["model"]) ?? context.defaultModel ?? "";
  const record = context.lookup(model);
  if (record === undefined) {
    throw new Refusal(404, `The model \`${model}\` does not exist.`, { type: "NotFoundError", param: "model" });
  }
  checkMessages(body["messages"]);
  if (brokenPictureIn(objects(body["messages"])) !== undefined) {
    throw vllmRefusal("cannot identify image file <_io.BytesIO object at 0x7f0000000000>");
  }
  const nineCharacterIds = record.toolCallIds === "nine-alphanumerics";
  if (nineCharacterIds) checkNineCharacterIds(objects(body["messages"]));
  checkValues(body);
  const toolChoice = toolChoiceOf(body, autoToolChoice);
  const schema = schemaOf(body);

  const reading = readChat(body, undefined, { imageTokens: () => 1024 });
  const prompt = promptOf(reading.blocks);
  const windowTokens = record.contextTokens ?? Infinity;
  const maxTokens = numberIn(body["max_completion_tokens"]) ?? numberIn(body["max_tokens"]);
  checkWindow(prompt.tokens, maxTokens, windowTokens);
  const said = directives(reading.lastUserText);
  const streamOptions = isObject(body["stream_options"]) ? body["stream_options"] : {};
  const effort = stringOf(body["reasoning_effort"]) ?? record.reasoning.defaultEffort ?? "none";
  const thinks = record.reasoning.kind !== "none" && effort !== "none";
  const includesUsage = streamOptions["include_usage"] === true;
  const stop = body["stop"];
  return {
    model,
    prompt,
    choices: numberIn(body["n"]) ?? 1,
    includesUsage,
    countsOn: includesUsage && streamOptions["continuous_usage_stats"] === true,
    nineCharacterIds,
    ask: {
      seed: seedOf(
        record.id,
        ...prompt.blocks.map((block) => block.identity),
        canonical(body["tool_choice"]),
        canonical(body["seed"]),
      ),
      lastUserText: reading.lastUserText,
      toolResults: reading.toolResults,
      tools: reading.functions,
      toolChoice,
      parallel: body["parallel_tool_calls"] !== false,
      schema,
      maxTokens: Math.min(maxTokens ?? Infinity, windowTokens - prompt.tokens),
      stop: typeof stop === "string" ? [stop] : Array.isArray(stop) ? stop.map(String) : [],
      thinkingTokens: said.has("thinking") ? (numberOf(said, "thinking") ?? 0) : thinks ? THINKING_TOKENS : 0,
      ...(reading.prefill === undefined ? {} : { prefill: reading.prefill }),
    },
    plan: () => cache.plan({ model: record.id, salt: stringOf(body["cache_salt"]), prompt, blockTokens: BLOCK_TOKENS }),
  };
}

const THINKING_TOKENS = 48;
export const BLOCK_TOKENS = 16;
const ROLES = ["system", "developer", "user", "assistant", "tool"];

function checkMessages(messages: JsonValue | undefined): void {
  if (messages === undefined) {
    throw vllmRefusal("[{'type': 'missing', 'loc': ('body', 'messages'), 'msg': 'Field required'}]");
  }
  if (!Array.isArray(messages)) {
    throw vllmRefusal("[{'type': 'list_type', 'loc': ('body', 'messages'), 'msg': 'Input should be a valid list'}]");
  }
  for (const [index, message] of (messages as readonly JsonValue[]).entries()) {
    const role = isObject(message) ? stringOf(message["role"]) : undefined;
    if (role !== undefined && ROLES.includes(role)) continue;
    throw vllmRefusal(
      `[{'type': 'literal_error', 'loc': ('body', 'messages', ${index}, 'role'), 'msg': 'Unexpected message role'}]`,
    );
  }
}

const NINE = /^[a-zA-Z0-9]{9}$/;

function checkNineCharacterIds(messages: readonly JsonObject[]): void {
  const ids = messages.flatMap((message) => [
    ...objects(message["tool_calls"]).map((call) => stringOf(call["id"]) ?? "null"),
    ...(message["role"] === "tool" ? [stringOf(message["tool_call_id"]) ?? "null"] : []),
  ]);
  const wrong = ids.find((id) => !NINE.test(id));
  if (wrong === undefined) return;
  throw vllmRefusal(`Tool call id was ${wrong} but must be a-z, A-Z, 0-9, with a length of 9.`);
}

export function checkValues(body: JsonObject): void {
  const temperature = numberIn(body["temperature"]);
  if (temperature !== undefined && temperature < 0) {
    throw vllmRefusal(`temperature must be non-negative, got ${temperature}.`, "temperature");
  }
  const topP = numberIn(body["top_p"]);
  if (topP !== undefined && (topP <= 0 || topP > 1))
    throw vllmRefusal(`top_p must be in (0, 1], got ${topP}.`, "top_p");
  const maxTokens = numberIn(body["max_completion_tokens"]) ?? numberIn(body["max_tokens"]);
  if (maxTokens !== undefined && maxTokens < 1) {
    throw vllmRefusal(`max_tokens must be at least 1, got ${maxTokens}.`, "max_tokens");
  }
  const salt = body["cache_salt"] ?? undefined;
  if (salt !== undefined && (typeof salt !== "string" || salt === "" || salt.length > 1024)) {
    throw vllmRefusal("Parameter 'cache_salt' must be a non-empty string if provided.", "cache_salt");
  }
  if (body["stream_options"] !== undefined && body["stream_options"] !== null && body["stream"] !== true) {
    throw vllmRefusal("Stream options can only be defined when `stream=True`.", "stream_options");
  }
}

function toolChoiceOf(body: JsonObject, autoToolChoice: boolean): Ask["toolChoice"] {
  const tools = objects(body["tools"]);
  const choice = body["tool_choice"] ?? undefined;
  if (tools.length === 0) {
    if (choice === undefined || choice === "none") return { kind: "none" };
    throw vllmRefusal("When using `tool_choice`, `tools` must be set.", "tool_choice");
  }
  if (choice === "none") return { kind: "none" };
  if (choice === "required") return { kind: "any" };
  if (isObject(choice)) {
    const name = isObject(choice["function"]) ? stringOf(choice["function"]["name"]) : undefined;
    const isOffered = tools.some((tool) => isObject(tool["function"]) && tool["function"]["name"] === name);
    if (name !== undefined && isOffered) return { kind: "named", name };
    throw vllmRefusal("The tool specified in `tool_choice` does not match any of the specified `tools`", "tool_choice");
  }
  if (!autoToolChoice) {
    throw vllmRefusal('"auto" tool choice requires --enable-auto-tool-choice and --tool-call-parser to be set');
  }
  return { kind: "auto" };
}

/** Of `response_format`, or of the server's own `structured_outputs`. */
function schemaOf(body: JsonObject): JsonObject | undefined {
  const own = isObject(body["structured_outputs"]) ? body["structured_outputs"]["json"] : undefined;
  if (isObject(own)) return own;
  const format = isObject(body["response_format"]) ? body["response_format"] : undefined;
  if (format?.["type"] === "json_object") return {};
  if (format?.["type"] !== "json_schema") return undefined;
  const described = format["json_schema"];
  const schema = isObject(described) ? described["schema"] : undefined;
  return isObject(schema) ? schema : {};
}

export function checkWindow(promptTokens: number, maxTokens: number | undefined, windowTokens: number): void {
  if (promptTokens + (maxTokens ?? 1) <= windowTokens) return;
  throw vllmRefusal(
    `This model's maximum context length is ${windowTokens} tokens. However, you requested ${promptTokens + (maxTokens ?? 0)} tokens (${promptTokens} in the messages, ${maxTokens ?? 0} in the completion). Please reduce the length of the messages or completion.`,
  );
}
