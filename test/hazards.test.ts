/**
 * What goes wrong on the way, over every client dialect and every provider, streaming and not: each cell is answered rightly, or
 * refused with words of the caller's own dialect that name what was wrong; no call fails by our own doing, hangs, or is left out of the
 * ledger.
 *
 * What came of each cell is listed in `golden/hazards-*.txt`. A difference is read before it is accepted
 * (`npx vitest run --dir test hazards -u`).
 */
import { afterAll, beforeAll, expect, test } from "vitest";
import { leaveAll } from "./hazards/abort.ts";
import { Faults, runHazard } from "./hazards/cells.ts";
import { listing } from "./hazards/listing.ts";
import { HAZARDS } from "./hazards/table.ts";
import { PROVIDERS, QUICK_RETRIES, type Simulation, startSimulation } from "./sdk/simulated.ts";

const NARROW = PROVIDERS.map(({ kind }) => kind).map(
  (provider) => `  narrow-${provider}: { provider: ${provider}, contextTokens: 500 }`,
);

/** What each takes is a tenth of it where nothing else runs. */
const GROUP_MS_MAX = 60_000;

let simulation: Simulation;
beforeAll(async () => {
  simulation = await startSimulation({ yaml: `${QUICK_RETRIES}models:\n${NARROW.join("\n")}\n` });
});
afterAll(() => simulation.close());

test.each(Object.entries(HAZARDS))(
  "%s: each is answered rightly or refused clearly",
  async (group, hazards) => {
    const faults = new Faults();
    const outcomes = [];
    for (const hazard of hazards) outcomes.push([hazard.name, await runHazard(simulation, hazard, faults)] as const);
    expect(faults.found).toEqual([]);
    await expect(listing(outcomes)).toMatchFileSnapshot(`golden/hazards-${group}.txt`);
  },
  GROUP_MS_MAX,
);

test(
  "a client that leaves is one canceled row, and its provider is told",
  async () => {
    expect(await leaveAll(simulation)).toEqual([]);
  },
  GROUP_MS_MAX,
);
