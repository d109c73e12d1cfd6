/** Embeddings (`POST /v1/embeddings`), as OpenAI, Mistral, vLLM and others have them. */
import type { JsonObject, JsonValue } from "../chat.ts";
import { UNKNOWN_USAGE, type Usage } from "../usage.ts";
import type { Dialect } from "./dialect.ts";
import { countIn, embeddingDialect } from "./embeddings.ts";
import { mistralChat } from "./mistral-chat.ts";
import { openaiChat } from "./openai-chat.ts";
import { usageIn, UsageReader } from "./openai-chat.usage.ts";
import { isObject } from "./openai-chat.words.ts";

export const openaiEmbeddings: Dialect = embeddingDialect({
  name: "openai-embeddings",
  like: openaiChat,
  input: { field: "input", words: "a string, or a list of strings or tokens", isFit: isInput },
  readUsage,
  readWish(body) {
    // The second is Mistral's word.
    const dimensions = countIn(body["dimensions"]) ?? countIn(body["output_dimension"]);
    const dtype = body["output_dtype"];
    return {
      base64: body["encoding_format"] === "base64",
      ...(dimensions === undefined ? {} : { dimensions }),
      ...(typeof dtype === "string" ? { dtype } : {}),
    };
  },
  known: ["dimensions", "output_dimension", "output_dtype", "encoding_format"],
  write: (texts, { dimensions }, model) => ({
    model,
    input: [...texts],
    encoding_format: "float",
    ...(dimensions === undefined ? {} : { dimensions }),
  }),
  readVectors({ data }) {
    return Array.isArray(data) ? inOrder(data) : undefined;
  },
  writeAnswer({ vectors, promptTokens }, { model, estimatedPromptTokens }) {
    // Its clients take a number for granted.
    const tokens = promptTokens ?? estimatedPromptTokens ?? 0;
    return {
      object: "list",
      data: vectors.map((embedding, index) => ({ object: "embedding", index, embedding })),
      model,
      usage: { prompt_tokens: tokens, total_tokens: tokens },
    };
  },
});

/** By what each says of its place. Servers that say nothing, or the same of all, give them in the texts' order. */
function inOrder(data: readonly JsonValue[]): readonly (JsonValue | undefined)[] | undefined {
  const items = data.filter(isObject);
  if (items.length < data.length) return undefined;
  const places = items.map(({ index }) => index ?? undefined);
  if (new Set(places).size <= 1) return items.map(({ embedding }) => embedding);
  const ordered = items.map((_, at) => items[places.indexOf(at)]);
  return ordered.includes(undefined) ? undefined : ordered.map((item) => item?.["embedding"]);
}

/** The same at Mistral's surface, whose clients know errors in Mistral's form. */
export const mistralEmbeddings: Dialect = {
  ...openaiEmbeddings,
  readError: (status, body) => mistralChat.readError(status, body),
  writeError: (error, requestId) => mistralChat.writeError(error, requestId),
  errorEvent: (error, requestId) => mistralChat.errorEvent(error, requestId),
};

export function isInput(value: JsonValue): boolean {
  return typeof value === "string" || (Array.isArray(value) && value.length > 0);
}

/** Nothing is generated: that no output is counted means none. */
function readUsage(answer: JsonObject): Usage {
  const usage = usageIn(answer);
  return usage === undefined ? UNKNOWN_USAGE : { ...new UsageReader().read(usage), output: 0, reasoning: 0 };
}
