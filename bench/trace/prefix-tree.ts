/**
 * Which requests of a trace share what: the tree of all their prompts, a node for each stretch of blocks between two places where
 * prompts part or end. Nodes are divided later where a mark stands inside one; a node keeps its number and its end then.
 */
import type { TokensOf, Trace, TraceRequest } from "./trace.ts";

export const ROOT = 0;

export class PrefixTree {
  /** By node; the root is nobody's parent and its own. */
  readonly parent: number[] = [ROOT];
  /** Blocks from the start of the prompt to the node's end. */
  readonly depth: number[] = [0];
  /** Tokens from the start of the prompt to the node's end. */
  readonly tokens: number[] = [0];
  /** Content blocks likewise; inside a node they are taken to be of the same length, unless the trace tells. */
  readonly content: number[] = [0];
  /** By request: the node that ends where its last full block does. */
  readonly ends: number[] = [];
  readonly #labels: number[][] = [[]];
  readonly #children: (Map<number | undefined, number> | undefined)[] = [undefined];
  readonly #tokensOf: TokensOf;
  readonly #contentOf: TokensOf | undefined;
  readonly #divided: ((upper: number, lower: number) => void)[] = [];

  constructor(trace: Trace) {
    this.#tokensOf = trace.tokensOf;
    this.#contentOf = trace.contentOf;
    for (const request of trace.requests) this.ends[request.index] = this.#insert(request);
  }

  get size(): number {
    return this.parent.length;
  }

  /** Told of each node that is divided: the upper part is new. */
  onDivide(listener: (upper: number, lower: number) => void): void {
    this.#divided.push(listener);
  }

  /** The nodes of a request's prompt, from the first block on; `into` is emptied first. */
  path(request: number, into: number[]): number[] {
    const end = this.ends[request] as number;
    let count = 0;
    for (let node = end; node !== ROOT; node = this.parent[node] as number) count += 1;
    into.length = count;
    for (let node = end; node !== ROOT; node = this.parent[node] as number) into[(count -= 1)] = node;
    return into;
  }

  /** The node of a request's prompt that ends after so many blocks; one is divided if there is none. */
  nodeAt(request: number, blocks: number): number {
    if (blocks <= 0) return ROOT;
    let node = this.ends[request] as number;
    while ((this.depth[this.parent[node] as number] as number) >= blocks) node = this.parent[node] as number;
    const offset = blocks - (this.depth[this.parent[node] as number] as number);
    return (this.depth[node] as number) <= blocks ? node : this.#divide(node, offset);
  }

  start(node: number): number {
    return this.tokens[this.parent[node] as number] as number;
  }

  /** The node's own tokens. */
  weight(node: number): number {
    return (this.tokens[node] as number) - this.start(node);
  }

  #insert(request: TraceRequest): number {
    const { runs } = request;
    let node = ROOT;
    let run = 0;
    let inRun = 0;
    while (run < runs.length) {
      const child = this.#children[node]?.get((runs[run] as number) + inRun);
      if (child === undefined) return this.#add(node, runs, run, inRun, request.contentBlocks);
      const label = this.#labels[child] as number[];
      let shared = 0;
      let at = 0;
      let inLabel = 0;
      while (at < label.length && run < runs.length) {
        if ((label[at] as number) + inLabel !== (runs[run] as number) + inRun) break;
        const step = Math.min((label[at + 1] as number) - inLabel, (runs[run + 1] as number) - inRun);
        shared += step;
        inLabel += step;
        inRun += step;
        if (inLabel === label[at + 1]) [at, inLabel] = [at + 2, 0];
        if (inRun === runs[run + 1]) [run, inRun] = [run + 2, 0];
      }
      node = at === label.length ? child : this.#divide(child, shared);
    }
    return node;
  }

  #add(parent: number, runs: readonly number[], run: number, inRun: number, contentBlocks: number): number {
    const label = [(runs[run] as number) + inRun, (runs[run + 1] as number) - inRun, ...runs.slice(run + 2)];
    const node = this.#take(parent, label);
    this.content[node] = (this.content[parent] as number) + (this.#contentIn(label) ?? contentBlocks);
    return node;
  }

  /** @returns the upper part, of so many blocks. */
  #divide(node: number, blocks: number): number {
    const label = this.#labels[node] as number[];
    const upperLabel: number[] = [];
    let left = blocks;
    let at = 0;
    for (; left >= (label[at + 1] as number); at += 2) {
      upperLabel.push(label[at] as number, label[at + 1] as number);
      left -= label[at + 1] as number;
      if (left === 0) break;
    }
    let lowerLabel: number[];
    if (left === 0) lowerLabel = label.slice(at + 2);
    else {
      upperLabel.push(label[at] as number, left);
      lowerLabel = [(label[at] as number) + left, (label[at + 1] as number) - left, ...label.slice(at + 2)];
    }
    const parent = this.parent[node] as number;
    const share = blocks / ((this.depth[node] as number) - (this.depth[parent] as number));
    const upper = this.#take(parent, upperLabel);
    const above = this.content[parent] as number;
    this.content[upper] = above + (this.#contentIn(upperLabel) ?? share * ((this.content[node] as number) - above));
    this.parent[node] = upper;
    this.#labels[node] = lowerLabel;
    (this.#children[upper] ??= new Map()).set(lowerLabel[0], node);
    for (const divided of this.#divided) divided(upper, node);
    return upper;
  }

  #contentIn(label: readonly number[]): number | undefined {
    if (this.#contentOf === undefined) return undefined;
    let content = 0;
    for (let at = 0; at < label.length; at += 2) {
      content += this.#contentOf(label[at] as number, label[at + 1] as number);
    }
    return content;
  }

  #take(parent: number, label: number[]): number {
    const node = this.parent.length;
    let depth = this.depth[parent] as number;
    let tokens = this.tokens[parent] as number;
    for (let at = 0; at < label.length; at += 2) {
      depth += label[at + 1] as number;
      tokens += this.#tokensOf(label[at] as number, label[at + 1] as number);
    }
    this.parent.push(parent);
    this.depth.push(depth);
    this.tokens.push(tokens);
    this.content.push(0);
    this.#labels.push(label);
    this.#children.push(undefined);
    (this.#children[parent] ??= new Map()).set(label[0], node);
    return node;
  }
}
