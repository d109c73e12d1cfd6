/**
 * The tasks of a ledger in the order in which they began, each with all of its attempts. Every attempt is in exactly one, so that sums over
 * tasks are the ledger's own. One task is held at a time.
 */
import type { TaskAttempt } from "../../src/ledger-tasks.ts";
import { USAGE_COLUMNS } from "../../src/ledger-schema.ts";
import type { EndedTask, TaskOutcome } from "../../src/tasks/ended-task.ts";
import { exchangesOf, legsOf, usageIn } from "../../src/tasks/legs.ts";
import { outcomeOf } from "../../src/tasks/signals.ts";
import type { Usage } from "../../src/usage.ts";
import type { OpenedLedger } from "./database.ts";

export interface RecordedAttempt extends TaskAttempt {
  readonly startedAtMs: number;
  readonly priceVersion: string | undefined;
  readonly policy: string;
  /** In the words of the code, where `usage` has the ledger's columns. */
  readonly tokens: Usage;
}

export interface RecordedTask {
  readonly tenant: string;
  readonly id: string;
  readonly className: string;
  readonly startedAtMs: number;
  /** `undefined`: it is open, and nothing is learned from it. */
  readonly endedAtMs: number | undefined;
  readonly outcome: TaskOutcome | undefined;
  readonly parent: string | undefined;
  /** The newest, oldest first; settled, and sent to a target. */
  readonly attempts: readonly RecordedAttempt[];
  /** What its calls were, by the code that judges tasks as they run. */
  readonly exchanges: ReturnType<typeof exchangesOf>;
}

/** Attempts of a task that it is judged by, as while it runs; of more, sums have all and projections the newest. */
export const ATTEMPTS_MAX = 5_000;
/** Of a row that names no class and whose task has none. */
export const NO_CLASS = "(none)";

/** @param told Of every attempt, also those that were refused, never sent, or are open. */
export function* recordedTasks(
  { database, order }: Pick<OpenedLedger, "database" | "order">,
  told: (attempt: RecordedAttempt, className: string, startedAtMs: number) => void,
): Generator<RecordedTask> {
  const groups = database.prepare(`SELECT g.*, t.class, t.parent, t.ended_at_ms, t.outcome, t.outcome_source, t.row
    FROM (SELECT task, coalesce(tenant, '') AS tenant, min(started_at_ms) AS began, max(task_class) AS task_class,
        max(started_at_ms + coalesce(duration_ms, 0)) AS over FROM attempts GROUP BY task, coalesce(tenant, '')) g
    LEFT JOIN tasks t ON t.tenant = g.tenant AND t.id = g.task ORDER BY g.began, g.task, g.tenant`);
  const attempts =
    database.prepare(`SELECT attempt, exchange, provider, model, task_class, outcome, finish_reason, signals,
      ${USAGE_COLUMNS.join(", ")}, cost_pico_usd, cost_basis, price_version, started_at_ms, policy
    FROM attempts WHERE task = ? AND coalesce(tenant, '') = ? ORDER BY ${order}`);
  attempts.setReadBigInts(true);
  for (const group of groups.iterate()) {
    const [id, tenant] = [String(group["task"]), String(group["tenant"])];
    const className = textOf(group["class"]) ?? textOf(group["task_class"]) ?? NO_CLASS;
    const startedAtMs = Number(group["began"]);
    let own: RecordedAttempt[] = [];
    for (const row of attempts.iterate(id, tenant)) {
      const attempt = attemptOf(row);
      told(attempt, className, startedAtMs);
      if (attempt.target === undefined || attempt.outcome === "open") continue;
      own.push(attempt);
      if (own.length >= 2 * ATTEMPTS_MAX) own = own.slice(-ATTEMPTS_MAX);
    }
    own = own.slice(-ATTEMPTS_MAX);
    const exchanges = exchangesOf(own, className);
    const isKnown = group["row"] !== null;
    const success = isKnown ? numberOf(group["outcome"]) : undefined;
    yield {
      tenant,
      id,
      className,
      startedAtMs,
      endedAtMs: isKnown ? numberOf(group["ended_at_ms"]) : numberOf(group["over"]),
      outcome: isKnown
        ? success === undefined
          ? undefined
          : { success, source: group["outcome_source"] === "told" ? "told" : "signals" }
        : outcomeOf(exchanges),
      parent: textOf(group["parent"]),
      attempts: own,
      exchanges,
    };
  }
}

/** As those who learn from tasks are told of it; `undefined` of what is open, or never came to a target. */
export function endedTaskOf(task: RecordedTask): EndedTask | undefined {
  if (task.endedAtMs === undefined) return undefined;
  const legs = legsOf(task.exchanges);
  if (legs.length === 0) return undefined;
  const { id, tenant, className, parent, startedAtMs, endedAtMs, outcome } = task;
  return { id, tenant, className, parent, startedAtMs, endedAtMs, legs, outcome };
}

type Row = Record<string, unknown>;

function attemptOf(row: Row): RecordedAttempt {
  const [provider, model] = [textOf(row["provider"]), textOf(row["model"])];
  const cost = row["cost_pico_usd"];
  const usage = Object.fromEntries(USAGE_COLUMNS.map((column) => [column, numberOf(row[column])]));
  return {
    attempt: String(row["attempt"]),
    exchange: String(row["exchange"]),
    target: provider === undefined || model === undefined ? undefined : `${provider}/${model}`,
    taskClass: textOf(row["task_class"]),
    outcome: textOf(row["outcome"]) ?? "open",
    finishReason: textOf(row["finish_reason"]),
    signals: textOf(row["signals"]) ?? "",
    usage,
    tokens: usageIn(usage),
    costPicoUsd: typeof cost === "bigint" ? cost : undefined,
    costBasis: textOf(row["cost_basis"]),
    startedAtMs: Number(row["started_at_ms"]),
    priceVersion: textOf(row["price_version"]),
    policy: String(row["policy"]),
  };
}

function textOf(value: unknown): string | undefined {
  return typeof value === "string" ? value : undefined;
}

function numberOf(value: unknown): number | undefined {
  return typeof value === "number" || typeof value === "bigint" ? Number(value) : undefined;
}
