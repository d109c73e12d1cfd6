/** OpenAI Responses. */
import type { Hono } from "hono";
import { openaiResponses } from "../src/dialects/openai-responses.ts";
import type { Gateway } from "../src/gateway.ts";
import { callRoute, type Bindings } from "./call.ts";

export function openaiResponsesRoutes(app: Hono<Bindings>, gateway: Gateway, prefix: string): void {
  app.post(`${prefix}/v1/responses`, callRoute(gateway, openaiResponses));
}
