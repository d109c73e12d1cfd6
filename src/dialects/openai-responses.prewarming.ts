/** A prompt that is only to be written to the cache: said to models that can be told, and the least output for all others. */
import type { JsonObject } from "../chat.ts";
import type { Edit } from "../edit.ts";
import { isObject } from "./openai-chat.words.ts";
import { MAX_TOKENS_LEAST } from "./openai-responses.write.ts";

export function prewarming(body: JsonObject): readonly Edit[] {
  const options: Edit = isObject(body["prompt_cache_options"])
    ? { op: "set", path: ["prompt_cache_options", "prewarm"], value: true }
    : { op: "set", path: ["prompt_cache_options"], value: { prewarm: true } };
  return [
    { op: "delete", path: ["stream"] },
    { op: "delete", path: ["stream_options"] },
    { op: "delete", path: ["background"] },
    { op: "set", path: ["max_output_tokens"], value: MAX_TOKENS_LEAST },
    // Models that cannot be told have it taken away with the rest of the options.
    options,
  ];
}
