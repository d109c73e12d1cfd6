/**
 * What a provider's prompt cache does with one request. One file per contract; none knows a wire or a clock.
 */
import { digest } from "../tokens.ts";

/** How the prompt's tokens are billed: the parts add up to the prompt. */
export interface PromptBill {
  readonly uncached: number;
  readonly read: number;
  readonly write5m: number;
  readonly write1h: number;
  readonly writeOther: number;
}

export interface CachePlan {
  readonly bill: PromptBill;
  /** Time before the prompt is read at all: a model that has to be loaded. */
  readonly loadMs?: number;
  /** Makes what this request writes readable by others. Called once, when the answer begins; never for a refused request. */
  commit(): void;
}

export function uncachedPlan(tokens: number): CachePlan {
  return { bill: { uncached: tokens, read: 0, write5m: 0, write1h: 0, writeOther: 0 }, commit: () => {} };
}

/** Several prompts in one request: billed together, cached apart. */
export function jointPlan(plans: readonly CachePlan[]): CachePlan {
  const sum = (part: keyof PromptBill) => plans.reduce((total, plan) => total + plan.bill[part], 0);
  return {
    bill: {
      uncached: sum("uncached"),
      read: sum("read"),
      write5m: sum("write5m"),
      write1h: sum("write1h"),
      writeOther: sum("writeOther"),
    },
    commit: () => {
      for (const plan of plans) plan.commit();
    },
  };
}

/** A map that forgets its oldest entries beyond `max`; touching an entry makes it young. */
export class BoundedMap<Value> {
  readonly #max: number;
  readonly #entries = new Map<string, Value>();

  constructor(max: number) {
    this.#max = max;
  }

  get size(): number {
    return this.#entries.size;
  }

  get(key: string): Value | undefined {
    return this.#entries.get(key);
  }

  set(key: string, value: Value): void {
    this.#entries.delete(key);
    this.#entries.set(key, value);
    if (this.#entries.size <= this.#max) return;
    const oldest = this.#entries.keys().next();
    if (oldest.done !== true) this.#entries.delete(oldest.value);
  }

  delete(key: string): void {
    this.#entries.delete(key);
  }

  clear(): void {
    this.#entries.clear();
  }
}

/**
 * Which machine a routing key leads to: beyond `perMinute` requests in a minute the rest spills to the next machine, which is cold.
 */
export class KeyRouting {
  readonly #perMinute: number;
  readonly #recent = new BoundedMap<number[]>(10_000);

  constructor(perMinute: number) {
    this.#perMinute = perMinute;
  }

  machine(route: string, nowMs: number): string {
    const recent = (this.#recent.get(route) ?? []).filter((at) => at > nowMs - 60_000);
    const spill = Math.floor(recent.length / this.#perMinute);
    recent.push(nowMs);
    this.#recent.set(route, recent);
    return digest(route, String(spill));
  }

  clear(): void {
    this.#recent.clear();
  }
}
