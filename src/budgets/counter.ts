/**
 * One budget of one value: its money by window, and what of it counts now.
 *
 * A window of the calendar is one cell; a rolling one is sixty slices and the one that has begun, so that it never reaches less far
 * back than it says. A cell stays what it is when the clock jumps: each window is found as it was left, as far as it is remembered.
 */
import type { PicoUsd } from "../usage.ts";
import type { BudgetWindow, WindowSpan } from "./budget.ts";
import { calendarWindows } from "./windows.ts";

/** Money of one window, or of one slice of a rolling one. */
export interface Cell {
  /** The window's start, or the slice's place. */
  readonly key: number;
  spent: PicoUsd;
  /** Spent, and reserved. */
  counted: PicoUsd;
  /** Of what is spent, what this process did not see. */
  recalled: PicoUsd;
  unpriced: number;
  refused: number;
}

/** Which cells a window is made of, by the clock. One for all budgets of a rule. */
export interface WindowClock {
  readonly window: BudgetWindow;
  keyOf(atMs: number): number;
  /** Keys of the first and last cells that count at a time. */
  rangeOf(key: number): readonly [from: number, to: number];
  spanOf(atMs: number): WindowSpan;
  /** When the cell counts no more. */
  endOf(key: number, atMs: number): number;
  /** Where rows of the ledger begin to count. */
  sinceOf(atMs: number): number;
  readonly sliceMs: number | undefined;
  readonly cellsMax: number;
}

const SLICES = 60;
const WINDOWS_MAX = 8;

export function windowClock(window: BudgetWindow): WindowClock {
  if (window.kind === "calendar") {
    const spanOf = calendarWindows(window.unit, window.timeZone);
    return {
      window,
      spanOf,
      keyOf: (atMs) => spanOf(atMs).startMs,
      rangeOf: (key) => [key, key],
      endOf: (key) => spanOf(key).endMs,
      sinceOf: (atMs) => spanOf(atMs).startMs,
      sliceMs: undefined,
      cellsMax: WINDOWS_MAX,
    };
  }
  const sliceMs = window.lengthMs / SLICES;
  return {
    window,
    spanOf: (atMs) => ({ startMs: atMs - window.lengthMs, endMs: atMs }),
    keyOf: (atMs) => Math.floor(atMs / sliceMs),
    // What lies ahead, as the clock was set back, counts until it is as far behind.
    rangeOf: (key) => [key - SLICES, key + SLICES],
    endOf: (key) => (key + SLICES + 1) * sliceMs,
    sinceOf: (atMs) => (Math.floor(atMs / sliceMs) - SLICES) * sliceMs,
    sliceMs,
    cellsMax: 2 * (SLICES + 1),
  };
}

export class Counter {
  readonly value: string;
  readonly clock: WindowClock;
  /** Since the process began. */
  unpricedInAll = 0;
  refusedInAll = 0;
  /** When it was told in this window, by what. */
  readonly told: Map<string, number> = new Map();
  readonly #cells = new Map<number, Cell>();
  #key = Number.NaN;
  #current: Cell | undefined;
  /** What all cells of a rolling window come to; of the calendar's, there is one. */
  #spent: PicoUsd = 0n;
  #counted: PicoUsd = 0n;
  readonly #isRolling: boolean;
  /** What cells that are forgotten had seen. */
  #forgotten: PicoUsd = 0n;
  #from = 0;
  #to = 0;

  constructor(value: string, clock: WindowClock) {
    this.value = value;
    this.clock = clock;
    this.#isRolling = clock.sliceMs !== undefined;
  }

  /** What is settled and counts now. */
  get spent(): PicoUsd {
    return this.#isRolling ? this.#spent : (this.#current?.spent ?? 0n);
  }

  /** With what is reserved. */
  get counted(): PicoUsd {
    return this.#isRolling ? this.#counted : (this.#current?.counted ?? 0n);
  }

  get reserved(): PicoUsd {
    return this.counted - this.spent;
  }

  /** What this process saw being spent, in all windows: only rises. */
  get spentInAll(): PicoUsd {
    let sum = this.#forgotten;
    for (const { spent, recalled } of this.#cells.values()) sum += spent - recalled;
    return sum;
  }

  /** The cell that a call is of which begins now; from here on what counts is what counts at that time. */
  at(nowMs: number): Cell {
    const key = this.clock.keyOf(nowMs);
    if (key !== this.#key) this.#turn(key);
    return (this.#current ??= this.cell(key));
  }

  cell(key: number): Cell {
    const known = this.#cells.get(key);
    if (known !== undefined) return known;
    const made: Cell = { key, spent: 0n, counted: 0n, recalled: 0n, unpriced: 0, refused: 0 };
    this.#cells.set(key, made);
    if (this.#cells.size > this.clock.cellsMax) this.#drop(key);
    return made;
  }

  reserve(cell: Cell, amount: PicoUsd): void {
    cell.counted += amount;
    if (this.#isRolling && this.#counts(cell)) this.#counted += amount;
  }

  /** In the place of what was reserved. */
  settle(cell: Cell, reserved: PicoUsd, spent: PicoUsd): void {
    const change = spent - reserved;
    cell.spent += spent;
    cell.counted += change;
    if (cell !== this.#current && this.#cells.get(cell.key) !== cell) {
      this.#forgotten += spent;
      return;
    }
    if (!this.#isRolling || !this.#counts(cell)) return;
    this.#spent += spent;
    this.#counted += change;
  }

  /** What the ledger knows to have been spent. */
  recall(cell: Cell, spent: PicoUsd): void {
    this.settle(cell, 0n, spent);
    cell.recalled += spent;
  }

  get cells(): Iterable<Cell> {
    return this.#cells.values();
  }

  get unpriced(): number {
    return this.#count("unpriced");
  }

  get refused(): number {
    return this.#count("refused");
  }

  /** Whether nothing of it counts any more, so that it may be forgotten. */
  isIdle(nowMs: number): boolean {
    this.at(nowMs);
    return this.counted === 0n && this.refused === 0 && this.unpriced === 0;
  }

  /**
   * When so much will have been freed by time alone, were nothing more spent; `undefined`: never, it is more than the limit.
   *
   * @param limit Of the window.
   */
  fitsAt(amount: PicoUsd, limit: PicoUsd, nowMs: number): number | undefined {
    if (amount > limit) return undefined;
    let counts = this.counted;
    const cells = [...this.#cells.values()].filter(({ key }) => key >= this.#from && key <= this.#to);
    for (const cell of cells.toSorted((one, other) => one.key - other.key)) {
      counts -= cell.counted;
      if (counts + amount <= limit) return this.clock.endOf(cell.key, nowMs);
    }
    return nowMs;
  }

  #counts(cell: Cell): boolean {
    if (cell === this.#current) return true;
    // Of one that was forgotten meanwhile, nothing counts.
    return cell.key >= this.#from && cell.key <= this.#to && this.#cells.get(cell.key) === cell;
  }

  #count(what: "unpriced" | "refused"): number {
    let sum = 0;
    for (const cell of this.#cells.values()) if (cell.key >= this.#from && cell.key <= this.#to) sum += cell[what];
    return sum;
  }

  #turn(key: number): void {
    const isFirst = Number.isNaN(this.#key);
    this.#key = key;
    this.#current = undefined;
    [this.#from, this.#to] = this.clock.rangeOf(key);
    if (!this.#isRolling) {
      if (!isFirst) this.told.clear();
      return;
    }
    this.#spent = 0n;
    this.#counted = 0n;
    for (const cell of this.#cells.values()) {
      if (cell.key < this.#from || cell.key > this.#to) continue;
      this.#spent += cell.spent;
      this.#counted += cell.counted;
    }
  }

  /** The one that is furthest from now. @param kept Was made just now. */
  #drop(kept: number): void {
    let furthest: number | undefined;
    const distance = (key: number) => Math.abs(key - (Number.isNaN(this.#key) ? kept : this.#key));
    for (const key of this.#cells.keys()) {
      if (key === kept || key === this.#key) continue;
      if (furthest === undefined || distance(key) > distance(furthest)) furthest = key;
    }
    const dropped = furthest === undefined ? undefined : this.#cells.get(furthest);
    if (dropped === undefined) return;
    this.#forgotten += dropped.spent - dropped.recalled;
    this.#cells.delete(dropped.key);
  }
}
