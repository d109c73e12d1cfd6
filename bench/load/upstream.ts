/**
 * The provider of the measurement, as a process of its own: reads as little of a request as it can and answers as it says.
 *
 * On bare sockets, because it shares a core with the load: what it costs is taken from both. Bodies need a `content-length`.
 * Started with a backlog it is the address that does not accept (see `hole.ts`).
 */
import { createServer, type AddressInfo, type Socket } from "node:net";
import { burstEvents, pacedEvent, wholeAnswer } from "./traffic.ts";

/** `release` breaks off everything that is open; either is answered with the stats. */
export type UpstreamCommand = "stats" | "release";

/** What it tells its parent at its start and after each command. */
export interface UpstreamStats {
  readonly port: number;
  /** Requests that have arrived whole. */
  readonly arrived: number;
  /** Requests that are held or streamed to now. */
  readonly open: number;
}

const TICK_MS = 5;
/** A paced stream ends by itself after this long: nothing here runs for ever. */
const PACED_TICKS_MAX = 120_000 / TICK_MS;

const WHOLE = withLength(wholeAnswer());
const STREAM_HEAD = Buffer.from(
  "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream; charset=utf-8\r\nx-request-id: bench\r\ntransfer-encoding: chunked\r\n\r\n",
);
/** Each event in an HTTP chunk of its own, all in one write, as a server that writes them in one go sends them. */
const BURST = Buffer.concat([STREAM_HEAD, ...burstEvents().map(chunk), Buffer.from("0\r\n\r\n")]);
const PACED_EVENT = chunk(pacedEvent());
const PACED_BEGIN = Buffer.concat([STREAM_HEAD, PACED_EVENT]);
const HEAD_END = Buffer.from("\r\n\r\n");

interface PacedStream {
  readonly socket: Socket;
  readonly everyTicks: number;
  readonly phase: number;
  readonly untilTick: number;
}

let arrived = 0;
let ticks = 0;
const held = new Set<Socket>();
const paced = new Map<Socket, PacedStream>();

const server = createServer({ noDelay: true }, (socket) => {
  let rest: Buffer = Buffer.alloc(0);
  socket.on("data", (piece) => {
    rest = rest.length === 0 ? piece : Buffer.concat([rest, piece]);
    const headEnd = rest.indexOf(HEAD_END);
    if (headEnd < 0) return;
    const length = /\r\ncontent-length: *(\d+)/i.exec(rest.toString("latin1", 0, headEnd + 2))?.[1];
    if (length === undefined) return void socket.end("HTTP/1.1 411 Length Required\r\ncontent-length: 0\r\n\r\n");
    const end = headEnd + HEAD_END.length + Number(length);
    if (rest.length < end) return;
    const body = rest.subarray(headEnd + HEAD_END.length, end);
    rest = rest.subarray(end);
    arrived += 1;
    answer(socket, behaviourIn(body));
  });
  socket.on("close", () => {
    held.delete(socket);
    paced.delete(socket);
  });
  socket.on("error", () => socket.destroy());
});

function behaviourIn(body: Buffer): string {
  const mark = '"bench-';
  const start = body.indexOf(mark);
  if (start < 0) return "";
  return body.toString("latin1", start + mark.length, body.indexOf('"', start + mark.length));
}

function answer(socket: Socket, behaviour: string): void {
  if (behaviour === "whole") {
    socket.write(WHOLE);
  } else if (behaviour === "burst") {
    socket.write(BURST);
  } else if (behaviour === "hold") {
    held.add(socket);
  } else if (behaviour.startsWith("paced-")) {
    const everyTicks = Math.max(1, Math.round(Number(behaviour.slice("paced-".length)) / TICK_MS));
    paced.set(socket, { socket, everyTicks, phase: arrived % everyTicks, untilTick: ticks + PACED_TICKS_MAX });
    socket.write(PACED_BEGIN);
  } else {
    socket.end("HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n");
  }
}

setInterval(() => {
  ticks += 1;
  for (const { socket, everyTicks, phase, untilTick } of paced.values()) {
    if (ticks >= untilTick) socket.destroy();
    else if (ticks % everyTicks === phase) socket.write(PACED_EVENT);
  }
}, TICK_MS);

function withLength(body: string): Buffer {
  return Buffer.from(
    `HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nx-request-id: bench\r\ncontent-length: ${Buffer.byteLength(body)}\r\n\r\n${body}`,
  );
}

function chunk(text: string): Buffer {
  return Buffer.from(`${Buffer.byteLength(text).toString(16)}\r\n${text}\r\n`);
}

const backlog = Number(process.argv[2] ?? 1_024);
server.listen({ host: "127.0.0.1", port: 0, backlog }, tell);
process.on("message", (command: UpstreamCommand) => {
  if (command === "release") for (const socket of [...held, ...paced.keys()]) release(socket);
  tell();
});
process.on("disconnect", () => process.exit(0));

function release(socket: Socket): void {
  held.delete(socket);
  paced.delete(socket);
  socket.destroy();
}

function tell(): void {
  const stats: UpstreamStats = {
    port: (server.address() as AddressInfo).port,
    arrived,
    open: held.size + paced.size,
  };
  process.send?.(stats);
}
