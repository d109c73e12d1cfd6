/** What is refused before a dialect is known: in the words of the surface that its path belongs to, so that its client can read it. */
import { randomUUID } from "node:crypto";
import type { Context } from "hono";
import { anthropicMessages } from "../src/dialects/anthropic-messages.ts";
import { mistralChat } from "../src/dialects/mistral-chat.ts";
import { ollamaChat } from "../src/dialects/ollama-chat.ts";
import { GatewayError } from "../src/errors.ts";
import type { Bindings } from "./call.ts";

type Refused = Context<Bindings>;

export function notServed(context: Refused): Response {
  const { method, path } = context.req;
  const surface = surfaceOf(path);
  return told(context, surface, new GatewayError("not-found", notServedText(method, path, surface.served(path))));
}

/** @param allow The methods that are served there, as the header says them. */
export function methodRefused(context: Refused, allow: string): Response {
  const { method, path } = context.req;
  const message = `${method} is not served at ${shownPath(path)}; ${allow} are`;
  const error = new GatewayError("method-not-allowed", message, { code: "method_not_allowed" });
  return told(context, surfaceOf(path), error, { allow });
}

interface Surface {
  isAt(path: string): boolean;
  /** What is served there, as a sentence goes on after "; ". */
  served(path: string): string;
  /** An error's body. */
  write(error: GatewayError): object;
}

/** The first whose path it is. */
const SURFACES: readonly Surface[] = [
  {
    isAt: (path) => isUnder(path, "/ollama") || isUnder(path, "/api"),
    served: (path) => `POST ${prefixOf(path, "/ollama")}/api/chat and GET ${prefixOf(path, "/ollama")}/api/tags are`,
    write: (error) => ollamaChat.writeError(error, ""),
  },
  {
    isAt: (path) => isUnder(path, "/anthropic") || isUnder(path, "/v1/messages"),
    served: (path) => `POST ${prefixOf(path, "/anthropic")}/v1/messages is`,
    write: (error) => anthropicMessages.writeError(error, randomUUID()),
  },
  {
    isAt: (path) => isUnder(path, "/mistral"),
    served: () => "POST /mistral/v1/chat/completions is",
    write: (error) => mistralChat.writeError(error, randomUUID()),
  },
];

/** Where no other is, one may come with any SDK: it has the fields that OpenAI's and Anthropic's read. */
const ANY: Surface = {
  isAt: () => true,
  served: (path) =>
    isUnder(path, "/openai")
      ? "POST /openai/v1/chat/completions and POST /openai/v1/responses are"
      : "POST /v1/chat/completions and POST /v1/messages are",
  write: ({ kind, message, code }) =>
    kind === "not-found"
      ? errorBody("not_found_error", "not_found", message)
      : errorBody("invalid_request_error", code ?? "invalid_request", message),
};

export function errorBody(type: string, code: string, message: string): object {
  return { type: "error", error: { type, message, code, param: null } };
}

function surfaceOf(path: string): Surface {
  return SURFACES.find((surface) => surface.isAt(path)) ?? ANY;
}

function isUnder(path: string, folder: string): boolean {
  return path === folder || path.startsWith(`${folder}/`);
}

function prefixOf(path: string, prefix: string): string {
  return isUnder(path, prefix) ? prefix : "";
}

function notServedText(method: string, path: string, served: string): string {
  return `${method} ${shownPath(path)} is not served here; ${served}`;
}

function shownPath(path: string): string {
  return path.slice(0, 200);
}

function told(
  context: Refused,
  surface: Surface,
  error: GatewayError,
  headers: Readonly<Record<string, string>> = {},
): Response {
  return context.json(surface.write(error), error.status as 404, { ...headers });
}
