/**
 * The fixed words of Chat Completions that reading and writing share: finish reasons, efforts, ids.
 */
import { hash } from "node:crypto";
import type { FinishReason, JsonObject, JsonValue } from "../chat.ts";

export const NAME = "openai-chat";

/** What the dialect's servers say beside the API's own words: Mistral's `model_length`, and what self-hosted ones make up. */
const FINISH_OF_WORD: ReadonlyMap<string, FinishReason> = new Map(
  Object.entries<FinishReason>({
    stop: "stop",
    length: "length",
    tool_calls: "tool-calls",
    function_call: "tool-calls",
    content_filter: "content-filter",
    model_length: "context-full",
    max_tokens: "length",
    tool_use: "tool-calls",
    stop_sequence: "stop-sequence",
    end_turn: "stop",
    eos: "stop",
    eos_token: "stop",
  }),
);

export function finishOf(word: string): FinishReason {
  return FINISH_OF_WORD.get(word) ?? "other";
}

/** Words by which servers say that they gave up in the middle: what came before is not an answer. */
export const FAILED_FINISHES: ReadonlySet<string> = new Set(["error", "abort", "insufficient_system_resource"]);

export const WORD_OF_FINISH: Readonly<Record<FinishReason, string>> = {
  stop: "stop",
  "stop-sequence": "stop",
  length: "length",
  "context-full": "length",
  "tool-calls": "tool_calls",
  "content-filter": "content_filter",
  refusal: "content_filter",
  paused: "stop",
  other: "stop",
};

/** From the weakest to the strongest: the union of all vendors' words. */
export const EFFORTS: readonly string[] = ["none", "minimal", "low", "medium", "high", "xhigh", "max"];

/** The id of a call, unless the server gave none: Mistral's schema has the word "null" as its default. */
export function saidId(value: JsonValue | undefined): string | undefined {
  return typeof value === "string" && value !== "" && value !== "null" ? value : undefined;
}

/** An id for a call that has none: the same for the same place. */
export function madeId(place: string): string {
  return `call_${hash("sha256", place, "hex").slice(0, 24)}`;
}

export function isObject(value: unknown): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

export function isArray(value: unknown): value is readonly JsonValue[] {
  return Array.isArray(value);
}

/** The value, when it is text. */
export function textOf(value: JsonValue | undefined): string | undefined {
  return typeof value === "string" ? value : undefined;
}

/** What is left of an object without these keys and without nulls, which say nothing here; `undefined` when nothing is. */
export function without(object: JsonObject, keys: readonly string[]): JsonObject | undefined {
  const rest = Object.entries(object).filter(
    ([key, value]) => value !== undefined && value !== null && !keys.includes(key),
  );
  return rest.length === 0 ? undefined : Object.fromEntries(rest);
}
