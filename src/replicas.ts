/**
 * Which of a provider's base URLs is called: replicas take turns by their weights, one that failed or is known to be down is passed
 * over while another is there, and an affinity may know better than the turns do.
 */
import type { Prefixes } from "./cache/prefixes.ts";
import type { LedgerEntry } from "./ledger.ts";
import type { Log } from "./log.ts";
import type { ProviderInstance } from "./target.ts";

/** What is known of a call when its replica is chosen: the prefixes of its prompt, and not the prompt. */
export interface PlacedCall {
  readonly instance: ProviderInstance;
  readonly model: string;
  readonly prefixes: Pick<Prefixes, "hashes" | "tokens" | "promptTokens">;
}

/** What is told of each call at a replica, in this order; a call that was sent has an end, whichever it is. */
export interface ReplicaWatcher {
  sent?(call: PlacedCall, baseUrl: string, nowMs: number): void;
  /** Its first event came: the prompt has been read. */
  began?(call: PlacedCall, baseUrl: string, nowMs: number): void;
  ended?(call: PlacedCall, baseUrl: string, entry: LedgerEntry): void;
}

/**
 * Knows where a call's prefix is warm, and what waits where. It learns that as a watcher. One that throws is logged, and has no say in
 * that call.
 */
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
  /** Whether the server is known to tell what it read from its cache, so that an answer that tells nothing has read nothing. */
  tellsRead(): boolean;
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
  /**
   * A call failed there, and it rests. It is not down by that: what fails may be the call.
   *
   * @returns whether another one is there, so that nothing has to be waited for.
   */
  failed(instance: ProviderInstance, baseUrl: string, nowMs: number): boolean;
  /** What probes found: one that is not well stays away until it is. */
  probed(instance: ProviderInstance, baseUrl: string, isWell: boolean): void;
  health(instance: ProviderInstance, nowMs: number): readonly ReplicaHealth[];
}

/** What beside the turns has a say, or wants to know. */
export interface ReplicaParts {
  readonly affinity?: Affinity;
  readonly counters?: CacheReadings;
  readonly log?: Pick<Log, "error">;
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
  tellsRead(): boolean;
}

interface Replica {
  readonly baseUrl: string;
  readonly weight: number;
  /** Smooth weighted round robin: rises by the weight at each turn, falls by the sum of all when it is taken. */
  credit: number;
  restsUntilMs: number;
  isDown: boolean;
}

/** Kept by instance, so that a reload, which makes new ones, forgets it. */
export function createReplicas(
  options: () => { readonly restMs: number },
  { affinity, counters, log }: ReplicaParts = {},
): Replicas {
  const all = new WeakMap<ProviderInstance, readonly Replica[]>();
  const replicasOf = (instance: ProviderInstance): readonly Replica[] => {
    const replicas = all.get(instance) ?? unused(instance);
    all.set(instance, replicas);
    return replicas;
  };
  const upOf = (instance: ProviderInstance, nowMs: number): readonly Replica[] => {
    const replicas = replicasOf(instance);
    const up = replicas.filter((replica) => isUp(replica, nowMs));
    return up.length === 0 ? replicas : up;
  };
  const named = (instance: ProviderInstance, baseUrl: string) =>
    replicasOf(instance).filter((replica) => replica.baseUrl === baseUrl);
  const guarded = guard(log);
  return {
    next: (instance, nowMs) => inTurn(upOf(instance, nowMs)),
    place(call, nowMs) {
      const { instance } = call;
      const up = upOf(instance, nowMs);
      const preferred =
        affinity === undefined || up.length < 2
          ? undefined
          : guarded(() =>
              affinity.prefer(
                call,
                up.map(({ baseUrl }) => baseUrl),
                nowMs,
              ),
            );
      // The turns are not charged with what they did not decide: they share out the other calls evenly.
      const baseUrl = (preferred === undefined ? undefined : up[preferred]?.baseUrl) ?? inTurn(up);
      return visit(call, baseUrl, affinity, counters?.watch(instance, baseUrl), guarded);
    },
    failed(instance, baseUrl, nowMs) {
      for (const replica of named(instance, baseUrl)) replica.restsUntilMs = nowMs + options().restMs;
      return replicasOf(instance).some((replica) => isUp(replica, nowMs));
    },
    probed(instance, baseUrl, isWell) {
      for (const replica of named(instance, baseUrl)) replica.isDown = !isWell;
    },
    health: (instance, nowMs) =>
      replicasOf(instance).map((replica) => ({ baseUrl: replica.baseUrl, isUp: isUp(replica, nowMs) })),
  };
}

function unused({ settings: { baseUrls, weights = [] } }: ProviderInstance): readonly Replica[] {
  return baseUrls.map((baseUrl, index) => ({
    baseUrl,
    weight: weights[index] ?? 1,
    credit: 0,
    restsUntilMs: Number.NEGATIVE_INFINITY,
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

/** The lines on which a call runs and is settled go through here: what is told on the way must not end them. */
type Guard = <Value>(tell: () => Value) => Value | undefined;

function guard(log: Pick<Log, "error"> | undefined): Guard {
  return (tell) => {
    try {
      return tell();
    } catch (error) {
      log?.error("affinity-failed", { reason: error instanceof Error ? error.message : String(error) });
      return undefined;
    }
  };
}

/** Made here, as a function made where a call is placed would keep more of it than it needs for as long as a stream runs. */
function visit(
  call: PlacedCall,
  baseUrl: string,
  watcher: ReplicaWatcher | undefined,
  reading: CacheReading | undefined,
  guarded: Guard,
): Visit {
  return {
    baseUrl,
    sent(nowMs) {
      reading?.sent();
      guarded(() => watcher?.sent?.(call, baseUrl, nowMs));
    },
    began(nowMs) {
      reading?.began();
      guarded(() => watcher?.began?.(call, baseUrl, nowMs));
    },
    ended(entry) {
      reading?.ended(entry);
      guarded(() => watcher?.ended?.(call, baseUrl, entry));
    },
    cacheRead: (promptTokens) => reading?.cacheRead(promptTokens),
    tellsRead: () => reading?.tellsRead() ?? false,
  };
}
