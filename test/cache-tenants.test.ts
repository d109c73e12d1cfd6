/** Each tenant's statistics: bounded, told apart, and kept over a restart. */
import { describe, expect, test } from "vitest";
import {
  emptyHazards,
  type Hazards,
  HazardRows,
  hazardsOf,
  packHazards,
  promptClass,
  STEP_SECONDS,
  TENANT_CLASS,
} from "../src/cache/hazard.ts";
import { Tenants } from "../src/cache/tenants.ts";
import { Waiting } from "../src/cache/waiting.ts";

const DAY = 86_400_000;
const HOUR = 3_600_000;
const CLASSES = [0, 1, 2, 3].flatMap((kind) =>
  [1, 2, 3, 5, 9, 17].flatMap((turn) =>
    [1, 5000, 10_000, 50_000, 100_000, 200_000].map((tokens) => promptClass(kind, turn, tokens)),
  ),
);

/** So many prompts of which none came back, or all. */
function teach(hazards: Hazards, count: number, hasReturned = false, finest = promptClass(0, 1, 5000)): void {
  const waiting = new Waiting(2 * count);
  for (let index = 0; index < count; index += 1) {
    const number = waiting.begin(hazards, finest, 1, 0);
    if (hasReturned) waiting.returned(number);
  }
  waiting.advance(HOUR);
}

function firstStep(hazards: Hazards): number {
  const out = new Float64Array(STEP_SECONDS.length);
  hazardsOf(hazards, TENANT_CLASS, out);
  return out[0] as number;
}

function restored(max: number, snapshot: unknown): Tenants {
  const tenants = new Tenants(max);
  tenants.restore(JSON.parse(JSON.stringify(snapshot)));
  return tenants;
}

describe("the bound", () => {
  test("who is used least is forgotten first, and who was seen longest ago of those", () => {
    const tenants = new Tenants(2);
    tenants.of("a", 1).meanTokens = 10;
    tenants.of("b", 2).meanTokens = 20;
    tenants.of("a", 3);
    tenants.of("c", 4).meanTokens = 30;
    expect(["a", "b", "c"].map((name) => tenants.look(name).meanTokens)).toEqual([10, 0, 30]);
    tenants.of("c", 5);
    tenants.of("d", 6);
    expect(["a", "c", "d"].map((name) => tenants.look(name).prompts > 0 || tenants.look(name).meanTokens > 0)).toEqual([
      false,
      true,
      false,
    ]);
    expect(tenants.size).toBe(2);
  });

  test("what was used much a month ago counts less than what is used today", () => {
    const tenants = new Tenants(2);
    for (let index = 0; index < 500; index += 1) tenants.of("past", index).meanTokens = 10;
    for (let index = 0; index < 3; index += 1) tenants.of("present", 30 * DAY).meanTokens = 20;
    tenants.of("new", 30 * DAY + 1);
    expect(["past", "present"].map((name) => tenants.look(name).meanTokens)).toEqual([0, 20]);
  });

  test("of more tenants in turn than there is room for, most learn all the same", () => {
    const tenants = new Tenants(256);
    let remembered = 0;
    for (let round = 0; round < 100; round += 1) {
      for (let index = 0; index < 300; index += 1) {
        const hazards = tenants.of(`t${index}`, round * 1000 + index);
        if (round === 99 && hazards.prompts >= 50) remembered += 1;
        hazards.prompts += 1;
      }
    }
    expect(remembered).toBeGreaterThan(150);
    expect(tenants.size).toBe(256);
  });

  test("passers-by do not make a regular forgotten", () => {
    const tenants = new Tenants(64);
    for (let index = 0; index < 100; index += 1) tenants.of("regular", index).meanTokens = 10;
    for (let index = 0; index < 5000; index += 1) tenants.of(`once${index}`, 100 + index);
    expect(tenants.look("regular").meanTokens).toBe(10);
  });

  test("those who see every class of prompts cannot fill the rows of all, and nobody is left without", () => {
    const tenants = new Tenants(100);
    for (let index = 0; index < 100; index += 1) {
      const hazards = tenants.of(`t${index}`, index);
      for (const finest of CLASSES) teach(hazards, 1, false, finest);
    }
    // Each could have 173 of 1,600: the finest of them are not worth another tenant's coarse ones.
    expect(tenants.size).toBeGreaterThan(15);
    const last = tenants.of("t99", 101);
    expect(last.rows.counts.byteLength).toBeLessThan(130_000);
    const newcomer = tenants.of("newcomer", 102);
    teach(newcomer, 50);
    expect(firstStep(newcomer)).toBeLessThan(0.05);
  });

  test("a tenant that is forgotten gives its rows back, and who waits for it counts for nobody", () => {
    const tenants = new Tenants(1);
    const waiting = new Waiting(100);
    const first = tenants.of("first", 0);
    teach(first, 10);
    const { free } = first.rows;
    for (let index = 0; index < 50; index += 1) waiting.begin(first, promptClass(0, 1, 5000), 1, 0);
    const second = tenants.of("second", 1);
    expect(second.rows.free).toBeGreaterThan(free);
    expect(firstStep(second)).toBeCloseTo(0.16, 6);
    waiting.advance(20_000);
    expect(second.rows.free).toBe(second.rows.counts.length / (2 * STEP_SECONDS.length) - 1);
    expect(waiting.size).toBe(0);
  });

  test("looking at a tenant does not make it known", () => {
    const tenants = new Tenants(2);
    expect(tenants.look("a").prompts).toBe(0);
    expect(tenants.size).toBe(0);
  });
});

describe("a snapshot", () => {
  test("says again what was learned, to a hundredth, whatever the tenant is called", () => {
    const tenants = new Tenants(5);
    for (const [index, name] of ["__proto__", "toString", ""].entries()) {
      teach(tenants.of(name, 1), 100 * (index + 1), index === 1);
      tenants.of(name, 1).meanTokens = index + 5;
    }
    const again = restored(5, tenants.snapshot());
    for (const name of ["__proto__", "toString", ""]) {
      expect(again.look(name).meanTokens).toBe(tenants.look(name).meanTokens);
      expect(firstStep(again.look(name)) / firstStep(tenants.look(name))).toBeCloseTo(1, 2);
    }
    expect(again.look("constructor").meanTokens).toBe(0);
    expect(again.snapshot()).toEqual(tenants.snapshot());
  });

  test("has none of those who have taught nothing", () => {
    const tenants = new Tenants(5);
    tenants.of("a", 1);
    expect(tenants.snapshot()).toEqual([]);
  });

  test("of more tenants than there is room for keeps the bound, and reads no further", () => {
    const many = new Tenants(10);
    for (let index = 0; index < 10; index += 1) teach(many.of(`t${index}`, index), 1);
    expect(restored(3, many.snapshot()).size).toBe(3);
    const [one] = many.snapshot();
    let read = 0;
    const endless = Array.from({ length: 100_000 }, (_, index) => ({
      ...one,
      get name() {
        read += 1;
        return `x${index}`;
      },
    }));
    new Tenants(3).restore(endless);
    expect(read).toBeLessThan(20);
  });

  test("with counts that cannot be changes nothing that is believed", () => {
    const good = { name: "a", meanTokens: 1, prompts: 1, uses: 1, lastMs: 1 };
    const counts = (returned: number, risked: number) => {
      const hazards = emptyHazards(new HazardRows(10));
      teach(hazards, 1);
      for (let at = 0; at < hazards.rows.counts.length; at += 2) {
        hazards.rows.counts[at] = returned;
        hazards.rows.counts[at + 1] = risked;
      }
      hazards.packed = undefined;
      return packHazards(hazards);
    };
    expect(firstStep(restored(5, [{ ...good, counts: counts(0, 100) }]).look("a"))).toBeLessThan(0.05);
    for (const odd of [
      counts(0, Infinity),
      counts(0, 1e30),
      counts(NaN, NaN),
      counts(9, 1),
      counts(-1, 1),
      "!",
      "AAAA",
    ])
      expect(firstStep(restored(5, [{ ...good, counts: odd }]).look("a"))).toBeCloseTo(0.16, 6);
    for (const odd of [
      { meanTokens: 1e39 },
      { prompts: -1 },
      { uses: "9" },
      { lastMs: null },
      { name: 7 },
      { counts: [] },
    ])
      expect(restored(5, [{ ...good, counts: counts(0, 100), ...odd }]).size).toBe(0);
    for (const odd of [null, undefined, 7, "x", {}, [null], [[]]]) expect(restored(5, [odd]).size).toBe(0);
  });

  test("of as many as there can be is a few megabytes, made in less time than anybody waits", () => {
    const tenants = new Tenants(4095);
    for (let index = 0; index < 4095; index += 1) {
      const hazards = tenants.of(`t${index}`, index);
      for (const finest of CLASSES.slice(0, 24)) teach(hazards, 1, false, finest);
    }
    const begun = performance.now();
    const text = JSON.stringify(tenants.snapshot());
    expect(performance.now() - begun).toBeLessThan(1000);
    expect(text.length).toBeLessThan(5_000_000);
    // Only who learned since then is written anew.
    const before = tenants.snapshot();
    teach(tenants.of("t4094", 5000), 1);
    const after = tenants.snapshot();
    expect(after.filter((one, index) => one.counts !== before[index]?.counts)).toHaveLength(1);
  });
});
