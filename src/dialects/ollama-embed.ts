/** Ollama's embeddings (`POST /api/embed`, and the older `POST /api/embeddings`). */
import type { JsonObject } from "../chat.ts";
import { UNKNOWN_USAGE, type Usage } from "../usage.ts";
import type { Dialect } from "./dialect.ts";
import { countIn, embeddingDialect } from "./embeddings.ts";
import { ollamaChat } from "./ollama-chat.ts";
import { isInput } from "./openai-embeddings.ts";

export const ollamaEmbed: Dialect = embeddingDialect({
  name: "ollama-embed",
  like: ollamaChat,
  input: { field: "input", words: "a string or a list of strings", isFit: isInput },
  readUsage,
  readWish(body) {
    const dimensions = countIn(body["dimensions"]);
    // None is said by 0, too.
    return { base64: false, ...(dimensions === undefined || dimensions <= 0 ? {} : { dimensions }) };
  },
  // Who asks for what is too long to be cut is told that it would not be.
  known: ["dimensions"],
  // The others' way with what is too long.
  write: (texts, { dimensions }, model) => ({
    model,
    input: [...texts],
    truncate: false,
    ...(dimensions === undefined ? {} : { dimensions }),
  }),
  readVectors({ embeddings }) {
    return Array.isArray(embeddings) ? embeddings : undefined;
  },
  writeAnswer: ({ vectors, promptTokens }, { model, elapsedNs }) => ({
    model,
    embeddings: vectors,
    ...(elapsedNs === undefined ? {} : { total_duration: elapsedNs() }),
    ...(promptTokens === undefined ? {} : { prompt_eval_count: promptTokens }),
  }),
});

/** One text, one vector, and no count: what clients sent before `/api/embed` was there. Its vectors are not of length 1, as those are. */
export const ollamaEmbeddings: Dialect = embeddingDialect({
  name: "ollama-embeddings",
  like: ollamaChat,
  input: { field: "prompt", words: "a string", isFit: (value) => typeof value === "string" },
  readUsage,
  readWish: () => ({ base64: false }),
  known: [],
  write: ([prompt = ""], _wish, model) => ({ model, prompt }),
  readVectors: ({ embedding }) => (embedding === undefined ? undefined : [embedding]),
  writeAnswer: ({ vectors: [embedding = []] }) => ({ embedding }),
});

function readUsage({ prompt_eval_count: prompt }: JsonObject): Usage {
  return typeof prompt === "number"
    ? { ...UNKNOWN_USAGE, inputUncached: prompt, output: 0, reasoning: 0 }
    : { ...UNKNOWN_USAGE, output: 0, reasoning: 0 };
}
