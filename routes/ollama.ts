/** Ollama's native API. */
import type { Hono } from "hono";
import { ollamaChat, ollamaGenerate } from "../src/dialects/ollama-chat.ts";
import { ollamaEmbed, ollamaEmbeddings } from "../src/dialects/ollama-embed.ts";
import type { Gateway } from "../src/gateway.ts";
import { callRoute, type Bindings } from "./call.ts";

export function ollamaRoutes(app: Hono<Bindings>, gateway: Gateway, prefix: string): void {
  app.post(`${prefix}/api/chat`, callRoute(gateway, ollamaChat));
  app.post(`${prefix}/api/generate`, callRoute(gateway, ollamaGenerate));
  app.post(`${prefix}/api/embed`, callRoute(gateway, ollamaEmbed));
  app.post(`${prefix}/api/embeddings`, callRoute(gateway, ollamaEmbeddings));
}
