/**
 * What a value of a scope usually spends, from its own days: how much on each day of the week, how that is spread over the day, and by
 * how much it is usually off. Today is never in it.
 */
import type { Day } from "./days.ts";
import { clockOf } from "./days.ts";
import { SLOTS_A_DAY, slotOf, type Spend } from "./spend.ts";

export interface Learned {
  /** Picodollars by the day of the week. */
  readonly ofDay: readonly number[];
  /** Shares of the day by the quarter of an hour, for each day of the week; each sums to 1. */
  readonly shapes: readonly Float64Array[];
  /** Variance of what is spent in some time, by what is expected in it: about the size of the pieces that spend comes in. */
  readonly dispersion: number;
  /** Standard deviation of the logarithm of a day's spend around what is expected. */
  readonly daySpread: number;
  /** How far three quarters of an hour come over what is expected of them and a bit (`SWING_OFFSET`), as a multiple of that. */
  readonly swing: number;
}

/** The same day of so many weeks. */
export const WEEKS = 6;
/** A day of the week with little spend is taken to have this share of the usual day: somebody will work on a Sunday. */
const QUIET_DAY_SHARE = 0.5;
/** Days that say whether the level has risen for good: more than half of them must have it. */
const TREND_DAYS = 7;
/** What another day of the week says of how a day is spread. */
const OTHER_DAY_WEIGHT = 0.15;

/**
 * @param before Whole days, newest first.
 * @returns `undefined` with fewer known days than asked.
 */
export function learn(spend: Spend, before: readonly Day[], historyDays: number): Learned | undefined {
  const known = before.slice(0, WEEKS * 7).filter(({ startMs }) => slotOf(startMs) >= spend.first);
  if (known.length < historyDays) return undefined;
  const days = known.map((day) => recorded(spend, day));
  const relative = days.map((day, at) => ({ weekday: day.weekday, share: shareOfWeek(days, at) }));
  const groups = WEEKDAYS.map((weekday) => alike(relative, weekday));
  const least = QUIET_DAY_SHARE * median(relative.map(({ share }) => share));
  const shares = groups.map((group) => Math.max(least, median(group)));
  const { level, trend } = levelOf(days, shares);
  const usual = shares.map((share) => share * level);
  const shapes = WEEKDAYS.map((weekday) => shapeOf(days, weekday));
  return {
    ofDay: usual.map((amount) => amount * trend),
    shapes,
    dispersion: dispersionOf(days, usual, shapes) * trend,
    daySpread: spreadOf(days, usual, groups),
    swing: swingOf(days, shapes),
  };
}

const WEEKDAYS = [0, 1, 2, 3, 4, 5, 6] as const;

interface Recorded {
  readonly weekday: number;
  readonly total: number;
  readonly slots: Float64Array;
}

function recorded(spend: Spend, day: Day): Recorded {
  const slots = new Float64Array(SLOTS_A_DAY);
  let total = 0;
  for (let slot = slotOf(day.startMs); slot < slotOf(day.endMs); slot += 1) {
    const amount = spend.amount(slot);
    const place = clockOf(slot, day);
    slots[place] = (slots[place] ?? 0) + amount;
    total += amount;
  }
  return { weekday: day.weekday, total, slots };
}

interface Relative {
  readonly weekday: number;
  readonly share: number;
}

/** By the mean of the seven days around it: a price that changed makes no day of the week dearer than the others. */
function shareOfWeek(days: readonly Recorded[], at: number): number {
  const from = Math.max(0, Math.min(at - 3, days.length - 7));
  const mean = days.slice(from, from + 7).reduce((sum, { total }) => sum + total, 0) / 7;
  return mean > 0 ? (days[at]?.total ?? 0) / mean : 0;
}

/** Days of the week that usually cost about the same: six Mondays say little, and thirty working days much. */
function alike(days: readonly Relative[], weekday: number): readonly number[] {
  const usual = (of: number) => median(days.flatMap((day) => (day.weekday === of ? [day.share] : [])));
  const own = usual(weekday);
  const others = new Set<number>(WEEKDAYS.filter((other) => Math.abs(usual(other) - own) <= ALIKE * own));
  return days.flatMap((day) => (others.has(day.weekday) ? [day.share] : []));
}

const ALIKE = 0.15;

/** How high it is, by the median of all days; and how much higher of late, never below 1: after holidays, what is usual is what it was. */
function levelOf(
  days: readonly Recorded[],
  shares: readonly number[],
): { readonly level: number; readonly trend: number } {
  const levels = days.flatMap(({ weekday, total }) => {
    const share = shares[weekday] ?? 0;
    return share > 0 ? [total / share] : [];
  });
  const level = median(levels);
  const late = median(levels.slice(0, TREND_DAYS));
  return { level, trend: level > 0 && levels.length >= TREND_DAYS ? Math.max(1, late / level) : 1 };
}

/** Each day counts alike, however much it cost; smoothed over the quarters beside, for calls do not come by the clock. */
function shapeOf(days: readonly Recorded[], weekday: number): Float64Array {
  const shape = new Float64Array(SLOTS_A_DAY);
  let weights = 0;
  for (const day of days) {
    if (day.total <= 0) continue;
    const weight = day.weekday === weekday ? 1 : OTHER_DAY_WEIGHT;
    weights += weight;
    for (const [place, amount] of day.slots.entries())
      shape[place] = (shape[place] ?? 0) + (weight * amount) / day.total;
  }
  if (weights === 0) return shape.fill(1 / SLOTS_A_DAY);
  const smooth = new Float64Array(SLOTS_A_DAY);
  for (const [place, share] of shape.entries()) {
    for (const [step, weight] of SMOOTHING) {
      const at = (place + step + SLOTS_A_DAY) % SLOTS_A_DAY;
      smooth[at] = (smooth[at] ?? 0) + (share * weight) / weights;
    }
  }
  return smooth;
}

const SMOOTHING = [
  [-1, 0.25],
  [0, 0.5],
  [1, 0.25],
] as const;

/** Half hours: about the time that a projection looks back. */
const STEP = 2;

/**
 * Where the money is: an hour with little of it says little. Each day is taken as if it had been a usual one, so that a price that changed
 * does not count as unrest. Three of four days are below it.
 */
function dispersionOf(days: readonly Recorded[], usual: readonly number[], shapes: readonly Float64Array[]): number {
  const each = days.flatMap(({ weekday, slots, total }) => {
    const expected = usual[weekday] ?? 0;
    if (total <= 0 || expected <= 0) return [];
    let squares = 0;
    for (let place = 0; place < SLOTS_A_DAY; place += STEP) {
      let off = 0;
      for (let at = place; at < place + STEP; at += 1) off += (slots[at] ?? 0) / total - (shapes[weekday]?.[at] ?? 0);
      squares += off ** 2;
    }
    return [squares * expected];
  });
  const sorted = each.toSorted((one, other) => one - other);
  return sorted[Math.floor(0.75 * (sorted.length - 1))] ?? 0;
}

/** By the largest of each day with much spend, of which some may be of days when something went wrong. */
function swingOf(days: readonly Recorded[], shapes: readonly Float64Array[]): number {
  const much =
    median(
      days
        .map(({ total }) => total)
        .toSorted((one, other) => other - one)
        .slice(0, days.length / 2),
    ) / 2;
  const largest = days.flatMap(({ weekday, slots, total }) => {
    if (total <= 0 || total < much) return [];
    let most = 0;
    for (let last = SWING_SLOTS - 1; last < slots.length; last += 1) {
      let [amount, expected] = [0, SWING_OFFSET];
      for (let at = last - SWING_SLOTS + 1; at <= last; at += 1) {
        amount += (slots[at] ?? 0) / total;
        expected += shapes[weekday]?.[at] ?? 0;
      }
      most = Math.max(most, (amount - expected + SWING_OFFSET) / expected);
    }
    return [most];
  });
  const sorted = largest.toSorted((one, other) => one - other);
  return sorted[Math.floor(SWING_QUANTILE * (sorted.length - 1))] ?? 0;
}

const SWING_QUANTILE = 0.93;
const SWING_SLOTS = 2;
/** As a share of the day: half of what is expected of three quarters of an hour where all are alike. */
export const SWING_OFFSET: number = (0.5 * SWING_SLOTS) / SLOTS_A_DAY;

/**
 * From one day to the next that is like it, by the median step: neither two odd days in a week nor a price that changed moves it. The more,
 * the fewer days the baseline itself is from.
 */
function spreadOf(days: readonly Recorded[], usual: readonly number[], groups: readonly (readonly number[])[]): number {
  const levels = days.flatMap(({ weekday, total }) => {
    const expected = usual[weekday] ?? 0;
    return expected > 0 ? [Math.log(Math.max(total / expected, LEVEL_LEAST))] : [];
  });
  const steps = levels.slice(1).map((level, at) => Math.abs(level - (levels[at] ?? level)));
  const fewest = Math.min(...groups.map((group) => group.length));
  const spread = (NORMAL_BY_MEDIAN * median(steps)) / Math.SQRT2;
  return Math.min(SPREAD_MAX, Math.max(SPREAD_MIN, spread) * Math.sqrt(1 + 1.6 / Math.max(1, fewest - 1)));
}

/** A standard deviation by the median one, of what is normal. */
const NORMAL_BY_MEDIAN = 1.4826;
const SPREAD_MIN = 0.1;
const SPREAD_MAX = 0.35;
const LEVEL_LEAST = 0.05;

export function median(values: readonly number[]): number {
  if (values.length === 0) return 0;
  const sorted = values.toSorted((one, other) => one - other);
  const middle = sorted.length >> 1;
  const upper = sorted[middle] ?? 0;
  return sorted.length % 2 === 1 ? upper : (upper + (sorted[middle - 1] ?? 0)) / 2;
}
