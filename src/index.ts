/**
 * The library surface: a gateway from its parts, without a server, and the interfaces that a plugin implements.
 */
import { setTimeout as wait } from "node:timers/promises";
import { createAdmission, type Admission } from "./admission.ts";
import { createBackgroundAnswers } from "./background.ts";
import { createBindings } from "./binding.ts";
import { createBreakers } from "./breaker.ts";
import { createCacheCounters } from "./cache-counters.ts";
import { createAffinity } from "./cache/affinity.ts";
import { createExplainer, type Explainer } from "./cache/explainer.ts";
import { createForkJoin } from "./cache/fork-join.ts";
import { createMovers } from "./cache/moving.ts";
import { createPlacer } from "./cache/placer.ts";
import { createPlanner } from "./cache/planner.ts";
import { Predecessors } from "./cache/predecessors.ts";
import type { Config } from "./config.ts";
import type { Dialect } from "./dialects/dialect.ts";
import { createDiscovery, type Discovery } from "./discovery.ts";
import { dialects as ownDialects } from "./dialects/index.ts";
import { createGateway, type Gateway, type Setup } from "./gateway.ts";
import { guardedExplainer } from "./guarded-explainer.ts";
import { createHealth } from "./health.ts";
import { createKeptAnswers, type KeptAnswers } from "./kept.ts";
import { keepStatistics } from "./kept-statistics.ts";
import { openLedger, type Ledger, type LedgerSink } from "./ledger.ts";
import type { Log } from "./log.ts";
import { createMetrics, type Metrics, type ReplicaState } from "./metrics.ts";
import { createModelTable } from "./models.ts";
import { policies as ownPolicies } from "./policies/index.ts";
import type { Policy } from "./policies/policy.ts";
import type { Provider } from "./provider.ts";
import { createRemembered } from "./remembered.ts";
import { createReplicas, type Affinity, type Replicas } from "./replicas.ts";
import { createStrangerRows } from "./stranger-rows.ts";
import { CLASSES_STATE, TaskClasses } from "./tasks/classes.ts";
import { createTasks, type Tasks } from "./tasks/tasks.ts";
import { createTargets, type ProviderInstance } from "./target.ts";
import { createUpstream } from "./upstream.ts";
import { createWindows } from "./windows.ts";

export type { ExplainedCall, Explainer, SentCall } from "./cache/explainer.ts";
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
  /** How often a server that does not say its models is asked for them; others less often. */
  readonly discoverAgainMs?: number;
  /** How often each of several replicas is asked how it is. */
  readonly probeEveryMs?: number;
  /** How often a server's own counters are read at most, where its answers do not say what came from its cache; infinite: never. */
  readonly countersEveryMs?: number;
  /** Where a call should go among the replicas that are up, in place of the one that mirrors their caches. */
  readonly affinity?: Affinity;
  /** What is told of each call's cache and asked for it, in place of what remembers the prompts before it. */
  readonly explainer?: Explainer;
}

export interface Sluice {
  readonly gateway: Gateway;
  readonly admission: Admission;
  /** What caching did for each class of calls. */
  readonly explainer: Pick<Explainer, "read">;
  readonly kept: KeptAnswers;
  readonly discovery: Discovery;
  readonly ledger: Ledger;
  readonly tasks: Tasks;
  /** What classes of tasks are told apart, and called. */
  readonly classes: TaskClasses;
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
  const upstream = createUpstream({ connectMs: config.deadlines.connectMs });
  const discovery = createDiscovery({ upstream, log, now, againMs: options.discoverAgainMs });
  let setup = setupOf(config, options, discovery, now);
  const classes = new TaskClasses(() => configuredNames(config));
  const metrics = createMetrics({ classNameOf: (id) => classes.nameOf(id) });
  const ledger = await openLedger({
    ...config.ledger,
    path: options.ledgerPath,
    sinks: [(entry) => metrics.observe(entry), (entry) => tasks.settled(entry), ...(options.sinks ?? [])],
    now,
    log,
  });
  metrics.watchLedger(ledger);
  const tasks = createTasks({
    ledger,
    classes,
    idleMs: (className) => idleMsOf(className, classes, config),
    frustration: () => config.tasks.frustration.map((word) => word.toLowerCase()),
    boundaryLine: () => config.cache.boundaryLine,
    now,
    log,
  });
  tasks.onEnded((task) => metrics.taskEnded(task));
  const bindings = createBindings({
    remember: (issued) => ledger.remember(issued),
    isShared: () => new Set(config.keys.map(({ tenant }) => tenant)).size > 1,
    servesUnowned: () => config.answers.unowned === "serve",
    now,
  });
  // What was learned before the restart is there for the first call.
  await Promise.all([
    discovery.watch(setup.targets),
    ledger.recall((issued) => bindings.recall(issued)),
    tasks.recall(),
  ]);
  const background = createBackgroundAnswers(ledger, now);
  background.recall(await ledger.postponed());
  const remembered = createRemembered(() => config.answers.rememberBytesMax, now);
  const sweeping = setInterval(() => background.sweep(), SWEEP_MS).unref();
  const breakers = createBreakers(
    () => config.breaker,
    (target, state) => metrics.setBreaker(target, state),
  );
  const sleep = (ms: number, signal: AbortSignal) => wait(ms, undefined, { signal });
  const idle = (ms: number, signal: AbortSignal) => wait(ms, undefined, { signal, ref: false });
  const affinity = createAffinity();
  const counters = createCacheCounters({
    upstream,
    now,
    sleep: idle,
    everyMs: options.countersEveryMs,
    sized: (instance, baseUrl, cacheTokens) => affinity.sized(instance, baseUrl, cacheTokens),
    restarted: (instance, baseUrl) => affinity.restarted(instance, baseUrl),
  });
  const replicas = createReplicas(() => config.breaker, { counters, affinity: options.affinity ?? affinity, log });
  const admission = createAdmission(
    () => setup.limits,
    (calls) => metrics.inFlight(calls),
  );
  const planner = createPlanner();
  const explainer = guardedExplainer(options.explainer ?? createExplainer(), {
    log,
    failed: () => metrics.explanationFailed(),
  });
  const keptStatistics = await keepStatistics(
    { "cache-planner": planner, "cache-report": explainer, [CLASSES_STATE]: classes },
    ledger,
    log,
  );
  const forkJoin = createForkJoin(sleep);
  const placer = createPlacer(planner, {
    released: (plan, isReadable) => forkJoin.release(plan, isReadable),
    explainer,
  });
  const gateway = createGateway({
    setup: () => setup,
    admission,
    upstream,
    ledger,
    background,
    bindings,
    remembered,
    breakers,
    replicas,
    placer,
    forkJoin,
    predecessors: new Predecessors(),
    windows: createWindows(),
    strangerRows: createStrangerRows(),
    tasks,
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
    sleep: idle,
    isDraining: () => admission.draining,
  });
  health.watch(setup.targets.instances);
  metrics.watchReplicas(() => replicaStates(setup.targets.instances, replicas, now()));
  return {
    gateway,
    admission,
    explainer,
    kept: createKeptAnswers({
      setup: () => setup,
      admission,
      upstream,
      background,
      bindings,
      remembered,
      replicas,
      log,
      now,
    }),
    discovery,
    ledger,
    tasks,
    classes,
    metrics,
    setup: () => setup,
    reload(next) {
      setup = setupOf(next, options, discovery, now);
      config = next;
      health.watch(setup.targets.instances);
      void discovery.watch(setup.targets);
    },
    async close() {
      clearInterval(sweeping);
      discovery.close();
      tasks.close();
      keptStatistics.close();
      health.close();
      counters.close();
      await upstream.close();
      await ledger.close();
    },
  };
}

/** How often it is looked for answers made in the background that nobody has asked for in weeks. */
const SWEEP_MS = 3_600_000;

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

/** Names that the config gives to derived classes. */
function configuredNames({ classes }: Config): ReadonlyMap<string, string> {
  return new Map(
    Object.entries(classes).flatMap(([id, { name }]) => (name === undefined ? [] : [[id, name] as const])),
  );
}

function idleMsOf(className: string, classes: TaskClasses, config: Config): number {
  const named = classes.nameOf(className);
  const own = config.classes[className] ?? (named === undefined ? undefined : config.classes[named]);
  return (own?.idleMinutes ?? config.tasks.idleMinutes) * 60_000;
}

function setupOf(config: Config, options: SluiceOptions, discovery: Discovery, now: () => number): Setup {
  const { connectMs, firstByteMs, answerMs, idleMs, totalMs } = config.deadlines;
  const targets = createTargets(config, createModelTable(config.models), options.kinds, now);
  return {
    keys: config.keys,
    targets,
    resolve: (model) => discovery.resolve(targets, model),
    dialects: options.dialects ?? ownDialects,
    policies: options.policies ?? ownPolicies,
    defaultPolicy: config.policy.default,
    attempts: {
      ...config.retries,
      strict: config.strict,
      hold: config.cache.hold,
      diagnose: config.cache.diagnose,
      deadlines: {
        stream: { connectMs, headMs: firstByteMs, idleMs, totalMs },
        whole: { connectMs, headMs: answerMs, idleMs, totalMs },
      },
    },
    limits: config.limits,
    cache: { ...config.cache, moverFor: createMovers(config.cache.move, config.cache.boundaryLine) },
  };
}
