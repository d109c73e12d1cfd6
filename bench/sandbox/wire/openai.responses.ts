/** OpenAI's Responses API: the call itself, and what can be done with a response that is kept. */
import type { JsonObject } from "../../../src/chat.ts";
import { errorOf } from "./openai.errors.ts";
import { refuse } from "./openai.parameters.ts";
import type { OpenaiCaches } from "./openai.read.ts";
import { eventFrame, responseFrames } from "./openai.responses.events.ts";
import { partsOf, responseId, responseOf, type ResponseStatus, thoughtOf } from "./openai.responses.output.ts";
import { readResponses, type ResponsesOptions, type ResponsesReading } from "./openai.responses.read.ts";
import { type KeptResponse, ResponseStore } from "./openai.responses.store.ts";
import {
  asksForStream,
  type Call,
  objects,
  type OtherAnswer,
  type ReadContext,
  Refusal,
  type Reply,
  SSE,
  type Surface,
  type Wire,
} from "./wire.ts";

export interface ResponsesApi {
  readonly surface: Surface;
  readonly other: NonNullable<Wire["other"]>;
  clear(): void;
}

const PATH = "/v1/responses";

export function createResponsesApi(caches: OpenaiCaches, options: ResponsesOptions): ResponsesApi {
  const store = new ResponseStore();
  const checksItems = options.checksItems ?? true;
  return {
    surface: {
      path: PATH,
      form: SSE,
      wantsStream: asksForStream,
      refusalFrame: (refusal) => eventFrame("error", { sequence_number: 0, error: errorOf(refusal) }),
      read: (body, context, directives) =>
        callOf(readResponses(body, context, caches, store, directives, { checksItems, counts: false }), store),
    },
    other: (method, path, body, context) => {
      // Its form over WebSockets is not simulated: clients that try it first go on over HTTP.
      if (method === "GET" && path === PATH) throw new Refusal(426, "Upgrade Required");
      if (method === "POST" && path === `${PATH}/input_tokens`) {
        const none = () => new Map<string, string>();
        const reading = readResponses(body(), context, caches, store, none, { checksItems, counts: true });
        return { body: { object: "response.input_tokens", input_tokens: reading.prompt.tokens } };
      }
      const [, id, operation] = /^\/v1\/responses\/([^/]+)(\/cancel)?$/.exec(path) ?? [];
      return id === undefined ? undefined : operate(method, id, operation, store, context);
    },
    clear: () => store.clear(),
  };
}

function operate(
  method: string,
  id: string,
  operation: string | undefined,
  store: ResponseStore,
  { account, nowMs }: ReadContext,
): OtherAnswer | undefined {
  const isCancel = method === "POST" && operation !== undefined;
  if (!isCancel && (operation !== undefined || (method !== "GET" && method !== "DELETE"))) return undefined;
  const kept = store.find(account, id, nowMs);
  if (kept === undefined) {
    throw new Refusal(404, `Response with id '${id}' not found.`, { type: "invalid_request_error" });
  }
  if (method === "GET") return { body: kept.body };
  if (method === "DELETE") {
    kept.cancel();
    store.delete(kept);
    return { body: { id, object: "response", deleted: true } };
  }
  if (!kept.background) throw refuse("Cannot cancel a synchronous response.");
  // What is over stays as it ended.
  if (isUnderWay(kept)) {
    kept.body = { ...kept.body, status: "cancelled" };
    kept.cancel();
  }
  return { body: kept.body };
}

function isUnderWay({ body }: KeptResponse): boolean {
  return body["status"] === "queued" || body["status"] === "in_progress";
}

function callOf(reading: ResponsesReading, store: ResponseStore): Call {
  const { body } = reading;
  const stream = body["stream"] === true;
  const background = body["background"] === true && !stream;
  if (body["background"] === true && body["store"] === false)
    throw refuse("Background mode requires 'store' to be true.", "background");
  let kept: KeptResponse | undefined;
  const settle = (reply: Reply, status: ResponseStatus) => {
    if (kept === undefined || !isUnderWay(kept)) return;
    kept.body = responseOf(reading, reply, status);
    kept.said = objects(kept.body["output"]);
  };
  return {
    model: String(body["model"]),
    prompt: reading.prompt,
    asks: reading.ask === undefined ? [] : [reading.ask],
    stream,
    background,
    plan: (nowMs) => reading.plan(nowMs),
    begun: (reply, cancel) => {
      if (body["store"] === false) return;
      kept = keptOf(reading, reply, cancel);
      const answered = JSON.stringify(responseOf(reading, reply, endingOf(reply)));
      store.keep(kept, reading.newBytes + answered.length);
    },
    json: (reply) => {
      if (background) return responseOf(reading, reply, "queued");
      settle(reply, endingOf(reply));
      return responseOf(reading, reply, endingOf(reply));
    },
    *frames(reply) {
      for (const frame of responseFrames(reading, reply, endingOf(reply))) {
        // A client may leave as soon as it has the last event; the response is complete all the same.
        if (frame.text.startsWith(`event: response.${endingOf(reply)}\n`)) settle(reply, endingOf(reply));
        yield frame;
      }
    },
    failed: (refusal, reply, sent) => failure(refusal, reading, reply, sent),
    ended: (reply, ending) => {
      const status = ending === "complete" ? endingOf(reply) : ending === "broken" ? "failed" : "cancelled";
      settle(reply, status);
    },
  };
}

function keptOf(reading: ResponsesReading, reply: Reply, cancel: () => void): KeptResponse {
  const answer = reply.answers[0];
  const reasoning = partsOf(reading, reply).find(({ kind }) => kind === "reasoning");
  const thoughts = new Map(
    answer === undefined || reasoning === undefined ? [] : [[reasoning.id, thoughtOf(answer)] as const],
  );
  return {
    id: responseId(reply),
    account: reading.account,
    createdMs: reply.createdSeconds * 1000,
    background: reading.body["background"] === true,
    told: reading.items,
    body: responseOf(reading, reply, "in_progress"),
    said: [],
    thoughts,
    cancel,
  };
}

function endingOf(reply: Reply): ResponseStatus {
  return reply.answers[0]?.finish === "length" ? "incomplete" : "completed";
}

/** The error, and the response that it ended. */
function failure(
  refusal: Refusal,
  reading: ResponsesReading,
  reply: Reply,
  sent: number,
): { text: string; tokens: number } {
  const error = errorOf(refusal);
  const response: JsonObject = {
    ...responseOf(reading, reply, "failed"),
    error: { code: error["code"] ?? "server_error", message: refusal.message },
  };
  const said = eventFrame("error", { sequence_number: sent, error });
  const ended = eventFrame("response.failed", { sequence_number: sent + 1, response });
  return { text: said.text + ended.text, tokens: 0 };
}
