/** An alert that fires, or does not any more, as a message. */
import type { Alert, AlertEvent, Cause } from "../alerts/alert.ts";
import { usdNumber } from "../usage.ts";
import type { Message } from "./message.ts";
import { dollars, multiple, nameIn, scopeText, type NameOf } from "./wording.ts";

/** Further parts of a cause are small, and the text has what matters. */
export const CAUSE_PARTS_MAX = 20;

export function alertMessage({ id, kind, alert, text, atMs }: AlertEvent, nameOf: NameOf): Message {
  const { rule, scope, tag, value, level, window, firedAtMs, resolvedAtMs } = alert;
  const isResolved = kind === "resolved";
  const name = nameIn(scope, value, nameOf);
  const of = `${scopeText(scope, tag, name ?? value)} (${rule})`;
  const over = alert.basis === "actual" ? "Spend is over" : "Spend will be over";
  return {
    id,
    news: "alerts",
    type: `alert.${kind}`,
    about: alert.id,
    isResolved,
    severity: alert.basis === "actual" ? "critical" : "warning",
    title: isResolved
      ? `Resolved: spend over ${multiple(level)} its baseline: ${of}`
      : `${over} ${multiple(level)} its baseline: ${of}`,
    text,
    atMs,
    startsAtMs: firedAtMs,
    // It is over when spend has been calm in a later window: the next one, unless the gateway is away for that long.
    endsAtMs: isResolved ? (resolvedAtMs ?? atMs) : window.endMs + (window.endMs - window.startMs),
    labels: {
      alertname: "SluiceSpendOverBaseline",
      rule,
      scope,
      ...(tag === undefined ? {} : { tag }),
      ...(value === "" ? {} : { value }),
      level: String(level),
    },
    facts: factsOf(alert, name),
    fields: fieldsOf(alert),
  };
}

function factsOf(alert: Alert, name: string | undefined): Message["facts"] {
  const { projected, baseline } = alert;
  return {
    alert: alert.id,
    rule: alert.rule,
    scope: alert.scope,
    tag: alert.tag ?? null,
    value: alert.value,
    value_name: name ?? null,
    level: alert.level,
    basis: alert.basis,
    window_start: time(alert.window.startMs),
    window_end: time(alert.window.endMs),
    spent_usd: usdNumber(alert.spent),
    baseline_usd: usdNumber(baseline),
    baseline_kind: alert.baselineKind,
    ratio: ratioOf(alert) ?? null,
    projected_usd: projected === undefined ? null : usdNumber(projected),
    confidence: alert.confidence ?? null,
    unpriced_calls: alert.unpricedCalls,
    fired_at: time(alert.firedAtMs),
    resolved_at: alert.resolvedAtMs === undefined ? null : time(alert.resolvedAtMs),
    cause: alert.cause === undefined ? null : causeFacts(alert.cause),
  };
}

function causeFacts({ excess, windows, parts, sinceMs, text }: Cause): Message["facts"] {
  return {
    text,
    excess_usd: usdNumber(excess),
    windows,
    since: sinceMs === undefined ? null : time(sinceMs),
    parts: parts.slice(0, CAUSE_PARTS_MAX).map(({ taskClass, target, kind, amount, before, now }) => ({
      class: taskClass,
      target,
      kind,
      amount_usd: usdNumber(amount),
      before: finite(before),
      now: finite(now),
    })),
  };
}

function fieldsOf(alert: Alert): Message["fields"] {
  const ratio = ratioOf(alert);
  const { projected, confidence, unpricedCalls } = alert;
  return [
    ["Spent", `${dollars(alert.spent)}${ratio === undefined ? "" : ` (${multiple(ratio)})`}`],
    ["Baseline", `${dollars(alert.baseline)} (${alert.baselineKind})`],
    ...(projected === undefined || confidence === undefined
      ? []
      : [["Projected", `at least ${dollars(projected)} (${Math.round(confidence * 100)} % sure)`] as const]),
    ...(unpricedCalls === 0 ? [] : [["Calls of unknown cost", String(unpricedCalls)] as const]),
  ];
}

/** `undefined`: of nothing, nothing is a multiple. */
function ratioOf({ spent, baseline }: Alert): number | undefined {
  return baseline > 0n ? usdNumber(spent) / usdNumber(baseline) : undefined;
}

/** JSON has no word for the others. */
function finite(value: number): number | null {
  return Number.isFinite(value) ? value : null;
}

function time(ms: number): string {
  return new Date(ms).toISOString();
}
