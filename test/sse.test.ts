/** Server-sent events as they come: any line ends, any cut, and nothing lost between the frames. */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { SseSplitter } from "../src/dialects/sse.ts";

function frames(...pieces: readonly string[]): readonly (readonly [event: string, data: string | undefined])[] {
  const splitter = new SseSplitter();
  const all = [...pieces.flatMap((piece) => splitter.push(Buffer.from(piece))), ...splitter.end()];
  return all.map(({ event, data }) => [event, data]);
}

describe("a frame", () => {
  test.each([
    ["one line of data", "data: {}\n\n", [["", "{}"]]],
    ["a named event", "event: ping\ndata: {}\n\n", [["ping", "{}"]]],
    ["CRLF", "event: ping\r\ndata: {}\r\n\r\n", [["ping", "{}"]]],
    ["CR alone", "event: ping\rdata: {}\r\r", [["ping", "{}"]]],
    ["several lines of data", "data: a\ndata: b\n\n", [["", "a\nb"]]],
    ["no space after the colon", "data:a\n\n", [["", "a"]]],
    ["only one space is taken", "data:  a\n\n", [["", " a"]]],
    ["no value", "data:\n\n", [["", ""]]],
    ["no colon", "data\n\n", [["", ""]]],
    ["a comment", ": keep-alive\n\n", [["", undefined]]],
    ["a field of another name that begins so", "dataset: 1\nevents: 2\n\n", [["", undefined]]],
    ["a byte-order mark", "\ufeffdata: a\n\n", [["", "a"]]],
    [
      "a last one without its blank line",
      "data: a\n\ndata: b",
      [
        ["", "a"],
        ["", "b"],
      ],
    ],
  ])("%s", (_what, text, expected) => {
    expect(frames(text)).toEqual(expected);
  });

  test("its bytes, joined with those of the others, are what came, however that was cut", () => {
    const line = fc.constantFrom("data: a", "data: é😀", "event: x", ": c", "", "\r", "id: 1");
    fc.assert(
      fc.property(
        fc.array(line, { maxLength: 30 }),
        fc.array(fc.nat({ max: 12 }), { maxLength: 20 }),
        (lines, sizes) => {
          const bytes = Buffer.from(lines.join("\n"));
          const splitter = new SseSplitter();
          const out: Uint8Array[] = [];
          let at = 0;
          for (const size of [...sizes, bytes.length]) {
            out.push(...splitter.push(bytes.subarray(at, at + size)).map((frame) => frame.bytes));
            at = Math.min(bytes.length, at + size);
          }
          out.push(...splitter.end().map((frame) => frame.bytes));
          expect(Buffer.concat(out)).toEqual(bytes);
        },
      ),
    );
  });

  test("says the same, wherever between its bytes it was cut", () => {
    const text = 'event: delta\ndata: {"é":1}\n\n: c\n\ndata: [DONE]\n\n';
    const bytes = Buffer.from(text);
    for (let cut = 0; cut <= bytes.length; cut += 1) {
      const splitter = new SseSplitter();
      const found = [bytes.subarray(0, cut), bytes.subarray(cut)].flatMap((piece) => splitter.push(piece));
      expect([...found, ...splitter.end()].map(({ event, data }) => [event, data])).toEqual(frames(text));
    }
  });
});
