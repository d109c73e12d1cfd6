/** A trace under every policy of cache marks, and under the bounds that none of them can beat. */
import { lowerBound } from "./bound.ts";
import { clairvoyant } from "./clairvoyant.ts";
import { fixedPolicies } from "./fixed-policies.ts";
import { learned } from "./learned-policy.ts";
import type { MakePolicy } from "./policy.ts";
import { PrefixTree } from "./prefix-tree.ts";
import { type Outcome, replay } from "./replay.ts";
import type { Bounds } from "./report.ts";
import type { MarkRules } from "./rules.ts";
import type { Trace } from "./trace.ts";

export function boundsOf(trace: Trace, rules: MarkRules): Bounds {
  const tree = new PrefixTree(trace);
  return {
    bound: lowerBound(trace, tree, rules, { mayHold: false }),
    holdBound: lowerBound(trace, tree, rules, { mayHold: true }),
  };
}

export function marksPolicies(trace: Trace, rules: MarkRules): ReadonlyMap<string, MakePolicy> {
  return new Map<string, MakePolicy>([
    ...fixedPolicies(rules),
    ["learned, never holding", learned(trace, { mayHold: false })],
    ["learned", learned(trace, { mayHold: true })],
    ["clairvoyant", clairvoyant(trace)],
  ]);
}

const WARM_REQUESTS = 10_000;
const WARM_REPLAYS_MAX = 25;

/** Once more than asked for where the trace is short: it would measure the compiler. */
export function warmed(trace: Trace, rules: MarkRules, make: MakePolicy, run: () => Outcome): Outcome {
  const warmUps = Math.min(WARM_REPLAYS_MAX, Math.floor(WARM_REQUESTS / Math.max(1, trace.requests.length)));
  for (let warm = 0; warm < warmUps; warm += 1) replay(trace, rules, make);
  return run();
}

export function allOutcomes(trace: Trace, rules: MarkRules): ReadonlyMap<string, Outcome> {
  const outcomes = new Map<string, Outcome>();
  for (const [name, make] of marksPolicies(trace, rules))
    outcomes.set(
      name,
      warmed(trace, rules, make, () => replay(trace, rules, make)),
    );
  return outcomes;
}
