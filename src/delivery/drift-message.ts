/** A drift that fires, or is over, as a message. It goes where alerts go. */
import type { DriftEvent } from "../drift/drift.ts";
import type { Message } from "./message.ts";

/** Nobody can say when it will be over: who forgets by time is to remember it for so long. */
const HOLDS_MS = 7 * 86_400_000;

export function driftMessage({ id, kind, drift, text, atMs }: DriftEvent): Message {
  const { className, target, measure, direction, expected, live, tasks, report, firedAtMs, resolvedAtMs } = drift;
  const isResolved = kind === "resolved";
  const of = `${measure} of class \`${className}\` at \`${target}\``;
  return {
    id,
    news: "alerts",
    type: `drift.${kind}`,
    about: drift.id,
    isResolved,
    severity: "warning",
    title: isResolved
      ? `Resolved: drift of ${of}`
      : `Live tasks have left their report: ${of} is ${direction === "up" ? "above" : "below"} it`,
    text,
    atMs,
    startsAtMs: firedAtMs,
    endsAtMs: isResolved ? (resolvedAtMs ?? atMs) : atMs + HOLDS_MS,
    labels: { alertname: "SluiceDrift", class: className, target, measure, direction },
    facts: {
      drift: drift.id,
      class: className,
      target,
      measure,
      direction,
      expected: expected.mean,
      live,
      tasks,
      report,
      fired_at: new Date(firedAtMs).toISOString(),
      resolved_at: resolvedAtMs === undefined ? null : new Date(resolvedAtMs).toISOString(),
    },
    fields: [["Report", report]],
  };
}
