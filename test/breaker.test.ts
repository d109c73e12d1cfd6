/** Breakers: a target that fails again and again is tried last for a while, then one call probes it. */
import { describe, expect, test } from "vitest";
import { BREAKERS_MAX, createBreakers, type BreakerState } from "../src/breaker.ts";

const OPTIONS = { failures: 3, windowMs: 1_000, restMs: 500 };
const TARGET = "openai/gpt-5.4-nano";

function breakers() {
  const changes: (readonly [string, BreakerState])[] = [];
  const created = createBreakers(
    () => OPTIONS,
    (target, state) => changes.push([target, state]),
  );
  const fail = (...timesMs: readonly number[]) => {
    for (const at of timesMs) created.failed(TARGET, at);
  };
  return {
    resting: (target: string, nowMs: number) => created.resting(target, nowMs),
    failed: (target: string, nowMs: number) => created.failed(target, nowMs),
    succeeded: (target: string) => created.succeeded(target),
    fail,
    changes,
  };
}

describe("a breaker", () => {
  test("stays closed below its number of failures, and opens at it", () => {
    const { resting, fail, changes } = breakers();
    fail(0, 10);
    expect(resting(TARGET, 20)).toBe(false);
    fail(20);
    expect(resting(TARGET, 21)).toBe(true);
    expect(changes).toEqual([[TARGET, "open"]]);
  });

  test("forgets failures that are older than its window", () => {
    const { resting, fail } = breakers();
    fail(0, 10, 1_011);
    expect(resting(TARGET, 1_012)).toBe(false);
  });

  test("lets exactly one call through when it has rested; the others wait for what that one finds", () => {
    const { resting, fail, changes } = breakers();
    fail(0, 1, 2);
    expect(resting(TARGET, 501)).toBe(true);
    expect(resting(TARGET, 502)).toBe(false);
    expect(resting(TARGET, 503)).toBe(true);
    expect(changes.at(-1)).toEqual([TARGET, "half-open"]);
  });

  test("rests again when the probe fails, for one failure is enough then", () => {
    const { resting, fail, changes } = breakers();
    fail(0, 1, 2);
    expect(resting(TARGET, 2_000)).toBe(false);
    fail(2_010);
    expect(resting(TARGET, 2_400)).toBe(true);
    expect(changes.map(([, state]) => state)).toEqual(["open", "half-open", "open"]);
  });

  test("closes when the probe succeeds, and starts to count from nothing", () => {
    const { resting, fail, succeeded, changes } = breakers();
    fail(0, 1, 2);
    expect(resting(TARGET, 2_000)).toBe(false);
    succeeded(TARGET);
    fail(2_010, 2_011);
    expect(resting(TARGET, 2_012)).toBe(false);
    expect(changes.map(([, state]) => state)).toEqual(["open", "half-open", "closed"]);
  });

  test("does not rest for ever when the probe never tells: another one follows", () => {
    const { resting, fail } = breakers();
    fail(0, 1, 2);
    expect(resting(TARGET, 600)).toBe(false);
    expect(resting(TARGET, 1_100)).toBe(false);
  });

  test("is each target's own", () => {
    const { resting, fail } = breakers();
    fail(0, 1, 2);
    expect(resting("anthropic/claude-haiku-5-5", 3)).toBe(false);
  });
});

test("no more targets are watched than the bound, and one that is forgotten is not shown as open for ever", () => {
  const { failed, fail, resting, changes } = breakers();
  fail(0, 1, 2);
  for (let other = 0; other < BREAKERS_MAX; other += 1) failed(`openai/model-${other}`, 3);
  expect(resting(TARGET, 4)).toBe(false);
  expect(changes).toEqual([
    [TARGET, "open"],
    [TARGET, "closed"],
  ]);
});

test("new settings hold from the next failure on", () => {
  let failures = 3;
  const created = createBreakers(
    () => ({ ...OPTIONS, failures }),
    () => {},
  );
  created.failed(TARGET, 0);
  failures = 2;
  created.failed(TARGET, 1);
  expect(created.resting(TARGET, 2)).toBe(true);
});
