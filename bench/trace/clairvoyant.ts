/**
 * A policy that knows the future and obeys every rule: what can be reached. Each visit's cost-to-go by node, computed backwards as the
 * bound is forwards; at a request the unread nodes are cut into a long, a short and a plain part so that their sum is least.
 */
import type { Mark, MarkCache } from "./mark-cache.ts";
import type { MakePolicy, MarkPolicy } from "./policy.ts";
import { type PrefixTree, ROOT } from "./prefix-tree.ts";
import type { MarkRules } from "./rules.ts";
import type { Trace, TraceRequest } from "./trace.ts";

export function clairvoyant(trace: Trace): MakePolicy {
  return (cache) => new Clairvoyant(trace, cache);
}

class Clairvoyant implements MarkPolicy {
  readonly name = "clairvoyant";
  readonly #cache: MarkCache;
  readonly #futures: Futures;
  readonly #path: number[] = [];

  constructor(trace: Trace, cache: MarkCache) {
    this.#cache = cache;
    this.#futures = new Futures(trace, cache.tree, cache.rules);
  }

  decide(request: TraceRequest, atSeconds: number): readonly Mark[] {
    const { tree, rules } = this.#cache;
    const path = cachedPath(tree, rules, request, this.#path);
    const hit = this.#cache.deepestEntry(request, atSeconds);
    const first = path.indexOf(hit) + 1;
    const ends = this.#cut(request, path, first, atSeconds);
    const long = Math.max(-1, ...ends.slice(1));
    const last = Math.max(-1, ...ends);
    const places = new Set<number>([last, long, first - 1].filter((place) => place >= 0));
    // Whoever comes next and leaves the path earlier reads up to an entry where it leaves.
    for (let place = last - 1; place >= 0 && places.size < rules.marksMax; place -= 1) {
      const here = this.#futures.nextVisit(request.index, place);
      if (here >= 0 && here !== this.#futures.nextVisit(request.index, place + 1)) places.add(place);
    }
    return [...places]
      .sort((one, other) => one - other)
      .map((place) => {
        let one = rules.classes.length - 1;
        while (one > 0 && (ends[one] as number) < place) one -= 1;
        // What is read keeps its class, and a mark on it may not be of a shorter one than those behind it.
        return {
          blocks: tree.depth[path[place] as number] as number,
          ttl: (rules.classes[one] as { ttl: Mark["ttl"] }).ttl,
        };
      });
  }

  /** By class, the last place on the path written as that or a longer one; below `first`: none. */
  #cut(request: TraceRequest, path: readonly number[], first: number, atSeconds: number): number[] {
    const { tree, rules } = this.#cache;
    const isShortBelow = path.slice(0, first).some((node) => this.#cache.classOf(node) < rules.classes.length - 1);
    const classes = rules.classes.length;
    // best[c]: the least sum so far, if the place at hand is treated as class c (classes: plain), and where its parts end.
    let best: { cost: number; ends: number[] }[] = Array.from({ length: classes + 1 }, () => ({
      cost: 0,
      ends: rules.classes.map(() => -1),
    }));
    for (let place = first; place < path.length; place += 1) {
      const node = path[place] as number;
      const start = place === 0 ? 0 : (tree.tokens[path[place - 1] as number] as number);
      const weight = (tree.tokens[node] as number) - start;
      const isComing = this.#cache.isAlive(node, atSeconds) && !this.#cache.isReadable(node, atSeconds);
      const next: { cost: number; ends: number[] }[] = [];
      for (let one = classes; one >= 0; one -= 1) {
        // Long before short before plain.
        let from = best[one] as { cost: number; ends: number[] };
        for (let longer = one === classes ? 0 : one; longer < classes; longer += 1) {
          const other = best[longer] as { cost: number; ends: number[] };
          if (other.cost < from.cost) from = other;
        }
        const ends = from.ends.slice();
        let price: number;
        if (one === classes) {
          const after = isComing
            ? this.#futures.alive(request.index, place, this.#cache.classOf(node))
            : this.#futures.dead(request.index, place);
          price = 1 + after;
        } else {
          // Behind tokens of a shorter class it lives no longer than they do.
          const lives = isShortBelow ? 0 : one;
          price =
            (rules.classes[one] as { writePrice: number }).writePrice +
            this.#futures.written(request.index, place, lives);
          for (let shorter = 0; shorter <= one; shorter += 1) ends[shorter] = place;
        }
        next[one] = { cost: from.cost + weight * price, ends };
      }
      best = next;
    }
    return best.reduce((least, other) => (other.cost < least.cost ? other : least)).ends;
  }
}

/** The nodes of a path that can be cached; the first takes all before it. */
function cachedPath(tree: PrefixTree, rules: MarkRules, request: TraceRequest, into: number[]): number[] {
  const path = tree.path(request.index, into);
  return path.filter((node) => node !== ROOT && (tree.tokens[node] as number) >= rules.minTokens);
}

/** Of each visit of each node: what its tokens will cost after it, by the state they are left in. */
class Futures {
  readonly #rules: MarkRules;
  /** By request: where its path's values begin. */
  readonly #offsets: number[] = [];
  readonly #next: Int32Array;
  readonly #dead: Float64Array;
  /** By class. */
  readonly #alive: readonly Float64Array[];
  readonly #written: readonly Float64Array[];

  constructor(trace: Trace, tree: PrefixTree, rules: MarkRules) {
    this.#rules = rules;
    const path: number[] = [];
    let visits = 0;
    for (const request of trace.requests) {
      this.#offsets[request.index] = visits;
      visits += cachedPath(tree, rules, request, path).length;
    }
    this.#next = new Int32Array(visits).fill(-1);
    this.#dead = new Float64Array(visits);
    this.#alive = rules.classes.map(() => new Float64Array(visits));
    this.#written = rules.classes.map(() => new Float64Array(visits));
    /** By node: its later visits, the next one last. */
    const later: (Visit[] | undefined)[] = [];
    for (const request of trace.requests.toReversed()) {
      let start = 0;
      for (const [place, node] of cachedPath(tree, rules, request, path).entries()) {
        const prefillSeconds = (request.promptTokens - start) / rules.prefillTokensPerSecond;
        const seconds = request.apiSeconds > 0 ? Math.min(prefillSeconds, request.apiSeconds) : prefillSeconds;
        const at = (this.#offsets[request.index] as number) + place;
        const visit = {
          at,
          request: request.index,
          atSeconds: request.atSeconds,
          readySeconds: request.atSeconds + seconds,
        };
        this.#visit(visit, (later[node] ??= []));
        later[node]?.push(visit);
        start = tree.tokens[node] as number;
      }
    }
  }

  dead(request: number, place: number): number {
    return this.#dead[(this.#offsets[request] as number) + place] as number;
  }

  alive(request: number, place: number, one: number): number {
    return this.#alive[one]?.[(this.#offsets[request] as number) + place] as number;
  }

  written(request: number, place: number, one: number): number {
    return this.#written[one]?.[(this.#offsets[request] as number) + place] as number;
  }

  /** The request that passes this node next; -1: none does. */
  nextVisit(request: number, place: number): number {
    return this.#next[(this.#offsets[request] as number) + place] as number;
  }

  #visit(visit: Visit, later: readonly Visit[]): void {
    const { at } = visit;
    const next = later.at(-1);
    if (next === undefined) return;
    this.#next[at] = next.request;
    const dead = this.#whenDead(next);
    this.#dead[at] = dead;
    for (const [one, { ttlSeconds }] of this.#rules.classes.entries()) {
      const alive = this.#alive[one] as Float64Array;
      const isAlive = next.atSeconds - visit.atSeconds <= ttlSeconds;
      alive[at] = isAlive ? this.#rules.readPrice + (alive[next.at] as number) : dead;
      (this.#written[one] as Float64Array)[at] = this.#whenWritten(visit, later, one, ttlSeconds);
    }
  }

  /** What a visit and all after it cost, if nothing is cached. */
  #whenDead(visit: Visit): number {
    let least = 1 + (this.#dead[visit.at] as number);
    for (const [one, { writePrice }] of this.#rules.classes.entries()) {
      least = Math.min(least, writePrice + (this.#written[one]?.[visit.at] as number));
    }
    return least;
  }

  /** Those that come while it is in flight pay in full. */
  #whenWritten(visit: Visit, later: readonly Visit[], one: number, ttlSeconds: number): number {
    let cost = 0;
    let lastSeconds = visit.atSeconds;
    for (let place = later.length - 1; place >= 0; place -= 1) {
      const next = later[place] as Visit;
      if (next.atSeconds - lastSeconds > ttlSeconds) return cost + this.#whenDead(next);
      if (next.atSeconds >= visit.readySeconds)
        return cost + this.#rules.readPrice + (this.#alive[one]?.[next.at] as number);
      cost += 1;
      lastSeconds = next.atSeconds;
    }
    return cost;
  }
}

interface Visit {
  /** Index of its values. */
  readonly at: number;
  readonly request: number;
  readonly atSeconds: number;
  readonly readySeconds: number;
}
