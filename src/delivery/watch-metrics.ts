/**
 * What alerts compare, for Prometheus, asked for when somebody looks. Labels have bounds, as those of budgets: a rule is named by the config,
 * and of its values the dearest have series of their own.
 */
import { Gauge, type Registry } from "prom-client";
import type { AlertSource, WatchState } from "../alerts/alert.ts";
import { usdNumber, type PicoUsd } from "../usage.ts";

/** Of each rule. */
export const WATCH_VALUES_MAX = 50;
/** Of all rules together. */
export const WATCH_LABELS_MAX = 500;

type Watched = Pick<AlertSource, "states">;

/** @returns whom to ask. */
export function watchMetrics(registry: Registry): (source: Watched) => void {
  let states: () => readonly WatchState[] = () => [];
  const gauge = (name: string, help: string, valueOf: (state: WatchState) => number | undefined) =>
    new Gauge({
      name,
      help,
      labelNames: ["rule", "value"],
      registers: [registry],
      collect() {
        this.reset();
        for (const state of states()) {
          const value = valueOf(state);
          if (value !== undefined) this.set({ rule: state.rule.name, value: state.value }, value);
        }
      },
    });
  gauge("sluice_watched_spend_usd", "What was spent in the window that holds now.", ({ spent }) => usdNumber(spent));
  gauge("sluice_baseline_usd", "What a whole window usually costs. Absent where nobody knows.", ({ baseline }) =>
    money(baseline),
  );
  gauge(
    "sluice_spend_ratio",
    "What was spent in the window that holds now, in multiples of what a whole one usually costs. Absent without a baseline.",
    ({ spent, baseline }) => ratio(spent, baseline),
  );
  gauge("sluice_projected_spend_usd", "What the window that holds now will cost at least, as things stand.", (state) =>
    money(state.projected),
  );
  new Gauge({
    name: "sluice_alert_firing",
    help: "1 for each level that fires.",
    labelNames: ["rule", "value", "level"],
    registers: [registry],
    collect() {
      this.reset();
      for (const { rule, value, firing } of states()) {
        for (const level of firing) this.set({ rule: rule.name, value, level: String(level) }, 1);
      }
    },
  });
  return (source) => {
    let last: { readonly atMs: number; readonly states: readonly WatchState[] } | undefined;
    // All of them are collected in one go.
    states = () => {
      const atMs = performance.now();
      if (last === undefined || atMs - last.atMs > SAME_MS) last = { atMs, states: shown(source.states()) };
      return last.states;
    };
  };
}

const SAME_MS = 50;

/** What fires is shown before what does not, then what is dearest. */
function shown(states: readonly WatchState[]): readonly WatchState[] {
  const byRule = Map.groupBy(states, ({ rule }) => rule.name);
  return [...byRule.values()]
    .flatMap((all) => (all.length <= WATCH_VALUES_MAX ? all : all.toSorted(loudestFirst).slice(0, WATCH_VALUES_MAX)))
    .slice(0, WATCH_LABELS_MAX);
}

function loudestFirst(one: WatchState, other: WatchState): number {
  return other.firing.length - one.firing.length || Number(other.spent - one.spent);
}

function money(amount: PicoUsd | undefined): number | undefined {
  return amount === undefined ? undefined : usdNumber(amount);
}

/** Of nothing, anything is infinitely much. */
function ratio(spent: PicoUsd, baseline: PicoUsd | undefined): number | undefined {
  if (baseline === undefined) return undefined;
  if (baseline > 0n) return usdNumber(spent) / usdNumber(baseline);
  return spent > 0n ? Number.POSITIVE_INFINITY : 0;
}
