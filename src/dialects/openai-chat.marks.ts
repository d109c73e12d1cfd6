/**
 * Cache marks, for the models that match prompts at marked places: OpenAI's breakpoints, or the `cache_control` that servers of
 * other makers' models take in this dialect. Everywhere else they are left out and nothing is lost: the cache there works by itself,
 * and a field that a server does not know is refused.
 */
import type { CacheMark, ChatRequest, JsonObject } from "../chat.ts";
import type { ModelRecord } from "../model.ts";
import { MARKS_ONLY } from "./openai-chat.placing.ts";
import type { Content } from "./openai-chat.write-parts.ts";

/** @param contents Every part that may bear a mark, in the order of the prompt. Only the latest are kept, as the API would. */
export function markWriter(
  contents: readonly Content[],
  record: ModelRecord | undefined,
): (content: Content) => JsonObject {
  const cache = record?.cache;
  if (cache?.kind !== "marks") return ({ value }) => value;
  const kept = new Set(contents.filter(({ mark }) => mark !== undefined).slice(-cache.maxMarks));
  return (content) => {
    const { value, mark } = content;
    if (mark === undefined || !kept.has(content)) return value;
    return { ...value, [cache.style]: { ...FORM_OF_STYLE[cache.style], ...lifetime(mark, cache.ttlSeconds) } };
  };
}

const FORM_OF_STYLE: Readonly<Record<"cache_control" | "prompt_cache_breakpoint", JsonObject>> = {
  cache_control: { type: "ephemeral" },
  prompt_cache_breakpoint: { mode: "explicit" },
};

const SECONDS: Readonly<Record<NonNullable<CacheMark["ttl"]>, number>> = {
  "5m": 300,
  "30m": 1_800,
  "1h": 3_600,
  "12h": 43_200,
};

/** A lifetime that this model does not have becomes its own default, which costs what the model's price says. */
function lifetime({ ttl }: CacheMark, ttlSeconds: readonly number[]): JsonObject {
  return ttl !== undefined && ttlSeconds.includes(SECONDS[ttl]) ? { ttl } : {};
}

/** For models that would cache a prompt to its end by themselves. */
export function writeMarksOnly({ marksOnly }: ChatRequest, record: ModelRecord | undefined): JsonObject {
  const isAsked = record?.cache.kind === "marks" && record.cache.style === "prompt_cache_breakpoint";
  return marksOnly === true && isAsked ? { prompt_cache_options: MARKS_ONLY } : {};
}

/** Whether prompts are told apart by a key, so that one is better sent. */
export function takesKey(record: ModelRecord | undefined): boolean {
  const cache = record?.cache;
  switch (cache?.kind) {
    case "automatic":
      return cache.key;
    case "marks":
      return cache.style === "prompt_cache_breakpoint";
    case "keyed":
      return true;
    case "none":
    case "local":
    case undefined:
      return false;
  }
}
