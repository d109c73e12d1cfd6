/**
 * Why a window costs more than its like, from sums over the ledger's rows.
 *
 * The cost of each class at each target is a product: tasks × calls a task × tries a call × what a try's tokens weigh × the price of such
 * weight. A try's weight is its prompt, by how it was cached, and its output. Each factor gets its Shapley value: what changing it from
 * then to now adds to the cost, averaged over all orders in which the factors may change. So the parts have no order to argue about, are
 * defined where something was nothing before, and sum to the excess; what rounding leaves is put to the largest.
 */
import type { Took } from "../ledger-growth.ts";
import type { PicoUsd } from "../usage.ts";
import { CAUSES, type Cause, type CauseKind, type CausePart } from "./alert.ts";

/** Of each bucket (`BILLED_BUCKETS`) what a token of it costs, as a multiple of an uncached one. */
export type Weights = readonly number[];

export const USUAL_WEIGHTS: Weights = [1, 0.1, 1.25, 2, 1.25, 5];

const PARTS_MAX = 50;
const NONE = "none";
export const OTHER_PARTS = "other";
const OUTPUT = 5;

/** What a window's calls of one class and target took, each as a factor of the cost. */
interface Factors {
  readonly tasks: number;
  readonly turns: number;
  readonly tries: number;
  readonly prompt: number;
  readonly output: number;
  /** Shares of the prompt by bucket. */
  readonly mix: readonly number[];
  /** Picodollars by weight. */
  readonly price: number;
}

/**
 * @param now Rows of the window.
 * @param before Rows of comparable ones, up to the same time in each.
 * @param windows How many these are.
 * @returns `undefined` where the window does not cost more.
 */
export function partsOf(
  now: readonly Took[],
  before: readonly Took[],
  windows: number,
  weightsOf: (target: string) => Weights | undefined,
): Omit<Cause, "text" | "sinceMs"> | undefined {
  const groups = Map.groupBy([...now, ...before], ({ taskClass, target }) => `${taskClass ?? ""}\u0000${target}`);
  const isNow = new Set(now);
  const parts: CausePart[] = [];
  let excess = 0n;
  for (const rows of groups.values()) {
    const [first] = rows;
    if (first === undefined) continue;
    const { target, taskClass = NONE } = first;
    const weights = weightsOf(target) ?? USUAL_WEIGHTS;
    const [after, earlier] = [rows.filter((row) => isNow.has(row)), rows.filter((row) => !isNow.has(row))];
    const own = chargeOf(after) - chargeOf(earlier) / BigInt(Math.max(1, windows));
    excess += own;
    parts.push(
      ...partsOfGroup(
        taskClass,
        target,
        factorsOf(after, 1, weights),
        factorsOf(earlier, windows, weights),
        own,
        weights,
      ),
    );
  }
  if (excess <= 0n) return undefined;
  return { excess, windows, parts: bounded(parts.filter(({ amount }) => amount !== 0n)) };
}

function chargeOf(rows: readonly Took[]): PicoUsd {
  return rows.reduce((sum, { charge }) => sum + charge, 0n);
}

function factorsOf(rows: readonly Took[], windows: number, weights: Weights): Factors | undefined {
  const sum = (of: (row: Took) => number) => rows.reduce((total, row) => total + of(row), 0);
  const attempts = sum((row) => row.attempts);
  if (attempts === 0 || windows === 0) return undefined;
  const [tasks, exchanges] = [
    Math.max(
      1,
      sum((row) => row.tasks),
    ),
    Math.max(
      1,
      sum((row) => row.exchanges),
    ),
  ];
  const tokens = weights.map((_, bucket) => sum((row) => row.tokens[bucket] ?? 0));
  const prompt = tokens.slice(0, OUTPUT).reduce((total, count) => total + count, 0);
  const output = tokens[OUTPUT] ?? 0;
  const mix = tokens.slice(0, OUTPUT).map((count, bucket) => (prompt > 0 ? count / prompt : bucket === 0 ? 1 : 0));
  const factors = { tasks: tasks / windows, turns: exchanges / tasks, tries: attempts / exchanges, mix };
  const charge = Number(chargeOf(rows));
  // Of calls that did not say their tokens, a try weighs one.
  if (prompt + output === 0) return { ...factors, prompt: 1, output: 0, price: charge / attempts };
  const weight = weightOf(prompt / attempts, output / attempts, mix, weights);
  return { ...factors, prompt: prompt / attempts, output: output / attempts, price: charge / attempts / weight };
}

function weightOf(prompt: number, output: number, mix: readonly number[], weights: Weights): number {
  const ofPrompt = mix.reduce((sum, share, bucket) => sum + share * (weights[bucket] ?? 0), 0);
  return prompt * ofPrompt + output * (weights[OUTPUT] ?? 0);
}

const FACTORS: Readonly<Record<CauseKind, readonly (keyof Factors)[]>> = {
  volume: ["tasks"],
  turns: ["turns"],
  retries: ["tries"],
  "prompt-tokens": ["prompt"],
  "output-tokens": ["output"],
  cache: ["mix"],
  price: ["price"],
};

function partsOfGroup(
  taskClass: string,
  target: string,
  now: Factors | undefined,
  before: Factors | undefined,
  excess: PicoUsd,
  weights: Weights,
): readonly CausePart[] {
  // What was not there before, or is not now, is so many tasks more or less of what there is.
  const later: Factors | undefined = now ?? (before && { ...before, tasks: 0 });
  const earlier: Factors | undefined = before ?? (now && { ...now, tasks: 0 });
  if (later === undefined || earlier === undefined) return [];
  const amounts = shapley(earlier, later, weights).map((amount) => BigInt(Math.round(amount)));
  const rest = excess - amounts.reduce((sum, amount) => sum + amount, 0n);
  const largest = amounts.reduce(
    (most, amount, at) => (absolute(amount) > absolute(amounts[most] ?? 0n) ? at : most),
    0,
  );
  return CAUSES.map((kind, at) => ({
    taskClass,
    target,
    kind,
    amount: (amounts[at] ?? 0n) + (at === largest ? rest : 0n),
    before: shownOf(kind, earlier),
    now: shownOf(kind, later),
  }));
}

function shownOf(kind: CauseKind, factors: Factors): number {
  if (kind === "cache") return factors.mix[1] ?? 0;
  const [name] = FACTORS[kind];
  const value = name === undefined ? 0 : factors[name];
  return typeof value === "number" ? value : 0;
}

/** By the kinds' order. Which factors are as now, is a number's bits. */
function shapley(before: Factors, now: Factors, weights: Weights): readonly number[] {
  const count = CAUSES.length;
  const costs = Array.from({ length: 1 << count }, (_, changed) => {
    const isNow = (kind: CauseKind) => (changed & (1 << CAUSES.indexOf(kind))) !== 0;
    const of = (kind: CauseKind) => (isNow(kind) ? now : before);
    const weight = weightOf(of("prompt-tokens").prompt, of("output-tokens").output, of("cache").mix, weights);
    return of("volume").tasks * of("turns").turns * of("retries").tries * weight * of("price").price;
  });
  return CAUSES.map((_, factor) => {
    let sum = 0;
    for (let changed = 0; changed < costs.length; changed += 1) {
      if ((changed & (1 << factor)) !== 0) continue;
      const size = bitsOf(changed);
      const share = 1 / (count * binomial(count - 1, size));
      sum += share * ((costs[changed | (1 << factor)] ?? 0) - (costs[changed] ?? 0));
    }
    return sum;
  });
}

function bitsOf(number: number): number {
  let bits = 0;
  for (let left = number; left > 0; left >>= 1) bits += left & 1;
  return bits;
}

function binomial(of: number, size: number): number {
  let ways = 1;
  for (let at = 0; at < size; at += 1) ways = (ways * (of - at)) / (at + 1);
  return ways;
}

function bounded(parts: readonly CausePart[]): readonly CausePart[] {
  const sorted = parts.toSorted((one, other) => (one.amount < other.amount ? 1 : one.amount > other.amount ? -1 : 0));
  if (sorted.length <= PARTS_MAX) return sorted;
  // Of those that took something off, too, the largest stay.
  const kept = new Set(
    sorted.toSorted((one, other) => (absolute(one.amount) < absolute(other.amount) ? 1 : -1)).slice(0, PARTS_MAX),
  );
  const others = Map.groupBy(
    sorted.filter((part) => !kept.has(part)),
    ({ kind }) => kind,
  );
  const rest = [...others].map(([kind, some]): CausePart => ({
    taskClass: OTHER_PARTS,
    target: OTHER_PARTS,
    kind,
    amount: some.reduce((sum, { amount }) => sum + amount, 0n),
    before: 0,
    now: 0,
  }));
  return [...sorted.filter((part) => kept.has(part)), ...rest];
}

function absolute(amount: PicoUsd): PicoUsd {
  return amount < 0n ? -amount : amount;
}
