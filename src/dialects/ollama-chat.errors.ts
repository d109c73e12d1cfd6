/**
 * Errors: one text, in which the server may have put another server's error whole.
 */
import type { AnswerError, JsonObject, JsonValue } from "../chat.ts";
import type { GatewayError } from "../errors.ts";
import { isObject, parsed, textOf } from "./ollama-chat.words.ts";

/** Reads an error answer's body; one that cannot be read gives a plain message for its status. */
export function readError(status: number, body: Uint8Array): AnswerError {
  const text = Buffer.from(body).toString("utf8").trim();
  const answer = parsed(text);
  if (answer !== undefined) return errorOf(answer, status);
  // A gateway in between answers with pages and with addresses; a refusal in plain words is the server's own.
  const isWords = status < 500 && text !== "" && text.length <= PLAIN_TEXT_MAX && !/[<{\n]/.test(text);
  return { status, message: isWords ? text : `the provider answered ${status} without a reason that can be read` };
}

const PLAIN_TEXT_MAX = 300;

/** Whether a line or a whole answer is an error rather than a part of an answer. */
export function isError(value: JsonObject): boolean {
  return isObject(value["error"]) || (textOf(value["error"]) ?? "") !== "";
}

/** Whether it is one as this API's clients know it. */
export function isPlainError(value: JsonObject): boolean {
  return typeof value["error"] === "string";
}

/**
 * `{error: "…"}`, with the status beside it where the server knew one; `{error: {…}}` of servers that stand before it or speak
 * other APIs, too; and the same as JSON text inside the text, which is how the server passes its engine's errors on.
 *
 * @param status The HTTP status, where the error came with one of its own.
 */
export function errorOf(answer: JsonObject, status: number | undefined): AnswerError {
  const told = toldIn(answer);
  const tooLong = OVERFLOW.test(told.message);
  // A prompt that does not fit some versions call a failure of their own, and all of them a picture that the model cannot see.
  const fits = tooLong || BLIND.test(told.message) ? 400 : (status ?? told.status ?? statusOfWords(told.message));
  const code = told.code ?? (tooLong ? "context_length_exceeded" : undefined);
  return {
    status: fits,
    message: told.message === "" ? `the provider answered with status ${fits}` : told.message,
    ...(told.type === undefined ? {} : { type: told.type }),
    ...(code === undefined ? {} : { code }),
  };
}

/** How servers of all ages say that a prompt does not fit. */
const OVERFLOW = /\bexceeds? (?:the )?(?:available |maximum )?context (?:length|size|window)/i;

/** How the server says that a model has no eyes. */
const BLIND = /\bmissing data required for image input\b/;

interface Told {
  readonly message: string;
  readonly status: number | undefined;
  readonly type: string | undefined;
  readonly code: string | undefined;
}

function toldIn(answer: JsonObject): Told {
  const { error } = answer;
  if (isObject(error)) return toldOf(error);
  const text = textOf(error) ?? "";
  const inner = text.startsWith("{") ? parsed(text) : undefined;
  if (inner !== undefined) return toldOf(isObject(inner["error"]) ? inner["error"] : inner);
  return {
    message: text === "" ? (textOf(answer["Status"]) ?? textOf(answer["message"]) ?? "") : text,
    status: statusIn(answer),
    type: undefined,
    code: undefined,
  };
}

function toldOf(error: JsonObject): Told {
  return {
    message: textOf(error["message"]) ?? textOf(error["error"]) ?? "",
    status: statusIn(error),
    type: textOf(error["type"]),
    code: textOf(error["code"]),
  };
}

function statusIn(error: JsonObject): number | undefined {
  return [error["status"], error["StatusCode"], error["status_code"], error["code"]].find(isStatus);
}

function isStatus(value: JsonValue | undefined): value is number {
  return typeof value === "number" && Number.isInteger(value) && value >= 400 && value <= 599;
}

/** The HTTP status that an error in these words comes with, for errors that arrive inside a stream. */
function statusOfWords(message: string): number {
  if (/\bserver busy\b|\boverloaded\b|maximum pending requests/i.test(message)) return 503;
  if (/\bmodel\b.*\bnot found\b/i.test(message)) return 404;
  return /\bunauthorized\b/i.test(message) ? 401 : 500;
}

// ---- Written

/** An error answer's body. Clients read one text. */
export function writeError(error: GatewayError, _requestId: string): JsonObject {
  return errorBody(error.message);
}

/** The line that says, inside a stream that has begun, that it failed. Nothing follows it. */
export function errorEvent(error: GatewayError, _requestId: string): string {
  return errorLine(error.message);
}

export function errorLine(message: string): string {
  return `${JSON.stringify(errorBody(message))}\n`;
}

export function errorBody(message: string): JsonObject {
  return { error: message };
}
