/**
 * Server-sent events on bytes: cuts a stream at its event borders without decoding what is only passed on.
 *
 * Tolerant as the field is: CR, LF and CRLF line ends, a byte-order mark, comments, a last event without its blank line.
 */
const LF = 10;
const CR = 13;

export const SSE_CONTENT_TYPE = "text/event-stream";

/** A comment, which clients skip. */
export function sseComment(text: string): string {
  return `: ${text}\n\n`;
}

export interface SseFrame {
  /** The event as it came, its blank line included. */
  readonly bytes: Uint8Array;
  /** The `event:` field; "" when there is none. */
  readonly event: string;
  /** The `data:` lines joined; `undefined` for a frame without data (comments, keep-alives). */
  readonly data: string | undefined;
}

/** Longest event that is kept together. A longer one is an error: nothing upstream says legally needs it. */
export const SSE_EVENT_BYTES_MAX: number = 32 * 1024 * 1024;

export class SseSplitter {
  #pending: Buffer = Buffer.alloc(0);
  /** What has come behind it without a line break. A long event is put together once, not with every piece. */
  #unbroken: Buffer[] = [];
  #unbrokenBytes = 0;
  /** Where in `#pending` the search for the event's end goes on. */
  #scanned = 0;

  /** Complete events in what has come so far. @throws RangeError when one event exceeds {@link SSE_EVENT_BYTES_MAX}. */
  push(bytes: Uint8Array): SseFrame[] {
    const chunk = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    if (!chunk.includes(LF) && !chunk.includes(CR)) {
      this.#unbroken.push(chunk);
      this.#unbrokenBytes += chunk.length;
      this.#bound();
      return [];
    }
    this.#pending = this.#joined(chunk);
    const frames: SseFrame[] = [];
    let start = 0;
    let at = this.#scanned;
    const breaks = new LineBreaks(this.#pending);
    for (;;) {
      const end = eventEnd(this.#pending, breaks, at);
      if (end < 0) break;
      frames.push(frameOf(this.#pending.subarray(start, end)));
      start = end;
      at = end;
    }
    // The end of an event may straddle chunks: look again from its last three bytes.
    this.#pending = this.#pending.subarray(start);
    this.#scanned = Math.max(0, this.#pending.length - 3);
    this.#bound();
    return frames;
  }

  /** What is left when the stream ended without its last blank line; empty when nothing is. */
  end(): SseFrame[] {
    const rest = this.#joined();
    this.#pending = Buffer.alloc(0);
    this.#scanned = 0;
    return rest.length === 0 ? [] : [frameOf(rest)];
  }

  #joined(...more: readonly Buffer[]): Buffer {
    const parts = [this.#pending, ...this.#unbroken, ...more].filter((part) => part.length > 0);
    this.#unbroken = [];
    this.#unbrokenBytes = 0;
    const [only, ...others] = parts;
    return only !== undefined && others.length === 0 ? only : Buffer.concat(parts);
  }

  #bound(): void {
    if (this.#pending.length + this.#unbrokenBytes > SSE_EVENT_BYTES_MAX)
      throw new RangeError("an event of the stream is too long");
  }
}

/** Where lines break. Each kind of break is searched for once, so that a stream without CRs is not scanned for one again and again. */
class LineBreaks {
  readonly #buffer: Buffer;
  #lf = -1;
  #cr = -1;

  constructor(buffer: Buffer) {
    this.#buffer = buffer;
  }

  /** The first break at or after `from`; the buffer's length when there is none. */
  next(from: number): number {
    if (this.#lf < from) this.#lf = this.#find(LF, from);
    if (this.#cr < from) this.#cr = this.#find(CR, from);
    return Math.min(this.#lf, this.#cr);
  }

  #find(byte: number, from: number): number {
    const at = this.#buffer.indexOf(byte, from);
    return at < 0 ? this.#buffer.length : at;
  }
}

/** Index just after the blank line that ends the first event at or after `from`; -1 when it is not there yet. */
function eventEnd(buffer: Buffer, breaks: LineBreaks, from: number): number {
  let at = from;
  for (;;) {
    const line = breaks.next(at);
    if (line >= buffer.length) return -1;
    const after = lineEnd(buffer, line);
    if (after >= buffer.length) return -1;
    const byte = buffer[after];
    if (byte === LF || byte === CR) return lineEnd(buffer, after);
    at = after;
  }
}

/**
 * Index after the line break that begins at `at`. A CR at the very end of what has come may be half of a CRLF; as the
 * next byte decides nothing but where the frame is cut, it is taken as whole, and a following LF starts the next frame.
 */
function lineEnd(buffer: Buffer, at: number): number {
  if (buffer[at] === LF) return at + 1;
  return buffer[at + 1] === LF ? at + 2 : at + 1;
}

function frameOf(bytes: Buffer): SseFrame {
  const text = bytes.toString("utf8");
  const hasCr = text.includes("\r");
  let event = "";
  let data: string | undefined;
  // Lines are looked at in place, as most frames are one line of data.
  let start = 0;
  while (start < text.length) {
    if (text.charCodeAt(start) === BYTE_ORDER_MARK) start += 1;
    const end = hasCr
      ? Math.min(indexOrEnd(text, "\n", start), indexOrEnd(text, "\r", start))
      : indexOrEnd(text, "\n", start);
    if (isField(text, "data", start, end)) {
      const value = valueOf(text, start + "data".length, end);
      data = data === undefined ? value : `${data}\n${value}`;
    } else if (isField(text, "event", start, end)) {
      event = valueOf(text, start + "event".length, end);
    }
    // The LF of a CRLF makes an empty line of its own, which says nothing.
    start = end + 1;
  }
  return { bytes, event, data };
}

const BYTE_ORDER_MARK = 0xfeff;

function indexOrEnd(text: string, character: string, from: number): number {
  const at = text.indexOf(character, from);
  return at < 0 ? text.length : at;
}

function isField(text: string, name: string, start: number, end: number): boolean {
  const after = start + name.length;
  return text.startsWith(name, start) && (after === end || text[after] === ":");
}

/** From the colon, if there is one: without it and one space. */
function valueOf(text: string, colon: number, end: number): string {
  return text.slice(text[colon + 1] === " " && colon + 1 < end ? colon + 2 : Math.min(colon + 1, end), end);
}
