/** When prefixes come back: what is counted, when it is counted, and how classes lend to each other. */
import { describe, expect, test } from "vitest";
import {
  emptyHazards,
  type Hazards,
  hazardsOf,
  learnTokens,
  promptClass,
  returnChance,
  staticClass,
  STEP_SECONDS,
  TENANT_CLASS,
  turnClass,
  weightOf,
} from "../src/cache/hazard.ts";
import { Waiting } from "../src/cache/waiting.ts";

const CLASS = promptClass(0, 1, 5000);

function hazard(hazards: Hazards, step: number, finest = TENANT_CLASS): number {
  const out = new Float64Array(STEP_SECONDS.length);
  hazardsOf(hazards, finest, out);
  return out[step] as number;
}

describe("a step's count", () => {
  test("comes by quarters of it, returns and survivals together", () => {
    const hazards = emptyHazards();
    const waiting = new Waiting(100);
    const numbers = Array.from({ length: 10 }, () => waiting.begin(hazards, CLASS, 1, 0));
    waiting.advance(4999);
    expect(hazard(hazards, 0)).toBeCloseTo(0.16, 6);
    waiting.advance(10_000);
    // Ten of them were at risk for half of it.
    expect(hazard(hazards, 0)).toBeCloseTo((2 * 0.16) / (5 + 2), 6);
    waiting.returned(numbers[3] as number);
    waiting.advance(14_999);
    expect(hazard(hazards, 0)).toBeCloseTo((2 * 0.16) / (5 + 2), 6);
    waiting.advance(15_000);
    expect(hazard(hazards, 0)).toBeCloseTo((1 + 2 * 0.16) / (1 + 9 * 0.75 + 2), 6);
    waiting.advance(20_000);
    expect(hazard(hazards, 0)).toBeCloseTo((1 + 2 * 0.16) / (10 + 2), 6);
  });

  test("does not count one that returned among those at risk later", () => {
    const hazards = emptyHazards();
    const waiting = new Waiting(100);
    const one = waiting.begin(hazards, CLASS, 1, 0);
    waiting.begin(hazards, CLASS, 1, 0);
    waiting.returned(one);
    waiting.advance(60_000);
    expect(hazard(hazards, 0)).toBeCloseTo((1 + 2 * 0.16) / (2 + 2), 6);
    expect(hazard(hazards, 1)).toBeCloseTo((2 * 0.16) / (1 + 2), 6);
  });

  test("counts a return once, in the step it fell into", () => {
    const hazards = emptyHazards();
    const waiting = new Waiting(100);
    const one = waiting.begin(hazards, CLASS, 1, 0);
    waiting.advance(700_000);
    waiting.returned(one);
    waiting.returned(one);
    waiting.advance(3_600_000);
    expect(hazard(hazards, 4)).toBeCloseTo((2 * 0.05) / (1 + 2), 6);
    expect(hazard(hazards, 5)).toBeCloseTo((1 + 2 * 0.04) / (1 + 2), 6);
    expect(hazard(hazards, 6)).toBeCloseTo(0.02, 6);
    expect(waiting.size).toBe(0);
  });

  test("weighs a prompt by its tokens, within limits", () => {
    const hazards = emptyHazards();
    for (let count = 0; count < 10; count += 1) learnTokens(hazards, 1000);
    expect(weightOf(hazards, 2000)).toBeCloseTo(2, 6);
    expect(weightOf(hazards, 1)).toBe(0.05);
    expect(weightOf(hazards, 1e9)).toBe(4);
    const waiting = new Waiting(10);
    waiting.begin(hazards, CLASS, 2, 0);
    waiting.advance(20_000);
    expect(hazard(hazards, 0)).toBeCloseTo((2 * 0.16) / (2 + 2), 6);
  });
});

describe("classes", () => {
  test("a class begins as the coarser one it belongs to, and becomes itself", () => {
    const hazards = emptyHazards();
    const waiting = new Waiting(1000);
    const [tool, user] = [promptClass(1, 9, 5000), promptClass(0, 9, 5000)];
    for (let count = 0; count < 100; count += 1) {
      waiting.returned(waiting.begin(hazards, tool, 1, 0));
      waiting.begin(hazards, user, 1, 0);
    }
    waiting.advance(20_000);
    expect(hazard(hazards, 0, tool)).toBeGreaterThan(0.95);
    expect(hazard(hazards, 0, user)).toBeLessThan(0.05);
    // Never seen: the tenant's own mean.
    expect(hazard(hazards, 0, promptClass(2, 1, 5000))).toBeCloseTo(hazard(hazards, 0), 6);
    expect(hazard(hazards, 0)).toBeCloseTo(0.5, 1);
  });

  test("a turn has a class of all its prompts, whatever their kind and size", () => {
    const hazards = emptyHazards();
    const waiting = new Waiting(1000);
    for (let count = 0; count < 100; count += 1) {
      waiting.returned(waiting.begin(hazards, promptClass(1, 1, 50_000), 1, 0));
      waiting.begin(hazards, promptClass(0, 2, 5000), 1, 0);
    }
    waiting.advance(20_000);
    expect(hazard(hazards, 0, turnClass(1))).toBeGreaterThan(0.95);
    expect(hazard(hazards, 0, turnClass(2))).toBeLessThan(0.05);
    expect(turnClass(3)).toBe(turnClass(4));
  });

  test("what nobody saw come back is not believed to, where only what was seen counts", () => {
    const hazards = emptyHazards();
    const out = new Float64Array(STEP_SECONDS.length);
    hazardsOf(hazards, CLASS, out, "seen");
    expect(returnChance(out, 3600)).toBe(0);
    const waiting = new Waiting(10);
    waiting.returned(waiting.begin(hazards, CLASS, 1, 0));
    waiting.advance(20_000);
    hazardsOf(hazards, CLASS, out, "seen");
    expect(returnChance(out, 300)).toBeGreaterThan(0.25);
  });

  test("turns and sizes are told apart where §13 does, static prefixes apart from prompts", () => {
    const turns = [1, 2, 3, 4, 5, 8, 9, 16, 17, 1000].map((turn) => promptClass(0, turn, 1));
    expect(new Set(turns).size).toBe(6);
    expect(turns[2]).toBe(turns[3]);
    expect(turns[7]).not.toBe(turns[8]);
    const sizes = [2048, 2049, 8192, 8193, 32_769, 98_305, 196_609].map((tokens) => promptClass(0, 1, tokens));
    expect(new Set(sizes).size).toBe(6);
    expect(sizes[1]).toBe(sizes[2]);
    expect(staticClass(6)).toBe(staticClass(600));
    expect(staticClass(5)).not.toBe(staticClass(6));
    const all = [0, 1, 2, 3].flatMap((kind) => [1, 2, 3, 5, 9, 17].map((turn) => promptClass(kind, turn, 1e6)));
    expect(new Set([...all, ...[0, 1, 2, 3, 4, 5, 6].map(staticClass)]).size).toBe(31);
  });
});

describe("the chance of a return", () => {
  const prior = new Float64Array(STEP_SECONDS.length);
  hazardsOf(emptyHazards(), TENANT_CLASS, prior);

  test("is that of no step without one", () => {
    expect(returnChance(prior, 300)).toBeCloseTo(1 - 0.84 ** 4, 9);
    expect(returnChance(prior, 3600)).toBeCloseTo(1 - 0.84 ** 4 * 0.95 * 0.96 * 0.98 ** 3, 9);
    expect(returnChance(prior, 1e9)).toBe(returnChance(prior, 3600));
    expect(returnChance(prior, 0)).toBe(0);
  });

  test("of a part of a step is the part's", () => {
    expect(returnChance(prior, 450)).toBeCloseTo(1 - 0.84 ** 4 * Math.sqrt(0.95), 9);
  });
});

test("a class that has seen much forgets half of it", () => {
  const hazards = emptyHazards();
  const waiting = new Waiting(20_000);
  for (let count = 0; count < 5000; count += 1) waiting.begin(hazards, CLASS, 1, 0);
  waiting.advance(20_000);
  const risked = hazards.rows.counts[2 * STEP_SECONDS.length * (hazards.row[TENANT_CLASS] as number) + 1] as number;
  expect(risked).toBeGreaterThan(2047);
  expect(risked).toBeLessThan(4097);
});
