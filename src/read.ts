/**
 * Reading an upstream's body: whole and bounded, or as a stream that can be begun (until its first good event) and then run.
 */
import type { ChatEvent } from "./chat.ts";
import type { Decoder, Watcher } from "./dialects/dialect.ts";
import { UpstreamFailure, type UpstreamBody } from "./upstream.ts";

/** One step of a stream: what it told, and on the same-dialect lane its very bytes. */
export interface Piece {
  readonly events: readonly ChatEvent[];
  readonly bytes: Uint8Array | undefined;
  readonly isDelta: boolean;
  readonly usageOnly: boolean;
  readonly paddingBytes?: number;
  readonly callId?: string;
}

/** @throws UpstreamFailure when it breaks or is larger than the bound. */
export function readWhole(body: UpstreamBody, bytesMax: number): Promise<Uint8Array> {
  return new Promise((resolve, reject) => {
    const chunks: Uint8Array[] = [];
    let bytes = 0;
    body.read({
      data(chunk) {
        bytes += chunk.length;
        if (bytes <= bytesMax) {
          chunks.push(chunk);
          return;
        }
        body.abort();
        reject(new UpstreamFailure("upstream-failed", `the provider's answer is larger than ${bytesMax} bytes`, true));
      },
      end: () => resolve(chunks.length === 1 && chunks[0] !== undefined ? chunks[0] : Buffer.concat(chunks)),
      error: reject,
    });
  });
}

export interface PieceSink {
  pieces(pieces: readonly Piece[]): void;
  /** The body ended as HTTP sees it; the last pieces (which may be an error event) have been given. */
  end(): void;
  error(failure: UpstreamFailure): void;
}

/** How the rest of the stream waits while nobody has asked for it. */
type Ending = { readonly kind: "end" } | { readonly kind: "error"; readonly failure: UpstreamFailure };

/** How the bytes of one lane become pieces. */
interface PieceSource {
  push(bytes: Uint8Array): readonly Piece[];
  end(): readonly Piece[];
}

/** Same dialect: frames keep their bytes. */
export function watched(watcher: Watcher): PieceSource {
  return watcher;
}

/** Other dialect: events only. */
export function decoded(decoder: Decoder): PieceSource {
  const piece = (events: readonly ChatEvent[]): Piece[] =>
    events.length === 0 ? [] : [{ events, bytes: undefined, isDelta: false, usageOnly: false }];
  return { push: (bytes) => piece(decoder.push(bytes)), end: () => piece(decoder.end()) };
}

export class StreamReader {
  readonly #source: PieceSource;
  #body: UpstreamBody | undefined;
  #sink: PieceSink | undefined;
  #waiting: Piece[] = [];
  #ending: Ending | undefined;

  constructor(source: PieceSource) {
    this.#source = source;
  }

  /**
   * Reads until the first event. Resolves with all pieces so far; what follows is kept for `run`.
   *
   * @throws UpstreamFailure when the body broke before any event.
   */
  begin(body: UpstreamBody): Promise<readonly Piece[]> {
    this.#body = body;
    return new Promise((resolve, reject) => {
      const begun = () => {
        this.#sink = undefined;
        const pieces = this.#waiting;
        this.#waiting = [];
        resolve(pieces);
      };
      this.#sink = {
        pieces: (pieces) => {
          this.#waiting.push(...pieces);
          if (this.#waiting.some((piece) => piece.isDelta || piece.events.length > 0)) begun();
        },
        end: () => {
          this.#ending = { kind: "end" };
          begun();
        },
        error: reject,
      };
      body.read({
        data: (chunk) => this.#give(this.#read(() => this.#source.push(chunk))),
        end: () => {
          this.#give(this.#read(() => this.#source.end()));
          if (this.#sink === undefined) this.#ending = { kind: "end" };
          else this.#sink.end();
        },
        error: (failure) => {
          if (this.#sink === undefined) this.#ending = { kind: "error", failure };
          else this.#sink.error(failure);
        },
      });
    });
  }

  /** Gives everything that follows to the sink, beginning with what came since `begin`. */
  run(sink: PieceSink): void {
    this.#sink = sink;
    if (this.#waiting.length > 0) {
      const pieces = this.#waiting;
      this.#waiting = [];
      sink.pieces(pieces);
    }
    if (this.#ending?.kind === "end") sink.end();
    else if (this.#ending?.kind === "error") sink.error(this.#ending.failure);
    else this.#body?.resume();
  }

  #give(pieces: readonly Piece[]): void {
    if (pieces.length === 0) return;
    if (this.#sink === undefined) this.#waiting.push(...pieces);
    else this.#sink.pieces(pieces);
  }

  /** A codec must not throw; if one does, it is an answer that cannot be read, and not the end of the process. */
  #read(read: () => readonly Piece[]): readonly Piece[] {
    try {
      return read();
    } catch (error) {
      return [brokenPiece(error)];
    }
  }
}

function brokenPiece(error: unknown): Piece {
  const message = error instanceof RangeError ? error.message : "the provider's stream cannot be read";
  return {
    events: [{ type: "error", error: { status: 502, message, ours: true } }],
    bytes: undefined,
    isDelta: false,
    usageOnly: false,
  };
}
