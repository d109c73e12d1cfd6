/**
 * Where the answer's bytes go: Node's ServerResponse written directly, or a fetch Response (tests, other runtimes).
 *
 * Never a web stream on Node's path: under a client that does not read, a naive bridge grew by hundreds of megabytes, while
 * `write` with `drain` holds what one socket holds.
 */
import type { IncomingMessage, ServerResponse } from "node:http";

export type ReplyHeaders = Readonly<Record<string, string>>;

export interface Reply {
  /** Whether status and headers have gone out. */
  readonly started: boolean;
  /** Status and headers, exactly once. */
  start(status: number, headers: ReplyHeaders): void;
  /**
   * The first bytes are on their way when it returns: what is done behind them keeps nobody waiting.
   *
   * @returns false when the client reads slower than we write: wait for `onDrain`.
   */
  write(bytes: Uint8Array | string): boolean;
  /** The answer is complete. */
  end(bytes?: Uint8Array | string): void;
  /** The answer broke off: says so with `last` (an in-band error event) and breaks the connection, so that it cannot pass for an end. */
  fail(last: Uint8Array | string): void;
  /** Called each time the client has caught up after `write` returned false. */
  onDrain(listener: () => void): void;
  /** Called once when the client leaves before `end` has been flushed. */
  onGone(listener: () => void): void;
}

/** How long a client may take to read why its answer broke off. */
const FLUSH_MS = 5_000;
/** How long a client that was refused while it sent its body may go on sending, and how long it may pause. */
const SENDING_MS = 30_000;
const SENDING_IDLE_MS = 500;

/** On Node: straight to the socket. */
export function nodeReply(response: ServerResponse): Reply {
  return new NodeReply(response);
}

/**
 * A class, not an object with a getter: V8 makes each such object a shape of its own, which holds the getter's closure, and so
 * everything of the call, until the next full collection (measured: a third of a stream's processor time went to that).
 */
class NodeReply implements Reply {
  readonly #response: ServerResponse;
  #started = false;
  #hasWritten = false;

  constructor(response: ServerResponse) {
    this.#response = response;
  }

  get started(): boolean {
    return this.#started;
  }

  start(status: number, headers: ReplyHeaders): void {
    this.#started = true;
    this.#response.writeHead(status, sendable(headers));
  }

  write(bytes: Uint8Array | string): boolean {
    const response = this.#response;
    if (response.destroyed) return true;
    const isTaken = response.write(bytes);
    if (this.#hasWritten) return isTaken;
    this.#hasWritten = true;
    // Node corks its socket with a turn's first write, until the turn's end.
    response.socket?.uncork();
    return isTaken;
  }

  end(bytes?: Uint8Array | string): void {
    const response = this.#response;
    if (response.destroyed) return;
    if (response.req.complete) {
      if (bytes === undefined) response.end();
      else response.end(bytes);
      return;
    }
    if (bytes !== undefined) response.write(bytes);
    whenSent(response.req, () => response.end());
  }

  fail(last: Uint8Array | string): void {
    const response = this.#response;
    if (response.destroyed) return;
    // `end()` would write the terminating chunk: a clean finish. Flush what explains the failure, then cut; a client that does
    // not read is cut without it.
    const cut = () => response.destroy();
    const timer = setTimeout(cut, FLUSH_MS).unref();
    response.once("close", () => clearTimeout(timer));
    response.write(last, cut);
  }

  onDrain(listener: () => void): void {
    this.#response.on("drain", listener);
  }

  onGone(listener: () => void): void {
    const response = this.#response;
    response.once("close", () => {
      if (!response.writableFinished) listener();
    });
  }
}

/** A header of the upstream's in another script (a request id, say) would be refused by Node, and the whole answer with it. */
function sendable(headers: ReplyHeaders): Record<string, string> {
  const sent: Record<string, string> = {};
  for (const [name, value] of Object.entries(headers)) {
    sent[name] = UNSENDABLE.test(value) ? value.replaceAll(new RegExp(UNSENDABLE, "gu"), "?") : value;
  }
  return sent;
}

const UNSENDABLE = /[^\t\x20-\x7e\x80-\xff]/u;

/**
 * Reads and drops what is left of a request's body, within bounds. Closing the connection under a client that is still sending
 * resets it, and the answer is lost with it.
 */
function whenSent(request: IncomingMessage, done: () => void): void {
  let idle: NodeJS.Timeout | undefined;
  const finish = () => {
    clearTimeout(idle);
    clearTimeout(total);
    request.off("data", more);
    request.off("close", finish);
    request.off("end", finish);
    done();
  };
  const more = () => {
    clearTimeout(idle);
    idle = setTimeout(finish, SENDING_IDLE_MS);
  };
  const total = setTimeout(finish, SENDING_MS);
  more();
  request.on("data", more);
  request.once("end", finish);
  request.once("close", finish);
  request.resume();
}

/** Chunks that may wait for the reader of a fetch Response. */
const QUEUE_CHUNKS = 16;

/** As a fetch Response: `response` resolves when the head is known. */
export function fetchReply(signal: AbortSignal | undefined): {
  readonly reply: Reply;
  readonly response: Promise<Response>;
} {
  let resolve: (response: Response) => void;
  const response = new Promise<Response>((settle) => {
    resolve = settle;
  });
  let started = false;
  let ended = false;
  let controller: ReadableStreamDefaultController<Uint8Array> | undefined;
  let drain: () => void = () => {};
  let gone: (() => void)[] = [];
  let failing = false;
  const breakOff = () => controller?.error(new Error("the answer broke off"));
  const leave = () => {
    if (ended) return;
    ended = true;
    const listeners = gone;
    gone = [];
    for (const listener of listeners) listener();
    // Nobody reads it; but whoever serves waits for one.
    if (!started) resolve(new Response(null, { status: 499 }));
  };
  signal?.addEventListener("abort", leave, { once: true });
  const text = new TextEncoder();
  const bytesOf = (bytes: Uint8Array | string) => (typeof bytes === "string" ? text.encode(bytes) : bytes);

  const reply: Reply = {
    get started() {
      return started;
    },
    start(status, headers) {
      started = true;
      const body = new ReadableStream<Uint8Array>(
        {
          start: (own) => {
            controller = own;
          },
          pull: (own) => {
            if (!failing) drain();
            else if (own.desiredSize === QUEUE_CHUNKS) breakOff();
          },
          cancel: leave,
        },
        { highWaterMark: QUEUE_CHUNKS },
      );
      resolve(new Response(status === 204 ? null : body, { status, headers: sendable(headers) }));
    },
    write(bytes) {
      if (ended) return true;
      const chunk = bytesOf(bytes);
      if (chunk.length > 0) controller?.enqueue(chunk);
      return (controller?.desiredSize ?? 1) > 0;
    },
    end(bytes) {
      if (ended) return;
      if (bytes !== undefined && bytes.length > 0) controller?.enqueue(bytesOf(bytes));
      ended = true;
      controller?.close();
    },
    fail(last) {
      if (ended) return;
      ended = true;
      // The fetch form of a broken connection. An error discards what is queued: it waits until that has been read.
      failing = true;
      if (last.length > 0) controller?.enqueue(bytesOf(last));
      if (controller?.desiredSize === QUEUE_CHUNKS) breakOff();
    },
    onDrain(listener) {
      drain = listener;
    },
    onGone(listener) {
      gone.push(listener);
      if (signal?.aborted === true) leave();
    },
  };
  return { reply, response };
}
