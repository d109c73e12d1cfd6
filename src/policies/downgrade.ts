/**
 * What a budget that is used up leaves to choose from: targets that are expected to finish the task for so much, and of which that is known.
 */
import type { ChatRequest } from "../chat.ts";
import type { Candidate } from "../target.ts";
import type { Task } from "../task.ts";
import { usdText, type PicoUsd } from "../usage.ts";
import type { ExcludedTarget } from "./decision-record.ts";
import type { Policy, PolicyContext } from "./policy.ts";

export interface Downgraded {
  readonly kept: readonly Candidate[];
  readonly leftOut: readonly ExcludedTarget[];
}

/** @param weighing Says what each candidate is expected to take until the task is finished (`Decision.considered`). */
export function cheapEnough(
  candidates: readonly Candidate[],
  limit: PicoUsd,
  weighing: Policy,
  call: { readonly request: ChatRequest; readonly task: Task; readonly context: PolicyContext },
): Downgraded {
  const considered = weighing.choose(call.request, call.task, candidates, call.context).considered?.() ?? [];
  const costs = new Map(considered.map(({ target, cost }) => [target, cost?.sum]));
  const leftOut: ExcludedTarget[] = [];
  const kept = candidates.filter(({ target: { name } }) => {
    const cost = costs.get(name);
    if (cost !== undefined && cost <= limit) return true;
    const why = cost === undefined ? "what it takes is not known" : `is expected to take $${usdText(cost)}`;
    leftOut.push({ target: name, why: `${why} (at most $${usdText(limit)}, as a budget is used up)` });
    return false;
  });
  return { kept, leftOut };
}
