/** What is told of a drift, in a sentence: names that the operator gave and numbers. Never a prompt or a key. */
import type { Drift, DriftEvent, Measure } from "./drift.ts";

export function driftText(kind: DriftEvent["kind"], drift: Drift): string {
  const { className, target, measure, live, tasks, expected, report } = drift;
  const where = `class \`${className}\` at \`${target}\``;
  if (kind === "resolved")
    return `${capital(NAMES[measure])} of ${where} is as expected again: ${amountText(measure, live)} (${amountText(measure, expected.mean)} by ${report}).`;
  const went = drift.direction === "up" ? "above" : "below";
  return `${capital(NAMES[measure])} of ${where} is ${went} what is expected: ${amountText(measure, live)} over the newest ${tasks} tasks, ${amountText(measure, expected.mean)} by ${report}.`;
}

const NAMES: Readonly<Record<Measure, string>> = {
  tokens: "the number of tokens a task",
  cost: "the cost of a task",
  refusals: "the share of tasks with a refused answer",
  "schema-failures": "the share of tasks with an answer not in the form that was asked for",
};

export function amountText(measure: Measure, value: number): string {
  switch (measure) {
    case "tokens":
      return Math.round(value).toLocaleString("en-US");
    case "cost":
      return `$${Number((value / 1e12).toPrecision(3))}`;
    case "refusals":
    case "schema-failures":
      return `${Number((value * 100).toFixed(1))} %`;
  }
}

function capital(text: string): string {
  return text.slice(0, 1).toUpperCase() + text.slice(1);
}
