/** What waits for a lane: as much as fits, so that neither a suite of any length nor one slow target fills the memory. */
export class BoundedQueue<Item> {
  readonly #most: number;
  readonly #items: Item[] = [];
  #isOver = false;
  #changed = Promise.withResolvers<void>();

  constructor(most: number) {
    this.#most = most;
  }

  /** Once there is room; of a queue that is over, at once and in vain. */
  async push(item: Item): Promise<void> {
    while (this.#items.length >= this.#most && !this.#isOver) await this.#changed.promise;
    if (this.#isOver) return;
    this.#items.push(item);
    this.#change();
  }

  /** @returns `undefined` when nothing comes any more. */
  async take(): Promise<Item | undefined> {
    while (this.#items.length === 0 && !this.#isOver) await this.#changed.promise;
    const item = this.#items.shift();
    this.#change();
    return item;
  }

  /** What waits is still taken. */
  end(): void {
    this.#isOver = true;
    this.#change();
  }

  /** Nothing is. */
  drop(): void {
    this.#items.length = 0;
    this.end();
  }

  #change(): void {
    this.#changed.resolve();
    this.#changed = Promise.withResolvers<void>();
  }
}
