/** What a provider itself says of a missed cache, in one form: OpenAI's `prompt_cache_diagnostics`, Anthropic's `diagnostics`. */
import type { CacheDiagnosis, JsonValue } from "../chat.ts";

/**
 * @param value The object in the answer, of either kind.
 * @returns `undefined`: it does not tell (pending, unavailable, the answer to compare with is gone).
 */
export function readDiagnosis(value: JsonValue | undefined): CacheDiagnosis | undefined {
  if (!isObject(value)) return undefined;
  if (value["type"] === "cache_hit") return { type: "hit" };
  if (value["type"] === "cache_miss") return miss(value["reason"], value["cache_missed_tokens"]);
  const reason = value["cache_miss_reason"];
  return isObject(reason) ? miss(reason["type"], reason["cache_missed_input_tokens"]) : undefined;
}

function miss(reason: JsonValue | undefined, tokens: JsonValue | undefined): CacheDiagnosis | undefined {
  const changed = typeof reason === "string" ? CHANGED.get(reason) : undefined;
  if (changed === undefined || typeof reason !== "string") return undefined;
  return {
    type: "miss",
    changed,
    word: reason.replace(/_changed$/, ""),
    missedTokens: typeof tokens === "number" && Number.isFinite(tokens) && tokens >= 0 ? tokens : undefined,
  };
}

type Changed = Extract<CacheDiagnosis, { type: "miss" }>["changed"];

const CHANGED: ReadonlyMap<string, Changed> = new Map<string, Changed>([
  ["model_changed", "model"],
  ["system_changed", "system"],
  ["tools_changed", "tools"],
  ["messages_changed", "messages"],
  ["input_changed", "input"],
  ["prompt_cache_key_changed", "key"],
  ["context_compacted", "compacted"],
  ["text_format_changed", "setting"],
  ["reasoning_effort_changed", "setting"],
  ["verbosity_changed", "setting"],
  ["service_tier_changed", "setting"],
]);

function isObject(value: JsonValue | undefined): value is { readonly [key: string]: JsonValue | undefined } {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
