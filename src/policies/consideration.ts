/** What was weighed of a candidate, as it is told: money in whole picodollars, tokens in whole ones. */
import type { Candidate } from "../target.ts";
import type { PicoUsd } from "../usage.ts";
import type { Weighed } from "./weighing.ts";
import type { Considered } from "./considered.ts";

/** @param warmest Whose cache is left behind by going elsewhere. */
export function considerationOf(one: Weighed, warmest: Candidate | undefined): Considered {
  const { candidate, known, finish, total, escalation, excluded } = one;
  const isPriced = total !== undefined;
  return {
    target: candidate.target.name,
    turns: { value: finish.turns, source: known.turns.source, n: known.turns.n },
    growthTokens: known.growthTokens,
    outputTokens: known.outputTokens,
    readShare: known.readShare,
    promptTokens: candidate.promptTokens,
    warmTokens: candidate.warmTokens,
    tokens: {
      inputUncached: Math.round(finish.tokens.inputUncached),
      cacheRead: Math.round(finish.tokens.cacheRead),
      cacheWrite: Math.round(finish.tokens.cacheWrite),
      output: Math.round(finish.tokens.output),
    },
    cost: isPriced ? costOf(finish.cost) : undefined,
    lostCache: isPriced ? whole(lostCache(one, warmest)) : 0n,
    success: { value: known.success.mean, low: known.success.low, source: known.success.source, n: known.success.n },
    escalation: { target: escalation.target, cost: isPriced ? whole(escalation.cost) : 0n },
    // The sum of what is told, so that whoever adds it up again finds the same.
    total: isPriced ? costOf(finish.cost).sum + whole(escalation.cost) : undefined,
    ...(excluded === undefined ? {} : { excluded }),
  };
}

function costOf(cost: Weighed["finish"]["cost"]): NonNullable<Considered["cost"]> {
  const parts = {
    inputUncached: whole(cost.inputUncached),
    cacheRead: whole(cost.cacheRead),
    cacheWrite: whole(cost.cacheWrite),
    output: whole(cost.output),
  };
  return { ...parts, sum: parts.inputUncached + parts.cacheRead + parts.cacheWrite + parts.output };
}

/** Of the history that is warm elsewhere and not here, what this target asks for it beyond the price of reading it. */
function lostCache({ candidate, finish }: Weighed, warmest: Candidate | undefined): number {
  if (warmest === undefined || warmest === candidate || warmest.promptTokens === 0) return 0;
  const warmThere = (warmest.warmTokens / warmest.promptTokens) * candidate.promptTokens;
  const cold = candidate.promptTokens - candidate.warmTokens;
  const lost = Math.min(cold, warmThere - candidate.warmTokens);
  return lost <= 0 ? 0 : (finish.coldExtra * lost) / cold;
}

function whole(picoUsd: number): PicoUsd {
  return BigInt(Math.round(picoUsd));
}
