/**
 * The append-only record: one row per attempt, written by a worker thread into SQLite (WAL).
 *
 * An attempt is *reserved* before it is sent and *settled* exactly once after it, keyed by its id, so that repeating either
 * changes nothing. What was reserved and never settled (a crash) is found at the next start and closed as `lost` with its estimate.
 */
import type { DialectName, Loss } from "./chat.ts";
import type { PicoUsd, Usage } from "./usage.ts";

export type Outcome = "complete" | "canceled" | "failed" | "rejected" | "lost";

/** Where the counts came from: the upstream's own report, our estimate (canceled or cut answers), or nobody knows. */
export type UsageBasis = "reported" | "estimated" | "unknown";

/**
 * Where the cost came from. `reported`: reported usage × a known price. `estimated`: estimated usage × a known price.
 * `not-billed`: the upstream refused the call with an error status, or it was never sent. `unpriced`: no price is known.
 */
export type CostBasis = "reported" | "estimated" | "not-billed" | "unpriced";

/** What is known before an attempt is sent. */
export interface Reservation {
  /** Idempotency key: `<exchange>.<n>`, n from 1. */
  readonly attempt: string;
  readonly exchange: string;
  readonly task: string;
  readonly taskClass: string | undefined;
  /** The client key's name, never the key; `undefined` when no keys are configured. */
  readonly caller: string | undefined;
  readonly clientDialect: DialectName;
  /** The model as the client named it, cut to 256 characters. */
  readonly requestedModel: string;
  readonly stream: boolean;
  readonly policy: string;
  readonly reason: string;
  /** `same`: bytes edited; `translated`: written from the reading; `undefined`: rejected before a lane was chosen. */
  readonly lane: "same" | "translated" | undefined;
  readonly provider: string | undefined;
  readonly model: string | undefined;
  readonly upstreamDialect: DialectName | undefined;
  readonly priceVersion: string | undefined;
  /** Milliseconds since the epoch. */
  readonly startedAtMs: number;
  /** Estimated cost if everything goes as expected; `undefined` when unpriced. */
  readonly estimate: PicoUsd | undefined;
}

/** The finished row. */
export interface LedgerEntry extends Reservation {
  readonly outcome: Outcome;
  /** The status the client got, or would have got. */
  readonly status: number;
  /** Kind from the error catalogue when the outcome is not `complete`. */
  readonly errorKind: string | undefined;
  readonly usage: Usage;
  readonly usageBasis: UsageBasis;
  readonly cost: PicoUsd | undefined;
  readonly costBasis: CostBasis;
  /** Milliseconds from sending to the first event; `undefined` when none came. */
  readonly ttftMs: number | undefined;
  readonly durationMs: number;
  /** Milliseconds that the gateway itself added before sending. */
  readonly overheadMs: number | undefined;
  readonly finishReason: string | undefined;
  readonly losses: readonly Loss[];
}

/** Gets every settled entry on the main thread, right when it is settled. Must not throw and must not block. */
export type LedgerSink = (entry: LedgerEntry) => void;
