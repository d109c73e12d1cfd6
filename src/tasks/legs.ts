/** What a task took at each target, in order, from the rows of its attempts. */
import type { TaskAttempt } from "../ledger-tasks.ts";
import { promptTokens, UNKNOWN_USAGE, type PicoUsd, type Usage } from "../usage.ts";
import type { TaskLeg } from "./ended-task.ts";
import type { ToldExchange } from "./signals.ts";

/** The attempts of one exchange, in order. */
interface TaskExchange extends ToldExchange {
  readonly attempts: readonly TaskAttempt[];
  /** Who answered it, else who was asked last. */
  readonly target: string;
  /** Whether it is a step of the task: it was answered, and neither beside the conversation nor the same again. */
  readonly isTurn: boolean;
}

/** @param className The task's: a call whose prompt begins otherwise is beside the conversation. */
export function exchangesOf(attempts: readonly TaskAttempt[], className: string): readonly TaskExchange[] {
  const byExchange = new Map<string, TaskAttempt[]>();
  for (const attempt of attempts) {
    // An answer that did not do is a step of its own, at its own target.
    const key = isEscalated(attempt) ? attempt.attempt : attempt.exchange;
    const known = byExchange.get(key);
    if (known === undefined) byExchange.set(key, [attempt]);
    else known.push(attempt);
  }
  return [...byExchange.values()].flatMap((own): TaskExchange[] => {
    const answered = own.findLast(({ outcome }) => outcome === "complete");
    const decisive = answered ?? own.at(-1);
    if (decisive?.target === undefined) return [];
    const signals = new Set(own.flatMap(({ signals: words }) => (words === "" ? [] : words.split(" "))));
    if (isOfOther(decisive, className)) signals.add("side");
    const isComplete = answered !== undefined;
    return [
      {
        attempts: own,
        target: decisive.target,
        isComplete,
        isCanceled: decisive.outcome === "canceled",
        finishReason: decisive.finishReason,
        signals,
        isTurn: isComplete && !signals.has("side") && !signals.has("resend"),
      },
    ];
  });
}

function isEscalated({ signals }: TaskAttempt): boolean {
  return signals.split(" ").includes("escalated");
}

/** Derived classes only: what a caller names may change on the way. */
function isOfOther({ taskClass }: TaskAttempt, className: string): boolean {
  const isDerived = taskClass?.startsWith("c-") === true && className.startsWith("c-");
  return isDerived && taskClass !== className;
}

export function legsOf(exchanges: readonly TaskExchange[]): readonly TaskLeg[] {
  const legs: Leg[] = [];
  let waiting: TaskExchange[] = [];
  for (const exchange of exchanges) {
    let leg = legs.at(-1);
    if (exchange.isTurn && leg?.target !== exchange.target) {
      leg = new Leg(exchange.target);
      legs.push(leg);
      for (const before of waiting) leg.add(before);
      waiting = [];
    }
    // What no turn was made of belongs to the turns around it.
    if (leg === undefined) waiting.push(exchange);
    else leg.add(exchange);
  }
  const [first] = waiting;
  if (legs.length === 0 && first !== undefined) {
    const leg = new Leg((exchanges.at(-1) ?? first).target);
    for (const exchange of waiting) leg.add(exchange);
    legs.push(leg);
  }
  return legs.map((leg) => leg.told());
}

class Leg {
  readonly target: string;
  #turns = 0;
  #retries = 0;
  #usage: Usage = UNKNOWN_USAGE;
  #cost: PicoUsd = 0n;
  #isUnpriced = false;
  #isEscalated = false;
  #prompts: { first: number | undefined; last: number | undefined } | undefined;

  constructor(target: string) {
    this.target = target;
  }

  add({ attempts, isTurn, signals }: TaskExchange): void {
    this.#isEscalated = signals.has("escalated");
    if (isTurn) {
      this.#turns += 1;
      const tokens = promptTokens(usageOf(attempts.findLast(({ outcome }) => outcome === "complete")));
      this.#prompts = { first: this.#prompts === undefined ? tokens : this.#prompts.first, last: tokens };
    }
    this.#retries += attempts.length - 1;
    for (const attempt of attempts) {
      if (attempt.costBasis === "not-billed") continue;
      this.#usage = sumOf(this.#usage, usageOf(attempt));
      if (attempt.costPicoUsd === undefined) this.#isUnpriced = true;
      else this.#cost += attempt.costPicoUsd;
    }
  }

  told(): TaskLeg {
    return {
      target: this.target,
      turns: this.#turns,
      usage: this.#usage,
      cost: this.#isUnpriced ? undefined : this.#cost,
      firstPromptTokens: this.#prompts?.first,
      lastPromptTokens: this.#prompts?.last,
      retries: this.#retries,
      ...(this.#isEscalated ? { escalated: true } : {}),
    };
  }
}

function usageOf(attempt: TaskAttempt | undefined): Usage {
  return usageIn(attempt?.usage ?? {});
}

/** The ledger's columns, in the words of the code. */
export function usageIn(columns: TaskAttempt["usage"]): Usage {
  return {
    inputUncached: columns["input_uncached"],
    cacheRead: columns["cache_read"],
    cacheWrite5m: columns["cache_write_5m"],
    cacheWrite1h: columns["cache_write_1h"],
    cacheWriteOther: columns["cache_write_other"],
    output: columns["output"],
    reasoning: columns["reasoning"],
  };
}

/** What nobody has told stays unknown; what somebody has told is at least so much. */
function sumOf(one: Usage, other: Usage): Usage {
  const sum = (bucket: keyof Usage): number | undefined =>
    one[bucket] === undefined && other[bucket] === undefined ? undefined : (one[bucket] ?? 0) + (other[bucket] ?? 0);
  return {
    inputUncached: sum("inputUncached"),
    cacheRead: sum("cacheRead"),
    cacheWrite5m: sum("cacheWrite5m"),
    cacheWrite1h: sum("cacheWrite1h"),
    cacheWriteOther: sum("cacheWriteOther"),
    output: sum("output"),
    reasoning: sum("reasoning"),
  };
}
