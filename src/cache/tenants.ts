/** The statistics of each tenant, bounded: who was seen longest ago is forgotten. As JSON they survive a restart. */
import { emptyHazards, type Hazards } from "./hazard.ts";

/** `counts` is index and value in turn, of what is not 0. */
export interface TenantSnapshot {
  readonly meanTokens: number;
  readonly prompts: number;
  readonly counts: readonly number[];
}

interface Tenant {
  readonly hazards: Hazards;
  lastMs: number;
}

const UNKNOWN: Hazards = emptyHazards();

export class Tenants {
  readonly #max: number;
  readonly #known = new Map<string, Tenant>();

  constructor(max: number) {
    this.#max = max;
  }

  get size(): number {
    return this.#known.size;
  }

  /** To read only: a tenant that is not known has the statistics of nobody. */
  look(name: string): Hazards {
    return this.#known.get(name)?.hazards ?? UNKNOWN;
  }

  /** To learn in. */
  of(name: string, nowMs: number): Hazards {
    const known = this.#known.get(name);
    if (known !== undefined) {
      known.lastMs = nowMs;
      return known.hazards;
    }
    return this.#add(name, nowMs);
  }

  snapshot(): Record<string, TenantSnapshot> {
    const snapshot: Record<string, TenantSnapshot> = Object.create(null) as Record<string, TenantSnapshot>;
    for (const [name, { hazards }] of this.#known) {
      const counts: number[] = [];
      for (let index = 0; index < hazards.counts.length; index += 1) {
        // Three decimals tell as much, in a third of the text.
        const value = Math.round((hazards.counts[index] as number) * 1000) / 1000;
        if (value !== 0) counts.push(index, value);
      }
      snapshot[name] = { meanTokens: hazards.meanTokens, prompts: hazards.prompts, counts };
    }
    return snapshot;
  }

  restore(snapshot: unknown): void {
    if (!isRecord(snapshot)) return;
    for (const [name, kept] of Object.entries(snapshot)) {
      if (!isRecord(kept) || !isAmount(kept["meanTokens"]) || !isAmount(kept["prompts"])) continue;
      const hazards = this.#add(name, 0);
      hazards.meanTokens = kept["meanTokens"];
      hazards.prompts = kept["prompts"];
      const counts = Array.isArray(kept["counts"]) ? (kept["counts"] as unknown[]) : [];
      for (let at = 0; at + 1 < counts.length; at += 2) {
        const [index, value] = [counts[at], counts[at + 1]];
        if (isAmount(index) && isAmount(value) && index < hazards.counts.length) hazards.counts[index] = value;
      }
    }
  }

  #add(name: string, nowMs: number): Hazards {
    this.#known.delete(name);
    if (this.#known.size >= this.#max) this.#forgetOldest();
    const hazards = emptyHazards();
    this.#known.set(name, { hazards, lastMs: nowMs });
    return hazards;
  }

  #forgetOldest(): void {
    let oldest: string | undefined;
    let oldestMs = Infinity;
    for (const [name, tenant] of this.#known) {
      if (tenant.lastMs >= oldestMs) continue;
      oldestMs = tenant.lastMs;
      oldest = name;
    }
    if (oldest !== undefined) this.#known.delete(oldest);
  }
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function isAmount(value: unknown): value is number {
  return typeof value === "number" && Number.isFinite(value) && value >= 0;
}
