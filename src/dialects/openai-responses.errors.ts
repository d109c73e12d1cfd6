/**
 * Errors: an answer's body is the same as the older API's; inside a stream they are said twice, as the API does.
 */
import type { AnswerError, JsonObject, JsonValue } from "../chat.ts";
import type { GatewayError } from "../errors.ts";
import { errorBody, errorOf, writeError } from "./openai-chat.errors.ts";
import { isObject, textOf } from "./openai-chat.words.ts";
import { MADE_ANSWER } from "./openai-responses.words.ts";

/** What a failed response says of its failure. Its codes are of its own, most of them about what was asked for. */
export function failureOf(response: JsonObject): AnswerError {
  const error = isObject(response["error"]) ? response["error"] : {};
  const code = textOf(error["code"]) ?? "";
  const isCallers = /^(?:invalid_|image_|empty_image|failed_to_download_image|unsupported_image|.*_policy)/.test(code);
  const message = textOf(error["message"]) ?? "the provider gave up before the answer was complete";
  return errorOf({ error: { ...error, message } }, isCallers ? 400 : undefined);
}

/** An `error` event, whose members the API nests and its published types do not. */
export function errorIn(event: JsonObject): AnswerError {
  const { type: _event, sequence_number: _number, ...flat } = event;
  return errorOf(isObject(event["error"]) || typeof event["error"] === "string" ? event : { error: flat }, undefined);
}

/** The bytes that say, inside a stream that has begun, that it failed. */
export function errorEvent(error: GatewayError, requestId: string): string {
  const response = { id: responseId(requestId), object: "response", output: [] };
  return failureEvents(toldMembers(error, requestId), response)
    .map((event, at) => frame(event, NUMBER_LATE + at))
    .join("");
}

/** Numbers of events rise, and how far they have come is not known here: clients that resume compare, and none gets so far. */
const NUMBER_LATE = 2_147_483_000;

/**
 * The SDKs fail at the first of these; clients that read the terminal events only, at the second. The first has its members in both
 * places where clients look for them.
 */
export function failureEvents(error: JsonObject, response: JsonObject): readonly WireEvent[] {
  const { type, code, message, param } = error;
  return [
    { type: "error", code, message, param, error: { type, code, message, param } },
    {
      type: "response.failed",
      response: { ...response, status: "failed", error: { code: code ?? "server_error", message } },
    },
  ];
}

/** The members by which an error is said, from an answer's error. */
export function errorMembers(error: AnswerError): JsonObject {
  const { error: members } = errorBody(error);
  return isObject(members) ? members : {};
}

/** The same, from an error of our own catalogue. */
export function toldMembers(error: GatewayError, requestId: string): JsonObject {
  const { error: members } = writeError(error, requestId);
  return isObject(members) ? members : {};
}

/** An event but for its number. */
export interface WireEvent {
  readonly type: string;
  readonly [key: string]: JsonValue | undefined;
}

export function frame({ type, ...members }: WireEvent, number: number): string {
  return `event: ${type}\ndata: ${JSON.stringify({ type, sequence_number: number, ...members })}\n\n`;
}

/** The id of an answer that is written here, from the exchange's. */
export function responseId(id: string): string {
  return MADE_ANSWER + id.replaceAll(/[^a-zA-Z0-9_-]/g, "_").slice(0, 64);
}
