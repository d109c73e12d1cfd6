/**
 * A decision as the ledger keeps it: what each candidate was expected to take, with the figures of the time, in as few bytes as JSON
 * allows. About 230 bytes for a candidate that was weighed; of more than `CANDIDATES_MAX` (8 kB) the rest is counted.
 *
 * Only names of targets, numbers and our own words are in it.
 */
import type { Source } from "../tasks/estimates-class.ts";
import type { PicoUsd } from "../usage.ts";
import type { Considered, Sourced } from "./considered.ts";
import type { Decision } from "./policy.ts";

/** What was known of a call when it was decided, beside its candidates. */
export interface DecisionFacts {
  readonly turnsSoFar: number;
  readonly incumbent: string | undefined;
  /** The task was begun at its target to learn of it. */
  readonly isTrial: boolean;
  /** Targets that could not be chosen at all. */
  readonly excluded: readonly ExcludedTarget[];
}

export interface ExcludedTarget {
  readonly target: string;
  readonly why: string;
}

export interface RecordedCandidate {
  readonly target: string;
  /** As ledger rows name prices; `undefined`: unpriced. */
  readonly priceVersion: string | undefined;
  /** In the target's own tokens. */
  readonly promptTokens: number;
  readonly warmTokens: number;
  /** Of this call alone. */
  readonly callCost: PicoUsd | undefined;
  readonly isBound: boolean;
  readonly isResting: boolean;
  /** Where the policy weighed it. */
  readonly considered: Considered | undefined;
}

export interface DecisionRecord extends DecisionFacts {
  /** In the order in which they were to be tried, then those that were not to be called. */
  readonly candidates: readonly RecordedCandidate[];
  /** Further ones that are not told. */
  readonly more: number;
}

export const CANDIDATES_MAX = 32;
const EXCLUDED_MAX = 32;
const NAME_CHARACTERS_MAX = 200;
const WHY_CHARACTERS_MAX = 160;
const VERSION = 1;

const SOURCES: readonly Source[] = ["class", "class-elsewhere", "target", "all", "prior"];

type Amount = number | string;
type Figure = readonly [value: number, source: number, n: number];
type Weighed = readonly [
  turns: Figure,
  growthTokens: Figure,
  outputTokens: Figure,
  readShare: Figure,
  success: Figure,
  successLow: number,
  tokens: readonly [inputUncached: number, cacheRead: number, cacheWrite: number, output: number],
  cost: readonly [inputUncached: Amount, cacheRead: Amount, cacheWrite: Amount, output: Amount] | null,
  lostCache: Amount,
  escalation: readonly [target: string | null, cost: Amount],
  excluded: readonly [why: string, must: 0 | 1] | null,
];
type Row = readonly [
  target: string,
  priceVersion: string | null,
  promptTokens: number,
  warmTokens: number,
  callCost: Amount | null,
  state: number,
  weighed: Weighed | null,
];
interface Body {
  readonly v: typeof VERSION;
  readonly t: number;
  readonly i: string | null;
  readonly r: 0 | 1;
  readonly c: readonly Row[];
  readonly m: number;
  readonly x: readonly (readonly [target: string, why: string])[];
}

const BOUND = 1;
const RESTING = 2;

/** As one line of JSON. */
export function writeDecision(decision: Decision, facts: DecisionFacts): string {
  const considered = decision.considered?.() ?? [];
  const byTarget = new Map(considered.map((one) => [one.target, one] as const));
  const told = decision.order.slice(0, CANDIDATES_MAX);
  const rows = told.map(({ target, promptTokens, warmTokens, expectedCost, bound, resting }): Row => {
    const one = byTarget.get(target.name);
    return [
      cut(target.name),
      target.price?.version ?? null,
      promptTokens,
      warmTokens,
      expectedCost === undefined ? null : amount(expectedCost),
      (bound ? BOUND : 0) + (resting ? RESTING : 0),
      one === undefined ? null : weighedOf(one),
    ];
  });
  const names = new Set(decision.order.map(({ target }) => target.name));
  const uncalled = considered.filter(({ target }) => !names.has(target));
  const others = uncalled
    .slice(0, CANDIDATES_MAX - rows.length)
    .map((one): Row => [cut(one.target), null, one.promptTokens, one.warmTokens, null, 0, weighedOf(one)]);
  const body: Body = {
    v: VERSION,
    t: facts.turnsSoFar,
    i: facts.incumbent === undefined ? null : cut(facts.incumbent),
    r: facts.isTrial ? 1 : 0,
    c: [...rows, ...others],
    m: decision.order.length + uncalled.length - rows.length - others.length,
    x: facts.excluded
      .slice(0, EXCLUDED_MAX)
      .map(({ target, why }) => [cut(target), why.slice(0, WHY_CHARACTERS_MAX)] as const),
  };
  return JSON.stringify(body);
}

/** @returns `undefined` for what this version does not know. */
export function readDecision(text: string): DecisionRecord | undefined {
  const body = JSON.parse(text) as Body;
  if (body.v !== VERSION) return undefined;
  return {
    turnsSoFar: body.t,
    incumbent: body.i ?? undefined,
    isTrial: body.r === 1,
    candidates: body.c.map(candidateOf),
    more: body.m,
    excluded: body.x.map(([target, why]) => ({ target, why })),
  };
}

function weighedOf(one: Considered): Weighed {
  const { tokens, cost, success, escalation, excluded } = one;
  return [
    figure(one.turns),
    figure(one.growthTokens),
    figure(one.outputTokens),
    figure(one.readShare),
    figure(success),
    short(success.low),
    [tokens.inputUncached, tokens.cacheRead, tokens.cacheWrite, tokens.output],
    cost === undefined
      ? null
      : [amount(cost.inputUncached), amount(cost.cacheRead), amount(cost.cacheWrite), amount(cost.output)],
    amount(one.lostCache),
    [escalation.target === undefined ? null : cut(escalation.target), amount(escalation.cost)],
    excluded === undefined ? null : [excluded.why.slice(0, WHY_CHARACTERS_MAX), excluded.must ? 1 : 0],
  ];
}

function candidateOf([target, version, promptTokens, warmTokens, callCost, state, weighed]: Row): RecordedCandidate {
  return {
    target,
    priceVersion: version ?? undefined,
    promptTokens,
    warmTokens,
    callCost: callCost === null ? undefined : BigInt(callCost),
    isBound: (state & BOUND) !== 0,
    isResting: (state & RESTING) !== 0,
    considered: weighed === null ? undefined : consideredOf(target, promptTokens, warmTokens, weighed),
  };
}

function consideredOf(target: string, promptTokens: number, warmTokens: number, weighed: Weighed): Considered {
  const [turns, growthTokens, outputTokens, readShare, success, low, tokens, cost, lost, escalation, excluded] =
    weighed;
  const parts =
    cost === null
      ? undefined
      : {
          inputUncached: BigInt(cost[0]),
          cacheRead: BigInt(cost[1]),
          cacheWrite: BigInt(cost[2]),
          output: BigInt(cost[3]),
        };
  const sum = parts === undefined ? undefined : parts.inputUncached + parts.cacheRead + parts.cacheWrite + parts.output;
  const escalationCost = BigInt(escalation[1]);
  return {
    target,
    turns: sourced(turns),
    growthTokens: sourced(growthTokens),
    outputTokens: sourced(outputTokens),
    readShare: sourced(readShare),
    promptTokens,
    warmTokens,
    tokens: { inputUncached: tokens[0], cacheRead: tokens[1], cacheWrite: tokens[2], output: tokens[3] },
    cost: parts === undefined || sum === undefined ? undefined : { ...parts, sum },
    lostCache: BigInt(lost),
    success: { ...sourced(success), low },
    escalation: { target: escalation[0] ?? undefined, cost: escalationCost },
    total: sum === undefined ? undefined : sum + escalationCost,
    ...(excluded === null ? {} : { excluded: { why: excluded[0], must: excluded[1] === 1 } }),
  };
}

function figure({ value, source, n }: Sourced): Figure {
  return [short(value), SOURCES.indexOf(source), short(n)];
}

function sourced([value, source, n]: Figure): Sourced {
  return { value, source: SOURCES[source] ?? "prior", n };
}

/** Four decimals, or none where it is large: an estimate has fewer. Numbers as text would take most of the time. */
function short(value: number): number {
  return Math.abs(value) < 1_000 ? Math.round(value * 10_000) / 10_000 : Math.round(value);
}

/** As a number where that is exact. */
function amount(picoUsd: PicoUsd): Amount {
  const number = Number(picoUsd);
  return Number.isSafeInteger(number) ? number : String(picoUsd);
}

function cut(name: string): string {
  return name.slice(0, NAME_CHARACTERS_MAX);
}
