/**
 * How much of what a prompt could have gone on from was not read, and why. The provider's own counts say what it had; where only our
 * estimate does, a loss is what the estimate cannot be wrong by.
 */
import type { RememberedEntry } from "./bust-memory.ts";
import type { Bust } from "./bust.ts";
import { isPromising, type Grounds } from "./bust-grounds.ts";
import type { CacheRules } from "./rules.ts";
import type { Diagnosed, Known } from "./verdict.ts";

export type Loss = Omit<Bust, "lostPicoUsd">;

/** What is kept of the request until its bill is there. */
export interface Facts extends Known {
  readonly kind: CacheRules["kind"];
  readonly stepTokens: number;
  readonly minTokens: number;
  /** What the planner said would be read; 0: it could not say. */
  readonly predictedRead: number;
  /** The whole prompt as it was estimated, in the target's tokens, and the target's for each estimated one. */
  readonly promptTokens: number;
  readonly tokenRatio: number;
  /** For each path the share of the prompt before it. */
  readonly shares: Float32Array;
  /** The field that we sent another value in; `undefined`: none. */
  readonly sentOtherwise: string | undefined;
  /** Why no mark finds what is there to be read. */
  readonly marks: { readonly by: "client" | "gateway"; readonly breaker: "marks" | "lookback" } | undefined;
  readonly isReplicaSame: boolean;
  readonly isNoiseSent: boolean;
  /** Of this prompt, what siblings were writing that could not be read yet, estimated in the target's tokens. */
  readonly coldTokens: number;
}

const NO_PIECE = { offset: undefined, breaker: undefined, excerpt: undefined } as const;
/** What is lost to a sibling is told from here on: what a fork is held for. */
const COLD_TOKENS_MIN = 1_024;

/** @param whole Of the prompt, by the provider's count. @returns The larger one of those that there are. */
export function lossOf(facts: Facts, expected: Grounds | undefined, read: number, whole: number): Loss | undefined {
  const grounds = expected !== undefined && isPromising(expected.previous) ? expected : undefined;
  const bill = { read, whole };
  const losses =
    grounds === undefined
      ? [unread(facts, undefined, bill)]
      : grounds.isTargetSame
        ? [unread(facts, grounds, bill), broken(facts, grounds, bill)]
        : [switched(facts, grounds, bill)];
  const found = losses.reduce((one, other) => ((other?.lostTokens ?? 0) > (one?.lostTokens ?? 0) ? other : one));
  return found ?? cold(facts, bill);
}

interface Bill {
  readonly read: number;
  readonly whole: number;
}

/** What was there to be read, and was not. */
function unread(facts: Facts, grounds: Grounds | undefined, bill: Bill): Loss | undefined {
  const intact = grounds?.intact === undefined ? NOTHING : promised(facts, grounds, grounds.intact, bill);
  const { predictedRead } = facts;
  const isForeseen = lossBelow({ tokens: predictedRead, isCounted: false }, bill, facts) === 0;
  const there = isForeseen || intact.tokens >= predictedRead ? intact : { tokens: predictedRead, isCounted: false };
  const lostTokens = lossBelow(there, bill, facts);
  if (lostTokens === 0) return undefined;
  const why = whyUnread(facts, grounds, bill, isForeseen);
  return why === undefined ? undefined : { ...why, lostTokens };
}

/** The order is that of certainty: what alone would have lost it comes before what might have. */
function whyUnread(facts: Facts, grounds: Grounds | undefined, bill: Bill, isForeseen: boolean): Diagnosed | undefined {
  const here = { ...NO_PIECE, span: pathAt(facts, bill) };
  // It is not the planner that chooses one.
  if (!facts.isReplicaSame) return { ...NO_PIECE, cause: "gateway", span: "replica" };
  // Who counted on it knew the marks and the keys that it was sent with.
  if (isForeseen) {
    if (facts.marks !== undefined) return { ...here, cause: facts.marks.by, breaker: facts.marks.breaker };
    if (!facts.isClientKeySame) return { ...NO_PIECE, cause: "client", span: "prompt_cache_key" };
    if (facts.sentOtherwise !== undefined) return { ...NO_PIECE, cause: "gateway", span: facts.sentOtherwise };
  }
  if (grounds?.noise !== undefined && facts.isNoiseSent)
    return { ...NO_PIECE, cause: "client", span: grounds.noise, breaker: "billing-line" };
  // As much was read as could be, by what is known of the cache; an earlier loss was told when it came.
  if (isForeseen && facts.predictedRead > 0) return undefined;
  // It was believed to be readable before anybody had heard so.
  if (!isForeseen && cold(facts, bill) !== undefined) return { ...here, cause: "cold" };
  return { ...here, cause: facts.kind === "automatic" ? "evicted" : "provider" };
}

/** What had been there, and was no longer, by time or by a change of the client's. */
function broken(facts: Facts, grounds: Grounds, bill: Bill): Loss | undefined {
  const { change, isExpired, isCutShort } = grounds;
  if (change === undefined && !isExpired) return undefined;
  const intact = grounds.intact === undefined ? NOTHING : promised(facts, grounds, grounds.intact, bill);
  const read = Math.max(bill.read, intact.tokens, facts.predictedRead);
  const lostTokens = lossBelow(againOf(facts, grounds, bill), { ...bill, read }, facts);
  if (lostTokens === 0) return undefined;
  const here = { ...NO_PIECE, span: pathAt(facts, bill), lostTokens };
  if (isCutShort) return { ...here, cause: "gateway", breaker: "marks" };
  if (isExpired || change === undefined) return { ...here, cause: "expired" };
  const { path, offset, breaker, excerpt } = change;
  return { cause: "client", span: path, offset, breaker, excerpt, lostTokens };
}

/** What is at another target. */
function switched(facts: Facts, grounds: Grounds, bill: Bill): Loss | undefined {
  const lostTokens = lossBelow(againOf(facts, grounds, bill), bill, facts);
  if (lostTokens === 0) return undefined;
  return facts.isModelSame
    ? { ...NO_PIECE, cause: "gateway", span: "target", lostTokens }
    : { ...NO_PIECE, cause: "client", span: "model", breaker: "model", lostTokens };
}

function cold(facts: Facts, bill: Bill): Loss | undefined {
  const there = { tokens: Math.floor(facts.coldTokens * scaleOf(facts, bill)), isCounted: false };
  const lostTokens = lossBelow(there, bill, facts);
  if (lostTokens < COLD_TOKENS_MIN) return undefined;
  return { ...NO_PIECE, cause: "cold", span: pathAt(facts, bill), lostTokens };
}

/** Tokens that were to be read. */
interface Promised {
  readonly tokens: number;
  /** Whether the provider has counted them itself. */
  readonly isCounted: boolean;
}

const NOTHING: Promised = { tokens: 0, isCounted: true };

/** All that was cached, as far as this prompt says it, too. */
function againOf(facts: Facts, grounds: Grounds, bill: Bill): Promised {
  const all = promised(facts, grounds, grounds.deepest, bill);
  const again = Math.floor(grounds.againShare * bill.whole);
  return again < all.tokens ? { tokens: again, isCounted: false } : all;
}

function promised(facts: Facts, grounds: Grounds, entry: RememberedEntry, bill: Bill): Promised {
  const { previous, deepest, isTargetSame } = grounds;
  const counted = isTargetSame ? previous.countedTokens : undefined;
  if (entry === deepest && counted !== undefined) return { tokens: counted, isCounted: true };
  const own = entry.estimate * facts.tokenRatio;
  const all = deepest.estimate * facts.tokenRatio;
  const scale = counted === undefined ? 1 : Math.min(1, counted / Math.max(1, all));
  return { tokens: Math.floor(own * Math.min(scale, scaleOf(facts, bill))), isCounted: false };
}

/** By how much less the provider counts than we do; that it counts more makes no promise larger. */
function scaleOf({ promptTokens }: Facts, { whole }: Bill): number {
  return Math.min(1, whole / Math.max(1, promptTokens));
}

/** Providers' own counts of one prefix differ by less from answer to answer. */
const COUNTED_SHARE = 0.01;
/** And our estimates are wrong by less. */
const ESTIMATED_SHARE = 0.06;
const ESTIMATED_TOKENS = 100;

/** 0: none. */
function lossBelow({ tokens, isCounted }: Promised, { read, whole }: Bill, { stepTokens }: Facts): number {
  const there = Math.min(tokens, whole);
  const wrong = isCounted ? COUNTED_SHARE * there : ESTIMATED_TOKENS + ESTIMATED_SHARE * there;
  const lost = there - read;
  return lost > Math.max(stepTokens > 1 ? stepTokens : 0, wrong) ? lost : 0;
}

/** The piece where what was read ends. */
function pathAt({ paths, shares }: Facts, { read, whole }: Bill): string {
  let at = 0;
  while (at + 1 < paths.length && (shares[at + 1] ?? 1) <= read / whole) at += 1;
  return paths[at] ?? "messages";
}
