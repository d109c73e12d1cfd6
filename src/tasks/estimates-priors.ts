/**
 * What is expected of a task before any was seen, so that the first request of a new class is chosen for sensibly.
 *
 * Each figure says where it is from; *assumed* is what nobody has measured. They decide little: four tasks weigh as much.
 */
import type { Target } from "../target.ts";
import { picoUsdPerToken } from "../usage.ts";

/** What the request itself says about the task it belongs to. */
export interface TaskShape {
  /** An agent's: it calls tools, and each result is another turn. */
  readonly hasTools: boolean;
  /** One call and nothing after it, without an answer in tokens: embeddings. */
  readonly isOneShot: boolean;
}

/** What the estimates know a target by. */
export type TargetFacts = Pick<Target, "name" | "record" | "price">;

/** The last turn of each bucket; turns of one bucket end a task equally often. */
export const TURN_BUCKETS: readonly number[] = [1, 2, 4, 8, 16, 32, 64, Number.POSITIVE_INFINITY];

/**
 * Share of tasks that end at a turn, by bucket, where tools are at hand. From turn 3 on as measured on public traces of coding agents
 * (Claude Code sessions 0.026, 0.027, 0.020, 0.018, 0.015, 0.015; mini-swe-agent 0, 0.04, 0.07, 0.07), nearer to the first, of which
 * there are twenty times as many. Before that assumed: the traces hold no single calls.
 */
const ENDINGS_WITH_TOOLS: readonly number[] = [0.1, 0.06, 0.03, 0.03, 0.025, 0.02, 0.015, 0.015];

/** The same without tools. Assumed: most calls of applications stand alone, and who has talked for a while goes on a while. */
const ENDINGS_WITHOUT: readonly number[] = [0.6, 0.35, 0.25, 0.2, 0.2, 0.2, 0.2, 0.2];

const ENDINGS_ONE_SHOT: readonly number[] = TURN_BUCKETS.map(() => 1);

export function priorEndings(shape: TaskShape): readonly number[] {
  if (shape.isOneShot) return ENDINGS_ONE_SHOT;
  return shape.hasTools ? ENDINGS_WITH_TOOLS : ENDINGS_WITHOUT;
}

/** Tokens of o200k_base; a target's own are these times its record's ratio. */
export const PRIOR_TOKENS = {
  /** Assumed: between an application's calls (hundreds) and an agent's first one (22,000 in the median, Claude Code). */
  firstPrompt: 3_000,
  /** A turn's growth, with the answer before it. Assumed: between 313 (mini-swe-agent) and 1,913 (Claude Code), as measured. */
  growth: 1_000,
  /** Of a turn. Measured on public traces: 448 (Claude Code), 343 (chat), 113 (mini-swe-agent). */
  output: 400,
} as const;

/**
 * Of the history that an earlier turn has sent, the share that is read from the cache. Automatic: 0.87 is what OpenAI documents for
 * one customer with a routing key, which is sent. Marks and a server's own memory: assumed.
 */
export function priorReadShare({ record }: TargetFacts): number {
  switch (record?.cache.kind) {
    case "marks":
      return 0.9;
    case "automatic":
    case "keyed":
      return 0.87;
    case "local":
      return 0.8;
    case "none":
    case undefined:
      return 0;
  }
}

/**
 * Share of tasks that succeed, by the price of an output token: what a vendor asks more for does more. Assumed, and steps so that
 * between targets of one step the costs decide. Of a target without a price, or one that is free, nothing is told by it.
 */
export function priorSuccess({ price }: TargetFacts): number {
  const output = price?.rates.output ?? 0n;
  if (output < SMALL_BELOW) return 0.8;
  return output < LARGE_FROM ? 0.85 : 0.88;
}

const SMALL_BELOW = picoUsdPerToken(3);
const LARGE_FROM = picoUsdPerToken(15);
