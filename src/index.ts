/**
 * The library surface: a gateway from its parts, without a server, and the interfaces that a plugin implements.
 */
import { setTimeout as wait } from "node:timers/promises";
import { createAdmission, type Admission } from "./admission.ts";
import { createAlerting, type Alerting } from "./alerting.ts";
import { createBackgroundAnswers } from "./background.ts";
import { createBindings } from "./binding.ts";
import { createBreakers } from "./breaker.ts";
import type { BudgetNotice } from "./budgets/budget.ts";
import { createBudgets, type Budgets } from "./budgets/budgets.ts";
import { createCacheCounters } from "./cache-counters.ts";
import { createAffinity } from "./cache/affinity.ts";
import { createExplainer, type Explainer } from "./cache/explainer.ts";
import { createForkJoin } from "./cache/fork-join.ts";
import { createPlacer } from "./cache/placer.ts";
import { createPlanner } from "./cache/planner.ts";
import { Predecessors } from "./cache/predecessors.ts";
import type { Config } from "./config.ts";
import { budgetRules } from "./config-budgets.ts";
import type { Dialect } from "./dialects/dialect.ts";
import { isShared } from "./exchange.ts";
import { createDelivery, type Delivery } from "./delivery/delivery.ts";
import { createPoster } from "./delivery/post.ts";
import { createDiscovery, type Discovery } from "./discovery.ts";
import { DRIFT_STATE } from "./drift/watch.ts";
import { createDrifting, type Drifting } from "./drifting.ts";
import { createGateway, type Gateway, type Setup } from "./gateway.ts";
import { guardedExplainer } from "./guarded-explainer.ts";
import { createHealth } from "./health.ts";
import { createKeptAnswers, type KeptAnswers } from "./kept.ts";
import { keepStatistics } from "./kept-statistics.ts";
import { openLedger, type Ledger, type LedgerEntry, type LedgerSink } from "./ledger.ts";
import type { Log } from "./log.ts";
import { createMetrics, type Metrics, type ReplicaState } from "./metrics.ts";
import { classRows, merged } from "./policies/class-rows.ts";
import type { Policy } from "./policies/policy.ts";
import type { Provider } from "./provider.ts";
import { createRemembered } from "./remembered.ts";
import { createReplicas, type Affinity, type Replicas } from "./replicas.ts";
import { configuredNames, setupOf, type SetupParts } from "./setup.ts";
import { createStrangerRows } from "./stranger-rows.ts";
import { CLASSES_STATE, TaskClasses } from "./tasks/classes.ts";
import { createEstimates, type Estimates, type EstimatesReader } from "./tasks/estimates.ts";
import { createTasks, type Tasks } from "./tasks/tasks.ts";
import { ESTIMATES_STATE, keptWithTime, relearn } from "./tasks/relearn.ts";
import { createTrials, DAY_MS, dayOf, type Trials } from "./tasks/trials.ts";
import type { ProviderInstance, Targets } from "./target.ts";
import { createUpstream } from "./upstream.ts";
import { usdText } from "./usage.ts";
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
  /** What trials may still cost, and which tasks are one. */
  readonly trials: Pick<Trials, "left">;
  /** What was learned of tasks, by class and target. */
  readonly estimates: EstimatesReader;
  /** What classes of tasks are told apart, and called. */
  readonly classes: TaskClasses;
  readonly budgets: Budgets;
  /** Spend that leaves its own baseline. */
  readonly alerts: Alerting;
  readonly delivery: Pick<Delivery, "states">;
  readonly drift: Pick<Drifting, "states" | "onDrift">;
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
  const classes = new TaskClasses(() => configuredNames(config));
  const estimates = createEstimates({ tokenRatio: (target) => tokenRatioOf(target, setup.targets) });
  const learned = { estimates, classNameOf: (id: string) => classes.nameOf(id) };
  let idleMs = idleMsOf(config, learned.classNameOf);
  let setup = setupOf(config, options, { discovery, ...learned }, now);
  const metrics = createMetrics({ classNameOf: (id) => classes.nameOf(id) });
  const budgets = createBudgets({
    read: (query) => ledger.tasks({ ask: "budget", query }),
    classNameOf: learned.classNameOf,
    now,
    log,
  });
  const alerts = createAlerting({
    ledger: () => ledger,
    targets: () => setup.targets,
    classNameOf: learned.classNameOf,
    now,
    log,
  });
  const ledger = await openLedger({
    ...config.ledger,
    path: options.ledgerPath,
    sinks: [
      (entry) => budgets.settled(entry),
      (entry) => alerts.settled(entry),
      (entry) => metrics.observe(entry),
      (entry) => tasks.settled(entry),
      (entry) => timed(entry, estimates),
      ...(options.sinks ?? []),
    ],
    now,
    log,
  });
  metrics.watchLedger(ledger);
  metrics.watchBudgets(() => budgets.states());
  budgets.onNotice((notice) => logNotice(notice, log));
  const sleep = (ms: number, signal: AbortSignal) => wait(ms, undefined, { signal });
  const idle = (ms: number, signal: AbortSignal) => wait(ms, undefined, { signal, ref: false });
  const poster = createPoster();
  const delivery = createDelivery({
    store: ledger,
    rows: await ledger.tasks({ ask: "outbox" }),
    channels: config.notify,
    classNameOf: learned.classNameOf,
    poster,
    log,
    now,
    sleep: idle,
    random: Math.random,
  });
  metrics.watchDelivery(() => delivery.states());
  budgets.onNotice((notice) => delivery.notice(notice));
  metrics.watchAlerts(alerts);
  alerts.onAlert((event) => delivery.alert(event));
  await alerts.start(config.alertRules);
  const drift = createDrifting({
    classNameOf: learned.classNameOf,
    keep: (name, value) => ledger.keep(name, value),
    now,
    log,
  });
  metrics.watchDrift(() => drift.states());
  drift.onDrift((event) => delivery.drift(event));
  const tasks = createTasks({
    ledger,
    classes,
    idleMs: (className) => idleMs(className),
    frustration: () => config.tasks.frustration.map((word) => word.toLowerCase()),
    boundaryLine: () => config.cache.boundaryLine,
    now,
    log,
  });
  const trials = createTrials();
  tasks.onEnded((task) => metrics.taskEnded(task));
  tasks.onEnded((task) => estimates.observe(task));
  tasks.onEnded((task) => trials.ended(task));
  tasks.onEnded((task) => drift.ended(task));
  const bindings = createBindings({
    remember: (issued) => ledger.remember(issued),
    isShared: () => isShared(config.keys),
    servesUnowned: () => config.answers.unowned === "serve",
    now,
  });
  // What was learned before the restart is there for the first call.
  await Promise.all([
    discovery.watch(setup.targets),
    ledger.recall((issued) => bindings.recall(issued)),
    tasks.recall(),
  ]);
  trials.recall(
    await ledger.tasks({ ask: "trials", sinceMs: dayOf(now()) * DAY_MS }),
    (className) => setup.classOf(className).trials?.from,
  );
  const background = createBackgroundAnswers(ledger, now);
  const postponed = await ledger.postponed();
  await budgets.configure(budgetRules(config.budgets));
  budgets.opened(postponed.map(({ entry }) => entry));
  background.recall(postponed);
  const remembered = createRemembered(() => config.answers.rememberBytesMax, now);
  const sweeping = setInterval(() => background.sweep(), SWEEP_MS).unref();
  const breakers = createBreakers(
    () => config.breaker,
    (target, state) => metrics.setBreaker(target, state),
  );
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
  const explainer = guardedExplainer(options.explainer ?? createExplainer({ excerpts: config.log.content }), {
    log,
    failed: () => metrics.explanationFailed(),
  });
  metrics.watchCache(() => explainer.read(now()));
  const keptEstimates = keptWithTime(estimates, now);
  const keptStatistics = await keepStatistics(
    {
      "cache-planner": planner,
      "cache-report": explainer,
      [ESTIMATES_STATE]: keptEstimates,
      [CLASSES_STATE]: classes,
      [DRIFT_STATE]: drift,
    },
    ledger,
    log,
  );
  drift.configure(config.expectations);
  const relearned = await relearn({ ledger, estimates, keptAtMs: keptEstimates.keptAtMs, nowMs: now() });
  if (relearned > 0) log.info("tasks-relearned", { tasks: relearned });
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
    trials,
    budgets,
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
    trials,
    estimates,
    classes,
    budgets,
    alerts,
    delivery,
    drift,
    metrics,
    setup: () => setup,
    reload(next) {
      setup = setupOf(next, options, { discovery, ...learned }, now);
      config = next;
      idleMs = idleMsOf(config, learned.classNameOf);
      health.watch(setup.targets.instances);
      void discovery.watch(setup.targets);
      void budgets.configure(budgetRules(config.budgets));
      void alerts.configure(config.alertRules);
      drift.configure(config.expectations);
      delivery.configure(config.notify);
    },
    async close() {
      clearInterval(sweeping);
      discovery.close();
      tasks.close();
      keptStatistics.close();
      health.close();
      counters.close();
      alerts.close();
      delivery.close();
      await Promise.all([upstream.close(), poster.close()]);
      await ledger.close();
    },
  };
}

function logNotice({ kind, budget, value, level, spent, limit }: BudgetNotice, log: Log): void {
  const limitUsd = limit === undefined ? undefined : usdText(limit);
  log.warn("budget", { notice: kind, budget, value, level, spentUsd: usdText(spent), limitUsd });
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

function idleMsOf(config: Config, classNameOf: SetupParts["classNameOf"]): (className: string) => number {
  const rowsOf = classRows(config.classes, classNameOf);
  return (className) => (merged(rowsOf(className)).idleMinutes ?? config.tasks.idleMinutes) * 60_000;
}

/** How long an answer took. What is no answer for somebody (a count, a prompt to be cached) says nothing of that. */
function timed(entry: LedgerEntry, estimates: Pick<Estimates, "timed">): void {
  const { outcome, provider, model, stream, ttftMs, durationMs, signals } = entry;
  if (outcome !== "complete" || provider === undefined || signals?.includes("side") === true) return;
  // What is not streamed begins when it is complete.
  estimates.timed(`${provider}/${model ?? ""}`, { firstTokenMs: stream ? ttftMs : undefined, totalMs: durationMs });
}

/** Of a target that is not there any more, nothing is known. */
function tokenRatioOf(name: string, targets: Targets): number {
  try {
    return targets.resolve(name).targets[0]?.record?.tokenRatio ?? 1;
  } catch {
    return 1;
  }
}
