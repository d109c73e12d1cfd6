/**
 * What Prometheus sees. A ledger sink, a few gauges, and the request counter at the front door.
 *
 * Every label has a bound: providers, dialects and outcomes by configuration, models and loss words by a limit (the rest is
 * "other"), and nothing that a client writes freely (tasks, callers, requested models) is one. Sums are kept here, money as
 * integers, and handed to prom-client when somebody asks: counting costs little, and the cost shown is the ledger's.
 */
import { collectDefaultMetrics, Counter, Gauge, Histogram, Registry } from "prom-client";
import type { AlertSource } from "./alerts/alert.ts";
import type { BreakerState } from "./breaker.ts";
import { budgetMetrics } from "./budgets/budget-metrics.ts";
import type { BudgetState } from "./budgets/budget.ts";
import { driftMetrics } from "./drift-metrics.ts";
import type { ExpectationState } from "./drift/drift.ts";
import { deliveryMetrics } from "./delivery/delivery-metrics.ts";
import { watchMetrics } from "./delivery/watch-metrics.ts";
import type { ChannelState } from "./delivery/delivery.ts";
import type { CacheReport } from "./cache/report.ts";
import { addCaching, CACHING_COUNTERS, noCaching, reportMetrics, type CachingSums } from "./cache-metrics.ts";
import type { CostBasis, Ledger, LedgerEntry } from "./ledger.ts";
import type { EndedTask } from "./tasks/ended-task.ts";
import { taskMetrics } from "./tasks/task-metrics.ts";
import { promptTokens, usdNumber, type PicoUsd, type Usage } from "./usage.ts";

export interface MetricsOptions {
  /** Memory, CPU and event loop of this process. */
  readonly process?: boolean;
  /** Different models that get labels of their own. */
  readonly modelsMax?: number;
  /** What a class of tasks is called; absent: by its id. */
  readonly classNameOf?: (className: string) => string | undefined;
}

/** One of several replicas, by its place in the config. */
export interface ReplicaState {
  readonly provider: string;
  readonly replica: string;
  readonly isUp: boolean;
}

export interface Metrics {
  /** Counts one settled attempt: a ledger sink. */
  readonly observe: (entry: LedgerEntry) => void;
  /** A task that has ended. */
  readonly taskEnded: (task: EndedTask) => void;
  /** One answered call, at the front door. */
  request(dialect: string, status: number, durationSeconds: number, overheadMs: number | undefined): void;
  /** A call of nobody known, refused without a row of its own. */
  rejectionUnrecorded(): void;
  /** What a call's cache did could not be told, by a fault of ours. */
  explanationFailed(): void;
  /** Calls being served now. */
  inFlight(calls: number): void;
  /** Lines of a system text that were moved to its prompt's end. */
  linesMoved(rule: string, lines: number): void;
  streamOpened(): void;
  streamClosed(): void;
  setBreaker(target: string, state: BreakerState): void;
  /** Whose queue and losses are shown. */
  watchLedger(ledger: Pick<Ledger, "queueDepth" | "lostReservations" | "lostRows">): void;
  /** Whose health is shown, asked when somebody looks. */
  watchReplicas(states: () => readonly ReplicaState[]): void;
  /** Whose money is shown, asked when somebody looks. */
  watchBudgets(states: () => readonly BudgetState[]): void;
  /** Whose baselines and alerts are shown, asked when somebody looks. */
  watchAlerts(source: Pick<AlertSource, "states">): void;
  /** Whose messages are shown, asked when somebody looks. */
  watchDelivery(states: () => readonly ChannelState[]): void;
  /** What pinned reports let expect, asked when somebody looks. */
  watchDrift(states: () => readonly ExpectationState[]): void;
  /** What is shown of caches beside what rows say, asked when somebody looks. */
  watchCache(report: () => CacheReport): void;
  /** The exposition text. */
  render(): Promise<string>;
  readonly contentType: string;
}

/** Each model has about 60 lines of text; rendering 100 of them takes a few milliseconds. */
export const MODEL_LABELS_MAX = 100;
/** Different words for losses. */
export const FIELD_LABELS_MAX = 100;
/** Targets whose breaker is shown. */
export const BREAKER_LABELS_MAX = 200;
const OTHER = "other";
const NONE = "none";

const BUCKET_LABELS = {
  inputUncached: "input_uncached",
  cacheRead: "cache_read",
  cacheWrite5m: "cache_write_5m",
  cacheWrite1h: "cache_write_1h",
  cacheWriteOther: "cache_write_other",
  output: "output",
  reasoning: "reasoning",
} as const satisfies Record<keyof Usage, string>;
const BUCKETS = Object.entries(BUCKET_LABELS) as [keyof Usage, string][];

const WAIT_SECONDS: number[] = [0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600];
const OVERHEAD_SECONDS: number[] = [0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.5];
const BREAKER_VALUES: Readonly<Record<BreakerState, number>> = { closed: 0, "half-open": 1, open: 2 };

/** What is summed for one provider and model. */
interface Sums {
  readonly provider: string;
  readonly model: string;
  readonly outcomes: Map<string, number>;
  readonly tokens: Map<keyof Usage, number>;
  readonly unknown: Map<keyof Usage, number>;
  readonly cost: Map<CostBasis, PicoUsd>;
  readonly caching: CachingSums;
  unpriced: number;
  /** Prompt tokens of answers that said how many of them were read from cache, and of those that did not. */
  promptKnown: number;
  promptUnknown: number;
  cacheRead: number;
}

/**
 * @example
 * const metrics = createMetrics();
 * const ledger = await openLedger({ …, sinks: [metrics.observe] });
 * metrics.watchLedger(ledger);
 */
export function createMetrics(options: MetricsOptions = {}): Metrics {
  const registry = new Registry();
  if (options.process ?? true) collectDefaultMetrics({ register: registry, prefix: "sluice_" });
  const observe = attemptMetrics(registry, options.modelsMax ?? MODEL_LABELS_MAX);
  const requests = new Counter({
    name: "sluice_requests_total",
    help: "Calls answered, by the client's dialect and the status it got.",
    labelNames: ["dialect", "status"],
    registers: [registry],
  });
  const requestDuration = new Histogram({
    name: "sluice_request_duration_seconds",
    help: "From a call's arrival to the end of its answer.",
    labelNames: ["dialect"],
    buckets: WAIT_SECONDS,
    registers: [registry],
  });
  const overhead = new Histogram({
    name: "sluice_overhead_seconds",
    help: "Time that the gateway itself added before sending.",
    labelNames: ["dialect"],
    buckets: OVERHEAD_SECONDS,
    registers: [registry],
  });
  const unrecorded = new Counter({
    name: "sluice_rejections_unrecorded_total",
    help: "Calls refused before their caller was known, beyond those that get a ledger row.",
    registers: [registry],
  });
  const unexplained = new Counter({
    name: "sluice_cache_explanations_failed_total",
    help: "Calls of which it could not be told what their cache did, by a fault of the gateway's; the log has the first.",
    registers: [registry],
  });
  const moved = new Counter({
    name: "sluice_cache_moved_lines_total",
    help: "Lines of system texts that were moved to the end of their prompts, by rule.",
    labelNames: ["rule"],
    registers: [registry],
  });
  const inFlight = new Gauge({ name: "sluice_requests_in_flight", help: "Calls being served.", registers: [registry] });
  const streams = new Gauge({
    name: "sluice_open_streams",
    help: "Streamed answers being written.",
    registers: [registry],
  });
  const taskEnded = taskMetrics(registry, options.classNameOf ?? (() => undefined));
  const setBreaker = breakerMetric(registry);
  const watchLedger = ledgerMetrics(registry);
  const watchReplicas = replicaMetric(registry);
  const watchBudgets = budgetMetrics(registry);
  const watchAlerts = watchMetrics(registry);
  const watchDelivery = deliveryMetrics(registry);
  const watchDrift = driftMetrics(registry);
  const watchCache = reportMetrics(registry);
  return {
    observe,
    taskEnded,
    request(dialect, status, durationSeconds, overheadMs) {
      requests.inc({ dialect, status: status >= 100 && status <= 599 ? String(status) : OTHER });
      requestDuration.observe({ dialect }, Math.max(0, durationSeconds));
      if (overheadMs !== undefined) overhead.observe({ dialect }, Math.max(0, overheadMs) / 1000);
    },
    rejectionUnrecorded: () => unrecorded.inc(),
    explanationFailed: () => unexplained.inc(),
    inFlight: (calls) => inFlight.set(calls),
    linesMoved: (rule, lines) => moved.inc({ rule }, lines),
    streamOpened: () => streams.inc(),
    streamClosed: () => streams.dec(),
    setBreaker,
    watchLedger,
    watchReplicas,
    watchBudgets,
    watchAlerts,
    watchDelivery,
    watchDrift,
    watchCache,
    render: () => registry.metrics(),
    contentType: registry.contentType,
  };
}

/** @returns the sink. */
function attemptMetrics(registry: Registry, modelsMax: number): (entry: LedgerEntry) => void {
  const series = new Map<string, Sums>();
  let models = 0;
  const losses = lossMetric(registry);
  summedMetrics(registry, series);
  const target = ["provider", "model"] as const;
  const ttft = new Histogram({
    name: "sluice_time_to_first_token_seconds",
    help: "From sending an attempt to its first event.",
    labelNames: target,
    buckets: WAIT_SECONDS,
    registers: [registry],
  });
  const duration = new Histogram({
    name: "sluice_duration_seconds",
    help: "From sending an attempt to its end. Rejected calls, which were never sent, are not in it.",
    labelNames: target,
    buckets: WAIT_SECONDS,
    registers: [registry],
  });

  /** A model earns its label by an answer or a known price: names that clients make up must not use the labels up. */
  const sumsOf = (entry: LedgerEntry): Sums => {
    const provider = entry.provider ?? NONE;
    const named = entry.model ?? NONE;
    const key = `${provider}\u0000${named}`;
    const known = series.get(key);
    if (known !== undefined) return known;
    const earned = named === NONE || entry.outcome === "complete" || entry.priceVersion !== undefined;
    // Half of the labels are kept for models with a price: ids that a caller makes up, and some server answers to, have none.
    const room = named === NONE || entry.priceVersion !== undefined ? modelsMax : Math.floor(modelsMax / 2);
    if (earned && models < room) {
      models += 1;
      return newSums(key, provider, named);
    }
    const otherKey = `${provider}\u0000${OTHER}`;
    return series.get(otherKey) ?? newSums(otherKey, provider, OTHER);
  };
  const newSums = (key: string, provider: string, model: string): Sums => {
    const sums: Sums = {
      provider,
      model,
      outcomes: new Map(),
      tokens: new Map(),
      unknown: new Map(),
      cost: new Map(),
      caching: noCaching(),
      unpriced: 0,
      promptKnown: 0,
      promptUnknown: 0,
      cacheRead: 0,
    };
    series.set(key, sums);
    return sums;
  };

  return (entry) => {
    const sums = sumsOf(entry);
    add(sums, entry);
    for (const loss of entry.losses) losses(entry.clientDialect, entry.upstreamDialect ?? NONE, loss.field);
    if (entry.outcome === "rejected") return;
    const labels = { provider: sums.provider, model: sums.model };
    duration.observe(labels, Math.max(0, entry.durationMs) / 1000);
    if (entry.ttftMs !== undefined) ttft.observe(labels, Math.max(0, entry.ttftMs) / 1000);
  };
}

function add(sums: Sums, entry: LedgerEntry): void {
  const { usage, cost, costBasis } = entry;
  increase(sums.outcomes, entry.outcome, 1);
  if (costBasis === "unpriced") sums.unpriced += 1;
  if (cost !== undefined && costBasis !== "not-billed")
    sums.cost.set(costBasis, (sums.cost.get(costBasis) ?? 0n) + cost);
  for (const [bucket] of BUCKETS) {
    const tokens = usage[bucket];
    if (tokens !== undefined) increase(sums.tokens, bucket, tokens);
    // A call that was not billed has no count that anybody could miss.
    else if (costBasis !== "not-billed") increase(sums.unknown, bucket, 1);
  }
  addCaching(sums.caching, entry);
  const prompt = promptTokens(usage);
  if (prompt === undefined) return;
  if (usage.cacheRead === undefined) {
    sums.promptUnknown += prompt;
    return;
  }
  sums.promptKnown += prompt;
  sums.cacheRead += usage.cacheRead;
}

function increase<Key>(sums: Map<Key, number>, key: Key, by: number): void {
  sums.set(key, (sums.get(key) ?? 0) + by);
}

/** The counters whose values come from the sums when they are rendered. */
function summedMetrics(registry: Registry, series: ReadonlyMap<string, Sums>): void {
  const counter = (
    name: string,
    help: string,
    label: string | undefined,
    valuesOf: (sums: Sums) => Iterable<readonly [string, number]>,
  ) =>
    new Counter({
      name,
      help,
      labelNames: label === undefined ? ["provider", "model"] : ["provider", "model", label],
      registers: [registry],
      collect() {
        this.reset();
        for (const sums of series.values()) {
          for (const [value, count] of valuesOf(sums)) {
            const labels: Record<string, string> = { provider: sums.provider, model: sums.model };
            if (label !== undefined) labels[label] = value;
            this.inc(labels, count);
          }
        }
      },
    });
  const byBucket = (counts: ReadonlyMap<keyof Usage, number>) =>
    [...counts].map(([bucket, count]) => [BUCKET_LABELS[bucket], count] as const);
  counter("sluice_attempts_total", "Attempts settled, by how they ended.", "outcome", (sums) => sums.outcomes);
  counter(
    "sluice_tokens_total",
    "Tokens by bucket. The buckets are disjoint, but reasoning is a part of output.",
    "bucket",
    (sums) => byBucket(sums.tokens),
  );
  counter(
    "sluice_tokens_unknown_total",
    "Attempts that may have been billed and whose count for this bucket nobody reported.",
    "bucket",
    (sums) => byBucket(sums.unknown),
  );
  counter("sluice_cost_usd_total", "Cost, by whether its token counts were reported or estimated.", "basis", (sums) =>
    [...sums.cost].map(([basis, cost]) => [basis, usdNumber(cost)] as const),
  );
  counter(
    "sluice_unpriced_attempts_total",
    "Attempts whose cost is not known: not in the cost, and not free.",
    undefined,
    (sums) => (sums.unpriced === 0 ? [] : [["", sums.unpriced]]),
  );
  counter(
    "sluice_prompt_tokens_total",
    "Prompt tokens, by whether the answer or its server's counters said how many were read from cache.",
    "cache",
    (sums) =>
      [["known", sums.promptKnown] as const, ["unknown", sums.promptUnknown] as const].filter(
        ([, tokens]) => tokens > 0,
      ),
  );
  for (const [name, help, valueOf] of CACHING_COUNTERS)
    counter(name, help, undefined, ({ caching }) => (valueOf(caching) === 0 ? [] : [["", valueOf(caching)]]));
  new Gauge({
    name: "sluice_cache_read_ratio",
    help: "Part of the prompt tokens that was read from cache, since the start, where the answer or its server's counters said so.",
    labelNames: ["provider", "model"],
    registers: [registry],
    collect() {
      this.reset();
      for (const { provider, model, promptKnown, cacheRead } of series.values()) {
        if (promptKnown > 0) this.set({ provider, model }, cacheRead / promptKnown);
      }
    },
  });
}

function lossMetric(registry: Registry): (from: string, to: string, field: string) => void {
  const fields = new Set<string>();
  const counter = new Counter({
    name: "sluice_translation_losses_total",
    help: "Things said that the other dialect has no word for.",
    labelNames: ["from", "to", "field"],
    registers: [registry],
  });
  return (from, to, field) => {
    if (fields.size < FIELD_LABELS_MAX) fields.add(field);
    counter.inc({ from, to, field: fields.has(field) ? field : OTHER });
  };
}

function breakerMetric(registry: Registry): (target: string, state: BreakerState) => void {
  const states = new Map<string, BreakerState>();
  new Gauge({
    name: "sluice_breaker_state",
    help: "Circuit breakers that have been open: 0 closed, 1 half-open, 2 open.",
    labelNames: ["target"],
    registers: [registry],
    collect() {
      this.reset();
      for (const [target, state] of states) this.set({ target }, BREAKER_VALUES[state]);
    },
  });
  return (target, state) => {
    states.delete(target);
    states.set(target, state);
    if (states.size <= BREAKER_LABELS_MAX) return;
    // The one that has been closed for longest says least; if all are open, the oldest.
    const closed = [...states].find(([, other]) => other === "closed");
    const oldest = closed?.[0] ?? states.keys().next().value;
    if (oldest !== undefined) states.delete(oldest);
  };
}

function replicaMetric(registry: Registry): Metrics["watchReplicas"] {
  let states: () => readonly ReplicaState[] = () => [];
  new Gauge({
    name: "sluice_replica_up",
    help: "Whether calls go there, of each provider's replicas in the config's order: 0 while it rests or its probe fails.",
    labelNames: ["provider", "replica"],
    registers: [registry],
    collect() {
      this.reset();
      for (const { provider, replica, isUp } of states()) this.set({ provider, replica }, isUp ? 1 : 0);
    },
  });
  return (watched) => {
    states = watched;
  };
}

function ledgerMetrics(registry: Registry): Metrics["watchLedger"] {
  let watched: Parameters<Metrics["watchLedger"]>[0] | undefined;
  new Gauge({
    name: "sluice_ledger_queue",
    help: "Ledger rows that wait to be committed.",
    registers: [registry],
    collect() {
      this.set(watched?.queueDepth ?? 0);
    },
  });
  new Counter({
    name: "sluice_ledger_lost_total",
    help: "Reservations that a crash left open and were closed as lost, and rows that were never written.",
    labelNames: ["kind"],
    registers: [registry],
    collect() {
      this.reset();
      this.inc({ kind: "reservation" }, watched?.lostReservations ?? 0);
      this.inc({ kind: "row" }, watched?.lostRows ?? 0);
    },
  });
  return (ledger) => {
    watched = ledger;
  };
}
