/** Mistral's `POST /v1/chat/completions` as a request: what is refused, and what its cache sees. */
import type { JsonObject, JsonValue } from "../../../src/chat.ts";
import type { ModelRecord } from "../../../src/model.ts";
import { type Ask, seedOf } from "../answer.ts";
import { type CachePlan, uncachedPlan } from "../cache/cache.ts";
import type { MistralKeyed } from "../cache/mistral-keyed.ts";
import { type Directives, numberOf } from "../directives.ts";
import { canonical, type Prompt, promptOf } from "../prompt.ts";
import { digest } from "../tokens.ts";
import { readChat, textOf } from "./chat.prompt.ts";
import { checkMistralMessages } from "./mistral.messages.ts";
import { checkMistralFields, refused } from "./mistral.fields.ts";
import { isObject, numberIn, objects, type ReadContext, stringOf } from "./wire.ts";

export interface MistralReading {
  /** As it was asked for. */
  readonly model: string;
  readonly prompt: Prompt;
  readonly ask: Ask;
  readonly choices: number;
  /** Whether content is made of chunks, as it is when the model reasons. */
  readonly reasons: boolean;
  /** Room in the window is less than the cap asked for: running into it has its own finish reason. */
  readonly windowIsTight: boolean;
  plan(nowMs: number): CachePlan;
}

/** @throws Refusal for what Mistral would not serve. */
export function readMistral(
  body: JsonObject,
  context: ReadContext,
  cache: MistralKeyed,
  directives: (lastUserText: string) => Directives,
): MistralReading {
  checkMistralFields(body);
  const model = stringOf(body["model"]) ?? "";
  const record = context.lookup(model);
  if (record === undefined) throw refused(`Invalid model: ${model}`, "invalid_model", "1500");
  checkMistralMessages(body["messages"]);
  const reasons = reasoningOf(body, record);
  checkSampling(body);
  const schema = answerSchemaOf(body);

  const reading = readChat(body, schema, { imageTokens });
  const prompt = promptOf(reading.blocks);
  const windowTokens = record.contextTokens ?? Infinity;
  if (prompt.tokens > windowTokens) {
    throw refused(
      `Prompt contains ${prompt.tokens} tokens and 0 draft tokens, too large for model with ${windowTokens} maximum context length`,
      "invalid_request_prompt",
      "3210",
    );
  }
  const said = directives(reading.lastUserText);
  const maxTokens = numberIn(body["max_tokens"]);
  return {
    model,
    prompt,
    choices: numberIn(body["n"]) ?? 1,
    reasons,
    windowIsTight: prompt.tokens + (maxTokens ?? 0) > windowTokens,
    ask: {
      seed: seedOf(
        record.id,
        ...prompt.blocks.map((block) => block.identity),
        canonical(body["tool_choice"]),
        canonical(body["random_seed"]),
      ),
      lastUserText: reading.lastUserText,
      toolResults: reading.toolResults,
      tools: reading.functions,
      toolChoice: toolChoiceOf(body["tool_choice"]),
      parallel: body["parallel_tool_calls"] !== false,
      schema,
      maxTokens: Math.min(maxTokens ?? Infinity, windowTokens - prompt.tokens),
      stop: stopsOf(body["stop"]),
      thinkingTokens: reasons ? (numberOf(said, "thinking") ?? THINKING_TOKENS) : 0,
      ...(reading.prefill === undefined ? {} : { prefill: reading.prefill }),
    },
    plan: (nowMs) => {
      const contract = record.cache;
      if (contract.kind !== "keyed") return uncachedPlan(prompt.tokens);
      return cache.plan({
        scope: digest(context.account, record.id),
        prompt,
        key: stringOf(body["prompt_cache_key"]),
        minTokens: contract.minTokens,
        stepTokens: contract.stepTokens,
        idleSeconds: contract.idleSeconds,
        nowMs,
      });
    },
  };
}

const THINKING_TOKENS = 48;
const IMAGE_TOKENS = 1024;

/** A token for each patch of 28 by 28 pixels. */
function imageTokens(picture: { readonly width: number; readonly height: number } | undefined): number {
  if (picture === undefined) return IMAGE_TOKENS;
  return Math.max(1, Math.min(3072, Math.ceil(picture.width / 28) * Math.ceil(picture.height / 28)));
}

function reasoningOf(body: JsonObject, record: ModelRecord): boolean {
  const effort = stringOf(body["reasoning_effort"]);
  const takesEffort = record.reasoning.kind === "effort";
  if (effort !== undefined && !takesEffort) throw invalidArguments("reasoning_effort is not enabled for this model");
  return takesEffort && (effort === "high" || (effort === undefined && body["prompt_mode"] === "reasoning"));
}

function checkSampling(body: JsonObject): void {
  if (body["logprobs"] === true) throw invalidArguments("Logprobs are not enabled for this model");
  const topP = numberIn(body["top_p"]);
  if (body["temperature"] === 0 && topP !== undefined && topP !== 1) {
    throw invalidArguments("top_p must be 1 when using greedy sampling.");
  }
}

function invalidArguments(message: string): Error {
  return refused(message, "invalid_request_invalid_args", "3051");
}

/** The schema that the answer must fit; `{}` for "some JSON object". */
function answerSchemaOf(body: JsonObject): JsonObject | undefined {
  const format = isObject(body["response_format"]) ? body["response_format"] : undefined;
  const type = format?.["type"] ?? "text";
  if (type === "text") return undefined;
  if (type === "json_object") {
    if (objects(body["messages"]).some((message) => /json/i.test(textOf(message)))) return {};
    throw invalidArguments("The prompt must contain the word 'JSON' to use response_format json_object.");
  }
  const described = format?.["json_schema"];
  const schema = isObject(described) ? described["schema"] : undefined;
  return isObject(schema) ? schema : {};
}

function toolChoiceOf(choice: JsonValue | undefined): Ask["toolChoice"] {
  if (choice === "none") return { kind: "none" };
  if (choice === "any" || choice === "required") return { kind: "any" };
  const named = isObject(choice) && isObject(choice["function"]) ? stringOf(choice["function"]["name"]) : undefined;
  return named === undefined ? { kind: "auto" } : { kind: "named", name: named };
}

function stopsOf(stop: JsonValue | undefined): readonly string[] {
  if (typeof stop === "string") return [stop];
  return Array.isArray(stop) ? stop.map(String) : [];
}
