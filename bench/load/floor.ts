/**
 * The least that a gateway on this runtime can do, as a process of its own: bytes in by `node:http`, bytes out by undici's
 * dispatcher. No key, no parsing, no record. What Sluice costs above it is what Sluice does.
 *
 *     node floor.ts <port> <upstream's port> <hole's port>
 */
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import { Agent, type Dispatcher } from "undici";
import { HOLE_PATH } from "./traffic.ts";

const [port, upstreamPort, holePort] = process.argv.slice(2).map(Number);
const agent = new Agent({ headersTimeout: 0, bodyTimeout: 0, pipelining: 1 });
const DROPPED: ReadonlySet<string> = new Set(["host", "connection", "keep-alive", "transfer-encoding"]);

const server = createServer((incoming, outgoing) => {
  const chunks: Buffer[] = [];
  incoming.on("data", (chunk: Buffer) => chunks.push(chunk));
  incoming.on("end", () => forward(incoming, Buffer.concat(chunks), outgoing));
});

function forward(incoming: IncomingMessage, body: Buffer, outgoing: ServerResponse): void {
  const path = incoming.url ?? "/";
  const isHole = path.startsWith(HOLE_PATH);
  const forwarding = new Forwarding(outgoing);
  agent.dispatch(
    {
      origin: `http://127.0.0.1:${isHole ? holePort : upstreamPort}`,
      path: isHole ? path.slice(HOLE_PATH.length) : path,
      method: "POST",
      headers: kept(incoming.headers),
      body,
    },
    forwarding,
  );
}

class Forwarding implements Dispatcher.DispatchHandler {
  readonly #outgoing: ServerResponse;
  #controller: Dispatcher.DispatchController | undefined;

  constructor(outgoing: ServerResponse) {
    this.#outgoing = outgoing;
    outgoing.on("close", () => {
      if (!outgoing.writableFinished) this.#controller?.abort(new Error("the client left"));
    });
    outgoing.on("drain", () => this.#controller?.resume());
  }

  onRequestStart(controller: Dispatcher.DispatchController): void {
    this.#controller = controller;
    // Queued when the client left: it has had no controller to be aborted by.
    if (this.#outgoing.destroyed) controller.abort(new Error("the client left"));
  }

  onResponseStart(
    _controller: Dispatcher.DispatchController,
    status: number,
    headers: Readonly<Record<string, string | string[] | undefined>>,
  ): void {
    this.#outgoing.writeHead(status, kept(headers));
  }

  onResponseData(controller: Dispatcher.DispatchController, chunk: Buffer): void {
    if (!this.#outgoing.write(chunk)) controller.pause();
  }

  onResponseEnd(): void {
    this.#outgoing.end();
  }

  onResponseError(): void {
    this.#outgoing.destroy();
  }
}

function kept(
  headers: Readonly<Record<string, string | string[] | undefined>>,
): Record<string, string | string[] | undefined> {
  return Object.fromEntries(Object.entries(headers).filter(([name]) => !DROPPED.has(name)));
}

server.listen(port, "127.0.0.1");
