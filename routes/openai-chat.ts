/** OpenAI Chat Completions. */
import type { Hono } from "hono";
import { openaiChat } from "../src/dialects/openai-chat.ts";
import type { Gateway } from "../src/gateway.ts";
import { callRoute, type Bindings } from "./call.ts";

export function openaiChatRoutes(app: Hono<Bindings>, gateway: Gateway): void {
  app.post("/v1/chat/completions", callRoute(gateway, openaiChat));
}
