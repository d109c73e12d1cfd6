/** The dialects spoken. Adding one: a file (see README.md), and a line here. */
import { anthropicMessages } from "./anthropic-messages.ts";
import type { Dialect } from "./dialect.ts";
import { ollamaChat, ollamaGenerate } from "./ollama-chat.ts";
import { ollamaEmbed } from "./ollama-embed.ts";
import { openaiChat } from "./openai-chat.ts";
import { mistralFim, openaiCompletions } from "./openai-completions.ts";
import { openaiEmbeddings } from "./openai-embeddings.ts";

export const dialects: readonly Dialect[] = [
  openaiChat,
  anthropicMessages,
  ollamaChat,
  ollamaGenerate,
  openaiEmbeddings,
  openaiCompletions,
  mistralFim,
  ollamaEmbed,
];
