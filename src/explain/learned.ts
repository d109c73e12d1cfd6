/**
 * What the ledger's file holds for who explains: what was learned of tasks, what their classes are called, and the decisions of calls.
 * It is opened to be read only, also while a gateway writes it.
 */
import { existsSync } from "node:fs";
import { DatabaseSync } from "node:sqlite";
import { readDecisionOf, type DecisionRead } from "../ledger-decisions.ts";
import { CLASSES_STATE, TaskClasses } from "../tasks/classes.ts";
import { createEstimates, type EstimatesReader } from "../tasks/estimates.ts";
import { ESTIMATES_STATE, keptWithTime } from "../tasks/relearn.ts";

export interface Learned {
  readonly estimates: EstimatesReader;
  readonly classes: TaskClasses;
  /** When it was kept last; `undefined`: nothing was. */
  readonly keptAtMs: number | undefined;
  /** Why nothing is known, for people; `undefined`: something is. */
  readonly lack: string | undefined;
  /** Classes that a tenant's tasks were of. */
  classNames(tenant: string): readonly string[];
}

/**
 * @param configured Names of classes by the configuration.
 * @throws Error where there is a file and it is no ledger.
 */
export function readLearned(path: string, configured: () => ReadonlyMap<string, string>): Learned {
  const estimates = createEstimates();
  const classes = new TaskClasses(configured);
  const kept = keptWithTime(estimates, () => 0);
  const isThere = existsSync(path);
  let isBroken = false;
  const restore = (text: string | undefined, into: { restore(snapshot: unknown): void }) => {
    if (text === undefined) return;
    try {
      into.restore(JSON.parse(text));
    } catch {
      isBroken = true;
    }
  };
  if (isThere) {
    const states = readFrom(path, (database) => statesOf(database, [ESTIMATES_STATE, CLASSES_STATE]));
    restore(states.get(ESTIMATES_STATE), kept);
    restore(states.get(CLASSES_STATE), classes);
  }
  const ended = estimates.snapshot().classes.map(({ key }) => key.split("\u0000"));
  return {
    estimates,
    classes,
    keptAtMs: kept.keptAtMs,
    lack: isThere ? lackIn(path, ended.length === 0, isBroken) : `there is no ledger at ${path}`,
    classNames: (tenant) => ended.flatMap(([whose, name]) => (whose === tenant && name !== undefined ? [name] : [])),
  };
}

function lackIn(path: string, isNew: boolean, isBroken: boolean): string | undefined {
  if (isBroken) return `what ${path} kept of it cannot be read`;
  return isNew ? `no task has ended yet by what ${path} keeps` : undefined;
}

/** @returns `undefined`: it has no such exchange. @throws Error where it is no ledger. */
export function readRecorded(path: string, exchange: string): DecisionRead | undefined {
  if (!existsSync(path)) throw new Error(`there is no ledger at ${path}; --data names its folder`);
  return readFrom(path, (database) => readDecisionOf(database, exchange, undefined));
}

function readFrom<Result>(path: string, read: (database: DatabaseSync) => Result): Result {
  let database: DatabaseSync | undefined;
  try {
    database = new DatabaseSync(path, { readOnly: true, timeout: BUSY_MS_MAX });
    return read(database);
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new Error(
      `${path}: it cannot be read as a ledger (${reason}); what an older Sluice wrote is brought up to date by starting this one on it`,
      { cause: error },
    );
  } finally {
    database?.close();
  }
}

/** A gateway may just be writing its file back. */
const BUSY_MS_MAX = 2_000;

function statesOf(database: DatabaseSync, names: readonly string[]): ReadonlyMap<string, string> {
  const statement = database.prepare("SELECT value FROM states WHERE name = ?");
  return new Map(
    names.flatMap((name) => {
      const value = statement.get(name)?.["value"];
      return typeof value === "string" ? [[name, value] as const] : [];
    }),
  );
}
