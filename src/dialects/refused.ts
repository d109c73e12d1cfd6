/** How a request that cannot be read is refused, in every dialect: the field, what was there, what would be right. */
import type { JsonValue } from "../chat.ts";
import { GatewayError } from "../errors.ts";

export function invalid(param: string, message: string): GatewayError {
  return new GatewayError("invalid-request", message, { param });
}

/** What was there. Text is not repeated: it may be a prompt, or a secret. */
export function told(value: JsonValue | undefined): string {
  if (value === undefined) return "missing";
  if (value === null) return "null";
  if (typeof value === "number" || typeof value === "boolean") return String(value);
  if (typeof value === "string") return "text";
  return Array.isArray(value) ? "an array" : "an object";
}

/** The same of a field that holds one word of a few (a role, a type): a word that looks like one is repeated. */
export function toldWord(value: JsonValue | undefined): string {
  return typeof value === "string" && /^[a-z_-]{1,24}$/.test(value) ? `"${value}"` : told(value);
}

/** The request has nothing in it for another dialect's model to answer. Which field that was is each client's own word. */
export function saysNothing(): GatewayError {
  return new GatewayError(
    "invalid-request",
    "the request has no message; at least one is required (`messages`, `input` or `prompt`)",
  );
}
