/** A prompt that is only to be read into the server's memory: one token is the least that every version generates. */
import type { JsonObject } from "../chat.ts";
import type { Edit } from "../edit.ts";
import { isObject } from "./ollama-chat.words.ts";

export function prewarming(body: JsonObject): readonly Edit[] {
  return [
    { op: "set", path: ["stream"], value: false },
    isObject(body["options"])
      ? { op: "set", path: ["options", "num_predict"], value: 1 }
      : { op: "set", path: ["options"], value: { num_predict: 1 } },
  ];
}
