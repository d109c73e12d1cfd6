/**
 * Clients that leave: how soon the upstream stops working for them. In the middle of a stream, before an answer, and while the call
 * still waits for a connection to the upstream (then it is never to be sent).
 */
import assert from "node:assert/strict";
import { setTimeout as sleep } from "node:timers/promises";
import { openCalls, openStreams } from "./open-streams.ts";
import type { Contender } from "./contender.ts";
import type { Hole } from "./hole.ts";
import type { Bench, Goal, Sample, Scenario } from "./scenario.ts";

const STREAMING = 100;
const WAITING = 100;
const QUEUED = 20;
const BODY_BYTES = 2_048;
const LIMIT_MS = 2_000;
/** For requests to get as far as they can. */
const SETTLE_MS = 300;

export function leaving(name: string, goals: readonly Goal[]): Scenario {
  return {
    name,
    title: `clients that leave (${STREAMING} in a stream, ${WAITING} before an answer, ${QUEUED} without a connection): until none is worked for`,
    unit: "ms",
    goals,
    fresh: true,
    measure,
  };
}

async function measure(contender: Contender, bench: Bench): Promise<Sample> {
  assert(bench.hole !== undefined, "this measurement needs a process of its own");
  const streams = await openStreams(contender, { streams: STREAMING, behaviour: "paced-100", bodyBytes: BODY_BYTES });
  const calls = await openCalls(contender, { streams: WAITING, behaviour: "hold", bodyBytes: BODY_BYTES });
  const queued = await openCalls(contender, {
    streams: QUEUED,
    behaviour: "hold",
    bodyBytes: BODY_BYTES,
    call: contender.hole,
  });
  await sleep(SETTLE_MS);
  const all = STREAMING + WAITING;
  const { open: worked } = await bench.upstream.stats();
  const leftAt = performance.now();
  for (const left of [streams, calls, queued]) left.leave();
  const [closed, sent] = await Promise.all([closing(bench, leftAt), sentFromQueue(bench.hole)]);
  const { open } = closed;
  const errors = [streams, calls, queued].find((each) => each.errors.count > 0)?.errors;
  // Not reached, or not reached any more: then there was less to leave than there should have been.
  const problem = worked === all ? errors?.first : `the upstream was working on ${worked} of ${all} calls`;
  const isDone = open === 0 && sent === 0;
  return {
    value: isDone ? closed.lastMs : Number.POSITIVE_INFINITY,
    others: {
      "closed %": (100 * (all - open + QUEUED - sent)) / (all + QUEUED),
      "streaming or waiting %": (100 * (all - open)) / all,
      "queued %": (100 * (QUEUED - sent)) / QUEUED,
    },
    errors: (errors?.count ?? 0) + Math.abs(all - worked),
    problem,
  };
}

/** Until nothing is worked on, or the limit. */
async function closing(bench: Bench, leftAt: number): Promise<{ readonly open: number; readonly lastMs: number }> {
  for (;;) {
    const { open } = await bench.upstream.stats();
    const lastMs = performance.now() - leftAt;
    if (open === 0 || lastMs >= LIMIT_MS) return { open, lastMs };
    await sleep(5);
  }
}

/**
 * Lets the queued calls through, if there still are any, and counts those that are sent for nobody. The kernel asks for a connection
 * again a second after it first did, so that the limit is long enough to see them.
 */
async function sentFromQueue(hole: Hole): Promise<number> {
  await sleep(SETTLE_MS);
  hole.open();
  await sleep(LIMIT_MS - SETTLE_MS);
  return hole.arrived();
}
