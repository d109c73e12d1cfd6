/** Which replica a request goes to. A router sees what a gateway sees: the prompt, and when answers begin. */
import type { PrefixTree } from "./prefix-tree.ts";
import { ProductionRouter } from "./production-router.ts";
import { seeded } from "./random.ts";
import type { Replica } from "./replica.ts";
import type { Trace, TraceRequest } from "./trace.ts";

export interface Router {
  readonly name: string;
  /** What is known of the prompt in any case, before somebody has to choose. */
  read?(request: TraceRequest): void;
  /** @returns the index of a replica. */
  choose(request: TraceRequest, atSeconds: number): number;
  /** The request left for that replica. */
  sent?(request: TraceRequest, replica: number, atSeconds: number): void;
  /** Its answer began. */
  began?(request: TraceRequest, replica: number, atSeconds: number): void;
}

/** What a router of a benchmark may look into; production ones keep their own books. */
export interface Site {
  readonly trace: Trace;
  readonly tree: PrefixTree;
  readonly replicas: readonly Replica[];
  readonly capacityTokens: number;
  readonly tokensPerSecond: number;
}

export type MakeRouter = (site: Site) => Router;

/** Uncached tokens against those that wait, as measured best: 2 to 4 is flat, 1 gives away hits, 8 gives away balance. */
const ALPHAS = [1, 2, 4, 8] as const;

/** The production one, and what it is worth with a wrong idea of the replicas' capacity. */
const CAPACITY_ERRORS = [
  ["affinity", 1],
  ["affinity, half the capacity", 0.5],
  ["affinity, four times the capacity", 4],
] as const;

export const routers: ReadonlyMap<string, MakeRouter> = new Map<string, MakeRouter>([
  ["random", random],
  ["least backlog", (site) => leastCost("least backlog", site, 0)],
  ["hash of the first 1k tokens", (site) => hashed("hash of the first 1k tokens", site, firstTokens(site))],
  ["hash of the conversation", (site) => hashed("hash of the conversation", site, conversationOf)],
  ["hash, bounded load 1.25", (site) => new BoundedHash(site)],
  ...ALPHAS.map((alpha): [string, MakeRouter] => {
    const name = `cost, alpha ${alpha}`;
    return [name, (site) => leastCost(name, site, alpha)];
  }),
  ...CAPACITY_ERRORS.map(([name, error]): [string, MakeRouter] => [
    name,
    (site) => new ProductionRouter(name, site, error),
  ]),
]);

/** Its session, or else the first block behind the static prefix. */
export function conversationOf(request: TraceRequest): string {
  return (
    request.session ?? `${request.staticBlocks}:${blockAt(request, Math.min(request.staticBlocks, request.blocks - 1))}`
  );
}

/** FNV-1a, spread once more. */
export function hashOf(text: string): number {
  let hash = 0x811c9dc5;
  for (let place = 0; place < text.length; place += 1) hash = Math.imul(hash ^ text.charCodeAt(place), 0x01000193);
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  return (hash ^ (hash >>> 13)) >>> 0;
}

function random({ replicas }: Site): Router {
  const next = seeded(1);
  return { name: "random", choose: () => Math.floor(next() * replicas.length) };
}

/** `argmin(alpha × uncached + backlog)` with a look into the replicas; a mirror that sees all the traffic knows the same. */
function leastCost(name: string, { replicas }: Site, alpha: number): Router {
  let turn = 0;
  return {
    name,
    choose: (request, atSeconds) => {
      let chosen = 0;
      let least = Number.POSITIVE_INFINITY;
      // Equals take turns, or the first one would do all the work of quiet times.
      turn += 1;
      for (let step = 0; step < replicas.length; step += 1) {
        const index = (turn + step) % replicas.length;
        const replica = replicas[index] as Replica;
        const uncached = alpha === 0 ? 0 : request.promptTokens - replica.match(request);
        const cost = alpha * uncached + replica.backlogTokens(atSeconds);
        if (cost < least) [chosen, least] = [index, cost];
      }
      return chosen;
    },
  };
}

function hashed(name: string, { replicas }: Site, key: (request: TraceRequest) => string): Router {
  return { name, choose: (request) => hashOf(key(request)) % replicas.length };
}

function firstTokens({ trace }: Site): (request: TraceRequest) => string {
  return (request) => {
    const blocks = Math.ceil(1024 / trace.tokensOf(request.runs[0] ?? 0, 1));
    return `${blockAt(request, Math.min(blocks, request.blocks) - 1)}`;
  };
}

/** The conversation's replica, or the next one whose backlog is at most a quarter above the mean. */
class BoundedHash implements Router {
  readonly name = "hash, bounded load 1.25";
  readonly #site: Site;

  constructor(site: Site) {
    this.#site = site;
  }

  choose(request: TraceRequest, atSeconds: number): number {
    const { replicas } = this.#site;
    const backlogs = replicas.map((replica) => replica.backlogTokens(atSeconds));
    const bound = (1.25 * backlogs.reduce((sum, tokens) => sum + tokens, 0)) / replicas.length;
    const home = hashOf(conversationOf(request)) % replicas.length;
    for (let step = 0; step < replicas.length; step += 1) {
      const replica = (home + step) % replicas.length;
      if ((backlogs[replica] as number) <= bound) return replica;
    }
    return home;
  }
}

function blockAt(request: TraceRequest, index: number): number {
  let left = index;
  for (let run = 0; run < request.runs.length; run += 2) {
    const count = request.runs[run + 1] as number;
    if (left < count) return (request.runs[run] as number) + left;
    left -= count;
  }
  return -1;
}
