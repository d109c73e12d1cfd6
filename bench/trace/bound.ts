/**
 * What no policy can beat. Whatever marks a request carries, the tokens of each node of the prefix tree are billed as read, plain or
 * written. Drop every constraint that ties the nodes of one request together, let each node choose alone, with the whole future
 * known: the sum of their optima is at most the cost of any policy.
 */
import { type PrefixTree } from "./prefix-tree.ts";
import type { MarkRules } from "./rules.ts";
import type { Trace } from "./trace.ts";

export interface BoundOptions {
  /** Whether requests may wait, so that whatever was sent before can be read. */
  readonly mayHold: boolean;
}

/** One way of having treated a node so far. */
interface State {
  cost: number;
  /** {@link DEAD}: nothing of it is cached. */
  readonly one: number;
  readonly readySeconds: number;
}

interface Node {
  states: readonly State[];
  lastSeconds: number;
}

const DEAD = -1;

/** In units of an uncached input token, over the whole trace. */
export function lowerBound(trace: Trace, tree: PrefixTree, rules: MarkRules, options: BoundOptions): number {
  const nodes: (Node | undefined)[] = [];
  const weights = new Map<number, number>();
  const path: number[] = [];
  let total = 0;
  for (const request of trace.requests) {
    tree.path(request.index, path);
    let end = 0;
    for (const node of path) {
      if ((tree.tokens[node] as number) < rules.minTokens) continue;
      // Two prompts share a cached token only if they share the least that is cached: the first node to reach it takes all before it.
      const start = end;
      end = tree.tokens[node] as number;
      weights.set(node, end - start);
      const prefillSeconds = (request.promptTokens - start) / rules.prefillTokensPerSecond;
      const takesSeconds = request.apiSeconds > 0 ? Math.min(prefillSeconds, request.apiSeconds) : prefillSeconds;
      const readySeconds = request.atSeconds + (options.mayHold ? 0 : takesSeconds);
      nodes[node] = visited(nodes[node], request.atSeconds, readySeconds, rules);
    }
    total += Math.max(0, request.promptTokens - end);
  }
  for (const [node, weight] of weights) {
    const states = nodes[node]?.states ?? [];
    total += weight * states.reduce((least, state) => Math.min(least, state.cost), Number.POSITIVE_INFINITY);
  }
  return total;
}

/** Dead before the first visit. */
const UNSEEN: Node = { states: [{ cost: 0, one: DEAD, readySeconds: 0 }], lastSeconds: 0 };

function visited(node: Node = UNSEEN, atSeconds: number, readySeconds: number, rules: MarkRules): Node {
  const next: State[] = [];
  for (const { cost, one, readySeconds: ready } of node.states) {
    const ttlSeconds = rules.classes[one]?.ttlSeconds ?? Number.NEGATIVE_INFINITY;
    const isAlive = node.lastSeconds + ttlSeconds >= atSeconds;
    if (isAlive && ready <= atSeconds) {
      // Where a longer entry keeps its whole prefix, a read may lengthen it for nothing.
      const kept = rules.isStrict ? one : rules.classes.length - 1;
      keep(next, { cost: cost + rules.readPrice, one: kept, readySeconds: ready });
      continue;
    }
    // In flight, it is refreshed for nothing, though it has to be paid.
    keep(next, { cost: cost + 1, one: isAlive ? one : DEAD, readySeconds: isAlive ? ready : 0 });
    for (const [other, { writePrice }] of rules.classes.entries()) {
      if (isAlive && other <= one) continue;
      keep(next, {
        cost: cost + writePrice,
        one: other,
        readySeconds: isAlive ? Math.min(ready, readySeconds) : readySeconds,
      });
    }
  }
  return { states: next, lastSeconds: atSeconds };
}

/** Without those that another one is better than in every way. */
function keep(states: State[], state: State): void {
  for (const other of states) if (isAtLeast(other, state)) return;
  let kept = 0;
  for (const other of states) if (!isAtLeast(state, other)) states[kept++] = other;
  states.length = kept;
  states.push(state);
}

/** A longer class can do all that a shorter one can. */
function isAtLeast(one: State, other: State): boolean {
  return (
    one.cost <= other.cost && one.one >= other.one && (other.one === DEAD || one.readySeconds <= other.readySeconds)
  );
}
