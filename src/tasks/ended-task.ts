/**
 * A task as it ended: what tokens, costs, turns and successes per task are learned from. Words only.
 */
import type { PicoUsd, Usage } from "../usage.ts";

/** What became of a task, where anybody can tell. */
export interface TaskOutcome {
  /** 0 (failed) to 1 (succeeded); between them, a score. */
  readonly success: number;
  /** Who says so: somebody who holds a key, or what the answers themselves showed (a refusal, a broken format, a retry). */
  readonly source: "told" | "signals";
}

/** The part of a task that one target did, in one run. A task that never changed its target has one. */
export interface TaskLeg {
  /** `provider/model`, as the ledger names it. */
  readonly target: string;
  /** Exchanges that this target answered. */
  readonly turns: number;
  /** Tokens of every attempt that was made for them, failed and canceled ones included. */
  readonly usage: Usage;
  /** Cost of the same attempts; `undefined` when any of them is unpriced. */
  readonly cost: PicoUsd | undefined;
  /** Tokens of the prompt at the leg's first and last exchange, by the provider's count; `undefined` when it gave none. */
  readonly firstPromptTokens: number | undefined;
  readonly lastPromptTokens: number | undefined;
  /** Attempts beyond one for each exchange. */
  readonly retries: number;
  /** It was left because what it answered did not do: a failure of this target, whatever became of the task. */
  readonly escalated?: true;
}

export interface TaskAnswers {
  /** Whether any was a refusal, or kept back by a filter. */
  readonly wereRefused: boolean;
  /** Whether any answer or tool call was not in the form that was asked for; `undefined`: none was asked for. */
  readonly wereBroken: boolean | undefined;
}

export interface EndedTask {
  readonly id: string;
  /** Whose it is. */
  readonly tenant: string;
  /** The class that costs and successes are learned per. */
  readonly className: string;
  /** The task that it was forked from, which its cost rolls up to. */
  readonly parent: string | undefined;
  /** Milliseconds since the epoch: the first exchange's arrival, the last one's end. */
  readonly startedAtMs: number;
  readonly endedAtMs: number;
  /** In order of time; at least one. */
  readonly legs: readonly TaskLeg[];
  /** `undefined`: nobody can tell, which is neither success nor failure. */
  readonly outcome: TaskOutcome | undefined;
  /** What its answers were, as far as they show it; absent: nobody looked. */
  readonly answers?: TaskAnswers;
  /**
   * It was told of before, and went on since then, or its outcome was told: what it was said to be at that time. All that was counted of
   * it is in here once more.
   */
  readonly before?: {
    readonly outcome: TaskOutcome | undefined;
    /** Its legs at that time; absent: not known. */
    readonly legs?: readonly TaskLeg[];
  };
}
