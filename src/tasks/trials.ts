/**
 * What trials may still cost today, and which tasks are one: sent to another target than the best known, to learn of it.
 *
 * A trial takes what its whole task is expected to cost when it begins, and what it did cost once it has ended. Money is that of a
 * section of the config (`classes.<name>.trials`) and of a day (UTC). What was spent is read from the ledger at the start.
 *
 * Bounded: 4,096 tasks and 8 days are remembered; of a forgotten one what it was last taken to cost stays counted.
 */
import type { TrialRead } from "../ledger-decisions.ts";
import type { PicoUsd } from "../usage.ts";
import type { EndedTask } from "./ended-task.ts";

/** Whose money, and how much of it there is a day. */
export interface TrialMoney {
  /** The section's key. */
  readonly from: string;
  readonly perDay: PicoUsd;
}

export interface BegunTrial {
  readonly tenant: string;
  readonly task: string;
  readonly target: string;
  readonly from: string;
  readonly cost: PicoUsd;
  readonly atMs: number;
}

export interface Trials {
  /** What is left of it today. */
  left(money: TrialMoney, atMs: number): PicoUsd;
  /** Where a task was sent to learn of the target; `undefined`: it is none. */
  targetOf(tenant: string, task: string): string | undefined;
  begun(trial: BegunTrial): void;
  /** What it took is known. A task that ends again is told again. */
  ended(task: EndedTask): void;
  /** What earlier processes began. @param fromOf The section whose money tasks of a class take; `undefined`: none does any more. */
  recall(trials: readonly TrialRead[], fromOf: (className: string | undefined) => string | undefined): void;
}

interface Running {
  readonly target: string;
  readonly from: string;
  readonly day: number;
  counted: PicoUsd;
}

export const DAY_MS = 86_400_000;
const TASKS_MAX = 4_096;
/** A clock that jumps finds each day's money as it left it. */
const DAYS_MAX = 8;

export function createTrials(): Trials {
  const tasks = new Map<string, Running>();
  const days = new Map<number, Map<string, PicoUsd>>();

  const spendingOf = (day: number): Map<string, PicoUsd> => {
    const spending = days.get(day) ?? new Map<string, PicoUsd>();
    days.delete(day);
    days.set(day, spending);
    const [oldest] = days.keys();
    if (days.size > DAYS_MAX && oldest !== undefined) days.delete(oldest);
    return spending;
  };
  const spend = (day: number, from: string, cost: PicoUsd) => {
    const spending = spendingOf(day);
    spending.set(from, (spending.get(from) ?? 0n) + cost);
  };
  const remember = (tenant: string, task: string, running: Running) => {
    const key = keyOf(tenant, task);
    tasks.delete(key);
    tasks.set(key, running);
    const [oldest] = tasks.keys();
    if (tasks.size > TASKS_MAX && oldest !== undefined) tasks.delete(oldest);
  };
  return {
    left({ from, perDay }, atMs) {
      const spent = spendingOf(dayOf(atMs)).get(from) ?? 0n;
      return spent >= perDay ? 0n : perDay - spent;
    },
    targetOf: (tenant, task) => tasks.get(keyOf(tenant, task))?.target,
    begun({ tenant, task, target, from, cost, atMs }) {
      const day = dayOf(atMs);
      spend(day, from, cost);
      remember(tenant, task, { target, from, day, counted: cost });
    },
    ended({ tenant, id, legs }) {
      const running = tasks.get(keyOf(tenant, id));
      const costs = legs.map(({ cost }) => cost);
      if (running === undefined || costs.includes(undefined)) return;
      const paid = costs.reduce<PicoUsd>((sum, cost) => sum + (cost ?? 0n), 0n);
      spend(running.day, running.from, paid - running.counted);
      running.counted = paid;
    },
    recall(trials, fromOf) {
      for (const { tenant, task, className, target, startedAtMs, expected, paid, isEnded } of trials) {
        const from = fromOf(className);
        if (from === undefined) continue;
        const day = dayOf(startedAtMs);
        const atLeast = paid === undefined || paid < expected ? expected : paid;
        const counted = isEnded ? (paid ?? expected) : atLeast;
        spend(day, from, counted);
        remember(tenant, task, { target, from, day, counted });
      }
    },
  };
}

export function dayOf(atMs: number): number {
  return Math.floor(atMs / DAY_MS);
}

/** No id has such a character in it. */
function keyOf(tenant: string, task: string): string {
  return `${tenant}\u0000${task}`;
}
