/**
 * Streams that give an event now and then, as models do: what passing one on takes of the contender's processor.
 */
import { setTimeout as sleep } from "node:timers/promises";
import { openStreams } from "./open-streams.ts";
import type { Contender } from "./contender.ts";
import { cpuMs } from "./process.ts";
import type { Bench, Goal, Sample, Scenario } from "./scenario.ts";

const STREAMS = 100;
const EVERY_MS = 25;
const BODY_BYTES = 2_048;

export function paced(name: string, goals: readonly Goal[]): Scenario {
  return {
    name,
    title: `SSE, ${STREAMS} streams with an event every ${EVERY_MS} ms`,
    unit: "µs CPU/event",
    goals,
    fresh: false,
    measure,
  };
}

async function measure(contender: Contender, bench: Bench): Promise<Sample> {
  const streams = await openStreams(contender, {
    streams: STREAMS,
    behaviour: `paced-${EVERY_MS}`,
    bodyBytes: BODY_BYTES,
  });
  await sleep(bench.warmMs);
  const startedAt = performance.now();
  const before = { events: streams.events(), cpuMs: cpuMs(contender.pid) };
  await sleep(bench.windowMs);
  const events = streams.events() - before.events;
  const usedMs = cpuMs(contender.pid) - before.cpuMs;
  const seconds = (performance.now() - startedAt) / 1000;
  streams.leave();
  return {
    value: (usedMs * 1000) / events,
    others: { "events/s": events / seconds, "core %": usedMs / 10 / seconds },
    errors: streams.errors.count,
    problem: streams.errors.first,
  };
}
