/** Ollama's embeddings (`POST /api/embed`). */
import { UNKNOWN_USAGE } from "../usage.ts";
import type { Dialect } from "./dialect.ts";
import { forwardedDialect } from "./forwarded.ts";
import { ollamaChat } from "./ollama-chat.ts";
import { isInput } from "./openai-embeddings.ts";

export const ollamaEmbed: Dialect = forwardedDialect({
  name: "ollama-embed",
  word: "embeddings",
  like: ollamaChat,
  input: { field: "input", words: "a string or a list of strings", isFit: isInput },
  streams: false,
  readUsage(answer) {
    const prompt = answer["prompt_eval_count"];
    return typeof prompt === "number"
      ? { ...UNKNOWN_USAGE, inputUncached: prompt, output: 0, reasoning: 0 }
      : UNKNOWN_USAGE;
  },
});
