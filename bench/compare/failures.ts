/** Why there is no answer: from what a client threw, and, better informed, from what the gateway wrote down. */
import type { FailureKind } from "./report.ts";

export interface Failed {
  readonly kind: FailureKind;
  /** In words of ours: what a provider says may quote what it was asked. */
  readonly example: string;
  /** When it may be tried again, where that was said. */
  readonly retryAfterMs: number | undefined;
}

/** @param isLate Our own deadline had passed. */
export function whatFailed(error: unknown, isLate: boolean): Failed {
  if (isLate) return { kind: "timeout", example: "no answer in time", retryAfterMs: undefined };
  const status = statusOf(error);
  if (status === undefined) {
    return isConnection(error)
      ? { kind: "unreachable", example: "the gateway did not answer", retryAfterMs: undefined }
      : { kind: "broken-off", example: "the answer broke off", retryAfterMs: undefined };
  }
  return { kind: kindOfStatus(status), example: `status ${status}`, retryAfterMs: retryAfterMsOf(error) };
}

function kindOfStatus(status: number): FailureKind {
  if (status === 429) return "rate-limited";
  if (status === 408 || status === 504) return "timeout";
  return status >= 500 ? "unavailable" : "rejected";
}

/** The ledger's word for an attempt's error, where it knows more than the status. */
export function kindOfLedger(error: string | null, fallback: FailureKind): FailureKind {
  switch (error) {
    case "rate-limited":
    case "quota-exhausted":
    case "busy":
      return "rate-limited";
    case "upstream-timeout":
      return "timeout";
    default:
      return fallback;
  }
}

/** Each client has its own word for it. */
function statusOf(error: unknown): number | undefined {
  const said = error as { readonly status?: unknown; readonly statusCode?: unknown; readonly status_code?: unknown };
  return [said.status, said.statusCode, said.status_code].find((one) => typeof one === "number");
}

/** It never came to an answer: a socket's error, or a client's that is called so. */
function isConnection(error: unknown): boolean {
  for (let cause = error, depth = 0; cause instanceof Error && depth < 5; cause = cause.cause, depth += 1) {
    const { code } = cause as { readonly code?: unknown };
    if (/connection/i.test(cause.name) || /^(?:ECONN|ENOTFOUND|EAI_|UND_ERR_CONNECT)/.test(String(code))) return true;
  }
  return error instanceof TypeError && error.message === "fetch failed";
}

function retryAfterMsOf(error: unknown): number | undefined {
  const { headers } = error as { readonly headers?: unknown };
  if (!(headers instanceof Headers)) return undefined;
  const seconds = Number(headers.get("retry-after") ?? Number.NaN);
  return Number.isFinite(seconds) && seconds >= 0 ? seconds * 1_000 : undefined;
}
