/**
 * Tokens in disjoint buckets, prices per token, and cost in integer picodollars (1e-12 $). Arithmetic only.
 *
 * Unknown is `undefined`, never 0: a provider that does not say how much was read from cache did not say "nothing".
 */

/** Money: integer picodollars. 1 USD = 10^12. A price of $0.20 per million tokens is 200,000 per token. */
export type PicoUsd = bigint;

export const PICO_USD_PER_USD = 1_000_000_000_000n;

/** Disjoint token counts: the prompt is uncached + read + every write; reasoning is a part of output. */
export interface Usage {
  readonly inputUncached: number | undefined;
  readonly cacheRead: number | undefined;
  readonly cacheWrite5m: number | undefined;
  readonly cacheWrite1h: number | undefined;
  /** Writes of any other class (OpenAI's 30 minutes). */
  readonly cacheWriteOther: number | undefined;
  /** Everything generated, reasoning included. */
  readonly output: number | undefined;
  /** Subset of `output`; never added to it. */
  readonly reasoning: number | undefined;
}

export const UNKNOWN_USAGE: Usage = {
  inputUncached: undefined,
  cacheRead: undefined,
  cacheWrite5m: undefined,
  cacheWrite1h: undefined,
  cacheWriteOther: undefined,
  output: undefined,
  reasoning: undefined,
};

/** The buckets that are billed, i.e. all but `reasoning`. */
export const BILLED_BUCKETS = [
  "inputUncached",
  "cacheRead",
  "cacheWrite5m",
  "cacheWrite1h",
  "cacheWriteOther",
  "output",
] as const;
export type BilledBucket = (typeof BILLED_BUCKETS)[number];

/** Picodollars per token, by bucket. A bucket without a rate is one this model does not bill by. */
export type Rates = { readonly [bucket in BilledBucket]?: PicoUsd };

export interface Price {
  /** Names this price forever on ledger rows: source and effective date. */
  readonly version: string;
  readonly rates: Rates;
  /** Long-prompt cliffs: when the whole prompt (cache included) exceeds the threshold, every token costs these. */
  readonly over?: readonly { readonly promptTokens: number; readonly rates: Rates }[];
}

/** For each bucket the later value, if it says anything: streams report cumulative counts, so nothing is added. */
export function laterUsage(earlier: Usage, later: Usage): Usage {
  return {
    inputUncached: later.inputUncached ?? earlier.inputUncached,
    cacheRead: later.cacheRead ?? earlier.cacheRead,
    cacheWrite5m: later.cacheWrite5m ?? earlier.cacheWrite5m,
    cacheWrite1h: later.cacheWrite1h ?? earlier.cacheWrite1h,
    cacheWriteOther: later.cacheWriteOther ?? earlier.cacheWriteOther,
    output: later.output ?? earlier.output,
    reasoning: later.reasoning ?? earlier.reasoning,
  };
}

/**
 * What it means that a count did not come with the others: a class of write that nobody spoke of was not billed, and whether a
 * read was is the provider's to say.
 */
export function withAbsent(usage: Usage, absentReadIsZero: boolean): Usage {
  if (usage.inputUncached === undefined) return usage;
  return {
    ...usage,
    cacheRead: usage.cacheRead ?? (absentReadIsZero ? 0 : undefined),
    cacheWrite5m: usage.cacheWrite5m ?? 0,
    cacheWrite1h: usage.cacheWrite1h ?? 0,
    cacheWriteOther: usage.cacheWriteOther ?? 0,
  };
}

/** Whether both that everything is billed by were told. */
export function isCounted(usage: Usage): boolean {
  return usage.inputUncached !== undefined && usage.output !== undefined;
}

/** Counts as upstreams send them may be anything; what is not a count is unknown. */
export function plausible(usage: Usage): Usage {
  const count = (value: number | undefined) =>
    value !== undefined && Number.isSafeInteger(value) && value >= 0 ? value : undefined;
  return {
    inputUncached: count(usage.inputUncached),
    cacheRead: count(usage.cacheRead),
    cacheWrite5m: count(usage.cacheWrite5m),
    cacheWrite1h: count(usage.cacheWrite1h),
    cacheWriteOther: count(usage.cacheWriteOther),
    output: count(usage.output),
    reasoning: count(usage.reasoning),
  };
}

/** The whole prompt, or `undefined` when even the uncached part is unknown. */
export function promptTokens(usage: Usage): number | undefined {
  if (usage.inputUncached === undefined) return undefined;
  return (
    usage.inputUncached +
    (usage.cacheRead ?? 0) +
    (usage.cacheWrite5m ?? 0) +
    (usage.cacheWrite1h ?? 0) +
    (usage.cacheWriteOther ?? 0)
  );
}

/**
 * What the usage costs at this price.
 *
 * @returns `undefined` when it cannot be known: input or output was not reported, or a bucket that holds tokens has no rate.
 */
export function costOf(usage: Usage, price: Price): PicoUsd | undefined {
  const prompt = promptTokens(usage);
  if (prompt === undefined || usage.output === undefined) return undefined;
  const rates = ratesFor(price, prompt);
  let cost = 0n;
  for (const bucket of BILLED_BUCKETS) {
    const tokens = usage[bucket];
    if (tokens === undefined || tokens === 0) continue;
    const rate = rates[bucket];
    if (rate === undefined) return undefined;
    cost += BigInt(tokens) * rate;
  }
  return cost;
}

/** The rates that hold for a prompt of this many tokens (the highest cliff it exceeds, else the base). */
export function ratesFor(price: Price, prompt: number): Rates {
  let rates = price.rates;
  let threshold = -1;
  for (const tier of price.over ?? []) {
    if (prompt > tier.promptTokens && tier.promptTokens > threshold) {
      threshold = tier.promptTokens;
      rates = tier.rates;
    }
  }
  return rates;
}

/** Dollars per million tokens → picodollars per token, rounded to the nearest integer (exact for every listed price). */
export function picoUsdPerToken(usdPerMillionTokens: number): PicoUsd {
  return BigInt(Math.round(usdPerMillionTokens * 1_000_000));
}

/** Against the same prompt with nothing read or written; below zero where writing cost more than reading saved. */
export function cacheSaving(usage: Usage, price: Price): PicoUsd | undefined {
  const prompt = promptTokens(usage);
  const paid = costOf(usage, price);
  if (prompt === undefined || paid === undefined) return undefined;
  const plain = costOf(
    { ...usage, inputUncached: prompt, cacheRead: 0, cacheWrite5m: 0, cacheWrite1h: 0, cacheWriteOther: 0 },
    price,
  );
  return plain === undefined ? undefined : plain - paid;
}

/** Exact decimal text of an amount in dollars, e.g. "0.000123". For headers and JSON; never parsed back into money. */
export function usdText(amount: PicoUsd): string {
  const sign = amount < 0n ? "-" : "";
  const absolute = amount < 0n ? -amount : amount;
  const whole = absolute / PICO_USD_PER_USD;
  const fraction = (absolute % PICO_USD_PER_USD).toString().padStart(12, "0").replace(/0+$/, "");
  return fraction === "" ? `${sign}${whole}` : `${sign}${whole}.${fraction}`;
}

/** The same amount as a JavaScript number, for JSON and metrics: a display value, not for sums. */
export function usdNumber(amount: PicoUsd): number {
  return Number(usdText(amount));
}
