/**
 * Learns from tasks of the ledger what a crash, or a lost state, took from what was learned: those that have ended since it was kept last;
 * where nothing was kept (also by an older version), the newest of a month.
 */
import type { Ledger } from "../ledger.ts";
import type { EndedTask } from "./ended-task.ts";
import type { Estimates } from "./estimates.ts";
import { exchangesOf, legsOf } from "./legs.ts";

const MONTH_MS = 30 * 86_400_000;
const PAGE = 100;
/** The newest; more would tell little, as older ones count for less. */
const TASKS_MAX = 2_000;

export interface Relearning {
  readonly ledger: Pick<Ledger, "tasks">;
  readonly estimates: Pick<Estimates, "observe">;
  /** When what was learned was kept last; `undefined`: it was not. */
  readonly keptAtMs: number | undefined;
  readonly nowMs: number;
}

/** @returns how many tasks were learned from. */
export async function relearn({ ledger, estimates, keptAtMs, nowMs }: Relearning): Promise<number> {
  const found: EndedTask[] = [];
  let offset = 0;
  while (offset < TASKS_MAX) {
    // One page after the other: between them rows are written.
    const page = await ledger.tasks({
      ask: "ended",
      query: { beganSinceMs: nowMs - MONTH_MS, endedAfterMs: keptAtMs ?? 0, offset, limit: PAGE },
    });
    for (const { record, attempts } of page) {
      // One that ended before as well was counted then, where that is known.
      if (keptAtMs !== undefined && record.ends > 1) continue;
      const legs = legsOf(exchangesOf(attempts, record.className));
      if (legs.length === 0) continue;
      found.push({
        id: record.id,
        tenant: record.tenant,
        className: record.className,
        parent: record.parent,
        startedAtMs: record.startedAtMs,
        endedAtMs: record.lastAtMs,
        legs,
        outcome: record.outcome,
      });
    }
    if (page.length < PAGE) break;
    offset += PAGE;
  }
  for (const task of found.toReversed()) estimates.observe(task);
  return found.length;
}

/** The name of the state in which what was learned is kept over a restart. */
export const ESTIMATES_STATE = "task-estimates";

/** What was learned, with the time at which it was kept. */
export function keptWithTime(
  estimates: Pick<Estimates, "snapshot" | "restore" | "revision">,
  now: () => number,
): Pick<Estimates, "revision"> & {
  snapshot(): unknown;
  restore(kept: unknown): void;
  readonly keptAtMs: number | undefined;
} {
  let keptAtMs: number | undefined;
  return {
    snapshot: () => ({ keptAtMs: now(), estimates: estimates.snapshot() }),
    restore(kept) {
      const { keptAtMs: at, estimates: learned } = (kept ?? {}) as Readonly<Record<string, unknown>>;
      if (typeof at !== "number") return;
      estimates.restore(learned);
      keptAtMs = at;
    },
    revision: () => estimates.revision(),
    get keptAtMs() {
      return keptAtMs;
    },
  };
}
