/** A level is told once a window, whatever spend does, and what was told is told to be over. */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { Alert } from "../src/alerts/alert.ts";
import { CALM_MS, HOLD_MS, QUIET, step, type LevelState, type Seen } from "../src/alerts/level.ts";
import { DAY_MS } from "./alerts-made.ts";

const MINUTE_MS = 60_000;

describe("a level", () => {
  test("that is passed is told at once, and not again in its window", () => {
    const told = run([
      { minutes: 0, over: true },
      { minutes: 1, over: true },
      { minutes: 300, over: false },
      { minutes: 301, over: true },
    ]);
    expect(told).toEqual(["fired 0"]);
  });

  test("that a projection passes is told once it has said so for five minutes", () => {
    expect(
      run([
        { minutes: 0, projected: true },
        { minutes: 4, projected: true },
      ]),
    ).toEqual([]);
    expect(
      run([
        { minutes: 0, projected: true },
        { minutes: 5, projected: true },
      ]),
    ).toEqual(["fired 0"]);
    expect(run([{ minutes: 0, projected: true }, { minutes: 4 }, { minutes: 5, projected: true }])).toEqual([]);
  });

  test("is resolved in a later window that has been calm for an hour", () => {
    const fired = [
      { minutes: 1_000, over: true },
      { minutes: 1_100, calm: true },
    ];
    expect(run([...fired, { minutes: 1_440, calm: true }, { minutes: 1_499, calm: true }])).toEqual(["fired 0"]);
    expect(run([...fired, { minutes: 1_440, calm: true }, { minutes: 1_500, calm: true }])).toEqual([
      "fired 0",
      "resolved 0",
    ]);
    const uneasy = [{ minutes: 1_440, calm: true }, { minutes: 1_460 }, { minutes: 1_500, calm: true }];
    expect(run([...fired, ...uneasy])).toEqual(["fired 0"]);
  });

  test("is resolved before the next window fires", () => {
    expect(
      run([
        { minutes: 0, over: true },
        { minutes: 1_500, over: true },
      ]),
    ).toEqual(["fired 0", "resolved 0", "fired 1"]);
  });

  test("that was told of a window is not when the clock comes there again", () => {
    const moments = [
      { minutes: 1_500, over: true },
      { minutes: 100, over: true },
      { minutes: 1_600, over: true },
    ];
    expect(run(moments)).toEqual(["fired 1"]);
  });

  test("fires at most once a window, and resolves only what fired, whatever is seen", () => {
    const moment = fc.record({
      minutes: fc.integer({ min: 0, max: 6 * 1_440 }),
      over: fc.boolean(),
      projected: fc.boolean(),
      calm: fc.boolean(),
    });
    fc.assert(
      fc.property(fc.array(moment, { maxLength: 80 }), fc.boolean(), (moments, isForward) => {
        const told = run(isForward ? moments.toSorted((one, other) => one.minutes - other.minutes) : moments);
        expect(new Set(told).size).toBe(told.length);
        const open = new Set<string>();
        for (const [kind, window] of told.map((line) => line.split(" ") as [string, string])) {
          if (kind === "fired") open.add(window);
          else expect(open.delete(window)).toBe(true);
          expect(open.size).toBeLessThan(2);
        }
      }),
      { numRuns: 500 },
    );
  });
});

interface Moment {
  readonly minutes: number;
  readonly over?: boolean;
  readonly projected?: boolean;
  readonly calm?: boolean;
}

/** What is told, by the window's day. */
function run(moments: readonly Moment[]): readonly string[] {
  let state: LevelState = QUIET;
  const told: string[] = [];
  for (const { minutes, over = false, projected = false, calm = false } of moments) {
    const day = Math.floor(minutes / 1_440);
    const window = { startMs: day * DAY_MS, endMs: (day + 1) * DAY_MS };
    const seen: Seen = {
      window,
      isOver: over,
      isProjectedOver: projected || over,
      isCalm: calm && !over && !projected,
    };
    const before = state.open;
    const next = step(state, seen, minutes * MINUTE_MS);
    if (next.resolved) told.push(`resolved ${(before?.window.startMs ?? 0) / DAY_MS}`);
    state = next.state;
    if (next.fires !== undefined) {
      told.push(`fired ${day}`);
      state = { ...state, open: { window } as Alert };
    }
  }
  return told;
}

test("holds are longer than a look", () => {
  expect(HOLD_MS).toBeGreaterThan(MINUTE_MS);
  expect(CALM_MS).toBeGreaterThan(HOLD_MS);
});
