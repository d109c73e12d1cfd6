/**
 * Members of a request that may be left out.
 */
import type { JsonObject, JsonValue } from "../chat.ts";
import { invalid, told } from "./refused.ts";

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
