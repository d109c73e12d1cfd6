/** Which of a prompt's borders to write, for how long, and with which marks: the one pass over its candidates. */
import {
  type CachePrices,
  type Chances,
  type Choice,
  type Continuation,
  chooseParts,
  continuation,
  longAdvantage,
  NEVER,
  shortAdvantage,
  usedOnceMore,
} from "./economics.ts";
import type { CacheRules } from "./rules.ts";

/** A place that could be marked. */
export interface Candidate {
  readonly place: number;
  readonly tokens: number;
  /** The pauses between its own uses, this one included: all, within the short lifetime, after it but within the long one. */
  readonly pauses: number;
  readonly shortPauses: number;
  readonly laterPauses: number;
  /** Used by several conversations in turn: what comes after the next use is its own to tell. */
  readonly isShared: boolean;
  readonly isStatic: boolean;
}

export interface PlacementAsk {
  readonly rules: CacheRules;
  readonly prices: CachePrices;
  /** Deeper than what is read, shallow to deep. */
  readonly candidates: readonly Candidate[];
  readonly hit:
    | {
        readonly place: number;
        readonly tokens: number;
        readonly isLong: boolean;
        /** The chance that it is still there after a long pause, as others go on using what of it is of the short class. */
        readonly lasts: number;
      }
    | undefined;
  /** Tokens up to the deepest border that another request is writing; 0: none is. */
  readonly comingTokens: number;
  /** Of a prompt of this class. */
  readonly next: Chances;
  /** Of a static prefix seen so often. */
  readonly nextStatic: Chances;
  /** Of the prompt that comes next, whatever its kind. */
  readonly afterNext: Chances;
  /** Of the tenant's prompts in general. */
  readonly later: Chances;
}

export interface Mark {
  readonly place: number;
  readonly ttlSeconds: number;
}

/**
 * How many observations the class's chance weighs against a border's own. A shared one's are what will happen to it (3: cache-economics
 * §13). A conversation's tell less than its class, as one that is over is never counted: with 3, those of two turns were written at their
 * second one for nothing (up to 4 %); 6 and 12 are the same. What is static is used by one job at one pace as often as not, and half an
 * observation, as in the estimator of Krichevsky and Trofimov, lets the first pause tell which.
 */
const OWN_SHRINKAGE = { shared: 3, conversation: 6, static: 0.5 } as const;

export function placeMarks(ask: PlacementAsk): Mark[] {
  const { candidates, rules, hit } = ask;
  const count = candidates.length;
  const weights: number[] = [];
  const short: number[] = [];
  const long: number[] = [];
  value(ask, weights, short, long);
  const choice = chooseParts(count, weights, short, long);

  const shortSeconds = rules.classes[0]?.ttlSeconds ?? 0;
  const longSeconds = rules.classes.at(-1)?.ttlSeconds ?? shortSeconds;
  const secondsAt = (index: number) => (index <= choice.longEnd ? longSeconds : shortSeconds);
  const chosen = mostWanted(ask, choice, rules.marksMax - (hit === undefined ? 0 : 1));
  const marks = chosen.map((index) => ({ place: candidates[index]?.place ?? 0, ttlSeconds: secondsAt(index) }));
  // The hit is marked too: a read is certain only where a mark stands at the entry, however many blocks came since.
  // No mark of the long class may stand behind one of the short one, whatever the entry is of.
  const isLong = hit?.isLong === true || choice.longEnd >= 0;
  if (hit !== undefined) marks.unshift({ place: hit.place, ttlSeconds: isLong ? longSeconds : shortSeconds });
  return marks;
}

function value(ask: PlacementAsk, weights: number[], short: number[], long: number[]): void {
  const { candidates, prices } = ask;
  // Tokens live for the class they were paid in: what is long behind something short is lost when that is.
  const lasts = ask.rules.isStrict ? (ask.hit?.lasts ?? 1) : 1;
  const mayBeLong = prices.longPremium !== undefined && lasts > 0;
  const general = goingOn(ask, 1);
  const generalLong = lasts === 1 ? general : goingOn(ask, lasts);
  let above = ask.hit?.tokens ?? 0;
  for (let index = 0; index < candidates.length; index += 1) {
    const candidate = candidates[index] as Candidate;
    const next = ownChances(candidate, candidate.isStatic ? ask.nextStatic : ask.next);
    const after = candidate.isShared ? continuation(prices, next) : general;
    weights[index] = candidate.tokens - above;
    short[index] = shortAdvantage(prices, next, after);
    const lasting = lastingFor(next, lasts);
    const afterLong = candidate.isShared ? continuation(prices, lasting) : generalLong;
    long[index] = mayBeLong ? longAdvantage(prices, lasting, afterLong) : NEVER;
    above = candidate.tokens;
  }
  // A prefix is used at least as often as what goes on from it.
  for (let index = candidates.length - 2; index >= 0; index -= 1) {
    short[index] = Math.max(short[index] as number, short[index + 1] as number);
    long[index] = Math.max(long[index] as number, long[index + 1] as number);
  }
  // What another request is writing already is written twice for nothing.
  for (let index = 0; index < candidates.length; index += 1) {
    if ((candidates[index] as Candidate).tokens > ask.comingTokens) break;
    short[index] = -prices.shortPremium;
    long[index] = mayBeLong ? -(prices.longPremium ?? 0) : NEVER;
  }
}

/** What comes after the next use of a prompt's own: one like those of the turn after it, and then like any. */
function goingOn({ prices, afterNext, later }: PlacementAsk, lasts: number): Continuation {
  return usedOnceMore(prices, lastingFor(afterNext, lasts), continuation(prices, lastingFor(later, lasts)));
}

function lastingFor(next: Chances, lasts: number): Chances {
  return lasts === 1 ? next : { short: next.short, later: next.later * lasts };
}

function ownChances(candidate: Candidate, prior: Chances): Chances {
  const { pauses, shortPauses, laterPauses, isStatic, isShared } = candidate;
  const weight = OWN_SHRINKAGE[isStatic ? "static" : isShared ? "shared" : "conversation"];
  return {
    short: (shortPauses + weight * prior.short) / (pauses + weight),
    later: (laterPauses + weight * prior.later) / (pauses + weight),
  };
}

/** At most `marksMax` of the candidates that are written: where the parts end, then where prompts are likeliest to part. Rising. */
function mostWanted({ candidates, comingTokens }: PlacementAsk, { longEnd, end }: Choice, marksMax: number): number[] {
  const chosen: number[] = [];
  const add = (index: number) => {
    const candidate = candidates[index];
    if (candidate === undefined || candidate.tokens <= comingTokens) return;
    if (chosen.length < marksMax && !chosen.includes(index)) chosen.push(index);
  };
  add(end);
  add(longEnd);
  for (let index = 0; index < end; index += 1) if (candidates[index]?.isStatic === true) add(index);
  for (let index = end - 1; index >= 0; index -= 1) if (candidates[index]?.isShared === true) add(index);
  for (let index = end - 1; index >= 0 && chosen.length < marksMax; index -= 1) add(index);
  return chosen.sort((one, other) => one - other);
}
