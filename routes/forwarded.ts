/** What is forwarded to a provider that has it: embeddings, text completions. */
import type { Hono } from "hono";
import { mistralFim, openaiCompletions } from "../src/dialects/openai-completions.ts";
import { openaiEmbeddings } from "../src/dialects/openai-embeddings.ts";
import type { Gateway } from "../src/gateway.ts";
import { callRoute, type Bindings } from "./call.ts";
import { isMistralClient, mistralEmbeddingsRoute } from "./mistral.ts";

export function forwardedRoutes(app: Hono<Bindings>, gateway: Gateway, prefix: string): void {
  const openai = callRoute(gateway, openaiEmbeddings);
  const mistral = mistralEmbeddingsRoute(gateway);
  app.post(`${prefix}/v1/embeddings`, (context, next) =>
    isMistralClient(context) ? mistral(context, next) : openai(context, next),
  );
  app.post(`${prefix}/v1/completions`, callRoute(gateway, openaiCompletions));
  app.post(`${prefix}/v1/fim/completions`, callRoute(gateway, mistralFim));
}
