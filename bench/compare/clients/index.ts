/** The official clients, those with models of their own first. */
import { anthropicClient } from "./anthropic.ts";
import type { ClientKind } from "./client.ts";
import { mistralClient } from "./mistral.ts";
import { ollamaClient } from "./ollama.ts";
import { openaiClient } from "./openai.ts";

export const clientKinds: readonly ClientKind[] = [anthropicClient, mistralClient, ollamaClient, openaiClient];

export function clientFor(kind: string, model: string): ClientKind {
  return clientKinds.find((client) => client.serves(kind, model)) ?? openaiClient;
}
