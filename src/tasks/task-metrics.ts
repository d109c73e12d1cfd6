/**
 * What tasks took, for Prometheus: observed when a task ends, by its class and by the target that did it ("several" where it changed).
 *
 * Labels have bounds: so many pairs have series of their own, the rest are "other". A task that ends again after it went on is not
 * observed once more; one without a price is counted beside, and is not free.
 */
import { Counter, Histogram, type Registry } from "prom-client";
import { promptTokens, usdNumber, type PicoUsd } from "../usage.ts";
import type { EndedTask } from "./ended-task.ts";

/** Pairs of class and target; each is about 45 lines of text. */
export const PAIRS_MAX = 200;
const OTHER = "other";
const SEVERAL = "several";

const TOKENS = [100, 300, 1_000, 3_000, 10_000, 30_000, 100_000, 300_000, 1_000_000, 3_000_000, 10_000_000, 30_000_000];
const COST_USD = [0.0001, 0.0003, 0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1, 3, 10, 30, 100];
const TURNS = [1, 2, 4, 8, 16, 32, 64, 128, 256];

/** @param nameOf What a class is called. @returns what is to be told of each task that ends. */
export function taskMetrics(
  registry: Registry,
  nameOf: (className: string) => string | undefined,
): (task: EndedTask) => void {
  const labelNames = ["class", "target"] as const;
  const histogram = (name: string, help: string, buckets: number[]) =>
    new Histogram({ name, help, labelNames, buckets, registers: [registry] });
  const tokens = histogram("sluice_task_tokens", "Tokens of a task, prompts and answers together.", TOKENS);
  const cost = histogram("sluice_task_cost_usd", "What a task cost, where all of it has a price.", COST_USD);
  const turns = histogram("sluice_task_turns", "Calls of a task that were answered.", TURNS);
  const unpriced = new Counter({
    name: "sluice_task_unpriced_total",
    help: "Tasks whose cost is not known: not in the cost, and not free.",
    labelNames,
    registers: [registry],
  });
  const outcomes = new Counter({
    name: "sluice_task_outcomes_total",
    help: "Tasks by how they ended: success, failure, or unknown where nobody can tell.",
    labelNames: [...labelNames, "outcome"],
    registers: [registry],
  });
  const pairs = new Set<string>();
  const labelsOf = (className: string, target: string) => {
    const pair = `${className}\u0000${target}`;
    if (pairs.size < PAIRS_MAX) pairs.add(pair);
    return pairs.has(pair) ? { class: nameOf(className) ?? className, target } : { class: OTHER, target: OTHER };
  };
  return ({ className, legs, outcome, before }) => {
    if (before !== undefined) return;
    const [first] = legs;
    const labels = labelsOf(className, legs.length === 1 && first !== undefined ? first.target : SEVERAL);
    const counted = legs.map(({ usage }) => (promptTokens(usage) ?? 0) + (usage.output ?? 0));
    tokens.observe(
      labels,
      counted.reduce((sum, one) => sum + one, 0),
    );
    turns.observe(
      labels,
      legs.reduce((sum, leg) => sum + leg.turns, 0),
    );
    const costs = legs.map((leg) => leg.cost);
    if (costs.every((one): one is PicoUsd => one !== undefined)) {
      cost.observe(labels, usdNumber(costs.reduce((sum, one) => sum + one, 0n)));
    } else {
      unpriced.inc(labels);
    }
    outcomes.inc({
      ...labels,
      outcome: outcome === undefined ? "unknown" : outcome.success >= 0.5 ? "success" : "failure",
    });
  };
}
