/** Who used a prefix, how often, and after what pauses. */
import { expect, test } from "vitest";
import { Visits } from "../src/cache/visits.ts";

const SHORT = 300_000;
const LONG = 3_600_000;

function counts(visits: Visits, border: number): number[] {
  return [
    visits.pauses[border],
    visits.shortPauses[border],
    visits.laterPauses[border],
    visits.switches[border],
  ] as number[];
}

test("the first use ends no pause; each later one is counted by how long it was", () => {
  const visits = new Visits(2);
  visits.reset(0, -1);
  visits.use(0, SHORT, LONG, 7, 1000);
  expect(counts(visits, 0)).toEqual([0, 0, 0, 0]);
  visits.use(0, SHORT, LONG, 7, 1000 + SHORT);
  visits.use(0, SHORT, LONG, 7, 1001 + 2 * SHORT);
  visits.use(0, SHORT, LONG, 7, 1001 + 2 * SHORT + LONG);
  visits.use(0, SHORT, LONG, 7, 1002 + 2 * SHORT + 2 * LONG);
  expect(counts(visits, 0)).toEqual([4, 1, 2, 0]);
});

test("it changes hands whenever another conversation uses it", () => {
  const visits = new Visits(1);
  visits.reset(0, -1);
  for (const conversation of [1, 1, 2, 2, 1, 3]) visits.use(0, SHORT, LONG, conversation, 0);
  expect(visits.switches[0]).toBe(3);
  for (let conversation = 10; conversation < 400; conversation += 1) visits.use(0, SHORT, LONG, conversation, 0);
  expect(visits.switches[0]).toBe(255);
});

test("one that divides an edge was passed by whoever passed the border below, and has no pauses of its own yet", () => {
  const visits = new Visits(2);
  visits.reset(0, -1);
  visits.use(0, SHORT, LONG, 7, 5000);
  visits.pass(0, 3, 900, 11);
  visits.use(0, SHORT, LONG, 7, 6000);
  visits.reset(1, 0);
  expect([visits.lastMs[1], visits.conversation[1], visits.turn[1], visits.ownTokens[1], visits.waiting[1]]).toEqual([
    6000, 7, 3, 900, 11,
  ]);
  expect(counts(visits, 1)).toEqual([0, 0, 0, 0]);
});

test("a number that is given again begins anew", () => {
  const visits = new Visits(1);
  for (const conversation of [1, 2, 3]) visits.use(0, SHORT, LONG, conversation, 0);
  for (const at of [LONG, 2 * LONG]) visits.use(0, SHORT, LONG, 3, at);
  visits.pass(0, 3, 900, 11);
  visits.staticWaiting[0] = 5;
  visits.reset(0, -1);
  expect(counts(visits, 0)).toEqual([0, 0, 0, 0]);
  expect([visits.conversation[0], visits.waiting[0], visits.staticWaiting[0]]).toEqual([0, 0, 0]);
});

test("counts are halved before they are too large, and keep their proportions", () => {
  const visits = new Visits(1);
  visits.reset(0, -1);
  for (let use = 0; use <= 90_000; use += 1)
    visits.use(0, SHORT, LONG, 1, use % 3 === 0 ? use * LONG : (use - 1) * LONG + 1);
  const [pauses, short, later] = counts(visits, 0) as [number, number, number];
  expect(pauses).toBeLessThanOrEqual(60_000);
  expect(pauses).toBeGreaterThan(30_000);
  expect(short + later).toBeLessThanOrEqual(pauses);
  expect(short / pauses).toBeGreaterThan(0.3);
});
