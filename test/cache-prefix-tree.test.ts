/** The tree of prefixes against a plain list of what was learned, and against its bounds. */
import { describe, expect, test } from "vitest";
import fc from "fast-check";
import { NONE, type Places, PrefixTree } from "../src/cache/prefix-tree.ts";
import { own, prompt } from "./planned-prompt.ts";

function places(names: readonly string[]): Places {
  const { hashes, tokens } = prompt(names);
  return { hashes, tokens, owner: "acme", salts: [{ from: 0, low: 7, high: 9 }] };
}

function tree(borders = 100, room = 100): PrefixTree {
  return new PrefixTree(borders, room, () => {});
}

function learn(known: PrefixTree, names: readonly string[], owner = "acme", nowMs = 0): number {
  const asked = { ...places(names), owner };
  return known.insert(asked, known.known(asked), nowMs);
}

/** The depths of a border and of all above it. */
function wayUp(known: PrefixTree, border: number): number[] {
  const depths: number[] = [];
  for (let at = border; at !== NONE; at = known.parent[at] as number) depths.push(known.depth[at] as number);
  return depths;
}

describe("what prompts share", () => {
  test("is known from the start to where they part, and the parting is a border", () => {
    const known = tree();
    learn(known, ["a", "b", "c", "d"]);
    expect(known.known(places(["a", "b", "x"]))).toBe(2);
    expect(known.known(places(["x", "b"]))).toBe(0);
    expect(wayUp(known, learn(known, ["a", "b", "x"]))).toEqual([2, 1]);
    expect(wayUp(known, learn(known, ["a", "b", "c", "d"]))).toEqual([3, 1]);
  });

  test("under another salt is nothing", () => {
    const known = tree();
    learn(known, ["a", "b"]);
    expect(known.known({ ...places(["a", "b"]), salts: [{ from: 0, low: 8, high: 9 }] })).toBe(0);
    expect(known.known({ ...places(["a", "b"]), salts: [{ from: 0, low: 7, high: 8 }] })).toBe(0);
  });

  test("ends where a setting begins to differ, and a prompt may have several", () => {
    const known = tree();
    const salted = (second: number, third: number): Places => ({
      ...places(own("a", 6)),
      salts: [
        { from: 0, low: 7, high: 9 },
        { from: 2, low: second, high: second },
        { from: 4, low: second ^ third, high: third },
      ],
    });
    known.insert(salted(1, 1), 0, 0);
    expect(known.known(salted(1, 1))).toBe(6);
    expect(known.known(salted(1, 2))).toBe(4);
    expect(known.known(salted(2, 1))).toBe(2);
    expect(known.known(places(own("a", 6)))).toBe(2);
  });

  test("the border below a place is the next one that was shown", () => {
    const known = tree();
    const end = learn(known, ["a", "b", "c", "d"]);
    const asked = places(["a", "b", "c", "d"]);
    expect(known.below(asked, 0)).toBe(end);
    const inner = known.reveal(asked, 1);
    expect(known.below(asked, 0)).toBe(inner);
    expect(known.below(asked, 1)).toBe(inner);
    expect(known.below(asked, 2)).toBe(end);
    expect(known.reveal(asked, 1)).toBe(inner);
    expect(known.reveal(places(["z"]), 0)).toBe(NONE);
  });

  test("whoever divides an edge is told of the border below", () => {
    const born: [number, number][] = [];
    const known = new PrefixTree(10, 10, (border, below) => born.push([border, below]));
    const end = learn(known, ["a", "b"]);
    const inner = known.reveal(places(["a", "b"]), 0);
    expect(born).toEqual([
      [end, NONE],
      [inner, end],
    ]);
  });
});

describe("the bounds", () => {
  test("what was used longest ago goes first, and what it shared with others stays", () => {
    const known = tree(10, 1000);
    learn(known, ["s", "old"]);
    learn(known, ["s", "new"]);
    learn(known, ["s", "old"]);
    learn(known, ["other"]);
    expect(known.known(places(["s", "new"]))).toBe(1);
    expect(known.known(places(["s", "old"]))).toBe(2);
  });

  test("who takes more room gives up its own, and nobody else's", () => {
    for (const [borders, room] of [
      [100, 10_000],
      [10_000, 100],
    ] as const) {
      const known = tree(borders, room);
      for (let index = 0; index < 20; index += 1) learn(known, [`v${index}`], "calm", index);
      for (let index = 0; index < 1000; index += 1) learn(known, [`f${index}`], "flood", 100 + index);
      expect(Array.from({ length: 20 }, (_, index) => known.known(places([`v${index}`])))).toEqual(Array(20).fill(1));
      expect(known.known(places(["f999"]))).toBe(1);
      expect(known.known(places(["f0"]))).toBe(0);
    }
  });

  test("where it is borders that are short, who has many of them gives them up, however few places it has", () => {
    const known = tree(100, 10_000);
    for (let index = 0; index < 20; index += 1) learn(known, own(`v${index}-`, 30), "calm", index);
    for (let index = 0; index < 1000; index += 1) learn(known, [`f${index}`], "flood", 100 + index);
    for (let index = 0; index < 20; index += 1) expect(known.known(places(own(`v${index}-`, 30)))).toBe(30);
  });

  test("a few prompts as long as all the room cost another tenant nothing", () => {
    const known = tree(1000, 1000);
    for (let index = 0; index < 50; index += 1) learn(known, own(`v${index}-`, 4), "calm", index);
    for (let index = 0; index < 31; index += 1) learn(known, own(`f${index}-`, 700), "flood", 100 + index);
    expect(Array.from({ length: 50 }, (_, index) => known.known(places(own(`v${index}-`, 4))))).toEqual(
      Array(50).fill(4),
    );
  });

  test("what nobody used for an hour goes before anything that is used, whoever has less", () => {
    const known = tree(1000, 100);
    for (let index = 0; index < 10; index += 1) learn(known, [`v${index}`], "away", 0);
    for (let index = 0; index < 60; index += 1) learn(known, [`u${index}`], "busy", 3_000_000);
    for (let index = 0; index < 40; index += 1) learn(known, [`w${index}`], "busy", 4_000_000);
    expect(known.known(places(["v0"]))).toBe(0);
    expect(known.known(places(["u0"]))).toBe(1);
  });

  test("among thousands who have as much, whoever comes finds room", () => {
    const known = tree(5000, 5000);
    for (let index = 0; index < 20_000; index += 1) {
      expect(learn(known, [`p${index}`], `t${index % 4000}`, index)).not.toBe(NONE);
      expect(known.known(places([`p${index}`]))).toBe(1);
    }
    expect(known.places).toBeGreaterThan(4900);
  });

  test("a prompt longer than all the room is not learned, and does no harm", () => {
    const known = tree(100, 8);
    learn(known, ["a", "b"]);
    expect(learn(known, own("x", 9))).toBe(NONE);
    expect(known.known(places(["a", "b"]))).toBe(2);
    expect(learn(known, own("y", 8))).not.toBe(NONE);
    expect(known.places).toBe(8);
  });

  test("whatever is learned: known from the start, within the bounds, and each border is given back", () => {
    const names = fc.array(fc.constantFrom("a", "b", "c"), { minLength: 1, maxLength: 8 });
    const step = fc.record({ names, reveal: fc.nat({ max: 7 }) });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 80 }), (steps) => {
        const known = tree(20, 20);
        for (const { names, reveal } of steps) {
          const asked = places(names);
          const before = known.known(asked);
          for (let place = 0; place < names.length; place += 1) {
            expect(known.below(asked, place) === NONE).toBe(place >= before);
          }
          const end = known.insert(asked, before, 0);
          if (end === NONE) continue;
          expect(known.known(asked)).toBe(names.length);
          if (reveal < names.length) known.reveal(asked, reveal);
          const depths = wayUp(known, end);
          expect(depths[0]).toBe(names.length - 1);
          expect(depths).toEqual([...new Set(depths)].sort((one, other) => other - one));
          for (const [index, depth] of depths.entries()) {
            const border = known.below(asked, depth);
            expect(known.depth[border]).toBe(depth);
            if (index > 0) expect(known.children[border]).toBeGreaterThan(0);
          }
          expect(known.borders).toBeLessThanOrEqual(20);
          expect(known.places).toBeLessThanOrEqual(20);
        }
      }),
      { numRuns: 300 },
    );
  });

  test("with room for all, nothing is ever forgotten", () => {
    const names = fc.array(fc.constantFrom("a", "b"), { minLength: 1, maxLength: 8 });
    fc.assert(
      fc.property(fc.array(names, { maxLength: 40 }), names, (learned, asked) => {
        const known = tree(1000, 1000);
        for (const one of learned) learn(known, one);
        const shared = (one: readonly string[]) => {
          let length = 0;
          while (length < one.length && one[length] === asked[length]) length += 1;
          return length;
        };
        expect(known.known(places(asked))).toBe(Math.max(0, ...learned.map(shared)));
      }),
    );
  });
});
