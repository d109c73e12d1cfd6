/**
 * The fixed words of Ollama's native API that reading and writing share: why an answer is done, ids, names.
 */
import { hash } from "node:crypto";
import type { DialectName, FinishReason, JsonObject, JsonValue } from "../chat.ts";

export const NAME = "ollama-chat";
/** `/api/generate`: the same API with one prompt in place of messages. */
export const GENERATE_NAME = "ollama-generate";

/** Whether a reading was made by one of the two, which say the same in the same words but for the prompt. */
export function isOwn(dialect: DialectName): boolean {
  return dialect === NAME || dialect === GENERATE_NAME;
}

const FINISH_OF_REASON: ReadonlyMap<string, FinishReason> = new Map(
  Object.entries<FinishReason>({ stop: "stop", length: "length" }),
);

/** What a server says that only loaded the model, or freed its memory: nothing was generated, and nothing was to be. */
export const LOAD_REASONS: ReadonlySet<string> = new Set(["load", "unload"]);

/** @param hasCalls Whether the answer called tools: then it stopped for them, which the API calls a plain stop. */
export function finishOf(reason: string, hasCalls: boolean): FinishReason {
  const finish = FINISH_OF_REASON.get(reason) ?? "other";
  return finish === "stop" && hasCalls ? "tool-calls" : finish;
}

export const REASON_OF_FINISH: Readonly<Record<FinishReason, string>> = {
  stop: "stop",
  "stop-sequence": "stop",
  length: "length",
  "context-full": "length",
  "tool-calls": "stop",
  "content-filter": "stop",
  refusal: "stop",
  paused: "stop",
  other: "stop",
};

/** Where a call's arguments stand that are no JSON object (the call was cut): no schema takes them for the real ones. */
export const RAW_ARGUMENTS = "_raw";

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

/** `undefined` for everything but a JSON object. */
export function parsed(text: string): JsonObject | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return isObject(value) ? value : undefined;
  } catch {
    return undefined;
  }
}

/** What is left of an object without these keys and without nulls, which say nothing here; `undefined` when nothing is. */
export function without(object: JsonObject, keys: readonly string[]): JsonObject | undefined {
  const rest = Object.entries(object).filter(
    ([key, value]) => value !== undefined && value !== null && !keys.includes(key),
  );
  return rest.length === 0 ? undefined : Object.fromEntries(rest);
}
