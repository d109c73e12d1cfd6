/**
 * One request from its arrival to its bill, in the order a provider goes about it: who asks, what for, whether there is room, what the
 * cache has of it, and the answer.
 */
import type { IncomingMessage, ServerResponse } from "node:http";
import type { JsonObject, JsonValue } from "../../src/chat.ts";
import { answerTo, type Said } from "./answer.ts";
import type { CachePlan } from "./cache/cache.ts";
import type { Counter } from "./counter.ts";
import { directivesOf, type Directives, millisecondsOf, numberOf } from "./directives.ts";
import { failInstead, refuse } from "./failures.ts";
import { type Fault, framingOf } from "./faults.ts";
import { fulfil, uncachedTokens } from "./fulfil.ts";
import { Outlet } from "./outlet.ts";
import type { OpenRequest } from "./requests.ts";
import { identifier } from "./tokens.ts";
import { type Call, isObject, type ReadContext, Refusal, type Reply, type ReplyPace } from "./wire/wire.ts";
import type { Surface, Wire } from "./wire/wire.ts";

export async function serve(
  request: IncomingMessage,
  response: ServerResponse,
  received: OpenRequest,
  counter: Counter,
): Promise<void> {
  const outlet = new Outlet(response);
  response.once("close", () => received.ended(outlet.left.aborted));
  const requestId = `req_${identifier("request", String(counter.number()))}`;
  const { wire, book, clock } = counter;
  try {
    const body = await bodyOf(request, wire);
    received.arrived(body);
    const account = wire.account(request.headers, received.path);
    const context: ReadContext = {
      headers: request.headers,
      account,
      lookup: (modelId) => book.find(wire.provider, modelId),
      known: book.of(wire.provider),
      defaultModel: book.of(wire.provider)[0]?.id,
      running: counter.chats.running,
      nowMs: clock.now(),
    };
    const surface = received.method === "POST" ? wire.surfaces.find((one) => one.path === received.path) : undefined;
    if (surface === undefined) {
      await answerOther(outlet, received, context, requestId, counter);
      return;
    }
    counter.chats.running += 1;
    try {
      await answerCall(surface, outlet, received, context, requestId, counter);
    } finally {
      counter.chats.running -= 1;
    }
  } catch (error) {
    if (!(error instanceof Refusal)) throw error;
    refuse(outlet, received, error, requestId, undefined, counter);
  }
}

/** @throws Refusal when it is larger than the provider takes. */
async function bodyOf(request: IncomingMessage, wire: Wire): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    size += chunk.length;
    // What is too large is still read to its end, or the client would see a reset instead of the answer; it is not kept.
    if (size <= wire.bodyBytesMax) chunks.push(chunk);
    else chunks.length = 0;
  }
  if (size > wire.bodyBytesMax) throw wire.fault(413, "plain");
  return Buffer.concat(chunks);
}

function jsonObjectOf(bytes: Buffer, wire: Wire): JsonObject {
  let value: JsonValue;
  try {
    value = JSON.parse(bytes.toString("utf8")) as JsonValue;
  } catch {
    throw wire.malformed();
  }
  if (!isObject(value)) throw wire.malformed();
  return value;
}

async function answerOther(
  outlet: Outlet,
  received: OpenRequest,
  context: ReadContext,
  requestId: string,
  { wire, book, clock }: Counter,
): Promise<void> {
  const isList = received.method === "GET" && received.path === "/v1/models";
  const answer = isList
    ? { body: wire.models(book.of(wire.provider)) }
    : wire.other?.(received.method, received.path, () => jsonObjectOf(received.bodyBytes, wire), context);
  if (answer === undefined) throw wire.fault(404, "plain");
  const text = typeof answer.body === "string" ? answer.body : JSON.stringify(answer.body);
  outlet.head(200, {
    "content-type": answer.type ?? wire.jsonType ?? "application/json",
    "content-length": String(Buffer.byteLength(text)),
    ...wire.headers(requestId, undefined, clock.now()),
  });
  received.answered(200);
  await outlet.write(Buffer.from(text));
  outlet.end();
}

async function answerCall(
  surface: Surface,
  outlet: Outlet,
  received: OpenRequest,
  context: ReadContext,
  requestId: string,
  counter: Counter,
): Promise<void> {
  const { wire, clock, faults } = counter;
  const body = jsonObjectOf(received.bodyBytes, wire);
  const place = `${wire.provider}\n${context.account}`;
  const model = typeof body["model"] === "string" ? body["model"] : undefined;
  const meet = (fault: Fault | undefined) =>
    fault !== undefined &&
    failInstead(fault, { outlet, received, requestId, surface, wantsStream: surface.wantsStream(body) }, counter);
  const early = faults.take(wire.provider, model) ?? faults.asked(directivesOf(context.headers, ""), place);
  if (await meet(early)) return;

  let directives: Directives = new Map();
  let markers: Directives = new Map();
  const call = surface.read(body, context, (lastUserText) => {
    directives = directivesOf(context.headers, lastUserText);
    markers = directivesOf({}, lastUserText);
    return directives;
  });
  const fault = early ?? faults.asked(markers, place);
  if (early === undefined && (await meet(fault))) return;

  const over = await call.turn?.(outlet.left, () => clock.now());
  try {
    // Whoever leaves the queue was never served.
    if (call.turn !== undefined && outlet.left.aborted) return;
    const plan = call.plan(clock.now());
    const taken = counter.limiter.take(context.account, countedTokens(call, plan, wire), clock.now());
    if (taken.retryAfterMs !== undefined) {
      refuse(outlet, received, wire.fault(429, "plain", taken.retryAfterMs), requestId, taken.state, counter);
      return;
    }
    const said = counter.model?.({ provider: wire.provider, model: call.model, body });
    const reply: Reply = {
      answers: call.asks.map((ask) => answerTo(ask, directives, said)),
      bill: plan.bill,
      id: identifier("reply", call.asks[0]?.seed ?? "", String(counter.number())),
      createdSeconds: Math.floor(clock.now() / 1000),
      pace: paceOf(plan, directives, said, counter),
      nowMs: () => clock.now(),
    };
    const framing = framingOf(directives);
    outlet.chunkBytes = framing.chunkBytes;
    await fulfil(
      {
        call,
        surface,
        reply,
        fault,
        framing,
        requestId,
        received,
        account: context.account,
        limits: taken.state,
        commit: () => plan.commit(),
      },
      outlet,
      counter,
    );
  } finally {
    over?.();
  }
}

function countedTokens(call: Call, plan: CachePlan, wire: Wire): { inputTokens: number; outputTokens: number } {
  const reserved = call.asks.reduce((sum, ask) => sum + (ask.maxTokens ?? 0), 0);
  return {
    inputTokens: call.prompt.tokens - (wire.limitCountsCacheRead ? 0 : plan.bill.read),
    outputTokens: wire.limitReservesOutput ? reserved : 0,
  };
}

function paceOf(plan: CachePlan, directives: Directives, said: Said | undefined, { pace }: Counter): ReplyPace {
  return {
    loadMs: plan.loadMs ?? 0,
    promptMs:
      (millisecondsOf(directives.get("ttft")) ?? said?.ttftMs ?? pace.firstTokenMs ?? 0) +
      (uncachedTokens(plan.bill) * 1000) / (pace.prefillTokensPerSecond ?? Infinity),
    perTokenMs: 1000 / (numberOf(directives, "tps") ?? said?.tokensPerSecond ?? pace.tokensPerSecond ?? Infinity),
  };
}
