/** Anthropic's `count_tokens`: its own endpoint's answer where the target is Anthropic's, our estimate elsewhere. */
import type { Hono } from "hono";
import type { Admission } from "../src/admission.ts";
import { anthropicCountTokens } from "../src/dialects/anthropic-count-tokens.ts";
import { GatewayError } from "../src/errors.ts";
import { authenticate, receive } from "../src/exchange.ts";
import type { Gateway, Setup } from "../src/gateway.ts";
import type { Target } from "../src/target.ts";
import { estimatePromptTokens } from "../src/tokens.ts";
import { answered, type Bindings, type Incoming } from "./call.ts";

/** In percent: nine of ten counts of recorded prompts of 200 tokens and more are at least so close (`test/tokens.recordings.test.ts`). */
const WITHIN_PERCENT = 33;

export interface CountDependencies {
  readonly gateway: Gateway;
  readonly admission: Admission;
  readonly setup: () => Setup;
}

export function countTokensRoutes(app: Hono<Bindings>, dependencies: CountDependencies, prefix: string): void {
  app.post(`${prefix}/v1/messages/count_tokens`, (context) => answered(context, (call) => count(call, dependencies)));
}

/** What is wrong with a call is the line's to say and to record: it meets the same there. */
async function count(call: Incoming, { gateway, admission, setup: current }: CountDependencies): Promise<void> {
  const setup = current();
  const dialect = anthropicCountTokens;
  const serve = (body: Incoming["body"]) => gateway.serve({ ...call, dialect, body });
  if (admission.draining || !isKnown(call.headers, setup)) return serve(call.body);
  const admitted = admission.enter();
  let raw: Uint8Array;
  try {
    raw = await call.body(admitted.body);
  } catch (error) {
    return serve(() => Promise.reject(error));
  } finally {
    admitted.leave();
  }
  const inputTokens = await estimated(raw, setup);
  if (inputTokens === undefined) return serve(() => Promise.resolve(raw));
  const text = JSON.stringify({ input_tokens: inputTokens });
  call.reply.start(200, {
    "content-type": "application/json",
    "content-length": String(Buffer.byteLength(text)),
    "x-sluice-count": `estimated; within ${WITHIN_PERCENT}%`,
  });
  call.reply.end(text);
}

function isKnown(headers: Headers, setup: Setup): boolean {
  try {
    authenticate(headers, setup.keys);
    return true;
  } catch (error) {
    if (error instanceof GatewayError) return false;
    throw error;
  }
}

/**
 * Where several targets may answer, the most that any of them would count: what is to fit must fit into each.
 *
 * @returns `undefined` where the targets count themselves, or the call is wrong.
 */
async function estimated(raw: Uint8Array, setup: Setup): Promise<number | undefined> {
  try {
    const { request } = receive(raw, anthropicCountTokens, setup.limits);
    const { targets } = await setup.resolve(request.model);
    if (targets.every(countsItself)) return undefined;
    const ratio = Math.max(...targets.map((target) => target.record?.tokenRatio ?? 1));
    return Math.ceil(estimatePromptTokens(request) * ratio);
  } catch (error) {
    if (error instanceof GatewayError) return undefined;
    throw error;
  }
}

function countsItself({ instance, model, record }: Target): boolean {
  return instance.provider.dialects(model, record).includes(anthropicCountTokens.name);
}
