/** OpenAI Chat Completions, and Mistral's relative of it at the same official path: its clients say who they are. */
import type { Hono } from "hono";
import { mistralChat } from "../src/dialects/mistral-chat.ts";
import { openaiChat } from "../src/dialects/openai-chat.ts";
import type { Gateway } from "../src/gateway.ts";
import { callRoute, type Bindings } from "./call.ts";
import { isMistralClient } from "./mistral.ts";

export function openaiChatRoutes(app: Hono<Bindings>, gateway: Gateway, prefix: string): void {
  const openai = callRoute(gateway, openaiChat);
  const mistral = callRoute(gateway, mistralChat);
  app.post(`${prefix}/v1/chat/completions`, (context, next) =>
    isMistralClient(context) ? mistral(context, next) : openai(context, next),
  );
}
