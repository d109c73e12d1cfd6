/**
 * How far a projection may be off: draws from what the estimates believe, as the policy's own trials take them, always the same ones. A target's
 * error has a part that all classes share (half of it), so that the error of a sum over many classes does not vanish.
 */
import { chanceOf, drawnCost, drawnSuccess } from "../../src/policies/trial.ts";
import type { Success } from "../../src/tasks/estimates-class.ts";

export const DRAWS = 1_000;

export type Interval = readonly [low: number, high: number];

export class Draws {
  readonly #seed: string;

  constructor(seed: string) {
    this.#seed = seed;
  }

  /** By what a projected cost is to be multiplied. @param tasks That its costs are known from. */
  cost(className: string, target: string, tasks: number, draw: number): number {
    // A projection relates what is believed there to what is believed here: as much is known of it as of a mean of half the tasks. Two
    // independent parts, each of half the variance that the policy takes such a mean to have.
    const half = tasks + 1;
    const shared = chanceOf(`${this.#seed} ${draw} ${target}`);
    const own = chanceOf(`${this.#seed} ${draw} ${target} ${className}`);
    return drawnCost(1, half, shared) * drawnCost(1, half, own);
  }

  success(className: string, target: string, success: Success, draw: number): number {
    return drawnSuccess(success, chanceOf(`${this.#seed} ${draw} success ${target} ${className}`));
  }
}

/** In which 95 of 100 draws lie. */
export function intervalOf(draws: readonly number[]): Interval {
  const sorted = draws.toSorted((one, other) => one - other);
  const at = (share: number) =>
    sorted[Math.min(sorted.length - 1, Math.round(share * (sorted.length - 1)))] ?? Number.NaN;
  return [at(0.025), at(0.975)];
}
