/** Notices: each once a window, with an id that is the same whenever the same is told again (after a restart, say). */
import type { PicoUsd } from "../usage.ts";
import type { BudgetNotice, BudgetRule, NoticeKind } from "./budget.ts";
import type { Counter } from "./counter.ts";

export type NoticeListener = (notice: BudgetNotice) => void;

export class Notices {
  readonly #listeners: NoticeListener[] = [];

  listen(listener: NoticeListener): void {
    this.#listeners.push(listener);
  }

  /** Looks whether spend has come over a level. @param levels Ascending. */
  levels(levels: readonly Level[], rule: BudgetRule, counter: Counter, nowMs: number): void {
    for (const { share, amount } of levels) {
      if (counter.spent < amount) return;
      this.tell("level", rule, counter, nowMs, share);
    }
  }

  tell(kind: NoticeKind, rule: BudgetRule, counter: Counter, nowMs: number, level?: number): void {
    const word = level === undefined ? kind : `${kind}:${level}`;
    const { window } = counter.clock;
    const told = counter.told.get(word);
    // A rolling window has no end: what was told is told again after its length.
    const isDue = told === undefined || (window.kind === "rolling" && Math.abs(nowMs - told) >= window.lengthMs);
    if (!isDue) return;
    counter.told.set(word, nowMs);
    const place = window.kind === "calendar" ? counter.clock.keyOf(nowMs) : Math.floor(nowMs / window.lengthMs);
    const notice: BudgetNotice = {
      id: `${rule.name}|${counter.value}|${place}|${word}`,
      kind,
      budget: rule.name,
      scope: rule.scope,
      value: counter.value,
      ...(level === undefined ? {} : { level }),
      window: counter.clock.spanOf(nowMs),
      spent: counter.spent,
      reserved: counter.reserved,
      limit: rule.limit,
      atMs: nowMs,
    };
    for (const listener of this.#listeners) listener(notice);
  }
}

const PARTS = 1_000_000;

/** A share of the limit, and the money that it is. */
export interface Level {
  readonly share: number;
  readonly amount: PicoUsd;
}

/** Shares are of millionths. */
export function levelsOf({ limit, notifyAt }: Pick<BudgetRule, "limit" | "notifyAt">): readonly Level[] {
  if (limit === undefined) return [];
  return notifyAt.map((share) => ({ share, amount: (limit * BigInt(Math.round(share * PARTS))) / BigInt(PARTS) }));
}
