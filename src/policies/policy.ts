/** The policy interface: which targets to try, in which order, and why. Pure and synchronous, so that replay runs the same code. */
import type { ChatRequest } from "../chat.ts";
import type { Candidate } from "../target.ts";
import type { Task } from "../task.ts";

export interface Decision {
  /** Candidates in the order they are to be tried; not empty when any candidate was given. */
  readonly order: readonly Candidate[];
  /** For the ledger row: one line, with the numbers that decided ("cheapest-task: 0.000123 vs 0.000456 …"). */
  readonly reason: string;
}

export interface Policy {
  readonly name: string;
  /** Called once per exchange with at least one candidate. Must return a permutation (or a non-empty part) of `candidates`. */
  choose(request: ChatRequest, task: Task, candidates: readonly Candidate[]): Decision;
}
