/** A prompt that is only to be written to the cache: `max_tokens: 0`, which some of what a request can say does not go with. */
import type { JsonObject } from "../chat.ts";
import type { Edit } from "../edit.ts";
import { isObject } from "./anthropic-messages.words.ts";

export function prewarming(body: JsonObject): readonly Edit[] {
  const { thinking } = body;
  // A budget must be below the cap: it would have to be thought through. Tools and system text are the same prefix without it.
  const hasBudget = isObject(thinking) && thinking["type"] === "enabled";
  return [
    { op: "delete", path: ["stream"] },
    ...(hasBudget ? [{ op: "delete", path: ["thinking"] } as const] : []),
    { op: "set", path: ["max_tokens"], value: fewestTokens(body) },
  ];
}

/** Nothing at all is refused beside a format or a forced tool. */
export function fewestTokens({ output_config: config, tool_choice: choice }: JsonObject): 0 | 1 {
  const hasFormat = isObject(config) && config["format"] !== undefined && config["format"] !== null;
  const isForced = isObject(choice) && (choice["type"] === "any" || choice["type"] === "tool");
  return hasFormat || isForced ? 1 : 0;
}
