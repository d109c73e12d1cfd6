/**
 * A map that forgets what was first written longest ago. An entry that is written again keeps its place, and the oldest is found by one
 * iterator that is never begun anew: V8 leaves a gap where an entry was deleted, until the table grows, and would walk through all of them.
 */
export class BoundedMap<Value> {
  readonly #entries = new Map<string, Value>();
  readonly #oldest = this.#entries.keys();
  readonly #max: number;

  constructor(max: number) {
    this.#max = max;
  }

  get size(): number {
    return this.#entries.size;
  }

  has(key: string): boolean {
    return this.#entries.has(key);
  }

  get(key: string): Value | undefined {
    return this.#entries.get(key);
  }

  set(key: string, value: Value): void {
    this.#entries.set(key, value);
    if (this.#entries.size <= this.#max) return;
    const oldest = this.#oldest.next();
    if (oldest.done !== true) this.#entries.delete(oldest.value);
  }
}
