/** The dialects spoken. Adding one: a file (see README.md), and a line here. */
import { anthropicCountTokens } from "./anthropic-count-tokens.ts";
import { anthropicMessages } from "./anthropic-messages.ts";
import type { Dialect } from "./dialect.ts";
import { mistralChat } from "./mistral-chat.ts";
import { ollamaChat, ollamaGenerate } from "./ollama-chat.ts";
import { ollamaEmbed, ollamaEmbeddings } from "./ollama-embed.ts";
import { openaiChat } from "./openai-chat.ts";
import { mistralFim, openaiCompletions } from "./openai-completions.ts";
import { openaiEmbeddings } from "./openai-embeddings.ts";
import { openaiResponses } from "./openai-responses.ts";

export const dialects: readonly Dialect[] = [
  openaiChat,
  openaiResponses,
  anthropicMessages,
  mistralChat,
  ollamaChat,
  ollamaGenerate,
  openaiEmbeddings,
  openaiCompletions,
  mistralFim,
  ollamaEmbed,
  ollamaEmbeddings,
  anthropicCountTokens,
];
