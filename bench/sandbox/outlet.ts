/**
 * The way out for one answer's bytes: waits for a client that reads slowly, stops for one that has left, and puts the bytes on the wire
 * as oddly as it was told to.
 */
import type { ServerResponse } from "node:http";

export class Outlet {
  readonly #response: ServerResponse;
  /** Largest write; absent: as given. */
  chunkBytes: number | undefined;
  readonly #left = new AbortController();
  #isOurEnd = false;

  constructor(response: ServerResponse) {
    this.#response = response;
    response.once("close", () => {
      if (!response.writableFinished && !this.#isOurEnd) this.#left.abort();
    });
    // A client that has gone is told by `close`; there is nobody else to tell.
    response.on("error", () => {});
  }

  /** Aborts when the client leaves before the end. */
  get left(): AbortSignal {
    return this.#left.signal;
  }

  head(status: number, headers: Readonly<Record<string, string>>): void {
    if (!this.#response.destroyed) this.#response.writeHead(status, headers);
  }

  /** Sends the head without waiting for a body. */
  flush(): void {
    this.#response.flushHeaders();
  }

  /** Resolves when there is room for more. */
  async write(bytes: Buffer): Promise<void> {
    const size = this.chunkBytes;
    if (size === undefined || size >= bytes.length) return this.#push(bytes);
    for (let start = 0; start < bytes.length && !this.left.aborted; start += size) {
      await this.#push(bytes.subarray(start, start + size));
      // Pieces written in one turn would leave in one packet.
      await new Promise((resolve) => void setImmediate(resolve));
    }
  }

  end(): void {
    this.#response.end();
  }

  /** Ends the connection in the middle. */
  cut(): void {
    this.#isOurEnd = true;
    this.#response.destroy();
  }

  /** Resets the connection: what a crashed peer looks like. */
  reset(): void {
    this.#isOurEnd = true;
    const { socket } = this.#response;
    if (socket === null) this.#response.destroy();
    else if ("resetAndDestroy" in socket) socket.resetAndDestroy();
  }

  async #push(bytes: Buffer): Promise<void> {
    if (this.#left.signal.aborted || this.#response.destroyed) return;
    if (this.#response.write(bytes)) return;
    await new Promise<void>((resolve) => {
      const done = () => {
        this.#response.off("drain", done);
        this.#response.off("close", done);
        resolve();
      };
      this.#response.once("drain", done);
      this.#response.once("close", done);
    });
  }
}
