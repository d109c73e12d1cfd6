/**
 * How a request that cannot be read is refused: the field, what was there, what would be right.
 */
import type { JsonObject, JsonValue } from "../chat.ts";
import { GatewayError } from "../errors.ts";
import { isArray } from "./ollama-chat.words.ts";

export function invalid(param: string, message: string): GatewayError {
  return new GatewayError("invalid-request", message, { param });
}

/** What was there, without repeating what may be a prompt. */
export function told(value: JsonValue | undefined): string {
  if (value === undefined) return "missing";
  if (value === null) return "null";
  if (typeof value === "number" || typeof value === "boolean") return String(value);
  if (typeof value === "string") return /^[a-z_-]{1,24}$/.test(value) ? `"${value}"` : "text";
  return isArray(value) ? "an array" : "an object";
}

/** A member that may be left out; `null` is left out, too. */
export function optional<Kind extends JsonValue>(
  holder: JsonObject,
  key: string,
  right: string,
  is: (value: JsonValue) => value is Kind,
): Kind | undefined {
  const value = holder[key];
  if (value === undefined || value === null) return undefined;
  if (is(value)) return value;
  throw invalid(key, `\`${key}\` is ${told(value)}; ${right} is expected`);
}

export function isString(value: JsonValue): value is string {
  return typeof value === "string";
}
export function isBoolean(value: JsonValue): value is boolean {
  return typeof value === "boolean";
}
export function isCount(value: JsonValue): value is number {
  return typeof value === "number" && Number.isSafeInteger(value) && value >= 0;
}
