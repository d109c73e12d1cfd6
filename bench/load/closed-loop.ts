/**
 * So many connections, each asking again as soon as it is answered: how much of the contender's processor a request takes.
 */
import { setTimeout as sleep } from "node:timers/promises";
import { Connection, type Answer } from "./connection.ts";
import { RequestBytes, type Contender } from "./contender.ts";
import { cpuMs } from "./process.ts";
import { Errors, type Bench, type Goal, type Sample, type Scenario } from "./scenario.ts";
import { BURST_EVENTS, LINE_FEEDS_PER_EVENT, STREAM_END, WHOLE_END } from "./traffic.ts";

export interface LoopShape {
  readonly behaviour: "whole" | "burst";
  readonly bodyBytes: number;
  readonly connections: number;
}

/** After so many of them nothing is left to measure. */
const ERRORS_MAX = 50;
/** How long the last answers may take once nobody asks any more. */
const LAST_MS_MAX = 5_000;

export function closedLoop(name: string, title: string, shape: LoopShape, goals: readonly Goal[]): Scenario {
  return {
    name,
    title,
    unit: "µs CPU/request",
    goals,
    fresh: false,
    measure: (contender, bench) => measureLoop(contender, shape, bench),
  };
}

/** Also what warms a contender up. */
export async function measureLoop(
  contender: Contender,
  shape: LoopShape,
  bench: Pick<Bench, "warmMs" | "windowMs">,
): Promise<Sample> {
  const errors = new Errors();
  let answered = 0;
  const over = new AbortController();
  const connections = Array.from({ length: shape.connections }, () => new Connection(contender));
  const loops = connections.map(async (connection) => {
    const request = new RequestBytes(contender.port, contender.usual, shape.behaviour, shape.bodyBytes);
    while (!over.signal.aborted && errors.count < ERRORS_MAX) {
      try {
        const problem = whatIsWrong(await connection.ask(request.numbered(contender.asked)), shape.behaviour);
        if (problem === undefined) answered += 1;
        else errors.add(problem);
      } catch (error) {
        errors.add((error as Error).message);
      }
    }
  });
  await sleep(bench.warmMs);
  const startedAt = performance.now();
  const before = { answered, cpuMs: cpuMs(contender.pid) };
  await sleep(bench.windowMs);
  const requests = answered - before.answered;
  const usedMs = cpuMs(contender.pid) - before.cpuMs;
  const seconds = (performance.now() - startedAt) / 1000;
  over.abort();
  const late = setTimeout(() => {
    for (const connection of connections) connection.leave();
  }, LAST_MS_MAX);
  await Promise.all(loops);
  clearTimeout(late);
  for (const connection of connections) connection.leave();
  return {
    value: (usedMs * 1000) / requests,
    others: { "req/s": requests / seconds, "core %": usedMs / 10 / seconds },
    errors: errors.count,
    problem: errors.first,
  };
}

/** Why this is not the answer that the upstream gave. */
export function whatIsWrong(answer: Answer, behaviour: "whole" | "burst"): string | undefined {
  if (answer.status !== 200) return `status ${answer.status}: …${answer.end}`;
  if (behaviour === "whole") return answer.end.endsWith(WHOLE_END) ? undefined : `it ends with …${answer.end}`;
  if (!answer.end.trimEnd().endsWith(STREAM_END)) return `the stream ends with …${answer.end}`;
  const events = answer.lineFeeds / LINE_FEEDS_PER_EVENT;
  return events === BURST_EVENTS ? undefined : `a stream of ${BURST_EVENTS} events had ${events}`;
}
