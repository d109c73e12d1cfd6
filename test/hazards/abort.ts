/** A client that leaves in the middle of its answer, or while it waits for one. */
import { expect } from "vitest";
import type { Simulation } from "../sdk/simulated.ts";
import { until } from "../running.ts";
import { asked, cellsOf, type Cell, Faults, inBatches, received, rowCount, rowsByExchange } from "./cells.ts";
import { type Hazard, talk, user } from "./hazard.ts";

/** More than a minute of an answer: who waits for its end fails. */
const slow: Hazard = {
  name: "a client that leaves",
  say: talk((marker) => ({ turns: [user(`${marker} [[sandbox: tokens=6000 tps=60]]`)] })),
  names: /./,
};

/** @returns what is not right. */
export async function leaveAll(simulation: Simulation): Promise<readonly string[]> {
  const faults = new Faults();
  const before = await rowCount(simulation);
  const cells = cellsOf(slow);
  const left = await inBatches(cells, async (cell) => ({ cell, exchange: await leave(simulation, cell) }));
  await until(() => simulation.sandbox.openRequests === 0);
  const count = (await rowCount(simulation)) - before;
  expect(count, "rows of the ledger, one for each call").toBe(cells.length);
  const rows = await rowsByExchange(simulation, count);
  for (const { cell, exchange } of left) {
    faults.about(cell, () => {
      expect(received(simulation.sandbox, cell)).toMatchObject({ clientLeft: true });
      // Who left before the head of the answer does not know its exchange; the count above has its row.
      if (exchange !== undefined) expect(rows.get(exchange)).toMatchObject([{ outcome: "canceled" }]);
    });
  }
  expect([...rows.values()].flat().filter(({ outcome }) => outcome !== "canceled")).toEqual([]);
  return faults.found;
}

/** Leaves once the answer has begun, or once the provider has the request where the answer comes whole. */
async function leave({ gateway, sandbox }: Simulation, cell: Cell): Promise<string | undefined> {
  const leaving = new AbortController();
  const answer = asked(gateway, cell, leaving.signal);
  if (!cell.stream) {
    const failed = expect(answer).rejects.toThrow(/abort/i);
    await until(() => received(sandbox, cell) !== undefined);
    leaving.abort();
    await failed;
    return undefined;
  }
  const { body, headers } = await answer;
  const first = await body?.getReader().read();
  expect(first?.done).toBe(false);
  leaving.abort();
  return headers.get("x-sluice-exchange") ?? "none";
}
