/** The words of budgets: what is limited, in which window, what is known of it, and what is told when a limit is near. */
import type { PicoUsd } from "../usage.ts";

/** What a budget is told apart by. `key`: the client key by its name; `tag`: a word of the request's metadata that the operator lists. */
export const BUDGET_SCOPES = ["global", "key", "team", "class", "target", "provider", "tag"] as const;
export type BudgetScope = (typeof BUDGET_SCOPES)[number];

/**
 * `notify`: nothing is refused. `block`: no call is sent that may cost more than is left. `downgrade`: from the limit on, only targets
 * are called that are expected to finish the task for `taskLimit`.
 */
export const BUDGET_ACTIONS = ["notify", "block", "downgrade"] as const;
export type BudgetAction = (typeof BUDGET_ACTIONS)[number];

export const CALENDAR_UNITS = ["hour", "day", "week", "month"] as const;
export type CalendarUnit = (typeof CALENDAR_UNITS)[number];

export type BudgetWindow =
  /** Weeks begin on Monday. */
  | { readonly kind: "calendar"; readonly unit: CalendarUnit; readonly timeZone: string }
  /** The time that ends now. Counted in slices, so that it reaches a sixtieth further back than it says, never less far. */
  | { readonly kind: "rolling"; readonly lengthMs: number };

/** One entry of the config's `budgets`. */
export interface BudgetRule {
  /** Unique; a metric's label and the first part of a notice's id. */
  readonly name: string;
  readonly scope: BudgetScope;
  /** Of scope `tag`: its name in the request's metadata. */
  readonly tag?: string;
  /** One value, or how several begin (`triage-*`), each with a budget of its own; absent: each value there is. */
  readonly of?: string;
  readonly window: BudgetWindow;
  /** Absent: spend is counted, and nothing is limited. */
  readonly limit?: PicoUsd;
  readonly action: BudgetAction;
  /** Shares of the limit at which a notice is told, ascending. */
  readonly notifyAt: readonly number[];
  /** With `downgrade`: what a task may be expected to cost from the limit on. */
  readonly taskLimit?: PicoUsd;
  /** What a token of a model without a price is taken to cost; absent: nobody knows, and `block` refuses it. */
  readonly unpricedPerToken?: PicoUsd;
}

/** Whom a call is for. What is absent is not known: of a class or a tag it is a value of its own ("none"), of a team no budget's. */
export interface BudgetSubject {
  readonly key: string | undefined;
  readonly team: string | undefined;
  readonly taskClass: string | undefined;
  /** `provider/model`; absent: not chosen yet. */
  readonly target?: string;
  readonly provider?: string;
  /** By the names that the config lists. */
  readonly tags: Readonly<Record<string, string>>;
}

/** A window as it holds now. */
export interface WindowSpan {
  /** Milliseconds since the epoch. */
  readonly startMs: number;
  /** When it begins anew; of a rolling one this is now. */
  readonly endMs: number;
}

/**
 * `within`: below every level. `near`: over the first of `notifyAt`. `reached`: over the limit (`notify`), what a call may cost does not
 * fit any more (`block`: the last one was refused), or only cheap targets are called (`downgrade`).
 */
export const BUDGET_STANDINGS = ["within", "near", "reached"] as const;
export type BudgetStanding = (typeof BUDGET_STANDINGS)[number];

/** The value of calls that have none, and of all that are beyond the bound. */
export const NO_VALUE = "none";
export const OTHER_VALUES = "other";

/** A budget as it stands. */
export interface BudgetState {
  readonly rule: BudgetRule;
  /** The key, class, tag's value, … that it is of; "" for the global one, `none` for calls that have none, `other` for those beyond the bound. */
  readonly value: string;
  readonly window: WindowSpan;
  /** Settled: what was billed, as the ledger has it, and what counts for what nobody knows. */
  readonly spent: PicoUsd;
  /** Of calls under way: what they may cost at most. */
  readonly reserved: PicoUsd;
  /** Settled calls whose cost nobody knows. Their money is in `spent` where anything could be said of it. */
  readonly unpricedCalls: number;
  /** Calls (attempts) that were not sent for this budget. */
  readonly refusedCalls: number;
  readonly standing: BudgetStanding;
  /** Since the process began, over all windows: these only rise. */
  readonly spentInAll: PicoUsd;
  readonly unpricedInAll: number;
  readonly refusedInAll: number;
}

/**
 * Something that somebody may have to hear of. `level`: spend is over a share of the limit. `refused`: a call was not sent.
 * `downgraded`: the first call that was bound to cheap targets. `unpriced`: a call's cost is not known.
 */
export type NoticeKind = "level" | "refused" | "downgraded" | "unpriced";

export interface BudgetNotice {
  /** The same for the same thing, also after a restart: an idempotency key. */
  readonly id: string;
  readonly kind: NoticeKind;
  readonly budget: string;
  readonly scope: BudgetScope;
  readonly value: string;
  /** Of a `level`: the share of `limit`. */
  readonly level?: number;
  readonly window: WindowSpan;
  readonly spent: PicoUsd;
  readonly reserved: PicoUsd;
  readonly limit: PicoUsd | undefined;
  readonly atMs: number;
}
