/**
 * Mistral's API, under its prefix: there every client is taken for Mistral's own. At the official paths, which are OpenAI's, too, its
 * clients say who they are.
 */
import type { Context, Hono } from "hono";
import { mistralChat } from "../src/dialects/mistral-chat.ts";
import { mistralFim } from "../src/dialects/openai-completions.ts";
import { mistralEmbeddings } from "../src/dialects/openai-embeddings.ts";
import { applyEdits } from "../src/edit.ts";
import type { Gateway } from "../src/gateway.ts";
import type { Reply, ReplyHeaders } from "../src/reply.ts";
import { callRoute, type Bindings } from "./call.ts";

export function mistralRoutes(app: Hono<Bindings>, gateway: Gateway, prefix: string): void {
  app.post(`${prefix}/v1/chat/completions`, callRoute(gateway, mistralChat));
  app.post(`${prefix}/v1/embeddings`, mistralEmbeddingsRoute(gateway));
  app.post(`${prefix}/v1/fim/completions`, callRoute(gateway, mistralFim));
}

/** The official clients ("mistral-client-typescript/2.7.0") refuse answers in any form but Mistral's. */
export function isMistralClient(context: Context<Bindings>): boolean {
  return (context.req.header("user-agent") ?? "").startsWith("mistral-client-");
}

export function mistralEmbeddingsRoute(gateway: Gateway): ReturnType<typeof callRoute> {
  return callRoute(gateway, mistralEmbeddings, (reply) => new ReplyWithId(reply));
}

/** Mistral's embeddings have an id, without which its clients take no answer: where a provider gives none, it is the exchange's. */
class ReplyWithId implements Reply {
  readonly #reply: Reply;
  #held: { readonly status: number; readonly headers: ReplyHeaders } | undefined;

  constructor(reply: Reply) {
    this.#reply = reply;
  }

  get started(): boolean {
    return this.#held !== undefined || this.#reply.started;
  }

  start(status: number, headers: ReplyHeaders): void {
    // How long the body will be is not known yet.
    this.#held = { status, headers };
  }

  write(bytes: Uint8Array | string): boolean {
    this.#release();
    return this.#reply.write(bytes);
  }

  end(bytes?: Uint8Array | string): void {
    const held = this.#held;
    if (held?.status !== 200 || bytes === undefined) {
      this.#release();
      this.#reply.end(bytes);
      return;
    }
    const body = withId(Buffer.from(bytes), held.headers["x-sluice-exchange"] ?? "");
    this.#held = { status: 200, headers: { ...held.headers, "content-length": String(body.length) } };
    this.#release();
    this.#reply.end(body);
  }

  fail(last: Uint8Array | string): void {
    this.#release();
    this.#reply.fail(last);
  }

  onDrain(listener: () => void): void {
    this.#reply.onDrain(listener);
  }

  onGone(listener: () => void): void {
    this.#reply.onGone(listener);
  }

  #release(): void {
    if (this.#held !== undefined) this.#reply.start(this.#held.status, this.#held.headers);
    this.#held = undefined;
  }
}

/** The line has read it: it is a JSON object. */
function withId(answer: Buffer, exchange: string): Uint8Array {
  const { id } = JSON.parse(answer.toString("utf8")) as { readonly id?: unknown };
  return typeof id === "string" ? answer : applyEdits(answer, [{ op: "set", path: ["id"], value: exchange }]);
}
