/** A provider's prompt cache under marks, in virtual time: what each request reads and writes, and what it pays. */
import { ROOT, type PrefixTree } from "./prefix-tree.ts";
import type { MarkRules, Ttl } from "./rules.ts";
import type { TraceRequest } from "./trace.ts";

export interface Mark {
  /** Where it stands: so many blocks from the start. */
  readonly blocks: number;
  readonly ttl: Ttl;
}

/** A request's prompt tokens by what was paid for them. */
export interface Bill {
  read: number;
  /** By class. */
  readonly written: number[];
  plain: number;
}

const NO_CLASS = -1;

export class MarkCache {
  readonly rules: MarkRules;
  readonly tree: PrefixTree;
  /** By node: what its tokens were paid as, and until when they live. */
  readonly #class: number[] = [];
  readonly #expiresSeconds: number[] = [];
  readonly #readySeconds: number[] = [];
  /** Whether a mark made an entry that ends with this node. */
  readonly #isEntry: boolean[] = [];
  readonly #path: number[] = [];

  constructor(tree: PrefixTree, rules: MarkRules) {
    this.tree = tree;
    this.rules = rules;
    tree.onDivide((upper, lower) => {
      this.#class[upper] = this.#class[lower] ?? NO_CLASS;
      this.#expiresSeconds[upper] = this.#expiresSeconds[lower] ?? Number.NEGATIVE_INFINITY;
      this.#readySeconds[upper] = this.#readySeconds[lower] ?? 0;
      this.#isEntry[upper] = false;
    });
  }

  /** Sends a request. @returns What it is billed, and when what it wrote can be read. */
  send(request: TraceRequest, marks: readonly Mark[], atSeconds: number): Bill & { readonly readySeconds: number } {
    const { tree, rules } = this;
    const nodes = marks.map((mark) => tree.nodeAt(request.index, mark.blocks));
    const path = tree.path(request.index, this.#path);
    const hit = this.#hit(path, nodes, atSeconds);
    const read = tree.tokens[hit] as number;
    const written = rules.classes.map(() => 0);
    const uncached = request.promptTokens - read;
    const prefillSeconds = uncached / rules.prefillTokensPerSecond;
    const readySeconds =
      atSeconds + (request.apiSeconds > 0 ? Math.min(prefillSeconds, request.apiSeconds) : prefillSeconds);
    const ends = rules.classes.map(() => 0);
    for (const [index, mark] of marks.entries()) {
      const tokens = tree.tokens[nodes[index] as number] as number;
      if (tokens < rules.minTokens) continue;
      const one = this.#classOf(mark.ttl);
      ends[one] = Math.max(ends[one] as number, tokens);
    }
    for (const node of path) {
      const end = tree.tokens[node] as number;
      if (end <= read) {
        this.#expiresSeconds[node] = atSeconds + this.#ttlSeconds(this.#class[node] as number);
        continue;
      }
      // The longest class comes first in a prompt: what a mark of it covers is billed as that.
      let one = rules.classes.length - 1;
      while (one >= 0 && (ends[one] as number) < end) one -= 1;
      if (one < 0) break;
      written[one] = (written[one] as number) + tree.weight(node);
      this.#write(node, one, atSeconds, readySeconds);
    }
    for (const node of nodes) if ((tree.tokens[node] as number) >= rules.minTokens) this.#isEntry[node] = true;
    if (!rules.isStrict) this.#lengthen(path, ends, atSeconds);
    return { read, written, plain: uncached - written.reduce((sum, tokens) => sum + tokens, 0), readySeconds };
  }

  /** The deepest readable entry at one of these nodes of the path, or a little before one; {@link ROOT}: there is none. */
  #hit(path: readonly number[], marked: readonly number[], atSeconds: number): number {
    const { tree, rules } = this;
    let hit = ROOT;
    for (const node of path) {
      if (!this.isReadable(node, atSeconds)) break;
      if (this.#isEntry[node] !== true || (tree.tokens[node] as number) < rules.minTokens) continue;
      const content = tree.content[node] as number;
      const depth = tree.depth[node] as number;
      for (const mark of marked) {
        const isBefore = (tree.depth[mark] as number) >= depth;
        if (isBefore && (tree.content[mark] as number) - content <= rules.lookback) hit = node;
      }
    }
    return hit;
  }

  /** The deepest entry on a request's way that could be read, if a mark stood there; {@link ROOT}: there is none. */
  deepestEntry(request: TraceRequest, atSeconds: number): number {
    let deepest = ROOT;
    for (const node of this.tree.path(request.index, this.#path)) {
      if (!this.isReadable(node, atSeconds)) break;
      if (this.#isEntry[node] === true && (this.tree.tokens[node] as number) >= this.rules.minTokens) deepest = node;
    }
    return deepest;
  }

  isReadable(node: number, atSeconds: number): boolean {
    return this.isAlive(node, atSeconds) && (this.#readySeconds[node] as number) <= atSeconds;
  }

  isAlive(node: number, atSeconds: number): boolean {
    return (this.#expiresSeconds[node] ?? Number.NEGATIVE_INFINITY) >= atSeconds;
  }

  isEntry(node: number): boolean {
    return this.#isEntry[node] === true;
  }

  classOf(node: number): number {
    return this.#class[node] ?? NO_CLASS;
  }

  readySeconds(node: number): number {
    return this.#readySeconds[node] ?? 0;
  }

  #write(node: number, one: number, atSeconds: number, readySeconds: number): void {
    const isAlive = this.isAlive(node, atSeconds);
    if (!isAlive) this.#isEntry[node] = false;
    const kept = isAlive ? Math.max(one, this.#class[node] as number) : one;
    this.#class[node] = kept;
    this.#readySeconds[node] = isAlive ? Math.min(this.#readySeconds[node] as number, readySeconds) : readySeconds;
    this.#expiresSeconds[node] = atSeconds + this.#ttlSeconds(kept);
  }

  #lengthen(path: readonly number[], ends: readonly number[], atSeconds: number): void {
    for (const node of path) {
      for (const [one, end] of ends.entries()) {
        if ((this.tree.tokens[node] as number) <= end && one > (this.#class[node] as number)) {
          this.#class[node] = one;
          this.#expiresSeconds[node] = atSeconds + this.#ttlSeconds(one);
        }
      }
    }
  }

  #ttlSeconds(one: number): number {
    return this.rules.classes[one]?.ttlSeconds ?? 0;
  }

  #classOf(ttl: Ttl): number {
    const found = this.rules.classes.findIndex((one) => one.ttl === ttl);
    if (found < 0) throw new Error(`the rules ${this.rules.name} have no lifetime ${ttl}`);
    return found;
  }
}

export function costOf(bill: Bill, rules: MarkRules): number {
  let cost = bill.plain + rules.readPrice * bill.read;
  for (const [one, tokens] of bill.written.entries()) cost += tokens * (rules.classes[one]?.writePrice ?? 1);
  return cost;
}
