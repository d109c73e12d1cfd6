/**
 * What can be asked of tasks: the open ones, a page of them, one with all that it took, why a call of one went where it did. Runs in the
 * ledger's thread.
 */
import type { DatabaseSync } from "node:sqlite";
import { readAttempts, readSpend, readSums, type AttemptRow, type SpendRow, type SpendSums } from "./ledger-query.ts";
import { readBudgetSums, type BudgetSums, type BudgetSumsQuery } from "./ledger-budgets.ts";
import { readCourse, readGrowth, type CourseQuery, type GrowthQuery, type Took } from "./ledger-growth.ts";
import { readSpendSlots, type SpendSlots, type SpendSlotsQuery } from "./ledger-spend-slots.ts";
import { readDecisionOf, readTrials, type DecisionRead, type TrialRead } from "./ledger-decisions.ts";
import { readOutbox, type OutboxRow } from "./ledger-outbox.ts";
import { readTaskClasses, type ClassesQuery, type TaskClassesRead } from "./ledger-task-classes.ts";
import {
  OF_TASK,
  readEndedTasks,
  readOpenTasks,
  readTask,
  readTaskAttempts,
  type EndedTaskRead,
  type EndedTasksQuery,
  type OpenTaskRecord,
  type TaskAttempt,
  type TaskRecord,
} from "./ledger-tasks.ts";
import { exchangesOf } from "./tasks/legs.ts";

export type TaskQuestion =
  | { readonly ask: "open" }
  | { readonly ask: "one"; readonly tenant: string; readonly id: string }
  | { readonly ask: "attempts"; readonly tenant: string; readonly id: string }
  | { readonly ask: "list"; readonly query: TasksQuery }
  | { readonly ask: "detail"; readonly tenant: string; readonly id: string; readonly reader?: string }
  | { readonly ask: "classes"; readonly query: ClassesQuery }
  | { readonly ask: "decision"; readonly exchange: string; readonly reader?: string }
  | { readonly ask: "trials"; readonly sinceMs: number }
  | { readonly ask: "ended"; readonly query: EndedTasksQuery }
  | { readonly ask: "budget"; readonly query: BudgetSumsQuery }
  | { readonly ask: "spend-slots"; readonly query: SpendSlotsQuery }
  | { readonly ask: "growth"; readonly query: GrowthQuery }
  | { readonly ask: "course"; readonly query: CourseQuery }
  | { readonly ask: "outbox" };

interface Answers {
  readonly open: readonly OpenTaskRecord[];
  readonly one: TaskRecord | undefined;
  readonly attempts: readonly TaskAttempt[];
  readonly list: TasksPage;
  readonly detail: TaskDetail | undefined;
  readonly classes: TaskClassesRead;
  readonly decision: DecisionRead | undefined;
  readonly trials: readonly TrialRead[];
  readonly ended: readonly EndedTaskRead[];
  readonly budget: readonly BudgetSums[];
  readonly "spend-slots": SpendSlots;
  readonly growth: readonly Took[];
  readonly course: readonly Took[];
  readonly outbox: readonly OutboxRow[];
}

export type AnswerTo<Question extends TaskQuestion> = Answers[Question["ask"]];
export type TaskAnswer = Answers[TaskQuestion["ask"]];

export interface TasksQuery {
  /** Any of these. */
  readonly classes?: readonly string[];
  readonly parent?: string;
  readonly caller?: string;
  /** Who asks, and reads of their own tasks only. */
  readonly reader?: string;
  readonly state?: "open" | "ended";
  readonly outcome?: "success" | "failure" | "unknown";
  readonly sinceMs?: number;
  readonly untilMs?: number;
  readonly limit?: number;
  /** From the page before. */
  readonly cursor?: string;
}

export const TASKS_LIMIT_MAX = 200;
const TASKS_LIMIT = 50;
const CHILDREN_MAX = 1_000;
const DETAIL_ATTEMPTS_MAX = 1_000;

export interface TaskRow {
  readonly task: string;
  readonly class: string;
  readonly parent: string | null;
  readonly source: string;
  readonly caller: string | null;
  readonly started_at: string;
  readonly last_at: string;
  /** `null`: it is open. */
  readonly ended_at: string | null;
  readonly ends: number;
  /** 0 (failed) to 1 (succeeded); `null`: nobody can tell. */
  readonly success: number | null;
  readonly success_source: string | null;
  readonly turns: number;
  readonly exchanges: number;
  readonly targets: readonly string[];
  /** How many exchanges showed what. */
  readonly signals: Readonly<Record<string, number>>;
  readonly spend: SpendSums;
}

export interface TasksPage {
  readonly data: readonly TaskRow[];
  readonly nextCursor: string | undefined;
}

export interface TaskDetail extends TaskRow {
  readonly by_target: readonly SpendRow[];
  /** Oldest first. */
  readonly calls: readonly {
    readonly exchange: string;
    readonly signals: readonly string[];
    readonly attempts: readonly AttemptRow[];
  }[];
  readonly truncated: boolean;
  /** All that it began, and what these began. */
  readonly children: readonly TaskRow[];
  readonly with_children: SpendSums;
}

export function readTaskAnswer(database: DatabaseSync, question: TaskQuestion): TaskAnswer {
  switch (question.ask) {
    case "open":
      return readOpenTasks(database);
    case "one":
      return readTask(database, question.tenant, question.id);
    case "attempts":
      return readTaskAttempts(database, question.tenant, question.id);
    case "list":
      return readTasks(database, question.query);
    case "detail":
      return readDetail(database, question);
    case "classes":
      return readTaskClasses(database, question.query);
    case "decision":
      return readDecisionOf(database, question.exchange, question.reader);
    case "trials":
      return readTrials(database, question.sinceMs);
    case "ended":
      return readEndedTasks(database, question.query);
    case "budget":
      return readBudgetSums(database, question.query);
    case "spend-slots":
      return readSpendSlots(database, question.query);
    case "growth":
      return readGrowth(database, question.query);
    case "course":
      return readCourse(database, question.query);
    case "outbox":
      return readOutbox(database);
  }
}

function readTasks(database: DatabaseSync, query: TasksQuery): TasksPage {
  const limit = Math.min(query.limit ?? TASKS_LIMIT, TASKS_LIMIT_MAX);
  const conditions: string[] = [];
  const values: (string | number)[] = [];
  const add = (condition: string, ...added: (string | number)[]) => {
    conditions.push(condition);
    values.push(...added);
  };
  if (query.classes !== undefined) add(`class IN (${query.classes.map(() => "?").join(", ")})`, ...query.classes);
  if (query.parent !== undefined) add("parent = ?", query.parent);
  if (query.caller !== undefined) add("caller = ?", query.caller);
  if (query.reader !== undefined) add("tenant = ?", query.reader);
  if (query.sinceMs !== undefined) add("started_at_ms >= ?", query.sinceMs);
  if (query.untilMs !== undefined) add("started_at_ms < ?", query.untilMs);
  if (query.cursor !== undefined) add("row < ?", Number(query.cursor));
  if (query.state !== undefined) add(`ended_at_ms IS ${query.state === "open" ? "" : "NOT "}NULL`);
  if (query.outcome !== undefined) add(OUTCOME_SQL[query.outcome]);
  const where = conditions.length === 0 ? "" : `WHERE ${conditions.join(" AND ")}`;
  const rows = database
    .prepare(`SELECT row, tenant, id FROM tasks ${where} ORDER BY row DESC LIMIT ?`)
    .all(...values, limit + 1);
  const page = rows.slice(0, limit);
  return {
    data: page.flatMap((row) => rowOf(database, String(row["tenant"]), String(row["id"])) ?? []),
    nextCursor: rows.length > limit ? String(page.at(-1)?.["row"]) : undefined,
  };
}

const OUTCOME_SQL = { success: "outcome >= 0.5", failure: "outcome < 0.5", unknown: "outcome IS NULL" } as const;

function rowOf(database: DatabaseSync, tenant: string, id: string): TaskRow | undefined {
  const record = readTask(database, tenant, id);
  if (record === undefined) return undefined;
  const exchanges = exchangesOf(readTaskAttempts(database, tenant, id), record.className);
  const signals: Record<string, number> = {};
  for (const one of exchanges) for (const word of one.signals) signals[word] = (signals[word] ?? 0) + 1;
  return {
    task: record.id,
    class: record.className,
    parent: record.parent ?? null,
    source: record.source,
    caller: record.caller ?? null,
    started_at: new Date(record.startedAtMs).toISOString(),
    last_at: new Date(record.lastAtMs).toISOString(),
    ended_at: record.endedAtMs === undefined ? null : new Date(record.endedAtMs).toISOString(),
    ends: record.ends,
    success: record.outcome?.success ?? null,
    success_source: record.outcome?.source ?? null,
    turns: exchanges.filter(({ isTurn }) => isTurn).length,
    exchanges: new Set(exchanges.flatMap(({ attempts }) => attempts.map(({ exchange }) => exchange))).size,
    targets: [...new Set(exchanges.map(({ target }) => target))],
    signals,
    spend: readSums(database, OF_TASK, [id, tenant]),
  };
}

/** Its own tenant's; else, for those who read everybody's, another's of the name, the newest. */
function readDetail(
  database: DatabaseSync,
  { tenant, id, reader }: Extract<TaskQuestion, { readonly ask: "detail" }>,
): TaskDetail | undefined {
  const others = database.prepare("SELECT tenant FROM tasks WHERE id = ? ORDER BY tenant = ? DESC, row DESC LIMIT 1");
  const owner = reader ?? others.get(id, tenant)?.["tenant"];
  const row = typeof owner === "string" ? rowOf(database, owner, id) : undefined;
  if (row === undefined || typeof owner !== "string") return undefined;
  const own = { task: id, tenant: owner, ...(reader === undefined ? {} : { reader }) };
  const { data, nextCursor } = readAttempts(database, {
    ...own,
    order: "oldest",
    limit: DETAIL_ATTEMPTS_MAX,
  });
  const signals = new Map(readTaskAttempts(database, owner, id).map((one) => [one.attempt, one.signals]));
  const byExchange = Map.groupBy(data, ({ exchange }) => exchange);
  const descendants = database
    .prepare(`${DESCENDANTS} SELECT id FROM tree WHERE id <> ? LIMIT ${CHILDREN_MAX}`)
    .all(id, owner, id)
    .map((one) => String(one["id"]));
  const tree = `task IN (${DESCENDANTS} SELECT id FROM tree) AND (tenant = ? OR tenant IS NULL) AND outcome IS NOT NULL`;
  return {
    ...row,
    by_target: readSpend(database, { ...own, groupBy: ["provider", "model"] }).data,
    calls: [...byExchange].map(([exchange, attempts]) => ({
      exchange,
      signals: [...new Set(attempts.flatMap(({ attempt }) => (signals.get(attempt) ?? "").split(" ")))].filter(
        (word) => word !== "",
      ),
      attempts,
    })),
    truncated: nextCursor !== undefined,
    children: descendants.flatMap((child) => rowOf(database, owner, child) ?? []),
    with_children: readSums(database, tree, [id, owner, owner]),
  };
}

/** A task and all below it, each once: tasks that name each other as parents end nowhere else. Values: its id, its tenant. */
const DESCENDANTS = `WITH RECURSIVE tree(id) AS (SELECT ? UNION
  SELECT tasks.id FROM tasks JOIN tree ON tasks.parent = tree.id WHERE tasks.tenant = ?)`;
