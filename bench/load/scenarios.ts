/** What is measured, and the goals. Adding one: a file, and its place in the list. */
import { closedLoop } from "./closed-loop.ts";
import { leaving } from "./leaving.ts";
import { memory } from "./memory.ts";
import { oneConnection } from "./one-connection.ts";
import { paced } from "./paced.ts";
import type { Goal, Scenario } from "./scenario.ts";

export const scenarios: readonly Scenario[] = [
  closedLoop(
    "json-2k",
    "JSON, 2 KB request, 64 connections",
    { behaviour: "whole", bodyBytes: 2_048, connections: 64 },
    [timesLessThan("portkey", 7, 10), timesOf("nginx", 5, 4)],
  ),
  closedLoop(
    "json-40k",
    "JSON, 40 KB request, 32 connections",
    { behaviour: "whole", bodyBytes: 40_960, connections: 32 },
    [timesLessThan("portkey", 5, 6.5)],
  ),
  closedLoop(
    "sse-burst",
    "SSE, 66 events at once, 64 connections",
    { behaviour: "burst", bodyBytes: 2_048, connections: 64 },
    [timesLessThan("portkey", 5, 10), timesOf("nginx", 3, 1.7)],
  ),
  paced("sse-paced", [timesLessThan("portkey", 1.5, 2), timesOf("nginx", 2.6, 1.8)]),
  oneConnection("one-json", "JSON, one connection: the answer comes later by", { behaviour: "whole", until: "end" }, [
    timesOf("portkey", 0.4, 0.3),
  ]),
  oneConnection(
    "one-sse",
    "SSE, one connection: the first byte comes later by",
    { behaviour: "burst", until: "first byte" },
    [own("µs", 2_000, 1_000)],
  ),
  memory("memory", [own("MB", 45, 25)]),
  leaving("leaving", [own("ms", 2_000, 300)]),
];

function timesLessThan(peer: string, must: number, aim: number): Goal {
  return { text: `times less than ${peer}`, peer, compare: "peer / own", must, aim };
}

function timesOf(peer: string, must: number, aim: number): Goal {
  return { text: `times ${peer}`, peer, compare: "own / peer", must, aim };
}

function own(unit: string, must: number, aim: number): Goal {
  return { text: unit, peer: undefined, compare: "own", must, aim };
}
