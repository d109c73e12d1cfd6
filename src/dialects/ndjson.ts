/**
 * JSON lines on bytes: cuts a stream at its line ends without decoding what is only passed on.
 *
 * Tolerant as the field is: LF, CRLF and CR line ends, blank lines, a last line without its end.
 */
import { bufferOn } from "../json-scan.ts";

const LF = 10;
const CR = 13;

export const NDJSON_CONTENT_TYPE = "application/x-ndjson";

/** Longest line that is kept together. A longer one is an error: nothing upstream says legally needs it. */
export const NDJSON_LINE_BYTES_MAX: number = 32 * 1024 * 1024;

export class NdjsonSplitter {
  /** The beginning of a line whose end has not come: the first `#length` bytes. */
  #held: Buffer = NOTHING;
  #length = 0;

  /**
   * Complete lines in what has come so far, their ends included; joined, they are the bytes that came.
   *
   * @throws RangeError when one line exceeds {@link NDJSON_LINE_BYTES_MAX}.
   */
  push(bytes: Uint8Array): Buffer[] {
    const chunk = bufferOn(bytes);
    const breaks = new LineBreaks(chunk);
    const lines: Buffer[] = [];
    let start = 0;
    for (let end = breaks.endAfter(start); end >= 0; end = breaks.endAfter(start)) {
      lines.push(this.#line(chunk.subarray(start, end)));
      start = end;
    }
    if (start < chunk.length) this.#hold(chunk.subarray(start));
    return lines;
  }

  /** What is left when the stream ended without a line end; empty when nothing is. */
  end(): Buffer[] {
    return this.#length === 0 ? [] : [this.#line(NOTHING)];
  }

  #line(last: Buffer): Buffer {
    if (this.#length === 0) return last;
    if (last.length > 0) this.#hold(last);
    const line = this.#held.subarray(0, this.#length);
    // Whoever has the line keeps its memory.
    this.#held = NOTHING;
    this.#length = 0;
    return line;
  }

  /** Grows by doubling: a line that comes byte by byte is copied a few times, not once per byte. */
  #hold(part: Buffer): void {
    const length = this.#length + part.length;
    if (length > NDJSON_LINE_BYTES_MAX) throw new RangeError("a line of the stream is too long");
    if (length > this.#held.length) {
      const grown = Buffer.allocUnsafe(Math.max(length, 2 * this.#held.length));
      this.#held.copy(grown, 0, 0, this.#length);
      this.#held = grown;
    }
    part.copy(this.#held, this.#length);
    this.#length = length;
  }
}

const NOTHING: Buffer = Buffer.alloc(0);

/** Where lines end. Each kind of break is searched for once, so that a stream without CRs is not scanned for one at every line. */
class LineBreaks {
  readonly #buffer: Buffer;
  #lf = -1;
  #cr = -1;

  constructor(buffer: Buffer) {
    this.#buffer = buffer;
  }

  /**
   * Index after the first line break at or after `from`; -1 when there is none. A CR at the very end of what has come may be half
   * of a CRLF: it is taken as whole, and a following LF is a blank line.
   */
  endAfter(from: number): number {
    if (this.#lf < from) this.#lf = this.#find(LF, from);
    if (this.#cr < from) this.#cr = this.#find(CR, from);
    const at = Math.min(this.#lf, this.#cr);
    if (at >= this.#buffer.length) return -1;
    return at === this.#cr && this.#lf === at + 1 ? at + 2 : at + 1;
  }

  #find(byte: number, from: number): number {
    const at = this.#buffer.indexOf(byte, from);
    return at < 0 ? this.#buffer.length : at;
  }
}
