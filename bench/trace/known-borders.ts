/** What the requests so far reveal of where prompts end and part: the only places besides its own end and static border that a policy may know. */
import { ROOT, type PrefixTree } from "./prefix-tree.ts";
import type { TraceRequest } from "./trace.ts";

export class KnownBorders {
  readonly #tree: PrefixTree;
  readonly #isSeen: boolean[] = [];
  readonly #isBorder: boolean[] = [];
  readonly #path: number[] = [];

  constructor(tree: PrefixTree) {
    this.#tree = tree;
    tree.onDivide((upper, lower) => {
      this.#isSeen[upper] = this.#isSeen[lower] === true;
      this.#isBorder[upper] = false;
    });
  }

  /** The borders on a request's way that were known before it or are revealed by it, shallow to deep; its end is the last. */
  of(request: TraceRequest): readonly number[] {
    const path = this.#tree.path(request.index, this.#path);
    let parting = ROOT;
    for (const node of path) if (this.#isSeen[node] === true) parting = node;
    const end = this.#tree.ends[request.index] as number;
    return path.filter((node) => this.#isBorder[node] === true || node === parting || node === end);
  }

  /** From now on, what this request reveals is known. */
  learn(request: TraceRequest): void {
    const path = this.#tree.path(request.index, this.#path);
    let parting = ROOT;
    for (const node of path) {
      if (this.#isSeen[node] === true) parting = node;
      this.#isSeen[node] = true;
    }
    if (parting !== ROOT) this.#isBorder[parting] = true;
    if (request.blocks > 0) this.#isBorder[this.#tree.ends[request.index] as number] = true;
    if (request.staticBlocks > 0) this.#isBorder[this.#tree.nodeAt(request.index, request.staticBlocks)] = true;
  }
}
