/** What arrived, kept for who wants to look: the newest requests, within a bound. */
import type { IncomingHttpHeaders } from "node:http";
import type { JsonValue } from "../../src/chat.ts";

export interface ReceivedRequest {
  readonly provider: string;
  readonly method: string;
  /** Below the provider's mount, without the query: `/v1/messages`. */
  readonly path: string;
  readonly headers: IncomingHttpHeaders;
  readonly atMs: number;
  /** As they came; empty until they are all there. */
  readonly bodyBytes: Buffer;
  /** The body as JSON; `undefined` when it is none. */
  readonly body: JsonValue | undefined;
  /** Status of the answer; absent while there is none, and when the connection was dropped instead. */
  readonly status: number | undefined;
  /** The fault it met. */
  readonly fault: string | undefined;
  /** Whether the client went away before the answer's end. */
  readonly clientLeft: boolean;
}

/** The same, while it is being served. */
export interface OpenRequest extends ReceivedRequest {
  arrived(body: Buffer): void;
  answered(status: number): void;
  met(fault: string): void;
  ended(clientLeft: boolean): void;
}

const REQUESTS_MAX = 1000;
const BYTES_MAX = 32 * 1024 * 1024;

export class RequestLog {
  readonly #kept: Received[] = [];
  #open = 0;
  #bytes = 0;

  /** Newest last. */
  get all(): readonly ReceivedRequest[] {
    return this.#kept;
  }

  /** Requests whose answer is not over. */
  get open(): number {
    return this.#open;
  }

  add(seen: Pick<ReceivedRequest, "provider" | "method" | "path" | "headers" | "atMs">): OpenRequest {
    const request = new Received(seen, {
      arrived: (bytes) => {
        this.#bytes += bytes;
        this.#trim();
      },
      ended: () => {
        this.#open -= 1;
      },
    });
    this.#open += 1;
    this.#kept.push(request);
    this.#trim();
    return request;
  }

  clear(): void {
    this.#kept.length = 0;
    this.#bytes = 0;
  }

  #trim(): void {
    while (this.#kept.length > REQUESTS_MAX || (this.#bytes > BYTES_MAX && this.#kept.length > 1)) {
      this.#bytes -= this.#kept.shift()?.bodyBytes.length ?? 0;
    }
  }
}

class Received implements OpenRequest {
  readonly provider: string;
  readonly method: string;
  readonly path: string;
  readonly headers: IncomingHttpHeaders;
  readonly atMs: number;
  readonly #told: { arrived(bytes: number): void; ended(): void };
  bodyBytes: Buffer = Buffer.alloc(0);
  status: number | undefined;
  fault: string | undefined;
  clientLeft = false;
  #isOver = false;

  constructor(
    seen: Pick<ReceivedRequest, "provider" | "method" | "path" | "headers" | "atMs">,
    told: { arrived(bytes: number): void; ended(): void },
  ) {
    this.provider = seen.provider;
    this.method = seen.method;
    this.path = seen.path;
    this.headers = seen.headers;
    this.atMs = seen.atMs;
    this.#told = told;
  }

  get body(): JsonValue | undefined {
    try {
      return JSON.parse(this.bodyBytes.toString("utf8")) as JsonValue;
    } catch {
      return undefined;
    }
  }

  arrived(body: Buffer): void {
    this.bodyBytes = body;
    this.#told.arrived(body.length);
  }

  answered(status: number): void {
    this.status = status;
  }

  met(fault: string): void {
    this.fault = fault;
  }

  ended(clientLeft: boolean): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.clientLeft = clientLeft;
    this.#told.ended();
  }
}
