/**
 * The table of decisions: why each call went where it did, with the figures of the time. A row has the number of its call's first
 * attempt, is written behind it in the same transaction, and goes with it (`ledger.keepDays`).
 *
 * It is 100 bytes where nothing was weighed, about 230 for each candidate that was, and 8 kB for 32 of them, of which no more are
 * written down; nothing where the client named the model. What trials have cost is summed from it, so that a restart does not give a
 * day's money anew.
 */
import type { DatabaseSync } from "node:sqlite";
import type { Cell, Operation } from "./ledger-schema.ts";
import type { PicoUsd } from "./usage.ts";

export interface RecordedDecision {
  /** As `policies/decision-record.ts` writes it. */
  readonly body: string;
  /** The task was sent there to learn of the target: what it is expected to cost, whole. */
  readonly trial: PicoUsd | undefined;
}

/** The table, as its migration makes it. */
export const DECISIONS_TABLE = `CREATE TABLE decisions (
    id INTEGER PRIMARY KEY,
    trial_pico_usd INTEGER,
    body TEXT NOT NULL
  ) STRICT;
  CREATE INDEX decisions_trials ON decisions (id) WHERE trial_pico_usd IS NOT NULL;
  CREATE TRIGGER decisions_pruned AFTER DELETE ON attempts BEGIN DELETE FROM decisions WHERE id = OLD.id; END;`;

export const DECISION_OPERATION: Operation = {
  sql: `INSERT INTO decisions (id, trial_pico_usd, body) SELECT id, ?, ? FROM attempts WHERE attempt = ? ON CONFLICT (id) DO NOTHING`,
  cells: 3,
};

/** @param operation The number of `DECISION_OPERATION` in a batch. */
export function appendDecision(cells: Cell[], operation: number, attempt: string, decision: RecordedDecision): void {
  const { trial, body } = decision;
  cells.push(operation, trial === undefined ? null : trial > AMOUNT_MAX ? AMOUNT_MAX : trial, body, attempt);
}

const AMOUNT_MAX = 2n ** 63n - 1n;

/** Of one exchange, what its rows say and what was written down of its decision. */
export interface DecisionRead {
  readonly exchange: string;
  readonly task: string;
  readonly taskClass: string | undefined;
  readonly requestedModel: string;
  readonly policy: string;
  readonly reason: string;
  readonly decidedAtMs: number;
  /** What was tried, in order; what was refused before has none. */
  readonly tried: readonly string[];
  /** Of the last attempt; `undefined`: it is open. */
  readonly outcome: string | undefined;
  /** Of the first attempt's target. */
  readonly priceVersion: string | undefined;
  readonly estimate: PicoUsd | undefined;
  /** `undefined`: the client named the model, or its row is older than decisions are written down. */
  readonly body: string | undefined;
  readonly trial: PicoUsd | undefined;
}

/** @param reader Whose exchanges are shown; `undefined`: everybody's. */
export function readDecisionOf(
  database: DatabaseSync,
  exchange: string,
  reader: string | undefined,
): DecisionRead | undefined {
  const ofReader = reader === undefined ? "" : "AND tenant = ?";
  const statement = database.prepare(
    `SELECT attempts.*, decisions.body, decisions.trial_pico_usd FROM attempts LEFT JOIN decisions USING (id)
      WHERE exchange = ? ${ofReader} ORDER BY id LIMIT ${ATTEMPTS_MAX}`,
  );
  statement.setReadBigInts(true);
  const rows = statement.all(exchange, ...(reader === undefined ? [] : [reader]));
  const [first] = rows;
  if (first === undefined) return undefined;
  const text = (row: typeof first | undefined, name: string) => {
    const value = row?.[name];
    return typeof value === "string" ? value : undefined;
  };
  const money = (row: typeof first | undefined, name: string) => {
    const value = row?.[name];
    return typeof value === "bigint" ? value : undefined;
  };
  const recorded = rows.find((row) => row["body"] !== null);
  return {
    exchange,
    task: text(first, "task") ?? "",
    taskClass: text(first, "task_class"),
    requestedModel: text(first, "requested_model") ?? "",
    policy: text(first, "policy") ?? "",
    reason: text(first, "reason") ?? "",
    decidedAtMs: Number(first["started_at_ms"]),
    tried: rows.flatMap((row) => (row["provider"] === null ? [] : [`${text(row, "provider")}/${text(row, "model")}`])),
    outcome: text(rows.at(-1), "outcome"),
    priceVersion: text(first, "price_version"),
    estimate: money(first, "estimate_pico_usd"),
    body: text(recorded, "body"),
    trial: money(recorded, "trial_pico_usd"),
  };
}

const ATTEMPTS_MAX = 100;

/** A task that was begun to learn of its target. */
export interface TrialRead {
  readonly tenant: string;
  readonly task: string;
  readonly className: string | undefined;
  readonly target: string;
  readonly startedAtMs: number;
  /** What it was expected to cost. */
  readonly expected: PicoUsd;
  /** What it has cost so far, where that is known of all of it. */
  readonly paid: PicoUsd | undefined;
  readonly isEnded: boolean;
}

export const TRIALS_READ_MAX = 4_096;

/** Oldest first: those since then, and those whose tasks are still open. */
export function readTrials(database: DatabaseSync, sinceMs: number): readonly TrialRead[] {
  const statement = database.prepare(
    `SELECT * FROM (SELECT a.id, a.tenant, a.task, a.task_class, a.provider || '/' || a.model AS target, a.started_at_ms,
        d.trial_pico_usd, t.ended_at_ms,
        (SELECT CASE WHEN count(*) = count(cost_pico_usd) THEN sum(cost_pico_usd) END FROM attempts
          WHERE task = a.task AND tenant IS a.tenant AND outcome IS NOT NULL) AS paid
      FROM decisions d JOIN attempts a ON a.id = d.id LEFT JOIN tasks t ON t.tenant = a.tenant AND t.id = a.task
      WHERE d.trial_pico_usd IS NOT NULL AND (a.started_at_ms >= ? OR (t.id IS NOT NULL AND t.ended_at_ms IS NULL))
      ORDER BY a.id DESC LIMIT ${TRIALS_READ_MAX}) ORDER BY id`,
  );
  statement.setReadBigInts(true);
  return statement.all(sinceMs).map((row) => {
    const { tenant, task, task_class: className, target, trial_pico_usd: expected, paid } = row;
    return {
      tenant: typeof tenant === "string" ? tenant : "",
      task: String(task),
      className: typeof className === "string" ? className : undefined,
      target: String(target),
      startedAtMs: Number(row["started_at_ms"]),
      expected: expected as bigint,
      paid: typeof paid === "bigint" ? paid : undefined,
      isEnded: row["ended_at_ms"] !== null,
    };
  });
}
