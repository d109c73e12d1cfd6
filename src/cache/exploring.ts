/**
 * What may be risked on writes whose worth nobody has seen yet. Before a tenant's statistics tell anything, what prompts usually do is
 * believed of its own, and on a stream of which nothing ever comes back that belief would cost 25 % until the first lifetimes are over.
 * So each tenant has an account. A write is charged with what it costs above not writing, and what comes back is credited; while more is
 * owed than may be, only what was seen to come back counts (`Belief` "seen"). Nothing is lost by that but time: what is not written is
 * watched as well.
 *
 * Static prefixes have an account of their own: what one of the two earns, the other does not waste.
 */

/** In tokens, at the uncached price. */
export interface Stakes {
  readonly static: number;
  readonly rest: number;
}

export interface Account {
  /** What all prompts have cost. */
  spent: number;
  /** Risked and not earned, by part; below zero: earned. */
  static: number;
  rest: number;
}

export type Part = keyof Stakes;

export const NO_STAKES: Stakes = { static: 0, rest: 0 };

/** So many prompts' price may be owed in any case: 18 writes of a quarter each, which is 0.9 % of 500 prompts. */
const OWED_PROMPTS = 4.5;
/** And of what was spent, this share: what is left of 1 % is for the seen that stays away. */
const OWED_SHARE = 0.009;
/** What may be earned in advance: when what came back for long stays away, it is noticed by the statistics first. */
const EARNED_PROMPTS = 64;
/** By then half of it is forgotten, as of the statistics themselves. */
const SPENT_PROMPTS = 4096;
/**
 * A return counts as so many. Writing for five minutes pays if one in 4.6 comes back; counted so, the account stops what is worse than one
 * in 14, and between the two the statistics decide, who know what kind of prompt it was (counted once, conversations cost 0.2 % more; 8
 * and 16 are the same as 4).
 */
const RETURN_COUNTS = 4;

export function emptyAccount(): Account {
  return { spent: 0, static: 0, rest: 0 };
}

/** @param meanTokens What a prompt of this tenant's has. */
export function mayRisk(account: Account, part: Part, stakes: Stakes, meanTokens: number): boolean {
  const limit = Math.max(OWED_PROMPTS * meanTokens, OWED_SHARE * account.spent);
  return stakes[part] <= 0 || account[part] + stakes[part] <= limit;
}

/** @param cost What the prompt costs without what is at stake. */
export function charge(account: Account, stakes: Stakes, cost: number, meanTokens: number): void {
  account.static += stakes.static;
  account.rest += stakes.rest;
  account.spent += cost + stakes.static + stakes.rest;
  if (account.spent <= SPENT_PROMPTS * meanTokens) return;
  account.spent /= 2;
  account.static /= 2;
  account.rest /= 2;
}

/** It was not written after all. */
export function refund(account: Account, stakes: Stakes): void {
  account.static -= stakes.static;
  account.rest -= stakes.rest;
}

/** @param gain What the static part that was read has saved. */
export function creditStatic(account: Account, gain: number, meanTokens: number): void {
  account.static = Math.max(-EARNED_PROMPTS * meanTokens, account.static - gain);
}

/** @param gain What a read of all that came back within the short lifetime saves, whether it was written or not. */
export function creditReturn(account: Account, gain: number, meanTokens: number): void {
  account.rest = Math.max(-EARNED_PROMPTS * meanTokens, account.rest - RETURN_COUNTS * gain);
}
