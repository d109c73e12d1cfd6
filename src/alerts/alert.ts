/** The words of alerts: what is watched, what spend is compared with, and what is told when it leaves that. Types only. */
import type { BudgetScope, CalendarUnit, WindowSpan } from "../budgets/budget.ts";
import type { PicoUsd } from "../usage.ts";

/**
 * `learned`: from the ledger. `fixed`: a number of the operator's for each window. `imported`: from bills of before.
 */
export type BaselineKind = "learned" | "fixed" | "imported";

export type BaselineRule =
  | { readonly kind: "learned" }
  /** Of one window. */
  | { readonly kind: "fixed"; readonly amount: PicoUsd }
  | { readonly kind: "imported"; readonly bills: Bills };

/** What was paid a day, by the value of the scope ("" for all), and by the day of the week where bills tell days apart (0: Monday). */
export type Bills = ReadonlyMap<string, { readonly ofDay: PicoUsd; readonly byWeekday?: readonly PicoUsd[] }>;

/** One entry of the config's `alerts.watch`. */
export interface AlertRule {
  /** Unique; a metric's label and the first part of an alert's id. */
  readonly name: string;
  readonly scope: BudgetScope;
  /** Of scope `tag`: its name in the request's metadata. */
  readonly tag?: string;
  /** One value, or how several begin (`triage-*`); absent: each value there is. */
  readonly of?: string;
  readonly unit: CalendarUnit;
  readonly timeZone: string;
  readonly baseline: BaselineRule;
  /** Multiples of the baseline, ascending. */
  readonly levels: readonly number[];
  /** So much over the baseline it must be at least. */
  readonly floor: PicoUsd;
  /** Of a learned baseline: a level is never within so many standard deviations of the value's own days. */
  readonly deviations: number;
  /** Of a learned baseline: so many days of spend must be known before anything is told. */
  readonly historyDays: number;
  /** How sure a projection must be, from 0.5 to below 1; absent: nothing is projected. */
  readonly confidence?: number;
}

/** `actual`: it is spent. `projected`: as things stand, it will have been by the window's end. */
export type AlertBasis = "actual" | "projected";

/** What made spend grow, for one class and target: each part of the excess by its sign, all parts together the whole of it. */
export const CAUSES = ["volume", "turns", "retries", "prompt-tokens", "output-tokens", "cache", "price"] as const;
export type CauseKind = (typeof CAUSES)[number];

export interface CausePart {
  /** As the ledger has it; `none` for calls without one. */
  readonly taskClass: string;
  /** `provider/model`. */
  readonly target: string;
  readonly kind: CauseKind;
  /** What of the excess it is. */
  readonly amount: PicoUsd;
  /** What it was and is: tasks, calls a task, tries a call, tokens a try, share of the prompt read from cache, picodollars a token. */
  readonly before: number;
  readonly now: number;
}

export interface Cause {
  /** Now, less what the same time of comparable windows cost on average. */
  readonly excess: PicoUsd;
  /** How many windows it is compared with. */
  readonly windows: number;
  /** Largest first; they sum to `excess`. Those beyond a bound are one of class and target `other`, by kind. */
  readonly parts: readonly CausePart[];
  /** When the first of the parts began, where that can be seen. */
  readonly sinceMs: number | undefined;
  /** In a sentence: names, numbers and a time. Never a prompt or a key. */
  readonly text: string;
}

/** One that fires or has fired. */
export interface Alert {
  /** The same for the same rule, value, level and window, also after a restart. */
  readonly id: string;
  readonly rule: string;
  readonly scope: BudgetScope;
  /** Of scope `tag`: its name. */
  readonly tag: string | undefined;
  /** The key (by its name), class, tag's value, … that it is of; "" for the global one. */
  readonly value: string;
  /** The multiple of the baseline that it is over. */
  readonly level: number;
  readonly basis: AlertBasis;
  readonly window: WindowSpan;
  readonly spent: PicoUsd;
  /** Of the whole window. */
  readonly baseline: PicoUsd;
  readonly baselineKind: BaselineKind;
  /** What the whole window will cost at least, with `confidence`; absent where nothing is projected. */
  readonly projected: PicoUsd | undefined;
  readonly confidence: number | undefined;
  /** Calls of the window whose cost nobody knows; of what is in `spent` for them see docs/alerts.md. */
  readonly unpricedCalls: number;
  readonly firedAtMs: number;
  readonly resolvedAtMs: number | undefined;
  /** Absent where it could not be read from the ledger. */
  readonly cause: Cause | undefined;
}

/**
 * What a listener gets: of an alert `fired` once, and `resolved` once after it. The idempotency key is `id`: after a crash the same event
 * may be told again with the same one.
 */
export interface AlertEvent {
  /** `<alert.id>/fired` or `<alert.id>/resolved`. */
  readonly id: string;
  readonly kind: "fired" | "resolved";
  readonly alert: Alert;
  /** In a sentence or two: "Spend of key `batch` today is 1.8 times its baseline ($90 of $50): …". No prompts, no keys. */
  readonly text: string;
  readonly atMs: number;
}

/**
 * Called once an event's cause is known, in order. It must take the event over before it returns (put it into an outbox): after that the
 * event is written down as told. Must not block; what it throws is logged, and the event told again at the next evaluation.
 */
export type AlertListener = (event: AlertEvent) => void;

/** What is watched, as it stands. */
export interface WatchState {
  readonly rule: AlertRule;
  readonly value: string;
  readonly window: WindowSpan;
  readonly spent: PicoUsd;
  /** Of the whole window; `undefined`: none is known, and `missing` says why. */
  readonly baseline: PicoUsd | undefined;
  readonly missing: "no-history" | "no-bill" | undefined;
  /** What is expected of the window up to now. */
  readonly baselineSoFar: PicoUsd | undefined;
  /** Lower bound of what the whole window will cost, with the rule's confidence. */
  readonly projected: PicoUsd | undefined;
  /** Where the lowest level is in dollars: further than the level says where that is within what is usual. */
  readonly alertFrom?: PicoUsd | undefined;
  readonly unpricedCalls: number;
  /** Levels that fire. */
  readonly firing: readonly number[];
}

/** For who shows or passes on alerts: `createAlerts` makes it. */
export interface AlertSource {
  /** Those that fire, then those that were resolved lately, newest first. Bounded. */
  alerts(): readonly Alert[];
  states(): readonly WatchState[];
  onAlert(listener: AlertListener): void;
}
