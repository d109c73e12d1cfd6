/**
 * The fixed words of Anthropic Messages that reading and writing share: stop reasons, error types, tool ids.
 */
import { hash } from "node:crypto";
import type { FinishReason, JsonObject, JsonValue } from "../chat.ts";

export const NAME = "anthropic-messages";

/** The kind under which Claude Code's billing line is read: noise that no other dialect should see. */
export const BILLING_KIND = "billing-header";
export const BILLING_PREFIX = "x-anthropic-billing-header:";

const FINISH_OF_STOP_REASON: ReadonlyMap<string, FinishReason> = new Map(
  Object.entries<FinishReason>({
    end_turn: "stop",
    stop_sequence: "stop-sequence",
    max_tokens: "length",
    model_context_window_exceeded: "context-full",
    tool_use: "tool-calls",
    refusal: "refusal",
    pause_turn: "paused",
  }),
);

export function finishOf(stopReason: string): FinishReason {
  return FINISH_OF_STOP_REASON.get(stopReason) ?? "other";
}

export const STOP_REASON_OF_FINISH: Readonly<Record<FinishReason, string>> = {
  stop: "end_turn",
  "stop-sequence": "stop_sequence",
  length: "max_tokens",
  "context-full": "model_context_window_exceeded",
  "tool-calls": "tool_use",
  "content-filter": "refusal",
  refusal: "refusal",
  paused: "pause_turn",
  other: "end_turn",
};

const STATUS_OF_ERROR_TYPE: ReadonlyMap<string, number> = new Map(
  Object.entries<number>({
    invalid_request_error: 400,
    authentication_error: 401,
    billing_error: 402,
    permission_error: 403,
    not_found_error: 404,
    conflict_error: 409,
    request_too_large: 413,
    rate_limit_error: 429,
    api_error: 500,
    timeout_error: 504,
    overloaded_error: 529,
  }),
);

/** The HTTP status that an error of this type comes with, for errors that arrive inside a stream. */
export function statusOfErrorType(type: string | undefined): number {
  return (type === undefined ? undefined : STATUS_OF_ERROR_TYPE.get(type)) ?? 500;
}

/** The type that this dialect's clients expect with a status. `said` is kept where it is one of ours and fits the status. */
export function errorTypeOf(status: number, said: string | undefined): string {
  if (said !== undefined && STATUS_OF_ERROR_TYPE.get(said) === status) return said;
  const exact = [...STATUS_OF_ERROR_TYPE].find(([, fits]) => fits === status)?.[0];
  if (exact !== undefined) return exact;
  if (status === 503) return "overloaded_error";
  return status >= 400 && status < 499 ? "invalid_request_error" : "api_error";
}

const TOOL_ID = /^[a-zA-Z0-9_-]{1,64}$/;

/** The id itself where this dialect takes it; else a stable one made from it, the same in every request of a conversation. */
export function toolIdOf(id: string): string {
  return TOOL_ID.test(id) ? id : `toolu_${hash("sha256", id, "hex").slice(0, 40)}`;
}

/** Where a call's arguments stand that are no JSON object (the call was cut): no schema takes them for the real ones. */
export const RAW_INPUT = "_raw";

export function isObject(value: unknown): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

export function isArray(value: unknown): value is readonly JsonValue[] {
  return Array.isArray(value);
}

/** The value, when it says anything. */
export function textOf(value: JsonValue | undefined): string | undefined {
  return typeof value === "string" ? value : undefined;
}

/** What is left of an object without these keys; `undefined` when nothing is. */
export function without(object: JsonObject, keys: readonly string[]): JsonObject | undefined {
  const rest = Object.entries(object).filter(([key, value]) => value !== undefined && !keys.includes(key));
  return rest.length === 0 ? undefined : Object.fromEntries(rest);
}
