/**
 * Errors: read in the shapes that the dialect's servers have for them, written in OpenAI's.
 */
import type { AnswerError, JsonObject, JsonValue } from "../chat.ts";
import type { ErrorKindName, GatewayError } from "../errors.ts";
import { isArray, isObject, textOf } from "./openai-chat.words.ts";

/** Reads an error answer's body; one that cannot be read gives a plain message for its status. */
export function readError(status: number, body: Uint8Array): AnswerError {
  const text = Buffer.from(body).toString("utf8").trim();
  const answer = parsed(text);
  if (isObject(answer)) return errorOf(answer, status);
  // A gateway in between answers with pages and with addresses; a refusal in plain words is the server's own.
  const isPlain = status < 500 && text !== "" && text.length <= PLAIN_TEXT_MAX && !/[<{\n]/.test(text);
  const said = typeof answer === "string" ? answer : text;
  return { status, message: isPlain ? said : `the provider answered ${status} without a reason that can be read` };
}

/**
 * The same for clients of this dialect, who look for `{error: {message}}` and take the words from nowhere else: what has another
 * server's form, Mistral's say, is to be said to them again.
 */
export function readChatError(status: number, body: Uint8Array): AnswerError {
  const answer = parsed(Buffer.from(body).toString("utf8"));
  const said = readError(status, body);
  const isOwn = isObject(answer) && isObject(answer["error"]) && typeof answer["error"]["message"] === "string";
  return isOwn ? said : { ...said, foreign: true };
}

const PLAIN_TEXT_MAX = 300;

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** Whether a stream's event or a whole answer is an error rather than a part of an answer. */
export function isError(value: JsonObject): boolean {
  const error = value["error"];
  if (isObject(error) || (typeof error === "string" && error !== "")) return true;
  return value["object"] === "error" || (value["choices"] === undefined && value["detail"] !== undefined);
}

/**
 * OpenAI's and vLLM's `{error: {…}}`, Ollama's `{error: "…"}`, Mistral's `{object: "error", message, …}` and `{detail: […]}`.
 *
 * @param status The HTTP status, where the error came with one of its own.
 */
export function errorOf(answer: JsonObject, status: number | undefined): AnswerError {
  const error = isObject(answer["error"]) ? answer["error"] : answer;
  const detail = detailOf(error);
  const type = textOf(error["type"]) ?? detail?.type;
  const code = codeOf(error["code"]);
  const param = textOf(error["param"]) ?? detail?.param;
  const fits = status ?? statusIn(error) ?? statusOfWords([code, type]);
  const message = textOf(answer["error"]) ?? textOf(error["message"]) ?? detail?.message;
  return {
    status: fits,
    message: message ?? `the provider answered with ${type ?? code ?? `status ${fits}`}`,
    ...(type === undefined ? {} : { type }),
    ...(code === undefined ? {} : { code }),
    ...(param === undefined ? {} : { param }),
  };
}

interface Detail {
  readonly message: string;
  readonly type: string | undefined;
  readonly param: string | undefined;
}

/** What a validator found: a list of places and what is wrong there. */
function detailOf(error: JsonObject): Detail | undefined {
  const held = isObject(error["message"]) ? error["message"]["detail"] : error["detail"];
  if (typeof held === "string") return { message: held, type: undefined, param: undefined };
  if (!isArray(held)) return undefined;
  const found = held.filter(isObject);
  const [first] = found;
  if (first === undefined) return undefined;
  const message = found
    .slice(0, DETAILS_MAX)
    .map((one) => [placeOf(one["loc"]), textOf(one["msg"]) ?? "is not valid"].filter((word) => word !== "").join(": "))
    .join("; ");
  const place = placeOf(first["loc"]);
  return { message, type: textOf(first["type"]), param: place === "" ? undefined : place };
}

const DETAILS_MAX = 8;

function placeOf(loc: JsonValue | undefined): string {
  return isArray(loc)
    ? loc
        .filter((step) => step !== "body")
        .map(String)
        .join(".")
    : "";
}

/** Servers that count put the HTTP status here, which says nothing new. */
function codeOf(value: JsonValue | undefined): string | undefined {
  if (typeof value === "number") return isStatus(value) ? undefined : String(value);
  return textOf(value);
}

function statusIn(error: JsonObject): number | undefined {
  return [error["status"], error["code"], error["raw_status_code"], error["status_code"]].find(isStatus);
}

function isStatus(value: JsonValue | undefined): value is number {
  return typeof value === "number" && Number.isInteger(value) && value >= 400 && value <= 599;
}

const STATUS_OF_WORD: ReadonlyMap<string, number> = new Map(
  Object.entries<number>({
    invalid_request_error: 400,
    BadRequestError: 400,
    context_length_exceeded: 400,
    content_filter: 400,
    authentication_error: 401,
    invalid_api_key: 401,
    permission_error: 403,
    not_found_error: 404,
    model_not_found: 404,
    NotFoundError: 404,
    rate_limit_error: 429,
    rate_limit_exceeded: 429,
    insufficient_quota: 429,
    server_error: 500,
    overloaded_error: 503,
    server_is_overloaded: 503,
    service_unavailable_error: 503,
    timeout_error: 504,
  }),
);

/** The HTTP status that an error with these words comes with, for errors that arrive inside a stream. */
function statusOfWords(words: readonly (string | undefined)[]): number {
  for (const word of words) {
    const status = word === undefined ? undefined : STATUS_OF_WORD.get(word);
    if (status !== undefined) return status;
  }
  return 500;
}

// ---- Written

/** An error answer's body. */
export function writeError(error: GatewayError, _requestId: string): JsonObject {
  const { status, type, param } = error;
  const isUnsaid = error.kind === "context-too-long" && !TOO_LONG.test(error.message);
  const message = isUnsaid ? `the prompt exceeds the context window: ${error.message}` : error.message;
  return errorBody({ status, message, type, param, code: error.code ?? CODE_OF_KIND[error.kind] });
}

/** Frameworks that do not look at the code look for one of OpenAI's wordings, to shorten the conversation by themselves. */
const TOO_LONG = /exceeds the context window|maximum context length|exceed the configured limit/;

/** The bytes that say, inside a stream that has begun, that it failed. Nothing follows it, not even the terminal mark. */
export function errorEvent(error: GatewayError, requestId: string): string {
  return `data: ${JSON.stringify(writeError(error, requestId))}\n\n`;
}

interface Told {
  readonly status: number;
  readonly message: string;
  readonly type?: string | undefined;
  readonly param?: string | undefined;
  readonly code?: string | undefined;
}

export function errorBody({ status, message, type, param, code }: Told): JsonObject {
  return { error: { message, type: typeOf(status, type), param: param ?? null, code: code ?? null } };
}

const CODE_OF_KIND: Partial<Record<ErrorKindName, string>> = {
  "context-too-long": "context_length_exceeded",
  "model-not-found": "model_not_found",
  "rate-limited": "rate_limit_exceeded",
  busy: "rate_limit_exceeded",
  "quota-exhausted": "insufficient_quota",
  "budget-exceeded": "insufficient_quota",
  unauthenticated: "invalid_api_key",
  overloaded: "server_is_overloaded",
  unsupported: "unsupported_value",
};

/** Words that OpenAI's clients know; another dialect's would tell them nothing. */
const TYPES: ReadonlySet<string> = new Set([
  "invalid_request_error",
  "authentication_error",
  "permission_error",
  "not_found_error",
  "rate_limit_error",
  "insufficient_quota",
  "requests",
  "tokens",
  "server_error",
  "service_unavailable_error",
]);

function typeOf(status: number, said: string | undefined): string {
  if (said !== undefined && TYPES.has(said)) return said;
  if (status === 429) return "rate_limit_error";
  if (status === 503 || status === 529) return "service_unavailable_error";
  if (status >= 500) return "server_error";
  if (status === 401) return "authentication_error";
  if (status === 402) return "insufficient_quota";
  return status === 403 ? "permission_error" : "invalid_request_error";
}
