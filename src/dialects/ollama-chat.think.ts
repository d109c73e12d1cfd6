/**
 * Whether and how hard a model should think, as far as this API can be told.
 *
 * A model that can think does so unless it is told not to; one that cannot refuses to be told to, and most of those that can refuse
 * a degree. So what is not known of a model is best left unsaid.
 */
import type { ChatRequest, JsonObject, ReasoningWish } from "../chat.ts";
import type { ModelRecord } from "../model.ts";
import { isOwn } from "./ollama-chat.words.ts";

type Lose = (field: string, path?: string) => void;

export function writeThink(request: ChatRequest, record: ModelRecord | undefined, lose: Lose): JsonObject {
  const wish = request.reasoning;
  if (wish === undefined) return {};
  const isOff = wish.enabled === false || (wish.effort === "none" && wish.enabled !== true);
  if (isOwn(request.dialect)) return { think: wish.effort ?? !isOff };
  const levels = (record?.reasoning.efforts ?? []).filter((word) => word !== "none");
  const [weakest] = levels;
  if (isOff) {
    // A model of levels alone (gpt-oss) thinks in any case.
    const isBound = weakest !== undefined && record?.reasoning.efforts.includes("none") === false;
    if (isBound) lose("reasoning", "reasoning");
    return { think: isBound ? weakest : false };
  }
  const degree = degreeOf(wish, lose);
  if (weakest !== undefined) return { think: degree === undefined ? true : fitting(degree, levels, weakest, lose) };
  if (degree !== undefined) lose("reasoning_effort", "reasoning");
  return record === undefined || record.reasoning.kind === "none" ? {} : { think: true };
}

function degreeOf({ effort, budgetTokens }: ReasoningWish, lose: Lose): string | undefined {
  if (effort !== undefined && effort !== "none") return effort;
  if (budgetTokens === undefined) return undefined;
  lose("budget_tokens", "thinking.budget_tokens");
  if (budgetTokens <= 4096) return "low";
  return budgetTokens <= 8192 ? "medium" : "high";
}

/** From the weakest to the strongest: the union of all vendors' words. */
const EFFORTS: readonly string[] = ["none", "minimal", "low", "medium", "high", "xhigh", "max"];

/** The strongest level the model takes that is not stronger than the one that was said; the weakest where all are. */
function fitting(effort: string, levels: readonly string[], weakest: string, lose: Lose): string {
  if (levels.includes(effort)) return effort;
  lose("reasoning_effort", "reasoning");
  const rank = EFFORTS.indexOf(effort);
  return levels.filter((word) => rank >= 0 && EFFORTS.indexOf(word) <= rank).at(-1) ?? weakest;
}
