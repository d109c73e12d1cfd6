/** A prompt that is only to be written to the cache. Chat Completions and its relatives have no word for it: one token is the least. */
import type { JsonObject } from "../chat.ts";
import type { Edit } from "../edit.ts";

export function prewarming(body: JsonObject): readonly Edit[] {
  const isOldWord = isSaid(body["max_tokens"]) && !isSaid(body["max_completion_tokens"]);
  return shortest(isOldWord ? "max_tokens" : "max_completion_tokens");
}

/** @param cap The word for the longest answer. */
export function shortest(cap: string): readonly Edit[] {
  return [
    { op: "delete", path: ["stream"] },
    { op: "delete", path: ["stream_options"] },
    { op: "delete", path: ["n"] },
    { op: "set", path: [cap], value: 1 },
  ];
}

function isSaid(value: unknown): boolean {
  return value !== undefined && value !== null;
}
