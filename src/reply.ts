/**
 * Where the answer's bytes go: Node's ServerResponse written directly, or a fetch Response (tests, other runtimes).
 *
 * Never a web stream on Node's path: under a client that does not read, a naive bridge grew by hundreds of megabytes, while
 * `write` with `drain` holds what one socket holds.
 */
import type { ServerResponse } from "node:http";

export type ReplyHeaders = Readonly<Record<string, string>>;

export interface Reply {
  /** Whether status and headers have gone out. */
  readonly started: boolean;
  /** Status and headers, exactly once. */
  start(status: number, headers: ReplyHeaders): void;
  /** @returns false when the client reads slower than we write: wait for `onDrain`. */
  write(bytes: Uint8Array | string): boolean;
  /** The answer is complete. */
  end(bytes?: Uint8Array | string): void;
  /** The answer broke off: says so with `last` (an in-band error event) and breaks the connection, so that it cannot pass for an end. */
  fail(last: string): void;
  /** Called each time the client has caught up after `write` returned false. */
  onDrain(listener: () => void): void;
  /** Called once when the client leaves before `end` has been flushed. */
  onGone(listener: () => void): void;
}

/** On Node: straight to the socket. */
export function nodeReply(response: ServerResponse): Reply {
  let started = false;
  return {
    get started() {
      return started;
    },
    start(status, headers) {
      started = true;
      response.writeHead(status, headers);
    },
    write(bytes) {
      return response.destroyed ? true : response.write(bytes);
    },
    end(bytes) {
      if (response.destroyed) return;
      if (bytes === undefined) response.end();
      else response.end(bytes);
    },
    fail(last) {
      if (response.destroyed) return;
      // `end()` would write the terminating chunk: a clean finish. Flush what explains the failure, then cut.
      response.write(last, () => response.destroy());
    },
    onDrain(listener) {
      response.on("drain", listener);
    },
    onGone(listener) {
      response.once("close", () => {
        if (!response.writableFinished) listener();
      });
    },
  };
}

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
  const leave = () => {
    if (ended) return;
    ended = true;
    const listeners = gone;
    gone = [];
    for (const listener of listeners) listener();
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
          pull: () => drain(),
          cancel: leave,
        },
        { highWaterMark: 16 },
      );
      resolve(new Response(status === 204 ? null : body, { status, headers }));
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
      if (last.length > 0) controller?.enqueue(text.encode(last));
      ended = true;
      // The fetch form of a broken connection. What was queued before is still delivered first by closing late.
      controller?.close();
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
