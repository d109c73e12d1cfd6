/** OpenAI's `POST /v1/responses` as a request: what is refused, what it goes on from, and what its caches see. */
import type { JsonObject, JsonValue } from "../../../src/chat.ts";
import type { ModelRecord } from "../../../src/model.ts";
import { type Ask, seedOf } from "../answer.ts";
import type { CachePlan } from "../cache/cache.ts";
import { type Directives, numberOf } from "../directives.ts";
import { canonical, type Prompt, promptOf } from "../prompt.ts";
import { type CacheWish, cacheWishOf, refuse } from "./openai.parameters.ts";
import { type OpenaiCaches, planOf, serviceTierOf, THOUGHTS } from "./openai.read.ts";
import { checkItems, typeOfItem } from "./openai.responses.items.ts";
import { checkPairs } from "./openai.responses.pairing.ts";
import { checkAbilities, checkResponseFields, noSuchModel } from "./openai.responses.parameters.ts";
import { conversationBlocks, textOfItem } from "./openai.responses.prompt.ts";
import { resolveState } from "./openai.responses.state.ts";
import type { ResponseStore } from "./openai.responses.store.ts";
import { foreignThought, type Thought, unseal } from "./openai.responses.thought.ts";
import { type CallableTool, choiceOf, formatOf, readTools, type ToolReading } from "./openai.responses.tools.ts";
import { isObject, numberIn, objects, type ReadContext, Refusal, stringOf } from "./wire.ts";

export interface ResponsesReading {
  readonly body: JsonObject;
  readonly record: ModelRecord;
  readonly account: string;
  readonly prompt: Prompt;
  /** Absent where the prompt is only read into the cache. */
  readonly ask: Ask | undefined;
  readonly effort: string | undefined;
  readonly serviceTier: string;
  readonly wish: CacheWish;
  readonly tools: ToolReading;
  readonly format: JsonObject;
  readonly context: "all_turns" | "current_turn";
  /** The whole conversation, what it goes on from included. */
  readonly items: readonly JsonObject[];
  /** Bytes of what is new in it. */
  readonly newBytes: number;
  callable(name: string): CallableTool | undefined;
  includes(what: string): boolean;
  plan(nowMs: number): CachePlan;
}

export interface ResponsesOptions {
  /** False: items and encrypted reasoning of others (recorded conversations) are taken as they are. */
  readonly checksItems?: boolean;
}

/** @param counts Only the tokens of its input are asked for. @throws Refusal for what OpenAI would not serve. */
export function readResponses(
  body: JsonObject,
  context: ReadContext,
  caches: OpenaiCaches,
  store: ResponseStore,
  directives: (lastUserText: string) => Directives,
  { checksItems, counts }: { readonly checksItems: boolean; readonly counts: boolean },
): ResponsesReading {
  checkResponseFields(body, !counts);
  const model = stringOf(body["model"]) ?? "";
  const record = context.lookup(model);
  if (record === undefined) throw noSuchModel(model);
  const declared = readTools(body["tools"]);
  checkItems(body["input"], record);
  const { items, added } = resolveState(body, context, store, checksItems);
  const effort = abilitiesOf(body, model, record);
  const wish = cacheWishOf(body, record, ["30m", "12h"]);
  checkRetention(wish, record);
  const serviceTier = serviceTierOf(body, record);
  if (checksItems) checkPairs(items, items.length - added.length, (id) => store.reasoningBefore(context.account, id));
  const tools = withTold(declared, items);
  const toolChoice = choiceOf(body["tool_choice"], tools);
  const format = formatOf(body["text"], () => saysJson(body, items));

  const reading = readingContext(body, record);
  const thought = (item: JsonObject) => thoughtBehind(item, context.account, store, checksItems);
  const build = (kept: readonly JsonObject[]) =>
    promptOf(
      conversationBlocks({
        tools: declared.echoed,
        schema: format.schema,
        instructions: stringOf(body["instructions"]),
        items: kept,
        thought,
      }),
    );
  const prompt = fitted(withoutOldThoughts(items, reading), build, body, record);
  const lastUserText = textOfItem(items.findLast((item) => typeOfItem(item) === "message" && item["role"] === "user"));
  const said = directives(lastUserText);
  const cacheOptions = isObject(body["prompt_cache_options"]) ? body["prompt_cache_options"] : {};
  return {
    body,
    record,
    account: context.account,
    prompt,
    effort,
    serviceTier,
    wish,
    tools: declared,
    format: format.echoed,
    context: reading,
    items,
    newBytes: JSON.stringify(added).length,
    callable: (name) => tools.callable.find((tool) => tool.name === name),
    includes: (what) => Array.isArray(body["include"]) && (body["include"] as readonly JsonValue[]).includes(what),
    ask:
      cacheOptions["prewarm"] === true
        ? undefined
        : {
            seed: seedOf(record.id, ...prompt.blocks.map((block) => block.identity), canonical(body["tool_choice"])),
            lastUserText,
            toolResults: trailingResults(items),
            tools: tools.callable,
            toolChoice,
            parallel: body["parallel_tool_calls"] !== false,
            schema: format.schema,
            maxTokens: Math.min(
              numberIn(body["max_output_tokens"]) ?? Infinity,
              record.maxOutputTokens ?? Infinity,
              (record.contextTokens ?? Infinity) - prompt.tokens,
            ),
            stop: [],
            thinkingTokens:
              effort === undefined || effort === "none" ? 0 : (numberOf(said, "thinking") ?? THOUGHTS[effort] ?? 32),
          },
    plan: (nowMs) => planOf(record, context.account, effort, wish, prompt, caches, nowMs),
  };
}

/** The effort in force, and whatever the model does not take refused. */
function abilitiesOf(body: JsonObject, model: string, record: ModelRecord): string | undefined {
  const { kind, efforts, defaultEffort } = record.reasoning;
  const asked = isObject(body["reasoning"]) ? stringOf(body["reasoning"]["effort"]) : undefined;
  const effort = kind === "none" ? undefined : (asked ?? defaultEffort ?? "medium");
  checkAbilities(body, {
    id: model,
    reasons: kind !== "none",
    efforts,
    samples: record.sampling === "free" || (record.sampling === "effort-none-only" && effort === "none"),
  });
  return effort;
}

function checkRetention({ retention }: CacheWish, { cache }: ModelRecord): void {
  if (retention !== "in_memory" || cache.kind !== "marks") return;
  throw refuse(
    "This model is compatible only with 24h extended prompt caching",
    "prompt_cache_retention",
    "invalid_parameter",
  );
}

/** Tools that came to be known in the conversation itself. */
function withTold(declared: ToolReading, items: readonly JsonObject[]): ToolReading {
  const told = items.flatMap((item, index) => {
    const type = typeOfItem(item);
    if (type !== "additional_tools" && type !== "tool_search_output") return [];
    return readTools(item["tools"], `input[${index}].tools`).callable;
  });
  return told.length === 0 ? declared : { ...declared, callable: [...declared.callable, ...told] };
}

function saysJson(body: JsonObject, items: readonly JsonObject[]): boolean {
  return [stringOf(body["instructions"]) ?? "", ...items.map(textOfItem)].some((text) => /json/i.test(text));
}

/** Which thoughts are read again: the newest models keep them all, the others those since the last user's word. */
function readingContext(body: JsonObject, record: ModelRecord): "all_turns" | "current_turn" {
  const asked = isObject(body["reasoning"]) ? body["reasoning"]["context"] : undefined;
  if (asked === "all_turns" || asked === "current_turn") return asked;
  return record.cache.kind === "marks" ? "all_turns" : "current_turn";
}

function withoutOldThoughts(
  items: readonly JsonObject[],
  context: "all_turns" | "current_turn",
): readonly JsonObject[] {
  if (context === "all_turns") return items;
  const turn = items.findLastIndex((item) => typeOfItem(item) === "message" && item["role"] === "user");
  return items.filter((item, index) => index > turn || typeOfItem(item) !== "reasoning");
}

/** @throws Refusal 404 for a reasoning item that is neither carried nor kept. */
function thoughtBehind(
  item: JsonObject,
  account: string,
  store: ResponseStore,
  checksItems: boolean,
): Thought | undefined {
  const content = stringOf(item["encrypted_content"]);
  const kept = store.thought(account, String(item["id"]));
  if (content === undefined) return kept;
  return checksItems ? unseal(account, item, content) : (kept ?? foreignThought(content));
}

/** The prompt that goes into the window: whole, or with `truncation: "auto"` without its beginning. */
function fitted(
  items: readonly JsonObject[],
  build: (items: readonly JsonObject[]) => Prompt,
  body: JsonObject,
  record: ModelRecord,
): Prompt {
  const inputMax = record.maxInputTokens ?? record.contextTokens ?? Infinity;
  let prompt = build(items);
  for (let from = 1; prompt.tokens > inputMax && body["truncation"] === "auto" && from < items.length; from++) {
    prompt = build(items.slice(from));
  }
  if (prompt.tokens <= inputMax) return prompt;
  throw new Refusal(
    400,
    "Your input exceeds the context window of this model. Please adjust your input and try again.",
    { type: "invalid_request_error", param: "input", code: "context_length_exceeded" },
  );
}

/** Results that the conversation ends in. */
function trailingResults(items: readonly JsonObject[]): string[] {
  const isResult = (item: JsonObject) => typeOfItem(item).endsWith("call_output");
  const from = items.findLastIndex((item) => !isResult(item)) + 1;
  return objects(items.slice(from)).map(textOfItem);
}
