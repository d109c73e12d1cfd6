/** Ollama's native API. */
import type { Hono } from "hono";
import { ollamaChat, ollamaGenerate } from "../src/dialects/ollama-chat.ts";
import type { Gateway } from "../src/gateway.ts";
import { callRoute, type Bindings } from "./call.ts";

export function ollamaRoutes(app: Hono<Bindings>, gateway: Gateway): void {
  app.post("/api/chat", callRoute(gateway, ollamaChat));
  app.post("/api/generate", callRoute(gateway, ollamaGenerate));
}
