/**
 * One caller on a quiet machine: how much later the answer comes than without a gateway. Each call to the contender is followed by
 * the same call to the upstream itself, so that whatever disturbs one disturbs the other.
 */
import { whatIsWrong } from "./closed-loop.ts";
import { Connection } from "./connection.ts";
import { RequestBytes, type Contender } from "./contender.ts";
import { Errors, type Bench, type Goal, type Sample, type Scenario } from "./scenario.ts";
import { median } from "./statistics.ts";

const BODY_BYTES = 2_048;
const ERRORS_MAX = 10;

export interface OneShape {
  readonly behaviour: "whole" | "burst";
  /** The whole answer, or its first byte. */
  readonly until: "end" | "first byte";
}

export function oneConnection(name: string, title: string, shape: OneShape, goals: readonly Goal[]): Scenario {
  return {
    name,
    title,
    unit: "µs added, p50",
    goals,
    fresh: false,
    measure: (contender, bench) => measure(contender, shape, bench),
  };
}

async function measure(contender: Contender, shape: OneShape, bench: Bench): Promise<Sample> {
  const errors = new Errors();
  const direct = { port: bench.upstream.port, asked: 0 };
  const ways = [
    { asked: contender, connection: new Connection(contender), took: [] as number[] },
    { asked: direct, connection: new Connection(direct), took: [] as number[] },
  ].map((way) => ({
    ...way,
    request: new RequestBytes(way.asked.port, contender.usual, shape.behaviour, BODY_BYTES),
  }));
  const measureFrom = performance.now() + bench.warmMs;
  const until = measureFrom + bench.windowMs;
  while (performance.now() < until && errors.count < ERRORS_MAX) {
    for (const { asked, connection, request, took } of ways) {
      const startedAt = performance.now();
      try {
        const answer = await connection.ask(request.numbered(asked.asked));
        const problem = whatIsWrong(answer, shape.behaviour);
        if (problem !== undefined) errors.add(problem);
        const end = shape.until === "end" ? performance.now() : answer.firstByteAt;
        if (startedAt >= measureFrom) took.push((end - startedAt) * 1000);
      } catch (error) {
        errors.add((error as Error).message);
      }
    }
  }
  for (const { connection } of ways) connection.leave();
  const [through = Number.NaN, without = Number.NaN] = ways.map(({ took }) => median(took));
  return {
    value: through - without,
    others: { "p50 µs": through, "direct µs": without, calls: ways[0]?.took.length ?? 0 },
    errors: errors.count,
    problem: errors.first,
  };
}
