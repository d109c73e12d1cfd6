/**
 * A provider that caches whatever it reads, free of charge, on one of many machines: a request is read from cache only if it reaches
 * the machine that its like went to. Which machine that is follows from the prompt's first tokens and the key that it carries.
 */
import { createCacheKeys } from "../../src/cache/cache-key.ts";
import { PrefixTree } from "./prefix-tree.ts";
import { seeded } from "./random.ts";
import { conversationOf, hashOf } from "./routers.ts";
import { Timings } from "./timings.ts";
import type { Trace, TraceRequest } from "./trace.ts";

export interface AutomaticRules {
  readonly machines: number;
  /** An entry lives so long after its last use. */
  readonly idleSeconds: number;
  readonly readPrice: number;
  readonly minTokens: number;
  /** Reads are multiples of this. */
  readonly stepTokens: number;
  /** A key with more requests a minute spreads over as many machines as it needs. */
  readonly keyRequestsPerMinuteMax: number;
  readonly prefillTokensPerSecond: number;
}

export const OPENAI_LEGACY: AutomaticRules = {
  machines: 32,
  idleSeconds: 450,
  readPrice: 0.1,
  minTokens: 1024,
  stepTokens: 128,
  keyRequestsPerMinuteMax: 15,
  prefillTokensPerSecond: 10_000,
};

/** Chooses the key of a request. @returns `undefined`: none. */
export interface Keys {
  readonly name: string;
  key(request: TraceRequest): string | undefined;
}

/** Made for one replay. */
export type MakeKeys = () => Keys;

/** There are no marks to place, and nothing to know beforehand but which machine: policies of marks mean nothing here. */
export function keyPolicies({ requests }: Trace): readonly MakeKeys[] {
  const hasSessions = requests.some(({ session }) => session !== undefined);
  const bySession: MakeKeys = () => ({ name: "key = session", key: (request) => request.session ?? "" });
  return [
    () => ({ name: "no key", key: () => undefined }),
    () => ({ name: "key = conversation", key: conversationOf }),
    ...(hasSessions ? [bySession] : []),
    () => ({ name: "key = tenant", key: () => "" }),
    gatewayKeys,
  ];
}

export interface AutomaticOutcome {
  readonly cost: number;
  readonly promptTokens: number;
  readonly readTokens: number;
  readonly microsecondsPerDecision: number;
}

/** How often a request without a key reaches the machine of its like. */
const SAME_MACHINE_SHARE = 0.6;

export function replayKeys(trace: Trace, rules: AutomaticRules, make: MakeKeys): AutomaticOutcome {
  const keys = make();
  const home = new Homes(rules);
  const timings = new Timings();
  const outcome = replayMachines(trace, rules, (request) => {
    const begun = performance.now();
    const key = keys.key(request);
    timings.add(performance.now() - begun);
    return home.of(request, key);
  });
  return { ...outcome, microsecondsPerDecision: timings.microseconds };
}

/** As if the provider had no cache. */
export function uncached({ requests }: Trace): AutomaticOutcome {
  const promptTokens = requests.reduce((sum, request) => sum + request.promptTokens, 0);
  return { cost: promptTokens, promptTokens, readTokens: 0, microsecondsPerDecision: 0 };
}

/** What no key can beat: all requests on one machine. */
export function oneMachine(trace: Trace, rules: AutomaticRules): number {
  return replayMachines(trace, { ...rules, machines: 1, stepTokens: 1 }, () => 0).cost;
}

function replayMachines(
  trace: Trace,
  rules: AutomaticRules,
  machineOf: (request: TraceRequest) => number,
): Omit<AutomaticOutcome, "microsecondsPerDecision"> {
  const tree = new PrefixTree(trace);
  const machines = Array.from({ length: rules.machines }, () => new Machine(tree, rules));
  let promptTokens = 0;
  let readTokens = 0;
  for (const request of trace.requests) {
    promptTokens += request.promptTokens;
    readTokens += (machines[machineOf(request)] as Machine).send(request);
  }
  return { cost: promptTokens - (1 - rules.readPrice) * readTokens, promptTokens, readTokens };
}

class Machine {
  readonly #tree: PrefixTree;
  readonly #rules: AutomaticRules;
  readonly #lastSeconds = new Map<number, number>();
  readonly #readySeconds = new Map<number, number>();
  readonly #path: number[] = [];

  constructor(tree: PrefixTree, rules: AutomaticRules) {
    this.#tree = tree;
    this.#rules = rules;
  }

  /** @returns the tokens read from cache. */
  send(request: TraceRequest): number {
    const { stepTokens, minTokens, prefillTokensPerSecond } = this.#rules;
    const path = this.#tree.path(request.index, this.#path);
    let shared = 0;
    for (const node of path) {
      if (!this.#isAlive(node, request.atSeconds) || (this.#readySeconds.get(node) ?? 0) > request.atSeconds) break;
      shared = this.#tree.tokens[node] as number;
    }
    const read = shared < minTokens ? 0 : Math.floor(shared / stepTokens) * stepTokens;
    const prefillSeconds = (request.promptTokens - read) / prefillTokensPerSecond;
    const takesSeconds = request.apiSeconds > 0 ? Math.min(prefillSeconds, request.apiSeconds) : prefillSeconds;
    const readySeconds = request.atSeconds + takesSeconds;
    for (const node of path) {
      const before = this.#isAlive(node, request.atSeconds)
        ? (this.#readySeconds.get(node) ?? readySeconds)
        : readySeconds;
      this.#readySeconds.set(node, Math.min(before, readySeconds));
      this.#lastSeconds.set(node, request.atSeconds);
    }
    return read;
  }

  #isAlive(node: number, atSeconds: number): boolean {
    const last = this.#lastSeconds.get(node);
    return last !== undefined && last + this.#rules.idleSeconds >= atSeconds;
  }
}

/** The machine of a prompt's first tokens and its key. */
class Homes {
  readonly #rules: AutomaticRules;
  readonly #chance = seeded(1);
  readonly #rates: Rates = new Rates();

  constructor(rules: AutomaticRules) {
    this.#rules = rules;
  }

  of(request: TraceRequest, key: string | undefined): number {
    const { machines, keyRequestsPerMinuteMax } = this.#rules;
    const first = `${request.runs[0] ?? 0}`;
    if (key === undefined) {
      return this.#chance() < SAME_MACHINE_SHARE ? hashOf(first) % machines : Math.floor(this.#chance() * machines);
    }
    const name = `${first}|${key}`;
    const needed = Math.ceil(this.#rates.count(name, request.atSeconds) / keyRequestsPerMinuteMax);
    return (hashOf(name) + (needed <= 1 ? 0 : Math.floor(this.#chance() * needed))) % machines;
  }
}

/** The gateway's own keys. */
function gatewayKeys(): Keys {
  const keys = createCacheKeys();
  return {
    name: "learned",
    key: (request) => {
      const staticPrefix = request.staticBlocks === 0 ? undefined : staticPrefixOf(request);
      const ask = {
        target: "trace",
        tenant: request.tenant ?? "trace",
        opening: `${request.runs[0] ?? 0}`,
        staticPrefix,
      };
      const nowMs = request.atSeconds * 1000;
      const chosen = keys.choose({ ...ask, conversation: conversationOf(request) }, nowMs);
      keys.sent(chosen, nowMs);
      return chosen.key;
    },
  };
}

function staticPrefixOf({ runs, staticBlocks }: TraceRequest): string {
  const ids: number[] = [];
  let left = staticBlocks;
  for (let run = 0; left > 0 && run < runs.length; run += 2) {
    const count = Math.min(left, runs[run + 1] as number);
    ids.push(runs[run] as number, count);
    left -= count;
  }
  return ids.join(",");
}

/** Requests by name in the last minute. */
class Rates {
  readonly #times = new Map<string, number[]>();

  /** Counts this one too. */
  count(name: string, atSeconds: number): number {
    const times = (this.#times.get(name) ?? []).filter((time) => time > atSeconds - 60);
    times.push(atSeconds);
    this.#times.set(name, times);
    return times.length;
  }
}
