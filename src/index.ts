/**
 * The library surface: a gateway from its parts, without a server, and the interfaces that a plugin implements.
 */
import { setTimeout as wait } from "node:timers/promises";
import { createAdmission, type Admission } from "./admission.ts";
import { createBindings } from "./binding.ts";
import { createBreakers } from "./breaker.ts";
import { createCacheCounters } from "./cache-counters.ts";
import type { Config } from "./config.ts";
import type { Dialect } from "./dialects/dialect.ts";
import { createDiscovery } from "./discovery.ts";
import { dialects as ownDialects } from "./dialects/index.ts";
import { createGateway, type Gateway, type Setup } from "./gateway.ts";
import { createHealth } from "./health.ts";
import { createKeptAnswers, type KeptAnswers } from "./kept.ts";
import { openLedger, type Ledger, type LedgerSink } from "./ledger.ts";
import type { Log } from "./log.ts";
import { createMetrics, type Metrics, type ReplicaState } from "./metrics.ts";
import { createModelTable } from "./models.ts";
import { policies as ownPolicies } from "./policies/index.ts";
import type { Policy } from "./policies/policy.ts";
import type { Provider } from "./provider.ts";
import { createReplicas, type Affinity, type Replicas } from "./replicas.ts";
import { createStrangerRows } from "./stranger-rows.ts";
import { createTargets, type ProviderInstance } from "./target.ts";
import { createUpstream } from "./upstream.ts";
import { createWindows } from "./windows.ts";

export type { ChatEvent, ChatRequest, JsonObject, JsonValue, Loss, Message, Part } from "./chat.ts";
export type { Config } from "./config.ts";
export type { Decoder, Dialect, Encoder, Watcher } from "./dialects/dialect.ts";
export type { Edit } from "./edit.ts";
export { GatewayError } from "./errors.ts";
export type { LedgerEntry, LedgerSink } from "./ledger.ts";
export type { ModelRecord } from "./model.ts";
export type { Decision, Policy } from "./policies/policy.ts";
export type { Provider, ProviderSettings } from "./provider.ts";
export type { Affinity, PlacedCall } from "./replicas.ts";
export type { Candidate, Target } from "./target.ts";
export type { Price, Usage } from "./usage.ts";

export interface SluiceOptions {
  readonly config: Config;
  /** The kinds of provider that the config may name. */
  readonly kinds: readonly Provider[];
  /** A file in a folder of this gateway's own, or ":memory:". */
  readonly ledgerPath: string;
  readonly log: Log;
  /** Further sinks for settled rows (billing, tracing). */
  readonly sinks?: readonly LedgerSink[];
  readonly dialects?: readonly Dialect[];
  readonly policies?: readonly Policy[];
  /** Milliseconds since the epoch. */
  readonly now?: () => number;
  /** How often a server whose models are not known is asked for them. */
  readonly discoverAgainMs?: number;
  /** How often each of several replicas is asked how it is. */
  readonly probeEveryMs?: number;
  /** How often a server's own counters are read at most, where its answers do not say what came from its cache; infinite: never. */
  readonly countersEveryMs?: number;
  /** Where a call should go among the replicas that are up, by its prefix. */
  readonly affinity?: Affinity;
}

export interface Sluice {
  readonly gateway: Gateway;
  readonly admission: Admission;
  readonly kept: KeptAnswers;
  readonly ledger: Ledger;
  readonly metrics: Metrics;
  readonly setup: () => Setup;
  /** New calls follow the new config; running ones keep theirs. Where it listens and where it keeps its data need a restart. */
  reload(config: Config): void;
  close(): Promise<void>;
}

/**
 * @example
 * const sluice = await createSluice({ config, kinds: providerKinds, ledgerPath: ":memory:", log });
 */
export async function createSluice(options: SluiceOptions): Promise<Sluice> {
  const now = options.now ?? Date.now;
  const { log } = options;
  let config = options.config;
  let setup = setupOf(config, options, now);
  const metrics = createMetrics();
  const ledger = await openLedger({
    ...config.ledger,
    path: options.ledgerPath,
    sinks: [(entry) => metrics.observe(entry), ...(options.sinks ?? [])],
    now,
    log,
  });
  metrics.watchLedger(ledger);
  const upstream = createUpstream({ connectMs: config.deadlines.connectMs });
  const discovery = createDiscovery({ upstream, log, againMs: options.discoverAgainMs });
  const bindings = createBindings((issued) => ledger.remember(issued));
  // What was learned before the restart is there for the first call.
  await Promise.all([discovery.ask(setup.targets), ledger.recall((issued) => bindings.recall(issued))]);
  const breakers = createBreakers(
    () => config.breaker,
    (target, state) => metrics.setBreaker(target, state),
  );
  const sleep = (ms: number, signal: AbortSignal) => wait(ms, undefined, { signal });
  const idle = (ms: number, signal: AbortSignal) => wait(ms, undefined, { signal, ref: false });
  const counters = createCacheCounters({ upstream, now, sleep: idle, everyMs: options.countersEveryMs });
  const { affinity } = options;
  const replicas = createReplicas(() => config.breaker, { counters, ...(affinity === undefined ? {} : { affinity }) });
  const admission = createAdmission(
    () => setup.limits,
    (calls) => metrics.inFlight(calls),
  );
  const gateway = createGateway({
    setup: () => setup,
    admission,
    upstream,
    ledger,
    bindings,
    breakers,
    replicas,
    windows: createWindows(),
    strangerRows: createStrangerRows(),
    metrics,
    log,
    now,
    sleep,
  });
  const health = createHealth({
    upstream,
    replicas,
    log,
    everyMs: options.probeEveryMs,
    random: Math.random,
    now,
    sleep: idle,
    isDraining: () => admission.draining,
  });
  health.watch(setup.targets.instances);
  metrics.watchReplicas(() => replicaStates(setup.targets.instances, replicas, now()));
  return {
    gateway,
    admission,
    kept: createKeptAnswers({ setup: () => setup, admission, upstream, bindings, replicas, log, now }),
    ledger,
    metrics,
    setup: () => setup,
    reload(next) {
      setup = setupOf(next, options, now);
      config = next;
      health.watch(setup.targets.instances);
      void discovery.ask(setup.targets);
    },
    async close() {
      discovery.close();
      health.close();
      counters.close();
      await upstream.close();
      await ledger.close();
    },
  };
}

/** Of those that have several. Named by their place in the config: an address may be longer than a label should be. */
function replicaStates(
  instances: readonly ProviderInstance[],
  replicas: Replicas,
  nowMs: number,
): readonly ReplicaState[] {
  return instances.flatMap((instance) => {
    const all = replicas.health(instance, nowMs);
    if (all.length < 2) return [];
    return all.map(({ isUp }, index) => ({ provider: instance.name, replica: String(index), isUp }));
  });
}

function setupOf(config: Config, options: SluiceOptions, now: () => number): Setup {
  const { connectMs, firstByteMs, answerMs, idleMs, totalMs } = config.deadlines;
  return {
    keys: config.keys,
    targets: createTargets(config, createModelTable(config.models), options.kinds, now),
    dialects: options.dialects ?? ownDialects,
    policies: options.policies ?? ownPolicies,
    defaultPolicy: config.policy.default,
    attempts: {
      ...config.retries,
      strict: config.strict,
      deadlines: {
        stream: { connectMs, headMs: firstByteMs, idleMs, totalMs },
        whole: { connectMs, headMs: answerMs, idleMs, totalMs },
      },
    },
    limits: config.limits,
  };
}
