/** How far a prompt is written to a cache on purpose, and where it cannot be. */
import { GatewayError } from "../errors.ts";
import type { ModelRecord } from "../model.ts";
import type { Target } from "../target.ts";
import type { PlannedMark, PlannedPrompt } from "./plan.ts";
import type { Prompt } from "./placer.ts";

/** To the prompt's end, or as far as it is static: to the client's boundary, or behind tools and system text. */
export type Warming = "end" | "static";

/** Why a prompt cannot be written there as far as that, or not so that anybody reads it; `undefined`: it can. */
export function warmingRefusal(
  prompt: Prompt,
  { staticPlace, markable }: Pick<PlannedPrompt, "staticPlace" | "markable">,
  target: Target,
  isTranslated: boolean,
): GatewayError | undefined {
  const { request, prefixes, warms } = prompt;
  if (warms === undefined) return undefined;
  if (target.record?.cache.kind === "keyed" && prompt.mode === "off" && request.promptCacheKey === undefined) {
    return new GatewayError(
      "invalid-request",
      `${target.name} caches only what is sent with a key, and \`cache.mode\` is \`off\`: set \`prompt_cache_key\`, here and in the calls after it`,
    );
  }
  if (target.record?.cache.kind !== "marks") return undefined;
  if (warms === "static") {
    if (prefixes.staticPlace === -1) {
      return new GatewayError(
        "invalid-request",
        "nothing of this prompt is static: it begins with neither tools nor system text",
      );
    }
    if (staticPlace < 0 || markable === undefined || markable.lastIndexOf(1, staticPlace) !== -1) return undefined;
    return new GatewayError(
      "invalid-request",
      `nothing that is static here can be marked for ${target.name}, so that nothing would be written: ` +
        "say it in a system or developer message of the input (in `instructions` and on tools there is no place for a mark), or use `until=end`",
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
 * Where a cache has no marks and is found by a key: what is written is the whole prompt, and what calls after it have in common with it
 * ends behind what is static, or at its end.
 *
 * @returns `undefined` where nothing is to be remembered.
 */
export function warmedPlaces(
  { warms, mode }: Prompt,
  { tokens, staticPlace }: Pick<PlannedPrompt, "tokens" | "staticPlace">,
  { record }: Target,
): readonly PlannedMark[] | undefined {
  const cache = record?.cache;
  if (warms === undefined || mode === "off" || cache?.kind !== "keyed") return undefined;
  const places = warms === "static" ? [staticPlace] : [...new Set([staticPlace, tokens.length - 1])];
  return places
    .filter((place) => (tokens[place] ?? 0) >= cache.minTokens)
    .map((place) => ({ place, ttlSeconds: cache.idleSeconds }));
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
