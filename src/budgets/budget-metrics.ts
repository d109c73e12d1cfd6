/**
 * Budgets for Prometheus, asked for when somebody looks. Labels have bounds: a budget is named by the config, and of its values the
 * dearest have series of their own; how many have none is said beside.
 */
import { Counter, Gauge, type Registry } from "prom-client";
import { usdNumber } from "../usage.ts";
import { BUDGET_STANDINGS, type BudgetState } from "./budget.ts";

/** Of each rule. */
export const VALUE_LABELS_MAX = 50;
/** Of all rules together. */
export const BUDGET_LABELS_MAX = 500;

/** @returns whom to ask. */
export function budgetMetrics(registry: Registry): (states: () => readonly BudgetState[]) => void {
  let states: () => readonly BudgetState[] = () => [];
  const labelNames = ["budget", "value"];
  const gauge = (name: string, help: string, valueOf: (state: BudgetState) => number | undefined) =>
    new Gauge({
      name,
      help,
      labelNames,
      registers: [registry],
      collect() {
        this.reset();
        for (const state of shown(states())) {
          const value = valueOf(state);
          if (value !== undefined) this.set({ budget: state.rule.name, value: state.value }, value);
        }
      },
    });
  const counter = (name: string, help: string, valueOf: (state: BudgetState) => number) =>
    new Counter({
      name,
      help,
      labelNames,
      registers: [registry],
      collect() {
        this.reset();
        for (const state of shown(states())) this.inc({ budget: state.rule.name, value: state.value }, valueOf(state));
      },
    });
  counter("sluice_spend_usd_total", "What was spent of each budget since the start, over all its windows.", (state) =>
    usdNumber(state.spentInAll),
  );
  gauge("sluice_budget_limit_usd", "What may be spent in a window.", ({ rule }) =>
    rule.limit === undefined ? undefined : usdNumber(rule.limit),
  );
  gauge("sluice_budget_spent_usd", "What was spent in the window that holds now.", ({ spent }) => usdNumber(spent));
  gauge("sluice_budget_reserved_usd", "What calls under way may cost at most.", ({ reserved }) => usdNumber(reserved));
  gauge(
    "sluice_budget_state",
    "0 within, 1 near its limit, 2 reached: over it, or calls are refused or bound to cheap targets.",
    ({ standing }) => BUDGET_STANDINGS.indexOf(standing),
  );
  counter("sluice_budget_refusals_total", "Attempts that were not sent for a budget.", (state) => state.refusedInAll);
  counter(
    "sluice_budget_unpriced_total",
    "Attempts whose cost nobody knows; what was reserved for them is taken for it.",
    (state) => state.unpricedInAll,
  );
  new Gauge({
    name: "sluice_budget_values_hidden",
    help: "Budgets that have no series of their own.",
    registers: [registry],
    collect() {
      const all = states();
      this.set(all.length - shown(all).length);
    },
  });
  return (watched) => {
    let last: { readonly atMs: number; readonly states: readonly BudgetState[] } | undefined;
    // Eight metrics are collected in one go.
    states = () => {
      const atMs = performance.now();
      if (last === undefined || atMs - last.atMs > SAME_MS) last = { atMs, states: watched() };
      return last.states;
    };
  };
}

const SAME_MS = 50;

function shown(states: readonly BudgetState[]): readonly BudgetState[] {
  const byRule = Map.groupBy(states, ({ rule }) => rule.name);
  return [...byRule.values()]
    .flatMap((all) => (all.length <= VALUE_LABELS_MAX ? all : all.toSorted(dearestFirst).slice(0, VALUE_LABELS_MAX)))
    .slice(0, BUDGET_LABELS_MAX);
}

function dearestFirst(one: BudgetState, other: BudgetState): number {
  return Number(other.spent + other.reserved - one.spent - one.reserved);
}
