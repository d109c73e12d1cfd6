/** What an ended task says of its class and target; nothing, where several targets did it: whose it was cannot be said. */
import type { EndedTask } from "../tasks/ended-task.ts";
import { promptTokens } from "../usage.ts";
import type { LiveTask, Measure } from "./drift.ts";

/** A task that ended before was told of then. */
export function liveTaskOf({ className, legs, answers, before }: EndedTask): LiveTask | undefined {
  const [leg] = legs;
  if (before !== undefined || leg === undefined || legs.length > 1) return undefined;
  const values: Partial<Record<Measure, number>> = {};
  const prompt = promptTokens(leg.usage);
  // What was never answered is an outage, and no behaviour.
  if (leg.turns > 0) {
    if (prompt !== undefined && leg.usage.output !== undefined) values.tokens = prompt + leg.usage.output;
    if (leg.cost !== undefined) values.cost = Number(leg.cost);
    if (answers !== undefined) values.refusals = answers.wereRefused ? 1 : 0;
    if (answers?.wereBroken !== undefined) values["schema-failures"] = answers.wereBroken ? 1 : 0;
  }
  return { className, target: leg.target, values };
}
