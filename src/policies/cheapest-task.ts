/**
 * The target that is expected to finish the task for the least money: the turns that are to come, with the history that each of them
 * sends again (read where it is warm, paid in full where it is not), and what a failure costs on top.
 *
 * A target without a price is never the cheapest: nobody knows that it is.
 */
import type { ChatRequest } from "../chat.ts";
import { GatewayError } from "../errors.ts";
import type { Candidate, Target } from "../target.ts";
import { createEstimates, type EstimatesReader } from "../tasks/estimates.ts";
import type { TaskShape } from "../tasks/estimates-priors.ts";
import type { Price } from "../usage.ts";
import { classRows, merged } from "./class-rows.ts";
import { considerationOf } from "./consideration.ts";
import type { Considered } from "./considered.ts";
import { SUCCESS_LEAST, type ClassRules, type Limits } from "./constraints.ts";
import { floatRates, type FloatRates } from "./finish-cost.ts";
import type { Decision, Policy, PolicyContext } from "./policy.ts";
import { reasonOf } from "./reason.ts";
import { chanceOf, drawnCost, drawnSuccess } from "./trial.ts";
import { afterFailure, placeOf, weigh, type Failing, type Weighed } from "./weighing.ts";

export interface CheapestTaskOptions {
  /** What was learned; absent: nothing, and what is assumed of all tasks decides. */
  readonly estimates?: EstimatesReader;
  readonly settings?: CheapestTaskSettings;
  /** What an operator calls a class whose id is derived; absent: nothing. */
  readonly classNameOf?: (className: string) => string | undefined;
  /** Where a target's provider keeps data; absent: as its config says. */
  readonly residencyOf?: (target: Target) => string | undefined;
}

export interface CheapestTaskSettings {
  /** By class, or how several begin (`triage-*`); `*` for all, and for what the others do not say. */
  readonly classes?: Readonly<Record<string, ClassRules>>;
}

/** Of what is left to pay. Below it the figures are not good enough to leave what runs. Assumed. */
const SWITCH_MARGIN = 0.1;

/**
 * @example
 * const policy = createCheapestTask({ estimates, settings: { classes: { triage: { successLeast: 0.8 } } } });
 */
export function createCheapestTask(options: CheapestTaskOptions = {}): Policy {
  const estimates = options.estimates ?? createEstimates();
  const rowsOf = classRows(options.settings?.classes ?? {}, options.classNameOf);
  const residencyOf = options.residencyOf ?? (({ instance }: Target) => instance.residency);
  // A price is the same object for as long as it holds.
  const rates = new WeakMap<Price, { readonly rates: FloatRates | undefined }>();
  const ratesOf = ({ price, record }: Target): FloatRates | undefined => {
    if (price === undefined) return undefined;
    const known = rates.get(price);
    if (known !== undefined) return known.rates;
    const made = { rates: floatRates(price, record) };
    rates.set(price, made);
    return made.rates;
  };
  return {
    name: "cheapest-task",
    choose(request, task, candidates, context = {}) {
      const rules: ClassRules = merged(rowsOf(task.className));
      const ofClass = estimates.of(context.tenant ?? "", task.className, shapeOf(request));
      const turnsSoFar = context.turnsSoFar ?? turnsIn(request);
      const limits: Limits = {
        data: context.rules === undefined ? [rules] : [rules, context.rules],
        objectives: rules,
        budgetLeft: context.budgetLeft,
        residencyOf,
      };
      const outputMost = request.maxOutputTokens ?? Number.POSITIVE_INFINITY;
      const { weighed, failing } = weigh(candidates, {
        ofClass,
        estimates,
        turnsSoFar,
        outputMost,
        ratesOf,
        limits,
      });
      return decided(weighed, failing, {
        ...context,
        turnsSoFar,
        margin: rules.switchMargin ?? SWITCH_MARGIN,
        successLeast: rules.successLeast ?? SUCCESS_LEAST,
      });
    },
  };
}

function shapeOf(request: ChatRequest): TaskShape {
  return { hasTools: request.tools.length > 0, isOneShot: request.embedding !== undefined };
}

/** What the request itself shows of the turns before it. */
function turnsIn(request: ChatRequest): number {
  return request.messages.filter(({ role }) => role === "assistant").length;
}

interface DecisionContext extends PolicyContext {
  readonly turnsSoFar: number;
  readonly margin: number;
  readonly successLeast: number;
}

function decided(all: readonly Weighed[], failing: Failing, context: DecisionContext): Decision {
  const order = all.filter(({ excluded }) => excluded?.must !== true).toSorted(byPlaceAndTotal);
  const best = order[0];
  if (best === undefined) throw nobodyAllowed(all);
  const stays = staying(order, best, context);
  const tried = stays === undefined ? trying(order, best, failing, context) : undefined;
  const first = stays?.one ?? tried ?? best;
  const told = [first, ...order.filter((one) => one !== first)];
  const excluded = all.filter((one) => one.excluded?.must === true);
  let considered: readonly Considered[] | undefined;
  return {
    order: told.map(({ candidate }) => candidate),
    reason: reasonOf(told, excluded, { stays: stays?.why, isTrial: tried !== undefined }),
    // Only when it is asked for: it would take most of the time of a decision.
    considered() {
      const warmest = warmestOf(order, context);
      return (considered ??= [...told, ...excluded].map((one) => considerationOf(one, warmest)));
    },
    ...(tried === undefined ? {} : { trial: { cost: BigInt(Math.round(tried.total ?? 0)) } }),
  };
}

/** Equal totals keep the config's order, as sorting is stable. */
function byPlaceAndTotal(one: Weighed, other: Weighed): number {
  const places = placeOf(one) - placeOf(other);
  if (places !== 0 || one.total === other.total) return places;
  return (one.total ?? Number.POSITIVE_INFINITY) - (other.total ?? Number.POSITIVE_INFINITY);
}

/** The target that has the task, where leaving it is not worth it. */
function staying(
  order: readonly Weighed[],
  best: Weighed,
  { incumbent, isTrial, margin }: DecisionContext,
): { readonly one: Weighed; readonly why: string } | undefined {
  const one = order.find(({ candidate }) => candidate.target.name === incumbent);
  if (one === undefined || one === best) return undefined;
  if (isTrial === true && mayBeTried(one) && placeOf(best) >= 1)
    return { one, why: "a trial is finished where it began" };
  if (placeOf(one) !== placeOf(best)) return undefined;
  if (one.total === undefined || best.total === undefined || best.total < one.total * (1 - margin)) return undefined;
  return { one, why: `less than ${Math.round(margin * 100)} % would be saved elsewhere` };
}

/** Another target than the one that is believed to be the best, to learn of it: at a task's first turn, as long as there is money. */
function trying(
  order: readonly Weighed[],
  best: Weighed,
  failing: Failing,
  { exchange, trialsLeft, turnsSoFar, incumbent, successLeast }: DecisionContext,
): Weighed | undefined {
  if (trialsLeft === undefined || trialsLeft <= 0n || exchange === undefined) return undefined;
  if (turnsSoFar > 0 || incumbent !== undefined || placeOf(best) !== 1) return undefined;
  const chance = chanceOf(exchange);
  let lowest: { readonly one: Weighed; readonly drawn: number } | undefined;
  for (const one of order) {
    if (!mayBeTried(one) || one.total === undefined) continue;
    const success = drawnSuccess(one.known.success, chance);
    const cost = drawnCost(one.finish.cost.sum, one.known.costPerTask?.n ?? 0, chance);
    // Only who is good enough by this draw; the best always is one to compare with.
    if (success < successLeast && one !== best) continue;
    const drawn = cost + afterFailure(one, failing, { success, cost }).cost;
    if (lowest === undefined || drawn < lowest.drawn) lowest = { one, drawn };
  }
  if (lowest === undefined || lowest.one === best) return undefined;
  return BigInt(Math.round(lowest.one.total ?? 0)) <= trialsLeft ? lowest.one : undefined;
}

function mayBeTried(one: Weighed): boolean {
  return placeOf(one) === 1 || (placeOf(one) === 2 && one.excluded?.mayBeTried === true);
}

/** Whose cache a task leaves behind that goes elsewhere. */
function warmestOf(order: readonly Weighed[], { incumbent }: DecisionContext): Candidate | undefined {
  const all = order.map(({ candidate }) => candidate);
  const ofTask = all.find(({ target }) => target.name === incumbent);
  if (ofTask !== undefined) return ofTask;
  return all.reduce<Candidate | undefined>(
    (warmest, one) => (one.warmTokens > (warmest?.warmTokens ?? 0) ? one : warmest),
    undefined,
  );
}

function nobodyAllowed(all: readonly Weighed[]): GatewayError {
  const why = all.map(({ candidate, excluded }) => `${candidate.target.name} ${excluded?.why ?? ""}`).slice(0, 5);
  return new GatewayError(
    "forbidden",
    `no target may be called for this task by its data rules: ${why.join("; ")}; allow another target, or name another class`,
  );
}
