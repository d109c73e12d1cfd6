/**
 * Thompson sampling: what a task would cost at each target is drawn from what is believed of it, and the lowest draw is tried. What is
 * known well is drawn near its mean, so targets that are known to be dearer are hardly ever tried. All chance comes from one word.
 */
import type { Success } from "../tasks/estimates-class.ts";

/** Numbers from 0 up to, not including, 1; the same for the same word. */
export type Chance = () => number;

export function chanceOf(word: string): Chance {
  // FNV-1a, and then the mixing of each step makes one bit of the word reach all of the number.
  let state = 0x811c9dc5;
  for (let index = 0; index < word.length; index += 1) state = Math.imul(state ^ word.charCodeAt(index), 0x01000193);
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}

/** Of the logarithm of a task's cost, between what one task shows and what is true. Assumed. */
const COST_DEVIATION = 0.5;

export function drawnSuccess({ successes, failures }: Success, chance: Chance): number {
  const [won, lost] = [gamma(successes, chance), gamma(failures, chance)];
  return won + lost === 0 ? successes / (successes + failures) : won / (won + lost);
}

/** @param n Tasks that the cost is known from. */
export function drawnCost(cost: number, n: number, chance: Chance): number {
  const deviation = COST_DEVIATION / Math.sqrt(1 + n);
  return cost * Math.exp(deviation * normal(chance) - (deviation * deviation) / 2);
}

/** Box and Muller. */
function normal(chance: Chance): number {
  return Math.sqrt(-2 * Math.log(1 - chance())) * Math.cos(2 * Math.PI * chance());
}

/** Marsaglia and Tsang; below 1 by the shape above it. */
function gamma(shape: number, chance: Chance): number {
  if (!(shape > 0)) return 0;
  if (shape < 1) return gamma(shape + 1, chance) * chance() ** (1 / shape);
  const d = shape - 1 / 3;
  const c = 1 / Math.sqrt(9 * d);
  // Each round takes more than nine of ten; the bound is for a source of chance that is none.
  for (let round = 0; round < 100; round += 1) {
    const x = normal(chance);
    const v = (1 + c * x) ** 3;
    if (v > 0 && Math.log(1 - chance()) < 0.5 * x * x + d - d * v + d * Math.log(v)) return d * v;
  }
  return d;
}
