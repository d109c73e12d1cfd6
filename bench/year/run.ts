/** A simulated year at virtual speed through production's own alerts: settled rows in, alerts out, and what was true of each. */
import type { AlertEvent, AlertRule } from "../../src/alerts/alert.ts";
import { createAlerts } from "../../src/alerts/alerts.ts";
import type { LedgerEntry } from "../../src/ledger.ts";
import type { SpendSlots } from "../../src/ledger-spend-slots.ts";
import { UNKNOWN_USAGE } from "../../src/usage.ts";
import { DAYS, dayIndexOf, START_MS, STEP_MS, worldOf, type Incident, type World } from "./world.ts";

export interface Page {
  readonly event: AlertEvent;
  /** Of what was wrong then, the latest; `undefined`: nothing was. */
  readonly incident: Incident | undefined;
  /** Whether its window did cost in the end what the level says of what is usual. */
  readonly cameOver: boolean;
  /** Whether it did cost that of the baseline that it was told against: what a projection says. */
  readonly cameTrue: boolean;
}

export interface Found {
  readonly incident: Incident;
  /** Until somebody was told; `undefined`: nobody was. */
  readonly minutes: number | undefined;
}

export interface YearResult {
  readonly seed: number;
  readonly scopes: number;
  readonly pages: readonly Page[];
  readonly found: readonly Found[];
  readonly resolved: number;
  readonly secondsOfEvaluating: number;
  readonly evaluations: number;
}

const PICO = 1e12;

/** @param days Fewer, to look at it. */
export async function playYear(seed: number, rules: readonly AlertRule[], days: number = DAYS): Promise<YearResult> {
  const world = worldOf(seed);
  let nowMs = START_MS;
  const events: AlertEvent[] = [];
  const alerts = createAlerts({
    read: () => Promise.resolve(NOTHING),
    cause: () => Promise.resolve(undefined),
    classNameOf: () => undefined,
    keep: () => {},
    now: () => nowMs,
    log: { info: () => {}, warn: () => {}, error: () => {} },
  });
  alerts.onAlert((event) => events.push(event));
  await alerts.configure(rules);
  const spent = new Map<string, Float64Array>(
    ["", ...world.keys.map(({ name }) => name)].map((name) => [name, new Float64Array(DAYS + 1)]),
  );
  const global = spent.get("");
  let evaluating = 0;
  const steps = (days * 86_400_000) / STEP_MS;
  for (let index = 0; index < steps; index += 1) {
    const startMs = START_MS + index * STEP_MS;
    const day = dayIndexOf(startMs);
    for (const [at, usd] of world.step(index).entries()) {
      const { name = "" } = world.keys[at] ?? {};
      if (usd <= 0) continue;
      const own = spent.get(name);
      if (own !== undefined) own[day] = (own[day] ?? 0) + usd;
      if (global !== undefined) global[day] = (global[day] ?? 0) + usd;
      alerts.settled({ ...ROW, caller: name, startedAtMs: startMs, cost: BigInt(Math.round(usd * PICO)) });
    }
    nowMs = startMs + STEP_MS;
    const before = performance.now();
    await alerts.evaluate();
    evaluating += performance.now() - before;
  }
  const fired = events.filter(({ kind }) => kind === "fired");
  return {
    seed,
    scopes: spent.size,
    pages: fired.map((event) => pageOf(event, world, spent)),
    found: world.incidents
      .filter(({ fromMs }) => fromMs + NEWS_MS < nowMs)
      .map((incident) => foundOf(incident, world, fired)),
    resolved: events.length - fired.length,
    secondsOfEvaluating: evaluating / 1_000,
    evaluations: steps,
  };
}

function pageOf(event: AlertEvent, world: World, spent: ReadonlyMap<string, Float64Array>): Page {
  const { value, window, level, baseline } = event.alert;
  const incident = world.incidents
    .filter(({ kind }) => kind !== "burst")
    .filter((one) => concerns(one, value, world) && one.fromMs <= event.atMs)
    .filter(({ fromMs, toMs }) => Math.min(toMs, fromMs + NEWS_MS) >= window.startMs)
    .toSorted((one, other) => other.fromMs - one.fromMs)[0];
  const day = dayIndexOf(window.startMs);
  const keys = world.keys.flatMap(({ name }, at) => (value === "" || value === name ? [at] : []));
  const usual = keys.reduce((sum, key) => sum + world.usualOf(key, day), 0);
  const cost = spent.get(value)?.[day] ?? 0;
  return { event, incident, cameOver: cost >= level * usual, cameTrue: cost >= (level * Number(baseline)) / PICO };
}

function concerns({ keys }: Incident, value: string, world: World): boolean {
  return value === "" || keys.some((key) => world.keys[key]?.name === value);
}

function foundOf(incident: Incident, world: World, fired: readonly AlertEvent[]): Found {
  const until = Math.min(incident.toMs, incident.fromMs + FOUND_MS_MAX);
  const first = fired.find(
    ({ atMs, alert }) => atMs > incident.fromMs && atMs <= until && concerns(incident, alert.value, world),
  );
  return { incident, minutes: first === undefined ? undefined : (first.atMs - incident.fromMs) / 60_000 };
}

/** What changed for good is news for so long. */
const NEWS_MS = 10 * 86_400_000;

/** What is told later is not told of it. */
const FOUND_MS_MAX = 3 * 86_400_000;

const NOTHING: SpendSlots = {
  values: [],
  valueOf: new Uint32Array(),
  slots: new Float64Array(),
  amounts: new BigInt64Array(),
  unpriced: new Uint32Array(),
};

const ROW: LedgerEntry = {
  attempt: "",
  exchange: "",
  task: "",
  taskClass: undefined,
  caller: undefined,
  clientDialect: "openai-chat",
  requestedModel: "",
  stream: false,
  policy: "",
  reason: "",
  lane: undefined,
  provider: "simulated",
  model: "simulated",
  upstreamDialect: undefined,
  priceVersion: "simulated",
  startedAtMs: 0,
  estimate: undefined,
  outcome: "complete",
  status: 200,
  errorKind: undefined,
  usage: UNKNOWN_USAGE,
  usageBasis: "reported",
  cost: 0n,
  costBasis: "reported",
  ttftMs: undefined,
  durationMs: 0,
  overheadMs: undefined,
  finishReason: undefined,
  predictedRead: undefined,
  cacheMarks: undefined,
  cacheSaved: undefined,
  cacheBust: undefined,
  heldMs: undefined,
  losses: [],
};
