/**
 * Brings an answer that has begun to the client: bytes on the same-dialect lane, events through an encoder on the other.
 *
 * Owns the stream from its first event to its end, and makes the meter settle it in all three endings.
 */
import type { FirstAnswer } from "./begun.ts";
import type { ChatEvent } from "./chat.ts";
import type { Encoder } from "./dialects/dialect.ts";
import { GatewayError } from "./errors.ts";
import type { Asked } from "./exchange.ts";
import { metered } from "./gathered.ts";
import type { Piece } from "./read.ts";
import type { Reply, ReplyHeaders } from "./reply.ts";
import { errorSaid, quotesKey } from "./upstream-error.ts";
import { usdText } from "./usage.ts";
import type { UpstreamFailure } from "./upstream.ts";

/** The client's end of the exchange, as far as it matters whether somebody still listens. */
export interface Client {
  readonly reply: Reply;
  readonly gone: boolean;
  /** Replaces what happens when the client leaves. */
  onGone(listener: () => void): void;
}

/** How long a stream that has said its finish is read on for its usage, once nobody listens. */
const DRAIN_MS = 2_000;
/** How long what a provider may send after the terminal mark (comments, its connection's end) is waited for. */
const TRAILING_MS = 100;

type WholeAnswer = Extract<FirstAnswer, { kind: "whole" }>;
type StreamAnswer = Extract<FirstAnswer, { kind: "stream" }>;

/** @param headers Adds the headers that are known only now, the cost among them. */
export function relayWhole(
  first: WholeAnswer,
  exchange: Asked,
  client: Client,
  headers: (extra: ReplyHeaders) => ReplyHeaders,
): void {
  const { meter, outgoing, events, bytes } = first;
  for (const event of events) if (event.type !== "done") meter.observe(event);
  let body: Uint8Array | string = bytes;
  if (outgoing.lane === "translated") {
    const encoder = encoderFor(exchange, first);
    for (const event of events) encoder.push(event);
    body = encoder.end();
  }
  if (client.gone) {
    meter.canceled();
    return;
  }
  const cost = meter.bill()?.cost;
  const type =
    outgoing.lane === "same" ? String(first.answer.headers["content-type"] ?? "application/json") : "application/json";
  client.reply.start(
    outgoing.lane === "same" ? first.answer.status : 200,
    headers({
      "content-type": type,
      "content-length": String(Buffer.byteLength(body)),
      ...(cost === undefined ? {} : { "x-sluice-cost-usd": usdText(cost) }),
    }),
  );
  client.reply.end(body);
  // Behind it: what is found out for the row would have kept the client waiting.
  meter.complete();
}

/**
 * @returns when the answer has ended for the client, and its row is settled. Rejects, both done, when a codec threw: it must not.
 */
export function relayStream(
  first: StreamAnswer,
  exchange: Asked,
  client: Client,
  headers: (extra: ReplyHeaders) => ReplyHeaders,
  options: { readonly costComment: boolean },
): Promise<void> {
  return new Promise((resolve, reject) => {
    new StreamRelay(first, exchange, client, options.costComment, { resolve, reject }).run(headers);
  });
}

interface Settle {
  readonly resolve: () => void;
  readonly reject: (error: unknown) => void;
}

class StreamRelay {
  readonly #first: StreamAnswer;
  readonly #exchange: Asked;
  readonly #client: Client;
  readonly #costComment: boolean;
  readonly #settle: Settle;
  readonly #encoder: Encoder | undefined;
  #over = false;
  #drain: NodeJS.Timeout | undefined;
  #trailing: NodeJS.Timeout | undefined;

  constructor(first: StreamAnswer, exchange: Asked, client: Client, costComment: boolean, settle: Settle) {
    this.#first = first;
    this.#exchange = exchange;
    this.#client = client;
    this.#costComment = costComment;
    this.#settle = settle;
    this.#encoder = first.outgoing.lane === "translated" ? encoderFor(exchange, first) : undefined;
  }

  run(headers: (extra: ReplyHeaders) => ReplyHeaders): void {
    const { reader, pieces, body, answer, outgoing, meter } = this.#first;
    if (this.#client.gone) {
      // One that was checked first is here whole, with its bill.
      metered(this.#first);
      return this.#cancel();
    }
    this.#client.onGone(() => this.#leave());
    this.#client.reply.onDrain(() => body.resume());
    const { streamContentType } = this.#exchange.dialect;
    const upstreamType = String(answer.headers["content-type"] ?? "");
    const type =
      outgoing.lane === "same" && upstreamType.startsWith(streamContentType) ? upstreamType : streamContentType;
    this.#client.reply.start(
      200,
      headers({ "content-type": type, "cache-control": "no-cache", "x-accel-buffering": "no" }),
    );
    this.#guarded(() => this.#pieces(pieces));
    if (this.#over) return;
    meter.explain();
    reader.run({
      pieces: (more) => this.#guarded(() => this.#pieces(more)),
      end: () => {
        clearTimeout(this.#trailing);
        this.#guarded(() => this.#end());
      },
      error: (failure) => this.#broken(failure),
    });
  }

  #guarded(work: () => void): void {
    try {
      work();
    } catch (error) {
      if (this.#over) return;
      this.#first.meter.failed({ kind: "internal", status: 500, mayBill: true });
      this.#first.body.abort();
      this.#finish(error);
    }
  }

  #pieces(pieces: readonly Piece[]): void {
    if (this.#over) return;
    const out: (Uint8Array | string)[] = [];
    let isDone = false;
    for (const piece of pieces) {
      const isBroken = piece.events.some((event) => event.type === "error");
      if (this.#encoder === undefined && !isBroken) {
        if (piece.bytes !== undefined && !(piece.usageOnly && this.#first.outgoing.hidesUsage)) out.push(piece.bytes);
        if (piece.bytes !== undefined) this.#first.meter.passes(piece.bytes);
        if (piece.isDelta && piece.bytes !== undefined)
          this.#first.meter.weigh(piece.bytes.length - (piece.paddingBytes ?? 0));
      }
      if (piece.callId !== undefined) this.#first.meter.calls(piece.callId);
      // What stands before an error in the same piece was said, and is billed, as if it had come in a piece of its own.
      for (const event of piece.events) {
        if (event.type === "error") {
          if (isDone) this.#first.meter.complete();
          return this.#fail(out, piece, event);
        }
        if (this.#encoder !== undefined) out.push(this.#encoder.push(event));
        if (event.type === "done") isDone = true;
        else if (!isDone) this.#first.meter.observe(event);
      }
    }
    this.#write(out);
    if (isDone) this.#first.meter.complete();
    if (this.#first.meter.entry !== undefined) this.#said();
  }

  /** Everything was said. A client that waits for the end must not wait for a provider that holds its connection open. */
  #said(): void {
    if (this.#over || this.#trailing !== undefined) return;
    const { body } = this.#first;
    const abort = () => {
      this.#guarded(() => this.#end());
      body.abort();
    };
    this.#trailing = setTimeout(abort, TRAILING_MS);
    if (this.#encoder === undefined) return;
    // Nothing that follows would be written. The rest is left to end by itself, so that the connection can be used again.
    body.resume();
    this.#end();
  }

  #write(out: readonly (Uint8Array | string)[]): void {
    if (this.#client.gone || this.#over) return;
    const bytes = joined(out);
    if (bytes !== undefined && !this.#client.reply.write(bytes)) this.#first.body.pause();
  }

  #end(): void {
    if (this.#over) return;
    const rest = this.#encoder?.end() ?? "";
    this.#first.meter.complete();
    if (!this.#client.gone) this.#client.reply.end(rest + this.#comment());
    this.#finish();
  }

  /** Only for those who ask: every client skips comments, yet the stream is then not the upstream's alone. */
  #comment(): string {
    if (!this.#costComment) return "";
    const cost = this.#first.meter.entry?.cost;
    const text = `sluice exchange=${this.#exchange.id} cost_usd=${cost === undefined ? "unknown" : usdText(cost)}`;
    return this.#exchange.dialect.comment?.(text) ?? "";
  }

  /** An error event: the upstream's own passes as it is in its own dialect; anything else is said in the client's. */
  #fail(out: readonly (Uint8Array | string)[], piece: Piece, event: Extract<ChatEvent, { type: "error" }>): void {
    const { instance } = this.#first.candidate.target;
    const error = errorSaid(event.error, instance, undefined);
    const before = joined(out);
    if (before !== undefined && !this.#client.gone) this.#client.reply.write(before);
    const passes =
      this.#encoder === undefined &&
      event.error.ours !== true &&
      event.error.foreign !== true &&
      piece.bytes !== undefined &&
      !quotesKey(Buffer.from(piece.bytes).toString("utf8"), instance) &&
      error.kind !== "upstream-credential";
    this.#stop(error.kind, error.status, (passes ? piece.bytes : undefined) ?? this.#failure(error));
  }

  /** A failure in the client's own words, numbered and closed as the events before it ask for. */
  #failure(error: GatewayError): string {
    const { dialect, id } = this.#exchange;
    return this.#encoder?.fail?.(error, id) ?? dialect.errorEvent(error, id);
  }

  #broken(failure: UpstreamFailure): void {
    if (this.#over) return;
    const error = new GatewayError(failure.kind, failure.message, { cause: failure });
    this.#stop(failure.kind, error.status, this.#failure(error));
  }

  #stop(kind: GatewayError["kind"], status: number, last: Uint8Array | string): void {
    if (kind === "canceled" || this.#client.gone) this.#first.meter.canceled();
    else this.#first.meter.failed({ kind, status, mayBill: true });
    this.#first.body.abort();
    // What was complete before the connection broke stays complete: the client has everything.
    if (this.#first.meter.entry?.outcome === "complete") this.#client.reply.end();
    else this.#client.reply.fail(last);
    this.#finish();
  }

  #leave(): void {
    if (this.#over) return;
    const { meter, body } = this.#first;
    if (meter.entry === undefined && meter.finished && this.#drain === undefined) {
      // The answer is complete but for its bill: hear it, briefly, rather than guess it.
      this.#drain = setTimeout(() => this.#leave(), DRAIN_MS);
      body.resume();
      return;
    }
    this.#cancel();
  }

  #cancel(): void {
    this.#first.body.abort();
    this.#first.meter.canceled();
    this.#finish();
  }

  /** @param thrown What a codec threw. */
  #finish(thrown?: unknown): void {
    this.#over = true;
    clearTimeout(this.#drain);
    // Where the answer is complete, what its provider may still send is waited for.
    if (this.#first.meter.entry?.outcome !== "complete") clearTimeout(this.#trailing);
    if (thrown === undefined) this.#settle.resolve();
    else this.#settle.reject(thrown);
  }
}

function encoderFor(exchange: Asked, { losses, candidate }: FirstAnswer): Encoder {
  const { reasoning } = exchange.request;
  return exchange.dialect.encoder(
    {
      stream: exchange.request.stream,
      model: exchange.request.model,
      includeUsage: exchange.request.wantsStreamUsage,
      wantsReasoning: reasoning !== undefined && reasoning.effort !== "none" && reasoning.enabled !== false,
      wantsBase64: exchange.request.embedding?.base64 === true,
      id: exchange.id,
      createdSeconds: Math.floor(exchange.receivedAtMs / 1000),
      ...(exchange.remember === undefined ? {} : { remember: exchange.remember }),
      elapsedNs: () => Math.round((performance.now() - exchange.startedAt) * 1e6),
      estimatedPromptTokens: candidate.promptTokens,
    },
    losses,
  );
}

/** One write for what came in one read. */
function joined(parts: readonly (Uint8Array | string)[]): Uint8Array | string | undefined {
  const some = parts.filter((part) => part.length > 0);
  if (some.length <= 1) return some[0];
  if (some.every((part) => typeof part === "string")) return some.join("");
  return adjacent(some) ?? Buffer.concat(some.map((part) => (typeof part === "string" ? Buffer.from(part) : part)));
}

/** Frames that were cut from one piece, and none of them left out, are that piece: nothing has to be copied. */
function adjacent(parts: readonly (Uint8Array | string)[]): Uint8Array | undefined {
  const [first] = parts;
  if (first === undefined || typeof first === "string") return undefined;
  let end = first.byteOffset;
  for (const part of parts) {
    if (typeof part === "string" || part.buffer !== first.buffer || part.byteOffset !== end) return undefined;
    end += part.byteLength;
  }
  return new Uint8Array(first.buffer, first.byteOffset, end - first.byteOffset);
}
