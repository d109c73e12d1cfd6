/** What a provider's cache is believed to hold, entry by entry. Borders 0, 1, 2 are one prompt's path. */
import { describe, expect, test } from "vitest";
import { type Entry, type Look, Mirror } from "../src/cache/mirror.ts";

const PATH = Int32Array.of(0, 1, 2);
const MINUTE = 60_000;

function look(made: Mirror, nowMs: number): Look {
  return made.look({ path: PATH, length: 3, isCut: false }, nowMs);
}

function mirror(): Mirror {
  const made = new Mirror(3);
  for (const border of PATH) made.reset(border);
  return made;
}

function entry(options: Partial<Entry> = {}): Entry {
  return { expiresMs: 5 * MINUTE, isLong: false, under: -1, writer: 1, ...options };
}

test("an entry is read as long as it and all it stands on are alive", () => {
  const made = mirror();
  made.set(0, entry({ expiresMs: 2 * MINUTE }), 0);
  made.set(1, entry({ under: 0 }), 0);
  expect(look(made, 2 * MINUTE - 1)).toEqual({ hit: 1, coming: -1 });
  expect([0, 1, 2].map((border) => made.isWhole(border))).toEqual([true, true, false]);
  expect(look(made, 2 * MINUTE)).toEqual({ hit: -1, coming: -1 });
  expect(made.isAlive(1, 2 * MINUTE)).toBe(true);
  expect(made.look({ path: PATH, length: 1, isCut: false }, MINUTE).hit).toBe(0);
});

test("what stands on one that is not looked at is believed on that one's word", () => {
  const made = mirror();
  made.set(0, entry({ expiresMs: 2 * MINUTE }), 0);
  made.set(1, entry({ under: 0 }), 0);
  const way = { path: Int32Array.of(1), length: 1, isCut: true };
  expect(made.look(way, 2 * MINUTE - 1).hit).toBe(0);
  expect(made.look({ ...way, isCut: false }, 2 * MINUTE - 1).hit).toBe(-1);
  expect(made.look(way, 2 * MINUTE).hit).toBe(-1);
});

test("one that stands on nothing needs nobody", () => {
  const made = mirror();
  made.set(0, entry({ expiresMs: 0 }), 0);
  made.set(1, entry(), 0);
  expect(look(made, MINUTE).hit).toBe(1);
});

test("a use prolongs each by its own lifetime", () => {
  const made = mirror();
  made.set(0, entry({ isLong: true }), 0);
  made.set(1, entry({ under: 0 }), 0);
  made.refresh(1, 5 * MINUTE, 60 * MINUTE, MINUTE);
  expect(look(made, 6 * MINUTE - 1).hit).toBe(1);
  expect(look(made, 6 * MINUTE).hit).toBe(0);
  expect(look(made, 61 * MINUTE).hit).toBe(-1);
});

test("what stands on the short class is of it, whatever was paid", () => {
  const made = mirror();
  made.set(0, entry({ isLong: true }), 0);
  made.set(1, entry({ under: 0 }), 0);
  made.set(2, entry({ isLong: true, under: 1 }), 0);
  expect([0, 1, 2].map((border) => made.hasShort(border))).toEqual([false, true, true]);
  expect([0, 1, 2].map((border) => made.isLong(border))).toEqual([true, false, true]);
});

describe("in flight", () => {
  test("it cannot be read until it arrives", () => {
    const made = mirror();
    expect(made.write(0, entry(), at(100), 0)).toBe(true);
    expect(look(made, 0)).toEqual({ hit: -1, coming: 0 });
    expect([made.isAlive(0, 0), made.isComing(0, 0), made.writer(0), made.readableMs(0)]).toEqual([
      false,
      true,
      1,
      100,
    ]);
    made.arrive(0, 1, 50);
    expect([made.isAlive(0, 50), made.isComing(0, 50)]).toEqual([true, false]);
  });

  test("a second writer prolongs it and leaves it the first one's", () => {
    const made = mirror();
    made.write(0, entry({ expiresMs: MINUTE }), at(100), 0);
    expect(made.write(0, entry({ writer: 2, expiresMs: 3 * MINUTE }), at(900), 0)).toBe(false);
    made.drop(0, 2);
    made.arrive(0, 1, 100);
    expect(look(made, 3 * MINUTE - 1).hit).toBe(0);
    made.drop(0, 1);
    expect(look(made, MINUTE).hit).toBe(-1);
  });

  test("one that was given up may still be the first to arrive, and is its own then", () => {
    const made = mirror();
    made.write(0, entry(), at(100), 0);
    made.giveUp(0, 2);
    expect(made.isComing(0, 50)).toBe(true);
    made.giveUp(0, 1);
    expect(made.isComing(0, 50)).toBe(false);
    expect(made.write(0, entry({ writer: 2 }), at(400), 200)).toBe(true);
    made.arrive(0, 1, 300);
    made.drop(0, 2);
    expect(made.isAlive(0, 300)).toBe(true);
  });

  test("what nobody hears of can be read from the expected time on", () => {
    const made = mirror();
    made.write(0, entry(), { readableMs: 100, isHeard: false }, 0);
    expect([made.isHeard(0), look(made, 99).coming, look(made, 100).hit]).toEqual([false, 0, 0]);
  });

  test("what is alive but can no longer be read is written anew", () => {
    const made = mirror();
    made.set(0, entry({ expiresMs: MINUTE }), 0);
    made.set(1, entry({ isLong: true, expiresMs: 60 * MINUTE, under: 0 }), 0);
    expect(made.write(1, entry({ writer: 2, expiresMs: 7 * MINUTE }), at(3 * MINUTE), 2 * MINUTE)).toBe(true);
    made.arrive(1, 2, 3 * MINUTE);
    expect(look(made, 3 * MINUTE).hit).toBe(1);
  });

  test("it is given up with its lifetime, or ten minutes after it was due", () => {
    const made = mirror();
    made.write(0, entry(), at(MINUTE), 0);
    expect(made.isComing(0, 5 * MINUTE - 1)).toBe(true);
    expect(made.isComing(0, 5 * MINUTE)).toBe(false);
    made.write(1, entry({ expiresMs: 60 * MINUTE }), at(MINUTE), 0);
    expect(look(made, 11 * MINUTE).coming).toBe(1);
    expect(look(made, 11 * MINUTE + 1).coming).toBe(-1);
  });
});

function at(readableMs: number): { readonly readableMs: number; readonly isHeard: boolean } {
  return { readableMs, isHeard: true };
}
