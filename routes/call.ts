/**
 * A route of a dialect: hands the call to the line. On Node the answer goes straight to the socket; elsewhere (tests, other
 * runtimes) it becomes a fetch Response.
 */
import { RESPONSE_ALREADY_SENT } from "@hono/node-server/utils/response";
import type { HttpBindings } from "@hono/node-server";
import type { Context, Handler } from "hono";
import type { Dialect } from "../src/dialects/dialect.ts";
import { readFetchBody, readNodeBody } from "../src/exchange.ts";
import type { Call, Gateway } from "../src/gateway.ts";
import { fetchReply, nodeReply, type Reply } from "../src/reply.ts";

/** Empty when the app is called without a server (`app.request`). */
export interface Bindings {
  readonly Bindings: Partial<HttpBindings>;
}

/**
 * @param around What the surface does to every answer, where its clients want more than the dialect has.
 * @example
 * app.post("/v1/chat/completions", callRoute(gateway, openaiChat));
 */
export function callRoute(
  gateway: Gateway,
  dialect: Dialect,
  around: (reply: Reply) => Reply = (reply) => reply,
): Handler<Bindings> {
  return (context) => answered(context, (call) => gateway.serve({ ...call, dialect, reply: around(call.reply) }));
}

/** A call whose dialect is the route's to say. */
export type Incoming = Omit<Call, "dialect">;

/** @param serve Answers by the call's reply, and never rejects. */
export async function answered(
  context: Context<Bindings>,
  serve: (call: Incoming) => Promise<void>,
): Promise<Response> {
  const { incoming, outgoing } = context.env ?? {};
  if (incoming !== undefined && outgoing !== undefined && "writeHead" in outgoing) {
    await serve({
      headers: context.req.raw.headers,
      search: searchOf(context.req.url),
      body: (bound) => readNodeBody(incoming, bound),
      reply: nodeReply(outgoing),
    });
    return RESPONSE_ALREADY_SENT;
  }
  const request = context.req.raw;
  const { reply, response } = fetchReply(request.signal);
  void serve({
    headers: request.headers,
    search: searchOf(request.url),
    body: (bound) => readFetchBody(request, bound),
    reply,
  });
  return response;
}

function searchOf(url: string): string {
  const at = url.indexOf("?");
  return at < 0 ? "" : url.slice(at);
}
