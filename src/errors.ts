/**
 * The catalogue of what can go wrong: kind → HTTP status, and whether another target may be tried.
 *
 * Messages say what was wrong and what would be right. They never contain a key, a prompt or an upstream's address.
 */
import type { JsonObject } from "./chat.ts";

export interface ErrorKind {
  readonly status: number;
  /** Whether the next target may be tried, as long as nothing has been sent to the client. */
  readonly nextTarget: boolean;
}

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
  "unprocessable": { status: 422, nextTarget: false },
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
} as const satisfies Record<string, ErrorKind>;

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
