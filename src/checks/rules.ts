/** What a class of tasks wants of its answers before a client has them. Types only. */
import type { VerifyRules } from "./verify.ts";

export interface CheckRules {
  readonly cascade?: CascadeRules;
  readonly crossCheck?: CrossCheckRules;
}

/** An answer is checked, and where it does not do, the next target is asked in its place. */
export interface CascadeRules {
  /** Asked first, in this order, before whatever the policy would choose; none: in the policy's order. */
  readonly targets: readonly string[];
  readonly verify: VerifyRules;
  /** Who is asked whether the answer does: the first of them that is of another lineage than who gave it. None: nobody. */
  readonly reviewers: readonly string[];
}

/** The answer that a client would get is looked at once more by a model of another lineage. */
export interface CrossCheckRules {
  readonly reviewers: readonly string[];
  /** `tell`: the client gets it all the same, with a word about it. `escalate`: another target is asked in its place. */
  readonly onDisagreement: "tell" | "escalate";
}
