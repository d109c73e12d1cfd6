/** How providers bill a prompt that carries marks, in units of an uncached input token. */

export interface MarkRules {
  readonly name: string;
  readonly readPrice: number;
  /** Lifetimes, shortest first. Every use refreshes. */
  readonly classes: readonly MarkClass[];
  /** No shorter prefix is cached. */
  readonly minTokens: number;
  readonly marksMax: number;
  /** How many content blocks before a mark an entry is still found. */
  readonly lookback: number;
  /** Of what was not read; an entry can be read when its prompt has been. */
  readonly prefillTokensPerSecond: number;
  /** Tokens live for the class they were paid in. Otherwise a longer entry keeps its whole prefix. */
  readonly isStrict: boolean;
}

export interface MarkClass {
  readonly ttl: Ttl;
  readonly ttlSeconds: number;
  readonly writePrice: number;
}

export type Ttl = "5m" | "30m" | "1h";

export const ANTHROPIC: MarkRules = {
  name: "anthropic",
  readPrice: 0.1,
  classes: [
    { ttl: "5m", ttlSeconds: 300, writePrice: 1.25 },
    { ttl: "1h", ttlSeconds: 3600, writePrice: 2 },
  ],
  minTokens: 1024,
  marksMax: 4,
  lookback: 20,
  prefillTokensPerSecond: 10_000,
  isStrict: true,
};

export const OPENAI_5_6: MarkRules = {
  ...ANTHROPIC,
  name: "openai-5.6",
  classes: [{ ttl: "30m", ttlSeconds: 1800, writePrice: 1.25 }],
  lookback: Number.POSITIVE_INFINITY,
};
