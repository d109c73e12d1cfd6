/** The bound of `bench trace` against the exact optimum: tiny traces, every placement tried. */
import { expect, test } from "vitest";
import { lowerBound } from "../bench/trace/bound.ts";
import { clairvoyant } from "../bench/trace/clairvoyant.ts";
import { costOf, type Mark, MarkCache } from "../bench/trace/mark-cache.ts";
import { PrefixTree } from "../bench/trace/prefix-tree.ts";
import { seeded } from "../bench/trace/random.ts";
import { replay } from "../bench/trace/replay.ts";
import { ANTHROPIC, type MarkRules } from "../bench/trace/rules.ts";
import { tokensOf, type Trace, type TraceRequest } from "../bench/trace/trace.ts";

const INSTANCES = 60;
/** Placements tried of one instance. */
const PLACEMENTS_MAX = 6_000;
const BLOCK = 512;
/** Siblings, pauses within each lifetime, and beyond both. */
const PAUSES = [0.05, 2, 200, 290, 310, 1500, 3500, 4000] as const;

test("the bound is never above what the best placement costs, and nearly always equal to it", () => {
  let equal = 0;
  let reached = 0;
  let tried = 0;
  for (let seed = 1; tried < INSTANCES; seed += 1) {
    const { trace, rules } = instance(seed);
    const placements = trace.requests.map((request) => placementsOf(trace, rules, request));
    if (placements.reduce((product, { length }) => product * length, 1) > PLACEMENTS_MAX) continue;
    tried += 1;
    const optimum = cheapest(trace, rules, placements);
    const bound = lowerBound(trace, new PrefixTree(trace), rules, { mayHold: false });
    const seeing = replay(trace, rules, clairvoyant(trace)).cost;
    expect(bound, `instance ${seed}`).toBeLessThanOrEqual(optimum + 1e-6);
    expect(seeing, `instance ${seed}: no policy is cheaper than the best placement`).toBeGreaterThanOrEqual(
      optimum - 1e-6,
    );
    if (optimum - bound < 1e-6) equal += 1;
    if (seeing - optimum < 1e-6) reached += 1;
  }
  expect(equal / tried).toBeGreaterThanOrEqual(0.95);
  expect(reached / tried).toBeGreaterThanOrEqual(0.85);
});

/** Three to five requests over a handful of shared stretches. */
function instance(seed: number): { readonly trace: Trace; readonly rules: MarkRules } {
  const chance = seeded(seed);
  const below = (count: number) => Math.floor(chance() * count);
  const requests: TraceRequest[] = [];
  let atSeconds = 0;
  let lastId = 0;
  for (let index = 0, count = 3 + below(3); index < count; index += 1) {
    const earlier = requests[below(requests.length)];
    const runs: number[] = [];
    if (earlier !== undefined && chance() < 0.8) {
      // The whole of an earlier prompt, or its beginning.
      const kept = chance() < 0.7 ? earlier.runs.length : 2 * (1 + below(earlier.runs.length / 2));
      runs.push(...earlier.runs.slice(0, kept));
    }
    if (runs.length < 6 && (runs.length === 0 || chance() < 0.7)) {
      const blocks = 1 + below(20);
      runs.push(lastId, blocks);
      lastId += blocks;
    }
    const blocks = runs.reduce((sum, value, place) => sum + (place % 2 === 1 ? value : 0), 0);
    requests.push({
      index,
      atSeconds,
      promptTokens: blocks * BLOCK + below(BLOCK),
      session: undefined,
      kind: "user",
      staticBlocks: 0,
      contentBlocks: 1,
      apiSeconds: 0,
      runs,
      blocks,
    });
    atSeconds += PAUSES[below(PAUSES.length)] as number;
  }
  const minTokens = chance() < 0.7 ? 1024 : 4096;
  const prefillTokensPerSecond = chance() < 0.5 ? 10_000 : 1_000;
  return {
    trace: { name: `tiny ${seed}`, requests, tokensOf: tokensOf({ block: BLOCK }) },
    rules: { ...ANTHROPIC, minTokens, prefillTokensPerSecond },
  };
}

/** Every set of marks, long ones first. */
function placementsOf(trace: Trace, rules: MarkRules, request: TraceRequest): readonly (readonly Mark[])[] {
  const tree = new PrefixTree(trace);
  const depths = tree
    .path(request.index, [])
    .filter((node) => (tree.tokens[node] as number) >= rules.minTokens)
    .map((node) => tree.depth[node] as number);
  const placements: Mark[][] = [];
  for (let set = 0; set < 2 ** depths.length; set += 1) {
    const chosen = depths.filter((_depth, place) => (set & (2 ** place)) !== 0);
    for (let long = 0; long <= chosen.length; long += 1) {
      placements.push(chosen.map((blocks, place) => ({ blocks, ttl: place < long ? "1h" : "5m" })));
    }
  }
  return placements;
}

function cheapest(trace: Trace, rules: MarkRules, placements: readonly (readonly (readonly Mark[])[])[]): number {
  const tree = new PrefixTree(trace);
  const count = placements.reduce((product, { length }) => product * length, 1);
  let least = Number.POSITIVE_INFINITY;
  for (let number = 0; number < count; number += 1) {
    const cache = new MarkCache(tree, rules);
    let left = number;
    let cost = 0;
    for (const [index, request] of trace.requests.entries()) {
      const options = placements[index] as (readonly Mark[])[];
      const marks = options[left % options.length] as readonly Mark[];
      left = Math.floor(left / options.length);
      cost += costOf(cache.send(request, marks, request.atSeconds), rules);
    }
    least = Math.min(least, cost);
  }
  return least;
}
