/**
 * What the sandbox needs from a wire format: to read a request as strictly as the real provider does, and to write answers and refusals
 * as it does. One file (or family of files) per provider.
 */
import type { IncomingHttpHeaders } from "node:http";
import type { JsonObject, JsonValue } from "../../../src/chat.ts";
import type { ModelRecord } from "../../../src/model.ts";
import type { Usage } from "../../../src/usage.ts";
import type { Answer, Ask } from "../answer.ts";
import type { CachePlan, PromptBill } from "../cache/cache.ts";
import type { Directives } from "../directives.ts";
import type { Ending } from "../invoice.ts";
import type { LimitState } from "../limits.ts";
import type { Prompt } from "../prompt.ts";

export interface RefusalOptions {
  readonly type?: string;
  readonly code?: string | number;
  readonly param?: string;
  /** Anthropic's `error.details`, FastAPI's `detail`. */
  readonly details?: JsonValue;
  readonly headers?: Readonly<Record<string, string>>;
}

/** A request that the provider would not serve, with the words it would use. */
export class Refusal extends Error {
  readonly status: number;
  readonly said: RefusalOptions;

  constructor(status: number, message: string, said: RefusalOptions = {}) {
    super(message);
    this.name = "Refusal";
    this.status = status;
    this.said = said;
  }
}

/** One event of a stream as it goes on the wire. */
export interface Frame {
  readonly text: string;
  /** Tokens it delivers: what pacing and the bill of an unfinished stream go by. */
  readonly tokens: number;
}

/** How a stream's events are put on the wire. */
export interface StreamForm {
  readonly type: string;
  /** What may stand between two events and says nothing. */
  readonly filler: string;
}
export const SSE: StreamForm = { type: "text/event-stream; charset=utf-8", filler: ": a comment\n\n" };
export const NDJSON: StreamForm = { type: "application/x-ndjson", filler: "\n" };

export interface Reply {
  /** One for each thing that was asked. */
  readonly answers: readonly Answer[];
  readonly bill: PromptBill;
  /** Fixes every id in the answer. */
  readonly id: string;
  readonly createdSeconds: number;
  /** How long its parts take, for wires that tell. */
  readonly pace: ReplyPace;
  /** Sandbox time while the answer is made. */
  nowMs(): number;
}

export interface ReplyPace {
  /** Before the prompt is read: a model that has to be loaded. */
  readonly loadMs: number;
  readonly promptMs: number;
  readonly perTokenMs: number;
}

/** A request that passed. */
export interface Call {
  readonly model: string;
  readonly prompt: Prompt;
  /** One for each answer; none where nothing is generated. */
  readonly asks: readonly Ask[];
  readonly stream: boolean;
  /** Answered at once, and worked on behind the client's back. */
  readonly background?: boolean;
  plan(nowMs: number): CachePlan;
  json(reply: Reply): JsonObject;
  /** Made as they are asked for: a client that reads slowly holds up the making, not memory. */
  frames(reply: Reply): Iterable<Frame>;
  /**
   * Waits for its turn, on servers that take only so many at a time. Resolves when it is served, to what says that it is over.
   *
   * @throws Refusal when too many wait already.
   */
  turn?(left: AbortSignal, nowMs: () => number): Promise<() => void>;
  /** A failure in the middle of its stream, where that is more than a refusal's event. `sent`: events before it. */
  failed?(refusal: Refusal, reply: Reply, sent: number): Frame;
  /** Told that it is worked on, once. `cancel` stops what goes on in the background. */
  begun?(reply: Reply, cancel: () => void): void;
  /** Told how its answer went, once. */
  ended?(reply: Reply, ending: Ending): void;
}

/** An operation that is billed: something is read, and mostly something generated. */
export interface Surface {
  /** Below the mount. */
  readonly path: string;
  readonly form: StreamForm;
  wantsStream(body: JsonObject): boolean;
  read(body: JsonObject, context: ReadContext, directives: (lastUserText: string) => Directives): Call;
  /** A refusal as an event inside a stream that has begun. */
  refusalFrame(refusal: Refusal): Frame;
}

/** Whether a stream was asked for, where silence says that it was not. */
export function asksForStream(body: JsonObject): boolean {
  return body["stream"] === true;
}

/** So many answers to one question, each another one. */
export function asksOf(ask: Ask, choices: number): Ask[] {
  return Array.from({ length: choices }, (_, index) => (index === 0 ? ask : { ...ask, seed: `${ask.seed}#${index}` }));
}

export interface ReadContext {
  readonly headers: IncomingHttpHeaders;
  /** Who asks: caches and signatures are never shared between accounts. */
  readonly account: string;
  /** This provider's models: those it knows, and any id of the form it gives. */
  readonly lookup: (modelId: string) => ModelRecord | undefined;
  /** Those it knows, for who lists them. */
  readonly known: readonly ModelRecord[];
  /** What is meant when no model is named, for servers of one model. */
  readonly defaultModel: string | undefined;
  /** Calls of this provider that are being answered now. */
  readonly running: number;
  readonly nowMs: number;
}

export interface Wire {
  readonly provider: string;
  /** What a client's base URL ends in. */
  readonly base: string;
  readonly surfaces: readonly Surface[];
  readonly bodyBytesMax: number;
  /** Content type of answers in one piece; absent: plain JSON. */
  readonly jsonType?: string;
  /** The account behind the credential. @throws Refusal 401 */
  account(headers: IncomingHttpHeaders, path: string): string;
  models(records: readonly ModelRecord[]): JsonObject;
  /** A refusal as the body of an answer. */
  refusal(refusal: Refusal, requestId: string): JsonObject;
  /** What it says to a body that is no JSON object. */
  malformed(): Refusal;
  /** Refusals that only differ by provider: faults, limits, bodies that are too large. */
  fault(status: number, kind: "plain" | "quota", retryAfterMs?: number): Refusal;
  headers(requestId: string, limits: LimitState | undefined, nowMs: number): Record<string, string>;
  /** Whether the prompt tokens that were read from cache count toward the input limit. */
  readonly limitCountsCacheRead: boolean;
  /** Whether the cap on the answer is taken from the output limit before it is written. */
  readonly limitReservesOutput: boolean;
  /** The status it gives when it has too much to do. */
  readonly overloadedStatus: number;
  /** The status of what goes wrong inside a stream; absent: the same. */
  readonly brokenStatus?: number;
  /** Other operations below the mount. */
  other?(method: string, path: string, body: () => JsonObject, context: ReadContext): OtherAnswer | undefined;
  /** Told of each bill, for providers that count in public. */
  billed?(usage: Usage): void;
  /** Forgets what was cached. */
  reset(): void;
}

export interface OtherAnswer {
  readonly body: JsonObject | string;
  /** Content type of a body that is text. */
  readonly type?: string;
}

export function usageOf(bill: PromptBill, answers: readonly Answer[]): Usage {
  return {
    inputUncached: bill.uncached,
    cacheRead: bill.read,
    cacheWrite5m: bill.write5m,
    cacheWrite1h: bill.write1h,
    cacheWriteOther: bill.writeOther,
    output: answers.reduce((sum, answer) => sum + answer.outputTokens, 0),
    reasoning: answers.reduce((sum, answer) => sum + answer.thinkingTokens, 0),
  };
}

export function isObject(value: JsonValue | undefined): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

export function objects(value: JsonValue | undefined): JsonObject[] {
  return Array.isArray(value) ? value.filter((item: JsonValue) => isObject(item)) : [];
}

export function stringOf(value: JsonValue | undefined): string | undefined {
  return typeof value === "string" ? value : undefined;
}

export function numberIn(value: JsonValue | undefined): number | undefined {
  return typeof value === "number" ? value : undefined;
}

/** The bearer token, or the value of the provider's own header. */
export function credentialOf(headers: IncomingHttpHeaders, own?: string): string | undefined {
  const named = own === undefined ? undefined : headers[own];
  if (typeof named === "string" && named !== "") return named;
  const bearer = /^Bearer\s+(\S.*)$/i.exec(headers.authorization ?? "")?.[1]?.trim();
  return bearer === "" ? undefined : bearer;
}

/** Keys that every provider of the sandbox refuses. */
export function isRefusedKey(key: string): boolean {
  return key === "bad-key" || key.startsWith("invalid");
}
