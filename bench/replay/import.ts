/**
 * An export as rows of a ledger: one JSON object a line, as `export.ts` writes them. What `GET /sluice/v1/attempts` and
 * `GET /sluice/v1/tasks` answer is taken as well, rows or whole pages (`{"data": […]}`), so that a list kept by somebody else will do.
 */
import { createReadStream } from "node:fs";
import { basename } from "node:path";
import type { DatabaseSync, StatementSync } from "node:sqlite";
import type { Readable } from "node:stream";
import { createGunzip } from "node:zlib";
import { z } from "zod";
import { USAGE_COLUMNS, type Cell } from "../../src/ledger-schema.ts";
import { ReplayError } from "./replay-error.ts";

const name = z.string().max(1_000);
const word = name.nullish();
const count = z.int().nonnegative().nullish();
const time = z.iso.datetime({ offset: true }).transform((text) => Date.parse(text));
const milliseconds = z.number().nonnegative().nullish();

const attemptLine = z.looseObject({
  attempt: name.min(1),
  exchange: name.min(1),
  task: name,
  task_class: word,
  tenant: word,
  caller: word,
  client_dialect: name.default("unknown"),
  requested_model: name.default(""),
  stream: z.boolean().default(false),
  policy: name.default("named"),
  provider: word,
  model: word,
  price_version: word,
  started_at: time,
  outcome: z.enum(["complete", "canceled", "failed", "rejected", "lost", "open"]),
  usage: z.looseObject(Object.fromEntries(USAGE_COLUMNS.map((column) => [column, count]))),
  usage_basis: z.enum(["reported", "estimated", "unknown"]).nullish(),
  cost_pico_usd: z
    .string()
    .regex(/^-?\d{1,19}$/, "must be whole picodollars, as text")
    .nullish(),
  cost_basis: z.enum(["reported", "estimated", "not-billed", "unpriced"]).nullish(),
  ttft_ms: milliseconds,
  duration_ms: milliseconds,
  finish_reason: word,
  signals: word,
});

const taskLine = z.looseObject({
  task: name,
  class: name,
  tenant: word,
  parent: word,
  source: name.default("header"),
  caller: word,
  started_at: time,
  last_at: time,
  ended_at: time.nullish(),
  ends: z.int().nonnegative().default(1),
  success: z.number().min(0).max(1).nullish(),
  success_source: z.enum(["told", "signals"]).nullish(),
});

/** Lines that are committed at once. */
const LINES_PER_COMMIT = 20_000;

/** @throws ReplayError naming the line that is wrong. */
export async function importLines(file: string, database: DatabaseSync): Promise<void> {
  const add = writerInto(database);
  let number = 0;
  database.exec("BEGIN");
  for await (const line of linesOf(file)) {
    number += 1;
    if (line.trim() === "") continue;
    const where = `${basename(file)}, line ${number}`;
    for (const row of rowsIn(line, where)) add(row, where);
    if (number % LINES_PER_COMMIT === 0) database.exec("COMMIT; BEGIN");
  }
  database.exec("COMMIT");
}

function rowsIn(line: string, where: string): readonly unknown[] {
  let value: unknown;
  try {
    value = JSON.parse(line);
  } catch {
    throw new ReplayError(`${where}: it is not JSON`);
  }
  const data = typeof value === "object" && value !== null && "data" in value ? value.data : undefined;
  return Array.isArray(data) ? data : [value];
}

function writerInto(database: DatabaseSync): (row: unknown, where: string) => void {
  const add = inserter(database);
  return (row, where) => {
    if (typeof row === "object" && row !== null && "attempt" in row) {
      add("attempts", attemptCells(checked(attemptLine, row, where)), where);
    } else if (typeof row === "object" && row !== null && "class" in row) {
      add("tasks", taskCells(checked(taskLine, row, where)), where);
    } else {
      throw new ReplayError(
        `${where}: it is neither an attempt (with \`attempt\`) nor a task (with \`task\` and \`class\`)`,
      );
    }
  };
}

function checked<Out>(schema: z.ZodType<Out>, row: unknown, where: string): Out {
  const result = schema.safeParse(row);
  if (result.success) return result.data;
  const [issue] = result.error.issues;
  throw new ReplayError(`${where}: \`${issue?.path.join(".") ?? ""}\` ${issue?.message ?? "is wrong"}`);
}

/** By the names of columns. */
type Cells = Readonly<Record<string, Cell>>;

function inserter(database: DatabaseSync): (table: string, cells: Cells, where: string) => void {
  const statements = new Map<string, StatementSync>();
  return (table, cells, where) => {
    let statement = statements.get(table);
    if (statement === undefined) {
      const names = Object.keys(cells);
      const values = names.map(() => "?").join(", ");
      statement = database.prepare(
        `INSERT INTO ${table} (${names.join(", ")}) VALUES (${values}) ON CONFLICT DO NOTHING`,
      );
      statements.set(table, statement);
    }
    // A page that was fetched twice would count twice.
    if (statement.run(...Object.values(cells)).changes === 0)
      throw new ReplayError(`${where}: the same row stands in an earlier line`);
  };
}

function attemptCells(line: z.infer<typeof attemptLine>): Cells {
  const cost = line.cost_pico_usd ?? null;
  return {
    attempt: line.attempt,
    exchange: line.exchange,
    task: line.task,
    task_class: line.task_class ?? null,
    tenant: line.tenant ?? null,
    caller: line.caller ?? null,
    client_dialect: line.client_dialect,
    requested_model: line.requested_model,
    stream: line.stream ? 1 : 0,
    policy: line.policy,
    reason: "",
    provider: line.provider ?? null,
    model: line.model ?? null,
    price_version: line.price_version ?? null,
    started_at_ms: line.started_at,
    outcome: line.outcome === "open" ? null : line.outcome,
    ...Object.fromEntries(USAGE_COLUMNS.map((column) => [column, line.usage[column] ?? null])),
    usage_basis: line.usage_basis ?? null,
    cost_pico_usd: cost === null ? null : BigInt(cost),
    cost_basis: line.cost_basis ?? null,
    ttft_ms: line.ttft_ms ?? null,
    duration_ms: line.duration_ms ?? null,
    finish_reason: line.finish_reason ?? null,
    signals: line.signals ?? null,
  };
}

function taskCells(line: z.infer<typeof taskLine>): Cells {
  return {
    tenant: line.tenant ?? "",
    id: line.task,
    class: line.class,
    parent: line.parent ?? null,
    source: line.source,
    caller: line.caller ?? null,
    started_at_ms: line.started_at,
    last_at_ms: line.last_at,
    ended_at_ms: line.ended_at ?? null,
    ends: line.ends,
    outcome: line.success ?? null,
    outcome_source: line.success_source ?? null,
  };
}

/** Longest line, in characters: a page of a thousand attempts has less. */
const LINE_CHARACTERS_MAX = 16_000_000;

async function* linesOf(file: string): AsyncGenerator<string> {
  const raw = createReadStream(file);
  const bytes: Readable = file.endsWith(".gz") ? raw.pipe(createGunzip()) : raw;
  raw.on("error", (error) => bytes.destroy(error));
  const decoder = new TextDecoder();
  let rest = "";
  try {
    for await (const chunk of bytes) {
      const lines = (rest + decoder.decode(chunk as Uint8Array, { stream: true })).split("\n");
      rest = lines.pop() ?? "";
      yield* lines;
      if (rest.length > LINE_CHARACTERS_MAX)
        throw new ReplayError(`${basename(file)}: a line of it is too long for an export`);
    }
  } catch (error) {
    if (error instanceof ReplayError) throw error;
    throw new ReplayError(`${file}: it cannot be read: ${(error as Error).message}`);
  }
  if (rest !== "") yield rest;
}
