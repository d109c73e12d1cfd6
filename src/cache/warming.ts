/** How far a prompt is written to a cache on purpose, and where it cannot be. */
import { GatewayError } from "../errors.ts";
import type { ModelRecord } from "../model.ts";
import type { Target } from "../target.ts";
import type { Prompt } from "./placer.ts";

/** To the prompt's end, or as far as it is static: to the client's boundary, or behind tools and system text. */
export type Warming = "end" | "static";

/** Why a prompt cannot be written there as far as that, or not so that anybody reads it; `undefined`: it can. */
export function warmingRefusal(prompt: Prompt, target: Target, isTranslated: boolean): GatewayError | undefined {
  const { prefixes, warms } = prompt;
  if (warms === undefined || target.record?.cache.kind !== "marks") return undefined;
  if (warms === "static") {
    if (prefixes.staticPlace !== -1) return undefined;
    return new GatewayError(
      "invalid-request",
      "nothing of this prompt is static: it begins with neither tools nor system text",
    );
  }
  if (prefixes.staticPlace === prefixes.spots.length - 1 || !losesBudget(prompt, target.record, isTranslated))
    return undefined;
  return new GatewayError(
    "unsupported",
    `${target.name} cannot write messages to its cache for calls that think with a budget without thinking it through; ` +
      "`until=static` writes tools and system text, which they read",
  );
}

/**
 * A budget to think with has to be thought through, and goes with no answer of nothing: it is left out of a prompt that is only written.
 * Where the cache tells messages apart by it, what would be written behind the static prefix is what no call reads.
 */
function losesBudget({ request }: Prompt, { cache, reasoning }: ModelRecord, isTranslated: boolean): boolean {
  const wish = request.reasoning;
  if (wish === undefined || wish.enabled === false) return false;
  const levels = "settings" in cache ? cache.settings : undefined;
  if (levels?.messages?.["reasoning"] === undefined) return false;
  if (reasoning.kind === "budget") return wish.effort !== "none";
  // Translated, it becomes a word, which is said all the same.
  return wish.budgetTokens !== undefined && !isTranslated;
}
