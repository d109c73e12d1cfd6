/** OpenAI's `POST /v1/chat/completions` as a request: what is refused, and what its caches see. */
import type { JsonObject } from "../../../src/chat.ts";
import type { ModelRecord } from "../../../src/model.ts";
import { type Ask, seedOf } from "../answer.ts";
import { type CachePlan, uncachedPlan } from "../cache/cache.ts";
import { OpenaiAutomatic } from "../cache/openai-automatic.ts";
import { OpenaiBreakpoints } from "../cache/openai-breakpoints.ts";
import { type Directives, numberOf } from "../directives.ts";
import type { Picture } from "../image.ts";
import { canonical, type Prompt, promptOf } from "../prompt.ts";
import { digest } from "../tokens.ts";
import { readChat, textOf } from "./chat.prompt.ts";
import { refuseCompletionModel } from "./openai.completions.ts";
import { checkMessages } from "./openai.messages.ts";
import {
  type CacheWish,
  cacheWishOf,
  checkFields,
  checkRanges,
  effortOf,
  invalidValue,
  refuse,
} from "./openai.parameters.ts";
import { answerSchemaOf, checkTools, toolChoiceOf } from "./openai.tools.ts";
import { isObject, numberIn, objects, type ReadContext, Refusal, stringOf } from "./wire.ts";

export interface OpenaiReading {
  /** As it was asked for. */
  readonly model: string;
  readonly prompt: Prompt;
  readonly ask: Ask;
  readonly choices: number;
  readonly logprobs: boolean;
  readonly includesUsage: boolean;
  readonly obfuscates: boolean;
  readonly serviceTier: string;
  /** Only models whose cache writes cost something report them. */
  readonly reportsWrites: boolean;
  plan(nowMs: number): CachePlan;
}

export interface OpenaiCaches {
  readonly automatic: OpenaiAutomatic;
  readonly breakpoints: OpenaiBreakpoints;
  clear(): void;
}

export function createOpenaiCaches(): OpenaiCaches {
  const automatic = new OpenaiAutomatic();
  const breakpoints = new OpenaiBreakpoints();
  return {
    automatic,
    breakpoints,
    clear: () => {
      automatic.clear();
      breakpoints.clear();
    },
  };
}

/** @throws Refusal for what OpenAI would not serve. */
export function readOpenai(
  body: JsonObject,
  context: ReadContext,
  caches: OpenaiCaches,
  directives: (lastUserText: string) => Directives,
): OpenaiReading {
  checkFields(body);
  const model = stringOf(body["model"]);
  if (model === undefined || model === "") throw refuse("you must provide a model parameter");
  refuseCompletionModel(model);
  const record = context.lookup(model);
  if (record === undefined) {
    throw new Refusal(404, `The model \`${model}\` does not exist or you do not have access to it.`, {
      type: "invalid_request_error",
      code: "model_not_found",
    });
  }
  checkRanges(body, record);
  const effort = effortOf(body, record);
  const wish = cacheWishOf(body, record);
  const serviceTier = serviceTierOf(body, record);
  checkTools(body["tools"]);
  checkMessages(body["messages"], record);
  const { choice, parallel } = toolChoiceOf(body);
  const schema = answerSchemaOf(body, () => objects(body["messages"]).some((message) => /json/i.test(textOf(message))));

  const reading = readChat(body, schema, { imageTokens, markSeconds });
  const prompt = promptOf(reading.blocks);
  const inputMax = record.maxInputTokens ?? record.contextTokens ?? Infinity;
  if (prompt.tokens > inputMax) {
    throw refuse(
      `Input tokens exceed the configured limit of ${inputMax} tokens. Your messages resulted in ${prompt.tokens} tokens. Please reduce the length of the messages.`,
      "messages",
      "context_length_exceeded",
    );
  }
  const said = directives(reading.lastUserText);
  const streamOptions = isObject(body["stream_options"]) ? body["stream_options"] : {};
  return {
    model,
    prompt,
    choices: numberIn(body["n"]) ?? 1,
    logprobs: body["logprobs"] === true,
    includesUsage: streamOptions["include_usage"] === true,
    obfuscates: streamOptions["include_obfuscation"] !== false,
    serviceTier,
    reportsWrites: record.cache.kind === "marks",
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
      toolChoice: choice,
      parallel,
      schema,
      maxTokens: Math.min(
        numberIn(body["max_completion_tokens"]) ?? numberIn(body["max_tokens"]) ?? Infinity,
        record.maxOutputTokens ?? Infinity,
        (record.contextTokens ?? Infinity) - prompt.tokens,
      ),
      stop: stopsOf(body),
      thinkingTokens:
        effort === undefined || effort === "none" ? 0 : (numberOf(said, "thinking") ?? THOUGHTS[effort] ?? 32),
    },
    plan: (nowMs) => planOf(record, context.account, effort, wish, prompt, caches, nowMs),
  };
}

/** Made up, and rising with the effort. */
export const THOUGHTS: Readonly<Record<string, number>> = {
  minimal: 8,
  low: 16,
  medium: 32,
  high: 64,
  xhigh: 128,
  max: 192,
};

const TIERS = ["auto", "default", "flex", "scale", "priority", "fast"];

/** The tier that serves it. */
export function serviceTierOf(body: JsonObject, record: ModelRecord): string {
  const tier = body["service_tier"] ?? "auto";
  if (!TIERS.includes(String(tier))) throw invalidValue("service_tier", tier, TIERS);
  if ((tier === "priority" || tier === "fast") && record.id.includes("nano")) {
    throw refuse(`service_tier '${tier}' is not supported for ${record.id}.`, "service_tier", "invalid_value");
  }
  return tier === "auto" ? "default" : String(tier);
}

function stopsOf(body: JsonObject): readonly string[] {
  const stop = body["stop"];
  if (typeof stop === "string") return [stop];
  return Array.isArray(stop) ? stop.map(String) : [];
}

const LOW_DETAIL_TOKENS = 70;
const PATCHES_MAX = 1536;

/** A token for each patch of 32 by 32 pixels. */
export function imageTokens(picture: Picture | undefined, detail: string): number {
  if (detail === "low") return LOW_DETAIL_TOKENS;
  if (picture === undefined) return 1024;
  return Math.max(1, Math.min(PATCHES_MAX, Math.ceil(picture.width / 32) * Math.ceil(picture.height / 32)));
}

export function markSeconds(part: JsonObject): number | undefined {
  const breakpoint = part["prompt_cache_breakpoint"];
  if (!isObject(breakpoint)) return undefined;
  return breakpoint["ttl"] === "12h" ? 43_200 : 1800;
}

export function planOf(
  record: ModelRecord,
  account: string,
  effort: string | undefined,
  wish: CacheWish,
  prompt: Prompt,
  caches: OpenaiCaches,
  nowMs: number,
): CachePlan {
  // Another effort is another prompt to the cache.
  const scope = digest(account, record.id, effort ?? "");
  const { cache } = record;
  if (cache.kind === "automatic") {
    const idleSeconds =
      wish.retention === "in_memory" ? Math.min(IN_MEMORY_SECONDS, cache.idleSeconds) : cache.idleSeconds;
    const { minTokens, stepTokens } = cache;
    return caches.automatic.plan({ scope, prompt, key: wish.key, minTokens, stepTokens, idleSeconds, nowMs });
  }
  if (cache.kind === "marks") {
    return caches.breakpoints.plan({
      scope,
      prompt,
      key: wish.key,
      mode: wish.mode,
      minTokens: cache.minTokens,
      maxMarks: cache.maxMarks,
      lookback: cache.lookback,
      ttlSeconds: wish.ttlSeconds ?? cache.ttlSeconds[0] ?? 1800,
      nowMs,
    });
  }
  return uncachedPlan(prompt.tokens);
}

const IN_MEMORY_SECONDS = 450;
