/** A decision as it is told: in dollars, each figure with what it is known from. */
import type { DecisionRead } from "../ledger-decisions.ts";
import type { Considered, Sourced } from "../policies/considered.ts";
import { readDecision, type DecisionRecord, type RecordedCandidate } from "../policies/decision-record.ts";
import type { Source } from "../tasks/estimates-class.ts";
import { usdNumber, type PicoUsd } from "../usage.ts";

/** Of a call, or of one that nobody made: that has no exchange. */
export interface ToldDecision extends Omit<DecisionRead, "exchange" | "task"> {
  readonly exchange: string | undefined;
  readonly task: string | undefined;
  /** Where it would be tried first; absent: where it was. */
  readonly first?: string | undefined;
}

/** @returns `undefined` where there was nothing to choose, and of what was decided before decisions were written down. */
export function recordOf({ body }: Pick<ToldDecision, "body">): DecisionRecord | undefined {
  return body === undefined ? undefined : readDecision(body);
}

/** As `GET /sluice/v1/decisions/{exchange}` answers. @param className What its class is called. */
export function decisionJson(told: ToldDecision, className: string | undefined): object {
  const recorded = recordOf(told);
  const first = told.first ?? told.tried[0];
  return {
    exchange: told.exchange ?? null,
    task: told.task ?? null,
    class: told.taskClass ?? null,
    class_name: className ?? null,
    requested_model: told.requestedModel,
    decided_at: new Date(told.decidedAtMs).toISOString(),
    policy: told.policy,
    reason: told.reason,
    tried: told.tried,
    outcome: told.outcome ?? "open",
    turns_so_far: recorded?.turnsSoFar ?? null,
    incumbent: recorded?.incumbent ?? null,
    trial: told.trial !== undefined || recorded?.isTrial === true,
    trial_usd: usd(told.trial),
    candidates: recorded?.candidates.map(candidateJson) ?? (first === undefined ? [] : [rowJson(first, told)]),
    more_candidates: recorded?.more ?? 0,
    excluded: recorded?.excluded ?? [],
  };
}

/** Where there was nothing to choose, and of what was decided before decisions were written down, there is what its row says. */
function rowJson(target: string, { priceVersion, estimate }: ToldDecision): object {
  return { target, price: priceJson(priceVersion), expected_call_usd: usd(estimate) };
}

function candidateJson(one: RecordedCandidate): object {
  const { considered } = one;
  return {
    target: one.target,
    price: priceJson(one.priceVersion),
    bound: one.isBound,
    resting: one.isResting,
    prompt_tokens: one.promptTokens,
    warm_tokens: one.warmTokens,
    expected_call_usd: usd(one.callCost),
    ...(considered === undefined ? {} : consideredJson(considered)),
  };
}

function priceJson(version: string | undefined): object | null {
  return version === undefined ? null : { source: priceSource(version), version };
}

/** Sums of the file that come with the program, of the operator's, or of the library behind both. */
export function priceSource(version: string): string {
  return version.startsWith("config:") ? "config" : "price table";
}

function consideredJson(one: Considered): object {
  const { tokens, cost, success, escalation, excluded } = one;
  return {
    turns: figureJson(one.turns),
    growth_tokens: figureJson(one.growthTokens),
    output_tokens: figureJson(one.outputTokens),
    cache_read_share: figureJson(one.readShare),
    tokens: {
      input_uncached: tokens.inputUncached,
      cache_read: tokens.cacheRead,
      cache_write: tokens.cacheWrite,
      output: tokens.output,
    },
    cost_usd:
      cost === undefined
        ? null
        : {
            input_uncached: usd(cost.inputUncached),
            cache_read: usd(cost.cacheRead),
            cache_write: usd(cost.cacheWrite),
            output: usd(cost.output),
            sum: usd(cost.sum),
          },
    lost_cache_usd: usd(one.lostCache),
    success: { ...figureJson(success), at_least: success.low },
    escalation: { target: escalation.target ?? null, cost_usd: usd(escalation.cost) },
    total_usd: usd(one.total),
    total_pico_usd: one.total === undefined ? null : String(one.total),
    excluded: excluded === undefined ? null : { why: excluded.why, may_be_called: !excluded.must },
  };
}

function figureJson({ value, source, n }: Sourced): {
  readonly value: number;
  readonly source: string;
  readonly tasks: number;
} {
  return { value, source: SOURCE_WORDS[source], tasks: n };
}

/** What a figure is known from, in words for people. */
export const SOURCE_WORDS: Readonly<Record<Source, string>> = {
  class: "class statistics",
  "class-elsewhere": "class statistics at other targets",
  target: "target prior",
  all: "global prior",
  prior: "assumption",
};

function usd(amount: PicoUsd | undefined): number | null {
  return amount === undefined ? null : usdNumber(amount);
}
