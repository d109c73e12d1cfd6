import fc from "fast-check";
import { describe, expect, test, vi } from "vitest";
import { NDJSON_LINE_BYTES_MAX, NdjsonSplitter } from "../src/dialects/ndjson.ts";

function split(text: string | Uint8Array, sizes: readonly number[] = []): string[] {
  const bytes = Buffer.from(text);
  const splitter = new NdjsonSplitter();
  const lines: Buffer[] = [];
  let at = 0;
  for (const size of sizes) {
    lines.push(...splitter.push(bytes.subarray(at, at + size)));
    at += size;
  }
  lines.push(...splitter.push(bytes.subarray(at)), ...splitter.end());
  return lines.map((line) => line.toString("latin1"));
}

describe("a stream of lines", () => {
  test.each([
    ["LF", "a\nb\n", ["a\n", "b\n"]],
    ["CRLF", "a\r\nb\r\n", ["a\r\n", "b\r\n"]],
    ["CR", "a\rb\r", ["a\r", "b\r"]],
    ["a mixture", "a\rb\nc\r\nd", ["a\r", "b\n", "c\r\n", "d"]],
    ["blank lines", "\n\na\n\r\nb\n", ["\n", "\n", "a\n", "\r\n", "b\n"]],
    ["no end of its last line", "a\nb", ["a\n", "b"]],
    ["nothing in it", "", []],
  ])("with %s is cut at its line ends", (_what, text, lines) => {
    expect(split(text)).toEqual(lines);
  });

  test("gives the same lines in any chunking, but for a CRLF that was torn, whose LF is a blank line", () => {
    const piece = fc.oneof(fc.string(), fc.constantFrom("\n", "\r\n", "\r", '{"a":1}\n'));
    const sizes = fc.array(fc.nat(9), { maxLength: 40 });
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 20 }), sizes, (pieces, chunks) => {
        const text = Buffer.from(pieces.join(""));
        const torn = split(text, chunks);
        expect(torn.join("")).toBe(text.toString("latin1"));
        const said = (lines: readonly string[]) => lines.map((line) => line.trim()).filter((line) => line !== "");
        expect(said(torn)).toEqual(said(split(text)));
        for (const line of torn.slice(0, -1)) expect(line).toMatch(/[\r\n]$/);
      }),
    );
  });

  test("keeps the bytes of a line that came in one chunk where they are", () => {
    const chunk = Buffer.from("one\ntwo\n");
    const [first] = new NdjsonSplitter().push(chunk);
    expect(first?.buffer).toBe(chunk.buffer);
    expect(first?.byteOffset).toBe(chunk.byteOffset);
  });

  test("does not change a line it has given when more comes", () => {
    const splitter = new NdjsonSplitter();
    splitter.push(Buffer.from("on"));
    const [first] = splitter.push(Buffer.from("e\ntw"));
    splitter.push(Buffer.from("o\nthree\n"));
    expect(first?.toString()).toBe("one\n");
  });
});

describe("a line without an end", () => {
  test("is an error as soon as it is longer than the bound, and not before", () => {
    const half = Buffer.alloc(NDJSON_LINE_BYTES_MAX / 2, "a");
    const splitter = new NdjsonSplitter();
    splitter.push(half);
    splitter.push(half);
    expect(() => splitter.push(Buffer.from("a"))).toThrow(RangeError);
  });

  test("may be as long as the bound", () => {
    const splitter = new NdjsonSplitter();
    splitter.push(Buffer.alloc(NDJSON_LINE_BYTES_MAX - 1, "a"));
    expect(splitter.push(Buffer.from("\n"))[0]?.length).toBe(NDJSON_LINE_BYTES_MAX);
  });

  test("that comes in tiny chunks is copied a few times, not once for each", () => {
    const splitter = new NdjsonSplitter();
    const chunk = Buffer.from("aaaa");
    const allocate = vi.spyOn(Buffer, "allocUnsafe");
    try {
      for (let at = 0; at < 50_000; at += 1) splitter.push(chunk);
      expect(allocate.mock.calls.length).toBeLessThan(30);
    } finally {
      allocate.mockRestore();
    }
    expect(splitter.end()[0]?.length).toBe(200_000);
  });
});
