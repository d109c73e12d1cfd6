/** What a candidate was expected to take, part by part: what a decision is explained by. Words only. */
import type { Source } from "../tasks/estimates-class.ts";
import type { PicoUsd } from "../usage.ts";

/** A figure, and what it is known from; `n` tasks. */
export interface Sourced {
  readonly value: number;
  readonly source: Source;
  readonly n: number;
}

export interface Considered {
  /** `provider/model`. */
  readonly target: string;
  /** From the one at hand on. */
  readonly turns: Sourced;
  /** Of a turn, in the target's own tokens. */
  readonly growthTokens: Sourced;
  readonly outputTokens: Sourced;
  /** Of the history that is sent again, what is read from the cache. */
  readonly readShare: Sourced;
  /** What is warm there now, of the prompt at hand. */
  readonly promptTokens: number;
  readonly warmTokens: number;
  /** Expected of all these turns, by what they are billed as. */
  readonly tokens: Billed<number>;
  /** Of the same; `undefined`: unpriced. */
  readonly cost: (Billed<PicoUsd> & { readonly sum: PicoUsd }) | undefined;
  /** A part of that sum: what the history costs more here than where it is warm, as the cache there is left behind. */
  readonly lostCache: PicoUsd;
  /** The chance that the task succeeds here, and what it is at least (with 95 % of certainty). */
  readonly success: Sourced & { readonly low: number };
  /** What is to be expected besides, as the task may fail here: the chance of that, times what it then costs at `target`. */
  readonly escalation: { readonly target: string | undefined; readonly cost: PicoUsd };
  /** What decides: the cost, and the escalation's. */
  readonly total: PicoUsd | undefined;
  /** Why it is not to be called (`must`), or only where nothing else is left. */
  readonly excluded?: {
    readonly why: string;
    readonly must: boolean;
    /** Whether a trial may show that it is not so any more. */
    readonly mayBeTried?: boolean;
  };
}

/** By bucket of the bill; every class of cache writes is one. */
export interface Billed<Amount> {
  readonly inputUncached: Amount;
  readonly cacheRead: Amount;
  readonly cacheWrite: Amount;
  readonly output: Amount;
}
