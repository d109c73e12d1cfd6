/**
 * What a task would have taken at another target: its own calls, one by one, in that target's tokens, with as many turns and tokens as
 * the estimates expect there for what was taken here, and billed by the code that bills calls.
 *
 * Nobody has seen it. The task's first call finds nothing in the other target's cache; of what later ones send again, the share is read
 * that the estimates expect there. What stands beside the conversation (titles, further tries) finds nothing either.
 */
import type { Target } from "../../src/target.ts";
import type { EstimatesReader } from "../../src/tasks/estimates.ts";
import type { ClassEstimates, TargetEstimates } from "../../src/tasks/estimates-class.ts";
import {
  ratesFor,
  promptTokens,
  UNKNOWN_USAGE,
  type BilledBucket,
  type Price,
  type Rates,
  type Usage,
} from "../../src/usage.ts";
import { billOf } from "./reprice.ts";
import type { RecordedTask } from "./recorded-task.ts";

/** A task's calls that were billed, in order, with what they took. */
export interface Step {
  readonly target: string;
  readonly atMs: number;
  readonly prompt: number;
  readonly output: number;
  readonly read: number;
  readonly isTurn: boolean;
}

/** @returns `undefined` where the tokens of a call are not known. */
export function stepsOf({ exchanges }: RecordedTask): readonly Step[] | undefined {
  const steps: Step[] = [];
  for (const exchange of exchanges) {
    const answered = exchange.attempts.findLast(({ outcome }) => outcome === "complete");
    for (const attempt of exchange.attempts as RecordedTask["attempts"]) {
      if (attempt.costBasis === "not-billed") continue;
      const prompt = promptTokens(attempt.tokens);
      if (prompt === undefined || attempt.tokens.output === undefined || attempt.target === undefined) return undefined;
      steps.push({
        target: attempt.target,
        atMs: attempt.startedAtMs,
        prompt,
        output: attempt.tokens.output,
        read: attempt.tokens.cacheRead ?? 0,
        isTurn: exchange.isTurn && attempt === answered,
      });
    }
  }
  return steps;
}

export interface Projection {
  /** Picodollars. */
  readonly cost: number;
  /** The same if its first call found as much in the cache as it did where it was. */
  readonly costIfWarm: number;
  readonly turns: number;
  readonly tokens: { readonly fresh: number; readonly read: number; readonly output: number };
  /** When how much of it is new to the server, and how much is written. */
  readonly work: readonly Work[];
}

/** Tokens. */
export interface Work {
  readonly atMs: number;
  readonly fresh: number;
  readonly output: number;
}

/** What differs by target, as the estimates have it once they have learned of the whole ledger. */
export class Projector {
  readonly #estimates: EstimatesReader;
  readonly #factsOf: (name: string) => Target | undefined;
  readonly #known = new Map<string, { readonly ofClass: ClassEstimates; readonly at: Map<string, TargetEstimates> }>();

  constructor(estimates: EstimatesReader, factsOf: (name: string) => Target | undefined) {
    this.#estimates = estimates;
    this.#factsOf = factsOf;
  }

  at(task: Pick<RecordedTask, "tenant" | "className">, target: string, hasTools: boolean): TargetEstimates | undefined {
    const known = this.#of(task, hasTools);
    const found = known.at.get(target);
    const facts = found === undefined ? this.#factsOf(target) : undefined;
    if (facts === undefined) return found;
    const made = known.ofClass.at(facts);
    known.at.set(target, made);
    return made;
  }

  /** @returns `undefined` where a price lacks what it is to be billed by. */
  project(task: RecordedTask, steps: readonly Step[], target: Target, hasTools: boolean): Projection | undefined {
    const there = this.at(task, target.name, hasTools);
    const { price } = target;
    if (there === undefined || price === undefined) return undefined;
    const sum = { cost: 0, costIfWarm: 0, turns: 0, fresh: 0, read: 0, output: 0 };
    const work: Work[] = [];
    const least = cachedFrom(target);
    const ahead = this.#of(task, hasTools).ofClass.ahead(0)[0]?.expected ?? 0;
    let first: number | undefined;
    let history = 0;
    for (const step of steps) {
      const here = this.at(task, step.target, hasTools);
      const ratio = (target.record?.tokenRatio ?? 1) / (this.#factsOf(step.target)?.record?.tokenRatio ?? 1);
      const relative = (name: "growthTokens" | "outputTokens") =>
        here === undefined ? ratio : bounded(there[name].value / here[name].value, ratio);
      first ??= step.isTurn ? step.prompt : undefined;
      const begun = first ?? step.prompt;
      const prompt =
        step.isTurn && step.prompt > begun
          ? begun * ratio + (step.prompt - begun) * relative("growthTokens")
          : step.prompt * ratio;
      const isFurther = step.isTurn && sum.turns > 0;
      const times = isFurther && here !== undefined ? bounded(there.furtherTimes / here.furtherTimes, 1) : 1;
      const sentAgain = isFurther ? Math.min(history, prompt) : 0;
      const read = sentAgain >= least ? sentAgain * there.readShare.value : 0;
      const isWritten = isFurther || (step.isTurn && Math.min(1, ahead) > WRITTEN_FROM);
      const call = { prompt, output: step.output * relative("outputTokens"), isWritten };
      const cost = billed({ ...call, read }, target, price);
      const warm = step.isTurn && !isFurther && Number.isFinite(least) ? Math.min(prompt, step.read * ratio) : read;
      const costIfWarm = billed({ ...call, read: warm }, target, price);
      if (cost === undefined || costIfWarm === undefined) return undefined;
      sum.cost += cost * times;
      sum.costIfWarm += Math.min(cost, costIfWarm) * times;
      sum.fresh += (prompt - read) * times;
      sum.read += read * times;
      sum.output += call.output * times;
      work.push({ atMs: step.atMs, fresh: (prompt - read) * times, output: call.output * times });
      if (!step.isTurn) continue;
      sum.turns += times;
      history = prompt;
    }
    const { cost, costIfWarm, turns, ...tokens } = sum;
    return { cost, costIfWarm, turns, tokens, work };
  }

  #of({ tenant, className }: Pick<RecordedTask, "tenant" | "className">, hasTools: boolean) {
    const key = `${tenant}\u0000${className}\u0000${hasTools}`;
    const found = this.#known.get(key);
    if (found !== undefined) return found;
    if (this.#known.size >= KNOWN_MAX) this.#known.clear();
    const made = {
      ofClass: this.#estimates.of(tenant, className, { hasTools, isOneShot: false }),
      at: new Map<string, TargetEstimates>(),
    };
    this.#known.set(key, made);
    return made;
  }
}

/** Classes whose estimates are kept at hand. */
const KNOWN_MAX = 2_000;

/** No target takes ten times as much as another, or a tenth: then what is known of one of them is wrong. */
function bounded(relation: number, usual: number): number {
  return Number.isFinite(relation) && relation > 0 ? Math.max(usual / 10, Math.min(usual * 10, relation)) : usual;
}

/** As `policies/finish-cost.ts` has it: what is new is written where a write pays. */
const WRITTEN_FROM = 0.217;

interface Call {
  readonly prompt: number;
  readonly output: number;
  readonly read: number;
  readonly isWritten: boolean;
}

/** Picodollars. */
function billed(call: Call, target: Target, price: Price): number | undefined {
  const prompt = Math.round(call.prompt);
  const rates = ratesFor(price, prompt);
  const read = rates.cacheRead === undefined ? 0 : Math.min(prompt, Math.round(call.read));
  const bucket = call.isWritten && prompt >= cachedFrom(target) ? writeBucket(target, rates) : "inputUncached";
  const usage: Usage = { ...UNKNOWN_USAGE, inputUncached: 0, cacheRead: read, output: Math.round(call.output) };
  const cost = billOf({ ...usage, [bucket]: prompt - read }, price);
  return cost === undefined ? undefined : Number(cost);
}

function writeBucket({ record }: Target, rates: Rates): BilledBucket {
  if (record?.cache.kind !== "marks") return "inputUncached";
  const seconds = Math.min(...record.cache.ttlSeconds);
  const bucket = seconds === 300 ? "cacheWrite5m" : seconds === 3600 ? "cacheWrite1h" : "cacheWriteOther";
  return rates[bucket] === undefined ? "inputUncached" : bucket;
}

/** No shorter prompt is cached. */
function cachedFrom({ record }: Target): number {
  const cache = record?.cache;
  if (cache === undefined || cache.kind === "none") return Number.POSITIVE_INFINITY;
  return cache.kind === "local" ? cache.stepTokens : cache.minTokens;
}
