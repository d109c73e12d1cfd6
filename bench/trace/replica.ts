/** A self-hosted server: reads one prompt after the other, and keeps what it read until memory is needed, leaves first. */
import { ROOT, type PrefixTree } from "./prefix-tree.ts";
import type { TraceRequest } from "./trace.ts";

interface Kept {
  tokens: number;
  lastUse: number;
  /** Nodes kept below it. */
  children: number;
}

export class Replica {
  /** Uncached tokens that it has been sent. */
  workTokens = 0;
  #freeAtSeconds = 0;
  #tokens = 0;
  #uses = 0;
  readonly #tree: PrefixTree;
  readonly #capacityTokens: number;
  readonly #tokensPerSecond: number;
  readonly #kept = new Map<number, Kept>();
  readonly #leaves = new LeastRecent();
  readonly #path: number[] = [];

  constructor(tree: PrefixTree, capacityTokens: number, tokensPerSecond: number) {
    this.#tree = tree;
    this.#capacityTokens = capacityTokens;
    this.#tokensPerSecond = tokensPerSecond;
  }

  /** How many of a prompt's tokens are here. */
  match(request: TraceRequest): number {
    let tokens = 0;
    for (const node of this.#tree.path(request.index, this.#path)) {
      const kept = this.#kept.get(node)?.tokens ?? 0;
      tokens += kept;
      if (kept < this.#tree.weight(node)) break;
    }
    return tokens;
  }

  /** Uncached tokens that wait to be read. */
  backlogTokens(atSeconds: number): number {
    return Math.max(0, this.#freeAtSeconds - atSeconds) * this.#tokensPerSecond;
  }

  /** @returns when the prompt has been read, and how much of it was here. */
  send(request: TraceRequest, atSeconds: number): { readonly firstTokenSeconds: number; readonly hitTokens: number } {
    const hitTokens = this.match(request);
    const uncached = request.promptTokens - hitTokens;
    this.workTokens += uncached;
    this.#freeAtSeconds = Math.max(this.#freeAtSeconds, atSeconds) + uncached / this.#tokensPerSecond;
    // The next one is read after this one, and finds it.
    this.#keep(request);
    return { firstTokenSeconds: this.#freeAtSeconds - atSeconds, hitTokens };
  }

  #keep(request: TraceRequest): void {
    this.#uses += 1;
    const path = this.#tree.path(request.index, this.#path);
    for (const node of path) {
      const weight = this.#tree.weight(node);
      const kept = this.#kept.get(node);
      if (kept === undefined) {
        this.#kept.set(node, { tokens: weight, lastUse: this.#uses, children: 0 });
        this.#tokens += weight;
        const above = this.#kept.get(this.#tree.parent[node] as number);
        if (above !== undefined) above.children += 1;
      } else {
        this.#tokens += weight - kept.tokens;
        kept.tokens = weight;
        kept.lastUse = this.#uses;
      }
    }
    const leaf = path.at(-1);
    if (leaf !== undefined && this.#kept.get(leaf)?.children === 0) this.#leaves.add(leaf, this.#uses);
    while (this.#tokens > this.#capacityTokens) this.#evict();
  }

  #evict(): void {
    const oldest = this.#leaves.take();
    const kept = this.#kept.get(oldest.node);
    // It was used again since, or has leaves of its own now: it stands in the queue once more, or will.
    if (kept === undefined || kept.children > 0 || kept.lastUse !== oldest.lastUse) return;
    const excess = this.#tokens - this.#capacityTokens;
    if (kept.tokens > excess) {
      kept.tokens -= excess;
      this.#tokens -= excess;
      this.#leaves.add(oldest.node, oldest.lastUse);
      return;
    }
    this.#tokens -= kept.tokens;
    this.#kept.delete(oldest.node);
    const parent = this.#tree.parent[oldest.node] as number;
    const above = parent === ROOT ? undefined : this.#kept.get(parent);
    if (above === undefined) return;
    above.children -= 1;
    if (above.children === 0) this.#leaves.add(parent, above.lastUse);
  }
}

/** A heap: the leaf that was used longest ago first. */
class LeastRecent {
  readonly #nodes: { readonly node: number; readonly lastUse: number }[] = [];

  add(node: number, lastUse: number): void {
    const nodes = this.#nodes;
    let place = nodes.length;
    nodes.push({ node, lastUse });
    for (;;) {
      const above = (place - 1) >> 1;
      if (place === 0 || this.#use(above) <= lastUse) break;
      this.#swap(place, above);
      place = above;
    }
  }

  take(): { readonly node: number; readonly lastUse: number } {
    const nodes = this.#nodes;
    const [first] = nodes;
    const last = nodes.pop();
    if (first === undefined || last === undefined) throw new Error("nothing is left to forget");
    if (nodes.length === 0) return first;
    nodes[0] = last;
    let place = 0;
    for (;;) {
      let least = place;
      for (const below of [2 * place + 1, 2 * place + 2])
        if (below < nodes.length && this.#use(below) < this.#use(least)) least = below;
      if (least === place) return first;
      this.#swap(place, least);
      place = least;
    }
  }

  #use(place: number): number {
    return (this.#nodes[place] as { lastUse: number }).lastUse;
  }

  #swap(one: number, other: number): void {
    const nodes = this.#nodes;
    [nodes[one], nodes[other]] = [nodes[other] as (typeof nodes)[0], nodes[one] as (typeof nodes)[0]];
  }
}
