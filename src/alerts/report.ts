/** Alerts and what is watched, as the HTTP interface shows them. */
import { usdNumber, type PicoUsd } from "../usage.ts";
import type { Alert, Cause, WatchState } from "./alert.ts";
import { eventText } from "./text.ts";

export interface AlertReport {
  readonly id: string;
  readonly state: "firing" | "resolved";
  readonly watch: string;
  readonly scope: string;
  readonly tag: string | null;
  readonly value: string;
  readonly level: number;
  readonly basis: string;
  readonly window: { readonly start: string; readonly end: string };
  /** When it fired. */
  readonly spent_usd: number;
  readonly baseline_usd: number;
  readonly baseline: string;
  readonly ratio: number | null;
  readonly projected_usd: number | null;
  readonly confidence: number | null;
  readonly unpriced_calls: number;
  readonly fired_at: string;
  readonly resolved_at: string | null;
  readonly text: string;
  readonly cause: object | null;
}

export function alertReport(alert: Alert): AlertReport {
  return {
    id: alert.id,
    state: alert.resolvedAtMs === undefined ? "firing" : "resolved",
    watch: alert.rule,
    scope: alert.scope,
    tag: alert.tag ?? null,
    value: alert.value,
    level: alert.level,
    basis: alert.basis,
    window: windowOf(alert),
    spent_usd: usdNumber(alert.spent),
    baseline_usd: usdNumber(alert.baseline),
    baseline: alert.baselineKind,
    ratio: ratioOf(alert.spent, alert.baseline) ?? null,
    projected_usd: usdOf(alert.projected),
    confidence: alert.confidence ?? null,
    unpriced_calls: alert.unpricedCalls,
    fired_at: time(alert.firedAtMs),
    resolved_at: alert.resolvedAtMs === undefined ? null : time(alert.resolvedAtMs),
    text: eventText("fired", alert),
    cause: alert.cause === undefined ? null : causeReport(alert.cause),
  };
}

function causeReport({ text, excess, windows, sinceMs, parts }: Cause): object {
  return {
    text,
    excess_usd: usdNumber(excess),
    windows,
    since: sinceMs === undefined ? null : time(sinceMs),
    parts: parts.map(({ taskClass, target, kind, amount, before, now }) => ({
      class: taskClass,
      target,
      kind,
      amount_usd: usdNumber(amount),
      before,
      now,
    })),
  };
}

export interface WatchReport {
  readonly watch: string;
  readonly scope: string;
  readonly tag: string | null;
  readonly value: string;
  readonly window: { readonly start: string; readonly end: string };
  readonly spent_usd: number;
  readonly baseline: string;
  readonly baseline_usd: number | null;
  readonly missing: string | null;
  readonly baseline_so_far_usd: number | null;
  readonly ratio: number | null;
  readonly projected_usd: number | null;
  readonly alert_from_usd: number | null;
  readonly unpriced_calls: number;
  readonly firing: readonly number[];
}

export function watchReport(state: WatchState): WatchReport {
  const { rule, value, spent, baseline, missing, baselineSoFar, projected, unpricedCalls, firing } = state;
  return {
    watch: rule.name,
    scope: rule.scope,
    tag: rule.tag ?? null,
    value,
    window: windowOf(state),
    spent_usd: usdNumber(spent),
    baseline: rule.baseline.kind,
    baseline_usd: usdOf(baseline),
    missing: missing ?? null,
    baseline_so_far_usd: usdOf(baselineSoFar),
    ratio: ratioOf(spent, baseline) ?? null,
    projected_usd: usdOf(projected),
    alert_from_usd: usdOf(state.alertFrom),
    unpriced_calls: unpricedCalls,
    firing,
  };
}

function ratioOf(amount: PicoUsd, baseline: PicoUsd | undefined): number | undefined {
  return baseline === undefined || baseline <= 0n ? undefined : usdNumber(amount) / usdNumber(baseline);
}

function windowOf({ window: { startMs, endMs } }: Pick<Alert, "window">): AlertReport["window"] {
  return { start: time(startMs), end: time(endMs) };
}

function usdOf(amount: PicoUsd | undefined): number | null {
  return amount === undefined ? null : usdNumber(amount);
}

function time(atMs: number): string {
  return new Date(atMs).toISOString();
}
