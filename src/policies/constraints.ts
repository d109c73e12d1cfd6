/** What a target must be besides cheap, and why it is not: data rules before all, then the objectives of a class. */
import type { Latency } from "../tasks/estimates.ts";
import type { Success } from "../tasks/estimates-class.ts";
import type { Candidate, Target } from "../target.ts";
import { usdText, type PicoUsd } from "../usage.ts";
import type { Considered } from "./considered.ts";
import type { DataRules } from "./policy.ts";

/** What holds for the tasks of one class; what is absent does not. */
export interface ClassRules extends DataRules {
  /** Of 100 answers 95 are to begin, or to be complete, within this. */
  readonly firstTokenP95Ms?: number;
  readonly totalP95Ms?: number;
  /**
   * Share of tasks that must succeed, with 95 % of certainty, as far as outcomes are told. Absent: a target that is known to fail more
   * often than it succeeds comes last; 0: only money counts.
   */
  readonly successLeast?: number;
  /** What a failed task costs beside what it takes to do it again. */
  readonly failureCost?: PicoUsd;
  /** Share of what is left to pay that must be saved for a task to change its target (0.1). */
  readonly switchMargin?: number;
}

export interface Judged {
  readonly candidate: Candidate;
  readonly success: Success;
  /** Only asked for where there is an objective. */
  readonly latency: () => Latency;
  /** To finish the task, in picodollars; `undefined`: unpriced. */
  readonly cost: number | undefined;
}

export interface Limits {
  /** Each must allow a target: the class' rules, the key's. */
  readonly data: readonly DataRules[];
  readonly objectives: ClassRules;
  readonly budgetLeft: PicoUsd | undefined;
  readonly residencyOf: (target: Target) => string | undefined;
}

type Excluded = NonNullable<Considered["excluded"]>;

/** So many answers before a target is believed to be too slow. */
const ANSWERS_LEAST = 20;
/** Where nothing is said. Assumed: who has to look at each answer anyway would rather wait for a better one. */
export const SUCCESS_LEAST = 0.5;
/** So many outcomes before one is believed to fail too often; until then nobody would ever be tried. */
const OUTCOMES_LEAST = 5;

/** @returns why not; `undefined` where nothing is against it. */
export function exclusion(judged: Judged, limits: Limits): Excluded | undefined {
  for (const rules of limits.data) {
    const why = againstRules(judged.candidate.target, rules, limits.residencyOf);
    if (why !== undefined) return { why, must: true };
  }
  const misses = tooSlow(judged, limits.objectives) ?? tooDear(judged, limits);
  if (misses !== undefined) return { why: misses, must: false };
  const fails = failing(judged, limits.objectives);
  return fails === undefined ? undefined : { why: fails, must: false, mayBeTried: true };
}

/** @returns why data may not go there; `undefined` where it may. */
export function againstRules(
  target: Target,
  rules: DataRules,
  residencyOf: Limits["residencyOf"] = ({ instance }) => instance.residency,
): string | undefined {
  const { allow, deny, residency } = rules;
  const denied = deny?.find((pattern) => matches(target, pattern));
  if (denied !== undefined) return `denied (${denied})`;
  if (allow !== undefined && !allow.some((pattern) => matches(target, pattern))) return "not among the allowed";
  if (residency === undefined) return undefined;
  const place = residencyOf(target);
  if (place === undefined) return `where it keeps data is not known (must be ${residency.join(" or ")})`;
  return residency.includes(place) ? undefined : `keeps data in ${place} (must be ${residency.join(" or ")})`;
}

function matches(target: Target, pattern: string): boolean {
  if (pattern.endsWith("*")) return target.name.startsWith(pattern.slice(0, -1));
  return pattern === target.name || pattern === target.instance.name;
}

function tooSlow(judged: Judged, { firstTokenP95Ms, totalP95Ms }: ClassRules): string | undefined {
  if (firstTokenP95Ms === undefined && totalP95Ms === undefined) return undefined;
  const latency = judged.latency();
  const over = (times: Latency["total"], most: number | undefined, what: string) =>
    times !== undefined && most !== undefined && times.n >= ANSWERS_LEAST && times.p95Ms > most
      ? `${what} p95 ${Math.round(times.p95Ms)} ms > ${most} ms`
      : undefined;
  return over(latency.firstToken, firstTokenP95Ms, "first token") ?? over(latency.total, totalP95Ms, "answer");
}

function failing({ success }: Judged, { successLeast }: ClassRules): string | undefined {
  const isKnown = success.source === "class" && success.n >= OUTCOMES_LEAST;
  if (successLeast === undefined) {
    return isKnown && success.mean < SUCCESS_LEAST
      ? `fails more often than not (${success.mean.toFixed(2)})`
      : undefined;
  }
  if (success.low >= successLeast) return undefined;
  // What is not known well is not known to be bad: then its mean has to do.
  if (!isKnown && success.mean >= successLeast) return undefined;
  return `succeeds in ${success.low.toFixed(2)} at least < ${successLeast}`;
}

function tooDear({ cost }: Judged, { budgetLeft }: Limits): string | undefined {
  if (budgetLeft === undefined || cost === undefined || cost <= budgetLeft) return undefined;
  return `expected to take more than the $${usdText(budgetLeft)} that are left`;
}
