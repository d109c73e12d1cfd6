/**
 * What tasks of each class take: distributions over tasks, each with all that its children took. Runs in the ledger's thread.
 *
 * What is not known is counted beside, never as 0: a task with an attempt that has no price has no cost here, one whose answers did not
 * say their tokens has none, and one whose outcome nobody can tell is no success and no failure.
 */
import type { DatabaseSync } from "node:sqlite";
import type { TaskSqlRow } from "./ledger-tasks.ts";
import { distribution, meanOf, ratioOf, type Distribution, type Estimate } from "./tasks/distribution.ts";
import { usdNumber } from "./usage.ts";

export interface ClassesQuery {
  readonly classes?: readonly string[];
  readonly caller?: string;
  /** Who asks, and reads of their own tasks only. */
  readonly reader?: string;
  /** Tasks that began at or after. */
  readonly sinceMs?: number;
  readonly untilMs?: number;
}

export interface ClassStatistics {
  readonly tasks: number;
  readonly open: number;
  /** Tasks that were begun by others, in whose figures they are as well. */
  readonly children: number;
  /** The prompts and the answers of a task, together. */
  readonly tokens: Distribution & { readonly unknown_tasks: number };
  readonly cost_usd: Distribution & { readonly unpriced_tasks: number };
  /** Of tasks that have ended, whose outcome and whose cost are known: what all of them cost, by how many succeeded. */
  readonly cost_per_success_usd: Estimate & { readonly tasks: number };
  readonly turns: Distribution;
  readonly cache_read_ratio: Distribution & { readonly unknown_tasks: number };
  readonly success: Estimate & { readonly told: number; readonly by_signals: number; readonly unknown: number };
}

export interface ClassRow extends ClassStatistics {
  readonly class: string;
  /** Of tasks that one target did alone; "several" are those of more than one. */
  readonly by_target: readonly (ClassStatistics & { readonly target: string })[];
}

export interface TaskClassesRead {
  readonly data: readonly ClassRow[];
  /** There are more tasks than are looked at; the newest are. */
  readonly truncated: boolean;
}

/** Tasks that are looked at. */
const TASKS_MAX = 50_000;
/** Classes of one answer; those with the fewest tasks are one, `other`. */
const CLASSES_MAX = 200;
const PARENTS_MAX = 16;

/** A task as its attempts sum up, and with those of its children. */
interface Summed {
  readonly key: string;
  readonly parent: string | undefined;
  readonly className: string;
  readonly isOpen: boolean;
  readonly success: number | undefined;
  readonly successSource: string | undefined;
  readonly turns: number;
  readonly target: string;
  readonly own: Sums;
  readonly whole: Sums;
}

interface Sums {
  costPicoUsd: bigint;
  unpriced: number;
  tokens: number;
  unknown: number;
  read: number;
  readOf: number;
}

export function readTaskClasses(database: DatabaseSync, query: ClassesQuery): TaskClassesRead {
  const { tasks, truncated } = readSummed(database, query);
  rollUp(tasks);
  const wanted = query.classes === undefined ? undefined : new Set(query.classes);
  const byClass = Map.groupBy(
    tasks.filter(({ className }) => wanted?.has(className) ?? true),
    ({ className }) => className,
  );
  const ranked = [...byClass].toSorted(([, one], [, other]) => other.length - one.length);
  const rest = ranked.splice(CLASSES_MAX - 1).flatMap(([, some]) => some);
  if (rest.length > 0) ranked.push(["other", [...(byClass.get("other") ?? []), ...rest]]);
  return {
    data: ranked.map(([name, some]) => ({
      class: name,
      ...statisticsOf(some),
      by_target: [...Map.groupBy(some, ({ target }) => target)]
        .toSorted(([, one], [, other]) => other.length - one.length)
        .slice(0, CLASSES_MAX)
        .map(([target, ofTarget]) => ({ target, ...statisticsOf(ofTarget) })),
    })),
    truncated,
  };
}

function readSummed(database: DatabaseSync, query: ClassesQuery): { tasks: readonly Summed[]; truncated: boolean } {
  const conditions: string[] = [];
  const values: (string | number)[] = [];
  const add = (condition: string, value: string | number | undefined) => {
    if (value === undefined) return;
    conditions.push(condition);
    values.push(value);
  };
  add("started_at_ms >= ?", query.sinceMs);
  add("started_at_ms < ?", query.untilMs);
  add("caller = ?", query.caller);
  add("tenant = ?", query.reader);
  const where = conditions.length === 0 ? "" : `WHERE ${conditions.join(" AND ")}`;
  const statement = database.prepare(
    `SELECT t.tenant, t.id, t.class, t.parent, t.ended_at_ms, t.outcome, t.outcome_source, ${SUMS}
      FROM (SELECT * FROM tasks ${where} ORDER BY row DESC LIMIT ${TASKS_MAX + 1}) t
      JOIN attempts a ON a.task = t.id AND (a.tenant = t.tenant OR a.tenant IS NULL) AND a.outcome IS NOT NULL
      WHERE a.provider IS NOT NULL GROUP BY t.row ORDER BY t.row DESC`,
  );
  statement.setReadBigInts(true);
  const rows = statement.all(...values) as TaskSqlRow[];
  return { tasks: rows.slice(0, TASKS_MAX).map(summed), truncated: rows.length > TASKS_MAX };
}

const PROMPT = `coalesce(a.input_uncached, 0) + coalesce(a.cache_read, 0) + coalesce(a.cache_write_5m, 0)
  + coalesce(a.cache_write_1h, 0) + coalesce(a.cache_write_other, 0)`;
/** A step of the task, as `tasks/legs.ts` counts them. */
const TURN = `a.outcome = 'complete' AND instr(coalesce(a.signals, ''), 'resend') = 0 AND instr(coalesce(a.signals, ''), 'side') = 0
  AND NOT (coalesce(a.task_class, '') LIKE 'c-%' AND t.class LIKE 'c-%' AND a.task_class <> t.class)`;
const SUMS = `coalesce(sum(a.cost_pico_usd), 0) AS cost,
  count(*) FILTER (WHERE a.cost_basis = 'unpriced') AS unpriced,
  coalesce(sum(${PROMPT} + coalesce(a.output, 0)), 0) AS tokens,
  count(*) FILTER (WHERE a.cost_basis <> 'not-billed' AND (a.input_uncached IS NULL OR a.output IS NULL)) AS unknown,
  coalesce(sum(a.cache_read), 0) AS read,
  coalesce(sum(${PROMPT}) FILTER (WHERE a.cache_read IS NOT NULL), 0) AS read_of,
  count(DISTINCT a.exchange) FILTER (WHERE ${TURN}) AS turns,
  min(a.provider || '/' || a.model) FILTER (WHERE ${TURN}) AS first_target,
  max(a.provider || '/' || a.model) FILTER (WHERE ${TURN}) AS last_target`;

function summed(row: TaskSqlRow): Summed {
  const text = (name: string) => (row[name] === null ? undefined : String(row[name]));
  const own: Sums = {
    costPicoUsd: BigInt(row["cost"] ?? 0),
    unpriced: Number(row["unpriced"]),
    tokens: Number(row["tokens"]),
    unknown: Number(row["unknown"]),
    read: Number(row["read"]),
    readOf: Number(row["read_of"]),
  };
  const [first, last] = [text("first_target"), text("last_target")];
  return {
    key: keyOf(String(row["tenant"]), String(row["id"])),
    parent: row["parent"] === null ? undefined : keyOf(String(row["tenant"]), String(row["parent"])),
    className: String(row["class"]),
    isOpen: row["ended_at_ms"] === null,
    success: row["outcome"] === null ? undefined : Number(row["outcome"]),
    successSource: text("outcome_source"),
    turns: Number(row["turns"]),
    target: first === undefined ? "none" : first === last ? first : "several",
    own,
    whole: { ...own },
  };
}

function keyOf(tenant: string, id: string): string {
  return `${tenant}\u0000${id}`;
}

/** To a task's own sums those of all below it. */
function rollUp(tasks: readonly Summed[]): void {
  const byKey = new Map(tasks.map((task) => [task.key, task]));
  for (const task of tasks) {
    const passed = new Set([task.key]);
    let above = task.parent === undefined ? undefined : byKey.get(task.parent);
    for (let step = 0; above !== undefined && step < PARENTS_MAX && !passed.has(above.key); step += 1) {
      passed.add(above.key);
      above.whole.costPicoUsd += task.own.costPicoUsd;
      for (const name of ["unpriced", "tokens", "unknown", "read", "readOf"] as const) {
        above.whole[name] += task.own[name];
      }
      above = above.parent === undefined ? undefined : byKey.get(above.parent);
    }
  }
}

function statisticsOf(tasks: readonly Summed[]): ClassStatistics {
  const priced = tasks.filter(({ whole }) => whole.unpriced === 0);
  const counted = tasks.filter(({ whole }) => whole.unknown === 0);
  const cached = tasks.filter(({ whole }) => whole.readOf > 0);
  const judged = tasks.filter(({ success }) => success !== undefined);
  const paid = judged.filter(({ whole, isOpen }) => whole.unpriced === 0 && !isOpen);
  const cost = ({ whole }: Summed) => usdNumber(whole.costPicoUsd);
  return {
    tasks: tasks.length,
    open: tasks.filter(({ isOpen }) => isOpen).length,
    children: tasks.filter(({ parent }) => parent !== undefined).length,
    tokens: {
      ...distribution(counted.map(({ whole }) => whole.tokens)),
      unknown_tasks: tasks.length - counted.length,
    },
    cost_usd: { ...distribution(priced.map(cost)), unpriced_tasks: tasks.length - priced.length },
    cost_per_success_usd: {
      ...ratioOf(paid.map((task) => [cost(task), task.success ?? 0])),
      tasks: paid.length,
    },
    turns: distribution(tasks.map(({ turns }) => turns)),
    cache_read_ratio: {
      ...distribution(cached.map(({ whole }) => whole.read / whole.readOf)),
      unknown_tasks: tasks.length - cached.length,
    },
    success: {
      ...meanOf(judged.map(({ success }) => success ?? 0)),
      told: judged.filter(({ successSource }) => successSource === "told").length,
      by_signals: judged.filter(({ successSource }) => successSource === "signals").length,
      unknown: tasks.length - judged.length,
    },
  };
}
