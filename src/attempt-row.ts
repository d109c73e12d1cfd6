/** An attempt's row: what is reserved of it before it is sent, and who is told once it is settled. */
import type { AttemptContext, AttemptDependencies } from "./attempt-context.ts";
import type { Held } from "./budgets/budgets.ts";
import type { Prefixes } from "./cache/prefixes.ts";
import type { Exchange } from "./exchange.ts";
import type { Outgoing } from "./lane.ts";
import type { LedgerEntry, Reservation } from "./ledger.ts";
import type { Visit } from "./replicas.ts";
import type { Candidate } from "./target.ts";
import { PROMPT_TRUNCATED } from "./truncation.ts";
import { promptTokens } from "./usage.ts";

/** An attempt of its exchange, and when it starts. */
export interface Started {
  readonly number: number;
  readonly startedAtMs: number;
}

export function attemptId({ id }: Pick<Exchange, "id">, number: number): string {
  return `${id}.${number}`;
}

export function reservationOf(
  context: AttemptContext,
  candidate: Candidate,
  made: Outgoing,
  { number, startedAtMs }: Started,
  held: Held | undefined,
): Reservation {
  const { exchange, task, decision, policy, subject } = context;
  return {
    attempt: attemptId(exchange, number),
    exchange: exchange.id,
    task: task.id,
    taskClass: task.className,
    caller: exchange.caller.name,
    clientDialect: exchange.dialect.name,
    requestedModel: exchange.request.model,
    stream: exchange.request.stream,
    policy,
    reason: decision.reason,
    lane: made.lane,
    provider: candidate.target.instance.name,
    model: candidate.target.model,
    upstreamDialect: made.dialect.name,
    priceVersion: candidate.target.price?.version,
    startedAtMs,
    estimate: candidate.expectedCost,
    tenant: exchange.caller.tenant,
    signals: task.signals ?? [],
    ...(held?.reserved === undefined ? {} : { reserved: held.reserved }),
    ...(held === undefined ? {} : { tags: subject.tags }),
  };
}

export function keeperOf(tenant: string, task: string, { tasks }: AttemptDependencies): (id: string) => void {
  return (id) => tasks.answered(tenant, id, task);
}

/** Made here, as a function made where it is sent would keep all that is known there (the call's body) for as long as a stream runs. */
export function settlerOf(
  visit: Visit,
  { target }: Candidate,
  dependencies: AttemptDependencies,
): (entry: LedgerEntry) => void {
  const { instance } = target;
  return (entry) => {
    // Before anybody else hears of it: the row is what must not be lost.
    dependencies.ledger.settle(entry);
    logTruncation(entry, dependencies);
    if (brokeOff(entry)) dependencies.replicas.failed(instance, visit.baseUrl, dependencies.now());
    visit.ended(entry);
  };
}

/** Which answer the prompt was given: what the next one is compared with. */
export function learnerOf(
  prefixes: Prefixes,
  { target }: Candidate,
  { predecessors }: AttemptDependencies,
): (id: string) => void {
  return (id) => predecessors.answered(prefixes, target.name, id);
}

/** An answer that had begun: where none had, the try is noted as a whole. */
function brokeOff({ outcome, status, errorKind, ttftMs }: LedgerEntry): boolean {
  return (
    outcome === "failed" && ttftMs !== undefined && status !== undefined && status >= 500 && errorKind !== "internal"
  );
}

/** The call is over, and its bill is not. */
export function postponerOf(
  visit: Visit,
  { target }: Candidate,
  tenant: string,
  { background }: AttemptDependencies,
): (id: string, entry: LedgerEntry) => void {
  const { price, instance } = target;
  const absentReadIsZero = instance.provider.absentCacheRead === "zero";
  return (id, entry) => {
    visit.ended(entry);
    background.postpone(id, tenant, { entry, price, absentReadIsZero });
  };
}

function logTruncation(entry: LedgerEntry, { log }: AttemptDependencies): void {
  if (!entry.losses.some((loss) => loss.field === PROMPT_TRUNCATED)) return;
  const target = `${entry.provider}/${entry.model}`;
  log.warn(PROMPT_TRUNCATED, { exchange: entry.exchange, target, promptTokens: promptTokens(entry.usage) });
}
