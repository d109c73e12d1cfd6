/**
 * The HTTP server around the app: its bounds, and what is answered to those who do not get as far as a route.
 */
import { createServer, type Server } from "node:http";
import type { Socket } from "node:net";
import { serve, type HttpBindings } from "@hono/node-server";

export interface ServerOptions {
  readonly host: string;
  /** 0 takes a free one. */
  readonly port: number;
  /** All request headers together. */
  readonly headerBytesMax: number;
}

export interface RunningServer {
  /** With the port that it got. */
  readonly url: string;
  /** No new connections; the idle ones are closed, those with a call on them live until it ends. Resolves when all are gone. */
  close(): Promise<void>;
  /** Cuts what still runs. */
  cut(): void;
}

/** Above what load balancers use (60 s), so that it is they who close idle connections. */
const KEEP_ALIVE_MS = 75_000;
const HEADERS_MS = 80_000;
/** A whole request, its body included. */
const REQUEST_MS = 300_000;

/** While closing: how often connections that have become idle are closed. */
const IDLE_CHECK_MS = 50;

/**
 * @throws the listen error (`EADDRINUSE` …).
 * @example
 * const server = await startServer(createApp(sluice).fetch, { host: "127.0.0.1", port: 0, headerBytesMax: 32_768 });
 */
export function startServer(
  fetch: (request: Request, bindings: Partial<HttpBindings>) => Response | Promise<Response>,
  options: ServerOptions,
): Promise<RunningServer> {
  return new Promise((resolve, reject) => {
    const server = serve(
      {
        fetch: (request, bindings) => fetch(request, bindings as HttpBindings),
        hostname: options.host,
        port: options.port,
        createServer,
        serverOptions: {
          maxHeaderSize: options.headerBytesMax,
          keepAliveTimeout: KEEP_ALIVE_MS,
          headersTimeout: HEADERS_MS,
          requestTimeout: REQUEST_MS,
        },
      },
      (address) => resolve(running(server, `http://${hostText(options.host)}:${address.port}`)),
    ) as Server;
    server.once("error", reject);
    server.on("clientError", refuseUnread);
  });
}

function running(server: Server, url: string): RunningServer {
  // Node counts a connection that never had a request as busy: opened in advance, it would hold up the end.
  const unused = new Set<Socket>();
  server.on("connection", (socket) => {
    unused.add(socket);
    socket.once("close", () => unused.delete(socket));
  });
  server.on("request", ({ socket }) => unused.delete(socket));
  return {
    url,
    close: () =>
      new Promise((resolve) => {
        // Node closes what is idle now; a connection whose last answer is still on its way would be kept alive after it.
        const idle = setInterval(() => server.closeIdleConnections(), IDLE_CHECK_MS);
        server.close(() => {
          clearInterval(idle);
          resolve();
        });
        server.closeIdleConnections();
        for (const socket of unused) socket.destroy();
      }),
    cut: () => server.closeAllConnections(),
  };
}

/** No route and so no dialect is known yet: the body has the fields that both official SDKs read. */
function refuseUnread(error: NodeJS.ErrnoException, socket: Socket): void {
  if (error.code === "ECONNRESET" || !socket.writable) return;
  const [status, reason, message] =
    error.code === "HPE_HEADER_OVERFLOW"
      ? [431, "Request Header Fields Too Large", "the request's headers are too large"]
      : error.code === "ERR_HTTP_REQUEST_TIMEOUT"
        ? [408, "Request Timeout", "the request did not arrive in time"]
        : [400, "Bad Request", "the request is not valid HTTP/1.1"];
  const body = JSON.stringify({
    type: "error",
    error: { type: "invalid_request_error", message, code: null, param: null },
  });
  socket.end(
    `HTTP/1.1 ${status} ${reason}\r\ncontent-type: application/json\r\ncontent-length: ${Buffer.byteLength(body)}\r\nconnection: close\r\n\r\n${body}`,
  );
}

function hostText(host: string): string {
  return host.includes(":") ? `[${host}]` : host;
}
