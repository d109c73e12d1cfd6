/** A trace through replicas behind a router, in virtual time and open loop: nobody waits for an answer before asking again. */
import { PrefixTree } from "./prefix-tree.ts";
import { Replica } from "./replica.ts";
import type { MakeRouter } from "./routers.ts";
import { Timings } from "./timings.ts";
import type { Trace, TraceRequest } from "./trace.ts";

export interface Fleet {
  readonly replicas: number;
  /** Of each one's cache. */
  readonly capacityTokens: number;
  /** What all replicas together can read, as a share of the prompt tokens that the trace brings. */
  readonly prefillShare: number;
}

export interface Routed {
  /** Share of the prompt tokens. */
  readonly hit: number;
  /** Work of the busiest replica over the mean. */
  readonly imbalance: number;
  readonly firstTokenSecondsP95: number;
  readonly microsecondsPerDecision: number;
}

export function route(trace: Trace, fleet: Fleet, make: MakeRouter): Routed {
  const tree = new PrefixTree(trace);
  const promptTokens = trace.requests.reduce((sum, request) => sum + request.promptTokens, 0);
  const tokensPerSecond = (fleet.prefillShare * promptTokens) / durationSeconds(trace) / fleet.replicas;
  const replicas = Array.from(
    { length: fleet.replicas },
    () => new Replica(tree, fleet.capacityTokens, tokensPerSecond),
  );
  const router = make({ trace, tree, replicas, capacityTokens: fleet.capacityTokens, tokensPerSecond });
  const waits: number[] = [];
  const answers: Answer[] = [];
  let hitTokens = 0;
  const timings = new Timings();
  for (const request of trace.requests) {
    const atSeconds = request.atSeconds;
    while ((answers[0]?.atSeconds ?? Number.POSITIVE_INFINITY) <= atSeconds) {
      const { request: answered, replica, atSeconds: begun } = answers.shift() as Answer;
      router.began?.(answered, replica, begun);
    }
    router.read?.(request);
    const begun = performance.now();
    const replica = router.choose(request, atSeconds);
    router.sent?.(request, replica, atSeconds);
    timings.add(performance.now() - begun);
    const sent = (replicas[replica] as Replica).send(request, atSeconds);
    hitTokens += sent.hitTokens;
    waits.push(sent.firstTokenSeconds);
    if (router.began !== undefined)
      insert(answers, { request, replica, atSeconds: atSeconds + sent.firstTokenSeconds });
  }
  const work = replicas.map((replica) => replica.workTokens);
  const mean = work.reduce((sum, tokens) => sum + tokens, 0) / work.length;
  return {
    hit: promptTokens === 0 ? 0 : hitTokens / promptTokens,
    imbalance: mean === 0 ? 1 : Math.max(...work) / mean,
    firstTokenSecondsP95: percentile(waits, 0.95),
    microsecondsPerDecision: timings.microseconds,
  };
}

export function percentile(values: Iterable<number>, share: number): number {
  const sorted = Float64Array.from(values).sort();
  return sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))] ?? 0;
}

interface Answer {
  readonly request: TraceRequest;
  readonly replica: number;
  readonly atSeconds: number;
}

function insert(answers: Answer[], answer: Answer): void {
  let place = answers.length;
  while (place > 0 && (answers[place - 1] as Answer).atSeconds > answer.atSeconds) place -= 1;
  answers.splice(place, 0, answer);
}

function durationSeconds(trace: Trace): number {
  return Math.max(1e-3, (trace.requests.at(-1)?.atSeconds ?? 0) - (trace.requests[0]?.atSeconds ?? 0));
}
