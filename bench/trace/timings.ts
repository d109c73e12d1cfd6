/** How long decisions take. */
export class Timings {
  readonly #ms: number[] = [];

  add(ms: number): void {
    this.#ms.push(ms);
  }

  /** On average, without the slowest hundredth: those are the ones that the machine, busy with others, interrupted. */
  get microseconds(): number {
    const kept = Float64Array.from(this.#ms)
      .sort()
      .subarray(0, Math.ceil(0.99 * this.#ms.length));
    return kept.length === 0 ? 0 : (1000 * kept.reduce((sum, ms) => sum + ms, 0)) / kept.length;
  }
}
