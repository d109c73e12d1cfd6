/** OpenAI Responses, and what can be done with a response that its provider keeps. */
import type { Context, Hono, MiddlewareHandler } from "hono";
import { openaiResponses } from "../src/dialects/openai-responses.ts";
import type { Gateway } from "../src/gateway.ts";
import type { KeptAnswers, KeptCall } from "../src/kept.ts";
import { answered, callRoute, type Bindings } from "./call.ts";

export function openaiResponsesRoutes(app: Hono<Bindings>, gateway: Gateway, kept: KeptAnswers, prefix: string): void {
  const path = `${prefix}/v1/responses`;
  const dialect = openaiResponses;
  const ask = (method: KeptCall["method"], operation: string) => (context: Context<Bindings>) =>
    answered(context, (call) => kept.serve({ ...call, dialect, method, operation, id: context.req.param("id") ?? "" }));
  app.use(path, overHttpOnly);
  app.post(path, callRoute(gateway, dialect));
  app.post(`${path}/input_tokens`, (context) =>
    answered(context, (call) => kept.count({ ...call, dialect }, "/input_tokens", countOf)),
  );
  app.get(`${path}/:id`, ask("GET", ""));
  app.delete(`${path}/:id`, ask("DELETE", ""));
  app.post(`${path}/:id/cancel`, ask("POST", "/cancel"));
  app.get(`${path}/:id/input_items`, ask("GET", "/input_items"));
}

function countOf(inputTokens: number): object {
  return { object: "response.input_tokens", input_tokens: inputTokens };
}

/** Codex tries WebSockets first: from anything but this it goes on to HTTP only after seven tries. */
const overHttpOnly: MiddlewareHandler = async (context, next) => {
  if (context.req.header("upgrade")?.toLowerCase() !== "websocket") return next();
  return context.json(
    { error: { message: "responses are served over HTTP; POST to this path", type: "invalid_request_error" } },
    426,
    { upgrade: "HTTP/1.1" },
  );
};
