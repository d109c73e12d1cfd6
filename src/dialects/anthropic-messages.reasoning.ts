/**
 * How much a model should think, in the words that its generation takes; and the output cap, which thinking counts against.
 */
import type { ChatRequest, JsonObject } from "../chat.ts";
import type { ModelRecord } from "../model.ts";
import { NAME } from "./anthropic-messages.words.ts";

export interface ReasoningFields {
  readonly thinking: JsonObject | undefined;
  readonly outputConfig: JsonObject;
  readonly maxTokens: number;
  /** Whether the model is told to think: then the API refuses sampling parameters and forced tools. */
  readonly thinks: boolean;
}

type Lose = (field: string, path?: string) => void;

/** From the weakest to the strongest: the union of all vendors' words. */
const EFFORTS: readonly string[] = ["none", "minimal", "low", "medium", "high", "xhigh", "max"];

/** Thinking tokens that a word of effort is worth on the models that want a number. */
const BUDGET_OF_EFFORT: ReadonlyMap<string, number> = new Map(
  Object.entries<number>({
    minimal: 1024,
    low: 4096,
    medium: 8192,
    high: 16_384,
    xhigh: 32_768,
    max: 32_768,
  }),
);
const BUDGET_MIN = 1024;

/** @param maxTokensDefault The output cap where the client gave none. */
export function writeReasoning(
  request: ChatRequest,
  record: ModelRecord | undefined,
  maxTokensDefault: number,
  lose: Lose,
): ReasoningFields {
  const highest = record?.maxOutputTokens ?? Number.POSITIVE_INFINITY;
  const maxTokens = Math.min(request.maxOutputTokens ?? maxTokensDefault, highest);
  const plain: ReasoningFields = { thinking: undefined, outputConfig: {}, maxTokens, thinks: false };
  const wish = request.reasoning;
  if (wish === undefined) return plain;
  const off = wish.enabled === false || (wish.effort === "none" && wish.enabled !== true);
  switch (record?.reasoning.kind) {
    case "none":
    case "effort":
      if (!off) lose("reasoning", "reasoning");
      return plain;
    case "budget": {
      // A prompt that is only to be cached: a budget would have to be thought through.
      if (request.maxOutputTokens === 0 && !off) {
        lose("reasoning", "reasoning");
        return plain;
      }
      const forgot = !off && hasForgottenThought(request);
      if (forgot) lose("reasoning", "reasoning");
      return off || forgot ? { ...plain, thinking: { type: "disabled" } } : budgeted(request, plain, highest, lose);
    }
    // A model that no table knows is taken for one of the newest.
    case undefined:
    case "adaptive":
      return off ? switchedOff(request, record, plain, lose) : adaptive(request, record, plain, lose);
  }
}

/**
 * Whether the conversation stands in a tool loop whose last answer has lost the thought it opened with, as clients' tool runners do.
 * Claude up to 4.5 refuses to think on from there; what it did not think it answers all the same.
 */
function hasForgottenThought({ messages }: ChatRequest): boolean {
  const at = messages.findLastIndex((message) => message.role === "assistant");
  const opening = messages[at]?.parts[0];
  const isSealed =
    opening?.type === "reasoning" &&
    opening.issuer === NAME &&
    (opening.signature !== undefined || opening.redacted !== undefined);
  return !isSealed && messages.slice(at + 1).some((message) => message.role === "tool");
}

/** Claude up to 4.5: a number of tokens, which the cap includes. */
function budgeted(request: ChatRequest, plain: ReasoningFields, highest: number, lose: Lose): ReasoningFields {
  const wish = request.reasoning ?? {};
  const wanted = wish.budgetTokens ?? BUDGET_OF_EFFORT.get(wish.effort ?? "medium");
  if (wanted === undefined) lose("reasoning_effort", "reasoning");
  let budget = Math.max(BUDGET_MIN, wanted ?? BUDGET_OF_EFFORT.get("medium") ?? BUDGET_MIN);
  let { maxTokens } = plain;
  if (budget >= maxTokens) {
    if (request.maxOutputTokens === undefined) {
      maxTokens = Math.min(budget + maxTokens, highest);
    } else {
      // The client's cap holds, thinking included, as long as both fit under it.
      budget = Math.max(BUDGET_MIN, Math.floor(maxTokens / 2));
      if (budget >= maxTokens) {
        maxTokens = Math.min(budget + maxTokens, highest);
        lose("max_tokens", "max_tokens");
      }
    }
    if (budget >= maxTokens) budget = Math.max(BUDGET_MIN, maxTokens - 1);
  }
  const display = wish.display === undefined ? {} : { display: wish.display };
  return { ...plain, thinking: { type: "enabled", budget_tokens: budget, ...display }, maxTokens, thinks: true };
}

/** Claude from 4.6 on: the model decides when to think, a word says how hard. */
function adaptive(
  request: ChatRequest,
  record: ModelRecord | undefined,
  plain: ReasoningFields,
  lose: Lose,
): ReasoningFields {
  const wish = request.reasoning ?? {};
  const effort = wish.effort ?? effortOfBudget(wish.budgetTokens, lose);
  const word = effort === undefined ? undefined : fitting(effort, record, lose);
  const display = wish.display === undefined ? {} : { display: wish.display };
  const explicit = wish.enabled === true || wish.budgetTokens !== undefined;
  const forced = forcesTools(request) && record?.forcedTools !== false;
  // Effort alone from a client of this dialect leaves thinking at the model's default. A forced call and thinking exclude each
  // other: the call is the stronger wish where thinking was only implied.
  const thinks = explicit || (request.dialect !== NAME && !forced);
  if (forced && !explicit && request.dialect !== NAME) lose("reasoning", "reasoning");
  return {
    ...plain,
    thinking: thinks ? { type: "adaptive", ...display } : undefined,
    outputConfig: word === undefined ? {} : { effort: word },
    thinks,
  };
}

function forcesTools({ toolChoice, tools }: ChatRequest): boolean {
  if (tools.length === 0 || toolChoice === undefined) return false;
  return (
    toolChoice.type === "required" ||
    toolChoice.type === "named" ||
    (toolChoice.type === "subset" && toolChoice.mode === "required")
  );
}

function switchedOff(
  request: ChatRequest,
  record: ModelRecord | undefined,
  plain: ReasoningFields,
  lose: Lose,
): ReasoningFields {
  const effort = request.reasoning?.effort;
  const said = effort === undefined || effort === "none" ? undefined : effort;
  const off = record === undefined ? "disabled" : record.reasoning.off;
  if (off === undefined) {
    lose("reasoning", "reasoning");
    const weakest = said ?? record?.reasoning.efforts[0];
    return {
      ...plain,
      outputConfig: weakest === undefined ? {} : { effort: fitting(weakest, record, lose) },
      thinks: true,
    };
  }
  // Off and the strongest efforts exclude each other.
  const tooStrong = said === "xhigh" || said === "max";
  if (tooStrong) lose("reasoning_effort", "reasoning");
  const word = said === undefined ? undefined : fitting(tooStrong ? "high" : said, record, lose);
  return {
    ...plain,
    thinking: off === "none" ? undefined : { type: off },
    outputConfig: word === undefined ? {} : { effort: word },
  };
}

function effortOfBudget(budgetTokens: number | undefined, lose: Lose): string | undefined {
  if (budgetTokens === undefined) return undefined;
  lose("budget_tokens", "thinking.budget_tokens");
  if (budgetTokens <= 4096) return "low";
  if (budgetTokens <= 8192) return "medium";
  return budgetTokens <= 16_384 ? "high" : "max";
}

/** The strongest word the model takes that is not stronger than the one that was said; the weakest where all are. */
function fitting(effort: string, record: ModelRecord | undefined, lose: Lose): string {
  const efforts = record?.reasoning.efforts ?? ["low", "medium", "high", "xhigh", "max"];
  if (efforts.includes(effort) || efforts.length === 0) return effort;
  lose("reasoning_effort", "reasoning");
  const rank = EFFORTS.indexOf(effort);
  const weaker = efforts.filter((word) => rank >= 0 && EFFORTS.indexOf(word) <= rank);
  return weaker.at(-1) ?? efforts[0] ?? effort;
}
