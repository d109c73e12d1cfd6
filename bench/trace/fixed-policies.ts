/** What everybody does: marks at fixed places, always for the same lifetime. */
import { KnownBorders } from "./known-borders.ts";
import type { Mark, MarkCache } from "./mark-cache.ts";
import type { MakePolicy, MarkPolicy } from "./policy.ts";
import { ROOT } from "./prefix-tree.ts";
import type { MarkRules, Ttl } from "./rules.ts";
import type { TraceRequest } from "./trace.ts";

/** By name, for these rules. */
export function fixedPolicies(rules: MarkRules): ReadonlyMap<string, MakePolicy> {
  const ttls = rules.classes.map(({ ttl }) => ttl);
  const made = new Map<string, MakePolicy>([["none", placing("none", () => [])]]);
  const add = (name: string, marks: (request: TraceRequest) => readonly Mark[]) => made.set(name, placing(name, marks));
  for (const ttl of ttls) {
    add(`static ${ttl}`, (request) => [{ blocks: request.staticBlocks, ttl }]);
    add(`end ${ttl}`, (request) => [{ blocks: request.blocks, ttl }]);
    add(`static+end ${ttl}`, (request) => staticAndEnd(request, ttl, ttl));
    made.set(`multi ${ttl}`, (cache) => new Everywhere(`multi ${ttl}`, cache, ttl));
  }
  const [short, long] = [ttls[0], ttls[1]];
  if (short !== undefined && long !== undefined) {
    add(`static ${long}, end ${short}`, (request) => staticAndEnd(request, long, short));
  }
  return made;
}

/** The policies that are in use, as opposed to `multi`, which takes a mirror of the provider's cache. */
export function isUsual(name: string): boolean {
  return /^(none|static|end)\b/.test(name);
}

function staticAndEnd(request: TraceRequest, staticTtl: Ttl, endTtl: Ttl): readonly Mark[] {
  return [
    { blocks: request.staticBlocks, ttl: staticTtl },
    { blocks: request.blocks, ttl: endTtl },
  ];
}

function placing(name: string, marks: (request: TraceRequest) => readonly Mark[]): MakePolicy {
  // Where the whole prompt is static, the first of two marks at one place is meant.
  const isNew = ({ blocks }: Mark, index: number, all: readonly Mark[]) =>
    blocks > 0 && blocks !== all[index - 1]?.blocks;
  return () => ({ name, decide: (request) => marks(request).filter(isNew) });
}

/** Marks the static border, the end, what can be read, and as many known borders as may be, the deepest first. */
class Everywhere implements MarkPolicy {
  readonly name: string;
  readonly #cache: MarkCache;
  readonly #ttl: Ttl;
  readonly #borders: KnownBorders;

  constructor(name: string, cache: MarkCache, ttl: Ttl) {
    this.name = name;
    this.#cache = cache;
    this.#ttl = ttl;
    this.#borders = new KnownBorders(cache.tree);
  }

  decide(request: TraceRequest, atSeconds: number): readonly Mark[] {
    const { tree, rules } = this.#cache;
    const first = [
      tree.nodeAt(request.index, request.staticBlocks),
      tree.ends[request.index] as number,
      this.#cache.deepestEntry(request, atSeconds),
    ];
    const nodes = new Set<number>();
    for (const node of [...first, ...this.#borders.of(request).toReversed()]) {
      const isCached = node !== ROOT && (tree.tokens[node] as number) >= rules.minTokens;
      if (isCached && nodes.size < rules.marksMax) nodes.add(node);
    }
    return [...nodes].map((node) => ({ blocks: tree.depth[node] as number, ttl: this.#ttl })).sort(byDepth);
  }

  sent(request: TraceRequest): void {
    this.#borders.learn(request);
  }
}

function byDepth(one: Mark, other: Mark): number {
  return one.blocks - other.blocks;
}
