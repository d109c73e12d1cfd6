/** Tokens per second of a round of parallel calls, and of several rounds. */
import { meanOf } from "../../src/tasks/distribution.ts";
import type { Rate } from "./calibration.ts";
import type { Probe } from "./probe.ts";

/** Of prompts that were read: from sending to the first token, whichever of them is read. */
export function readRate(probes: readonly Probe[]): number {
  const tokens = probes.reduce((sum, { promptTokens, cachedTokens }) => sum + promptTokens - (cachedTokens ?? 0), 0);
  return perSecond(
    tokens,
    probes.map(({ sentMs, firstMs }) => [sentMs, firstMs]),
  );
}

/** Of prompts that were there already. */
export function rereadRate(probes: readonly Probe[]): number {
  const tokens = probes.reduce((sum, { promptTokens }) => sum + promptTokens, 0);
  return perSecond(
    tokens,
    probes.map(({ sentMs, firstMs }) => [sentMs, firstMs]),
  );
}

/** Of answers behind their first token: from it to the last, whichever of them is written. Who waits in a queue writes nothing meanwhile. */
export function writtenRate(probes: readonly Probe[]): number {
  const tokens = probes.reduce((sum, { outputTokens }) => sum + Math.max(0, outputTokens - 1), 0);
  return perSecond(
    tokens,
    probes.map(({ firstMs, lastMs }) => [firstMs, lastMs]),
  );
}

function perSecond(tokens: number, spans: readonly (readonly [from: number, to: number])[]): number {
  let [covered, until] = [0, Number.NEGATIVE_INFINITY];
  for (const [from, to] of spans.toSorted(([one], [other]) => one - other)) {
    covered += Math.max(0, to - Math.max(from, until));
    until = Math.max(until, to);
  }
  return covered > 0 ? (tokens * 1_000) / covered : 0;
}

/** @returns `undefined` of nothing, and of what took no time. */
export function rateOf(rounds: readonly number[]): Rate | undefined {
  const known = rounds.filter((one) => one > 0);
  const { mean, mean_ci95: interval } = meanOf(known);
  if (mean === null) return undefined;
  return { mean, interval: interval === null ? null : [Math.max(0, interval[0]), interval[1]], rounds: known.length };
}
