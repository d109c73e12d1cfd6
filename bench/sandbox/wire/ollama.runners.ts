/**
 * Models in Ollama's memory, and who waits for them: first come, first served, so many at a time for each model. Another context size
 * or batch loads a model anew; one that nobody asked for long enough is let go.
 */
import { OllamaSlots } from "../cache/ollama-slots.ts";
import { Refusal } from "./wire.ts";

export interface RunnerNeed {
  readonly model: string;
  /** The options that a model is loaded with, in one form: with others it is loaded anew. */
  readonly options: string;
  readonly contextTokens: number;
  /** How long it is to stay; absent: as long as before. */
  readonly keepAliveMs: number | undefined;
}

export interface RunnerLimits {
  /** Requests that a model serves at a time. */
  readonly parallel: number;
  readonly queueMax: number;
  readonly modelsMax: number;
  readonly keepAliveMs: number;
  /** How long a model takes to be loaded. */
  readonly loadMs: number;
}

/** A place at a loaded model. */
export interface Seat {
  readonly slots: OllamaSlots;
  /** Until the model is there. */
  readonly loadMs: number;
  leave(nowMs: number): void;
}

export interface LoadedModel {
  readonly model: string;
  readonly contextTokens: number;
  readonly expiresAtMs: number;
}

interface Runner {
  readonly need: RunnerNeed;
  readonly slots: OllamaSlots;
  readonly readyAtMs: number;
  running: number;
  keepAliveMs: number;
  /** Counts from when it became idle. */
  expiresAtMs: number;
}

interface Waiting {
  readonly need: RunnerNeed;
  readonly nowMs: () => number;
  readonly seated: (seat: Seat) => void;
}

export class OllamaRunners {
  readonly #limits: RunnerLimits;
  /** Least recently used first. */
  readonly #loaded = new Map<string, Runner>();
  #waiting: readonly Waiting[] = [];

  constructor(limits: RunnerLimits) {
    this.#limits = limits;
  }

  /** @returns The place, or `undefined` for who left before it was free. @throws Refusal when too many wait already. */
  async seat(need: RunnerNeed, left: AbortSignal, nowMs: () => number): Promise<Seat | undefined> {
    const seat = this.#waiting.length === 0 ? this.#start(need, nowMs()) : undefined;
    if (seat !== undefined) return seat;
    if (this.#waiting.length >= this.#limits.queueMax) throw new Refusal(503, BUSY);
    return new Promise((resolve) => {
      const leave = () => {
        this.#waiting = this.#waiting.filter((one) => one !== waiting);
        resolve(undefined);
        // Who stood behind may be able to go on.
        this.#next(nowMs());
      };
      const waiting: Waiting = {
        need,
        nowMs,
        seated: (given) => {
          left.removeEventListener("abort", leave);
          resolve(given);
        },
      };
      this.#waiting = [...this.#waiting, waiting];
      left.addEventListener("abort", leave, { once: true });
      if (left.aborted) leave();
    });
  }

  /** Lets a model go as soon as nobody uses it. */
  unload(model: string): void {
    const runner = this.#loaded.get(model);
    if (runner === undefined) return;
    runner.keepAliveMs = 0;
    if (runner.running === 0) this.#loaded.delete(model);
  }

  /** What is in memory; the longest to stay first. */
  loaded(nowMs: number): LoadedModel[] {
    this.#expire(nowMs);
    return [...this.#loaded.values()]
      .map(({ need, running, keepAliveMs, expiresAtMs }) => ({
        model: need.model,
        contextTokens: need.contextTokens,
        expiresAtMs: running > 0 ? nowMs + keepAliveMs : expiresAtMs,
      }))
      .toSorted((a, b) => b.expiresAtMs - a.expiresAtMs);
  }

  clear(): void {
    this.#loaded.clear();
  }

  #next(nowMs: number): void {
    for (let first = this.#waiting[0]; first !== undefined; first = this.#waiting[0]) {
      const seat = this.#start(first.need, nowMs);
      if (seat === undefined) return;
      this.#waiting = this.#waiting.slice(1);
      first.seated(seat);
    }
  }

  /** `undefined`: not yet. */
  #start(need: RunnerNeed, nowMs: number): Seat | undefined {
    this.#expire(nowMs);
    const runner = this.#usable(need) ?? this.#load(need, nowMs);
    if (runner === undefined || runner.running >= this.#limits.parallel) return undefined;
    runner.running += 1;
    if (need.keepAliveMs !== undefined) runner.keepAliveMs = need.keepAliveMs;
    this.#loaded.delete(need.model);
    this.#loaded.set(need.model, runner);
    return {
      slots: runner.slots,
      loadMs: Math.max(0, runner.readyAtMs - nowMs),
      leave: (atMs) => this.#leave(runner, atMs),
    };
  }

  #usable(need: RunnerNeed): Runner | undefined {
    const runner = this.#loaded.get(need.model);
    return runner?.need.options === need.options ? runner : undefined;
  }

  #load(need: RunnerNeed, nowMs: number): Runner | undefined {
    const other = this.#loaded.get(need.model);
    // What is in use is not taken away: whoever needs it otherwise waits, and everybody behind.
    if (other !== undefined && other.running > 0) return undefined;
    if (other === undefined && this.#loaded.size >= this.#limits.modelsMax) {
      const idle = [...this.#loaded.values()].find(({ running }) => running === 0);
      if (idle === undefined) return undefined;
      this.#loaded.delete(idle.need.model);
    }
    this.#loaded.delete(need.model);
    return {
      need,
      slots: new OllamaSlots(this.#limits.parallel),
      readyAtMs: nowMs + this.#limits.loadMs,
      running: 0,
      keepAliveMs: this.#limits.keepAliveMs,
      expiresAtMs: Infinity,
    };
  }

  #leave(runner: Runner, nowMs: number): void {
    runner.running -= 1;
    runner.expiresAtMs = nowMs + runner.keepAliveMs;
    this.#next(nowMs);
  }

  #expire(nowMs: number): void {
    for (const { need, running, expiresAtMs } of this.#loaded.values()) {
      if (running === 0 && expiresAtMs <= nowMs) this.#loaded.delete(need.model);
    }
  }
}

export const BUSY = "server busy, please try again.  maximum pending requests exceeded";
