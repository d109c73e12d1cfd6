/** Where a prompt's prefixes end, and that equal hashes are equal prefixes. */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { PLACES_MAX } from "../src/cache/prefixes.ts";
import type { ChatRequest, Message, Tool } from "../src/chat.ts";
import { TEXT_BYTES_MAX } from "../src/text-bytes.ts";
import { estimateTokens, MESSAGE_TOKENS } from "../src/tokens.ts";
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

describe("a place has as many tokens as the text before it", () => {
  const PIECES = [
    "the parser reads a line and gives back what stood there before. ",
    "読み取った行をそのまま返します。",
    "QmFzZTY0IG9mIG5vdGhpbmcgYXQgYWxsLCBpbmRlZWQu",
    '{"path":"src/main.ts","line":128,"ok":true},\n',
    "😀",
    "3.1415926535 ",
  ];
  const long = fc
    .array(fc.tuple(fc.constantFrom(...PIECES), fc.integer({ min: 1, max: 200 })), { minLength: 1, maxLength: 6 })
    .map((parts) => parts.map(([piece, times]) => piece.repeat(times)).join(""));

  test("whatever stands behind it, in any text", () => {
    fc.assert(
      fc.property(long, long, long, fc.boolean(), (head, tail, other, hasLine) => {
        const line = hasLine ? "\n<!-- sluice:dynamic -->\n" : "";
        const system = (text: string) => request({ messages: [said(text, "system"), said("Hello")] });
        const one = placesOf(system(`${head}${line}${tail}`));
        const another = new Map(placesOf(system(`${head}${line}${other}`)).map(({ hash, tokens }) => [hash, tokens]));
        for (const { hash, tokens } of one) expect(another.get(hash) ?? tokens).toBe(tokens);
        expect(one.map(({ tokens }) => tokens)).toEqual(one.map(({ tokens }) => tokens).toSorted((a, b) => a - b));
      }),
      { numRuns: 100 },
    );
  });

  test("as many as it has where the text ends there, however long it is", () => {
    const text = PIECES.map((piece) => piece.repeat(90)).join("");
    for (const whole of [text, text.repeat(3)]) {
      for (const { spot, tokens } of placesOf(saying(whole))) {
        if (spot.kind === "text") expect(tokens).toBe(placesOf(saying(whole.slice(0, spot.end))).at(-1)?.tokens);
      }
    }
  });

  test("what is said in another script behind it makes it no dearer", () => {
    const head = PIECES[0]!.repeat(32).slice(0, 2_048);
    const [first] = placesOf(saying(`${head}${PIECES[1]!.repeat(1_000)}`));
    expect(first?.tokens).toBe(estimateTokens(head) + MESSAGE_TOKENS);
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
