/** A clock that a jump of the machine's does not move: it stands still while that goes back, and takes no step longer than a few minutes. */
export class SteadyClock {
  readonly #now: () => number;
  #last: number;
  #steady = 0;

  /** @param now Milliseconds, which may jump. */
  constructor(now: () => number) {
    this.#now = now;
    this.#last = now();
  }

  /** Milliseconds since it was made, as far as it was read in between. */
  now(): number {
    const now = this.#now();
    this.#steady += Math.max(0, Math.min(now - this.#last, STEP_MS_MAX));
    this.#last = now;
    return this.#steady;
  }
}

/** It is read every half a minute; what is longer is a jump, or a machine that slept. */
export const STEP_MS_MAX = 300_000;
