/** Embeddings (`POST /v1/embeddings`), as OpenAI, Mistral, vLLM and others have them. */
import type { JsonObject, JsonValue } from "../chat.ts";
import { UNKNOWN_USAGE, type Usage } from "../usage.ts";
import type { Dialect } from "./dialect.ts";
import { forwardedDialect } from "./forwarded.ts";
import { mistralChat } from "./mistral-chat.ts";
import { openaiChat } from "./openai-chat.ts";
import { usageIn, UsageReader } from "./openai-chat.usage.ts";

export const openaiEmbeddings: Dialect = forwardedDialect({
  name: "openai-embeddings",
  word: "embeddings",
  like: openaiChat,
  input: { field: "input", words: "a string, or a list of strings or tokens", isFit: isInput },
  streams: false,
  readUsage,
});

/** The same at Mistral's surface, whose clients know errors in Mistral's form. */
export const mistralEmbeddings: Dialect = {
  ...openaiEmbeddings,
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
