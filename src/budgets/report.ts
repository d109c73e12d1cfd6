/** A budget as `/sluice/v1/budgets` shows it. */
import { usdNumber } from "../usage.ts";
import type { BudgetState } from "./budget.ts";

export interface BudgetReport {
  readonly budget: string;
  readonly scope: string;
  readonly tag: string | null;
  readonly value: string;
  /** What a class is called that is derived from its prompts. */
  readonly value_name: string | null;
  readonly action: string;
  /** `hour`, `day`, `week`, `month`; `null`: it is rolling. */
  readonly unit: string | null;
  readonly time_zone: string | null;
  readonly window_start: string;
  /** When it begins anew; `null`: it is rolling. */
  readonly window_end: string | null;
  readonly limit_usd: number | null;
  readonly spent_usd: number;
  /** Exact. */
  readonly spent_pico_usd: string;
  readonly reserved_usd: number;
  /** What the calls to come may cost; `null`: there is no limit. */
  readonly left_usd: number | null;
  readonly unpriced_calls: number;
  readonly refused_calls: number;
  readonly state: string;
}

export function budgetReport(state: BudgetState, nameOf: (className: string) => string | undefined): BudgetReport {
  const { rule, value, window, spent, reserved } = state;
  const isRolling = rule.window.kind === "rolling";
  const left = rule.limit === undefined ? undefined : rule.limit - spent - reserved;
  return {
    budget: rule.name,
    scope: rule.scope,
    tag: rule.tag ?? null,
    value,
    value_name: (rule.scope === "class" ? nameOf(value) : undefined) ?? null,
    action: rule.action,
    unit: rule.window.kind === "calendar" ? rule.window.unit : null,
    time_zone: rule.window.kind === "calendar" ? rule.window.timeZone : null,
    window_start: new Date(window.startMs).toISOString(),
    window_end: isRolling ? null : new Date(window.endMs).toISOString(),
    limit_usd: rule.limit === undefined ? null : usdNumber(rule.limit),
    spent_usd: usdNumber(spent),
    spent_pico_usd: String(spent),
    reserved_usd: usdNumber(reserved),
    left_usd: left === undefined ? null : usdNumber(left > 0n ? left : 0n),
    unpriced_calls: state.unpricedCalls,
    refused_calls: state.refusedCalls,
    state: state.standing,
  };
}
