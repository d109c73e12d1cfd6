/** Mistral's API, under its prefix: there every client is taken for Mistral's own. */
import type { Hono } from "hono";
import { mistralChat } from "../src/dialects/mistral-chat.ts";
import type { Gateway } from "../src/gateway.ts";
import { callRoute, type Bindings } from "./call.ts";

export function mistralRoutes(app: Hono<Bindings>, gateway: Gateway, prefix: string): void {
  app.post(`${prefix}/v1/chat/completions`, callRoute(gateway, mistralChat));
}
