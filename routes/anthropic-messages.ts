/** Anthropic Messages. */
import type { Hono } from "hono";
import { anthropicMessages } from "../src/dialects/anthropic-messages.ts";
import type { Gateway } from "../src/gateway.ts";
import { callRoute, type Bindings } from "./call.ts";

export function anthropicMessagesRoutes(app: Hono<Bindings>, gateway: Gateway, prefix: string): void {
  app.post(`${prefix}/v1/messages`, callRoute(gateway, anthropicMessages));
}
