/** Which of a prompt's places are written: the best cut, and what stands in front of it. */
import { expect, test } from "vitest";
import { NO_CHANCES } from "../src/cache/economics.ts";
import { type Candidate, type PlacementAsk, placeMarks } from "../src/cache/placement.ts";
import { pricesOf } from "../src/cache/rules.ts";
import { ONE_CLASS, TWO_CLASSES } from "./planned-prompt.ts";

function candidate(place: number, given: Partial<Candidate> = {}): Candidate {
  return {
    place,
    tokens: (place + 1) * 1000,
    pauses: 0,
    shortPauses: 0,
    laterPauses: 0,
    isShared: false,
    isStatic: false,
    ...given,
  };
}

function ask(candidates: readonly Candidate[], given: Partial<PlacementAsk> = {}): PlacementAsk {
  return {
    rules: TWO_CLASSES,
    prices: pricesOf(TWO_CLASSES),
    candidates,
    hit: undefined,
    comingTokens: 0,
    next: NO_CHANCES,
    nextStatic: NO_CHANCES,
    afterNext: NO_CHANCES,
    later: NO_CHANCES,
    ...given,
  };
}

test.each([
  { lifetime: 300, next: { short: 0.9, later: 0 }, rules: TWO_CLASSES },
  { lifetime: 3600, next: { short: 0.02, later: 0.97 }, rules: TWO_CLASSES },
  { lifetime: 1800, next: { short: 0.9, later: 0 }, rules: ONE_CLASS },
])("a prefix is used as often as what goes on from it, whatever its own few uses say ($lifetime)", (one) => {
  const { lifetime, next, rules } = one;
  // A long static prefix that seems to be used once only, and behind it a short end that surely comes back.
  const unused = candidate(40, { isStatic: true, pauses: 20 });
  const marks = placeMarks(
    ask([unused, candidate(41)], { next, afterNext: next, later: next, rules, prices: pricesOf(rules) }),
  );
  expect(marks).toEqual([
    { place: 40, ttlSeconds: lifetime },
    { place: 41, ttlSeconds: lifetime },
  ]);
});

test("where neither comes back nothing is written", () => {
  expect(placeMarks(ask([candidate(40, { isStatic: true, pauses: 20 }), candidate(41)]))).toEqual([]);
});

test("behind a short prefix an hour is worth what the prefix lasts", () => {
  const next = { short: 0.02, later: 0.95 };
  const behind = (lasts: number) => {
    const hit = { place: 3, tokens: 4000, isLong: false, lasts };
    const chances = { next, afterNext: next, later: next };
    return placeMarks(ask([candidate(40)], { hit, ...chances })).map(({ ttlSeconds }) => ttlSeconds);
  };
  expect(behind(1)).toEqual([3600, 3600]);
  expect(behind(0.9)).toEqual([3600, 3600]);
  expect(behind(0.3)).toEqual([300]);
  expect(behind(0)).toEqual([300]);
});

test("a conversation's few returns say less than its class, a static prefix's pauses more", () => {
  const one = { pauses: 1, shortPauses: 1 };
  expect(placeMarks(ask([candidate(40, one)]))).toEqual([]);
  expect(placeMarks(ask([candidate(40, { ...one, isStatic: true })]))).toHaveLength(1);
});
