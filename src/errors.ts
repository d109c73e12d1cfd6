/**
 * The catalogue of what can go wrong: kind → HTTP status, and whether another target may be tried.
 *
 * Messages say what was wrong and what would be right. They never contain a key, a prompt or an upstream's address.
 */
import type { JsonObject } from "./chat.ts";

/** `nextTarget`: whether the next target may be tried, as long as nothing has been sent to the client. */
export const ERROR_KINDS = {
  "invalid-request": { status: 400, nextTarget: false },
  "context-too-long": { status: 400, nextTarget: true },
  unsupported: { status: 400, nextTarget: true },
  unauthenticated: { status: 401, nextTarget: false },
  "budget-exceeded": { status: 402, nextTarget: false },
  forbidden: { status: 403, nextTarget: false },
  "not-found": { status: 404, nextTarget: false },
  "model-not-found": { status: 404, nextTarget: true },
  "method-not-allowed": { status: 405, nextTarget: false },
  conflict: { status: 409, nextTarget: false },
  "too-large": { status: 413, nextTarget: false },
  unprocessable: { status: 422, nextTarget: false },
  "headers-too-large": { status: 431, nextTarget: false },
  "rate-limited": { status: 429, nextTarget: true },
  /** Quota or spend limit at the provider: waiting does not help, another provider may. */
  "quota-exhausted": { status: 429, nextTarget: true },
  /** We are full: the caller may come back after `retryAfterMs`. */
  busy: { status: 429, nextTarget: false },
  canceled: { status: 499, nextTarget: false },
  internal: { status: 500, nextTarget: false },
  /** The upstream answered with an error of its own making, with garbage, or was cut. */
  "upstream-failed": { status: 502, nextTarget: true },
  /** The upstream refused *our* credential: the operator's fault, not the caller's. */
  "upstream-credential": { status: 502, nextTarget: true },
  "shutting-down": { status: 503, nextTarget: false },
  "ledger-unavailable": { status: 503, nextTarget: false },
  overloaded: { status: 503, nextTarget: true },
  "upstream-timeout": { status: 504, nextTarget: true },
} as const;

export type ErrorKindName = keyof typeof ERROR_KINDS;

export interface ErrorOptions {
  /** Status to answer with instead of the kind's own (an upstream's 529, say). */
  readonly status?: number;
  readonly retryAfterMs?: number;
  /** The field of the request that was wrong ("messages[2].content"). */
  readonly param?: string;
  /** Machine-readable code in the dialect's sense ("context_length_exceeded"). */
  readonly code?: string;
  /** The upstream's own word for the error's type, kept when the dialects agree on it. */
  readonly type?: string;
  readonly details?: JsonObject;
  readonly cause?: unknown;
}

/**
 * What a caller caused or an operator must see.
 *
 * @example
 * throw new GatewayError("invalid-request", "`max_tokens` is 0; at least 1 is needed", { param: "max_tokens" });
 */
export class GatewayError extends Error {
  readonly kind: ErrorKindName;
  readonly status: number;
  readonly retryAfterMs: number | undefined;
  readonly param: string | undefined;
  readonly code: string | undefined;
  readonly type: string | undefined;
  readonly details: JsonObject | undefined;

  constructor(kind: ErrorKindName, message: string, options: ErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = "GatewayError";
    this.kind = kind;
    this.status = options.status ?? ERROR_KINDS[kind].status;
    this.retryAfterMs = options.retryAfterMs;
    this.param = options.param;
    this.code = options.code;
    this.type = options.type;
    this.details = options.details;
  }

  get nextTarget(): boolean {
    return ERROR_KINDS[this.kind].nextTarget;
  }
}

/** Codes and types by which providers say that money, not time, is what is missing: waiting does not help. */
const QUOTA_WORDS: ReadonlySet<string> = new Set([
  "insufficient_quota",
  "credit_balance_exhausted",
  "billing_hard_limit_reached",
  "billing_not_active",
  "enforced_spend_limit_reached",
  "spend_limit_reached",
  "billing_error",
]);
/** How Anthropic says it, with a 400 of type `invalid_request_error`. */
const QUOTA_TEXT = /credit balance is too low|reached your specified (?:API )?usage limits|spend limit/i;
const CONTEXT_WORDS: ReadonlySet<string> = new Set([
  "context_length_exceeded",
  "string_above_max_length",
  "exceed_context_size_error",
]);
const CONTEXT_TEXT =
  /prompt is too long|maximum context length|exceeds? (?:the available )?context (?:limit|size|window)/i;
const MODEL_WORDS: ReadonlySet<string> = new Set([
  "model_not_found",
  "invalid_model",
  "not_found_error",
  "NotFoundError",
]);

/** A 403 in these words is about the key that was shown, which is ours; in others, about what was asked for. */
const CREDENTIAL_WORDS: ReadonlySet<string> = new Set([
  "authentication_error",
  "invalid_api_key",
  "invalid_authentication",
  "account_deactivated",
]);

/** What an upstream's error answer means for us. */
export function classify(
  status: number,
  said: { readonly type?: string; readonly code?: string; readonly message: string; readonly details?: JsonObject },
): ErrorKindName {
  const words = [said.code, said.type, said.details?.["error_code"]].filter((word) => typeof word === "string");
  const says = (set: ReadonlySet<string>) => words.some((word) => set.has(word));
  switch (status) {
    case 400:
      if (says(CONTEXT_WORDS) || CONTEXT_TEXT.test(said.message)) return "context-too-long";
      if (says(QUOTA_WORDS) || QUOTA_TEXT.test(said.message)) return "quota-exhausted";
      return says(MODEL_WORDS) ? "model-not-found" : "invalid-request";
    case 401:
      return "upstream-credential";
    case 402:
      return "quota-exhausted";
    case 403:
      return says(CREDENTIAL_WORDS) ? "upstream-credential" : "forbidden";
    case 404:
      return says(MODEL_WORDS) || /\bmodel\b/i.test(said.message) ? "model-not-found" : "not-found";
    case 408:
    case 504:
    // A proxy's word for a server that took too long.
    case 524:
      return "upstream-timeout";
    case 409:
      return "conflict";
    case 413:
      return "too-large";
    case 422:
      return "unprocessable";
    case 429:
      return says(QUOTA_WORDS) ? "quota-exhausted" : "rate-limited";
    case 503:
    case 529:
      return "overloaded";
    default:
      return status >= 400 && status < 500 ? "invalid-request" : "upstream-failed";
  }
}

/**
 * Whether the same target may be tried once more. A timeout may not: the first try is perhaps still being worked on, and billed.
 *
 * @param again How often it has been tried again already.
 */
export function mayRetrySame(error: GatewayError, again: number): boolean {
  switch (error.kind) {
    case "rate-limited":
    case "overloaded":
    case "upstream-failed":
      return again < 2;
    default:
      return false;
  }
}
