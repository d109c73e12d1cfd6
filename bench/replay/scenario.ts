/** What is asked: which tasks, at which prices, sent where by whom. */
import type { CheapestTaskSettings } from "../../src/policies/cheapest-task.ts";
import type { Hardware, PriceRule } from "./price-rules.ts";

export interface Scenario {
  readonly rules: readonly PriceRule[];
  readonly hardware: readonly Hardware[];
  /** `undefined` with targets: there is one, to which all go. Without: tasks stay where they were. */
  readonly policy: string | undefined;
  /** By name; `undefined`: nothing moves, or (with a policy) all that the ledger knows and that has a price. */
  readonly targets: readonly string[] | undefined;
  readonly keepNamed: boolean;
  /** Of the config: what the policy is to keep to. */
  readonly classRules: CheapestTaskSettings["classes"];
  /** Tasks that began within, milliseconds since the epoch. */
  readonly sinceMs: number | undefined;
  readonly untilMs: number | undefined;
  readonly classes: readonly string[] | undefined;
  readonly seed: string;
}
