/**
 * Errors, written as Mistral writes them: flat, with a code that is a number in text; and for a 422 the list of a validator beside it,
 * which is all of such an error that its client shows.
 */
import type { JsonObject } from "../chat.ts";
import type { ErrorKindName, GatewayError } from "../errors.ts";

/** An error answer's body. */
export function writeError(error: GatewayError, _requestId: string): JsonObject {
  const { status, message, type, param, code, kind } = error;
  const known = WORDS_OF_KIND[kind];
  const words = known === undefined || isOwnCode(code) ? { type, code } : known;
  return errorBody({ status, message, param, ...words });
}

/**
 * The bytes that say, inside a stream that has begun, that it failed. Nothing follows it, not even the terminal mark.
 *
 * It is no chunk of an answer: clients that validate what they read throw at it, and take nothing before it for the whole.
 */
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
  return {
    object: "error",
    message,
    type: typeIn(type) ?? typeOfStatus(status),
    param: param ?? null,
    code: code ?? null,
    raw_status_code: status,
    ...(status === 422 ? { detail: [{ type: "value_error", loc: ["body", ...stepsIn(param)], msg: message }] } : {}),
  };
}

/** What its clients may look for: the words and numbers that the API has for these. */
const WORDS_OF_KIND: Partial<Record<ErrorKindName, { readonly type: string; readonly code: string }>> = {
  "rate-limited": { type: "rate_limited", code: "1300" },
  busy: { type: "rate_limited", code: "1300" },
  "model-not-found": { type: "invalid_model", code: "1500" },
};

/** Another API's word for what happened would tell this one's clients nothing. */
function typeIn(said: string | undefined): string | undefined {
  return said !== undefined && OWN_TYPES.test(said) ? said : undefined;
}

const OWN_TYPES = /^(?:invalid_(?!api_key)\w+|rate_limited|service_tier_capacity_exceeded|internal_server_error)$/;

/** Its codes are numbers; what other APIs have are words. */
function isOwnCode(code: string | undefined): boolean {
  return code !== undefined && /^\d+$/.test(code);
}

function typeOfStatus(status: number): string {
  if (status === 401) return "unauthorized";
  if (status === 403) return "forbidden";
  if (status === 429) return "rate_limited";
  return status >= 500 ? "internal_server_error" : "invalid_request_error";
}

/** The steps to "messages[2].content", as a validator gives them. */
function stepsIn(param: string | undefined): readonly (string | number)[] {
  return (param?.match(/[^.[\]]+/g) ?? []).map((step) => (/^\d+$/.test(step) ? Number(step) : step));
}
