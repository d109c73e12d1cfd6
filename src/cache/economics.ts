/**
 * What it is worth to write a prefix, in closed form: per token, in units of an uncached input token.
 *
 * A prefix that is used again within the short lifetime with chance `short`, later but within the long one with chance `later`, and
 * then goes on being used as its kind goes on, can be paid for in three ways at each use; the values below are the fixed point.
 * One class: write iff the chance of a return exceeds premium ÷ (saving + premium), 0.217 for 1.25 and 0.1.
 */

/** The prices of a provider's cache, as the formulae want them. */
export interface CachePrices {
  /** What a read saves. */
  readonly saving: number;
  /** What writing costs above the uncached price, for the short lifetime. */
  readonly shortPremium: number;
  /** For the long one; `undefined` where there is one lifetime only. */
  readonly longPremium: number | undefined;
}

/** Chances of the next use: within the short lifetime, and after that but within the long one. */
export interface Chances {
  readonly short: number;
  readonly later: number;
}

export const NO_CHANCES: Chances = { short: 0, later: 0 };

/** What the time after the next use is worth. */
export interface Continuation {
  /** Of a token that lives for the short lifetime, just after a use. */
  readonly short: number;
  readonly long: number;
  /** Of finding the token dead: the best of leaving it, and writing it again. */
  readonly dead: number;
}

/** An advantage that nothing outweighs, and that stays a number when no tokens are at stake. */
export const NEVER = -1e12;

/** However surely a prefix comes back, its sequence of uses ends some day. */
const END_MIN = 0.005;

export function continuation(prices: CachePrices, chances: Chances): Continuation {
  const { saving, shortPremium, longPremium } = prices;
  const next = ending(chances);
  if (longPremium === undefined) {
    const short = (next.short * saving) / (1 - next.short);
    return { short, long: 0, dead: Math.max(0, short - shortPremium) };
  }
  const end = 1 - next.short - next.later;
  const long = ((next.short + next.later) * saving) / end;
  const dead = Math.max(0, (saving * next.short - shortPremium * (1 - next.short)) / end, long - longPremium);
  const short = (next.short * saving + next.later * dead) / (1 - next.short);
  return { short, long, dead };
}

/** One more use, by chances of its own, before `after` begins. */
export function usedOnceMore(prices: CachePrices, next: Chances, after: Continuation): Continuation {
  const { saving, shortPremium, longPremium } = prices;
  const short = next.short * (saving + after.short) + next.later * after.dead;
  const left = (next.short + next.later) * after.dead;
  if (longPremium === undefined) return { short, long: 0, dead: Math.max(left, short - shortPremium) };
  const long = (next.short + next.later) * (saving + after.long);
  return { short, long, dead: Math.max(left, short - shortPremium, long - longPremium) };
}

/** All its chances shrink alike: were one value alone bounded, it would lose against the others. */
function ending(next: Chances): Chances {
  const share = (1 - END_MIN) / (next.short + next.later);
  return share >= 1 ? next : { short: next.short * share, later: next.later * share };
}

/** What writing it for the short lifetime is worth above leaving it. */
export function shortAdvantage(prices: CachePrices, next: Chances, after: Continuation): number {
  return next.short * (prices.saving + after.short - after.dead) - prices.shortPremium;
}

/** What writing it for the long lifetime is worth above leaving it. */
export function longAdvantage(prices: CachePrices, next: Chances, after: Continuation): number {
  if (prices.longPremium === undefined) return NEVER;
  return (next.short + next.later) * (prices.saving + after.long - after.dead) - prices.longPremium;
}

/** How far to write, as indices into the candidates; -1: not at all. The long part, if any, comes first. */
export interface Choice {
  readonly longEnd: number;
  readonly end: number;
}

/**
 * The best cut of the unread rest of a prompt into a long part, a short part and a part that is not written.
 *
 * @param weights Tokens from the candidate before (the first: from what is read) up to each candidate.
 */
export function chooseParts(
  count: number,
  weights: readonly number[],
  shortAdvantages: readonly number[],
  longAdvantages: readonly number[],
): Choice {
  let longSum = 0;
  let shortSum = 0;
  // The best end of the long part so far, by what the long part gains over the short one.
  let longGain = 0;
  let longEnd = -1;
  let best = 0;
  let choice: Choice = NOTHING;
  for (let index = 0; index < count; index += 1) {
    const weight = weights[index] as number;
    longSum += weight * (longAdvantages[index] as number);
    shortSum += weight * (shortAdvantages[index] as number);
    if (longSum - shortSum > longGain) {
      longGain = longSum - shortSum;
      longEnd = index;
    }
    if (shortSum + longGain > best) {
      best = shortSum + longGain;
      choice = { longEnd, end: index };
    }
  }
  return choice;
}

const NOTHING: Choice = { longEnd: -1, end: -1 };
