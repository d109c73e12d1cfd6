/** What one value of a scope spent lately: a ring of quarters of an hour. Exact, and of a fixed size (about 50 kB). */
import type { PicoUsd } from "../usage.ts";

/** Every time zone's days and hours begin with one. */
export const SLOT_MS = 900_000;
export const SLOTS_A_DAY: number = 86_400_000 / SLOT_MS;
/** Seven weeks: six that a baseline is learned from, and the days of a month's window. */
export const HISTORY_DAYS = 49;
const SLOTS: number = HISTORY_DAYS * SLOTS_A_DAY;
const CELL_MAX = 2n ** 63n - 1n;

export function slotOf(atMs: number): number {
  return Math.floor(atMs / SLOT_MS);
}

export class Spend {
  readonly #amounts = new BigInt64Array(SLOTS);
  readonly #unpriced = new Uint16Array(SLOTS);
  /** The newest slot that there is room for; what is `SLOTS` older has gone. */
  #head = Number.NEGATIVE_INFINITY;
  #first = Number.POSITIVE_INFINITY;
  #sums: { readonly from: number; spent: PicoUsd; unpriced: number }[] = [];

  /** The first slot with a call in it that is remembered; infinite: none. */
  get first(): number {
    return this.#first;
  }

  add(slot: number, amount: PicoUsd, unpriced: number): void {
    this.advance(slot);
    if (slot <= this.#head - SLOTS) return;
    const at = placeOf(slot);
    const sum = (this.#amounts[at] ?? 0n) + amount;
    this.#amounts[at] = sum > CELL_MAX ? CELL_MAX : sum;
    this.#unpriced[at] = Math.min(65_535, (this.#unpriced[at] ?? 0) + unpriced);
    if (slot < this.#first) this.#first = slot;
    for (const known of this.#sums) {
      if (slot < known.from) continue;
      known.spent += amount;
      known.unpriced += unpriced;
    }
  }

  /** Makes room up to this slot. */
  advance(slot: number): void {
    if (slot <= this.#head) return;
    const from = Math.max(this.#head + 1, slot - SLOTS + 1);
    if (Number.isFinite(this.#head)) {
      for (let next = from; next <= slot; next += 1) {
        this.#amounts[placeOf(next)] = 0n;
        this.#unpriced[placeOf(next)] = 0;
      }
    }
    this.#head = slot;
    if (this.#first <= slot - SLOTS) this.#first = slot - SLOTS + 1;
  }

  /** Picodollars of one slot, for statistics. */
  amount(slot: number): number {
    return slot > this.#head || slot <= this.#head - SLOTS ? 0 : Number(this.#amounts[placeOf(slot)]);
  }

  /** All from a slot on. The windows that are asked for again and again are summed once. */
  since(from: number): { readonly spent: PicoUsd; readonly unpriced: number } {
    const known = this.#sums.find((one) => one.from === from);
    if (known !== undefined) return known;
    const made = { from, spent: 0n, unpriced: 0 };
    for (let slot = Math.max(from, this.#head - SLOTS + 1); slot <= this.#head; slot += 1) {
      made.spent += this.#amounts[placeOf(slot)] ?? 0n;
      made.unpriced += this.#unpriced[placeOf(slot)] ?? 0;
    }
    this.#sums = [made, ...this.#sums].slice(0, SUMS_MAX);
    return made;
  }
}

const SUMS_MAX = 8;

function placeOf(slot: number): number {
  return ((slot % SLOTS) + SLOTS) % SLOTS;
}
