/** Where a prompt's prefixes end, and that equal hashes are equal prefixes. */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { PLACES_MAX } from "../src/cache/prefixes.ts";
import type { ChatRequest, Message, Tool } from "../src/chat.ts";
import { TEXT_BYTES_MAX } from "../src/text-bytes.ts";
import { request, said } from "./made-target.ts";
import { placesOf, prefixesOf } from "./prefix-places.ts";

const saying = (...texts: readonly string[]): ChatRequest => request({ messages: texts.map((text) => said(text)) });
const endOf = (prompt: ChatRequest): string | undefined => placesOf(prompt).at(-1)?.hash;

describe("equal hashes are equal prefixes", () => {
  test("of any two texts", () => {
    const text = fc.string({
      unit: fc.constantFrom("a", "\u0001", "\u0014", "\u0100", "\u2014", "字", "😀", "é", "\u00ff"),
    });
    fc.assert(
      fc.property(text, text, (one, other) => {
        expect(endOf(saying(one)) === endOf(saying(other))).toBe(one === other);
      }),
      { numRuns: 500 },
    );
  });

  test.each([
    ["characters with one low byte", "\u0014", "\u2014"],
    ["characters with one low byte, both outside of Latin-1", "\u2114", "\u2014"],
    ["characters with one low byte in turn", "\u0014\u2014", "\u2014\u0014"],
    ["what stands for others when they are counted", "\u0001", "\u0101"],
    ["the same characters elsewhere", "a—bc", "ab—c"],
    ["an end that looks like a beginning", "\u0005", "\u0005\u0000\u0000\u0000\u0000"],
  ])("%s", (_what, one, other) => {
    expect(endOf(saying(one))).not.toBe(endOf(saying(other)));
    expect(endOf(saying(`${one}${"x".repeat(3_000)}`))).not.toBe(endOf(saying(`${other}${"x".repeat(3_000)}`)));
  });

  test("what ends one text does not begin the next", () => {
    expect(endOf(saying("ab", "c"))).not.toBe(endOf(saying("a", "bc")));
    expect(endOf(saying("ab—", "c"))).not.toBe(endOf(saying("ab", "—c")));
  });

  test("nor does what ends a call's name begin its arguments, whatever they are", () => {
    const calling = (name: string, args: string) =>
      endOf(
        request({
          messages: [{ role: "assistant", parts: [{ type: "tool-call", id: "1", name, arguments: args }] }],
        }),
      );
    for (let tag = 0; tag < 256; tag += 1) {
      const between = `${String.fromCharCode(tag)}\u0000\u0000\u0000\u0000`;
      expect(calling("a", `b${between}`)).not.toBe(calling(`a${between}b`, ""));
    }
  });

  test("however the text is kept in memory", () => {
    const wide = `${"a".repeat(3_000)}—`;
    expect(endOf(saying(wide.slice(0, 3_000)))).toBe(endOf(saying("a".repeat(3_000))));
  });

  test.each([TEXT_BYTES_MAX - 1, TEXT_BYTES_MAX, TEXT_BYTES_MAX + 1, 3 * TEXT_BYTES_MAX])(
    "of %d characters, none of them in Latin-1",
    (length) => {
      const text = "字".repeat(length);
      expect(endOf(saying(text))).toBe(endOf(saying(text)));
      // The last character's low byte is the same.
      expect(endOf(saying(text))).not.toBe(endOf(saying(`${text.slice(1)}乗`)));
      const answered = (answer: string) =>
        endOf(request({ messages: [said("Hi"), { ...said(answer), role: "assistant" }] }));
      expect(answered(text)).not.toBe(answered(`${text.slice(1)}乗`));
    },
  );

  test("a text that goes on otherwise is the same up to there", () => {
    const common = "Some text — and more of it. ".repeat(300);
    const [one, other] = [placesOf(saying(`${common}one`)), placesOf(saying(`${common}other`))];
    const inside = one.filter(({ spot }) => spot.kind === "text");
    expect(inside.length).toBeGreaterThan(3);
    expect(other.slice(0, inside.length).map(({ hash }) => hash)).toEqual(inside.map(({ hash }) => hash));
    expect(other.at(-1)?.hash).not.toBe(one.at(-1)?.hash);
  });

  test("whether or not a tool has marks, which move on from turn to turn", () => {
    const value = { type: "web_search", name: "web_search", text: 'it says "cache_control" somewhere' };
    const opaque = (more: object): Tool => ({ type: "opaque", dialect: "x", kind: "y", value: { ...value, ...more } });
    const withTool = (more: object) => endOf(request({ tools: [opaque(more)] }));
    expect(withTool({ cache_control: { type: "ephemeral" } })).toBe(withTool({}));
    expect(withTool({ text: "nothing" })).not.toBe(withTool({}));
  });
});

describe("a prompt of more messages than there are places", () => {
  const many = (end: string, count = PLACES_MAX + 100): readonly Message[] => [
    ...Array.from({ length: count }, (_, index) => said(`message ${index}`)),
    said(end),
  ];

  test("has its end for the last place", () => {
    const [one, other] = [prefixesOf(request({ messages: many("a") })), prefixesOf(request({ messages: many("b") }))];
    expect(one.spots).toHaveLength(PLACES_MAX);
    expect(one.spots.at(-1)).toMatchObject({ message: PLACES_MAX + 100 });
    expect(one.tokens.at(-1)).toBeGreaterThan(one.tokens.at(-2)! + 100);
    expect(one.hashes.slice(0, -2)).toEqual(other.hashes.slice(0, -2));
    expect(one.hashes.slice(-2)).not.toEqual(other.hashes.slice(-2));
  });

  test("has the marks that are further behind there", () => {
    const end: Message = { role: "user", parts: [{ type: "text", text: "a", cache: {} }] };
    expect(prefixesOf(request({ messages: [...many("b"), end] })).marks).toMatchObject([{ place: PLACES_MAX - 1 }]);
  });

  test("and as many as there are places", () => {
    expect(prefixesOf(request({ messages: many("a", PLACES_MAX - 1) })).spots).toHaveLength(PLACES_MAX);
    expect(prefixesOf(request({ messages: many("a", PLACES_MAX - 2) })).spots).toHaveLength(PLACES_MAX - 1);
  });
});
