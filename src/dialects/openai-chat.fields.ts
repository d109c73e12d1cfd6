/**
 * Reads the plain fields of a request.
 */
import type { JsonObject, JsonValue } from "../chat.ts";
import { invalid, told } from "./refused.ts";

/** The value of a field that may be left out or null. @throws GatewayError when it is of another kind. */
export function optional<Kind extends JsonValue>(
  body: JsonObject,
  key: string,
  right: string,
  is: (value: JsonValue) => value is Kind,
): Kind | undefined {
  const value = body[key];
  if (value === undefined || value === null) return undefined;
  if (is(value)) return value;
  throw invalid(key, `\`${key}\` is ${told(value)}; ${right} is expected`);
}

/** The members that have a value: absence is said by leaving out. */
export function defined<Members extends object>(
  members: Members,
): { [Key in keyof Members]?: Exclude<Members[Key], undefined> } {
  return Object.fromEntries(Object.entries(members).filter(([, value]) => value !== undefined)) as {
    [Key in keyof Members]?: Exclude<Members[Key], undefined>;
  };
}

export function isNumber(value: JsonValue): value is number {
  return typeof value === "number";
}
export function isCount(value: JsonValue): value is number {
  return typeof value === "number" && Number.isSafeInteger(value) && value >= 0;
}
export function isString(value: JsonValue): value is string {
  return typeof value === "string";
}
export function isBoolean(value: JsonValue): value is boolean {
  return typeof value === "boolean";
}

/** What only this dialect says under a name that the reading has otherwise. */
export function member(key: string, value: JsonValue | undefined): JsonObject {
  return value === undefined || value === null ? {} : { [key]: value };
}
