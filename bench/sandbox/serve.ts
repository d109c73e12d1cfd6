/**
 * One request from its arrival to its bill, in the order a provider goes about it: who asks, what for, whether there is room, what the
 * cache has of it, and the answer.
 */
import type { IncomingMessage, ServerResponse } from "node:http";
import type { JsonObject, JsonValue } from "../../src/chat.ts";
import { type Answer, answerTo } from "./answer.ts";
import type { PromptBill } from "./cache/cache.ts";
import type { Clock } from "./clock.ts";
import type { Counter } from "./counter.ts";
import { deliverStream, deliverWhole, keepsLength } from "./deliver.ts";
import { directivesOf, type Directives, millisecondsOf, numberOf } from "./directives.ts";
import { failInstead, refuse } from "./failures.ts";
import { type Fault, framingOf, type Framing } from "./faults.ts";
import type { Ending } from "./invoice.ts";
import type { LimitState } from "./limits.ts";
import { Outlet } from "./outlet.ts";
import type { OpenRequest } from "./requests.ts";
import { digest } from "./tokens.ts";
import { type Call, isObject, type ReadContext, Refusal, type Reply, usageOf, type Wire } from "./wire/wire.ts";

export async function serve(
  request: IncomingMessage,
  response: ServerResponse,
  received: OpenRequest,
  counter: Counter,
): Promise<void> {
  const outlet = new Outlet(response);
  response.once("close", () => received.ended(outlet.left.aborted));
  const requestId = `req_${identifier("request", String(counter.number()))}`;
  try {
    const body = await bodyOf(request, counter.wire);
    received.arrived(body);
    const account = counter.wire.account(request.headers, received.path);
    const context: ReadContext = {
      headers: request.headers,
      account,
      lookup: (modelId) => counter.book.find(counter.wire.provider, modelId),
      defaultModel: counter.book.of(counter.wire.provider)[0]?.id,
      running: counter.chats.running,
    };
    if (received.method !== "POST" || received.path !== counter.wire.chatPath) {
      await answerOther(outlet, received, context, requestId, counter);
      return;
    }
    counter.chats.running += 1;
    try {
      await answerChat(outlet, received, context, requestId, counter);
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
    "content-type": answer.type ?? "application/json",
    "content-length": String(Buffer.byteLength(text)),
    ...wire.headers(requestId, undefined, clock.now()),
  });
  received.answered(200);
  await outlet.write(Buffer.from(text));
  outlet.end();
}

async function answerChat(
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
    failInstead(fault, { outlet, received, requestId, wantsStream: body["stream"] === true }, counter);
  const early = faults.take(wire.provider, model) ?? faults.asked(directivesOf(context.headers, ""), place);
  if (await meet(early)) return;

  let directives: Directives = new Map();
  let markers: Directives = new Map();
  const call = wire.read(body, context, (lastUserText) => {
    directives = directivesOf(context.headers, lastUserText);
    markers = directivesOf({}, lastUserText);
    return directives;
  });
  const fault = early ?? faults.asked(markers, place);
  if (early === undefined && (await meet(fault))) return;

  const plan = call.plan(clock.now());
  const counted = call.prompt.tokens - (wire.limitCountsCacheRead ? 0 : plan.bill.read);
  const reserved = wire.limitReservesOutput ? (call.ask.maxTokens ?? 0) : 0;
  const taken = counter.limiter.take(context.account, { inputTokens: counted, outputTokens: reserved }, clock.now());
  if (taken.retryAfterMs !== undefined) {
    refuse(outlet, received, wire.fault(429, "plain", taken.retryAfterMs), requestId, taken.state, counter);
    return;
  }

  const answers = Array.from({ length: call.choices }, (_, index) =>
    answerTo(index === 0 ? call.ask : { ...call.ask, seed: `${call.ask.seed}#${index}` }, directives),
  );
  const reply: Reply = {
    answers,
    bill: plan.bill,
    id: identifier("reply", call.ask.seed, String(counter.number())),
    createdSeconds: Math.floor(clock.now() / 1000),
  };
  const framing = framingOf(directives);
  outlet.chunkBytes = framing.chunkBytes;
  const bill = (tokens: number, ending: Ending) =>
    charge(call, reply, tokens, ending, requestId, context.account, counter);
  await deliver(
    {
      call,
      reply,
      fault,
      directives,
      framing,
      requestId,
      received,
      limits: taken.state,
      begun: () => plan.commit(),
      bill,
    },
    outlet,
    counter,
  );
}

interface Delivery {
  readonly call: Call;
  readonly reply: Reply;
  readonly fault: Fault | undefined;
  readonly directives: Directives;
  readonly framing: Framing;
  readonly requestId: string;
  readonly received: OpenRequest;
  readonly limits: LimitState;
  /** What was written to the cache can be read from now on. */
  begun(): void;
  bill(tokens: number, ending: Ending): void;
}

async function deliver(delivery: Delivery, outlet: Outlet, counter: Counter): Promise<void> {
  const { call, reply, fault, directives, requestId, received } = delivery;
  const { wire, clock, pace } = counter;
  const firstTokenMs =
    (millisecondsOf(directives.get("ttft")) ?? pace.firstTokenMs ?? 0) +
    (uncachedTokens(reply.bill) * 1000) / (pace.prefillTokensPerSecond ?? Infinity);
  const tokensPerSecond = numberOf(directives, "tps") ?? pace.tokensPerSecond ?? Infinity;
  const generated = reply.answers.reduce((sum, answer) => sum + answer.outputTokens, 0);
  const options = {
    clock,
    pace: { tokensPerSecond },
    framing: delivery.framing,
    fault,
    errorFrame: wire.refusalFrame(wire.fault(wire.overloadedStatus, "plain")),
  };
  const head = (type: string, length?: number) => {
    outlet.head(200, {
      "content-type": type,
      ...(length === undefined ? {} : { "content-length": String(length) }),
      ...(call.stream ? { "cache-control": "no-cache" } : {}),
      ...wire.headers(requestId, delivery.limits, clock.now()),
    });
    received.answered(200);
  };

  if (firstTokenMs > 0) await clock.sleep(firstTokenMs, outlet.left);
  if (fault?.name === "slow-headers") await clock.sleep(fault.durationMs ?? SLOW_MS, outlet.left);
  // Whoever leaves while the prompt is read has had it read.
  if (outlet.left.aborted) return delivery.bill(0, "client-left");
  delivery.begun();
  if (call.stream) {
    head("text/event-stream; charset=utf-8");
    if (fault?.name === "slow-first-byte") await slowly(outlet, fault, clock);
    const { ending, tokens } = await deliverStream(outlet, call.frames(reply), options);
    delivery.bill(ending === "complete" ? generated : tokens, ending);
    return;
  }
  const generationMs = (generated * 1000) / tokensPerSecond;
  const startedMs = clock.now();
  if (generationMs > 0) await clock.sleep(generationMs, outlet.left);
  if (outlet.left.aborted) {
    const share = generationMs === 0 ? 1 : Math.min(1, (clock.now() - startedMs) / generationMs);
    return delivery.bill(Math.floor(generated * share), "client-left");
  }
  const bytes = Buffer.from(JSON.stringify(call.json(reply)));
  head("application/json", keepsLength(fault) ? bytes.length : undefined);
  if (fault?.name === "slow-first-byte") await slowly(outlet, fault, clock);
  delivery.bill(generated, await deliverWhole(outlet, bytes, options));
}

const SLOW_MS = 5000;

async function slowly(outlet: Outlet, fault: Fault, clock: Clock): Promise<void> {
  outlet.flush();
  await clock.sleep(fault.durationMs ?? SLOW_MS, outlet.left);
}

function uncachedTokens(bill: PromptBill): number {
  return bill.uncached + bill.write5m + bill.write1h + bill.writeOther;
}

/** A line of the invoice: the whole prompt, and what was generated until the end. */
function charge(
  call: Call,
  reply: Reply,
  tokens: number,
  ending: Ending,
  requestId: string,
  account: string,
  { wire, book, clock, invoice }: Counter,
): void {
  const { bill } = reply;
  const reasoning = reply.answers.reduce((sum: number, answer: Answer) => sum + answer.thinkingTokens, 0);
  const billed = {
    uncached: bill.uncached,
    cacheRead: bill.read,
    cacheWrite5m: bill.write5m,
    cacheWrite1h: bill.write1h,
    cacheWriteOther: bill.writeOther,
    output: tokens,
    reasoning: Math.min(reasoning, tokens),
  };
  invoice.add({
    requestId,
    provider: wire.provider,
    model: book.find(wire.provider, call.model)?.id ?? call.model,
    account,
    atMs: clock.now(),
    stream: call.stream,
    tokens: billed,
    ending,
  });
  wire.billed?.({ ...usageOf(bill, reply.answers), output: tokens });
}

function identifier(...parts: readonly string[]): string {
  return digest(...parts)
    .replaceAll(/[^A-Za-z0-9]/g, "0")
    .slice(0, 24);
}
