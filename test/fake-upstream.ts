/**
 * A provider that does exactly what a test tells it to, byte by byte, and keeps what it was sent.
 */
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";

export interface Arrived {
  readonly method: string;
  /** With the query. */
  readonly path: string;
  readonly headers: IncomingMessage["headers"];
  readonly body: Buffer;
  /** True once the gateway has closed the connection before the answer's end. */
  readonly isAborted: boolean;
}

/** @param number Counts the requests from 0. */
export type Script = (outgoing: ServerResponse, arrived: Arrived, number: number) => void | Promise<void>;

export interface FakeUpstream {
  /** Without a path: add what the provider's base URL needs. */
  readonly url: string;
  readonly requests: readonly Arrived[];
  /** Requests being answered now. */
  readonly open: number;
  /** Connections that were made to it. */
  readonly connections: number;
  /** What happens from the next request on. */
  answer(script: Script): void;
  close(): Promise<void>;
}

/** Requests kept; a test that sends more forgets to look. */
const REQUESTS_MAX = 5_000;

export async function startFakeUpstream(first: Script): Promise<FakeUpstream> {
  let script = first;
  let open = 0;
  let connections = 0;
  const requests: Arrived[] = [];
  const server = createServer((incoming, outgoing) => {
    open += 1;
    const chunks: Buffer[] = [];
    let isAborted = false;
    outgoing.on("close", () => {
      open -= 1;
      isAborted = !outgoing.writableFinished;
    });
    incoming.on("data", (chunk: Buffer) => chunks.push(chunk));
    incoming.on("end", () => {
      const arrived: Arrived = {
        method: incoming.method ?? "",
        path: incoming.url ?? "",
        headers: incoming.headers,
        body: Buffer.concat(chunks),
        get isAborted() {
          return isAborted;
        },
      };
      requests.push(arrived);
      if (requests.length > REQUESTS_MAX) throw new Error("too many requests");
      void script(outgoing, arrived, requests.length - 1);
    });
  });
  server.on("connection", () => (connections += 1));
  await new Promise<void>((resolve) => void server.listen(0, "127.0.0.1", resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    requests,
    get open() {
      return open;
    },
    get connections() {
      return connections;
    },
    answer(next) {
      script = next;
    },
    close: () =>
      new Promise((resolve) => {
        server.closeAllConnections();
        server.close(() => resolve());
      }),
  };
}

export function json(value: unknown, status = 200, headers: Readonly<Record<string, string>> = {}): Script {
  return (outgoing) => {
    outgoing.writeHead(status, { "content-type": "application/json", ...headers });
    outgoing.end(JSON.stringify(value));
  };
}

/** A whole body in pieces of `chunkBytes`, each a write of its own. */
export function stream(
  bytes: Uint8Array | string,
  chunkBytes = Number.POSITIVE_INFINITY,
  type = "text/event-stream; charset=utf-8",
): Script {
  return async (outgoing) => {
    const buffer = Buffer.from(bytes);
    outgoing.writeHead(200, { "content-type": type });
    for (let at = 0; at < buffer.length && !outgoing.destroyed; at += chunkBytes) {
      outgoing.write(buffer.subarray(at, at + Math.min(chunkBytes, buffer.length - at)));
      await new Promise((resolve) => void setImmediate(resolve));
    }
    outgoing.end();
  };
}
