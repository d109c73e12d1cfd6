/** The drift watch as `GET /sluice/v1/drift` shows it. */
import type { JsonObject } from "../chat.ts";
import type { ExpectationState, ExpectedMeasure, Measure, MeasureState } from "./drift.ts";

/** @param nameOf What an operator calls a class whose id is derived. */
export function driftReport(
  { expectation, measures }: ExpectationState,
  nameOf: (className: string) => string | undefined,
): JsonObject {
  const { className, target, report, run, tasks } = expectation;
  return {
    class: className,
    name: nameOf(className) ?? null,
    target,
    report,
    run,
    report_tasks: tasks,
    measures: Object.fromEntries(measures.map((state) => [state.measure, measureReport(state)])),
  };
}

function measureReport({
  measure,
  expected,
  live,
  liveTasks,
  tasks,
  state,
  evidence,
  drift,
}: MeasureState): JsonObject {
  return {
    unit: UNITS[measure],
    state,
    expected: expectedReport(measure, expected),
    live: live === undefined ? null : { mean: shown(measure, live), tasks: liveTasks },
    tasks,
    evidence: Math.round(evidence * 1_000) / 1_000,
    direction: drift?.direction ?? null,
    since: drift === undefined ? null : new Date(drift.firedAtMs).toISOString(),
  };
}

const UNITS: Readonly<Record<Measure, string>> = {
  tokens: "tokens",
  cost: "usd",
  refusals: "share",
  "schema-failures": "share",
};

function expectedReport(measure: Measure, { mean, high, low }: ExpectedMeasure): JsonObject {
  return {
    mean: shown(measure, mean),
    high: shown(measure, high),
    low: low === undefined ? null : shown(measure, low),
  };
}

/** Money is dollars to people. */
function shown(measure: Measure, value: number): number {
  return Number((measure === "cost" ? value / 1e12 : value).toPrecision(6));
}
