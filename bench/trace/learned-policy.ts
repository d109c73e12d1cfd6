/** The production planner in a replay: told of a trace's requests as it is told of calls, and of each answer when it would come. */
import { Patience, type WaitEnd } from "../../src/cache/fork-join.ts";
import {
  createPlanner,
  type Hold,
  type LastKind,
  type Plan,
  type PlannedPrompt,
  type Planner,
} from "../../src/cache/planner.ts";
import type { CacheRules } from "../../src/cache/rules.ts";
import { KnownBorders } from "./known-borders.ts";
import type { Bill, MarkCache } from "./mark-cache.ts";
import type { Decision, MakePolicy, MarkPolicy } from "./policy.ts";
import type { PrefixTree } from "./prefix-tree.ts";
import type { MarkRules, Ttl } from "./rules.ts";
import type { Trace, TraceRequest } from "./trace.ts";

export interface LearnedOptions {
  readonly mayHold: boolean;
}

export function learned(trace: Trace, options: LearnedOptions): MakePolicy {
  return (cache) => new Learned(trace, cache, options);
}

const TENANT = "trace";
const TARGET = "provider";
const KINDS: ReadonlyMap<string, LastKind> = new Map([
  ["user", "user"],
  ["chat", "user"],
  ["tool", "tool"],
  ["assistant", "assistant"],
]);

class Learned implements MarkPolicy {
  readonly name: string;
  readonly #cache: MarkCache;
  readonly #planner: Planner = createPlanner();
  readonly #rules: CacheRules;
  readonly #mayHold: boolean;
  readonly #borders: KnownBorders;
  readonly #ttls: ReadonlyMap<number, Ttl>;
  readonly #path: number[] = [];
  #plan: Plan | undefined;
  /** Requests whose answer has not begun, in the order in which they will. */
  readonly #answers: Answer[] = [];
  readonly #readySeconds = new Map<number, number>();
  /** By request: what those have waited that have not left. */
  readonly #waits = new Map<number, Waits>();
  /** Time in the planner; what a trace has to be turned into for it is not its time. */
  decidingMs = 0;

  constructor(trace: Trace, cache: MarkCache, { mayHold }: LearnedOptions) {
    this.name = mayHold ? "learned" : "learned, never holding";
    this.#cache = cache;
    this.#mayHold = mayHold;
    const { tree, rules } = cache;
    // Static borders are places from the start: the same prefix has the same places in every prompt.
    for (const request of trace.requests) tree.nodeAt(request.index, request.staticBlocks);
    this.#borders = new KnownBorders(tree);
    this.#ttls = new Map(rules.classes.map(({ ttl, ttlSeconds }) => [ttlSeconds, ttl]));
    this.#rules = plannersRules(rules);
  }

  decide(request: TraceRequest, atSeconds: number, mayHold: boolean): Decision {
    this.#answer(atSeconds);
    const waits = this.#waits.get(request.index) ?? { patience: new Patience() };
    this.#endWait(waits, atSeconds);
    const { tree } = this.#cache;
    const prompt = plannedPrompt(request, tree, tree.path(request.index, this.#path));
    const begun = performance.now();
    const plan = this.#planner.plan(prompt, this.#rules, TARGET, atSeconds * 1000);
    this.decidingMs += performance.now() - begun;
    if (this.#mayHold && mayHold && waits.patience.isDue(plan.hold)) {
      this.#waits.set(request.index, waits);
      return { holdUntilSeconds: this.#beginWait(waits, plan, plan.hold, atSeconds) };
    }
    this.#waits.delete(request.index);
    this.#plan = plan;
    const known = new Set([...this.#borders.of(request), tree.nodeAt(request.index, request.staticBlocks)]);
    return plan.marks.map(({ place, ttlSeconds }) => {
      const node = this.#path[place] as number;
      const ttl = this.#ttls.get(ttlSeconds);
      if (ttl === undefined)
        throw new Error(`the planner wants a lifetime of ${ttlSeconds} s, which these rules do not have`);
      // The places are those of the whole trace: a mark where nobody has parted yet would know the future.
      if (!known.has(node))
        throw new Error(`request ${request.index}: a mark at a place that no request has shown yet`);
      return { blocks: tree.depth[node] as number, ttl };
    });
  }

  sent(request: TraceRequest, atSeconds: number, bill: Bill & { readonly readySeconds: number }): void {
    const plan = this.#plan;
    if (plan === undefined) return;
    const begun = performance.now();
    this.#planner.sent(plan, atSeconds * 1000);
    this.decidingMs += performance.now() - begun;
    this.#borders.learn(request);
    const { readySeconds } = bill;
    let place = this.#answers.length;
    while (place > 0 && (this.#answers[place - 1] as Answer).readySeconds > readySeconds) place -= 1;
    this.#answers.splice(place, 0, { plan, bill, readySeconds });
    this.#readySeconds.set(plan.id, readySeconds);
  }

  /** @returns when its leader, or another one that it waited for before, can be read, or else when its time is over. */
  #beginWait(waits: Waits, plan: Plan, hold: Hold, atSeconds: number): number {
    const waitMs = waits.patience.begin(hold, atSeconds * 1000);
    const readySeconds = Math.min(
      ...[...waits.patience.leaders].map((leader) => this.#readySeconds.get(leader) ?? Number.POSITIVE_INFINITY),
    );
    const overSeconds = atSeconds + waitMs / 1000;
    const end = readySeconds <= overSeconds ? "readable" : "over";
    waits.current = { plan, hold, sinceSeconds: atSeconds, end };
    return Math.min(readySeconds, overSeconds);
  }

  #endWait(waits: Waits, atSeconds: number): void {
    const { current } = waits;
    if (current === undefined) return;
    delete waits.current;
    const { plan, hold, sinceSeconds, end } = current;
    if (waits.patience.end(hold, end, (atSeconds - sinceSeconds) * 1000)) this.#planner.giveUp(plan);
  }

  /** Whatever began to be answered until now. */
  #answer(nowSeconds: number): void {
    let arrived = 0;
    const begun = performance.now();
    for (const { plan, bill, readySeconds } of this.#answers) {
      if (readySeconds > nowSeconds) break;
      arrived += 1;
      const { read, written, plain } = bill;
      this.#planner.readable(plan, readySeconds * 1000);
      const usage = { uncached: plain, read, written: written.reduce((sum, tokens) => sum + tokens, 0) };
      this.#planner.settled(plan, usage, readySeconds * 1000);
      this.#readySeconds.delete(plan.id);
    }
    this.#answers.splice(0, arrived);
    this.decidingMs += performance.now() - begun;
  }
}

interface Answer {
  readonly plan: Plan;
  readonly bill: Bill;
  readonly readySeconds: number;
}

/** A request's waits, and the one that it is in. */
interface Waits {
  readonly patience: Patience;
  current?: {
    readonly plan: Plan;
    readonly hold: Hold;
    readonly sinceSeconds: number;
    readonly end: WaitEnd;
  };
}

function plannersRules(rules: MarkRules): CacheRules {
  return {
    kind: "marks",
    readPrice: rules.readPrice,
    classes: rules.classes.map(({ ttlSeconds, writePrice }) => ({ ttlSeconds, writePrice })),
    minTokens: rules.minTokens,
    stepTokens: 1,
    marksMax: rules.marksMax,
    lookback: rules.lookback,
    isStrict: rules.isStrict,
  };
}

function plannedPrompt(request: TraceRequest, tree: PrefixTree, path: readonly number[]): PlannedPrompt {
  const hashes = new Uint32Array(2 * path.length);
  const tokens = new Uint32Array(path.length);
  const blocks = new Uint32Array(path.length);
  let staticPlace = -1;
  for (const [place, node] of path.entries()) {
    // The node is the prefix; what is multiplied spreads it over all bits, as a hash would.
    hashes[2 * place] = Math.imul(node, 0x9e3779b1);
    hashes[2 * place + 1] = Math.imul(node ^ 0x5bd1e995, 0x85ebca6b);
    tokens[place] = tree.tokens[node] as number;
    blocks[place] = tree.content[node] as number;
    if (tree.depth[node] === request.staticBlocks) staticPlace = place;
  }
  return {
    tenant: request.tenant ?? TENANT,
    hashes,
    tokens,
    blocks,
    staticPlace,
    promptTokens: Math.max(request.promptTokens, tokens.at(-1) ?? 0),
    lastKind: KINDS.get(request.kind) ?? "other",
    ...(request.session === undefined ? {} : { session: request.session }),
  };
}
