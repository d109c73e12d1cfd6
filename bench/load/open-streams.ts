/** Many calls at once that stay open: streams that have begun, or calls that nobody answers. */
import { setTimeout as sleep } from "node:timers/promises";
import { Connection } from "./connection.ts";
import { RequestBytes, type CallShape, type Contender } from "./contender.ts";
import { Errors } from "./scenario.ts";
import { LINE_FEEDS_PER_EVENT, type Behaviour } from "./traffic.ts";

export interface OpenShape {
  readonly streams: number;
  readonly behaviour: Behaviour;
  readonly bodyBytes: number;
  /** The usual one by default. */
  readonly call?: CallShape;
}

export interface OpenStreams {
  /** Events that have come, over all streams. */
  events(): number;
  /** Streams that have given one. */
  begun(): number;
  /** Streams that have not begun, or that ended by themselves. */
  readonly errors: Errors;
  leave(): void;
}

const BEGIN_MS_MAX = 10_000;
/** Connections made in one go: fewer than a listener's queue takes. */
const AT_ONCE = 50;

/** Asks without waiting for anything. */
export async function openCalls(contender: Contender, shape: OpenShape): Promise<OpenStreams> {
  const { port } = contender;
  const errors = new Errors();
  let hasLeft = false;
  const connections: Connection[] = [];
  for (let opened = 0; opened < shape.streams; opened += 1) {
    const connection = new Connection(contender);
    connections.push(connection);
    const request = new RequestBytes(port, shape.call ?? contender.usual, shape.behaviour, shape.bodyBytes);
    connection.ask(request.numbered(contender.asked)).then(
      (answer) => errors.add(`it was answered to its end: status ${answer.status}, …${answer.end}`),
      (error: Error) => {
        if (!hasLeft) errors.add(error.message);
      },
    );
    if (opened % AT_ONCE === AT_ONCE - 1) await sleep(10);
  }
  const eventsOf = (connection: Connection) => Math.floor(connection.lineFeeds / LINE_FEEDS_PER_EVENT);
  return {
    events: () => connections.reduce((sum, connection) => sum + eventsOf(connection), 0),
    begun: () => connections.filter((connection) => eventsOf(connection) > 0).length,
    errors,
    leave() {
      hasLeft = true;
      for (const connection of connections) connection.leave();
    },
  };
}

/** Waits until each has given its first event. */
export async function openStreams(contender: Contender, shape: OpenShape): Promise<OpenStreams> {
  const streams = await openCalls(contender, shape);
  const until = performance.now() + BEGIN_MS_MAX;
  while (streams.begun() < shape.streams && streams.errors.count === 0 && performance.now() < until) await sleep(10);
  const missing = shape.streams - streams.begun();
  if (missing > 0) streams.errors.add(`${missing} of ${shape.streams} streams did not begin`);
  return streams;
}
