/** Rows for the tests of the ledger, the metrics and the routes: one complete call, to be varied. */
import type { LedgerEntry, Reservation } from "../src/ledger.ts";
import { UNKNOWN_USAGE } from "../src/usage.ts";

export const STARTED_AT_MS = Date.UTC(2026, 10, 22, 9, 30);

export function reservation(exchange: string, change: Partial<Reservation> = {}): Reservation {
  return {
    attempt: `${exchange}.1`,
    exchange,
    task: "t-1",
    taskClass: "triage",
    caller: undefined,
    clientDialect: "openai-chat",
    requestedModel: "auto",
    stream: true,
    policy: "ordered",
    reason: "first of 2",
    lane: "translated",
    provider: "anthropic",
    model: "claude-haiku-5-5",
    upstreamDialect: "anthropic-messages",
    priceVersion: "table 2026-10-01",
    startedAtMs: STARTED_AT_MS,
    estimate: 2_000_000n,
    ...change,
  };
}

export function entry(exchange: string, change: Partial<LedgerEntry> = {}): LedgerEntry {
  return {
    ...reservation(exchange),
    outcome: "complete",
    status: 200,
    errorKind: undefined,
    usage: { ...UNKNOWN_USAGE, inputUncached: 100, cacheRead: 300, cacheWrite5m: 0, output: 50 },
    usageBasis: "reported",
    cost: 1_234_567n,
    costBasis: "reported",
    ttftMs: 120,
    durationMs: 900.5,
    overheadMs: 0.25,
    finishReason: "stop",
    predictedRead: 280,
    cacheMarks: "5m@300",
    cacheBust: "client messages[1].content[0]: 20 tokens",
    cacheSaved: 27_000n,
    heldMs: undefined,
    losses: [],
    ...change,
  };
}

/** What we refused: no target, no lane, nothing billed. */
export function rejected(exchange: string, change: Partial<LedgerEntry> = {}): LedgerEntry {
  return entry(exchange, {
    attempt: `${exchange}.0`,
    outcome: "rejected",
    status: 400,
    errorKind: "invalid-request",
    lane: undefined,
    provider: undefined,
    model: undefined,
    upstreamDialect: undefined,
    priceVersion: undefined,
    estimate: undefined,
    usage: UNKNOWN_USAGE,
    usageBasis: "unknown",
    cost: 0n,
    costBasis: "not-billed",
    ttftMs: undefined,
    finishReason: undefined,
    ...change,
  });
}
