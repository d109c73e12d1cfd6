/**
 * The ledger row of a call that never became an attempt: refused by us, with the reason.
 */
import type { DialectName } from "./chat.ts";
import type { GatewayError } from "./errors.ts";
import type { Asked, Caller } from "./exchange.ts";
import type { LedgerEntry } from "./ledger.ts";
import type { Task } from "./task.ts";
import { UNKNOWN_USAGE } from "./usage.ts";

export interface Rejection {
  readonly id: string;
  readonly error: GatewayError;
  readonly dialect: DialectName;
  readonly caller: Caller;
  /** As far as the call came. */
  readonly exchange: Asked | undefined;
  readonly task: Task | undefined;
  readonly target: string | undefined;
  readonly receivedAtMs: number;
  readonly nowMs: number;
}

export function rejectedEntry(rejection: Rejection): LedgerEntry {
  const { id, error, exchange, task } = rejection;
  return {
    attempt: `${id}.0`,
    exchange: id,
    task: task?.id ?? id,
    taskClass: task?.className,
    caller: rejection.caller.name,
    tenant: rejection.caller.tenant,
    clientDialect: rejection.dialect,
    requestedModel: exchange?.request.model ?? "",
    stream: exchange?.request.stream ?? false,
    policy: "none",
    reason: error.message.slice(0, 500),
    lane: undefined,
    provider: undefined,
    model: undefined,
    upstreamDialect: undefined,
    priceVersion: undefined,
    startedAtMs: rejection.receivedAtMs,
    estimate: undefined,
    outcome: error.kind === "canceled" ? "canceled" : "rejected",
    status: error.status,
    errorKind: error.kind,
    usage: UNKNOWN_USAGE,
    usageBasis: "unknown",
    cost: 0n,
    costBasis: "not-billed",
    ttftMs: undefined,
    durationMs: rejection.nowMs - rejection.receivedAtMs,
    overheadMs: undefined,
    finishReason: undefined,
    predictedRead: undefined,
    cacheMarks: undefined,
    cacheBust: undefined,
    cacheSaved: undefined,
    heldMs: undefined,
    losses: [],
  };
}
