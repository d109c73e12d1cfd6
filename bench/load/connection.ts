/**
 * One HTTP/1.1 connection to a gateway, on a bare socket: asks, and reads the answer as cheaply as it can, so that the load does
 * not need more of the machine than what is measured.
 */
import { connect, type Socket } from "node:net";

export interface Answer {
  readonly status: number;
  readonly bytes: number;
  readonly lineFeeds: number;
  /** The last characters of the body. */
  readonly end: string;
  /** `performance.now()` when the first byte of the body came. */
  readonly firstByteAt: number;
}

const LF = 10;
const END_BYTES = 64;
const HEAD_END = Buffer.from("\r\n\r\n");
const NOTHING: Buffer = Buffer.alloc(0);

/** Reads one answer after the other, however the bytes are cut. */
export class AnswerReader {
  #rest: Buffer = NOTHING;
  #state: "head" | "length" | "size" | "chunk" | "chunk-end" | "trailer" = "head";
  #remaining = 0;
  #status = 0;
  #bytes = 0;
  #lineFeeds = 0;
  #end: Buffer = NOTHING;
  #firstByteAt = 0;

  /** Line feeds in the body so far. */
  get lineFeeds(): number {
    return this.#lineFeeds;
  }

  /** @returns the answer when it is complete. @throws Error when it is not HTTP as gateways send it. */
  push(piece: Buffer): Answer | undefined {
    const data = this.#rest.length === 0 ? piece : Buffer.concat([this.#rest, piece]);
    this.#rest = NOTHING;
    let at = 0;
    for (;;) {
      switch (this.#state) {
        case "head": {
          const end = data.indexOf(HEAD_END, at);
          if (end < 0) return this.#keep(data, at);
          const isEmpty = this.#begin(data.toString("latin1", at, end + 2));
          at = end + HEAD_END.length;
          if (isEmpty) return this.#complete(data, at);
          break;
        }
        case "length":
          at = this.#take(data, at);
          if (this.#remaining > 0) return undefined;
          return this.#complete(data, at);
        case "size": {
          const line = data.indexOf(LF, at);
          if (line < 0) return this.#keep(data, at);
          this.#remaining = Number.parseInt(data.toString("latin1", at, line), 16);
          if (Number.isNaN(this.#remaining)) throw new Error("a chunk has no size");
          this.#state = this.#remaining === 0 ? "trailer" : "chunk";
          at = line + 1;
          break;
        }
        case "chunk":
          at = this.#take(data, at);
          if (this.#remaining > 0) return undefined;
          this.#state = "chunk-end";
          break;
        case "chunk-end":
          if (data.length - at < 2) return this.#keep(data, at);
          at += 2;
          this.#state = "size";
          break;
        case "trailer": {
          const line = data.indexOf(LF, at);
          if (line < 0) return this.#keep(data, at);
          const isEmpty = line - at <= 1;
          at = line + 1;
          if (isEmpty) return this.#complete(data, at);
          break;
        }
      }
    }
  }

  #keep(data: Buffer, at: number): undefined {
    this.#rest = data.subarray(at);
  }

  /** @returns whether there is no body. */
  #begin(head: string): boolean {
    this.#status = Number(head.slice(9, 12));
    this.#bytes = 0;
    this.#lineFeeds = 0;
    this.#end = NOTHING;
    this.#firstByteAt = 0;
    const length = /\r\ncontent-length: *(\d+)\r/i.exec(head)?.[1];
    if (length !== undefined) {
      this.#state = "length";
      this.#remaining = Number(length);
      return this.#remaining === 0;
    }
    if (!/\r\ntransfer-encoding: *chunked\r/i.test(head)) throw new Error("an answer has neither a length nor chunks");
    this.#state = "size";
    return false;
  }

  #take(data: Buffer, at: number): number {
    const until = Math.min(data.length, at + this.#remaining);
    if (until === at) return at;
    if (this.#firstByteAt === 0) this.#firstByteAt = performance.now();
    this.#remaining -= until - at;
    this.#bytes += until - at;
    const part = data.subarray(at, until);
    for (let line = part.indexOf(LF); line >= 0; line = part.indexOf(LF, line + 1)) this.#lineFeeds += 1;
    this.#end = part.length >= END_BYTES ? part : Buffer.concat([this.#end, part]).subarray(-END_BYTES);
    return until;
  }

  #complete(data: Buffer, at: number): Answer {
    this.#state = "head";
    if (at < data.length) throw new Error("more came than was asked for");
    return {
      status: this.#status,
      bytes: this.#bytes,
      lineFeeds: this.#lineFeeds,
      end: this.#end.toString("latin1", Math.max(0, this.#end.length - END_BYTES)),
      firstByteAt: this.#firstByteAt,
    };
  }
}

/** Who is asked. */
export interface Asked {
  readonly port: number;
  /** Requests sent to it. */
  asked: number;
}

export class Connection {
  readonly #asked: Asked;
  #reader = new AnswerReader();
  #socket: Socket | undefined;
  #waiting: { readonly resolve: (answer: Answer) => void; readonly reject: (error: Error) => void } | undefined;

  constructor(asked: Asked) {
    this.#asked = asked;
  }

  /** Line feeds of the answer that is being read. */
  get lineFeeds(): number {
    return this.#reader.lineFeeds;
  }

  /** One at a time. The connection is made when there is none, or none any more. @throws Error when it breaks before the answer's end. */
  ask(request: Buffer): Promise<Answer> {
    return new Promise((resolve, reject) => {
      this.#waiting = { resolve, reject };
      this.#asked.asked += 1;
      (this.#socket ?? this.#connect()).write(request);
    });
  }

  leave(): void {
    this.#fail(new Error("left"));
    this.#socket?.destroy();
  }

  #connect(): Socket {
    const socket = connect({ port: this.#asked.port, host: "127.0.0.1", noDelay: true });
    this.#socket = socket;
    this.#reader = new AnswerReader();
    socket.on("data", (piece) => {
      let answer: Answer | undefined;
      try {
        answer = this.#reader.push(piece);
      } catch (error) {
        this.#fail(error as Error);
        socket.destroy();
      }
      if (answer === undefined) return;
      const waiting = this.#waiting;
      this.#waiting = undefined;
      waiting?.resolve(answer);
    });
    socket.on("error", (error) => this.#fail(error));
    socket.on("close", () => {
      if (this.#socket === socket) this.#socket = undefined;
      this.#fail(new Error("the connection was closed before the answer's end"));
    });
    return socket;
  }

  #fail(error: Error): void {
    const waiting = this.#waiting;
    this.#waiting = undefined;
    waiting?.reject(error);
  }
}
