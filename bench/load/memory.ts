/** How much memory a process takes for streams that are open. */
import { setTimeout as sleep } from "node:timers/promises";
import { measureLoop } from "./closed-loop.ts";
import { openStreams } from "./open-streams.ts";
import type { Contender } from "./contender.ts";
import { rssBytes } from "./process.ts";
import type { Bench, Goal, Sample, Scenario } from "./scenario.ts";

const STREAMS = 1_000;
const EVERY_MS = 1_000;
const BODY_BYTES = 2_048;
/** What a process takes once is not counted: compiled code, the full size of its young heap. */
const WARM_LOAD = { behaviour: "whole", bodyBytes: BODY_BYTES, connections: 64 } as const;
const WARM_MS = 1_500;
const WARM_STREAMS = 100;
const SETTLE_MS = 500;

export function memory(name: string, goals: readonly Goal[]): Scenario {
  return {
    name,
    title: `memory for ${STREAMS} open streams (2 KB requests, an event a second)`,
    unit: "MB",
    goals,
    fresh: true,
    measure,
  };
}

async function measure(contender: Contender, bench: Bench): Promise<Sample> {
  const shape = { behaviour: `paced-${EVERY_MS}`, bodyBytes: BODY_BYTES } as const;
  await measureLoop(contender, WARM_LOAD, { warmMs: WARM_MS, windowMs: 0 });
  const warm = await openStreams(contender, { ...shape, streams: WARM_STREAMS });
  warm.leave();
  await sleep(SETTLE_MS);
  const before = rssBytes(contender.pid);
  const streams = await openStreams(contender, { ...shape, streams: STREAMS });
  await sleep(Math.max(SETTLE_MS, bench.windowMs));
  const after = rssBytes(contender.pid);
  streams.leave();
  return {
    value: (after - before) / 1e6,
    others: { "MB before": before / 1e6, "MB after": after / 1e6 },
    errors: streams.errors.count,
    problem: streams.errors.first,
  };
}
