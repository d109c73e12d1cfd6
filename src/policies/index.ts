/** The policies there are, and the one that a client or the config names. */
import { GatewayError } from "../errors.ts";
import { createCheapestTask, type CheapestTaskOptions } from "./cheapest-task.ts";
import { ordered } from "./ordered.ts";
import type { Policy } from "./policy.ts";

/** @param options What `cheapest-task` decides by; absent: what is assumed of all tasks. */
export function createPolicies(options: CheapestTaskOptions = {}): readonly Policy[] {
  return [ordered, createCheapestTask(options)];
}

/** For their names, and where nothing is learned. */
export const policies: readonly Policy[] = createPolicies();

/** @throws GatewayError `model-not-found` for a name that no policy has: a client says it as a model, `auto:<name>`. */
export function choosePolicy(policies: readonly Policy[], name: string): Policy {
  const found = policies.find((policy) => policy.name === name);
  if (found !== undefined) return found;
  const names = policies.map((policy) => `\`auto:${policy.name}\``).join(", ");
  throw new GatewayError("model-not-found", `no policy is called \`${name.slice(0, 64)}\`; there are ${names}`, {
    param: "model",
    code: "model_not_found",
  });
}
