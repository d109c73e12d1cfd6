/**
 * A client on a socket of its own that sees everything a careful one could: whether the answer broke off, when, and how.
 */
import { request, type IncomingHttpHeaders, type IncomingMessage } from "node:http";
import { connect } from "node:net";

export interface Answer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: Buffer;
  readonly text: string;
  /** The connection broke before the answer's end. */
  readonly isBroken: boolean;
}

export interface CallOptions {
  readonly method?: string;
  readonly headers?: Readonly<Record<string, string>>;
  /** An object is sent as its JSON. */
  readonly body?: unknown;
}

export interface OpenCall {
  /** Rejects when the connection breaks before the head. */
  readonly answer: Promise<Answer>;
  /** What has come so far. */
  readonly received: string;
  readonly status: number | undefined;
  /** Sends a piece of the body; for calls that were opened without one. */
  send(piece: string): void;
  /** Stops reading: what the socket holds fills up. */
  pause(): void;
  resume(): void;
  /** Closes the connection, wherever the call is. */
  leave(): void;
}

export function call(url: string, path: string, options: CallOptions = {}): Promise<Answer> {
  return open(url, path, options).answer;
}

/** Without a body the request stays unfinished, so that a test can send it in pieces. */
export function open(url: string, path: string, options: CallOptions = {}): OpenCall {
  const { method = "POST", headers = {}, body } = options;
  const bytes = body === undefined || body instanceof Uint8Array ? body : Buffer.from(textOf(body));
  const chunks: Buffer[] = [];
  let incoming: IncomingMessage | undefined;
  const outgoing = request(new URL(path, url), {
    method,
    agent: false,
    headers: {
      "content-type": "application/json",
      ...(bytes === undefined ? {} : { "content-length": String(bytes.length) }),
      ...headers,
    },
  });
  const answer = new Promise<Answer>((resolve, reject) => {
    outgoing.on("error", (error) => {
      if (incoming === undefined) reject(error);
    });
    outgoing.on("response", (response) => {
      incoming = response;
      response.on("data", (chunk: Buffer) => chunks.push(chunk));
      response.on("error", () => undefined);
      response.on("close", () => {
        const whole = Buffer.concat(chunks);
        resolve({
          status: response.statusCode ?? 0,
          headers: response.headers,
          body: whole,
          text: whole.toString("utf8"),
          isBroken: !response.complete,
        });
      });
    });
  });
  // Who leaves does not wait for the answer.
  answer.catch(() => undefined);
  if (bytes !== undefined || method === "GET" || method === "HEAD") outgoing.end(bytes);
  else outgoing.flushHeaders();
  return {
    answer,
    get received() {
      return Buffer.concat(chunks).toString("utf8");
    },
    get status() {
      return incoming?.statusCode;
    },
    send: (piece) => void outgoing.write(piece),
    pause: () => void incoming?.pause(),
    resume: () => void incoming?.resume(),
    leave: () => void outgoing.destroy(),
  };
}

function textOf(body: unknown): string {
  return typeof body === "string" ? body : JSON.stringify(body);
}

/** As `raw`, by a client that sends everything before it reads anything. Rejects when the connection breaks under it. */
export function sendAllThenRead(url: string, bytes: Uint8Array): Promise<string> {
  const { hostname, port } = new URL(url);
  return new Promise((resolve, reject) => {
    const socket = connect(Number(port), hostname);
    const chunks: Buffer[] = [];
    socket.on("error", reject);
    socket.on("close", () => resolve(Buffer.concat(chunks).toString("utf8")));
    socket.write(bytes, (error) => {
      if (error === undefined || error === null) socket.on("data", (chunk: Buffer) => chunks.push(chunk));
    });
  });
}

/** What comes back for these very bytes, until the gateway closes the connection. For what no HTTP client would send. */
export function raw(url: string, bytes: string | Uint8Array): Promise<string> {
  const { hostname, port } = new URL(url);
  return new Promise((resolve) => {
    const socket = connect(Number(port), hostname, () => void socket.write(bytes));
    const chunks: Buffer[] = [];
    socket.on("data", (chunk: Buffer) => chunks.push(chunk));
    socket.on("error", () => undefined);
    socket.on("close", () => resolve(Buffer.concat(chunks).toString("utf8")));
  });
}
