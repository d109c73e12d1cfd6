/**
 * Which of a provider's base URLs is called: replicas take turns by their weights, one that failed or is known to be down is passed
 * over while another is there, and an affinity may know better than the turns do.
 */
import type { Boundary } from "./cache/boundary.ts";
import type { LedgerEntry } from "./ledger.ts";
import type { ProviderInstance } from "./target.ts";

/** What is known of a call when its replica is chosen: the prefixes of its prompt, and not the prompt. */
export interface PlacedCall {
  readonly instance: ProviderInstance;
  readonly model: string;
  readonly boundary: Boundary;
}

/** What is told of each call at a replica, in this order; a call that was sent has an end, whichever it is. */
export interface ReplicaWatcher {
  sent?(call: PlacedCall, baseUrl: string, nowMs: number): void;
  /** Its first event came: the prompt has been read. */
  began?(call: PlacedCall, baseUrl: string, nowMs: number): void;
  ended?(call: PlacedCall, baseUrl: string, entry: LedgerEntry): void;
}

/** Knows where a call's prefix is warm, and what waits where. It learns that as a watcher. */
export interface Affinity extends ReplicaWatcher {
  /** @param up At least two, in the config's order. @returns an index of `up`; `undefined`: whoever's turn it is. */
  prefer(call: PlacedCall, up: readonly string[], nowMs: number): number | undefined;
}

/** One call at one replica. */
export interface Visit {
  readonly baseUrl: string;
  sent(nowMs: number): void;
  began(nowMs: number): void;
  ended(entry: LedgerEntry): void;
  /** How much of a prompt, whose answer did not say, was read from cache by the server's own counters. @see createCacheCounters */
  cacheRead(promptTokens: number): number | undefined;
}

export interface ReplicaHealth {
  readonly baseUrl: string;
  readonly isUp: boolean;
}

export interface Replicas {
  /** The base URL whose turn it is; a resting one only when all of them rest. */
  next(instance: ProviderInstance, nowMs: number): string;
  /** The same for a call with a prompt, by the affinity's choice where it has one. */
  place(call: PlacedCall, nowMs: number): Visit;
  /** @returns whether another one is there, so that nothing has to be waited for. */
  failed(instance: ProviderInstance, baseUrl: string, nowMs: number): boolean;
  /** From now on somebody asks this instance's replicas how they are: one that failed stays away until it was found well. */
  probing(instance: ProviderInstance, isProbed: boolean): void;
  /** What a probe found. @param askedAtMs When it began: what it says of the time before a failure does not count. */
  probed(instance: ProviderInstance, baseUrl: string, isWell: boolean, askedAtMs: number): void;
  health(instance: ProviderInstance, nowMs: number): readonly ReplicaHealth[];
}

/** What beside the turns has a say, or wants to know. */
export interface ReplicaParts {
  readonly affinity?: Affinity;
  readonly counters?: CacheReadings;
}

/** What is read of the servers' own counters. */
export interface CacheReadings {
  watch(instance: ProviderInstance, baseUrl: string): CacheReading | undefined;
}

export interface CacheReading {
  sent(): void;
  began(): void;
  ended(entry: LedgerEntry): void;
  cacheRead(promptTokens: number): number | undefined;
}

interface Replica {
  readonly baseUrl: string;
  readonly weight: number;
  /** Smooth weighted round robin: rises by the weight at each turn, falls by the sum of all when it is taken. */
  credit: number;
  restsUntilMs: number;
  failedAtMs: number;
  isDown: boolean;
}

interface Turns {
  readonly replicas: readonly Replica[];
  isProbed: boolean;
}

/** Kept by instance, so that a reload, which makes new ones, forgets it. */
export function createReplicas(
  options: () => { readonly restMs: number },
  { affinity, counters }: ReplicaParts = {},
): Replicas {
  const all = new WeakMap<ProviderInstance, Turns>();
  const turnsOf = (instance: ProviderInstance): Turns => {
    const turns = all.get(instance) ?? { replicas: replicasOf(instance), isProbed: false };
    all.set(instance, turns);
    return turns;
  };
  const upOf = (instance: ProviderInstance, nowMs: number): readonly Replica[] => {
    const { replicas } = turnsOf(instance);
    const up = replicas.filter((replica) => isUp(replica, nowMs));
    return up.length === 0 ? replicas : up;
  };
  const named = (instance: ProviderInstance, baseUrl: string) =>
    turnsOf(instance).replicas.filter((replica) => replica.baseUrl === baseUrl);
  return {
    next: (instance, nowMs) => inTurn(upOf(instance, nowMs)),
    place(call, nowMs) {
      const { instance } = call;
      const up = upOf(instance, nowMs);
      const preferred =
        affinity === undefined || up.length < 2
          ? undefined
          : affinity.prefer(
              call,
              up.map(({ baseUrl }) => baseUrl),
              nowMs,
            );
      // The turns are not charged with what they did not decide: they share out the other calls evenly.
      const baseUrl = (preferred === undefined ? undefined : up[preferred]?.baseUrl) ?? inTurn(up);
      return visit(call, baseUrl, affinity, counters?.watch(instance, baseUrl));
    },
    failed(instance, baseUrl, nowMs) {
      const { isProbed, replicas } = turnsOf(instance);
      for (const replica of named(instance, baseUrl)) {
        replica.restsUntilMs = nowMs + options().restMs;
        replica.failedAtMs = nowMs;
        if (isProbed) replica.isDown = true;
      }
      return replicas.some((replica) => isUp(replica, nowMs));
    },
    probing(instance, isProbed) {
      const turns = turnsOf(instance);
      turns.isProbed = isProbed;
      if (!isProbed) for (const replica of turns.replicas) replica.isDown = false;
    },
    probed(instance, baseUrl, isWell, askedAtMs) {
      for (const replica of named(instance, baseUrl)) {
        if (!isWell) replica.isDown = true;
        else if (askedAtMs >= replica.failedAtMs) replica.isDown = false;
      }
    },
    health: (instance, nowMs) =>
      turnsOf(instance).replicas.map((replica) => ({ baseUrl: replica.baseUrl, isUp: isUp(replica, nowMs) })),
  };
}

function replicasOf({ settings: { baseUrls, weights = [] } }: ProviderInstance): readonly Replica[] {
  return baseUrls.map((baseUrl, index) => ({
    baseUrl,
    weight: weights[index] ?? 1,
    credit: 0,
    restsUntilMs: Number.NEGATIVE_INFINITY,
    failedAtMs: Number.NEGATIVE_INFINITY,
    isDown: false,
  }));
}

/** A failure is rested after, however well a probe finds the replica: what answers a probe may still fail calls. */
function isUp(replica: Replica, nowMs: number): boolean {
  return !replica.isDown && replica.restsUntilMs <= nowMs;
}

/** Those that are not there keep their credit, and take up where they left. */
function inTurn(replicas: readonly Replica[]): string {
  let chosen: Replica | undefined;
  let weights = 0;
  for (const replica of replicas) {
    replica.credit += replica.weight;
    weights += replica.weight;
    if (chosen === undefined || replica.credit > chosen.credit) chosen = replica;
  }
  if (chosen === undefined) return "";
  chosen.credit -= weights;
  return chosen.baseUrl;
}

/** Made here, as a function made where a call is placed would keep more of it than it needs for as long as a stream runs. */
function visit(
  call: PlacedCall,
  baseUrl: string,
  watcher: ReplicaWatcher | undefined,
  reading: CacheReading | undefined,
): Visit {
  return {
    baseUrl,
    sent(nowMs) {
      reading?.sent();
      watcher?.sent?.(call, baseUrl, nowMs);
    },
    began(nowMs) {
      reading?.began();
      watcher?.began?.(call, baseUrl, nowMs);
    },
    ended(entry) {
      reading?.ended(entry);
      watcher?.ended?.(call, baseUrl, entry);
    },
    cacheRead: (promptTokens) => reading?.cacheRead(promptTokens),
  };
}
