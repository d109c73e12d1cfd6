/** Embeddings, in the words of who gives them: OpenAI's clients and Mistral's say some things by different names on the same path. */
import type { JsonObject } from "../src/chat.ts";
import type { Edit } from "../src/edit.ts";
import { GatewayError } from "../src/errors.ts";

export const EMBEDDINGS = "openai-embeddings";

/**
 * Mistral's words in OpenAI's.
 *
 * @throws GatewayError `unsupported` for numbers of another type: vectors that are not comparable would be taken for such.
 */
export function forOpenai(body: JsonObject): readonly Edit[] {
  const dtype = body["output_dtype"] ?? "float";
  if (dtype !== "float") {
    throw new GatewayError("unsupported", "`output_dtype` has no word there: only `float` can be had", {
      param: "output_dtype",
    });
  }
  return [
    ...renamed(body, "output_dimension", "dimensions"),
    ...without(body, "output_dtype"),
    ...without(body, "metadata", "metadata"),
  ];
}

/** OpenAI's words in Mistral's, whose schema has no further ones. */
export function forMistral(body: JsonObject): readonly Edit[] {
  return [...renamed(body, "dimensions", "output_dimension"), ...without(body, "user", "user")];
}

/** Who says both means the one that is known there. */
function renamed(body: JsonObject, name: string, to: string): readonly Edit[] {
  if (body[name] === undefined) return [];
  return [body[to] === undefined ? { op: "rename", path: [name], to } : { op: "delete", path: [name] }];
}

function without(body: JsonObject, name: string, loss?: string): readonly Edit[] {
  if (body[name] === undefined) return [];
  return [{ op: "delete", path: [name], ...(loss === undefined || body[name] === null ? {} : { loss }) }];
}
