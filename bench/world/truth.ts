/**
 * A made-up world whose truth is known: classes of tasks, targets, and what each target takes for a task of each class. Nothing in it
 * is measured. It drifts in the middle, and later a price changes.
 */
import { RECORD_DEFAULTS, type CacheContract, type ModelRecord } from "../../src/model.ts";
import type { Provider } from "../../src/provider.ts";
import type { Target } from "../../src/target.ts";
import { picoUsdPerToken, type Price, type Rates } from "../../src/usage.ts";

/** What a target does with the tasks of a class, on average. */
export interface Behaviour {
  readonly turns: number;
  /** Of a turn, in tokens of o200k_base. */
  readonly outputTokens: number;
  readonly success: number;
}

export interface WorldClass {
  readonly name: string;
  readonly hasTools: boolean;
  readonly firstPromptTokens: number;
  /** From turn to turn. */
  readonly growthTokens: number;
  readonly behaviours: Readonly<Record<TargetName, Behaviour>>;
}

export const TARGET_NAMES = ["small", "local", "cliff", "medium", "large"] as const;
export type TargetName = (typeof TARGET_NAMES)[number];

/** What holds for a while: who does what, and for which price. */
export interface Phase {
  readonly name: string;
  readonly classes: readonly WorldClass[];
  readonly targets: Readonly<Record<TargetName, Target>>;
}

export function phases(): readonly Phase[] {
  const before = targetsAt(PRICES);
  return [
    { name: "start", classes: CLASSES, targets: before },
    { name: "drift", classes: DRIFTED, targets: before },
    { name: "price", classes: DRIFTED, targets: targetsAt({ ...PRICES, ...CHANGED_PRICES }) },
  ];
}

/** How much of the history that was sent last is still in a target's cache. */
export const CACHED: Readonly<Record<TargetName, number>> = {
  small: 0.85,
  local: 0.8,
  cliff: 0.9,
  medium: 0.92,
  large: 0.92,
};

const did = (turns: number, outputTokens: number, success: number): Behaviour => ({ turns, outputTokens, success });

const TRIAGE: WorldClass = {
  name: "triage",
  hasTools: false,
  firstPromptTokens: 1_500,
  growthTokens: 400,
  behaviours: {
    small: did(1.2, 120, 0.94),
    local: did(1.9, 260, 0.72),
    cliff: did(1.2, 130, 0.95),
    medium: did(1.1, 120, 0.97),
    large: did(1.1, 150, 0.98),
  },
};

const EXTRACT: WorldClass = {
  name: "extract",
  hasTools: false,
  firstPromptTokens: 6_000,
  growthTokens: 900,
  behaviours: {
    small: did(3.5, 350, 0.32),
    local: did(4, 400, 0.2),
    cliff: did(4, 900, 0.82),
    medium: did(2, 300, 0.94),
    large: did(2.2, 320, 0.97),
  },
};

const AGENT: WorldClass = {
  name: "agent",
  hasTools: true,
  firstPromptTokens: 9_000,
  growthTokens: 1_600,
  behaviours: {
    small: did(24, 250, 0.35),
    local: did(28, 300, 0.15),
    cliff: did(18, 260, 0.6),
    medium: did(13, 300, 0.86),
    large: did(10, 350, 0.95),
  },
};

const REVIEW: WorldClass = {
  name: "review",
  hasTools: false,
  firstPromptTokens: 14_000,
  growthTokens: 1_200,
  behaviours: {
    small: did(2, 700, 0.03),
    local: did(2, 700, 0.02),
    cliff: did(2, 900, 0.05),
    medium: did(2.2, 1_000, 0.3),
    large: did(2, 1_100, 0.9),
  },
};

const CLASSES: readonly WorldClass[] = [TRIAGE, EXTRACT, AGENT, REVIEW];

/** One class each: who was best writes more, fails more, is passed by another that became better, or nothing happens. */
const DRIFTED: readonly WorldClass[] = [
  { ...TRIAGE, behaviours: { ...TRIAGE.behaviours, small: did(2.6, 1_400, 0.93) } },
  { ...EXTRACT, behaviours: { ...EXTRACT.behaviours, medium: did(2.5, 300, 0.35) } },
  { ...AGENT, behaviours: { ...AGENT.behaviours, small: did(15, 250, 0.92) } },
  REVIEW,
];

interface MadePrice {
  readonly input: number;
  readonly read?: number;
  readonly write?: number;
  readonly output: number;
  readonly over?: { readonly promptTokens: number; readonly times: number };
}

/** Dollars for a million tokens. */
const PRICES: Readonly<Record<TargetName, MadePrice>> = {
  small: { input: 0.1, read: 0.01, output: 0.5 },
  local: { input: 0.06, output: 0.06 },
  cliff: { input: 0.2, read: 0.02, write: 0.25, output: 1.2, over: { promptTokens: 32_000, times: 4 } },
  medium: { input: 0.5, read: 0.05, write: 0.625, output: 2.5 },
  large: { input: 2, read: 0.2, write: 2.5, output: 10 },
};
const CHANGED_PRICES: Partial<Record<TargetName, MadePrice>> = {
  small: { input: 0.8, read: 0.08, output: 4 },
};

const CACHES: Readonly<Record<TargetName, CacheContract>> = {
  small: { kind: "automatic", minTokens: 1_024, stepTokens: 128, key: true, idleSeconds: 300 },
  local: { kind: "local", stepTokens: 16 },
  cliff: { kind: "marks", style: "cache_control", minTokens: 1_024, maxMarks: 4, ttlSeconds: [300], lookback: 20 },
  medium: { kind: "marks", style: "cache_control", minTokens: 1_024, maxMarks: 4, ttlSeconds: [300], lookback: 20 },
  large: { kind: "marks", style: "cache_control", minTokens: 1_024, maxMarks: 4, ttlSeconds: [300], lookback: 20 },
};
const TOKEN_RATIOS: Partial<Record<TargetName, number>> = { cliff: 1.4, large: 1.1, medium: 1.1 };

function targetsAt(prices: Readonly<Record<TargetName, MadePrice>>): Readonly<Record<TargetName, Target>> {
  const made = TARGET_NAMES.map((name) => [name, targetOf(name, prices[name])] as const);
  return Object.fromEntries(made) as Record<TargetName, Target>;
}

function targetOf(name: TargetName, made: MadePrice): Target {
  const price = priceOf(made);
  const record: ModelRecord = {
    ...RECORD_DEFAULTS,
    id: name,
    provider: "world",
    cache: CACHES[name],
    tokenRatio: TOKEN_RATIOS[name] ?? 1,
  };
  const instance = { name: "world", provider: PROVIDER, settings: { baseUrls: [] } };
  return { name, instance, model: name, record, price };
}

/** Nobody calls it: a policy looks at records and prices. */
const PROVIDER = { kind: "world" } as Provider;

function priceOf({ input, read, write, output, over }: MadePrice): Price {
  const rates = (times: number): Rates => ({
    inputUncached: picoUsdPerToken(input * times),
    ...(read === undefined ? {} : { cacheRead: picoUsdPerToken(read * times) }),
    ...(write === undefined ? {} : { cacheWrite5m: picoUsdPerToken(write * times) }),
    output: picoUsdPerToken(output * times),
  });
  const base = { version: "world", rates: rates(1) };
  return over === undefined ? base : { ...base, over: [{ promptTokens: over.promptTokens, rates: rates(over.times) }] };
}
