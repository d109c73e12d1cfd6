/**
 * The target with the lowest expected cost of this call: known prices, the prompt in each model's own tokens, and what is probably
 * warm in its cache. A target without a price is never the cheapest: nobody knows that it is.
 */
import type { Candidate } from "../target.ts";
import { usdText } from "../usage.ts";
import { rank } from "./ordered.ts";
import type { Policy } from "./policy.ts";

/** Candidates that the reason compares by name; the rest is counted. */
const COMPARED_MAX = 4;

export const cheapestTask: Policy = {
  name: "cheapest-task",
  choose(_request, _task, candidates) {
    const order = candidates.toSorted((one, other) => rank(one) - rank(other) || byCost(one, other));
    const compared = order
      .slice(0, COMPARED_MAX)
      .map((candidate, index) => before(order[index - 1], candidate) + told(candidate));
    const rest = order.length - COMPARED_MAX;
    return { order, reason: `cheapest-task: ${compared.join("")}${rest > 0 ? `, ${rest} more` : ""}` };
  },
};

/** How one stands to the next: by cost, or before it for another reason (bound, resting, unpriced), which the notes tell. */
function before(one: Candidate | undefined, next: Candidate): string {
  if (one === undefined) return "";
  if (rank(one) !== rank(next) || one.expectedCost === undefined || next.expectedCost === undefined) return ", then ";
  return one.expectedCost < next.expectedCost ? " < " : " = ";
}

/** Equal costs keep the config's order, as sorting is stable. */
function byCost(one: Candidate, other: Candidate): number {
  if (one.expectedCost === other.expectedCost) return 0;
  if (one.expectedCost === undefined) return 1;
  if (other.expectedCost === undefined) return -1;
  return one.expectedCost < other.expectedCost ? -1 : 1;
}

function told(candidate: Candidate): string {
  const cost = candidate.expectedCost === undefined ? "unpriced" : `$${usdText(candidate.expectedCost)}`;
  const notes = [
    ...(candidate.bound ? ["bound"] : []),
    ...(candidate.resting ? ["resting"] : []),
    ...(candidate.warmTokens > 0 ? [`${candidate.warmTokens} of ${candidate.promptTokens} tokens warm`] : []),
  ];
  return `${candidate.target.name} ${cost}${notes.length === 0 ? "" : ` (${notes.join(", ")})`}`;
}
