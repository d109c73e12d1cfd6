/** What each candidate is expected to take, and what is against it: what the decision is made of. */
import type { Candidate, Target } from "../target.ts";
import type { EstimatesReader } from "../tasks/estimates.ts";
import type { ClassEstimates, TargetEstimates } from "../tasks/estimates-class.ts";
import type { TurnsAhead } from "../tasks/estimates-turns.ts";
import type { Considered } from "./considered.ts";
import { exclusion, type Limits } from "./constraints.ts";
import { finishCost, type Expected, type FinishCost, type FloatRates } from "./finish-cost.ts";

/** What is weighed of one candidate. */
export interface Weighed {
  readonly candidate: Candidate;
  readonly known: TargetEstimates;
  readonly finish: FinishCost;
  /** Picodollars; `undefined`: unpriced. */
  readonly total: number | undefined;
  readonly escalation: { readonly target: string | undefined; readonly cost: number };
  readonly excluded: Considered["excluded"];
}

/** Mean success from which a task that failed elsewhere is expected to be finished there. Assumed. */
const RELIABLE_FROM = 0.7;

export interface Weighing {
  readonly ofClass: ClassEstimates;
  readonly estimates: EstimatesReader;
  readonly turnsSoFar: number;
  /** What the request allows of an answer. */
  readonly outputMost: number;
  readonly ratesOf: (target: Target) => FloatRates | undefined;
  readonly limits: Limits;
}

/** In the order of the candidates, with where a task goes that fails. */
export function weigh(
  candidates: readonly Candidate[],
  weighing: Weighing,
): { readonly weighed: readonly Weighed[]; readonly failing: Failing } {
  const { ofClass, turnsSoFar, outputMost, ratesOf, limits, estimates } = weighing;
  const ahead = ofClass.ahead(turnsSoFar);
  const judged = candidates.map((candidate): Judged => {
    const known = ofClass.at(candidate.target);
    const rates = ratesOf(candidate.target);
    const finish = finishCost(candidate, expectedOf(known, ahead, outputMost), rates);
    const one = { candidate, known, finish, isPriced: rates !== undefined };
    return { ...one, excluded: excludedOf(one, limits, estimates) };
  });
  const failing = { escalations: escalationsOf(judged), failureCost: Number(limits.objectives.failureCost ?? 0n) };
  return { weighed: judged.map((one) => weighedOf(one, failing)), failing };
}

/** Who issued what the request holds, whom nothing is against, who misses an objective, who rests. */
export function placeOf({ candidate, excluded }: Weighed): number {
  if (candidate.bound) return 0;
  if (candidate.resting) return 3;
  return excluded === undefined ? 1 : 2;
}

type Priced = Pick<Weighed, "candidate" | "known" | "finish"> & { readonly isPriced: boolean };
type Judged = Priced & Pick<Weighed, "excluded">;

function expectedOf(known: TargetEstimates, ahead: readonly TurnsAhead[], outputMost: number): Expected {
  return {
    ahead,
    furtherTimes: known.furtherTimes,
    growthTokens: known.growthTokens.value,
    outputTokens: Math.min(known.outputTokens.value, outputMost),
    readShare: known.readShare.value,
  };
}

function excludedOf(one: Priced, limits: Limits, estimates: EstimatesReader): Considered["excluded"] {
  const { candidate, known, finish, isPriced } = one;
  const cost = isPriced ? finish.cost.sum : undefined;
  const latency = () => estimates.latency(candidate.target.name);
  return exclusion({ candidate, success: known.success, latency, cost }, limits);
}

/** What a failed task costs: it is done again elsewhere, and what that costs besides. */
export interface Failing {
  /** Cheapest first. */
  readonly escalations: readonly Escalation[];
  readonly failureCost: number;
}

interface Escalation {
  readonly candidate: Candidate;
  /** Until it succeeds, with nothing in its cache. */
  readonly cost: number;
}

/** Where a task goes that failed: the cheapest two targets that can be relied on, as one of them may be the one that failed. */
function escalationsOf(judged: readonly Judged[]): readonly Escalation[] {
  let [first, second]: (Escalation | undefined)[] = [];
  for (const { candidate, finish, known, isPriced, excluded } of judged) {
    const { mean } = known.success;
    if (!isPriced || excluded !== undefined || candidate.resting || mean < RELIABLE_FROM) continue;
    const escalation = { candidate, cost: (finish.cost.sum + finish.warmSaving) / mean };
    if (first === undefined || escalation.cost < first.cost) [first, second] = [escalation, first];
    else if (second === undefined || escalation.cost < second.cost) second = escalation;
  }
  return [first, second].filter((one) => one !== undefined);
}

function weighedOf({ isPriced, ...one }: Judged, failing: Failing): Weighed {
  const { target, cost } = afterFailure(one, failing);
  return {
    ...one,
    total: isPriced ? one.finish.cost.sum + cost : undefined,
    escalation: { target: target?.name, cost },
  };
}

/** The chance of a failure, times what it then costs: elsewhere, as who failed may fail again; here where nothing else is reliable. */
export function afterFailure(
  { candidate, finish, known }: Pick<Weighed, "candidate" | "finish" | "known">,
  { escalations, failureCost }: Failing,
  drawn: { readonly success: number; readonly cost: number } = { success: known.success.mean, cost: finish.cost.sum },
): { readonly target: Target; readonly cost: number } {
  const success = Math.max(SUCCESS_LEAST, drawn.success);
  const besides = (1 - success) * failureCost;
  const elsewhere = escalations.find((one) => one.candidate !== candidate);
  return elsewhere === undefined
    ? { target: candidate.target, cost: ((1 - success) * drawn.cost + besides) / success }
    : { target: elsewhere.candidate.target, cost: (1 - success) * elsewhere.cost + besides };
}

/** What never succeeds would cost without end. */
const SUCCESS_LEAST = 0.02;
