/** An operator's patterns for lines: JavaScript's own answers, in linear time. */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { linePattern, type LinePattern } from "../src/cache/line-pattern.ts";

const atom = fc.constantFrom(
  "a",
  "b",
  ".",
  "[ab]",
  "[^a]",
  "\\d",
  "\\w",
  "\\s",
  "\\.",
  "\\x61",
  "\\u{62}",
  "\\p{L}",
  "é",
  "😀",
  "\\]",
  "[\\]a]",
);
// Not `\B`, which V8 finds inside of a character of two halves.
const edge = fc.constantFrom("^", "$", "\\b");
const sign = fc.constantFrom("", "", "*", "+", "?", "*?", "+?", "{2}", "{1,}", "{0,2}", "{1,2}?");
const pattern = fc
  .letrec<{ one: string; many: string; any: string }>((tie) => ({
    one: fc.oneof(
      { depthSize: "small", withCrossShrink: true },
      fc.tuple(atom, sign).map(([what, times]) => what + times),
      edge,
      fc
        .tuple(fc.constantFrom("(", "(?:", "(?<n>"), tie("any"), sign)
        .map(([open, inner, times]) => `${open}${inner})${times}`),
    ),
    many: fc.array(tie("one"), { maxLength: 4 }).map((all) => all.join("")),
    any: fc.array(tie("many"), { minLength: 1, maxLength: 3 }).map((all) => all.join("|")),
  }))
  .any
  // JavaScript itself would take minutes over some longer ones.
  .filter((source) => source.length <= 28);
const line = fc
  .array(fc.constantFrom("a", "b", "1", " ", ".", "]", "é", "😀", "-"), { maxLength: 5 })
  .map((all) => all.join(""));

test("whether a line matches is what JavaScript says", () => {
  fc.assert(
    fc.property(pattern, fc.array(line, { minLength: 1, maxLength: 8 }), (source, lines) => {
      let own: RegExp;
      try {
        own = new RegExp(source, "u");
      } catch {
        // Two groups of one name.
        return;
      }
      const made = short(source);
      for (const one of lines) expect([one, made.test(one)]).toEqual([one, own.test(one)]);
    }),
    { numRuns: 2_000 },
  );
});

/** What is too long once its repetitions are written out is refused, as the last test has it. */
function short(source: string): LinePattern {
  try {
    return linePattern(source);
  } catch (error) {
    expect(String(error)).toMatch(/(?:more than 128|longer than 256) |16 deep/);
    return new RegExp(source, "u");
  }
}

test.each(["(a+)+$", "^(a|a)*$", "(a*)*b", "(.*)(.*)(.*)(.*)(.*)x$", "(a?){30}a{30}$"])(
  "%s takes no longer for a line that almost matches",
  (source) => {
    // Backtracking would need more steps than there are atoms.
    expect(linePattern(source).test(`${"a".repeat(511)}!`)).toBe(false);
  },
  1_000,
);

test.each([
  ["\\Bb", "ab", true],
  ["\\Bb", "a b", false],
  ["b\\B", "bc", true],
  ["^\\B", "", true],
])("%s in %j: %s", (source, text, isFound) => {
  expect(linePattern(source).test(text)).toBe(isFound);
});

describe("refused", () => {
  test.each([
    ["(", "no regular expression"],
    ["(?=a)", "looks around"],
    ["(?<!a)b", "looks around"],
    ["(?i:a)", "flags"],
    ["(a)\\1", "refers back"],
    ["(?<one>a)\\k<one>", "refers back"],
    ["a{1000}", "more than 128 steps"],
    ["((a{30}){30})", "more than 128 steps"],
    ["a".repeat(257), "longer than 256"],
    [`${"(".repeat(17)}a${")".repeat(17)}`, "16 deep"],
  ])("%s", (source, words) => {
    expect(() => linePattern(source)).toThrow(words);
  });
});

test("a line that would take more than may be spent does not match", () => {
  const work = { stepsLeft: 1_000 };
  const made = linePattern("b$");
  expect(made.test(`${"a".repeat(300)}b`, work)).toBe(true);
  expect(work.stepsLeft).toBeLessThan(1_000);
  expect(made.test(`${"a".repeat(800)}b`, work)).toBe(false);
  expect(made.test("b", work)).toBe(false);
});
