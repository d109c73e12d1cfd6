import fc from "fast-check";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { AttemptRow } from "../src/ledger-query.ts";
import type { Script } from "./fake-upstream.ts";
import { call } from "./line-client.ts";
import { startLine, type Line } from "./line-setup.ts";
import { lanes, SAID, type Lane } from "./line-wires.ts";

let line: Line;
beforeAll(async () => {
  line = await startLine();
});
afterAll(() => line.close());

test.each(lanes)(
  "$name: an answer is the same, and so is its row, however the network cuts it",
  { timeout: 60_000 },
  async (lane) => {
    for (const isStream of [true, false]) {
      const bytes = Buffer.from(
        isStream ? lane.upstream.events(SAID).join("") : JSON.stringify(lane.upstream.whole(SAID)),
      );
      const whole = await answered(lane, isStream, [bytes]);
      const cuts = fc.uniqueArray(fc.nat({ max: bytes.length }), { maxLength: 12 });
      await fc.assert(
        fc.asyncProperty(cuts, async (places) => {
          expect(await answered(lane, isStream, chunksOf(bytes, places))).toEqual(whole);
        }),
        { numRuns: 25 },
      );
      expect(await answered(lane, isStream, chunksOf(bytes, [...bytes.keys()]))).toEqual(whole);
    }
  },
);

/** What the client got and what the ledger has, without what differs from call to call. */
async function answered(lane: Lane, isStream: boolean, chunks: readonly Buffer[]): Promise<object> {
  line.upstream(lane.upstream.kind).answer(written(chunks));
  const answer = await call(line.url, lane.client.path, {
    body: lane.client.request({ model: lane.upstream.model, stream: isStream }),
  });
  const exchange = answer.headers["x-sluice-exchange"] as string;
  const rows = await line.gateway.attempts(exchange);
  return {
    status: answer.status,
    isBroken: answer.isBroken,
    // An answer whose provider gives no id or time in the client's own form has made-up ones.
    text: lane.isSame
      ? answer.text
      : answer.text.replace(/"(?:id|item_id)":"[^"]+"/g, "").replace(/"(?:created|created_at|completed_at)":\d+/g, ""),
    rows: rows.map(withoutTimes),
  };
}

function withoutTimes(row: AttemptRow): object {
  const {
    attempt: _,
    exchange: __,
    started_at: ___,
    ttft_ms: ____,
    duration_ms: _____,
    overhead_ms: ______,
    // The same again is another try.
    signals: ________,
    reason: _______,
    ...rest
  } = row;
  return rest;
}

/** Each chunk is a write of its own, in a turn of its own. */
function written(chunks: readonly Buffer[]): Script {
  return async (outgoing) => {
    outgoing.writeHead(200);
    for (const chunk of chunks) {
      outgoing.write(chunk);
      await new Promise((resolve) => void setImmediate(resolve));
    }
    outgoing.end();
  };
}

function chunksOf(bytes: Buffer, places: readonly number[]): Buffer[] {
  const sorted = [0, ...places.toSorted((one, other) => one - other), bytes.length];
  return sorted
    .slice(1)
    .map((end, index) => bytes.subarray(sorted[index], end))
    .filter((chunk) => chunk.length > 0);
}
