/** The policy interface: which targets to try, in which order, and why. Pure and synchronous, so that replay runs the same code. */
import type { ChatRequest } from "../chat.ts";
import type { Candidate } from "../target.ts";
import type { Task } from "../task.ts";
import type { PicoUsd } from "../usage.ts";
import type { Considered } from "./considered.ts";

export interface Decision {
  /** Candidates in the order they are to be tried; not empty when any candidate was given. */
  readonly order: readonly Candidate[];
  /** For the ledger row: one line, with the numbers that decided ("cheapest-task: 0.000123 vs 0.000456 …"). */
  readonly reason: string;
  /**
   * What each candidate was expected to take, where the policy weighs them: for whoever asks why. In the order of `order`, then those
   * that may not be called. The figures are those of the decision, whenever it is asked.
   */
  readonly considered?: () => readonly Considered[];
  /** The first target was chosen to learn of it: what is to be taken from the money for that. */
  readonly trial?: Trial;
}

export interface Trial {
  /** What the task is expected to cost there, whole. */
  readonly cost: PicoUsd;
}

/** What is known of a call beside what it asks for; what is absent is not known. */
export interface PolicyContext {
  /** The exchange's id: all chance is derived from it, so that the same call is decided the same again. */
  readonly exchange?: string;
  readonly tenant?: string;
  /** Exchanges of the task before this one. */
  readonly turnsSoFar?: number;
  /** The target that answered the task's last turn. */
  readonly incumbent?: string;
  /** The task was begun at its target to learn of that: it is to be finished there. */
  readonly isTrial?: boolean;
  /** What holds for this key, beside what holds for the class. */
  readonly rules?: DataRules;
  /** What the task may still cost. */
  readonly budgetLeft?: PicoUsd;
  /** What may still be spent today on tasks of this class to learn of targets; absent: nothing. */
  readonly trialsLeft?: PicoUsd;
}

/** Where data may go. A target is named by itself (`eu/mistral-small`), its provider (`eu`), or a beginning (`eu/mistral-*`). */
export interface DataRules {
  /** Only these; absent: all. */
  readonly allow?: readonly string[];
  readonly deny?: readonly string[];
  /** Only providers that are known to keep data in one of these places. */
  readonly residency?: readonly string[];
}

export interface Policy {
  readonly name: string;
  /**
   * Called once per exchange with at least one candidate. Must return a permutation (or a non-empty part) of `candidates`.
   *
   * @throws GatewayError where none of them may be called at all.
   */
  choose(request: ChatRequest, task: Task, candidates: readonly Candidate[], context?: PolicyContext): Decision;
}
