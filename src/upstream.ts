/**
 * The one egress: undici's dispatcher, with our own deadlines and an abort that also reaches queued requests.
 */
import { createBrotliDecompress, createGunzip, createInflate, createZstdDecompress } from "node:zlib";
import type { LookupFunction } from "node:net";
import type { Transform } from "node:stream";
import { Agent, type Dispatcher } from "undici";
import type { ErrorKindName } from "./errors.ts";

/** Milliseconds; see the config for when to change each. */
export interface Deadlines {
  /** Until the connection stands. */
  readonly connectMs: number;
  /** From sending until the answer's head. */
  readonly headMs: number;
  /** Between two pieces of the body. */
  readonly idleMs: number;
  /** The whole attempt. */
  readonly totalMs: number;
}

export type UpstreamMethod = "GET" | "POST" | "DELETE";

export interface UpstreamRequest {
  readonly url: URL;
  /** By default POST with a body and GET without. */
  readonly method?: UpstreamMethod;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Uint8Array | undefined;
  readonly deadlines: Deadlines;
  /** Aborts the attempt at any point, queued included. */
  readonly signal: AbortSignal;
}

export interface UpstreamAnswer {
  readonly status: number;
  /** Lower-case names. */
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly body: UpstreamBody;
}

export interface BodySink {
  data(chunk: Uint8Array): void;
  /** Exactly one of `end` and `error` is called, once. */
  end(): void;
  error(failure: UpstreamFailure): void;
}

/** A pushed body. `read` is called once, and soon: what comes before it is kept. */
export interface UpstreamBody {
  read(sink: BodySink): void;
  pause(): void;
  resume(): void;
  /** Stops the answer for good; the sink hears nothing more. Harmless when it has ended. */
  abort(): void;
}

/** Why an attempt got no (whole) answer. `sent` tells whether the upstream may have begun to work, and so to bill. */
export class UpstreamFailure extends Error {
  readonly kind: ErrorKindName;
  readonly sent: boolean;

  constructor(kind: ErrorKindName, message: string, sent: boolean, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause });
    this.name = "UpstreamFailure";
    this.kind = kind;
    this.sent = sent;
  }
}

export interface Upstream {
  /** Resolves at the answer's head. @throws UpstreamFailure */
  send(request: UpstreamRequest): Promise<UpstreamAnswer>;
  /** Cuts what still runs, and who still waits for a connection. */
  close(): Promise<void>;
}

/** Answers larger than this many header bytes are refused by undici. */
const ANSWER_HEADER_BYTES_MAX = 64 * 1024;

export interface UpstreamOptions {
  readonly connectMs: number;
  /** What a host's name means; by default what the system says. */
  readonly lookup?: LookupFunction;
}

export function createUpstream({ connectMs, lookup }: UpstreamOptions): Upstream {
  const agent = new Agent({
    connect: { timeout: connectMs, ...(lookup === undefined ? {} : { lookup }) },
    // Our own deadlines rule; undici's would end long reasoning at 300 s.
    headersTimeout: 0,
    bodyTimeout: 0,
    // Below the 5 s after which llama-server closes idle connections.
    keepAliveTimeout: 4_000,
    pipelining: 1,
    maxHeaderSize: ANSWER_HEADER_BYTES_MAX,
  });
  return {
    send: (request) => send(agent, request),
    close: () => agent.destroy(),
  };
}

function send(agent: Agent, request: UpstreamRequest): Promise<UpstreamAnswer> {
  return new Promise((resolve, reject) => {
    const attempt = new Attempt(request, resolve, reject);
    if (request.signal.aborted) {
      attempt.fail(new UpstreamFailure("canceled", "the client left", false));
      return;
    }
    try {
      agent.dispatch(
        {
          origin: request.url.origin,
          path: request.url.pathname + request.url.search,
          method: request.method ?? (request.body === undefined ? "GET" : "POST"),
          headers: { ...request.headers, "accept-encoding": "identity" },
          body: request.body ?? null,
        },
        attempt,
      );
    } catch (error) {
      attempt.fail(
        new UpstreamFailure("upstream-failed", "the request could not be sent to the provider", false, error),
      );
    }
  });
}

/** One dispatched request; undici's handler and the body's face to the reader. */
class Attempt implements Dispatcher.DispatchHandler, UpstreamBody {
  // Not the request: its body is not wanted for as long as the answer runs.
  readonly #deadlines: Deadlines;
  readonly #signal: AbortSignal;
  readonly #resolve: (answer: UpstreamAnswer) => void;
  readonly #reject: (failure: UpstreamFailure) => void;
  readonly #startedAt = performance.now();
  #controller: Dispatcher.DispatchController | undefined;
  #sink: BodySink | undefined;
  #decompress: Transform | undefined;
  #timer: NodeJS.Timeout | undefined;
  #headArrived = false;
  #sent = false;
  #lastActivityAt = performance.now();
  #paused = false;
  /** What came and was not given on yet: no more than one read of the socket. */
  #gathered: Uint8Array[] = [];
  /** Ended, failed or aborted: nothing more is told to anybody. */
  #over = false;
  /** How the body ended before anybody read it. */
  #early: UpstreamFailure | "end" | undefined;

  constructor(
    request: UpstreamRequest,
    resolve: (answer: UpstreamAnswer) => void,
    reject: (failure: UpstreamFailure) => void,
  ) {
    this.#deadlines = request.deadlines;
    this.#signal = request.signal;
    this.#resolve = resolve;
    this.#reject = reject;
    request.signal.addEventListener("abort", this.#onSignal, { once: true });
    this.#arm();
  }

  #onSignal = (): void => {
    this.fail(new UpstreamFailure("canceled", "the client left", this.#sent));
  };

  /** One lazy timer: it looks at the time of the last activity instead of being reset by every chunk. */
  #arm(): void {
    const { headMs, idleMs, totalMs } = this.#deadlines;
    const now = performance.now();
    const stage = this.#headArrived ? this.#lastActivityAt + idleMs : this.#startedAt + headMs;
    const due = Math.min(stage, this.#startedAt + totalMs);
    this.#timer = setTimeout(() => this.#onTimer(), Math.max(1, due - now));
  }

  #onTimer(): void {
    if (this.#over) return;
    const { headMs, idleMs, totalMs } = this.#deadlines;
    const now = performance.now();
    if (now - this.#startedAt >= totalMs) return this.#expire(`the provider did not finish within ${totalMs} ms`);
    if (!this.#headArrived && now - this.#startedAt >= headMs) {
      return this.#expire(`the provider did not answer within ${headMs} ms`);
    }
    // A paused body is the client's slowness, not the provider's.
    if (this.#paused) this.#lastActivityAt = now;
    if (this.#headArrived && now - this.#lastActivityAt >= idleMs) {
      return this.#expire(`the provider's answer stalled for ${idleMs} ms`);
    }
    this.#arm();
  }

  #expire(message: string): void {
    this.fail(new UpstreamFailure("upstream-timeout", message, this.#sent));
  }

  /** Ends the attempt as failed: tells whoever waits, and stops the request wherever it is. */
  fail(failure: UpstreamFailure): void {
    if (this.#over) return;
    this.#finish();
    if (!this.#headArrived) this.#reject(failure);
    else if (this.#sink === undefined) this.#early = failure;
    else {
      this.#gathered = [];
      this.#sink.error(failure);
    }
    this.#controller?.abort(failure);
  }

  #finish(): void {
    this.#over = true;
    clearTimeout(this.#timer);
    this.#signal.removeEventListener("abort", this.#onSignal);
    this.#decompress?.destroy();
  }

  // What undici calls.

  onRequestStart(controller: Dispatcher.DispatchController): void {
    // A request aborted while it was queued has had no controller until now, and would be sent for nobody.
    if (this.#over) {
      controller.abort(new Error("aborted while queued"));
      return;
    }
    this.#controller = controller;
    this.#sent = true;
  }

  onResponseStart(
    _controller: Dispatcher.DispatchController,
    status: number,
    headers: Readonly<Record<string, string | string[] | undefined>>,
  ): void {
    if (this.#over || status < 200) return;
    this.#headArrived = true;
    this.#lastActivityAt = performance.now();
    // Not paused until somebody reads: that makes undici put back what it has and parse it again, and the reader is only promises away.
    clearTimeout(this.#timer);
    this.#arm();
    this.#decompress = this.#decompressor(headers["content-encoding"]);
    this.#resolve({ status, headers, body: this });
  }

  onResponseData(_controller: Dispatcher.DispatchController, chunk: Uint8Array): void {
    if (this.#over) return;
    this.#lastActivityAt = performance.now();
    if (this.#decompress !== undefined) this.#decompress.write(chunk);
    else if (this.#gathered.push(chunk) === 1) process.nextTick(this.#deliver);
  }

  /**
   * One piece for what came in one read of the socket: events that come together are looked at, and written, together. Each in an
   * HTTP chunk of its own would be a call down the line and three parts of a write.
   */
  #deliver = (): void => {
    const chunks = this.#gathered;
    if (chunks.length === 0 || this.#sink === undefined) return;
    this.#gathered = [];
    const [first] = chunks;
    this.#sink.data(chunks.length === 1 && first !== undefined ? first : Buffer.concat(chunks));
  };

  onResponseEnd(): void {
    if (this.#over) return;
    if (this.#decompress !== undefined) return void this.#decompress.end();
    this.#deliver();
    this.#end();
  }

  #end(): void {
    if (this.#over) return;
    this.#finish();
    if (this.#sink === undefined) this.#early = "end";
    else this.#sink.end();
  }

  onResponseError(_controller: Dispatcher.DispatchController, error: Error): void {
    this.#deliver();
    this.fail(failureOf(error, this.#headArrived, this.#sent));
  }

  #decompressor(encoding: string | string[] | undefined): Transform | undefined {
    const name = String(encoding ?? "identity").toLowerCase();
    const stream =
      name === "gzip" || name === "x-gzip"
        ? createGunzip()
        : name === "deflate"
          ? createInflate()
          : name === "br"
            ? createBrotliDecompress()
            : name === "zstd"
              ? createZstdDecompress()
              : undefined;
    stream?.on("data", (chunk: Buffer) => {
      if (!this.#over) this.#sink?.data(chunk);
    });
    stream?.on("end", () => this.#end());
    stream?.on("error", (error) =>
      this.fail(new UpstreamFailure("upstream-failed", "the provider's compressed answer is damaged", true, error)),
    );
    stream?.pause();
    return stream;
  }

  // What the reader of the body calls.

  read(sink: BodySink): void {
    this.#sink = sink;
    this.#decompress?.resume();
    this.#deliver();
    if (this.#early === "end") sink.end();
    else if (this.#early !== undefined) sink.error(this.#early);
  }

  pause(): void {
    this.#paused = true;
    this.#decompress?.pause();
    this.#controller?.pause();
  }

  resume(): void {
    this.#paused = false;
    this.#lastActivityAt = performance.now();
    this.#decompress?.resume();
    this.#controller?.resume();
  }

  abort(): void {
    this.#gathered = [];
    if (this.#over) return;
    this.#finish();
    this.#controller?.abort(new Error("the answer is no longer needed"));
  }
}

/** Our words for undici's and the socket's errors: no host, no port, no internals. */
function failureOf(error: Error, headArrived: boolean, sent: boolean): UpstreamFailure {
  const code = (error as { code?: unknown }).code;
  if (code === "UND_ERR_CONNECT_TIMEOUT" || code === "ETIMEDOUT") {
    return new UpstreamFailure("upstream-timeout", "the provider could not be reached in time", false, error);
  }
  if (
    code === "ECONNREFUSED" ||
    code === "ENOTFOUND" ||
    code === "EAI_AGAIN" ||
    code === "EHOSTUNREACH" ||
    code === "ENETUNREACH"
  ) {
    return new UpstreamFailure("upstream-failed", "the provider could not be reached", false, error);
  }
  const message = headArrived
    ? "the provider's connection broke before its answer was complete"
    : "the provider's connection broke before it answered";
  return new UpstreamFailure("upstream-failed", message, sent, error);
}
