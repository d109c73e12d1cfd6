/**
 * How much a model should think, as a word of effort that it takes; and what its thinking forbids.
 */
import type { ChatRequest } from "../chat.ts";
import type { ModelRecord } from "../model.ts";
import { EFFORTS } from "./openai-chat.words.ts";

type Lose = (field: string, path?: string) => void;

export interface Effort {
  /** The word to send; `undefined`: nothing is said. */
  readonly said: string | undefined;
  /** Whether the model thinks, as far as its record tells: then it takes no sampling parameters. */
  readonly thinks: boolean;
}

export interface EffortContext {
  /** Whether the request is of the dialect that it is written to. */
  readonly own: boolean;
  /** Whether functions are offered where some models take them only when they do not think. */
  readonly callsFunctions: boolean;
}

export function writeEffort(
  request: ChatRequest,
  record: ModelRecord | undefined,
  { own, callsFunctions }: EffortContext,
  lose: Lose,
): Effort {
  const said = wished(request, record, own, lose);
  if (record === undefined || record.reasoning.kind === "none") return { said, thinks: false };
  const effective = said ?? record.reasoning.defaultEffort;
  if (!callsFunctions || !record.chatToolsNeedEffortNone) return { said, thinks: effective !== "none" };
  // Without a word it would have thought as much as is its default.
  if (effective !== "none" && effective !== undefined && !isOff(request)) lose("reasoning_effort", "reasoning");
  return { said: "none", thinks: false };
}

function wished(request: ChatRequest, record: ModelRecord | undefined, own: boolean, lose: Lose): string | undefined {
  const wish = request.reasoning;
  if (wish === undefined) return undefined;
  if (record === undefined) {
    // What an unknown model makes of effort nobody knows: only who speaks this dialect may have meant this one.
    if (own) return wish.effort;
    lose("reasoning", "reasoning");
    return undefined;
  }
  const { efforts } = record.reasoning;
  if (efforts.length === 0) {
    if (!isOff(request)) lose("reasoning", "reasoning");
    return undefined;
  }
  if (isOff(request)) {
    if (!efforts.includes("none")) lose("reasoning", "reasoning");
    return efforts[0];
  }
  return fitting(
    wish.effort ?? effortOfBudget(wish.budgetTokens, lose) ?? record.reasoning.defaultEffort ?? "medium",
    efforts,
    lose,
  );
}

function isOff({ reasoning }: ChatRequest): boolean {
  return reasoning?.enabled === false || (reasoning?.effort === "none" && reasoning.enabled !== true);
}

/** Thinking tokens as the word that is worth about as many. */
function effortOfBudget(budgetTokens: number | undefined, lose: Lose): string | undefined {
  if (budgetTokens === undefined) return undefined;
  lose("budget_tokens", "thinking.budget_tokens");
  if (budgetTokens <= 4096) return "low";
  if (budgetTokens <= 8192) return "medium";
  return budgetTokens <= 16_384 ? "high" : "xhigh";
}

/** The strongest word the model takes that is not stronger than the one that was said; never "none" for who wants some. */
function fitting(effort: string, efforts: readonly string[], lose: Lose): string {
  const some = efforts.filter((word) => word !== "none");
  if (some.includes(effort) || some.length === 0) return effort;
  // Thinking that is on by itself, at a model whose default is not to think.
  if (effort === "none") return some.includes("medium") ? "medium" : (some[0] ?? effort);
  lose("reasoning_effort", "reasoning");
  const rank = EFFORTS.indexOf(effort);
  const weaker = some.filter((word) => rank >= 0 && EFFORTS.indexOf(word) <= rank);
  return weaker.at(-1) ?? some[0] ?? effort;
}
