/** How many requests each routing key had in the last minute: beyond so many, what is sent with it spills to another machine. */
import { BoundedMap } from "./bounded-map.ts";

/** Requests a minute that one key bears. */
export const PER_MINUTE_MAX = 15;

/** Keys whose requests are counted; up to a kilobyte each while they are busy. Those counted first are forgotten first. */
const KEYS_MAX = 10_000;
/** Requests that are remembered of one key. */
const TIMES_MAX = 120;
const WINDOW_MS = 60_000;

export class KeyLoads {
  readonly #times: BoundedMap<readonly number[]>;

  constructor(keysMax: number = KEYS_MAX) {
    this.#times = new BoundedMap(keysMax);
  }

  count(key: string, nowMs: number): number {
    const times = this.#times.get(key) ?? [];
    let old = 0;
    while (old < times.length && (times[old] as number) <= nowMs - WINDOW_MS) old += 1;
    return times.length - old;
  }

  add(key: string, nowMs: number): void {
    const recent = (this.#times.get(key) ?? []).filter((time) => time > nowMs - WINDOW_MS);
    this.#times.set(key, [...recent, nowMs].slice(-TIMES_MAX));
  }

  /** Which of the key's machines the next request goes to; 0: the one where its like are. */
  spill(key: string, nowMs: number): number {
    return Math.floor(this.count(key, nowMs) / PER_MINUTE_MAX);
  }
}
