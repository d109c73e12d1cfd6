/** Rate limits as token buckets that refill evenly, one set per account. */
import { BoundedMap } from "./cache/cache.ts";

export interface RateLimits {
  readonly requestsPerMinute?: number;
  readonly inputTokensPerMinute?: number;
  readonly outputTokensPerMinute?: number;
}

export interface LimitState {
  readonly requests: BucketState;
  readonly inputTokens: BucketState;
  readonly outputTokens: BucketState;
}

export interface BucketState {
  readonly limit: number;
  readonly remaining: number;
  /** Until it is full again. */
  readonly resetMs: number;
}

export interface Taken {
  readonly state: LimitState;
  /** Present when something was short: how long until there is enough. Nothing has been taken then. */
  readonly retryAfterMs?: number;
  readonly short?: keyof LimitState;
}

const ACCOUNTS_MAX = 1000;
/** What the headers say where no limit is set. */
const PLENTY: Required<RateLimits> = {
  requestsPerMinute: 4000,
  inputTokensPerMinute: 40_000_000,
  outputTokensPerMinute: 8_000_000,
};

interface Levels {
  requests: number;
  inputTokens: number;
  outputTokens: number;
  atMs: number;
}

export class Limiter {
  readonly #limits: Required<RateLimits>;
  readonly #enforced: boolean;
  readonly #levels = new BoundedMap<Levels>(ACCOUNTS_MAX);

  constructor(limits: RateLimits | undefined) {
    this.#enforced = limits !== undefined;
    this.#limits = { ...PLENTY, ...limits };
  }

  take(account: string, wanted: { readonly inputTokens: number; readonly outputTokens: number }, nowMs: number): Taken {
    const capacity = this.#capacity();
    const levels = this.#levels.get(account) ?? { ...capacity, atMs: nowMs };
    for (const kind of KINDS)
      levels[kind] = Math.min(capacity[kind], levels[kind] + ((nowMs - levels.atMs) * capacity[kind]) / 60_000);
    levels.atMs = nowMs;
    this.#levels.set(account, levels);
    const cost = { requests: 1, ...wanted };
    const short = this.#enforced
      ? KINDS.find((kind) => levels[kind] < Math.min(cost[kind], capacity[kind]))
      : undefined;
    if (short !== undefined) {
      const missing = Math.min(cost[short], capacity[short]) - levels[short];
      return { state: this.#state(levels), short, retryAfterMs: Math.ceil((missing * 60_000) / capacity[short]) };
    }
    for (const kind of KINDS) levels[kind] = Math.max(0, levels[kind] - cost[kind]);
    return { state: this.#state(levels) };
  }

  clear(): void {
    this.#levels.clear();
  }

  #capacity(): Omit<Levels, "atMs"> {
    return {
      requests: this.#limits.requestsPerMinute,
      inputTokens: this.#limits.inputTokensPerMinute,
      outputTokens: this.#limits.outputTokensPerMinute,
    };
  }

  #state(levels: Levels): LimitState {
    const capacity = this.#capacity();
    const bucket = (kind: (typeof KINDS)[number]): BucketState => ({
      limit: capacity[kind],
      remaining: Math.floor(levels[kind]),
      resetMs: Math.ceil(((capacity[kind] - levels[kind]) * 60_000) / capacity[kind]),
    });
    return { requests: bucket("requests"), inputTokens: bucket("inputTokens"), outputTokens: bucket("outputTokens") };
  }
}

const KINDS = ["requests", "inputTokens", "outputTokens"] as const;
