/** A call that has its plan: from the first token to the bill, at the model's pace. */
import type { Counter } from "./counter.ts";
import { deliverStream, deliverWhole, keepsLength } from "./deliver.ts";
import type { Fault, Framing } from "./faults.ts";
import type { PromptBill } from "./cache/cache.ts";
import type { Ending } from "./invoice.ts";
import type { LimitState } from "./limits.ts";
import type { Outlet } from "./outlet.ts";
import type { OpenRequest } from "./requests.ts";
import { type Call, type Reply, type Surface, usageOf } from "./wire/wire.ts";

export interface Planned {
  readonly call: Call;
  readonly surface: Surface;
  readonly reply: Reply;
  readonly fault: Fault | undefined;
  readonly framing: Framing;
  readonly requestId: string;
  readonly received: OpenRequest;
  readonly account: string;
  readonly limits: LimitState;
  /** What was written to the cache can be read from now on. */
  commit(): void;
}

export async function fulfil(planned: Planned, outlet: Outlet, counter: Counter): Promise<void> {
  const { call, surface, reply, fault, requestId, received } = planned;
  const { wire, clock } = counter;
  const { loadMs, promptMs, perTokenMs } = reply.pace;
  const firstTokenMs = loadMs + promptMs;
  const generated = generatedTokens(reply);
  const settle = (tokens: number, ending: Ending) => {
    charge(planned, tokens, ending, counter);
    call.ended?.(reply, ending);
  };
  const begin = (cancel: () => void) => {
    planned.commit();
    call.begun?.(reply, cancel);
  };
  const head = (type: string, length?: number) => {
    outlet.head(200, {
      "content-type": type,
      ...(length === undefined ? {} : { "content-length": String(length) }),
      ...(call.stream ? { "cache-control": "no-cache" } : {}),
      ...wire.headers(requestId, planned.limits, clock.now()),
    });
    received.answered(200);
  };
  const broken = wire.fault(wire.brokenStatus ?? wire.overloadedStatus, "plain");
  const options = {
    clock,
    perTokenMs,
    form: surface.form,
    framing: planned.framing,
    fault,
    errorFrame: (sent: number) => call.failed?.(broken, reply, sent) ?? surface.refusalFrame(broken),
  };

  if (call.background === true) {
    const canceled = new AbortController();
    begin(() => canceled.abort());
    const bytes = Buffer.from(JSON.stringify(call.json(reply)));
    void workOn(firstTokenMs, generated, AbortSignal.any([canceled.signal, counter.closing]), settle, planned, counter);
    head(wire.jsonType ?? "application/json", bytes.length);
    await deliverWhole(outlet, bytes, options);
    return;
  }
  if (firstTokenMs > 0) await clock.sleep(firstTokenMs, outlet.left);
  if (fault?.name === "slow-headers") await clock.sleep(fault.durationMs ?? SLOW_MS, outlet.left);
  // Whoever leaves while the prompt is read has had it read.
  if (outlet.left.aborted) return settle(0, "client-left");
  begin(() => {});
  if (call.stream) {
    head(surface.form.type);
    if (fault?.name === "slow-first-byte") await slowly(outlet, fault, counter);
    const { ending, tokens } = await deliverStream(outlet, call.frames(reply), options);
    settle(ending === "complete" ? generated : tokens, ending);
    return;
  }
  const startedMs = clock.now();
  const generationMs = generated * perTokenMs;
  if (generationMs > 0) await clock.sleep(generationMs, outlet.left);
  if (outlet.left.aborted) return settle(generatedBy(clock.now() - startedMs, generated, perTokenMs), "client-left");
  const bytes = Buffer.from(JSON.stringify(call.json(reply)));
  head(wire.jsonType ?? "application/json", keepsLength(fault) ? bytes.length : undefined);
  if (fault?.name === "slow-first-byte") await slowly(outlet, fault, counter);
  settle(generated, await deliverWhole(outlet, bytes, options));
}

const SLOW_MS = 5000;

async function slowly(outlet: Outlet, fault: Fault, { clock }: Counter): Promise<void> {
  outlet.flush();
  await clock.sleep(fault.durationMs ?? SLOW_MS, outlet.left);
}

/** What nobody waits for: generated all the same, until it is done or called off. */
async function workOn(
  firstTokenMs: number,
  generated: number,
  stopped: AbortSignal,
  settle: (tokens: number, ending: Ending) => void,
  { reply }: Planned,
  { clock }: Counter,
): Promise<void> {
  const { perTokenMs } = reply.pace;
  // The answer that it was taken on comes first, however fast the model is.
  await new Promise((resolve) => void setImmediate(resolve));
  await clock.sleep(firstTokenMs, stopped);
  const startedMs = clock.now();
  if (!stopped.aborted) await clock.sleep(generated * perTokenMs, stopped);
  if (stopped.aborted) settle(generatedBy(clock.now() - startedMs, generated, perTokenMs), "client-left");
  else settle(generated, "complete");
}

function generatedTokens(reply: Reply): number {
  return reply.answers.reduce((sum, answer) => sum + answer.outputTokens, 0);
}

function generatedBy(elapsedMs: number, generated: number, perTokenMs: number): number {
  return perTokenMs === 0 ? generated : Math.min(generated, Math.floor(elapsedMs / perTokenMs));
}

export function uncachedTokens(bill: PromptBill): number {
  return bill.uncached + bill.write5m + bill.write1h + bill.writeOther;
}

/** A line of the invoice: the whole prompt, and what was generated until the end. */
function charge(
  { call, reply, requestId, account }: Planned,
  tokens: number,
  ending: Ending,
  { wire, book, clock, invoice }: Counter,
): void {
  const { bill } = reply;
  // Loading a model is no work that anybody bills.
  if (call.prompt.tokens === 0 && tokens === 0) return;
  const reasoning = reply.answers.reduce((sum, answer) => sum + answer.thinkingTokens, 0);
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
