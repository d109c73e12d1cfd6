/** Whose return is watched when not all can be: a fair sample, which says of all what all would have said. */
import { describe, expect, test } from "vitest";
import { emptyHazards, type Hazards, hazardsOf, promptClass, STEP_SECONDS, TENANT_CLASS } from "../src/cache/hazard.ts";
import { Waiting } from "../src/cache/waiting.ts";

const CLASS = promptClass(0, 1, 5000);
const HOUR = 3_600_000;

function hazard(hazards: Hazards, step = 0): number {
  const out = new Float64Array(STEP_SECONDS.length);
  hazardsOf(hazards, TENANT_CLASS, out);
  return out[step] as number;
}

describe("the room", () => {
  test("is never more than it is, and is free again after an hour", () => {
    const waiting = new Waiting(100);
    const hazards = emptyHazards();
    for (let at = 0; at < 1000; at += 1) {
      waiting.begin(hazards, CLASS, 1, at);
      expect(waiting.size).toBeLessThanOrEqual(100);
    }
    expect(waiting.size).toBeGreaterThan(50);
    expect(hazards.watched).toBe(waiting.size);
    waiting.advance(HOUR + 1000);
    expect([waiting.size, hazards.watched]).toEqual([0, 0]);
    expect(waiting.begin(hazards, CLASS, 1, HOUR + 1000)).toBeGreaterThanOrEqual(0);
  });

  test("is left at once by who came back", () => {
    const waiting = new Waiting(10);
    const hazards = emptyHazards();
    const numbers = Array.from({ length: 10 }, () => waiting.begin(hazards, CLASS, 1, 0));
    for (const number of numbers.slice(0, 6)) waiting.returned(number);
    waiting.advance(20_000);
    expect(waiting.size).toBe(4);
  });

  test("a number means nobody else once its own is gone", () => {
    const waiting = new Waiting(1);
    const [first, second] = [emptyHazards(), emptyHazards()];
    const old = waiting.begin(first, CLASS, 1, 0);
    waiting.advance(HOUR);
    waiting.begin(second, CLASS, 1, HOUR);
    waiting.returned(old);
    waiting.advance(HOUR + 20_000);
    expect(hazard(second)).toBeCloseTo((2 * 0.16) / 3, 6);
  });
});

describe("a sample", () => {
  test("says of a step what all of them would have said, however many were left out", () => {
    const waiting = new Waiting(2000);
    const hazards = emptyHazards();
    // A third of them come back within half a minute, of 40 times as many as there is room for.
    let nowMs = 0;
    const coming: { number: number; atMs: number }[] = [];
    for (let index = 0; index < 80_000; index += 1) {
      nowMs += HOUR / 40_000;
      waiting.advance(nowMs);
      while ((coming[0]?.atMs ?? Infinity) <= nowMs) waiting.returned(coming.shift()?.number ?? 0);
      const number = waiting.begin(hazards, CLASS, 1, nowMs);
      if (index % 3 === 0) coming.push({ number, atMs: nowMs + 30_000 });
    }
    waiting.advance(nowMs + 2 * HOUR);
    expect(hazard(hazards, 0)).toBeLessThan(0.01);
    expect(hazard(hazards, 1)).toBeCloseTo(1 / 3, 1);
    for (const step of [2, 4, 6, 8]) expect(hazard(hazards, step), `step ${step}`).toBeLessThan(0.02);
  });

  test("each counts for as many as it stands for", () => {
    const waiting = new Waiting(64);
    const hazards = emptyHazards();
    for (let index = 0; index < 640; index += 1) waiting.begin(hazards, CLASS, 1, 0);
    waiting.advance(20_000);
    const risked = hazards.rows.counts[2 * STEP_SECONDS.length * (hazards.row[TENANT_CLASS] as number) + 1] as number;
    expect(risked).toBeGreaterThan(320);
    expect(risked).toBeLessThan(1280);
  });

  test("and who is thinned for others still tells of all that it had", () => {
    const waiting = new Waiting(1000);
    const first = emptyHazards();
    for (let index = 0; index < 900; index += 1) waiting.begin(first, CLASS, 1, 0);
    for (let other = 0; other < 90; other += 1) {
      const hazards = emptyHazards();
      for (let index = 0; index < 10; index += 1) waiting.begin(hazards, CLASS, 1, 0);
    }
    expect(first.watched).toBeLessThan(200);
    waiting.advance(20_000);
    const risked = first.rows.counts[2 * STEP_SECONDS.length * (first.row[TENANT_CLASS] as number) + 1] as number;
    expect(risked).toBeGreaterThan(600);
    expect(risked).toBeLessThan(1200);
  });

  test("who floods is thinned, and another is watched as if nobody did", () => {
    const waiting = new Waiting(1000);
    const [flood, calm] = [emptyHazards(), emptyHazards()];
    for (let index = 0; index < 20_000; index += 1) waiting.begin(flood, CLASS, 1, index);
    let watched = 0;
    for (let index = 0; index < 100; index += 1) {
      if (waiting.begin(calm, CLASS, 1, 20_000) !== 0) watched += 1;
      for (let more = 0; more < 200; more += 1) waiting.begin(flood, CLASS, 1, 20_000);
    }
    expect(watched).toBe(100);
    expect([calm.watched, calm.share]).toEqual([100, 1]);
  });

  test("who has stopped flooding is watched closely again", () => {
    const waiting = new Waiting(1000);
    const flood = emptyHazards();
    for (let index = 0; index < 50_000; index += 1) waiting.begin(flood, CLASS, 1, index);
    expect(flood.share).toBeLessThan(0.1);
    let watched = 0;
    for (let minute = 60; minute < 180; minute += 1) {
      waiting.advance(minute * 60_000);
      watched = waiting.begin(flood, CLASS, 1, minute * 60_000) === 0 ? 0 : watched + 1;
    }
    expect(watched).toBeGreaterThan(30);
    expect(flood.share).toBe(1);
  });
});
